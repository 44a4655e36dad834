/* SPDX-License-Identifier: ISC */
/* Promised: whatever a user's program writes, SMTP gets lines in CRLF, dots doubled, none too long, however it is cut. */
#include "ctl/text.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/limits.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct {
	const char *name;
	struct str text;
	const char *dot_ends; /* what comes out where a dot ends the text */
	const char *dot_is_text;
} rows[] = {
	{ "nothing", STR(""), "", "" },
	{ "lines in LF", STR("a\nb\n"), "a\r\nb\r\n", "a\r\nb\r\n" },
	{ "lines in CRLF", STR("a\r\nb\r\n"), "a\r\nb\r\n", "a\r\nb\r\n" },
	{ "no end of line", STR("a"), "a\r\n", "a\r\n" },
	{ "empty lines", STR("\n\r\n\n"), "\r\n\r\n\r\n", "\r\n\r\n\r\n" },
	{ "CR alone, as a progress bar writes it", STR("1%\r2%\rdone\n"), "1%\r\n2%\r\ndone\r\n", "1%\r\n2%\r\ndone\r\n" },
	{ "CR twice", STR("a\r\r\nb\n"), "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n" },
	{ "CR at the end", STR("a\r"), "a\r\n", "a\r\n" },
	{ "a dot at the front", STR(".a\n"), "..a\r\n", "..a\r\n" },
	{ "two dots", STR("..\n"), "...\r\n", "...\r\n" },
	{ "a dot inside", STR("a.\n"), "a.\r\n", "a.\r\n" },
	{ "a lone dot", STR("a\n.\nb\n"), "a\r\n", "a\r\n..\r\nb\r\n" },
	{ "a lone dot with CRLF", STR("a\r\n.\r\nb\r\n"), "a\r\n", "a\r\n..\r\nb\r\n" },
	{ "a lone dot behind a lone CR", STR("a\r.\rb"), "a\r\n", "a\r\n..\r\nb\r\n" },
	{ "a lone dot first", STR(".\nb"), "", "..\r\nb\r\n" },
	{ "a lone dot last, without end", STR("a\n."), "a\r\n", "a\r\n..\r\n" },
	{ "a dot and a space", STR(". \n"), ".. \r\n", ".. \r\n" },
};
/* clang-format on */

static void
run(struct str text, bool dot_ends, size_t piece, struct buf *out)
{
	struct text t;
	size_t at;

	buf_init(out, 4 * text.len + 1024);
	text_init(&t, dot_ends);
	for (at = 0; at < text.len; at += piece)
		text_take(&t, (struct str){ text.ptr + at, text.len - at < piece ? text.len - at : piece }, out);
	text_finish(&t, out);
}

static void
test_lines_however_they_are_cut(void **state)
{
	struct buf out;
	size_t i, piece;
	int ends;

	(void)state;
	for (i = 0; i < COUNT(rows); i++)
		for (ends = 0; ends < 2; ends++)
			for (piece = 1; piece < 8; piece++) {
				const char *want = ends ? rows[i].dot_ends : rows[i].dot_is_text;
				run(rows[i].text, ends, piece, &out);
				if (!str_equal(buf_str(&out), str_of(want)))
					row_fail(rows[i].name, "pieces of %zu: got %.*s, want %s", piece,
					    STR_ARG(buf_str(&out)), want);
				buf_clear(&out);
			}
}

/* Random text of the bytes that matter: nothing in what comes out ends the message, or is bare, or too long. */
static void
test_no_text_breaks_the_frame(void **state)
{
	static const char bytes[] = { '\r', '\n', '.', 'a', '\0' };
	static char text[300];
	struct buf out;
	size_t round, i;

	(void)state;
	for (round = 0; round < 20000; round++) {
		struct str s;
		for (i = 0; i < round % sizeof(text); i++)
			text[i] = bytes[arc4random_uniform(sizeof(bytes))];
		run((struct str){ text, round % sizeof(text) }, round % 2, 1 + round % 17, &out);
		s = buf_str(&out);
		for (i = 0; i < s.len; i++) {
			if (s.ptr[i] == '\r')
				assert_true(i + 1 < s.len && s.ptr[i + 1] == '\n');
			if (s.ptr[i] == '\n')
				assert_true(i > 0 && s.ptr[i - 1] == '\r');
			if (s.ptr[i] == '.' && (i == 0 || s.ptr[i - 1] == '\n'))
				assert_true(s.ptr[i + 1] == '.');
		}
		assert_true(s.len == 0 || s.ptr[s.len - 1] == '\n');
		buf_clear(&out);
	}
}

static void
test_a_long_line_is_broken(void **state)
{
	static char text[3 * SENDMAIL_LINE_MAX];
	struct buf out;
	struct str s, line;
	size_t lines = 0;

	(void)state;
	memset(text, '.', sizeof(text)); /* dots at the new fronts are doubled, too */
	run((struct str){ text, sizeof(text) }, true, 1000, &out);
	s = buf_str(&out);
	while (str_cut(s, '\n', &line, &s)) {
		assert_true(line.len <= SENDMAIL_LINE_MAX + 2);
		assert_true(line.ptr[0] == '.' && line.ptr[1] == '.');
		lines++;
	}
	assert_int_equal(lines, 3);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_however_they_are_cut),
		cmocka_unit_test(test_no_text_breaks_the_frame),
		cmocka_unit_test(test_a_long_line_is_broken),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
