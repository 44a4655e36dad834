/* SPDX-License-Identifier: ISC */
/*
 * Promise: what is on disk is found again in any order of events: entries that come before the cursor, times of a wrong
 * clock, destinations that were forgotten, a spool with many of them; and a full store refuses mail, delivers, and serves
 * again.
 */
#include "tests/unit/unit.h"

#include "queue/clock.h"
#include "queue/dispatch.h"
#include "queue/limits.h"
#include "queue/load.h"
#include "tests/unit/queue/world.h"

static uint64_t
deliver_one(struct end *relay)
{
	struct heard *job = hear(relay, PROTO_JOB_TYPE, 0);
	uint64_t i;

	for (i = 0; i < job->msg.job.rcpts; i++)
		SEND(relay->channel, JOB_RESULT, job_result, job->id,
		    .number = hear(relay, PROTO_JOB_RCPT_TYPE, job->id)->msg.job_rcpt.number,
		    .result = PROTO_RESULT_DELIVERED, .code = 250, .text = S("ok"));
	SEND(relay->channel, JOB_END, job_end, job->id, .host_down = false);
	return job->msg.job.message;
}

/* Writes recipients of a stored message anew, as an older run under another clock would have left them. */
struct rewrite {
	struct step step;
	uint64_t message;
	int64_t due_us;
	bool done;
};

static void
run_rewrite(struct store_txn *txn, struct step *step)
{
	struct rewrite *r = (struct rewrite *)step;
	struct record_recipient record;
	struct error err;

	if (store_get_recipient(txn, r->message, 0, &record, &err) != STORE_FOUND)
		return;
	record.due_us = (uint64_t)r->due_us;
	store_put_recipient(txn, r->message, 0, &record);
}

static void
rewritten(struct step *step, enum store_failure failure)
{
	assert_int_equal(failure, STORE_OK);
	((struct rewrite *)step)->done = true;
}

static void
rewrite_due(uint64_t message, int64_t due_us)
{
	struct rewrite r = { .step = { .kind = STEP_URGENT, .run = run_rewrite, .done = rewritten },
		.message = message,
		.due_us = due_us };

	committer_add(core.committer, &r.step);
	WAIT_FOR(r.done);
}

static void
test_times_of_a_wrong_clock_are_put_right(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay;
	int64_t now = clock_us(), longest = (int64_t)world.config.queue_retry_max_s * 1000000;
	uint64_t ids[150];
	struct record_recipient rcpt;
	size_t i;

	(void)state;
	for (i = 0; i < 150; i++)
		ids[i] = send_message(smtpd, "out/far.example", 1);
	(void)hear(smtpd, PROTO_DONE_TYPE, ids[149]);
	for (i = 0; i < 150; i++)
		rewrite_due(ids[i], now + (int64_t)3650 * 86400 * 1000000);
	world_stop();
	world_start();
	relay = world_join(PROTO_KIND_RELAY, 0);
	WAIT_FOR(is_stored(ids[0], 0, &rcpt) && (int64_t)rcpt.due_us < now + longest + 60000000);
	WAIT_FOR(is_stored(ids[149], 0, &rcpt) && (int64_t)rcpt.due_us < now + longest + 60000000);
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	expect_consistent();
}

static void
test_what_comes_before_the_cursor_is_found(void **state)
{
	enum { MANY = QUEUE_READY_MAX + 100 };
	struct end *smtpd = join_smtpd(0), *relay;
	struct destination *d;
	struct store_entry entry = { 0 };
	uint64_t last = 0;
	size_t i;

	(void)state;
	for (i = 0; i < MANY; i++)
		last = send_message(smtpd, "out/far.example", 1);
	(void)hear(smtpd, PROTO_DONE_TYPE, last);
	relay = world_join(PROTO_KIND_RELAY, 0);
	for (i = 0; i < MANY - 94; i++)
		(void)deliver_one(relay);
	settle_down();
	d = destination_named("out/far.example");
	/* The rest is in memory, and the cursor behind it; what waits is forgotten, and the last made due long before. */
	assert_true(d->ready_count > 20);
	destination_forget_ready(d);
	rewrite_due(last, 1000);
	entry.due_us = 1000;
	entry.message = last;
	destination_note(d, &entry);
	destination_settle(d);
	for (i = 0; i < 94; i++)
		(void)deliver_one(relay);
	WAIT_FOR(messages_stored() == 0);
	settle_down();
	assert_int_equal(core.counters.delivered, MANY);
	expect_consistent();
}

