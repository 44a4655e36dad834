/* SPDX-License-Identifier: ISC */
/*
 * Promise: whatever the content and its pieces, what a server unstuffs is the content byte for byte; a bare CR or LF is
 * never written, and CRLF dot CRLF only once, at the end.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#include "relay/writer.h"

struct row {
	const char *sentence;
	const char *in;
	const char *out; /* NULL: refused */
};

static const struct row rows[] = {
	{ "nothing", "", ".\r\n" },
	{ "a line", "a\r\n", "a\r\n.\r\n" },
	{ "no line end at the end", "a", "a\r\n.\r\n" },
	{ "a dot at the start", ".\r\n", "..\r\n.\r\n" },
	{ "a dot that begins a line", "a\r\n.b\r\n", "a\r\n..b\r\n.\r\n" },
	{ "two dots", "..\r\n", "...\r\n.\r\n" },
	{ "a dot inside a line", "a.b\r\n", "a.b\r\n.\r\n" },
	{ "empty lines and dots", "\r\n.\r\n\r\n.\r\n", "\r\n..\r\n\r\n..\r\n.\r\n" },
	{ "LF dot LF", "a\n.\nb\r\n", NULL },
	{ "LF dot CRLF", "a\n.\r\nb\r\n", NULL },
	{ "CRLF dot LF", "a\r\n.\nb\r\n", NULL },
	{ "CR dot CRLF", "a\r.\r\nb\r\n", NULL },
	{ "CRLF dot CR", "a\r\n.\rb\r\n", NULL },
	{ "CR CRLF", "a\r\r\n", NULL },
	{ "LF first", "\na\r\n", NULL },
	{ "CR last", "a\r", NULL },
	{ "CRLF CR", "a\r\n\r", NULL },
};

/* Writes content in pieces of n bytes. Returns false when it was refused. */
static bool
write_in_pieces(struct str content, size_t n, struct buf *out)
{
	struct writer w;

	writer_start(&w);
	while (content.len > 0) {
		struct str piece = { content.ptr, n < content.len ? n : content.len };
		enum writer_status status = writer_put(&w, piece, out);

		assert_int_not_equal(status, WRITER_FULL);
		if (status == WRITER_BARE)
			return false;
		content = (struct str){ content.ptr + piece.len, content.len - piece.len };
	}
	return writer_end(&w, out) == WRITER_OK;
}

static void
test_rows(void **state)
{
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (n = 1; n <= strlen(rows[i].in) + 1; n++) {
			struct buf out;
			bool ok;

			buf_init(&out, 1000);
			ok = write_in_pieces(str_of(rows[i].in), n, &out);
			if (ok != (rows[i].out != NULL) || (ok && !str_equal(buf_str(&out), str_of(rows[i].out))))
				row_fail(rows[i].sentence, "in pieces of %zu: got %d \"%.*s\"", n, (int)ok,
				    STR_ARG(buf_str(&out)));
			buf_clear(&out);
		}
	}
}

/* What a server makes of it: lines without their stuffed dot up to the one that is a dot alone, which must be the last. */
static void
unstuff(struct str wire, struct buf *content)
{
	size_t at = 0, end;

	for (;;) {
		for (end = at; wire.ptr[end] != '\r'; end++)
			assert_true(wire.ptr[end] != '\n' && end + 1 < wire.len);
		assert_int_equal(wire.ptr[end + 1], '\n');
		if (end - at == 1 && wire.ptr[at] == '.')
			break;
		at += wire.ptr[at] == '.';
		assert_true(buf_append(content, wire.ptr + at, end + 2 - at));
		at = end + 2;
	}
	assert_int_equal(end + 2, wire.len);
}

static void
check_round_trip(unsigned seed)
{
	static const char *const words[] = { ".", "..", "\r\n", "\r\n.", "a", "line of text", "\r\n\r\n" };
	struct buf content, wire, back;
	unsigned i, count = seed % 60;

	srandom(seed);
	buf_init(&content, 100000);
	buf_init(&wire, 200000);
	buf_init(&back, 100000);
	for (i = 0; i < count; i++)
		assert_true(
		    buf_append_text(&content, words[(unsigned long)random() % (sizeof(words) / sizeof(words[0]))]));
	assert_true(write_in_pieces(buf_str(&content), (size_t)random() % 7 + 1, &wire));
	unstuff(buf_str(&wire), &back);
	if (content.len > 0 && buf_str(&content).ptr[content.len - 1] != '\n')
		assert_true(buf_append_text(&content, "\r\n"));
	if (!str_equal(buf_str(&content), buf_str(&back)))
		fail_msg("seed %u: content has changed", seed);
	buf_clear(&content);
	buf_clear(&wire);
	buf_clear(&back);
}

static void
test_S14_out_is_in(void **state)
{
	unsigned seed;

	(void)state;
	for (seed = 1; seed <= 2000; seed++)
		check_round_trip(seed);
}

/* Every string of up to 7 of these bytes: whatever is written, refused or not, holds no bare CR or LF. */
static void
test_S15_never_a_bare_cr_or_lf(void **state)
{
	static const char alphabet[] = { 'a', '.', '\r', '\n' };
	unsigned code, len, i;

	(void)state;
	for (len = 1; len <= 7; len++) {
		for (code = 0; code < 1U << (2 * len); code++) {
			char text[8];
			struct buf out;
			struct str s;
			bool ok;

			for (i = 0; i < len; i++)
				text[i] = alphabet[code >> (2 * i) & 3];
			buf_init(&out, 100);
			ok = write_in_pieces((struct str){ text, len }, 1 + code % 3, &out);
			s = buf_str(&out);
			for (i = 0; i < s.len; i++) {
				if (s.ptr[i] == '\r')
					assert_true(i + 1 < s.len && s.ptr[i + 1] == '\n');
				if (s.ptr[i] == '\n')
					assert_true(i > 0 && s.ptr[i - 1] == '\r');
			}
			if (!ok)
				assert_null(memmem(s.ptr, s.len, "\r\n.\r\n", 5));
			buf_clear(&out);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_S14_out_is_in),
		cmocka_unit_test(test_S15_never_a_bare_cr_or_lf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
