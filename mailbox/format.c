/* SPDX-License-Identifier: ISC */
#include "mailbox/format.h"

#include <string.h>

#include "mailbox/limits.h"
#include "mailbox/path.h"

enum part { PART_WHOLE, PART_USER, PART_DOMAIN };
enum source { SOURCE_SENDER, SOURCE_RCPT, SOURCE_DEST, SOURCE_MBOX_FROM, SOURCE_USERNAME, SOURCE_DIRECTORY };

enum modifier { MODIFIER_LOWERCASE = 1, MODIFIER_UPPERCASE = 2, MODIFIER_STRIP = 4, MODIFIER_RAW = 8 };

/* clang-format off */
static const struct name {
	struct str name;
	enum source source;
	enum part part;
	bool fixed; /* the same for every message of a user */
} names[] = {
	{ STR("sender"),         SOURCE_SENDER,    PART_WHOLE,  false },
	{ STR("sender.user"),    SOURCE_SENDER,    PART_USER,   false },
	{ STR("sender.domain"),  SOURCE_SENDER,    PART_DOMAIN, false },
	{ STR("rcpt"),           SOURCE_RCPT,      PART_WHOLE,  false },
	{ STR("rcpt.user"),      SOURCE_RCPT,      PART_USER,   false },
	{ STR("rcpt.domain"),    SOURCE_RCPT,      PART_DOMAIN, false },
	{ STR("dest"),           SOURCE_DEST,      PART_WHOLE,  false },
	{ STR("dest.user"),      SOURCE_DEST,      PART_USER,   false },
	{ STR("dest.domain"),    SOURCE_DEST,      PART_DOMAIN, false },
	{ STR("mbox.from"),      SOURCE_MBOX_FROM, PART_WHOLE,  false },
	{ STR("user.username"),  SOURCE_USERNAME,  PART_WHOLE,  true },
	{ STR("user.directory"), SOURCE_DIRECTORY, PART_WHOLE,  true },
};

static const struct {
	struct str name;
	enum modifier modifier;
} modifiers[] = {
	{ STR("lowercase"), MODIFIER_LOWERCASE },
	{ STR("uppercase"), MODIFIER_UPPERCASE },
	{ STR("strip"),     MODIFIER_STRIP },
	{ STR("raw"),       MODIFIER_RAW },
};
/* clang-format on */

/* One %{...}, taken apart. */
struct specifier {
	const struct name *name;
	bool substring;
	int64_t begin;
	int64_t end; /* inclusive; INT64_MAX: to the end of the value */
	unsigned modifiers;
};

/* --- reading a specifier --- */

static bool
read_modifiers(struct str text, struct specifier *out, struct error *err)
{
	bool more = true;
	struct str word;
	size_t i;

	while (more) {
		more = str_cut(text, '|', &word, &text);
		for (i = 0; i < sizeof(modifiers) / sizeof(modifiers[0]); i++)
			if (str_equal_nocase(word, modifiers[i].name))
				break;
		if (i == sizeof(modifiers) / sizeof(modifiers[0]))
			return error_set(err, ERROR_PERMANENT,
			    "modifier \"%.*s\": expected lowercase, uppercase, strip or raw", STR_ARG(word));
		out->modifiers |= modifiers[i].modifier;
	}
	return true;
}

static bool
read_offset(struct str text, int64_t *out, struct error *err)
{
	bool negative = text.len > 0 && text.ptr[0] == '-';
	uint64_t number;

	if (!str_to_u64((struct str){ text.ptr + negative, text.len - negative }, MAILBOX_PATH_MAX, &number))
		return error_set(err, ERROR_PERMANENT, "substring \"%.*s\": expected a number up to %d", STR_ARG(text),
		    MAILBOX_PATH_MAX);
	*out = negative ? -(int64_t)number : (int64_t)number;
	return true;
}