/* While older mail of a destination waits on disk, new mail does not overtake it from memory. */
static void
test_new_mail_does_not_overtake(void **state)
{
	enum { MANY = QUEUE_READY_MAX + 50 };
	struct end *smtpd = join_smtpd(0), *relay;
	uint64_t last = 0, previous = 0, message;
	size_t i;

	(void)state;
	for (i = 0; i < MANY; i++)
		last = send_message(smtpd, "out/far.example", 1);
	(void)hear(smtpd, PROTO_DONE_TYPE, last);
	relay = world_join(PROTO_KIND_RELAY, 0);
	for (i = 0; i < MANY + 1; i++) {
		if (i == 100)
			(void)hear(smtpd, PROTO_DONE_TYPE, send_message(smtpd, "out/far.example", 1));
		message = deliver_one(relay);
		if (message <= previous)
			fail_msg("%zu jobs, then an older message", i);
		previous = message;
	}
	WAIT_FOR(messages_stored() == 0);
}

static void
test_many_destinations_come_back(void **state)
{
	enum { MANY = 2 * QUEUE_DESTINATIONS_STEP + 100 };
	struct end *smtpd = join_smtpd(0), *relay;
	char name[64];
	uint64_t last = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "out/%u.example", i);
		last = send_message(smtpd, name, 1);
	}
	(void)hear(smtpd, PROTO_DONE_TYPE, last);
	world_stop();
	world_start();
	assert_false(load_is_complete());
	relay = world_join(PROTO_KIND_RELAY, 0);
	for (i = 0; i < MANY; i++)
		(void)deliver_one(relay);
	WAIT_FOR(messages_stored() == 0);
	assert_true(load_is_complete());
	settle_down();
	expect_consistent();
}

/* --- between a commit and the moment the loop hears of it --- */

/* A message that can be read from disk, while the loop has not yet been told that it is there. */
static uint64_t
store_unheard(struct end *smtpd, const char *destination, unsigned rcpts)
{
	int64_t then = clock_us();
	unsigned before;
	uint64_t id;

	upkeep_stop(); /* no step but its own */
	settle_down();
	WAIT_FOR(clock_us() > then); /* it is due at once, not some microseconds behind the one before */
	before = messages_stored();
	id = send_message(smtpd, destination, rcpts);
	while (committer_pending(core.committer) == 0)
		loop_turn();
	while (messages_stored() == before)
		(void)sched_yield();
	assert_int_equal(committer_pending(core.committer), 1);
	return id;
}

static void
expect_all_delivered_once(unsigned messages)
{
	struct end *relay = world_join(PROTO_KIND_RELAY, 0);

	for (; messages > 0; messages--)
		(void)deliver_one(relay);
	WAIT_FOR(messages_stored() == 0);
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	assert_int_equal(core.running, 0);
	assert_int_equal(deliveries_loaded(), 0);
	expect_consistent();
}

static void
test_what_was_read_before_the_loop_heard_of_it_goes_out_once(void **state)
{
	struct end *smtpd = join_smtpd(0);
	struct destination *d;
	uint64_t id;

	(void)state;
	(void)hear(smtpd, PROTO_DONE_TYPE, send_message(smtpd, "out/far.example", 1));
	id = store_unheard(smtpd, "out/far.example", 2);
	d = destination_named("out/far.example");
	load_due(d);
	assert_int_equal(d->ready_count, 2);
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	WAIT_FOR(core.counters.accepted_envelopes == 3);
	assert_int_equal(d->ready_count, 2);
	expect_all_delivered_once(2);
}

static void
test_a_part_that_was_read_leaves_the_rest_to_be_read(void **state)
{
	enum { RCPTS = 3 * QUEUE_JOB_RCPTS_MAX };
	struct end *smtpd = join_smtpd(0);
	struct destination *d;
	uint64_t id;

	(void)state;
	(void)hear(smtpd, PROTO_DONE_TYPE, send_message(smtpd, "out/far.example", 1));
	id = store_unheard(smtpd, "out/far.example", RCPTS);
	d = destination_named("out/far.example");
	d->down = true; /* of such a one only the first is read */
	load_due(d);
	assert_int_equal(d->ready_count, 2);
	d->down = false;
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	expect_all_delivered_once(4);
}

