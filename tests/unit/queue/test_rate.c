/* SPDX-License-Identifier: ISC */
/* Promised: over any time not more goes than the rate says, and one second's worth; and it does go as fast as it says. */
#include "tests/unit/unit.h"

#include <string.h>

#include "queue/rate.h"

#define SECOND 1000000LL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define START  (1700000000LL * SECOND)

static const struct {
	const char *row;
	enum rate_of of;
	uint64_t count;
	int64_t period_us;
	unsigned rcpts;
	int64_t during_us;
	unsigned want; /* messages */
} rows[] = {
	{ "10 a second go at once, then one each tenth", RATE_MESSAGES, 10, SECOND, 1, 10 * SECOND, 110 },
	{ "10 a minute go one by one", RATE_MESSAGES, 10, MINUTE, 1, 10 * MINUTE, 101 },
	{ "1 an hour", RATE_MESSAGES, 1, HOUR, 1, 24 * HOUR, 25 },
	{ "the recipients of a message are none of its business", RATE_MESSAGES, 10, MINUTE, 7, MINUTE, 11 },
	{ "recipients", RATE_RECIPIENTS, 60, MINUTE, 1, 10 * MINUTE, 601 },
	{ "a message for many leaves a debt", RATE_RECIPIENTS, 60, MINUTE, 30, 10 * MINUTE, 21 },
	{ "more than the clock can tell apart", RATE_MESSAGES, 5000000, SECOND, 1, 10, 1000010 },
};

static void
test_rates(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rates rates = { 0 };
		int64_t now = START;
		unsigned went = 0;
		rates_add(&rates, rows[i].of, rows[i].count, rows[i].period_us);
		while (now <= START + rows[i].during_us) {
			rates_take(&rates, now, rows[i].rcpts);
			went++;
			if (rates_ready_us(&rates) > now)
				now = rates_ready_us(&rates);
		}
		if (went != rows[i].want)
			row_fail(rows[i].row, "%u went, want %u", went, rows[i].want);
	}
}

static void
test_the_slowest_counts_and_time_off_is_not_saved(void **state)
{
	struct rates rates = { 0 };
	struct buf text;

	(void)state;
	rates_add(&rates, RATE_MESSAGES, 1, SECOND);
	rates_add(&rates, RATE_RECIPIENTS, 1, MINUTE);
	assert_true(rates_ready_us(&rates) <= START);
	rates_take(&rates, START, 2);
	assert_true(rates_ready_us(&rates) == START + 2 * MINUTE);
	rates_take(&rates, START + HOUR, 1);
	assert_true(rates_ready_us(&rates) == START + HOUR + MINUTE);
	buf_init(&text, 100);
	rates_print(&rates, &text);
	assert_true(str_equal(buf_str(&text), S("1 message a second, 1 recipient a minute")));
	buf_clear(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_the_slowest_counts_and_time_off_is_not_saved),
	};

	return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
