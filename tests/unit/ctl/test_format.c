/* SPDX-License-Identifier: ISC */
/* Promised: nothing from outside reaches a terminal raw (U07), and spans, sizes and ids read as people expect. */
#include "ctl/format.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/entry.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_spans_and_sizes(void **state)
{
	static const struct {
		uint64_t value;
		const char *span, *size;
	} rows[] = {
		{ 0, "0s", "0" },
		{ 59, "59s", "59" },
		{ 60, "1m", "60" },
		{ 1023, "17m3s", "1023" },
		{ 1024, "17m4s", "1.0K" },
		{ 4200, "1h10m", "4.1K" },
		{ 10240, "2h50m", "10K" },
		{ 86400, "1d", "84K" },
		{ 187200, "2d4h", "182K" },
		{ 1048576, "12d3h", "1.0M" },
		{ UINT64_MAX, "0s", "15E" },
	};
	char text[FORMAT_SPAN_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		assert_string_equal(format_span((int64_t)rows[i].value, text), rows[i].span);
		assert_string_equal(format_size(rows[i].value, text), rows[i].size);
	}
}

/* That a line of text begins and ends so. */
static void
expect_line(const char *text, const char *begin, const char *end)
{
	const char *line = strstr(text, begin);
	struct str got, rest;

	assert_non_null(line);
	assert_true(str_cut(str_of(line), '\n', &got, &rest));
	if (got.len < strlen(end) || memcmp(got.ptr + got.len - strlen(end), end, strlen(end)) != 0)
		row_fail(begin, "\"%.*s\"", STR_ARG(got));
}

static void
test_what_is_past_or_now_is_not_to_come(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "now" },
		{ 999, "now" },
		{ -999, "now" },
		{ 1000, "in 1s" },
		{ -1000, "1s ago" },
		{ 12000000, "in 3h20m" },
		{ -300000, "5m ago" },
	};
	static const struct {
		uint64_t number;
		const char *text;
	} plurals[] = { { 0, "s" }, { 1, "" }, { 2, "s" }, { UINT64_MAX, "s" } };
	struct msg_queue_entry entry = { .message = 1, .created_ms = 5000, .tried_ms = 5000, .due_ms = 5000 };
	char text[FORMAT_DISTANCE_MAX], *whole = NULL;
	size_t i, size;
	FILE *out;

	(void)state;
	for (i = 0; i < COUNT(rows); i++)
		assert_string_equal(format_distance(rows[i].ms, text), rows[i].text);
	for (i = 0; i < COUNT(plurals); i++)
		assert_string_equal(format_plural(plurals[i].number), plurals[i].text);
	/* By a clock that is behind queue's. */
	out = open_memstream(&whole, &size);
	assert_non_null(out);
	entry_print_whole(out, &entry, true, 2000);
	assert_int_equal(fclose(out), 0);
	expect_line(whole, "created: ", "(now)");
	expect_line(whole, "tried: ", "(now)");
	expect_line(whole, "due: ", "(in 3s)");
	free(whole);
}

static void
test_ids(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t message;
		bool one;
		uint64_t number;
	} rows[] = {
		{ "0000000000000001", true, 1, false, 0 },
		{ "1", true, 1, false, 0 },
		{ "ABCdef", true, 0xabcdef, false, 0 },
		{ "ffffffffffffffff", true, UINT64_MAX, false, 0 },
		{ "1:7", true, 1, true, 7 },
		{ "", false, 0, false, 0 },
		{ "0", false, 0, false, 0 },
		{ "00000000000000001", false, 0, false, 0 },
		{ "0x1", false, 0, false, 0 },
		{ "1:", false, 0, false, 0 },
		{ "1:x", false, 0, false, 0 },
		{ "-1", false, 0, false, 0 },
		{ " 1", false, 0, false, 0 },
	};
	uint64_t message, number;
	size_t i;
	bool one;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		bool ok = format_read_id(rows[i].text, &message, &one, &number);
		if (ok != rows[i].ok ||
		    (ok && (message != rows[i].message || one != rows[i].one || number != rows[i].number)))
			row_fail(rows[i].text, "%s", ok ? "read otherwise" : "refused");
	}
}

#define CANARY "\x1b]0;x\x07\r\n\x7f\x9b%n\xc3\xbc"

static void
check_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text != '\n' && !ascii_is_printable(*text))
			fail_msg("byte %02x", (unsigned)(unsigned char)*text);
}

static void
test_U07_an_entry_is_shown_escaped(void **state)
{
	static entry_print_fn *const print[] = { entry_print_line, entry_print_whole };
	struct msg_queue_entry entry = { .message = 1,
		.origin = STR(CANARY),
		.reverse_path = STR(CANARY),
		.forward_path = STR(CANARY),
		.recipient = STR("x" CANARY),
		.action = STR(CANARY),
		.destination = STR(CANARY),
		.last_reply = STR(CANARY),
		.why = STR(CANARY) };
	size_t i, size;

	(void)state;
	for (i = 0; i < 3; i++) {
		char *text = NULL;
		FILE *out = open_memstream(&text, &size);
		struct json j;
		assert_non_null(out);
		json_init(&j, out);
		if (i < 2)
			print[i](out, &entry, false, 1000);
		else
			entry_json(&j, &entry);
		assert_int_equal(fclose(out), 0);
		check_plain(text);
		assert_non_null(strstr(text, i < 2 ? "\\x1b]0;x\\x07\\x0d\\x0a\\x7f\\x9b%n\\xc3\\xbc" : "\\u001b]0;x"));
		free(text);
	}
}

static void
test_U07_lines_of_a_message_are_shown_escaped(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	format_put_lines(out, S("a\tb\r\nc\rd\n\x1b[1m\xff\n"));
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "a\tb\nc\\x0dd\n\\x1b[1m\\xff\n");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spans_and_sizes),
		cmocka_unit_test(test_what_is_past_or_now_is_not_to_come),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_U07_an_entry_is_shown_escaped),
		cmocka_unit_test(test_U07_lines_of_a_message_are_shown_escaped),
	};

	return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
