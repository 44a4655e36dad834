/* SPDX-License-Identifier: ISC */
/*
 * Promise: what was said to be kept is on disk, and is in the store in the end, whatever happens between; what cannot be
 * kept waits for its commit; what comes from the journal is in the store as if it had come there directly.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/arrival.h"
#include "queue/intake.h"
#include "queue/journal.h"
#include "queue/limits.h"
#include "tests/unit/queue/spool.h"

enum { COUNT = 300, WAIT_MS = 20000, SMALL = 20, BODY_MAX = 3 * RECORD_PIECE_DATA };

static _Atomic int sync_errno, syncs, write_errno;
static _Atomic bool no_room; /* for what a step puts into the store */

int
fdatasync(int fd)
{
	atomic_fetch_add(&syncs, 1);
	if (sync_errno == 0)
		return (int)syscall(SYS_fdatasync, fd);
	errno = sync_errno;
	return -1;
}

/* How a journal is written, and nothing else. */
ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
	if (write_errno == 0)
		return syscall(SYS_pwritev, fd, iov, count, at, 0);
	errno = write_errno;
	return -1;
}

/* --- a message, whose every byte follows from its id --- */

struct letter {
	struct taking taking;
	uint64_t id;
	struct buf envelope;
	int syncs; /* when it was handed over */
	bool kept, done;
	enum store_failure failure;
};

static struct letter letters[COUNT + 1];
static char text[BODY_MAX + 300];
static struct spool spool;
static int log_fd; /* what was logged */
static struct committer *committer;
static struct intake *intake;
static size_t kept, finished, awaited_kept, awaited_done;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static struct str
body_of(uint64_t id)
{
	return (struct str){ text + id % 251, (size_t)(id * 1237 % BODY_MAX) };
}

static struct arrival
arrival_of(uint64_t id)
{
	return (struct arrival){ .message = id,
		.due_us = 1000000 + id,
		.to = S("first@destination.example"),
		.record = { .reverse_path = id % 5 == 0 ? S("") : S("sender@\xc3\xb6.example"),
		    .size = body_of(id).len,
		    .created_ms = 1000 + id,
		    .look_ms = 900000 + id,
		    .origin = S("192.0.2.1:25"),
		    .owner = PROTO_OWNER_NONE,
		    .recipients = 1 + id % 4,
		    .preamble = S("Received: by us\r\n") } };
}

static struct arrival_rcpt
rcpt_of(uint64_t id, uint32_t number)
{
	return (struct arrival_rcpt){ .number = number,
		.destination = (id + number) % 2 ? S("out/a.example") : S("out/b.example"),
		.record = { .kind = PROTO_DELIVERY_RELAY,
		    .forward_path = S("first@destination.example"),
		    .recipient = S("first@destination.example"),
		    .action = S("out"),
		    .due_us = 1000000 + id,
		    .expires_ms = 900000 + id } };
}

/* The direct way into the store. */
static void
put(struct store_txn *txn, uint64_t id)
{
	const struct arrival arrival = arrival_of(id);
	struct arrival_rcpt rcpt;
	uint32_t i;

	arrival_put_body(txn, id, 0, body_of(id));
	arrival_put(txn, &arrival);
	for (i = 0; i < arrival.record.recipients; i++) {
		rcpt = rcpt_of(id, i);
		assert_true(arrival_put_rcpt(txn, id, &rcpt) != 0);
	}
}

static void
put_directly(uint64_t id)
{
	struct store_txn *txn = begin(&spool);

	put(txn, id);
	commit(txn);
}

static void
encode(uint64_t id, struct buf *out)
{
	const struct arrival arrival = arrival_of(id);
	struct arrival_rcpt rcpt;
	uint32_t i;

	assert_true(arrival_encode(&arrival, out));
	for (i = 0; i < arrival.record.recipients; i++) {
		rcpt = rcpt_of(id, i);
		assert_true(arrival_encode_rcpt(&rcpt, out));
	}
}

