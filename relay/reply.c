/* SPDX-License-Identifier: ISC */
#include "relay/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CODE_LEN = 3, ENHANCED_DIGITS_MAX = 3 };

void
reply_start(struct reply_parser *p)
{
	p->reply.code = 0;
	p->reply.cause = PROTO_CAUSE_NONE;
	p->reply.enhanced[0] = '\0';
	p->reply.text[0] = '\0';
	p->reply.text_len = 0;
	p->lines = 0;
	p->wrong = NULL;
	p->line_seen = 0;
	p->line_len = 0;
	p->cr = false;
}

/* --- the text --- */

/* Appends one byte, escaped where it is not printable. Returns false when there is no room for the whole of it. */
static bool
put_byte(struct reply *r, char c)
{
	static const char digits[] = "0123456789abcdef";
	size_t room = sizeof(r->text) - 1 - r->text_len;

	if (ascii_is_printable(c)) {
		if (room < 1)
			return false;
		r->text[r->text_len++] = c;
		return true;
	}
	if (room < 4)
		return false;
	r->text[r->text_len++] = '\\';
	r->text[r->text_len++] = 'x';
	r->text[r->text_len++] = digits[(unsigned char)c >> 4];
	r->text[r->text_len++] = digits[(unsigned char)c & 0x0f];
	return true;
}

static void
put_text(struct reply *r, struct str text)
{
	size_t i;

	for (i = 0; i < text.len && put_byte(r, text.ptr[i]); i++)
		continue;
	r->text[r->text_len] = '\0';
}

bool
reply_cut_enhanced(struct str s, char class, struct str *code, struct str *rest)
{
	size_t i = 1, part, digits;

	if (s.len < 5 || s.ptr[0] != class)
		return false;
	for (part = 0; part < 2; part++) {
		if (i >= s.len || s.ptr[i] != '.')
			return false;
		i++;
		for (digits = 0; i < s.len && ascii_is_digit(s.ptr[i]); digits++)
			i++;
		if (digits == 0 || digits > ENHANCED_DIGITS_MAX)
			return false;
	}
	if (i < s.len && s.ptr[i] != ' ')
		return false;
	*code = (struct str){ s.ptr, i };
	*rest = (struct str){ s.ptr + i + (i < s.len), s.len - i - (i < s.len) };
	return true;
}

/* Behind the first line the code that is repeated on every line of a reply is noise. */
static void
take_text(struct reply *r, bool first, struct str text)
{
	struct str enhanced, rest;

	if (reply_cut_enhanced(text, (char)('0' + r->code / 100), &enhanced, &rest)) {
		if (first)
			(void)str_copy(enhanced, r->enhanced, sizeof(r->enhanced));
		else
			text = rest;
	}
	if (text.len > 0) {
		put_text(r, S(" "));
		put_text(r, text);
	}
}

/* --- lines --- */

static bool
bad(struct reply_parser *p, const char *wrong)
{
	p->wrong = wrong;
	return false;
}

/* Reads the code of a line: three digits of the ranges of RFC 5321 section 4.2, the second one generously. */
static bool
read_code(struct str line, unsigned *code)
{
	if (line.len < CODE_LEN || line.ptr[0] < '2' || line.ptr[0] > '5' || !ascii_is_digit(line.ptr[1]) ||
	    !ascii_is_digit(line.ptr[2]))
		return false;
	*code =
	    (unsigned)(line.ptr[0] - '0') * 100 + (unsigned)(line.ptr[1] - '0') * 10 + (unsigned)(line.ptr[2] - '0');
	return true;
}

/* Takes the line that is complete now. *last says whether the reply is, too. */
static bool
take_line(struct reply_parser *p, reply_line_fn *on_line, void *arg, bool *last)
{
	struct str line = { p->line, p->line_len }, text;
	unsigned code;

	if (!read_code(line, &code))
		return bad(p, "a reply line without a reply code");
	if (line.len > CODE_LEN && line.ptr[CODE_LEN] != ' ' && line.ptr[CODE_LEN] != '-')
		return bad(p, "a reply code without a separator");
	if (p->lines > 0 && code != p->reply.code)
		return bad(p, "a reply whose code changes");
	if (++p->lines > RELAY_REPLY_LINES_MAX)
		return bad(p, "a reply of too many lines");
	*last = line.len == CODE_LEN || line.ptr[CODE_LEN] == ' ';
	text = line.len == CODE_LEN ? S("") : (struct str){ line.ptr + CODE_LEN + 1, line.len - CODE_LEN - 1 };
	if (p->lines == 1) {
		p->reply.code = code;
		put_text(&p->reply, (struct str){ line.ptr, CODE_LEN });
	}
	take_text(&p->reply, p->lines == 1, text);
	if (on_line != NULL)
		on_line(arg, p->lines, text);
	p->line_seen = 0;
	p->line_len = 0;
	return true;
}

/* Keeps bytes of a line, none of which is CR or LF. */
static bool
keep(struct reply_parser *p, const char *bytes, size_t len)
{
	size_t room = sizeof(p->line) - p->line_len;
	size_t kept = len < room ? len : room;

	p->line_seen += len;
	if (p->line_seen > RELAY_REPLY_LINE_MAX)
		return bad(p, "a reply line that is too long");
	memcpy(p->line + p->line_len, bytes, kept);
	p->line_len += kept;
	return true;
}

static size_t
find_end(const char *bytes, size_t len)
{
	size_t i = 0;

	while (i < len && bytes[i] != '\r' && bytes[i] != '\n')
		i++;
	return i;
}

enum reply_status
reply_read(struct reply_parser *p, struct str *in, reply_line_fn *on_line, void *arg)
{
	bool last = false;

	while (in->len > 0 && !last) {
		size_t len = p->cr ? 0 : find_end(in->ptr, in->len);
		bool end = len < in->len;
		char c = end ? in->ptr[len] : '\0';

		if (len > 0 && !keep(p, in->ptr, len))
			return REPLY_BAD;
		*in = (struct str){ in->ptr + len + end, in->len - len - end };
		if (!end)
			break;
		if ((c == '\n') != p->cr) {
			p->wrong = "a reply line with a bare CR or LF";
			return REPLY_BAD;
		}
		p->cr = c == '\r';
		if (c == '\n' && !take_line(p, on_line, arg, &last))
			return REPLY_BAD;
	}
	return last ? REPLY_DONE : REPLY_MORE;
}

void
reply_make(struct reply *out, enum proto_cause cause, unsigned code, const char *fmt, ...)
{
	char text[PROTO_REPLY_MAX + 1];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	out->code = code;
	out->cause = cause;
	out->enhanced[0] = '\0';
	out->text_len = (size_t)snprintf(out->text, sizeof(out->text), "%03u", code % 1000);
	take_text(out, true, n < 0 ? S("") : str_of(text));
}

struct str
reply_words(const struct reply *reply)
{
	struct str code, words, status, rest;

	(void)str_cut((struct str){ reply->text, reply->text_len }, ' ', &code, &words);
	(void)str_cut(words, ' ', &status, &rest);
	return reply->enhanced[0] != '\0' && str_equal(status, str_of(reply->enhanced)) ? rest : words;
}