static void
test_what_was_removed_before_the_loop_heard_of_it_is_gone(void **state)
{
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0), *relay;
	const union proto_message all = {
		.queue_change = { .change = PROTO_CHANGE_REMOVE, .owner = PROTO_OWNER_ANY, .by = S("root") }
	};
	const struct msg_answer_end *end;
	uint64_t id;

	(void)state;
	(void)hear(smtpd, PROTO_DONE_TYPE, send_message(smtpd, "out/far.example", 1));
	id = store_unheard(smtpd, "out/far.example", 2);
	assert_true(service.handlers[PROTO_QUEUE_CHANGE_TYPE](&control->peer, 1, &all, -1));
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	relay = world_join(PROTO_KIND_RELAY, 0);
	end = &hear(control, PROTO_ANSWER_END_TYPE, 1)->msg.answer_end;
	assert_true(end->ok);
	assert_int_equal(end->count, 3);
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	assert_int_equal(messages_stored(), 0);
	assert_int_equal(deliveries_loaded(), 0);
	expect_consistent();
}

/* --- destinations that nobody needs --- */

static void
count_idle(struct destination *d)
{
	assert_int_equal(d->loaded_count, 0);
}

static void
test_idle_destinations_are_forgotten_and_made_again(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	uint64_t id = send_message(smtpd, "out/far.example", 1);

	(void)state;
	(void)deliver_one(relay);
	WAIT_FOR(destination_named("out/far.example")->place == PLACE_IDLE);
	destinations_idle(INT64_MAX, 10, count_idle);
	destination_free(destination_named("out/far.example"));
	assert_null(destination_named("out/far.example"));
	id = send_message(smtpd, "out/far.example", 1);
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	(void)deliver_one(relay);
	WAIT_FOR(messages_stored() == 0);
	settle_down();
	expect_consistent();
}

/* --- want of room --- */

static void
test_a_full_store_refuses_and_delivers_and_serves_again(void **state)
{
	enum { BODY = 30000 };
	static char body[BODY];
	struct end *smtpd, *relay;
	uint64_t id, stored = 0;
	enum proto_refusal reason;

	(void)state;
	memset(body, 'x', sizeof(body));
	world_stop();
	world.config.queue_size = 24 * 1024 * 1024;
	world_start();
	smtpd = join_smtpd(0);
	for (;;) {
		struct msg_ticket ticket;
		id = smtpd->next_id++;
		ticket = ticket_for(id, 0, "out/far.example");
		send_begin(smtpd, id);
		send_ticket(smtpd, id, &ticket);
		SEND(smtpd->channel, BODY, body, id, .bytes = { body, BODY });
		send_commit(smtpd, id, BODY);
		WAIT_FOR(has_heard(smtpd, PROTO_DONE_TYPE, id) || has_heard(smtpd, PROTO_REFUSED_TYPE, id));
		if (has_heard(smtpd, PROTO_REFUSED_TYPE, id))
			break;
		stored++;
		assert_true(stored < 1000);
	}
	reason = hear(smtpd, PROTO_REFUSED_TYPE, id)->msg.refused.reason;
	assert_int_equal(reason, PROTO_REFUSAL_NO_ROOM);
	assert_int_equal(messages_stored(), stored);
	assert_true(stored > 50);
	expect_consistent();
	while (has_heard(smtpd, PROTO_ROOM_TYPE, 0))
		(void)hear(smtpd, PROTO_ROOM_TYPE, 0);
	/* Deliveries go on, and make room. */
	relay = world_join(PROTO_KIND_RELAY, 0);
	for (; stored > 0; stored--)
		(void)deliver_one(relay);
	WAIT_FOR(messages_stored() == 0);
	WAIT_FOR(hear(smtpd, PROTO_ROOM_TYPE, 0)->msg.room.bytes >= QUEUE_WINDOW_BYTES * 4);
	id = send_message(smtpd, "out/far.example", 1);
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	expect_consistent();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_times_of_a_wrong_clock_are_put_right),
		TEST(test_what_comes_before_the_cursor_is_found),
		TEST(test_new_mail_does_not_overtake),
		TEST(test_many_destinations_come_back),
		TEST(test_what_was_read_before_the_loop_heard_of_it_goes_out_once),
		TEST(test_a_part_that_was_read_leaves_the_rest_to_be_read),
		TEST(test_what_was_removed_before_the_loop_heard_of_it_is_gone),
		TEST(test_idle_destinations_are_forgotten_and_made_again),
		TEST(test_a_full_store_refuses_and_delivers_and_serves_again),
	};

	world_once();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
