/* SPDX-License-Identifier: ISC */
/* Promised: what is written is ASCII without control bytes and is JSON, whatever bytes a text holds. SECURITY U07. */
#include "ctl/json.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/utf8.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct {
	const char *name;
	struct str value;
	const char *want;
} rows[] = {
	{ "nothing", STR(""), "\"\"" },
	{ "plain text", STR("a b"), "\"a b\"" },
	{ "quote and backslash", STR("\"\\"), "\"\\\"\\\\\"" },
	{ "a new line", STR("a\r\nb"), "\"a\\u000d\\nb\"" },
	{ "a terminal's escape", STR("\x1b]0;x\x07"), "\"\\u001b]0;x\\u0007\"" },
	{ "NUL and DEL", STR("\0\x7f"), "\"\\u0000\\u007f\"" },
	{ "two bytes", STR("\xc3\xbc"), "\"\\u00fc\"" },
	{ "a C1 control in UTF-8", STR("\xc2\x9b"), "\"\\u009b\"" },
	{ "three bytes", STR("\xe2\x82\xac"), "\"\\u20ac\"" },
	{ "four bytes", STR("\xf0\x9f\x98\x80"), "\"\\ud83d\\ude00\"" },
	{ "a byte that is none", STR("a\xff" "b"), "\"a\\ufffdb\"" },
	{ "a character cut", STR("\xe2\x82"), "\"\\ufffd\\ufffd\"" },
	{ "an overlong slash", STR("\xc0\xaf"), "\"\\ufffd\\ufffd\"" },
	{ "a surrogate", STR("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"" },
	{ "above U+10FFFF", STR("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
	{ "a format", STR("%n%s"), "\"%n%s\"" },
};
/* clang-format on */

static char *
encode(struct str value)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct json j;

	assert_non_null(out);
	json_init(&j, out);
	json_str(&j, NULL, value);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void
test_U07_strings(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		char *got = encode(rows[i].value);
		if (strcmp(got, rows[i].want) != 0)
			row_fail(rows[i].name, "got %s, want %s", got, rows[i].want);
		free(got);
	}
}

static void
test_U07_all_bytes_alone_and_together(void **state)
{
	char all[256];
	int i;

	(void)state;
	for (i = 0; i < 256; i++)
		all[i] = (char)i;
	for (i = 0; i <= 256; i++) {
		char *got = encode(i == 256 ? (struct str){ all, 256 } : (struct str){ all + i, 1 }), *at;
		for (at = got; *at != '\0'; at++)
			assert_true(*at >= 0x20 && *at <= 0x7e);
		assert_true(got[0] == '"' && at[-1] == '"');
		free(got);
	}
}

static void
test_containers(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct json j;

	(void)state;
	assert_non_null(out);
	json_init(&j, out);
	json_begin_object(&j, NULL);
	json_u64(&j, "n", UINT64_MAX);
	json_bool(&j, "b", true);
	json_begin_array(&j, "a");
	json_begin_object(&j, NULL);
	json_end_object(&j);
	json_text(&j, NULL, "x");
	json_end_array(&j);
	json_begin_string(&j, "s");
	json_string_part(&j, S("a"));
	json_string_part(&j, S("\"b"));
	json_end_string(&j);
	json_end_object(&j);
	json_end_line(&j);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "{\"n\":18446744073709551615,\"b\":true,\"a\":[{},\"x\"],\"s\":\"a\\\"b\"}\n");
	free(text);
}

static void
test_a_cut_character_waits_for_its_rest(void **state)
{
	(void)state;
	assert_int_equal(utf8_whole(S("a\xc3\xbc")), 3);
	assert_int_equal(utf8_whole(S("a\xc3")), 1);
	assert_int_equal(utf8_whole(S("a\xf0\x9f\x98")), 1);
	assert_int_equal(utf8_whole(S("\xbc\xbc\xbc\xbc")), 4);
	assert_int_equal(utf8_whole(S("a\xff")), 2);
	assert_int_equal(utf8_whole(S("")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_U07_strings),
		cmocka_unit_test(test_U07_all_bytes_alone_and_together),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_a_cut_character_waits_for_its_rest),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
