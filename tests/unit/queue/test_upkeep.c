/* SPDX-License-Identifier: ISC */
/*
 * Promise: history is kept for its time, also on a machine whose calendar begins at 1970.
 */
#include "tests/unit/unit.h"

#include <sys/syscall.h>

#include "queue/limits.h"
#include "tests/unit/queue/world.h"

#define SECOND_US ((uint64_t)1000000)

static int64_t moved_s; /* the calendar */

/* Takes the place of libc's. */
int
clock_gettime(clockid_t clock, struct timespec *out)
{
	int rc = (int)syscall(SYS_clock_gettime, clock, out);

	if (clock == CLOCK_REALTIME)
		out->tv_sec += moved_s;
	return rc;
}

static _Atomic unsigned prunes;

bool __real_store_prune_history(struct store_txn *txn, uint64_t before_us, uint64_t bytes_max, size_t limit);
bool __wrap_store_prune_history(struct store_txn *txn, uint64_t before_us, uint64_t bytes_max, size_t limit);

bool
__wrap_store_prune_history(struct store_txn *txn, uint64_t before_us, uint64_t bytes_max, size_t limit)
{
	prunes++;
	return __real_store_prune_history(txn, before_us, bytes_max, limit);
}

static size_t
entries_of_history(void)
{
	struct store_txn *txn = look();
	struct record_history record;
	enum record_event event;
	uint64_t at = 0, message;
	uint32_t number;
	size_t n = 0;

	while (store_next_history(txn, at, &at, &message, &number, &event, &record, NULL) == STORE_FOUND)
		n++;
	store_read_end(txn);
	return n;
}

struct history_step {
	struct step step;
	uint64_t time_us[3];
	size_t count;
	bool done;
};

static void
run_history(struct store_txn *txn, struct step *step)
{
	const struct history_step *s = (const struct history_step *)step;
	const struct record_history record = { .to = S("joe@far.example") };
	size_t i;

	for (i = 0; i < s->count; i++)
		store_put_history(txn, s->time_us[i], 1, 0, EVENT_ACCEPTED, &record);
}

static void
history_done(struct step *step, enum store_failure failure)
{
	assert_int_equal(failure, STORE_OK);
	((struct history_step *)step)->done = true;
}

/* The queue starts on a spool with such a history, and makes its first round. How much is left. */
static size_t
left_after_a_round(const uint64_t *ages_us, size_t count)
{
	struct history_step s = { .step = { .kind = STEP_URGENT, .run = run_history, .done = history_done },
		.count = count };
	size_t i;

	for (i = 0; i < count; i++)
		s.time_us[i] = (uint64_t)loop_wall_ms() * 1000 - ages_us[i];
	committer_add(core.committer, &s.step);
	WAIT_FOR(s.done);
	prunes = 0;
	upkeep_stop();
	upkeep_start();
	WAIT_FOR(prunes > 0);
	settle_down();
	return entries_of_history();
}

static void
test_history_is_kept_for_its_time(void **state)
{
	const uint64_t keep_us = (uint64_t)world.config.history_keep_s * SECOND_US;
	const uint64_t ages_us[] = { keep_us + 3600 * SECOND_US, keep_us - 3600 * SECOND_US, SECOND_US };

	(void)state;
	assert_int_equal(left_after_a_round(ages_us, 3), 2);
}

static void
test_history_is_kept_where_the_calendar_begins_at_1970(void **state)
{
	const uint64_t ages_us[] = { 20 * SECOND_US, SECOND_US };

	(void)state;
	assert_int_equal(left_after_a_round(ages_us, 2), 2);
}

static int
setup_in_1970(void **state)
{
	moved_s = 100 - time(NULL);
	return world_setup(state);
}

static int
teardown_in_1970(void **state)
{
	moved_s = 0;
	return world_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_history_is_kept_for_its_time, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    test_history_is_kept_where_the_calendar_begins_at_1970, setup_in_1970, teardown_in_1970),
	};

	world_once();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
