/* SPDX-License-Identifier: ISC */
/*
 * Promise: what is written is what was meant, in lines that a mail may have, and never a part of a character alone.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "queue/mime.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEN      "aaaaaaaaaa"
#define FIFTY    TEN TEN TEN TEN TEN
#define EURO     "\xe2\x82\xac"
#define EUROS    EURO EURO EURO EURO EURO EURO EURO EURO EURO EURO

enum kind { CLEAN, CLEAN_UTF8, FOLDED, SUBJECT, QUOTED };

/* clang-format off */
static const struct {
	const char *row;
	enum kind kind;
	struct str in;
	const char *want;
} rows[] = {
	{ "ASCII", CLEAN, STR("a b~"), "a b~" },
	{ "controls and eight bits", CLEAN, STR("a\r\n\t\0\x7f\xc3\xbc"), "a???????" },
	{ "UTF-8 where it may be", CLEAN_UTF8, STR("\xc3\xbc\xff\xc3 \xc2\x9b\xe2\x80\xaez"), "\xc3\xbc?? ?????z" },
	{ "nothing folded", FOLDED, STR(""), "\r\n" },
	{ "a short line", FOLDED, STR(" a b "), "a b\r\n" },
	{ "a long one at a space", FOLDED, STR(FIFTY " " TEN TEN TEN), FIFTY "\r\n " TEN TEN TEN "\r\n" },
	{ "ASCII in a field", SUBJECT, STR("a =?b?="), "a =?b?=\r\n" },
	{ "words that are encoded", SUBJECT, STR("A_b " EURO "=?"), "=?utf-8?Q?A=5Fb_=E2=82=AC=3D=3F?=\r\n" },
	{ "several of them, of whole characters", SUBJECT, STR(EUROS), "=?utf-8?Q?=E2=82=AC=E2=82=AC=E2=82=AC=E2=82=AC=E2=82=AC=E2=82=AC?=\r\n"
	    " =?utf-8?Q?=E2=82=AC=E2=82=AC=E2=82=AC=E2=82=AC?=\r\n" },
	{ "lines that are quoted", QUOTED, STR("a=b \r\n\r\n\xc3\xbc\t\r\n. \tx\r\n"), "a=3Db=20\r\n\r\n=C3=BC=09\r\n. \tx\r\n" },
	{ "lines of 75 bytes stay", QUOTED, STR(FIFTY TEN TEN "aaaaa\r\n"), FIFTY TEN TEN "aaaaa\r\n" },
	{ "longer ones are broken", QUOTED, STR(FIFTY TEN TEN "aaaaab\r\n"), FIFTY TEN TEN "aaaaa=\r\nb\r\n" },
	{ "not within what is quoted", QUOTED, STR(FIFTY TEN TEN "aaa=b\r\n"), FIFTY TEN TEN "aaa=\r\n=3Db\r\n" },
};
/* clang-format on */

static void
test_what_is_written(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct buf out;
		struct mime_writer w = { .out = &out, .ok = true, .utf8 = rows[i].kind == CLEAN_UTF8 };
		buf_init(&out, 4096);
		switch (rows[i].kind) {
		case CLEAN:
		case CLEAN_UTF8: mime_put_clean(&w, rows[i].in); break;
		case FOLDED: mime_put_folded(&w, " ", rows[i].in); break;
		case SUBJECT: mime_put_subject(&w, rows[i].in); break;
		case QUOTED: mime_put_quoted_printable(&w, rows[i].in); break;
		}
		assert_true(w.ok);
		if (!str_equal(buf_str(&out), str_of(rows[i].want)))
			row_fail(rows[i].row, "got %.*s", STR_ARG(buf_str(&out)));
		buf_clear(&out);
	}
}

/* Words without a space, of characters of three bytes, from every place within one. */
static void
test_no_character_is_broken(void **state)
{
	char text[2048];
	size_t shift, i;

	(void)state;
	for (shift = 0; shift < 4; shift++) {
		struct buf out;
		struct mime_writer w = { .out = &out, .ok = true, .utf8 = true };
		size_t len = shift;
		memset(text, 'x', shift);
		for (i = 0; i < 600; i++, len += strlen(EURO))
			memcpy(text + len, EURO, strlen(EURO));
		buf_init(&out, 4096);
		mime_put_folded(&w, " ", (struct str){ text, len });
		assert_true(w.ok);
		assert_null(memchr(out.data, '?', out.len));
		assert_true(mime_has_plain_lines(buf_str(&out)));
		buf_clear(&out);
	}
}

static const struct {
	const char *row;
	struct str text;
	bool plain;
} lines[] = {
	{ "none", STR(""), true },
	{ "an empty one", STR("\r\n"), true },
	{ "no end", STR("a\r\nb"), false },
	{ "LF", STR("a\nb\r\n"), false },
	{ "CR", STR("a\rb\r\n"), false },
	{ "CR CR LF", STR("a\r\r\n"), false },
	{ "CR at the end", STR("a\r\n\r"), false },
	{ "NUL", STR("a\0\r\n"), false },
	{ "eight bits", STR("\xff\r\n"), true },
};

static void
test_lines_that_can_be_sent(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++)
		if (mime_has_plain_lines(lines[i].text) != lines[i].plain)
			row_fail(lines[i].row, "wanted %d", lines[i].plain);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written),
		cmocka_unit_test(test_no_character_is_broken),
		cmocka_unit_test(test_lines_that_can_be_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
