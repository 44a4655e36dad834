/* SPDX-License-Identifier: ISC */
/*
 * Promise: a listing has every recipient the asker may see, once, in pages, and says why each is still here; of others' mail
 * nothing is shown or changed; removing and rescheduling do what they say and are answered when it is on disk. Mail whose
 * time is over is given up when it was tried.
 */
#include "tests/unit/unit.h"

#include "queue/clock.h"
#include "queue/expiry.h"
#include "queue/limits.h"
#include "queue/store_lmdb.h"
#include "tests/unit/queue/world.h"

enum { JOE = 1001, ANN = 1002 };

/* A message of a local user. */
static uint64_t
store_of(struct end *smtpd, uint64_t owner, const char *destination, unsigned rcpts)
{
	uint64_t id = smtpd->next_id++;
	unsigned i;

	send_begin(smtpd, id);
	for (i = 0; i < rcpts; i++) {
		struct msg_ticket ticket = ticket_for(id, i, destination);
		ticket.owner = owner;
		ticket.origin = S("local:1001");
		send_ticket(smtpd, id, &ticket);
	}
	SEND(smtpd->channel, BODY, body, id, .bytes = S("Subject: x\r\n\r\ntext\r\n"));
	send_commit(smtpd, id, 20);
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	return id;
}

static const struct msg_answer_end *
answered(struct end *control, uint64_t id)
{
	return &hear(control, PROTO_ANSWER_END_TYPE, id)->msg.answer_end;
}

static uint64_t
list(struct end *control, uint64_t owner, uint64_t message)
{
	static uint64_t id = 1000;

	SEND(control->channel, QUEUE_LIST, queue_list, ++id, .owner = owner, .message = message, .limit = 256);
	return answered(control, id)->count;
}

static void
test_who_sees_what(void **state)
{
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0);
	uint64_t joes = store_of(smtpd, JOE, "out/a.example", 2), anns = store_of(smtpd, ANN, "out/b.example", 1);

	(void)state;
	(void)store_of(smtpd, PROTO_OWNER_NONE, "out/c.example", 1);
	assert_int_equal(list(control, PROTO_OWNER_ANY, 0), 4);
	assert_int_equal(list(control, JOE, 0), 2);
	assert_int_equal(list(control, ANN, 0), 1);
	assert_int_equal(list(control, 7, 0), 0);
	assert_int_equal(list(control, JOE, joes), 2);
	assert_int_equal(list(control, JOE, anns), 0);
	assert_int_equal(list(control, PROTO_OWNER_ANY, 12345), 0);
}

static void
test_a_listing_in_pages_is_complete(void **state)
{
	enum { MESSAGES = 300, RCPTS = 3 };
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0);
	uint64_t message = 0, number = 0, total = 0, count, last = 0, id = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < MESSAGES; i++)
		last = send_message(smtpd, i % 2 == 0 ? "out/a.example" : "out/b.example", RCPTS);
	(void)hear(smtpd, PROTO_DONE_TYPE, last);
	do {
		uint64_t previous = message << 8 | number;
		SEND(control->channel, QUEUE_LIST, queue_list, ++id, .owner = PROTO_OWNER_ANY, .after_message = message,
		    .after_number = number, .limit = 7);
		count = answered(control, id)->count;
		total += count;
		for (i = 0; i < count; i++) {
			const struct msg_queue_entry *entry =
			    &hear(control, PROTO_QUEUE_ENTRY_TYPE, id)->msg.queue_entry;
			message = entry->message;
			number = entry->number;
			assert_true((message << 8 | number) > previous);
			previous = message << 8 | number;
		}
	} while (count > 0);
	assert_int_equal(total, MESSAGES * RCPTS);
}

static const struct msg_queue_entry *
entry_of(struct end *control, uint64_t message)
{
	(void)list(control, PROTO_OWNER_ANY, message);
	return &hear(control, PROTO_QUEUE_ENTRY_TYPE, 0)->msg.queue_entry;
}

