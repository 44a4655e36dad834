/* SPDX-License-Identifier: ISC */
/* Promise: waits grow by half from the least to the longest, with a tenth of jitter; the last try is at the expiry. */
#include "tests/unit/unit.h"

#include <inttypes.h>

#include "queue/schedule.h"

#define SECOND 1000000LL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

enum { MIDDLE = 0x80000000u }; /* no jitter */

static const struct schedule_rules rules = { 10 * MINUTE, 4 * HOUR };

static const struct {
	const char *row;
	uint64_t tries;
	int64_t want;
} delays[] = {
	{ "the first wait is the least", 1, 10 * MINUTE },
	{ "no try counts as one", 0, 10 * MINUTE },
	{ "then half more", 2, 15 * MINUTE },
	{ "and half more again", 3, 22 * MINUTE + 30 * SECOND },
	{ "the eighth is below the longest", 8, 170 * MINUTE + 51562500 },
	{ "from the ninth on it is the longest", 9, 4 * HOUR },
	{ "and stays so", 10, 4 * HOUR },
	{ "for however many", UINT64_MAX, 4 * HOUR },
};

static void
test_delays_grow(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		int64_t got = schedule_delay_us(&rules, delays[i].tries, (uint32_t)MIDDLE);
		if (got != delays[i].want)
			row_fail(delays[i].row, "%" PRId64 ", want %" PRId64, got, delays[i].want);
	}
}

static void
test_jitter_is_a_tenth_at_most_and_covers_it(void **state)
{
	int64_t least = INT64_MAX, most = 0;
	uint64_t i;

	(void)state;
	for (i = 0; i <= UINT32_MAX; i += 0xffff) {
		int64_t got = schedule_delay_us(&rules, 1, (uint32_t)i);
		assert_true(got >= 9 * MINUTE && got < 11 * MINUTE);
		least = got < least ? got : least;
		most = got > most ? got : most;
	}
	assert_true(least == 9 * MINUTE);
	assert_true(most > 11 * MINUTE - SECOND);
}

static void
test_odd_rules_still_wait(void **state)
{
	static const struct schedule_rules tiny = { 1, 1000000 }, upside_down = { HOUR, MINUTE },
					   long_ones = { DAY, 366 * DAY };

	(void)state;
	assert_int_equal(schedule_delay_us(&tiny, 1, (uint32_t)MIDDLE), 1);
	assert_int_equal(schedule_delay_us(&tiny, 2, (uint32_t)MIDDLE), 2);
	assert_int_equal(schedule_delay_us(&tiny, 100, (uint32_t)MIDDLE), 1000000);
	assert_int_equal(schedule_delay_us(&upside_down, 1, (uint32_t)MIDDLE), MINUTE);
	assert_true(schedule_delay_us(&long_ones, 1000, UINT32_MAX) > 366 * DAY);
	assert_true(schedule_delay_us(&long_ones, 1000, UINT32_MAX) < 403 * DAY);
}

static const struct {
	const char *row;
	int64_t now;
	int64_t expires;
	int64_t want;
} next_rows[] = {
	{ "a try in its time is when it would be", 1000 * DAY, 1004 * DAY, 1000 * DAY + 10 * MINUTE },
	{ "one past the expiry is at the expiry", 1000 * DAY, 1000 * DAY + MINUTE, 1000 * DAY + MINUTE },
	{ "one after the expiry is never in the past", 1000 * DAY, 999 * DAY, 1000 * DAY + 10 * MINUTE },
};

static void
test_the_last_try_is_at_the_expiry(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(next_rows) / sizeof(next_rows[0]); i++) {
		int64_t got = schedule_next_us(&rules, next_rows[i].now, 1, (uint32_t)MIDDLE, next_rows[i].expires);
		if (got != next_rows[i].want)
			row_fail(next_rows[i].row, "%" PRId64 ", want %" PRId64, got, next_rows[i].want);
	}
	assert_false(schedule_is_over(99, 100));
	assert_true(schedule_is_over(100, 100));
}

/* Four days of failures are about thirty tries, and end. */
static void
test_a_life_of_failures_ends(void **state)
{
	int64_t now = 0, expires = 4 * DAY;
	unsigned tries = 0;

	(void)state;
	while (!schedule_is_over(now, expires)) {
		tries++;
		now = schedule_next_us(&rules, now, tries, tries * 2654435761u, expires);
	}
	assert_true(tries > 25 && tries < 40);
	assert_true(now == expires);
}

static void
test_absurd_times_are_told_from_long_ones(void **state)
{
	(void)state;
	assert_false(schedule_is_absurd(&rules, 0, 4 * HOUR + 24 * MINUTE));
	assert_true(schedule_is_absurd(&rules, 0, 4 * HOUR + 24 * MINUTE + 1));
	assert_false(schedule_is_absurd(&rules, 5 * DAY, 0));
}

static void
test_the_window_grows_by_one_and_halves(void **state)
{
	unsigned window = 5, i;

	(void)state;
	for (i = 0; i < 100; i++)
		window = schedule_window_grown(window, 20);
	assert_int_equal(window, 20);
	for (i = 0; i < 10; i++)
		window = schedule_window_shrunk(window);
	assert_int_equal(window, 1);
	assert_int_equal(schedule_window_grown(window, 20), 2);
	assert_int_equal(schedule_window_grown(30, 20), 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delays_grow),
		cmocka_unit_test(test_jitter_is_a_tenth_at_most_and_covers_it),
		cmocka_unit_test(test_odd_rules_still_wait),
		cmocka_unit_test(test_the_last_try_is_at_the_expiry),
		cmocka_unit_test(test_a_life_of_failures_ends),
		cmocka_unit_test(test_absurd_times_are_told_from_long_ones),
		cmocka_unit_test(test_the_window_grows_by_one_and_halves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
