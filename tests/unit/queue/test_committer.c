/* SPDX-License-Identifier: ISC */
/*
 * Promise: steps run in their order and share commits; done comes after the commit and says whether it is on disk;
 * want of room hurts only what needs room; after a failed sync nothing is ever said to be on disk.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/committer.h"
#include "queue/store_lmdb.h"
#include "tests/unit/queue/spool.h"

enum { STEPS_MAX = 2 * COMMITTER_BATCH_STEPS, MIB = 1024 * 1024, WAIT_MS = 20000 };

static const char *const place = "outbound/destination.example";

/* --- faults --- */

static _Atomic int sync_errno;
static _Atomic int syncs;
static _Atomic bool sync_is_free;

int
fdatasync(int fd)
{
	atomic_fetch_add(&syncs, 1);
	if (sync_errno != 0) {
		errno = sync_errno;
		return -1;
	}
	return sync_is_free ? 0 : (int)syscall(SYS_fdatasync, fd);
}

/* --- a step that notes what happens to it --- */

struct note {
	struct step step;
	uint64_t number;
	uint64_t seen; /* STORE_META_ACCEPTED, before it wrote its own number */
	int runs;
	bool finished;
	bool on_disk_first; /* a reader saw its number when done came */
	enum store_failure failure;
	uint64_t commits;
	int64_t at_ms;
};

static struct note notes[STEPS_MAX];
static struct spool spool;
static struct committer *committer;
static size_t finished, awaited;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static int64_t
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
run_write(struct store_txn *txn, struct step *step)
{
	struct note *note = (struct note *)step;

	note->runs++;
	note->seen = store_get_meta(txn, STORE_META_ACCEPTED);
	store_put_meta(txn, STORE_META_ACCEPTED, note->number);
}

/* Holds the thread up until the test opens the gate. */
static void
run_gated(struct store_txn *txn, struct step *step)
{
	(void)pthread_mutex_lock(&gate);
	(void)pthread_mutex_unlock(&gate);
	run_write(txn, step);
}

static void
run_refuse(struct store_txn *txn, struct step *step)
{
	run_write(txn, step);
	store_fail(txn, STORE_NO_ROOM, "a piece before it was refused");
}

static void
run_break(struct store_txn *txn, struct step *step)
{
	run_write(txn, step);
	store_fail(txn, STORE_FAILED, "broken on purpose");
}

/* More than a small map has room for. */
static void
run_big(struct store_txn *txn, struct step *step)
{
	struct note *note = (struct note *)step;

	run_write(txn, step);
	put_mail(txn, &(struct mail){ 1000 + note->number, 2 * MIB, 1, place });
}

static _Atomic bool room_is_back;

static void
run_big_for_a_while(struct store_txn *txn, struct step *step)
{
	if (room_is_back)
		run_write(txn, step);
	else
		run_big(txn, step);
}

static void
done(struct step *step, enum store_failure failure)
{
	struct note *note = (struct note *)step;
	struct store_txn *txn = store_read(spool.store, NULL);

	assert_false(note->finished);
	assert_non_null(txn);
	note->on_disk_first = store_get_meta(txn, STORE_META_ACCEPTED) >= note->number;
	store_read_end(txn);
	note->finished = true;
	note->failure = failure;
	note->commits = committer_commits(committer);
	note->at_ms = now_ms();
	if (++finished == awaited)
		loop_stop();
}

static struct note *
add(size_t i, enum step_kind kind, step_run_fn *run, size_t bytes)
{
	notes[i] = (struct note){ .step = { .kind = kind, .bytes = bytes, .run = run, .done = done }, .number = i + 1 };
	committer_add(committer, &notes[i].step);
	return &notes[i];
}

static void
too_long(void *arg)
{
	(void)arg;
	fail_msg("waited too long: %zu of %zu are done", finished, awaited);
}

static void
wait_for(size_t count)
{
	struct loop_timer limit = { 0 };

	awaited = count;
	loop_timer_init(&limit, too_long, NULL);
	loop_timer_start(&limit, WAIT_MS);
	while (finished < count)
		loop_run();
	loop_timer_stop(&limit);
}

static void
start(uint64_t size_max)
{
	finished = 0;
	sync_errno = 0;
	spool_new(&spool, size_max);
	committer = committer_new(spool.store);
}

static void
stop(void)
{
	committer_free(committer);
	expect_clean(&spool);
	spool_free(&spool);
}