/* Whether all of it is there; the test fails when some of it is. */
static bool
is_there(uint64_t id)
{
	struct store_txn *txn = reading(&spool);
	const struct arrival arrival = arrival_of(id);
	struct record_message record;
	struct record_recipient rcpt;
	struct str piece, body = body_of(id);
	uint32_t sequence = 0, i;
	struct error err;
	bool found = store_get_message(txn, id, &record, &err) == STORE_FOUND;

	if (found) {
		assert_true(str_equal(record.reverse_path, arrival.record.reverse_path));
		assert_true(str_equal(record.preamble, arrival.record.preamble));
		assert_int_equal(record.size, body.len);
		for (i = 0; i < record.recipients; i++) {
			assert_int_equal(store_get_recipient(txn, id, i, &rcpt, &err), STORE_FOUND);
			assert_int_equal(rcpt.due_us, arrival.due_us);
		}
		for (; body.len > 0; body.ptr += piece.len, body.len -= piece.len) {
			assert_int_equal(store_get_piece(txn, id, sequence++, &piece, &err), STORE_FOUND);
			assert_memory_equal(piece.ptr, body.ptr, piece.len);
		}
	}
	store_read_end(txn);
	return found;
}

static uint64_t
stored_number(enum store_meta what)
{
	struct store_txn *txn = reading(&spool);
	uint64_t number = store_get_meta(txn, what);

	store_read_end(txn);
	return number;
}

/* All entries up to that number are in the store, and so many messages. */
static void
expect_numbers(uint64_t entry, uint64_t messages)
{
	assert_int_equal(stored_number(STORE_META_JOURNAL), entry);
	assert_int_equal(stored_number(STORE_META_ACCEPTED), messages);
}

/* An entry that came twice would be told as one that cannot be understood. */
static void
expect_no_damage(void)
{
	static char lines[65536];
	ssize_t n;

	log_flush();
	n = pread(log_fd, lines, sizeof(lines) - 1, 0);
	assert_int_not_equal(n, -1);
	lines[n] = '\0';
	assert_int_equal(ftruncate(log_fd, 0), 0);
	assert_null(strstr(lines, "journal-damaged"));
}

/* --- the intake at work --- */

static void
look(void)
{
	if (kept >= awaited_kept && finished >= awaited_done)
		loop_stop();
}

static void
run_letter(struct store_txn *txn, struct step *step)
{
	(void)pthread_mutex_lock(&gate);
	(void)pthread_mutex_unlock(&gate);
	put(txn, ((struct letter *)step)->id);
	if (no_room)
		store_fail(txn, STORE_NO_ROOM, "no room on purpose");
}

static void
done_letter(struct step *step, enum store_failure failure)
{
	struct letter *l = (struct letter *)step;

	assert_false(l->done);
	l->done = true;
	l->failure = failure;
	finished++;
	look();
}

static size_t
compose_letter(struct taking *t, struct str parts[INTAKE_PARTS_MAX])
{
	struct letter *l = (struct letter *)t;

	encode(l->id, &l->envelope);
	parts[0] = buf_str(&l->envelope);
	parts[1] = body_of(l->id);
	return 2;
}

static void
keep_letter(struct taking *t)
{
	struct letter *l = (struct letter *)t;

	assert_false(l->kept || l->done);
	assert_true(syncs > l->syncs);
	l->kept = true;
	kept++;
	look();
}

static size_t
compose_nothing(struct taking *t, struct str parts[INTAKE_PARTS_MAX])
{
	(void)t;
	(void)parts;
	return 0;
}

/* What it says of its size, and how its entry is made, may be another than what is put. */
static void
take_as(uint64_t id, size_t bytes, taking_compose_fn *compose)
{
	struct letter *l = &letters[id];

	*l = (struct letter){ .id = id, .syncs = syncs };
	buf_init(&l->envelope, JOURNAL_BATCH_BYTES);
	l->taking =
	    (struct taking){ .step = { .kind = STEP_ACCEPT, .bytes = bytes, .run = run_letter, .done = done_letter },
		    .compose = compose,
		    .kept = keep_letter };
	intake_take(intake, &l->taking);
}

static void
take(uint64_t id)
{
	take_as(id, body_of(id).len, compose_letter);
}

static void
too_long(void *arg)
{
	(void)arg;
	fail_msg("waited too long: %zu of %zu are kept, %zu of %zu done", kept, awaited_kept, finished, awaited_done);
}

static void
wait_for(size_t count_kept, size_t count_done)
{
	struct loop_timer limit = { 0 };

	awaited_kept = count_kept;
	awaited_done = count_done;
	loop_timer_init(&limit, too_long, NULL);
	loop_timer_start(&limit, WAIT_MS);
	while (kept < count_kept || finished < count_done)
		loop_run();
	loop_timer_stop(&limit);
}