static void
expect_entry(const char *row, const struct msg_queue_entry *entry, enum proto_entry_state state, const char *why)
{
	char text[PROTO_TEXT_MAX + 1];

	assert_true(str_copy(entry->why, text, sizeof(text)));
	if (entry->state != state || strstr(text, why) == NULL)
		row_fail(row, "state %u, \"%s\"", entry->state, text);
}

static void
test_an_entry_says_why_it_is_here(void **state)
{
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0), *relay;
	uint64_t id = store_of(smtpd, JOE, "out/a.example", 1), held = store_of(smtpd, JOE, "gone/a.example", 1);
	struct record_recipient rcpt;
	struct heard *job;

	(void)state;
	expect_entry("without a worker", entry_of(control, id), PROTO_ENTRY_READY, "due");
	expect_entry("action is gone", entry_of(control, held), PROTO_ENTRY_HELD, "no action \"out\"");
	service.pause(&(const struct msg_pause){ .mta = true });
	expect_entry("paused", entry_of(control, id), PROTO_ENTRY_PAUSED, "mta is paused");
	service.pause(&(const struct msg_pause){ .mta = false });
	relay = world_join(PROTO_KIND_RELAY, 0);
	job = hear(relay, PROTO_JOB_TYPE, 0);
	expect_entry("at work", entry_of(control, id), PROTO_ENTRY_RUNNING, "being delivered");
	SEND(relay->channel, JOB_RESULT, job_result, job->id, .result = PROTO_RESULT_DEFERRED, .code = 451,
	    .enhanced = S("4.4.1"), .text = S("connection refused"));
	SEND(relay->channel, JOB_END, job_end, job->id, .host_down = true);
	WAIT_FOR(is_stored(id, 0, &rcpt) && rcpt.tries == 1);
	settle_down();
	expect_entry("down", entry_of(control, id), PROTO_ENTRY_WAITING, "connection refused");
	assert_true(str_equal(entry_of(control, id)->last_reply, S("451 4.4.1 connection refused")));
	SEND(control->channel, QUEUE_CHANGE, queue_change, 5, .change = PROTO_CHANGE_SCHEDULE, .owner = JOE,
	    .message = id);
	assert_true(answered(control, 5)->ok);
	job = hear(relay, PROTO_JOB_TYPE, 0); /* at once, though it is down */
	SEND(relay->channel, JOB_RESULT, job_result, job->id, .result = PROTO_RESULT_DEFERRED, .code = 451,
	    .enhanced = S("4.2.0"), .text = S("mailbox is busy"));
	SEND(relay->channel, JOB_END, job_end, job->id, .host_down = false);
	WAIT_FOR(is_stored(id, 0, &rcpt) && rcpt.tries == 2);
	settle_down();
	expect_entry("waiting", entry_of(control, id), PROTO_ENTRY_WAITING, "next attempt in");
}

/* --- text --- */

static void
test_the_text_is_the_owners(void **state)
{
	static const struct str want = STR("Received: from near.example\r\nSubject: x\r\n\r\ntext\r\n");
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0);
	uint64_t id = store_of(smtpd, JOE, "out/a.example", 1);

	(void)state;
	SEND(control->channel, QUEUE_READ, queue_read, 1, .owner = JOE, .message = id, .offset = 0);
	assert_true(str_equal(hear(control, PROTO_QUEUE_TEXT_TYPE, 1)->msg.queue_text.bytes, want));
	SEND(control->channel, QUEUE_READ, queue_read, 2, .owner = PROTO_OWNER_ANY, .message = id, .offset = 10);
	assert_int_equal(hear(control, PROTO_QUEUE_TEXT_TYPE, 2)->msg.queue_text.bytes.len, want.len - 10);
	SEND(control->channel, QUEUE_READ, queue_read, 3, .owner = JOE, .message = id, .offset = want.len);
	assert_int_equal(hear(control, PROTO_QUEUE_TEXT_TYPE, 3)->msg.queue_text.bytes.len, 0);
	SEND(control->channel, QUEUE_READ, queue_read, 4, .owner = ANN, .message = id, .offset = 0);
	assert_false(answered(control, 4)->ok);
	SEND(control->channel, QUEUE_READ, queue_read, 5, .owner = PROTO_OWNER_ANY, .message = id + 1, .offset = 0);
	assert_false(answered(control, 5)->ok);
}

