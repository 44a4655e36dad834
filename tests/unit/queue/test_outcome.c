/* SPDX-License-Identifier: ISC */
/*
 * Promise: what became of a delivery is recorded once, with all that follows from it, however long the disk has no room
 * for it: until then nothing of it is handed out again, and the process goes on.
 */
#include "tests/unit/unit.h"

#include <errno.h>

#include "queue/again.h"
#include "queue/limits.h"
#include "tests/unit/queue/world.h"

static _Atomic bool store_full; /* not the journal: that has its blocks */

static bool
is_of_store(int fd)
{
	char link[64], path[256] = "";

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return readlink(link, path, sizeof(path) - 1) > 0 && strstr(path, "data.mdb") != NULL;
}

/* Takes the place of libc's for liblmdb, too. */
int
fdatasync(int fd)
{
	if (store_full && is_of_store(fd)) {
		errno = ENOSPC;
		return -1;
	}
	return fsync(fd);
}

static uint64_t
store_one(struct end *smtpd, const char *destination, unsigned rcpts)
{
	uint64_t id = send_message(smtpd, destination, rcpts);

	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	return id;
}

static void
answer_all(struct end *relay, uint64_t job, bool host_down)
{
	static const enum proto_result results[] = { PROTO_RESULT_DELIVERED, PROTO_RESULT_FAILED,
		PROTO_RESULT_DEFERRED };
	size_t i;

	for (i = 0; i < sizeof(results) / sizeof(results[0]); i++)
		SEND(relay->channel, JOB_RESULT, job_result, job, .number = i, .result = results[i], .code = 250,
		    .text = S("so it went"));
	SEND(relay->channel, JOB_END, job_end, job, .host_down = host_down);
}

static void
test_a_result_that_finds_no_room_is_recorded_later(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	uint64_t id = store_one(smtpd, "out/far.example", 3);
	struct heard *job = hear(relay, PROTO_JOB_TYPE, 0);
	struct record_recipient rcpt;

	(void)state;
	settle_down();
	store_full = true;
	answer_all(relay, job->id, false);
	WAIT_FOR(again_count() == 1);
	assert_int_equal(core.counters.delivered, 0);
	assert_true(is_stored(id, 0, &rcpt) && is_stored(id, 1, &rcpt));
	assert_true(is_stored(id, 2, &rcpt) && rcpt.tries == 0);
	/* What is on disk is not handed out to anybody. */
	destination_named("out/far.example")->next_us = 0;
	destination_named("out/far.example")->cursor = (struct store_entry){ 0 };
	destination_settle(destination_named("out/far.example"));
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	assert_int_equal(again_count(), 1);
	store_full = false;
	WAIT_FOR(!is_stored(id, 0, &rcpt));
	settle_down();
	assert_int_equal(again_count(), 0);
	assert_false(is_stored(id, 1, &rcpt));
	assert_true(is_stored(id, 2, &rcpt) && rcpt.tries == 1);
	assert_int_equal(core.counters.delivered, 1);
	assert_int_equal(core.counters.bounced, 1);
	assert_int_equal(core.counters.deferred, 1);
	assert_int_equal(core.counters.notifications, 1);
	assert_int_equal(messages_stored(), 2);
	assert_int_equal(destination_named("out/far.example")->loaded_count, 0);
	(void)hear(smtpd, PROTO_DONE_TYPE, send_message(smtpd, "out/far.example", 1));
	expect_consistent();
}

/* What is said of a destination is a hint, and upkeep has time: neither is worth the process. */
static void
test_what_can_be_left_out_is_left_out(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	uint64_t id = store_one(smtpd, "out/far.example", 3);
	struct heard *job = hear(relay, PROTO_JOB_TYPE, 0);
	struct record_recipient rcpt;

	(void)state;
	settle_down();
	store_full = true;
	answer_all(relay, job->id, true);
	WAIT_FOR(again_count() == 1 && committer_pending(core.committer) == 0);
	assert_true(destination_named("out/far.example")->down);
	upkeep_sweep_soon();
	WAIT_FOR(again_count() == 1 && committer_pending(core.committer) == 1);
	WAIT_FOR(committer_pending(core.committer) == 0);
	store_full = false;
	WAIT_FOR(is_stored(id, 2, &rcpt) && rcpt.tries == 1);
	settle_down();
	expect_consistent();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_result_that_finds_no_room_is_recorded_later),
		TEST(test_what_can_be_left_out_is_left_out),
	};

	world_once();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
