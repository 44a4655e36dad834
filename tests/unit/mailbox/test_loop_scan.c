/* SPDX-License-Identifier: ISC */
/* Promised: Delivered-To of the same address is found in the header, however it is cut or folded, and nowhere else (L09). */
#include "mailbox/loop_scan.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct {
	const char *name;
	struct str text;
	bool loop;
} rows[] = {
	{ "the first line", STR("Delivered-To: joe@d.example\n\n"), true },
	{ "a later line", STR("Received: x\nDelivered-To: joe@d.example\nA: b\n\n"), true },
	{ "any case", STR("DELIVERED-TO: Joe@D.Example\n\n"), true },
	{ "no space", STR("Delivered-To:joe@d.example\n\n"), true },
	{ "more space", STR("Delivered-To: \t joe@d.example \n\n"), true },
	{ "folded", STR("Delivered-To:\n joe@d.example\n\n"), true },
	{ "another address", STR("Delivered-To: joey@d.example\n\n"), false },
	{ "a part of it", STR("Delivered-To: xjoe@d.example\n\n"), false },
	{ "another field", STR("X-Delivered-To: joe@d.example\n\n"), false },
	{ "in a folded line of another field", STR("X: y\n Delivered-To: joe@d.example\n\n"), false },
	{ "in the body", STR("A: b\n\nDelivered-To: joe@d.example\n\n"), false },
	{ "a message without a header", STR("\nDelivered-To: joe@d.example\n\n"), false },
	{ "nothing", STR(""), false },
};
/* clang-format on */

static bool
scan(struct str text, size_t piece)
{
	struct loop_scan s;
	bool found = false;
	size_t at;

	loop_scan_init(&s, S("joe@d.example"));
	for (at = 0; at < text.len && !found; at += piece)
		found = loop_scan_take(&s, text.ptr + at, text.len - at < piece ? text.len - at : piece);
	return found;
}

static void
test_L09_loops_are_found_however_they_are_cut(void **state)
{
	size_t i, piece;

	(void)state;
	for (i = 0; i < COUNT(rows); i++)
		for (piece = 1; piece < 64; piece++)
			if (scan(rows[i].text, piece) != rows[i].loop)
				row_fail(rows[i].name, "pieces of %zu", piece);
}

static void
test_the_scan_ends_at_its_limit(void **state)
{
	static const char line[] = "X: 0123456789\n", loop[] = "Delivered-To: joe@d.example\nA: b\n\n";
	static char text[MAILBOX_LOOP_SCAN_MAX + 1024];
	size_t len = 0;

	(void)state;
	while (len + sizeof(line) + sizeof(loop) < MAILBOX_LOOP_SCAN_MAX) {
		memcpy(text + len, line, sizeof(line) - 1);
		len += sizeof(line) - 1;
	}
	memcpy(text + len, loop, sizeof(loop));
	assert_true(scan((struct str){ text, len + sizeof(loop) - 1 }, 4096));
	while (len < MAILBOX_LOOP_SCAN_MAX) {
		memcpy(text + len, line, sizeof(line) - 1);
		len += sizeof(line) - 1;
	}
	memcpy(text + len, loop, sizeof(loop));
	assert_false(scan((struct str){ text, len + sizeof(loop) - 1 }, 4096));
}

static void
test_a_line_without_end_is_bounded(void **state)
{
	static char text[MAILBOX_LOOP_SCAN_MAX];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_false(scan((struct str){ text, sizeof(text) }, 1000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_L09_loops_are_found_however_they_are_cut),
		cmocka_unit_test(test_the_scan_ends_at_its_limit),
		cmocka_unit_test(test_a_line_without_end_is_bounded),
	};

	return cmocka_run_group_tests_name("loop_scan", tests, NULL, NULL);
}