/* --- removing --- */

static void
test_removing_is_the_owners_and_leaves_nothing(void **state)
{
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0), *relay;
	uint64_t joes = store_of(smtpd, JOE, "out/a.example", 250), anns = store_of(smtpd, ANN, "out/a.example", 1);
	const struct msg_answer_end *end;

	(void)state;
	SEND(control->channel, QUEUE_CHANGE, queue_change, 1, .change = PROTO_CHANGE_REMOVE, .owner = ANN,
	    .message = joes, .by = S("ann"));
	assert_false(answered(control, 1)->ok);
	assert_int_equal(messages_stored(), 2);
	SEND(control->channel, QUEUE_CHANGE, queue_change, 2, .change = PROTO_CHANGE_REMOVE, .owner = JOE,
	    .message = joes, .by = S("joe"));
	end = answered(control, 2);
	assert_true(end->ok);
	assert_int_equal(end->count, 250);
	assert_int_equal(end->text.len, 0); /* what it is about to remove itself is not being delivered */
	assert_int_equal(messages_stored(), 1);
	expect_consistent();
	relay = world_join(PROTO_KIND_RELAY, 0);
	assert_true(hear(relay, PROTO_JOB_TYPE, 0)->msg.job.message == anns);
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	/* What is at work cannot be stopped, and says so. */
	SEND(control->channel, QUEUE_CHANGE, queue_change, 3, .change = PROTO_CHANGE_REMOVE, .owner = PROTO_OWNER_ANY,
	    .message = 0, .by = S("root"));
	end = answered(control, 3);
	assert_true(end->ok && end->count == 0 && end->text.len > 0);
	assert_int_equal(messages_stored(), 1);
	assert_int_equal(core.counters.removed, 250);
}

static void
expect_nothing_delivered(const char *row, const struct msg_answer_end *end)
{
	if (!end->ok || end->text.len > 0)
		row_fail(row, "\"%.*s\"", STR_ARG(end->text));
}

static void
test_what_is_leaving_already_is_not_being_delivered(void **state)
{
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0), *relay;
	const struct msg_answer_end *first, *second;
	struct heard *job;

	(void)state;
	/* Loaded for a worker that is not there, in deliveries of a hundred. */
	(void)store_of(smtpd, JOE, "out/a.example", 2 * QUEUE_JOB_RCPTS_MAX);
	SEND(control->channel, QUEUE_CHANGE, queue_change, 1, .change = PROTO_CHANGE_REMOVE, .owner = PROTO_OWNER_ANY,
	    .message = 0, .by = S("root"));
	SEND(control->channel, QUEUE_CHANGE, queue_change, 2, .change = PROTO_CHANGE_REMOVE, .owner = PROTO_OWNER_ANY,
	    .message = 0, .by = S("ann"));
	first = answered(control, 1);
	second = answered(control, 2);
	expect_nothing_delivered("the first to ask", first);
	expect_nothing_delivered("somebody else removes it, too", second);
	assert_int_equal(first->count + second->count, 2 * QUEUE_JOB_RCPTS_MAX);
	/* A result that is on its way to disk: one recipient goes, the other stays, and cannot be had now. */
	relay = world_join(PROTO_KIND_RELAY, 0);
	(void)store_of(smtpd, JOE, "out/b.example", 2);
	job = hear(relay, PROTO_JOB_TYPE, 0);
	SEND(relay->channel, JOB_RESULT, job_result, job->id, .number = 0, .result = PROTO_RESULT_DELIVERED,
	    .code = 250);
	SEND(
	    relay->channel, JOB_RESULT, job_result, job->id, .number = 1, .result = PROTO_RESULT_DEFERRED, .code = 451);
	SEND(relay->channel, JOB_END, job_end, job->id, .host_down = false);
	WAIT_FOR(core.running == 0);
	SEND(control->channel, QUEUE_CHANGE, queue_change, 3, .change = PROTO_CHANGE_REMOVE, .owner = PROTO_OWNER_ANY,
	    .message = 0, .by = S("root"));
	first = answered(control, 3);
	assert_true(first->ok);
	if (first->count == 0) /* it came before the disk */
		assert_true(str_equal(first->text, S("1 being delivered, which cannot be stopped")));
	expect_consistent();
}