/* --- order and company --- */

static void
test_done_comes_after_the_commit(void **state)
{
	int before;

	(void)state;
	start(0);
	before = syncs;
	(void)add(0, STEP_ACCEPT, run_write, 0);
	assert_int_equal(committer_pending(committer), 1);
	wait_for(1);
	assert_int_equal(committer_pending(committer), 0);
	assert_int_equal(notes[0].failure, STORE_OK);
	assert_true(notes[0].on_disk_first);
	assert_true(syncs > before);
	assert_int_equal(committer_commits(committer), 1);
	stop();
}

static void
test_what_comes_during_a_commit_shares_the_next_in_its_order(void **state)
{
	size_t i;

	(void)state;
	start(0);
	(void)pthread_mutex_lock(&gate);
	(void)add(0, STEP_URGENT, run_gated, 0);
	for (i = 1; i < 1000; i++)
		(void)add(i, (enum step_kind)(i % 3), run_write, 100);
	(void)pthread_mutex_unlock(&gate);
	wait_for(1000);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(notes[i].seen, i);
		assert_int_equal(notes[i].runs, 1);
		assert_int_equal(notes[i].failure, STORE_OK);
	}
	assert_in_range(committer_commits(committer), 1, 2); /* one, where the first had to wait for the gate */
	stop();
}

static void
test_a_batch_ends_at_its_limits(void **state)
{
	static const struct {
		const char *row;
		size_t steps, bytes, commits;
	} rows[] = {
		{ "so many steps", COMMITTER_BATCH_STEPS + 1, 0, 2 },
		{ "so many bytes", 9, COMMITTER_BATCH_BYTES / 4, 3 },
		{ "a step of more than a batch goes alone", 3, COMMITTER_BATCH_BYTES + 1, 3 },
	};
	size_t r, i;

	(void)state;
	for (r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		start(0);
		(void)pthread_mutex_lock(&gate);
		(void)add(0, STEP_URGENT, run_gated, COMMITTER_BATCH_BYTES); /* a batch of its own */
		for (i = 1; i <= rows[r].steps; i++)
			(void)add(i, STEP_URGENT, run_write, rows[r].bytes);
		(void)pthread_mutex_unlock(&gate);
		wait_for(rows[r].steps + 1);
		if (committer_commits(committer) != rows[r].commits + 1)
			row_fail(rows[r].row, "%llu commits", (unsigned long long)committer_commits(committer));
		for (i = 0; i <= rows[r].steps; i++)
			if (notes[i].seen != i || notes[i].failure != STORE_OK)
				row_fail(rows[r].row, "step %zu saw %llu", i, (unsigned long long)notes[i].seen);
		stop();
	}
}

static void
test_lazy_steps_wait_for_company_but_not_long(void **state)
{
	int64_t from;

	(void)state;
	start(0);
	sync_is_free = true; /* a busy disk may take longer than company may */
	from = now_ms();
	(void)add(0, STEP_LAZY, run_write, 0); /* nothing was done of late: it goes at once */
	wait_for(1);
	(void)add(1, STEP_LAZY, run_write, 0);
	(void)add(2, STEP_LAZY, run_write, 0);
	wait_for(3);
	assert_true(notes[1].at_ms - from >= COMMITTER_LAZY_MS - 1);
	assert_int_equal(committer_commits(committer), 2);
	(void)pthread_mutex_lock(&gate);
	(void)add(3, STEP_URGENT, run_gated, 0);
	(void)add(4, STEP_LAZY, run_write, 0);
	(void)add(5, STEP_URGENT, run_write, 0);
	(void)pthread_mutex_unlock(&gate);
	wait_for(6);
	sync_is_free = false;
	assert_in_range(committer_commits(committer), 3, 4);
	assert_int_equal(notes[5].seen, 5);
	stop();
}

