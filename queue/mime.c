/* SPDX-License-Identifier: ISC */
#include "queue/mime.h"

#include <stdarg.h>
#include <string.h>

#include "common/date.h"
#include "common/utf8.h"

enum {
	FOLD_AT = 72,          /* a line is broken at the last space before this column */
	FOLD_WORD_MAX = 400,   /* a word that is longer is broken within */
	QUOTED_LINE_MAX = 76,  /* RFC 2045 section 6.7, rule 5 */
	ENCODED_WORD_MAX = 54, /* of 75 (RFC 2047 section 2), so that the first fits behind the field's name */
	CHARACTER_MAX = 4      /* bytes */
};

void
mime_put(struct mime_writer *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	w->ok = w->ok && buf_vprintf(w->out, fmt, ap);
	va_end(ap);
}

void
mime_put_str(struct mime_writer *w, struct str s)
{
	w->ok = w->ok && buf_append_str(w->out, s);
}

/* How many bytes the character at the start of s has that may be written as it is; 0: none. */
static size_t
clean_length(const struct mime_writer *w, struct str s)
{
	uint32_t point;
	size_t n;

	if (ascii_is_printable(s.ptr[0]))
		return 1;
	if (!w->utf8)
		return 0;
	n = utf8_read(s, &point);
	return n > 1 && utf8_is_printable(point) ? n : 0;
}

void
mime_put_clean(struct mime_writer *w, struct str s)
{
	char *room;
	size_t n, at;

	if (!w->ok || s.len == 0)
		return;
	room = buf_reserve(w->out, s.len);
	if (room == NULL) {
		w->ok = false;
		return;
	}
	for (at = 0; at < s.len; at += n) {
		n = clean_length(w, (struct str){ s.ptr + at, s.len - at });
		memcpy(room + at, n > 0 ? s.ptr + at : "?", n > 0 ? n : 1);
		n = n > 0 ? n : 1;
	}
	buf_commit(w->out, s.len);
}

static bool
is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* How many bytes of s go on a line that has room for FOLD_AT; never a part of a character only. */
static size_t
fold_length(struct str s)
{
	size_t i, least;

	if (s.len <= FOLD_AT)
		return s.len;
	for (i = FOLD_AT; i > 0; i--)
		if (s.ptr[i] == ' ')
			return i;
	for (i = FOLD_AT; i < s.len && i < FOLD_WORD_MAX; i++)
		if (s.ptr[i] == ' ')
			return i;
	for (least = i - CHARACTER_MAX + 1; i > least && i < s.len && is_continuation(s.ptr[i]); i--)
		continue;
	return i;
}

void
mime_put_folded(struct mime_writer *w, const char *indent, struct str s)
{
	bool first = true;

	for (s = str_trim(s); s.len > 0; s = str_trim(s)) {
		size_t len = fold_length(s);
		if (!first)
			mime_put(w, "%s", indent);
		first = false;
		mime_put_clean(w, (struct str){ s.ptr, len });
		mime_put(w, "\r\n");
		s.ptr += len;
		s.len -= len;
	}
	if (first)
		mime_put(w, "\r\n");
}

void
mime_put_date(struct mime_writer *w, const char *field, int64_t ms)
{
	char date[DATE_MAX + 1];

	(void)date_format_5322(ms / 1000, date);
	mime_put(w, "%s: %s\r\n", field, date);
}

/* --- encoded words --- */

/* How the byte is written within a word in any field (RFC 2047 section 5, rule 3). */
static size_t
encoded_length(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == ' ' ? 1 : 3;
}

static void
put_encoded_byte(struct mime_writer *w, char c)
{
	if (c == ' ')
		mime_put(w, "_");
	else if (encoded_length(c) == 1)
		mime_put(w, "%c", c);
	else
		mime_put(w, "=%02X", (unsigned char)c);
}

/* How many bytes of s stand in one word: whole characters. */
static size_t
word_length(struct str s)
{
	size_t n = 0, i, length = 0, character;
	uint32_t point;

	while (n < s.len) {
		character = utf8_read((struct str){ s.ptr + n, s.len - n }, &point);
		character = character > 0 ? character : 1;
		for (i = 0; i < character; i++)
			length += encoded_length(s.ptr[n + i]);
		if (length > ENCODED_WORD_MAX)
			break;
		n += character;
	}
	return n;
}

void
mime_put_subject(struct mime_writer *w, struct str text)
{
	size_t n, i;

	if (!utf8_is_needed(text)) {
		mime_put_folded(w, " ", text);
		return;
	}
	for (; text.len > 0; text.ptr += n, text.len -= n) {
		n = word_length(text);
		mime_put(w, "=?utf-8?Q?");
		for (i = 0; i < n; i++)
			put_encoded_byte(w, text.ptr[i]);
		mime_put(w, n < text.len ? "?=\r\n " : "?=\r\n");
	}
}

/* --- quoted-printable --- */

static void
put_quoted_line(struct mime_writer *w, struct str line)
{
	size_t i, column = 0, length;

	for (i = 0; i < line.len; i++) {
		char c = line.ptr[i];
		bool last = i + 1 == line.len;
		bool plain = (ascii_is_printable(c) || c == '\t') && c != '=' && !(last && (c == ' ' || c == '\t'));
		length = plain ? 1 : 3;
		/* Room for the "=" that joins it with the next line. */
		if (column + length > QUOTED_LINE_MAX - 1) {
			mime_put(w, "=\r\n");
			column = 0;
		}
		if (plain)
			mime_put_str(w, (struct str){ line.ptr + i, 1 });
		else
			mime_put(w, "=%02X", (unsigned char)c);
		column += length;
	}
	mime_put(w, "\r\n");
}

void
mime_put_quoted_printable(struct mime_writer *w, struct str text)
{
	struct str line;

	while (text.len > 0) {
		(void)str_cut(text, '\n', &line, &text);
		if (line.len > 0 && line.ptr[line.len - 1] == '\r')
			line.len--;
		put_quoted_line(w, line);
	}
}

/* --- looking at bytes --- */

bool
mime_holds_utf8(struct str s)
{
	uint32_t point;
	size_t n;

	for (; s.len > 0; s.ptr += n, s.len -= n) {
		n = utf8_read(s, &point);
		if (n > 1 && utf8_is_printable(point))
			return true;
		n = n > 0 ? n : 1;
	}
	return false;
}

bool
mime_has_plain_lines(struct str s)
{
	struct str line;

	while (s.len > 0) {
		if (!str_cut(s, '\n', &line, &s) || line.len == 0 || line.ptr[line.len - 1] != '\r' ||
		    line.len - 1 > MIME_LINE_MAX)
			return false;
		if (memchr(line.ptr, '\r', line.len - 1) != NULL || memchr(line.ptr, '\0', line.len) != NULL)
			return false;
	}
	return true;
}