static void
test_all_can_be_removed_loaded_or_not(void **state)
{
	enum { MANY = 2 * QUEUE_READY_MAX };
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0);
	uint64_t last = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < MANY; i++)
		last = send_message(smtpd, "out/a.example", 1);
	(void)hear(smtpd, PROTO_DONE_TYPE, last);
	SEND(control->channel, QUEUE_CHANGE, queue_change, 1, .change = PROTO_CHANGE_REMOVE, .owner = PROTO_OWNER_ANY,
	    .message = 0, .by = S("root"));
	assert_int_equal(answered(control, 1)->count, MANY);
	settle_down();
	assert_int_equal(messages_stored(), 0);
	assert_int_equal(deliveries_loaded(), 0);
	expect_consistent();
}

static uint64_t
value_of(struct end *control, uint64_t id, const char *name)
{
	size_t i;

	for (i = 0; i < control->heard_count; i++)
		if (control->heard[i].type == PROTO_STATUS_VALUE_TYPE && control->heard[i].id == id &&
		    str_equal(control->heard[i].msg.status_value.name, str_of(name)))
			return control->heard[i].msg.status_value.value;
	fail_msg("no value %s", name);
	return 0;
}

static void
test_numbers_are_told(void **state)
{
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0);

	(void)state;
	(void)store_of(smtpd, JOE, "out/a.example", 3);
	SEND(control->channel, STATUS_ASK, status_ask, 1, .nothing = false);
	assert_true(answered(control, 1)->ok);
	assert_int_equal(value_of(control, 1, "queue.accepted"), 1);
	assert_int_equal(value_of(control, 1, "scheduler.envelope"), 3);
}

static void
test_totals_outlive_a_restart_and_loops_are_told_apart(void **state)
{
	static const struct {
		enum proto_result result;
		struct str enhanced;
	} results[] = { { PROTO_RESULT_DELIVERED, STR("2.0.0") }, { PROTO_RESULT_DEFERRED, STR("4.4.6") },
		{ PROTO_RESULT_FAILED, STR("5.4.6") }, { PROTO_RESULT_FAILED, STR("5.1.1") } };
	static const struct {
		const char *name;
		uint64_t value;
	} totals[] = { { "queue.total.accepted", 1 }, { "queue.total.delivered", 1 }, { "queue.total.deferred", 1 },
		{ "queue.total.bounced", 2 }, { "queue.total.removed", 0 } };
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0), *control;
	uint64_t id = store_of(smtpd, JOE, "out/a.example", 4);
	struct heard *job = hear(relay, PROTO_JOB_TYPE, 0);
	struct record_recipient rcpt;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		SEND(relay->channel, JOB_RESULT, job_result, job->id, .number = i, .result = results[i].result,
		    .code = 250, .enhanced = results[i].enhanced);
	SEND(relay->channel, JOB_END, job_end, job->id, .host_down = false);
	WAIT_FOR(!is_stored(id, 3, &rcpt));
	settle_down();
	assert_int_equal(core.counters.bounced, 2);
	assert_int_equal(core.counters.loops, 1);
	world_stop();
	world_start();
	control = world_join(PROTO_KIND_CONTROL, 0);
	SEND(control->channel, STATUS_ASK, status_ask, 1, .nothing = false);
	assert_true(answered(control, 1)->ok);
	for (i = 0; i < sizeof(totals) / sizeof(totals[0]); i++)
		if (value_of(control, 1, totals[i].name) != totals[i].value)
			row_fail(totals[i].name, "%llu", (unsigned long long)value_of(control, 1, totals[i].name));
	assert_int_equal(value_of(control, 1, "scheduler.delivery.loop"), 0);
}

