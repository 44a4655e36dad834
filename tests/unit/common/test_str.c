/* SPDX-License-Identifier: ISC */
/*
 * Promised: views are cut, compared and copied by length, never by a terminator; numbers are 1*DIGIT up to a maximum that
 * the caller names, and nothing else.
 */
#include "common/str.h"

#include <string.h>

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct {
	const char *name;
	struct str text;
	uint64_t max;
	bool ok;
	uint64_t want;
} numbers[] = {
	{ "zero is a number", STR("0"), 9, true, 0 },
	{ "leading zeros count for nothing", STR("007"), 9, true, 7 },
	{ "the maximum is allowed", STR("100"), 100, true, 100 },
	{ "one more is refused", STR("101"), 100, false, 0 },
	{ "the largest number of 64 bits is read", STR("18446744073709551615"), UINT64_MAX, true, UINT64_MAX },
	{ "one more does not wrap", STR("18446744073709551616"), UINT64_MAX, false, 0 },
	{ "ten times as much does not wrap", STR("184467440737095516150"), UINT64_MAX, false, 0 },
	{ "nothing is no number", STR(""), 9, false, 0 },
	{ "a sign is no digit", STR("+1"), 9, false, 0 },
	{ "there are no negative numbers", STR("-1"), 9, false, 0 },
	{ "a blank is no digit", STR(" 1"), 9, false, 0 },
	{ "a blank behind it is no digit", STR("1 "), 9, false, 0 },
	{ "there is no other base", STR("0x1"), 99, false, 0 },
	{ "a NUL is no digit", STR("1\0"), 99, false, 0 },
	{ "a digit of another script is no digit", STR("\xd9\xa1"), 99, false, 0 },
};

static const struct {
	const char *name;
	struct str text;
	bool found;
	struct str head;
	struct str tail;
	struct str head_last;
	struct str tail_last;
} cuts[] = {
	{ "one separator", STR("a@b"), true, STR("a"), STR("b"), STR("a"), STR("b") },
	{ "two separators", STR("a@b@c"), true, STR("a"), STR("b@c"), STR("a@b"), STR("c") },
	{ "none", STR("abc"), false, STR("abc"), STR(""), STR("abc"), STR("") },
	{ "at the front", STR("@b"), true, STR(""), STR("b"), STR(""), STR("b") },
	{ "at the end", STR("a@"), true, STR("a"), STR(""), STR("a"), STR("") },
	{ "alone", STR("@"), true, STR(""), STR(""), STR(""), STR("") },
	{ "nothing at all", STR(""), false, STR(""), STR(""), STR(""), STR("") },
	{ "a NUL stands before it", STR("a\0b@c"), true, STR("a\0b"), STR("c"), STR("a\0b"), STR("c") },
};

static const struct {
	const char *name;
	struct str a;
	struct str b;
	bool equal;
	bool nocase;
	bool starts; /* a starts with b, whatever the case */
} pairs[] = {
	{ "the same", STR("abc"), STR("abc"), true, true, true },
	{ "another case", STR("aBc"), STR("AbC"), false, true, true },
	{ "a prefix", STR("abcd"), STR("aBc"), false, false, true },
	{ "longer than the whole", STR("ab"), STR("abc"), false, false, false },
	{ "both empty", STR(""), STR(""), true, true, true },
	{ "the empty prefix", STR("a"), STR(""), false, false, true },
	{ "different behind a NUL", STR("a\0b"), STR("a\0c"), false, false, false },
	{ "letters and what lies 0x20 beside them", STR("@[`{"), STR("`{@["), false, false, false },
	{ "letters of other alphabets have one case", STR("\xc4"), STR("\xe4"), false, false, false },
};

static const struct {
	const char *name;
	struct str text;
	struct str want;
} trims[] = {
	{ "blanks at both ends", STR(" \t a b\t "), STR("a b") },
	{ "only blanks", STR(" \t "), STR("") },
	{ "nothing", STR(""), STR("") },
	{ "other space stays", STR("\na\r"), STR("\na\r") },
};
/* clang-format on */