/* History of what was refused: strangers must not have it cost a sync. */
static void
test_an_idle_step_has_no_commit_of_its_own_while_others_come(void **state)
{
	static const enum step_kind kinds[] = { STEP_LAZY, STEP_URGENT, STEP_ACCEPT };
	int64_t from;
	size_t i, n = 0;

	(void)state;
	start(0);
	sync_is_free = true;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		(void)add(n++, STEP_IDLE, run_write, 0);
		(void)add(n++, STEP_IDLE, run_write, 0);
		from = now_ms();
		(void)add(n++, kinds[i], run_write, 0);
		wait_for(n);
		assert_int_equal(committer_commits(committer), i + 1);
		assert_int_equal(notes[n - 1].seen, n - 1);
		if (notes[n - 1].at_ms - from >= COMMITTER_IDLE_MS / 2)
			fail_msg("step %zu waited for %lld ms", n - 1, (long long)(notes[n - 1].at_ms - from));
	}
	from = now_ms();
	(void)add(n++, STEP_IDLE, run_write, 0);
	wait_for(n);
	assert_true(notes[n - 1].at_ms - from >= COMMITTER_IDLE_MS - 1);
	sync_is_free = false;
	stop();
}

static void
test_what_somebody_waits_for_does_not_wait_for_company(void **state)
{
	int64_t shortest = WAIT_MS, from;
	size_t i;

	(void)state;
	start(0);
	sync_is_free = true; /* a busy disk may take longer than company may */
	for (i = 0; i < 10; i++) {
		from = now_ms();
		(void)add(i, i % 2 == 0 ? STEP_URGENT : STEP_ACCEPT, run_write, 0);
		wait_for(i + 1);
		shortest = notes[i].at_ms - from < shortest ? notes[i].at_ms - from : shortest;
	}
	sync_is_free = false;
	assert_true(shortest < COMMITTER_LAZY_MS / 2);
	assert_int_equal(committer_commits(committer), 10);
	stop();
}

static void
test_what_is_there_is_committed_before_the_end(void **state)
{
	size_t i;

	(void)state;
	start(0);
	for (i = 0; i < 50; i++)
		(void)add(i, STEP_LAZY, run_write, 0);
	committer_free(committer);
	assert_int_equal(finished, 50);
	for (i = 0; i < 50; i++)
		assert_int_equal(notes[i].failure, STORE_OK);
	expect_clean(&spool);
	spool_free(&spool);
	committer_free(NULL);
}

static void
done_adds_another(struct step *step, enum store_failure failure)
{
	struct note *note = (struct note *)step;
	size_t i = (size_t)note->number;

	done(step, failure);
	if (i < 5) {
		(void)add(i, STEP_LAZY, run_write, 0);
		notes[i].step.done = done_adds_another;
	}
}

static void
test_done_may_hand_over_more_even_at_the_end(void **state)
{
	(void)state;
	start(0);
	(void)pthread_mutex_lock(&gate);
	(void)add(0, STEP_LAZY, run_gated, 0);
	notes[0].step.done = done_adds_another;
	(void)pthread_mutex_unlock(&gate);
	committer_free(committer);
	assert_int_equal(finished, 5);
	spool_free(&spool);
}

/* --- no room --- */

static void
test_what_gives_up_by_itself_is_refused_alone(void **state)
{
	size_t i;

	(void)state;
	start(0);
	(void)pthread_mutex_lock(&gate);
	(void)add(0, STEP_URGENT, run_gated, COMMITTER_BATCH_BYTES);
	for (i = 1; i < 10; i++)
		(void)add(i, STEP_ACCEPT, i == 3 || i == 6 ? run_refuse : run_write, 0);
	(void)pthread_mutex_unlock(&gate);
	wait_for(10);
	for (i = 1; i < 10; i++)
		assert_int_equal(notes[i].failure, i == 3 || i == 6 ? STORE_NO_ROOM : STORE_OK);
	assert_int_equal(notes[4].seen, 3); /* number of step 2: the third left nothing */
	stop();
}

static void
test_many_that_give_up_refuse_all_that_need_room(void **state)
{
	size_t i, refused = 0;

	(void)state;
	start(0);
	(void)pthread_mutex_lock(&gate);
	(void)add(0, STEP_URGENT, run_gated, COMMITTER_BATCH_BYTES);
	for (i = 1; i < 100; i++)
		(void)add(i, i % 2 == 0 ? STEP_ACCEPT : STEP_URGENT, i % 2 == 0 ? run_refuse : run_write, 0);
	(void)pthread_mutex_unlock(&gate);
	wait_for(100);
	for (i = 1; i < 100; i++) {
		assert_int_equal(notes[i].failure, i % 2 == 0 ? STORE_NO_ROOM : STORE_OK);
		refused += notes[i].failure == STORE_NO_ROOM;
		assert_true(notes[i].runs <= COMMITTER_REFUSALS_MAX + 3);
	}
	assert_int_equal(refused, 49);
	stop();
}