/* --- damage --- */

/* A key that is no message's, behind them all. */
static void
run_damage(struct store_txn *txn, struct step *step)
{
	(void)step;
	db_put(txn, DB_MESSAGE, S("\xff\xff\xff\xff\xff\xff\xff\xff\xff"), S("x"));
}

static void
damage_done(struct step *step, enum store_failure failure)
{
	assert_int_equal(failure, STORE_OK);
	step->bytes = 1;
}

static void
test_a_queue_that_cannot_be_read_to_its_end_is_told(void **state)
{
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0);
	struct step damage = { .kind = STEP_URGENT, .run = run_damage, .done = damage_done };
	const struct msg_answer_end *end;

	(void)state;
	(void)store_of(smtpd, JOE, "out/a.example", 2);
	committer_add(core.committer, &damage);
	WAIT_FOR(damage.bytes == 1);
	SEND(control->channel, QUEUE_CHANGE, queue_change, 1, .change = PROTO_CHANGE_SCHEDULE, .owner = PROTO_OWNER_ANY,
	    .message = 0);
	end = answered(control, 1);
	assert_false(end->ok);
	assert_true(end->text.len > 0);
	SEND(control->channel, QUEUE_CHANGE, queue_change, 2, .change = PROTO_CHANGE_REMOVE, .owner = PROTO_OWNER_ANY,
	    .message = 0, .by = S("root"));
	end = answered(control, 2);
	assert_false(end->ok);
	assert_int_equal(end->count, 2); /* what can be reached is removed all the same */
}

/* --- expiry --- */

static void
test_what_is_over_is_given_up_when_it_was_tried(void **state)
{
	struct end *smtpd, *relay = world_join(PROTO_KIND_RELAY, 0);
	struct record_recipient rcpt;
	struct msg_ticket ticket;
	struct heard *job;
	uint64_t tried, untried;

	(void)state;
	smtpd = join_smtpd(0);
	service.pause(&(const struct msg_pause){ .mta = true });
	tried = smtpd->next_id++;
	untried = smtpd->next_id++;
	send_begin(smtpd, tried);
	ticket = ticket_for(tried, 0, "out/a.example");
	ticket.ttl_s = 1;
	send_ticket(smtpd, tried, &ticket);
	send_commit(smtpd, tried, 0);
	send_begin(smtpd, untried);
	ticket = ticket_for(untried, 0, "gone/b.example");
	ticket.ttl_s = 1;
	send_ticket(smtpd, untried, &ticket);
	send_commit(smtpd, untried, 0);
	(void)hear(smtpd, PROTO_DONE_TYPE, untried);
	service.pause(&(const struct msg_pause){ .mta = false });
	job = hear(relay, PROTO_JOB_TYPE, 0);
	SEND(relay->channel, JOB_RESULT, job_result, job->id, .result = PROTO_RESULT_DEFERRED, .code = 451,
	    .enhanced = S("4.2.0"), .text = S("busy"));
	SEND(relay->channel, JOB_END, job_end, job->id, .host_down = true);
	WAIT_FOR(is_stored(tried, 0, &rcpt) && rcpt.tries == 1);
	expiry_walk(); /* before its time: nothing */
	settle_down();
	assert_true(is_stored(tried, 0, &rcpt));
	WAIT_FOR(clock_ms() > (int64_t)rcpt.expires_ms + 50);
	expiry_walk();
	WAIT_FOR(!is_stored(tried, 0, &rcpt));
	settle_down();
	assert_int_equal(core.counters.expired, 1);
	assert_int_equal(core.counters.notifications, 1);
	assert_true(is_stored(untried, 0, &rcpt)); /* nobody tried it: it stays */
	expect_consistent();
}

