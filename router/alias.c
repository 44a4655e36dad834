/* SPDX-License-Identifier: ISC */
#include "router/alias.h"

#include <string.h>

/* --- from the list to the text of one element --- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

void
alias_begin(struct alias_reader *r, struct str value)
{
	r->rest = value;
}

struct scan {
	struct str s;
	size_t at;
	char *out;
	size_t len;
	size_t end;  /* len without blanks at the end that no quotes protect */
	char quote;  /* the open one, 0: none */
	bool quoted; /* there was one */
};

static bool
put(struct scan *c, char byte, bool solid)
{
	if (c->len == ALIAS_ELEMENT_MAX)
		return false;
	c->out[c->len++] = byte;
	if (solid)
		c->end = c->len;
	return true;
}

static bool
begins_comment(const struct scan *c)
{
	return c->s.ptr[c->at] == '#' && (c->at == 0 || is_blank(c->s.ptr[c->at - 1]));
}

/* Takes one byte of the element. Returns false when there is no room for it. */
static bool
take_byte(struct scan *c)
{
	char byte = c->s.ptr[c->at++];

	if (byte == '\\' && c->at < c->s.len)
		return put(c, c->s.ptr[c->at++], true);
	if (c->quote != 0) {
		if (byte != c->quote)
			return put(c, byte, true);
		c->quote = 0;
		return true;
	}
	if (byte == '"' || byte == '\'') {
		c->quote = byte;
		c->quoted = true;
		return true;
	}
	if (is_blank(byte) && c->len == 0 && !c->quoted)
		return true;
	return put(c, byte, !is_blank(byte));
}

/*
 * An apostrophe within a word belongs to it: o'brien@example.org is an address. So it opens a quotation only at the
 * beginning of an element.
 */
static bool
is_apostrophe(const struct scan *c)
{
	return c->quote == 0 && c->s.ptr[c->at] == '\'' && c->len > 0;
}

static enum alias_found
take_text(struct alias_reader *r, struct str *out, struct error *err)
{
	struct scan c = { .s = r->rest, .out = r->text };

	while (c.at < c.s.len && (c.quote != 0 || (c.s.ptr[c.at] != ',' && !begins_comment(&c)))) {
		bool ok = is_apostrophe(&c) ? put(&c, c.s.ptr[c.at++], true) : take_byte(&c);
		if (!ok) {
			error_set(err, ERROR_PERMANENT, "an element is longer than %d bytes", ALIAS_ELEMENT_MAX);
			return ALIAS_BAD;
		}
	}
	if (c.quote != 0) {
		error_set(err, ERROR_PERMANENT, "a quotation mark has no second one");
		return ALIAS_BAD;
	}
	if (c.at < c.s.len && c.s.ptr[c.at] == '#')
		c.at = c.s.len;
	else if (c.at < c.s.len)
		c.at++;
	r->rest = (struct str){ c.s.ptr + c.at, c.s.len - c.at };
	r->text[c.end] = '\0';
	*out = (struct str){ r->text, c.end };
	return ALIAS_ELEMENT;
}

/* --- what an element is --- */

static bool
cut_prefix(struct str *s, struct str prefix)
{
	if (!str_starts_nocase(*s, prefix))
		return false;
	s->ptr += prefix.len;
	s->len -= prefix.len;
	return true;
}

static bool
is_printable(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (!ascii_is_printable(s.ptr[i]))
			return false;
	return true;
}

static bool
bad(struct error *err, const char *why)
{
	return error_set(err, ERROR_PERMANENT, "%s", why);
}

/* Behind "error:": NNN, a blank, and a text that begins with a letter or digit. */
static bool
be_error(struct str s, struct alias_element *out, struct error *err)
{
	struct str digits = { s.ptr, s.len < 3 ? s.len : 3 };
	uint64_t code;

	if (!str_to_u64(digits, 599, &code) || code < 400)
		return bad(err, "expected a code from 400 to 599 behind \"error:\"");
	if (s.len < 5 || s.ptr[3] != ' ' || !(ascii_is_alpha(s.ptr[4]) || ascii_is_digit(s.ptr[4])) || !is_printable(s))
		return bad(err, "expected a blank and a text of printable characters behind the code of \"error:\"");
	out->kind = ALIAS_ERROR;
	out->code = (unsigned)code;
	out->text = (struct str){ s.ptr + 4, s.len - 4 };
	return true;
}

static bool
be_include(struct str s, struct alias_element *out, struct error *err)
{
	out->kind = ALIAS_INCLUDE;
	out->text = str_trim(s);
	return (out->text.len > 1 && out->text.ptr[0] == '/') || bad(err, "expected a path behind \":include:\"");
}

static bool
be_command(struct str s, struct alias_element *out, struct error *err)
{
	out->kind = ALIAS_COMMAND;
	out->text = str_trim(s);
	return out->text.len > 0 || bad(err, "expected a command behind \"|\"");
}

static bool
be_address(struct str s, struct alias_element *out, struct error *err)
{
	struct error why;

	out->kind = ALIAS_ADDRESS;
	return address_parse(s, ADDRESS_UTF8_ALLOWED, &out->address, &why) ||
	    error_set(err, ERROR_PERMANENT, "expected an address: %s", why.text);
}

bool
alias_is_user(struct str name)
{
	size_t i;

	for (i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		if (!ascii_is_alpha(c) && !ascii_is_digit(c) && (c == '\0' || strchr("_.+-", c) == NULL))
			return false;
	}
	return name.len > 0 && name.len <= ADDRESS_LOCAL_MAX;
}

/* The text is the reader's own, and the element is looked at in lower case from here on. */
static bool
be_user(struct alias_reader *r, struct str s, struct alias_element *out, struct error *err)
{
	size_t i;

	if (!alias_is_user(s))
		return bad(err, "expected an address, the name of a user, \":include:/path\" or \"error:NNN text\"");
	for (i = 0; i < s.len; i++)
		r->text[i] = ascii_lower(s.ptr[i]);
	out->kind = ALIAS_USER;
	return true;
}

static bool
recognise(struct alias_reader *r, struct str s, struct alias_element *out, struct error *err)
{
	struct str behind = s;

	out->text = s;
	out->code = 0;
	if (cut_prefix(&behind, S(":error:")) || cut_prefix(&behind, S("error:")))
		return be_error(behind, out, err);
	if (cut_prefix(&behind, S(":include:")) || cut_prefix(&behind, S("include:")))
		return be_include(behind, out, err);
	if (cut_prefix(&behind, S("|")))
		return be_command(behind, out, err);
	if (s.ptr[0] == '/') {
		out->kind = ALIAS_FILE;
		return true;
	}
	if (memchr(s.ptr, '@', s.len) != NULL)
		return be_address(s, out, err);
	return be_user(r, s, out, err);
}

enum alias_found
alias_read(struct alias_reader *r, struct alias_element *out, struct error *err)
{
	enum alias_found found;
	struct str text;

	while (r->rest.len > 0) {
		found = take_text(r, &text, err);
		if (found == ALIAS_BAD)
			return ALIAS_BAD;
		if (text.len > 0)
			return recognise(r, text, out, err) ? ALIAS_ELEMENT : ALIAS_BAD;
	}
	return ALIAS_END;
}
