/* SPDX-License-Identifier: ISC */
#include "common/header_address.h"

#include <string.h>

enum { SPEC_MAX = ADDRESS_PATH_MAX + 2 }; /* bytes of an address without comments; a longer one is none */

struct walk {
	const char *at;
	const char *end;
	unsigned rules;
	header_address_fn *fn;
	void *arg;
	struct error *err;
	bool in_group;
};

/* What stands before a delimiter: a display name, the name of a group, or an address. */
struct words {
	char spec[SPEC_MAX + 1]; /* without comments and white space; what does not fit is left out */
	size_t len;
	bool any;
	bool phrase; /* two words side by side, or too long: a name, no address */
};

static bool
fail(const struct walk *w, const char *why)
{
	return error_set(w->err, ERROR_PERMANENT, "address list: %s", why);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Steps over a comment; w->at is at its parenthesis. */
static bool
skip_comment(struct walk *w)
{
	unsigned depth = 0;

	for (; w->at < w->end; w->at++) {
		if (*w->at == '\\')
			w->at++;
		else if (*w->at == '(' && ++depth > HEADER_ADDRESS_COMMENTS_MAX)
			return fail(w, "comments too deep");
		else if (*w->at == ')' && --depth == 0) {
			w->at++;
			return true;
		}
	}
	w->at = w->end; /* a backslash may have been the last byte */
	return fail(w, "a comment without end");
}

/* Steps over white space and comments (CFWS). *skipped tells whether there was any. */
static bool
skip_blank(struct walk *w, bool *skipped)
{
	*skipped = false;
	while (w->at < w->end && (is_space(*w->at) || *w->at == '(')) {
		*skipped = true;
		if (*w->at != '(')
			w->at++;
		else if (!skip_comment(w))
			return false;
	}
	return true;
}

/* A quoted string or an address literal: everything up to the closing byte. */
static bool
take_enclosed(struct walk *w, char close, struct words *out)
{
	const char *start = w->at++;
	size_t len;

	while (w->at < w->end && *w->at != close)
		w->at += *w->at == '\\' && w->at + 1 < w->end ? 2 : 1;
	if (w->at >= w->end)
		return fail(w, close == '"' ? "a quote without end" : "a bracket without end");
	w->at++;
	len = (size_t)(w->at - start);
	if (out->len + len > SPEC_MAX) {
		out->phrase = true;
		return true;
	}
	memcpy(out->spec + out->len, start, len);
	out->len += len;
	return true;
}

static bool
is_atom(char c)
{
	return !is_space(c) && c != '\0' && strchr("()<>[]:;,\"@.", c) == NULL;
}

static void
put(struct words *out, char c)
{
	if (out->len < SPEC_MAX)
		out->spec[out->len++] = c;
	else
		out->phrase = true;
}

/* Takes words, dots and "@" up to a delimiter, which is left. */
static bool
take_words(struct walk *w, struct words *out)
{
	bool after_word = false, skipped;

	out->len = 0;
	out->any = out->phrase = false;
	for (;;) {
		if (!skip_blank(w, &skipped))
			return false;
		if (w->at == w->end)
			return true;
		if (*w->at == '\0')
			return fail(w, "a NUL");
		if (strchr("<>:;,", *w->at) != NULL)
			return true;
		out->any = true;
		if (*w->at == '.' || *w->at == '@') {
			put(out, *w->at++);
			after_word = false;
			continue;
		}
		out->phrase = out->phrase || after_word;
		after_word = true;
		if (*w->at == '"' || *w->at == '[') {
			if (!take_enclosed(w, *w->at == '"' ? '"' : ']', out))
				return false;
			continue;
		}
		if (!is_atom(*w->at))
			return fail(w, "a bracket that does not belong here");
		while (w->at < w->end && is_atom(*w->at))
			put(out, *w->at++);
	}
}

static bool
hand_over(const struct walk *w, const struct words *words)
{
	struct address address;

	if (words->phrase)
		return fail(w, "words without an address");
	if (!address_parse((struct str){ words->spec, words->len }, w->rules, &address, w->err))
		return false;
	return w->fn(w->arg, &address, w->err);
}

/* "<" address ">", behind a display name or not. */
static bool
take_angle(struct walk *w)
{
	struct words words;
	bool skipped;

	w->at++;
	if (!take_words(w, &words))
		return false;
	if (w->at == w->end || *w->at != '>')
		return fail(w, "\">\" is missing");
	w->at++;
	if (!hand_over(w, &words) || !skip_blank(w, &skipped))
		return false;
	if (w->at < w->end && *w->at != ',' && *w->at != ';')
		return fail(w, "something behind \">\"");
	return true;
}

/* What ends an element: the comma, or the semicolon that also ends a group. */
static bool
take_end(struct walk *w)
{
	bool skipped;

	if (w->at == w->end)
		return true;
	if (*w->at == ';') {
		if (!w->in_group)
			return fail(w, "\";\" without a group");
		w->in_group = false;
		w->at++;
		if (!skip_blank(w, &skipped))
			return false;
		if (w->at == w->end)
			return true;
		if (*w->at != ',')
			return fail(w, "something behind a group");
	}
	w->at++;
	return true;
}

/* One address, the beginning of a group, or nothing between two commas. */
static bool
take_element(struct walk *w)
{
	struct words words;

	if (!take_words(w, &words))
		return false;
	if (w->at < w->end && *w->at == '<')
		return take_angle(w) && take_end(w);
	if (w->at < w->end && *w->at == '>')
		return fail(w, "\">\" without \"<\"");
	if (w->at < w->end && *w->at == ':') {
		if (w->in_group || !words.any)
			return fail(w, w->in_group ? "a group within a group" : "a group without a name");
		w->in_group = true;
		w->at++;
		return true;
	}
	return (!words.any || hand_over(w, &words)) && take_end(w);
}

bool
header_address_list(struct str value, unsigned rules, header_address_fn *fn, void *arg, struct error *err)
{
	struct walk w = { .at = value.ptr, .rules = rules, .fn = fn, .arg = arg, .err = err };

	if (value.len == 0)
		return true;
	w.end = value.ptr + value.len;
	while (w.at < w.end)
		if (!take_element(&w))
			return false;
	return !w.in_group || fail(&w, "a group without \";\"");
}