static uint64_t
store_short(struct end *smtpd, const char *destination)
{
	uint64_t id = smtpd->next_id++;
	struct msg_ticket ticket = ticket_for(id, 0, destination);

	ticket.ttl_s = 1;
	send_begin(smtpd, id);
	send_ticket(smtpd, id, &ticket);
	send_commit(smtpd, id, 0);
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	return id;
}

static void
put_off(struct end *relay, uint64_t id, bool host_down)
{
	struct heard *job = hear(relay, PROTO_JOB_TYPE, 0);

	assert_true(job->msg.job.message == id);
	SEND(relay->channel, JOB_RESULT, job_result, job->id, .result = PROTO_RESULT_DEFERRED, .code = 451,
	    .text = S("busy"));
	SEND(relay->channel, JOB_END, job_end, job->id, .host_down = host_down);
}

/* A machine that was off while its mail ran out of time: the servers may be well by now. */
static void
test_after_a_start_there_is_a_last_try(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	uint64_t busy, dead, waiting;
	struct record_recipient rcpt;
	struct destination *d;

	(void)state;
	busy = store_short(smtpd, "out/busy.example");
	put_off(relay, busy, false);
	dead = store_short(smtpd, "out/dead.example");
	put_off(relay, dead, true);
	WAIT_FOR(is_stored(dead, 0, &rcpt) && rcpt.tries == 1 && is_stored(busy, 0, &rcpt) && rcpt.tries == 1);
	waiting = store_short(smtpd, "out/dead.example");
	settle_down();
	assert_true(is_stored(waiting, 0, &rcpt));
	world_stop();
	while (loop_wall_ms() <= (int64_t)rcpt.expires_ms)
		loop_turn();
	world_start();
	WAIT_FOR(clock_ms() > (int64_t)rcpt.expires_ms);
	expiry_walk();
	settle_down();
	assert_int_equal(core.counters.expired, 0);
	assert_int_equal(messages_stored(), 3);
	relay = world_join(PROTO_KIND_RELAY, 0);
	put_off(relay, busy, false);
	WAIT_FOR(!is_stored(busy, 0, &rcpt));
	/* A probe that finds nobody was the last try of all that waits. */
	d = destination_named("out/dead.example");
	assert_true(d->down);
	d->until_us = 1;
	destination_settle(d);
	put_off(relay, waiting, true);
	WAIT_FOR(!is_stored(waiting, 0, &rcpt));
	assert_true(is_stored(dead, 0, &rcpt));
	expiry_walk();
	WAIT_FOR(!is_stored(dead, 0, &rcpt));
	settle_down();
	assert_int_equal(core.counters.expired, 3);
	expect_consistent();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_who_sees_what),
		TEST(test_a_listing_in_pages_is_complete),
		TEST(test_an_entry_says_why_it_is_here),
		TEST(test_the_text_is_the_owners),
		TEST(test_removing_is_the_owners_and_leaves_nothing),
		TEST(test_what_is_leaving_already_is_not_being_delivered),
		TEST(test_all_can_be_removed_loaded_or_not),
		TEST(test_numbers_are_told),
		TEST(test_totals_outlive_a_restart_and_loops_are_told_apart),
		TEST(test_a_queue_that_cannot_be_read_to_its_end_is_told),
		TEST(test_what_is_over_is_given_up_when_it_was_tried),
		TEST(test_after_a_start_there_is_a_last_try),
	};

	world_once();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