/* "n", "n:", ":m" or "n:m". */
static bool
read_substring(struct str text, struct specifier *out, struct error *err)
{
	struct str begin, end;
	bool range = str_cut(text, ':', &begin, &end);

	out->substring = true;
	if (!range && !read_offset(begin, &out->begin, err))
		return false;
	out->end = range ? INT64_MAX : out->begin;
	if (!range)
		return true;
	return (begin.len == 0 || read_offset(begin, &out->begin, err)) &&
	    (end.len == 0 || read_offset(end, &out->end, err));
}

/* The text within the braces: NAME[substring]:modifiers. */
static bool
read_specifier(struct str text, struct specifier *out, struct error *err)
{
	struct str name, rest = { NULL, 0 }, substring;
	size_t len = 0, i;

	*out = (struct specifier){ 0 };
	while (len < text.len && text.ptr[len] != '[' && text.ptr[len] != ':')
		len++;
	name = (struct str){ text.ptr, len };
	rest = (struct str){ text.ptr + len, text.len - len };
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_equal_nocase(name, names[i].name))
			out->name = &names[i];
	if (out->name == NULL)
		return error_set(err, ERROR_PERMANENT, "format specifier %%{%.*s}: unknown", STR_ARG(name));
	if (rest.len > 0 && rest.ptr[0] == '[') {
		rest = (struct str){ rest.ptr + 1, rest.len - 1 };
		if (!str_cut(rest, ']', &substring, &rest))
			return error_set(
			    err, ERROR_PERMANENT, "format specifier %%{%.*s}: \"]\" is missing", STR_ARG(text));
		if (!read_substring(substring, out, err))
			return false;
	}
	if (rest.len == 0)
		return true;
	if (rest.ptr[0] != ':')
		return error_set(
		    err, ERROR_PERMANENT, "format specifier %%{%.*s}: expected \":\" and modifiers", STR_ARG(text));
	return read_modifiers((struct str){ rest.ptr + 1, rest.len - 1 }, out, err);
}

/* Finds the next specifier or %% of format from at on. Returns its place, format.len when there is none. */
static size_t
next_percent(struct str format, size_t at)
{
	while (at < format.len && format.ptr[at] != '%')
		at++;
	return at;
}

/* Takes the specifier at the front of rest, which begins with "%{". */
static bool
take_specifier(struct str *rest, struct specifier *out, struct error *err)
{
	struct str inside;

	if (!str_cut((struct str){ rest->ptr + 2, rest->len - 2 }, '}', &inside, rest))
		return error_set(err, ERROR_PERMANENT, "format specifier: \"}\" is missing");
	return read_specifier(inside, out, err);
}

/* --- values --- */

static struct str
address_value(struct address address, const struct specifier *s, char delimiter, char *text)
{
	char *cut = strchr(address.local, delimiter);
	enum part part = s->name->part;
	size_t len;

	if ((s->modifiers & MODIFIER_STRIP) != 0 && cut != NULL && cut != address.local)
		*cut = '\0';
	if (part == PART_USER)
		return (struct str){ text, strlcpy(text, address.local, ADDRESS_MAX + 1) };
	if (part == PART_DOMAIN)
		return (struct str){ text, strlcpy(text, address.domain, ADDRESS_MAX + 1) };
	len = strlcpy(text, address.local, ADDRESS_MAX + 1);
	if (address.domain[0] != '\0') {
		text[len++] = '@';
		len += strlcpy(text + len, address.domain, ADDRESS_MAX + 1 - len);
	}
	return (struct str){ text, len };
}

static struct str
value_of(const struct specifier *s, const struct format_values *values, char *text)
{
	char delimiter = values->sub_addr_delim;

	switch (s->name->source) {
	case SOURCE_SENDER: return address_value(values->sender, s, delimiter, text);
	case SOURCE_RCPT: return address_value(values->rcpt, s, delimiter, text);
	case SOURCE_DEST: return address_value(values->dest, s, delimiter, text);
	case SOURCE_MBOX_FROM:
		return values->sender.null ? S("mailer-daemon") : address_value(values->sender, s, delimiter, text);
	case SOURCE_USERNAME: return values->username;
	case SOURCE_DIRECTORY: return values->directory;
	}
	return S("");
}

