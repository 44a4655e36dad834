/* SPDX-License-Identifier: ISC */
/* Promise: each id counts once, in whatever order they come, and one that is older than the window is never fresh. */
#include "tests/unit/unit.h"

#include "queue/limits.h"
#include "queue/used.h"

enum { WINDOW = QUEUE_ID_WINDOW };

static const struct {
	const char *row;
	uint64_t id;
	enum used_verdict want;
} rows[] = {
	{ "the first is fresh, however large", 5000000000, USED_FRESH },
	{ "and used then", 5000000000, USED_BEFORE },
	{ "a later one is fresh", 5000000007, USED_FRESH },
	{ "one between is fresh, though it comes late", 5000000003, USED_FRESH },
	{ "once", 5000000003, USED_BEFORE },
	{ "the oldest of the window is fresh", 5000000007 - WINDOW + 1, USED_FRESH },
	{ "once, too", 5000000007 - WINDOW + 1, USED_BEFORE },
	{ "one older is too old", 5000000007 - WINDOW, USED_TOO_OLD },
	{ "a jump by a window", 5000000007 + WINDOW, USED_FRESH },
	{ "makes what was the newest too old", 5000000007, USED_TOO_OLD },
	{ "and what shares a place in the ring with a used one is fresh", 5000000003 + WINDOW + 2, USED_FRESH },
	{ "a jump by many windows", 5000000003 + 100LL * WINDOW, USED_FRESH },
	{ "leaves nothing used behind", 5000000003 + 100LL * WINDOW - 1, USED_FRESH },
};

static void
test_ids_count_once(void **state)
{
	struct used used;
	size_t i;

	(void)state;
	assert_true(used_init(&used));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum used_verdict got = used_take(&used, rows[i].id);
		if (got != rows[i].want)
			row_fail(rows[i].row, "%d, want %d", (int)got, (int)rows[i].want);
	}
	used_clear(&used);
}

/* Around the ring three times, each id offered twice and in pairs that are out of order. */
static void
test_a_long_run_has_no_false_word(void **state)
{
	struct used used;
	uint64_t id;

	(void)state;
	assert_true(used_init(&used));
	for (id = 2; id < 3 * (uint64_t)WINDOW; id += 2) {
		assert_int_equal(used_take(&used, id + 1), USED_FRESH);
		assert_int_equal(used_take(&used, id), USED_FRESH);
		assert_int_equal(used_take(&used, id), USED_BEFORE);
		assert_int_equal(used_take(&used, id + 1), USED_BEFORE);
	}
	used_clear(&used);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids_count_once),
		cmocka_unit_test(test_a_long_run_has_no_false_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