static void
test_a_full_map_refuses_accepts_and_the_rest_goes_on(void **state)
{
	(void)state;
	start(MIB);
	(void)pthread_mutex_lock(&gate);
	(void)add(0, STEP_URGENT, run_gated, COMMITTER_BATCH_BYTES);
	(void)add(1, STEP_LAZY, run_write, 0);
	(void)add(2, STEP_ACCEPT, run_big, 10); /* says less than it needs */
	(void)add(3, STEP_URGENT, run_write, 0);
	(void)add(4, STEP_ACCEPT, run_write, 0);
	(void)add(5, STEP_LAZY, run_write, 0);
	(void)pthread_mutex_unlock(&gate);
	wait_for(6);
	assert_int_equal(notes[1].failure, STORE_OK);
	assert_int_equal(notes[2].failure, STORE_NO_ROOM);
	assert_int_equal(notes[3].failure, STORE_OK);
	assert_int_equal(notes[4].failure, STORE_NO_ROOM);
	assert_int_equal(notes[5].failure, STORE_OK);
	assert_int_equal(notes[5].seen, 4);      /* number of step 3 */
	(void)add(6, STEP_ACCEPT, run_write, 0); /* and there is room for what is small */
	wait_for(7);
	assert_int_equal(notes[6].failure, STORE_OK);
	stop();
}

static uint64_t
last_entry_stored(void)
{
	struct store_txn *txn = reading(&spool);
	uint64_t entry = store_get_meta(txn, STORE_META_JOURNAL);

	store_read_end(txn);
	return entry;
}

/* Both at once, behind a step that opens the gate: an entry that finds no room, and one behind it that would. */
static void
add_kept_without_room(void)
{
	size_t i;

	room_is_back = false;
	(void)pthread_mutex_lock(&gate);
	(void)add(0, STEP_URGENT, run_gated, COMMITTER_BATCH_BYTES);
	for (i = 1; i <= 2; i++) {
		(void)add(i, STEP_KEPT, i == 1 ? run_big_for_a_while : run_write, 10);
		notes[i].step.entry = 10 + i;
	}
	(void)add(3, STEP_URGENT, run_write, 0);
	(void)pthread_mutex_unlock(&gate);
	wait_for(2);
}

static void
test_what_the_journal_has_is_held_in_its_order(void **state)
{
	(void)state;
	start(MIB);
	add_kept_without_room();
	assert_int_equal(notes[3].failure, STORE_OK); /* the rest goes on */
	assert_true(notes[0].finished && notes[3].finished);
	assert_int_equal(last_entry_stored(), 0);
	assert_int_equal(committer_kept_bytes(committer), 20);
	(void)add(4, STEP_KEPT, run_write, 10); /* nor does what comes later go before it */
	notes[4].step.entry = 13;
	(void)add(5, STEP_URGENT, run_write, 0);
	wait_for(3);
	assert_true(notes[5].finished);
	assert_int_equal(last_entry_stored(), 0);
	room_is_back = true;
	wait_for(6);
	assert_int_equal(notes[1].failure, STORE_OK);
	assert_int_equal(notes[2].failure, STORE_OK);
	assert_int_equal(notes[2].seen, notes[1].number);
	assert_int_equal(notes[4].seen, notes[2].number);
	assert_int_equal(last_entry_stored(), 13);
	assert_int_equal(committer_kept_bytes(committer), 0);
	stop();
}