/* An end that is positive is counted in; -1 as an end is the last byte but one (OpenSMTPD's way of counting). */
static bool
take_substring(const struct specifier *s, struct str *value, struct error *err)
{
	int64_t len = (int64_t)value->len;
	int64_t begin = s->begin < 0 ? s->begin + len : s->begin;
	int64_t end = s->end;

	if (!s->substring)
		return true;
	if (s->end == s->begin)
		end = begin;
	else if (end < 0)
		end += len - 1;
	if (begin < 0)
		begin = 0;
	if (end >= len)
		end = len - 1;
	if (begin >= len || end < begin)
		return error_set(err, ERROR_PERMANENT,
		    "format specifier %%{%.*s}: the value is too short for the substring", STR_ARG(s->name->name));
	*value = (struct str){ value->ptr + begin, (size_t)(end - begin) + 1 };
	return true;
}

static bool
too_long(struct error *err)
{
	return error_set(err, ERROR_PERMANENT, "the path is longer than %d bytes", MAILBOX_PATH_MAX);
}

static bool
append_specifier(const struct specifier *s, const struct format_values *values, struct buf *out, struct error *err)
{
	char text[ADDRESS_MAX + 1];
	struct str value = value_of(s, values, text);

	if (!take_substring(s, &value, err))
		return false;
	if (s->name->source == SOURCE_DIRECTORY)
		return buf_append_str(out, value) || too_long(err);
	return path_append_value(out, value) || too_long(err);
}

/* Appends everything but what a path begins with. */
static bool
expand_specifiers(struct str rest, const struct format_values *values, struct buf *out, struct error *err)
{
	struct specifier s;

	while (rest.len > 0) {
		size_t at = next_percent(rest, 0);
		if (!buf_append_str(out, (struct str){ rest.ptr, at }))
			return too_long(err);
		rest = (struct str){ rest.ptr + at, rest.len - at };
		if (rest.len == 0)
			break;
		if (rest.len > 1 && rest.ptr[1] == '{') {
			if (!take_specifier(&rest, &s, err) || !append_specifier(&s, values, out, err))
				return false;
			continue;
		}
		if (rest.len < 2 || rest.ptr[1] != '%')
			return error_set(err, ERROR_PERMANENT, "\"%%\": expected a format specifier %%{...} or %%%%");
		if (!buf_append_byte(out, '%'))
			return too_long(err);
		rest = (struct str){ rest.ptr + 2, rest.len - 2 };
	}
	return true;
}

/* A path that does not begin at the root begins at the home. */
static bool
append_path(struct buf *out, struct str home, bool tilde, struct str path)
{
	bool absolute = !tilde && path.len > 0 && path.ptr[0] == '/';

	return (absolute || buf_append_str(out, home)) && (absolute || tilde || buf_append_byte(out, '/')) &&
	    buf_append_str(out, path) && out->len <= MAILBOX_PATH_MAX;
}

bool
format_expand(struct str format, const struct format_values *values, struct buf *out, struct error *err)
{
	bool tilde = format.len > 0 && format.ptr[0] == '~' && (format.len == 1 || format.ptr[1] == '/');
	struct buf text;
	bool ok;

	if (tilde)
		format = (struct str){ format.ptr + 1, format.len - 1 };
	path_buffer(&text, MAILBOX_PATH_MAX);
	ok = expand_specifiers(format, values, &text, err);
	if (ok && !append_path(out, values->directory, tilde, buf_str(&text)))
		ok = too_long(err);
	buf_clear(&text);
	return ok;
}

struct str
format_fixed(struct str format)
{
	struct str rest;
	struct specifier s;
	size_t at = next_percent(format, 0);

	while (at < format.len) {
		rest = (struct str){ format.ptr + at, format.len - at };
		if (rest.len > 1 && rest.ptr[1] == '%') {
			at = next_percent(format, at + 2);
			continue;
		}
		if (rest.len < 2 || rest.ptr[1] != '{' || !take_specifier(&rest, &s, NULL) || !s.name->fixed)
			break;
		at = next_percent(format, (size_t)(rest.ptr - format.ptr));
	}
	return (struct str){ format.ptr, at };
}
