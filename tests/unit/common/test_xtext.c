/* SPDX-License-Identifier: ISC */
/* Promise: xtext is read exactly as RFC 3461 section 4 has it, and any bytes survive being written and read again. */
#include <string.h>

#include "tests/unit/unit.h"

#include "common/xtext.h"

static const struct {
	const char *sentence;
	const char *in;
	const char *want; /* NULL: not xtext */
} rows[] = {
	{ "plain characters stand for themselves", "QQ314159", "QQ314159" },
	{ "the first and the last of them do", "!~", "!~" },
	{ "a byte is + and two digits", "a+2Bb+3Dc", "a+b=c" },
	{ "an address keeps its at sign", "Bob@Example.COM", "Bob@Example.COM" },
	{ "any byte can be written", "+0A+FF", "\n\xff" },
	{ "a plain character may be written as a byte too", "+41", "A" },
	{ "nothing is xtext", "", "" },
	{ "a digit in lower case is not", "+2b", NULL },
	{ "nor a + at the end", "a+", NULL },
	{ "nor one with a single digit", "a+4", NULL },
	{ "nor one with other letters", "+G0", NULL },
	{ "nor +0x", "+0x", NULL },
	{ "nor = by itself", "a=b", NULL },
	{ "nor a space", "a b", NULL },
	{ "nor a control character", "a\tb", NULL },
	{ "nor DEL", "\x7f", NULL },
	{ "nor a byte beyond ASCII", "\xc3\xa4", NULL },
};

static void
test_reading(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[64];
		size_t n = xtext_decode(str_of(rows[i].in), out, sizeof(out));
		struct str want = str_of(rows[i].want == NULL ? "" : rows[i].want);
		if (xtext_is_valid(str_of(rows[i].in)) != (rows[i].want != NULL) ||
		    !str_equal((struct str){ out, n }, want))
			fail_msg("row %zu, %s: got %zu bytes \"%.*s\"", i, rows[i].sentence, n, (int)n, out);
	}
}

static void
test_what_is_longer_than_its_room_is_refused(void **state)
{
	char out[4];

	(void)state;
	assert_int_equal(xtext_decode(S("ab+20d"), out, 4), 4);
	assert_int_equal(xtext_decode(S("ab+20de"), out, 4), 0);
	assert_int_equal(xtext_encode(S("a "), out, 4), 4);
	assert_int_equal(xtext_encode(S("ab "), out, 4), 0);
	assert_int_equal(xtext_encode(S("abcde"), out, 4), 0);
	assert_int_equal(xtext_decode(S("a"), out, 0), 0);
}

static void
test_a_nul_is_no_end(void **state)
{
	(void)state;
	assert_false(xtext_is_valid((struct str){ "a\0b", 3 }));
}

static void
test_every_byte_survives(void **state)
{
	char bytes[256], text[sizeof(bytes) * 3], back[sizeof(bytes)];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	n = xtext_encode((struct str){ bytes, sizeof(bytes) }, text, sizeof(text));
	assert_int_equal(n, 92 + (sizeof(bytes) - 92) * 3);
	assert_true(xtext_is_valid((struct str){ text, n }));
	assert_int_equal(xtext_decode((struct str){ text, n }, back, sizeof(back)), sizeof(bytes));
	assert_memory_equal(back, bytes, sizeof(bytes));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_what_is_longer_than_its_room_is_refused),
		cmocka_unit_test(test_a_nul_is_no_end),
		cmocka_unit_test(test_every_byte_survives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
