/* SPDX-License-Identifier: ISC */
/*
 * Promised: every character of Unicode is read, nothing else is; what is no text for people is known.
 */
#include "common/utf8.h"

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *name;
	struct str text;
	size_t len;
	uint32_t point;
	bool printable;
} rows[] = {
	{ "nothing", STR(""), 0, 0, false },
	{ "NUL", STR("\0"), 1, 0, false },
	{ "ASCII", STR("ab"), 1, 'a', true },
	{ "DEL", STR("\x7f"), 1, 0x7f, false },
	{ "a control of C1", STR("\xc2\x9b"), 2, 0x9b, false },
	{ "two bytes", STR("\xc3\xbcx"), 2, 0xfc, true },
	{ "three bytes", STR("\xe2\x82\xac"), 3, 0x20ac, true },
	{ "four bytes", STR("\xf0\x9f\x93\xa7"), 4, 0x1f4e7, true },
	{ "the last", STR("\xf4\x8f\xbf\xbf"), 4, 0x10ffff, true },
	{ "one behind the last", STR("\xf4\x90\x80\x80"), 0, 0, false },
	{ "a surrogate", STR("\xed\xa0\x80"), 0, 0, false },
	{ "the slash in two bytes", STR("\xc0\xaf"), 0, 0, false },
	{ "NUL in three bytes", STR("\xe0\x80\x80"), 0, 0, false },
	{ "a sequence cut off", STR("\xe2\x82"), 0, 0, false },
	{ "a sequence broken off", STR("\xe2\x82x"), 0, 0, false },
	{ "a byte from within", STR("\x82"), 0, 0, false },
	{ "a byte that is never used", STR("\xff"), 0, 0, false },
	{ "right-to-left override", STR("\xe2\x80\xae"), 3, 0x202e, false },
	{ "separator of lines", STR("\xe2\x80\xa8"), 3, 0x2028, false },
	{ "no character", STR("\xef\xbf\xbe"), 3, 0xfffe, false },
};

static void
test_characters_are_read(void **state)
{
	size_t i, len;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		uint32_t point = 0;
		len = utf8_read(rows[i].text, &point);
		if (len != rows[i].len || (len > 0 && point != rows[i].point))
			row_fail(rows[i].name, "got %zu bytes, U+%04X", len, point);
		if (len > 0 && utf8_is_printable(point) != rows[i].printable)
			row_fail(rows[i].name, "%s", "whether it may be shown");
	}
}

static void
test_texts_are_judged(void **state)
{
	(void)state;
	assert_true(utf8_is_valid(S("")));
	assert_true(utf8_is_valid(S("gr\xc3\xbc\xc3\x9f"
				    "e")));
	assert_false(utf8_is_valid(S("gr\xfc\xdf"
				     "e")));
	assert_true(utf8_is_needed(S("gr\xfc\xdf"
				     "e")));
	assert_false(utf8_is_needed(S("hello\x7f")));
	assert_false(utf8_is_needed(S("")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_characters_are_read),
		cmocka_unit_test(test_texts_are_judged),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