static void
open_room(void)
{
	kept = finished = 0;
	sync_errno = 0;
	spool_open(&spool);
	committer = committer_new(spool.store);
	intake = intake_new(spool.store, committer);
}

static void
make(void)
{
	spool_new(&spool, 0);
	store_close(spool.store);
	spool.options.replay = arrival_replay;
	open_room();
}

static void
close_room(void)
{
	size_t i;

	intake_free(intake);
	committer_free(committer);
	for (i = 0; i <= COUNT; i++)
		buf_clear(&letters[i].envelope);
	expect_clean(&spool);
	expect_no_damage();
	store_close(spool.store);
}

/* --- tests --- */

static void
test_kept_comes_before_the_store_has_it(void **state)
{
	uint64_t id;

	(void)state;
	make();
	(void)pthread_mutex_lock(&gate);
	for (id = 1; id <= SMALL; id++)
		take(id);
	wait_for(SMALL, 0);
	assert_int_equal(finished, 0);
	(void)pthread_mutex_unlock(&gate);
	wait_for(SMALL, SMALL);
	for (id = 1; id <= SMALL; id++) {
		assert_int_equal(letters[id].failure, STORE_OK);
		assert_true(is_there(id));
	}
	close_room();
	spool_remove(spool.dir);
}

/* A child is gone when all was kept and the store had nothing, or something; the parent opens what it left. */
static void
test_what_was_kept_is_there_after_a_crash(void **state)
{
	uint64_t id;
	int status, row;
	pid_t child;

	(void)state;
	for (row = 0; row < 2; row++) {
		make();
		intake_free(intake);
		committer_free(committer);
		store_close(spool.store);
		child = fork();
		assert_true(child != -1);
		if (child == 0) {
			loop_init();
			open_room();
			if (row == 0)
				(void)pthread_mutex_lock(&gate);
			for (id = 1; id <= COUNT; id++)
				take(id);
			wait_for(COUNT, row == 0 ? 0 : COUNT / 3);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		open_room();
		for (id = 1; id <= COUNT; id++)
			if (!is_there(id))
				fail_msg("message %llu was kept, and is not there", (unsigned long long)id);
		expect_numbers(COUNT, COUNT);
		close_room();
		open_room(); /* and nothing comes twice */
		expect_numbers(COUNT, COUNT);
		close_room();
		spool_remove(spool.dir);
	}
}

static void
test_without_a_journal_all_waits_for_its_commit(void **state)
{
	uint64_t id;

	(void)state;
	make();
	assert_true(intake_journals(intake, JOURNAL_MESSAGE_BYTES, JOURNAL_RCPTS_MAX));
	assert_false(intake_journals(intake, JOURNAL_MESSAGE_BYTES + 1, JOURNAL_RCPTS_MAX));
	assert_false(intake_journals(intake, JOURNAL_MESSAGE_BYTES, JOURNAL_RCPTS_MAX + 1));
	close_room();
	spool.options.replay = NULL;
	open_room();
	assert_false(intake_journals(intake, 1, 1));
	intake_free(intake);
	intake = NULL;
	for (id = 1; id <= SMALL; id++) {
		letters[id] = (struct letter){ .id = id };
		letters[id].taking.step =
		    (struct step){ .kind = STEP_ACCEPT, .bytes = 1, .run = run_letter, .done = done_letter };
		committer_add(committer, &letters[id].taking.step);
	}
	wait_for(0, SMALL);
	close_room();
	spool_remove(spool.dir);
}

/* The journal's two halves, and more: the committer stands still, so what no longer fits waits for it. */
static void
test_a_full_journal_loses_nothing(void **state)
{
	struct journal *journal;
	static char filler[JOURNAL_BATCH_BYTES / 2];
	struct str part = { filler, sizeof(filler) };
	struct error err;
	uint64_t id, number;

	(void)state;
	make();
	journal = store_journal(spool.store);
	for (; part.len > 0; part.len /= 8)
		while (journal_add(journal, &part, 1, &number) != JOURNAL_FULL)
			assert_true(journal_write(journal, &err));
	for (id = 1; id <= SMALL; id++)
		take(id);
	wait_for(0, SMALL);
	assert_int_equal(kept, 0);
	for (id = 1; id <= SMALL; id++)
		assert_true(is_there(id));
	close_room();
	spool_remove(spool.dir);
}

static void
test_a_failed_sync_is_told_to_all_that_wait(void **state)
{
	uint64_t id;

	(void)state;
	make();
	sync_errno = EIO;
	for (id = 1; id <= SMALL; id++)
		take(id);
	wait_for(0, SMALL);
	sync_errno = 0;
	take(SMALL + 1); /* and nothing is written any more */
	wait_for(0, SMALL + 1);
	assert_int_equal(kept, 0);
	for (id = 1; id <= SMALL + 1; id++)
		assert_int_equal(letters[id].failure, STORE_FAILED);
	close_room();
	open_room();
	for (id = 1; id <= SMALL + 1; id++)
		assert_false(is_there(id));
	close_room();
	spool_remove(spool.dir);
}

static void
test_the_end_hands_all_over(void **state)
{
	uint64_t id;

	(void)state;
	make();
	for (id = 1; id <= COUNT; id++)
		take(id);
	assert_int_equal(intake_pending(intake), COUNT);
	intake_free(intake);
	assert_int_equal(kept, COUNT);
	intake = NULL;
	close_room();
	assert_int_equal(finished, COUNT);
	open_room();
	for (id = 1; id <= COUNT; id++)
		assert_true(letters[id].failure == STORE_OK && is_there(id));
	expect_numbers(COUNT, COUNT);
	close_room();
	spool_remove(spool.dir);
}

static void
test_what_has_no_entry_waits_for_its_commit(void **state)
{
	uint64_t id;

	(void)state;
	make();
	for (id = 1; id <= SMALL; id++)
		take_as(id, body_of(id).len, id % 3 == 0 ? compose_nothing : compose_letter);
	wait_for(SMALL - SMALL / 3, SMALL);
	for (id = 1; id <= SMALL; id++) {
		assert_int_equal(letters[id].kept, id % 3 != 0);
		assert_true(letters[id].failure == STORE_OK && is_there(id));
	}
	close_room();
	spool_remove(spool.dir);
}

/* What the store could not take later is not promised. */
static void
test_without_room_in_the_store_nothing_is_kept(void **state)
{
	const size_t mib = 1024 * 1024;

	(void)state;
	spool_new(&spool, 2 * mib);
	store_close(spool.store);
	spool.options.replay = arrival_replay;
	open_room();
	take_as(1, 1000, compose_letter);
	wait_for(1, 1);
	take_as(2, mib / 2, compose_letter); /* there is room for this, but not for what changes with it */
	wait_for(1, 2);
	assert_int_equal(letters[2].failure, STORE_OK);
	take_as(3, 2 * mib, compose_letter);
	wait_for(1, 3);
	assert_int_equal(letters[3].failure, STORE_NO_ROOM);
	assert_false(letters[2].kept || letters[3].kept || is_there(3));
	take_as(4, 1000, compose_letter);
	wait_for(2, 4);
	close_room();
	spool_remove(spool.dir);
}

static void
test_without_room_for_a_journal_there_is_none(void **state)
{
	(void)state;
	spool_new(&spool, 0);
	store_close(spool.store);
	spool.options.replay = arrival_replay;
	write_errno = ENOSPC;
	open_room();
	write_errno = 0;
	assert_null(store_journal(spool.store));
	assert_false(intake_journals(intake, 1, 1));
	close_room();
	open_room(); /* with the next start there is room */
	assert_true(intake_journals(intake, 1, 1));
	take(1);
	wait_for(1, 1);
	close_room();
	spool_remove(spool.dir);
}

/* Kept, and then without room up to the end: with room, the next start has all of it, in its order and once. */
static void
test_what_was_held_up_to_the_end_is_taken_over(void **state)
{
	uint64_t id;

	(void)state;
	make();
	take(1);
	wait_for(1, 1);
	no_room = true;
	for (id = 2; id <= SMALL; id++)
		take(id);
	wait_for(SMALL, 1);
	take_as(SMALL + 1, 1, compose_nothing); /* behind them all, and not kept: it hears it at once */
	wait_for(SMALL, 2);
	assert_int_equal(letters[SMALL + 1].failure, STORE_NO_ROOM);
	assert_int_equal(finished, 2);
	expect_numbers(1, 1);
	close_room();
	no_room = false;
	for (id = 2; id <= SMALL; id++)
		assert_int_equal(letters[id].failure, STORE_NO_ROOM);
	open_room();
	for (id = 1; id <= SMALL; id++)
		assert_true(is_there(id));
	assert_false(is_there(SMALL + 1));
	expect_numbers(SMALL, SMALL);
	close_room();
	open_room();
	expect_numbers(SMALL, SMALL);
	close_room();
	spool_remove(spool.dir);
}

static bool
replay_without_room(struct store_txn *txn, struct str entry)
{
	bool ok = arrival_replay(txn, entry);

	store_fail(txn, STORE_NO_ROOM, "no room on purpose");
	return ok;
}

/* Else a store that is full would never be emptied. */
static void
test_a_start_without_room_leaves_the_journal_to_another(void **state)
{
	uint64_t id;

	(void)state;
	make();
	no_room = true;
	for (id = 1; id <= SMALL; id++)
		take(id);
	wait_for(SMALL, 0);
	close_room();
	no_room = false;
	spool.options.replay = replay_without_room;
	open_room();
	assert_null(store_journal(spool.store));
	expect_numbers(0, 0);
	put_directly(SMALL + 1);
	close_room();
	spool.options.replay = arrival_replay;
	open_room();
	assert_non_null(store_journal(spool.store));
	for (id = 1; id <= SMALL + 1; id++)
		assert_true(is_there(id));
	expect_numbers(SMALL, SMALL + 1);
	close_room();
	spool_remove(spool.dir);
}

static bool
replay(struct str entry, bool *put_something)
{
	struct store_txn *txn = begin(&spool);
	bool ok = arrival_replay(txn, entry);
	struct record_message record;
	struct error err;
	uint64_t id;

	*put_something = store_next_message(txn, 0, &id, &record, &err) == STORE_FOUND;
	if (*put_something && store_failed(txn) == STORE_OK) {
		commit(txn);
		expect_clean(&spool);
	} else {
		store_abort(txn);
	}
	return ok;
}

/* Cut short, lengthened, or with any bit changed, it is understood whole or not at all. */
static void
test_an_entry_is_understood_whole_or_not_at_all(void **state)
{
	struct buf whole;
	char *copy;
	size_t len, i;
	bool something;

	(void)state;
	buf_init(&whole, JOURNAL_BATCH_BYTES);
	encode(3, &whole);
	assert_true(buf_append_str(&whole, body_of(3)));
	len = buf_str(&whole).len;
	copy = malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy, buf_str(&whole).ptr, len);
	copy[len] = 'x';
	spool_new(&spool, 0);
	for (i = 0; i <= len + 1; i += i < 700 ? 1 : 97) {
		if (i == len)
			continue;
		assert_false(replay((struct str){ copy, i > len ? len + 1 : i }, &something));
		assert_false(something);
	}
	for (i = 0; i < len - body_of(3).len; i++) {
		copy[i] = (char)(copy[i] ^ 1 << i % 8);
		if (replay((struct str){ copy, len }, &something)) {
			spool_free(&spool); /* an id or a time is as good as another */
			spool_new(&spool, 0);
		} else {
			assert_false(something);
		}
		copy[i] = (char)(copy[i] ^ 1 << i % 8);
	}
	assert_true(replay((struct str){ copy, len }, &something));
	assert_true(is_there(3));
	free(copy);
	buf_clear(&whole);
	spool_free(&spool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_comes_before_the_store_has_it),
		cmocka_unit_test(test_what_was_kept_is_there_after_a_crash),
		cmocka_unit_test(test_without_a_journal_all_waits_for_its_commit),
		cmocka_unit_test(test_a_full_journal_loses_nothing),
		cmocka_unit_test(test_a_failed_sync_is_told_to_all_that_wait),
		cmocka_unit_test(test_the_end_hands_all_over),
		cmocka_unit_test(test_what_has_no_entry_waits_for_its_commit),
		cmocka_unit_test(test_without_room_in_the_store_nothing_is_kept),
		cmocka_unit_test(test_without_room_for_a_journal_there_is_none),
		cmocka_unit_test(test_what_was_held_up_to_the_end_is_taken_over),
		cmocka_unit_test(test_a_start_without_room_leaves_the_journal_to_another),
		cmocka_unit_test(test_an_entry_is_understood_whole_or_not_at_all),
	};
	size_t i;

	for (i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 + i / 253);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	(void)fcntl(log_fd, F_SETFL, O_APPEND);
	log_init("test", log_fd, LOG_TEXT, LOG_ERROR);
	loop_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