static void
test_a_number_is_digits_up_to_a_maximum(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(numbers); i++) {
		uint64_t out = 4711;
		bool ok = str_to_u64(numbers[i].text, numbers[i].max, &out);
		if (ok != numbers[i].ok || out != (ok ? numbers[i].want : 4711))
			row_fail(numbers[i].name, "got %d and %llu", ok, (unsigned long long)out);
	}
}

static void
test_a_cut_gives_both_sides(void **state)
{
	struct str head, tail;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cuts); i++) {
		bool found = str_cut(cuts[i].text, '@', &head, &tail);
		if (found != cuts[i].found || !str_equal(head, cuts[i].head) || !str_equal(tail, cuts[i].tail))
			row_fail(cuts[i].name, "first: %d %.*s %.*s", found, STR_ARG(head), STR_ARG(tail));
		found = str_cut_last(cuts[i].text, '@', &head, &tail);
		if (found != cuts[i].found || !str_equal(head, cuts[i].head_last) ||
		    !str_equal(tail, cuts[i].tail_last))
			row_fail(cuts[i].name, "last: %d %.*s %.*s", found, STR_ARG(head), STR_ARG(tail));
	}
}

static void
test_the_rest_of_a_cut_may_be_cut_again(void **state)
{
	struct str rest = S("a,b,c"), part;
	size_t n = 1;

	(void)state;
	while (str_cut(rest, ',', &part, &rest))
		n++;
	assert_int_equal(n, 3);
	assert_true(str_equal(part, S("c")) && rest.len == 0);
}

static void
test_texts_are_compared_by_length_and_ascii(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(pairs); i++) {
		if (str_equal(pairs[i].a, pairs[i].b) != pairs[i].equal ||
		    str_equal_nocase(pairs[i].a, pairs[i].b) != pairs[i].nocase ||
		    str_starts_nocase(pairs[i].a, pairs[i].b) != pairs[i].starts)
			row_fail(pairs[i].name, "wrong (%d)", 0);
	}
}

static void
test_blanks_are_trimmed(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(trims); i++)
		if (!str_equal(str_trim(trims[i].text), trims[i].want))
			row_fail(trims[i].name, "got '%.*s'", STR_ARG(str_trim(trims[i].text)));
}

static void
test_a_copy_fits_whole_or_is_empty(void **state)
{
	char dst[4] = "zzz";

	(void)state;
	assert_true(str_copy(S("abc"), dst, sizeof(dst)));
	assert_string_equal(dst, "abc");
	assert_false(str_copy(S("abcd"), dst, sizeof(dst)));
	assert_string_equal(dst, "");
	assert_false(str_copy(S("a\0b"), dst, sizeof(dst)));
	assert_string_equal(dst, "");
	assert_true(str_copy((struct str){ NULL, 0 }, dst, sizeof(dst)));
	assert_string_equal(dst, "");
	assert_true(str_copy_lower(S("A[Z"), dst, sizeof(dst)));
	assert_string_equal(dst, "a[z");
	assert_false(str_copy_lower(S("ABCD"), dst, sizeof(dst)));
}

static void
test_classes_of_bytes_know_ascii_only(void **state)
{
	int c;

	(void)state;
	for (c = 0; c < 256; c++) {
		char byte = (char)c;
		bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
		assert_int_equal(ascii_is_digit(byte), c >= '0' && c <= '9');
		assert_int_equal(ascii_is_alpha(byte), upper || lower);
		assert_int_equal(ascii_is_printable(byte), c >= 0x20 && c < 0x7f);
		assert_int_equal((unsigned char)ascii_lower(byte), upper ? c + 32 : c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_number_is_digits_up_to_a_maximum),
		cmocka_unit_test(test_a_cut_gives_both_sides),
		cmocka_unit_test(test_the_rest_of_a_cut_may_be_cut_again),
		cmocka_unit_test(test_texts_are_compared_by_length_and_ascii),
		cmocka_unit_test(test_blanks_are_trimmed),
		cmocka_unit_test(test_a_copy_fits_whole_or_is_empty),
		cmocka_unit_test(test_classes_of_bytes_know_ascii_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