static void
test_at_the_end_what_is_held_is_left_to_the_journal(void **state)
{
	(void)state;
	start(MIB);
	add_kept_without_room();
	committer_free(committer);
	assert_int_equal(finished, 4);
	assert_int_equal(notes[1].failure, STORE_NO_ROOM);
	assert_int_equal(notes[2].failure, STORE_NO_ROOM);
	assert_int_equal(last_entry_stored(), 0);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_without_room_accepts_are_not_even_tried(void **state)
{
	(void)state;
	start(MIB);
	(void)pthread_mutex_lock(&gate);
	(void)add(0, STEP_URGENT, run_gated, COMMITTER_BATCH_BYTES);
	(void)add(1, STEP_ACCEPT, run_big, 2 * MIB);
	(void)add(2, STEP_URGENT, run_write, 0);
	(void)pthread_mutex_unlock(&gate);
	wait_for(3);
	assert_int_equal(notes[1].failure, STORE_NO_ROOM);
	assert_int_equal(notes[1].runs, 0);
	assert_int_equal(notes[2].failure, STORE_OK);
	stop();
}

static void
test_a_step_that_never_finds_room_does_not_stop_the_others(void **state)
{
	size_t i;

	(void)state;
	start(MIB);
	(void)pthread_mutex_lock(&gate);
	(void)add(0, STEP_URGENT, run_gated, COMMITTER_BATCH_BYTES);
	for (i = 1; i < 20; i++)
		(void)add(i, STEP_URGENT, i == 7 ? run_big : run_write, 0);
	(void)pthread_mutex_unlock(&gate);
	wait_for(20);
	for (i = 1; i < 20; i++)
		assert_int_equal(notes[i].failure, i == 7 ? STORE_NO_ROOM : STORE_OK);
	stop();
}

/* --- failure --- */

static void
test_after_a_failed_sync_nothing_is_on_disk_any_more(void **state)
{
	(void)state;
	start(0);
	(void)add(0, STEP_ACCEPT, run_write, 0);
	wait_for(1);
	sync_errno = EIO;
	(void)add(1, STEP_ACCEPT, run_write, 0);
	(void)add(2, STEP_LAZY, run_write, 0);
	wait_for(3);
	sync_errno = 0; /* the disk seems to be well again: nobody may believe it */
	(void)add(3, STEP_URGENT, run_write, 0);
	wait_for(4);
	assert_int_equal(notes[0].failure, STORE_OK);
	assert_int_equal(notes[1].failure, STORE_FAILED);
	assert_int_equal(notes[2].failure, STORE_FAILED);
	assert_int_equal(notes[3].failure, STORE_FAILED);
	assert_int_equal(notes[3].runs, 0);
	committer_free(committer);
	spool_reopen(&spool);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_a_step_that_finds_damage_ends_it_for_all(void **state)
{
	(void)state;
	start(0);
	(void)pthread_mutex_lock(&gate);
	(void)add(0, STEP_URGENT, run_gated, COMMITTER_BATCH_BYTES);
	(void)add(1, STEP_URGENT, run_write, 0);
	(void)add(2, STEP_LAZY, run_break, 0);
	(void)add(3, STEP_ACCEPT, run_write, 0);
	(void)pthread_mutex_unlock(&gate);
	wait_for(4);
	assert_int_equal(notes[1].failure, STORE_FAILED);
	assert_int_equal(notes[2].failure, STORE_FAILED);
	assert_int_equal(notes[3].failure, STORE_FAILED);
	(void)add(4, STEP_URGENT, run_write, 0);
	wait_for(5);
	assert_int_equal(notes[4].failure, STORE_FAILED);
	assert_int_equal(notes[4].runs, 0);
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_done_comes_after_the_commit),
		cmocka_unit_test(test_what_comes_during_a_commit_shares_the_next_in_its_order),
		cmocka_unit_test(test_a_batch_ends_at_its_limits),
		cmocka_unit_test(test_lazy_steps_wait_for_company_but_not_long),
		cmocka_unit_test(test_an_idle_step_has_no_commit_of_its_own_while_others_come),
		cmocka_unit_test(test_what_somebody_waits_for_does_not_wait_for_company),
		cmocka_unit_test(test_what_is_there_is_committed_before_the_end),
		cmocka_unit_test(test_done_may_hand_over_more_even_at_the_end),
		cmocka_unit_test(test_what_gives_up_by_itself_is_refused_alone),
		cmocka_unit_test(test_many_that_give_up_refuse_all_that_need_room),
		cmocka_unit_test(test_a_full_map_refuses_accepts_and_the_rest_goes_on),
		cmocka_unit_test(test_what_the_journal_has_is_held_in_its_order),
		cmocka_unit_test(test_at_the_end_what_is_held_is_left_to_the_journal),
		cmocka_unit_test(test_without_room_accepts_are_not_even_tried),
		cmocka_unit_test(test_a_step_that_never_finds_room_does_not_stop_the_others),
		cmocka_unit_test(test_after_a_failed_sync_nothing_is_on_disk_any_more),
		cmocka_unit_test(test_a_step_that_finds_damage_ends_it_for_all),
	};

	log_init("test_committer", STDERR_FILENO, LOG_TEXT, LOG_ERROR);
	loop_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
