/* SPDX-License-Identifier: ISC */
/*
 * Promise: a user's mail goes through one process at a time, started on router's statement, kept for a burst, ended when
 * idle; there are never more than the limit; one that cannot be had delays its own user alone.
 */
#include "tests/unit/unit.h"

#include "queue/limits.h"
#include "queue/mailboxes.h"
#include "tests/unit/queue/world.h"

static uint64_t
store_one(struct end *smtpd, const char *destination)
{
	uint64_t id = send_message(smtpd, destination, 1);

	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	return id;
}

/* Router says who the user is. Returns the queue's number for the process. */
static uint64_t
give_statement(struct end *router, const char *user)
{
	struct heard *ask = hear(router, PROTO_STATEMENT_ASK_TYPE, 0);

	assert_true(str_equal(ask->msg.statement_ask.user, str_of(user)));
	assert_true(str_equal(ask->msg.statement_ask.action, S("local")));
	SEND(router->channel, STATEMENT_ANSWER, statement_answer, ask->id, .status = PROTO_ANSWER_FOUND,
	    .statement = S("sealed"));
	return ask->id;
}

/* The parent starts it. */
static struct end *
start_mailbox(uint64_t number)
{
	struct heard *start = hear(&world.parent, PROTO_MAILBOX_START_TYPE, number);

	assert_true(str_equal(start->msg.mailbox_start.statement, S("sealed")));
	return world_join(PROTO_KIND_MAILBOX, number);
}

static uint64_t
deliver(struct end *mailbox, enum proto_result result)
{
	struct heard *job = hear(mailbox, PROTO_JOB_TYPE, 0);

	SEND(mailbox->channel, JOB_RESULT, job_result, job->id, .number = 0, .result = result, .code = 250,
	    .enhanced = S("2.0.0"), .text = S("delivered"));
	SEND(mailbox->channel, JOB_END, job_end, job->id, .host_down = false);
	return job->msg.job.message;
}

static void
test_a_burst_goes_through_one_process_one_at_a_time(void **state)
{
	struct end *smtpd = join_smtpd(0), *router = world_join(PROTO_KIND_ROUTER, 0), *mailbox;
	uint64_t ids[10];
	size_t i;

	(void)state;
	for (i = 0; i < 10; i++)
		ids[i] = store_one(smtpd, "local/joe");
	mailbox = start_mailbox(give_statement(router, "joe"));
	for (i = 0; i < 10; i++) {
		settle_down();
		assert_int_equal(core.running, 1);
		assert_true(deliver(mailbox, PROTO_RESULT_DELIVERED) == ids[i]);
	}
	WAIT_FOR(messages_stored() == 0);
	settle_down();
	assert_int_equal(mailboxes_count(), 1);
	assert_false(has_heard(router, PROTO_STATEMENT_ASK_TYPE, 0));
	expect_consistent();
}

static void
test_two_actions_of_one_user_take_turns(void **state)
{
	struct end *smtpd = join_smtpd(0), *router = world_join(PROTO_KIND_ROUTER, 0), *mailbox;
	struct msg_ticket ticket = ticket_for(smtpd->next_id, 0, "local/joe");
	uint64_t id = smtpd->next_id++;

	(void)state;
	(void)store_one(smtpd, "local/joe");
	mailbox = start_mailbox(give_statement(router, "joe"));
	(void)hear(mailbox, PROTO_JOB_TYPE, 0);
	/* The same user by another destination, while the first is at work. */
	ticket.destination = S("local/joe+junk");
	send_begin(smtpd, id);
	send_ticket(smtpd, id, &ticket);
	send_commit(smtpd, id, 0);
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	settle_down();
	assert_int_equal(mailboxes_count(), 1);
	mailbox->heard[0].taken = false;
	(void)deliver(mailbox, PROTO_RESULT_DELIVERED);
	(void)give_statement(router, "joe"); /* the idle one makes room */
	WAIT_FOR(mailbox->gone);
	assert_false(mailbox->broke);
	assert_int_equal(mailboxes_count(), 1);
}

static void
test_there_are_never_too_many(void **state)
{
	enum { USERS = QUEUE_MAILBOXES_MAX + 5 };
	struct end *smtpd = join_smtpd(0), *router = world_join(PROTO_KIND_ROUTER, 0);
	char destination[32];
	unsigned i;

	(void)state;
	for (i = 0; i < USERS; i++) {
		(void)snprintf(destination, sizeof(destination), "local/user%u", i);
		(void)store_one(smtpd, destination);
	}
	settle_down();
	assert_int_equal(mailboxes_count(), QUEUE_MAILBOXES_MAX);
	for (i = 0; i < USERS; i++) {
		(void)snprintf(destination, sizeof(destination), "user%u", i);
		(void)deliver(start_mailbox(give_statement(router, destination)), PROTO_RESULT_DELIVERED);
		settle_down();
		assert_true(mailboxes_count() <= QUEUE_MAILBOXES_MAX);
	}
	WAIT_FOR(messages_stored() == 0);
	expect_consistent();
}

static void
test_a_process_that_does_not_come_delays_its_user_alone(void **state)
{
	struct end *smtpd = join_smtpd(0), *router = world_join(PROTO_KIND_ROUTER, 0), *mailbox;
	uint64_t joe = store_one(smtpd, "local/joe"), second = store_one(smtpd, "local/joe"), ann, number;
	struct record_recipient rcpt;

	(void)state;
	number = give_statement(router, "joe");
	(void)hear(&world.parent, PROTO_MAILBOX_START_TYPE, number);
	SEND(world.parent.channel, MAILBOX_ENDED, mailbox_ended, number, .permanent = false, .text = S("no home"));
	WAIT_FOR(is_stored(joe, 0, &rcpt) && rcpt.tries == 1);
	assert_true(str_equal(rcpt.text, S("no home")) || rcpt.code == 451);
	assert_true(destination_named("local/joe")->down);
	assert_true(is_stored(second, 0, &rcpt) && rcpt.tries == 0);
	ann = store_one(smtpd, "local/ann");
	mailbox = start_mailbox(give_statement(router, "ann"));
	assert_true(deliver(mailbox, PROTO_RESULT_DELIVERED) == ann);
	expect_consistent();
}

/* It looked before it was confined: whether the mailbox is there again is for a new process to find out. */
static void
test_a_process_without_a_mailbox_gets_no_second_job(void **state)
{
	struct end *smtpd = join_smtpd(0), *router = world_join(PROTO_KIND_ROUTER, 0), *mailbox;
	uint64_t id = store_one(smtpd, "local/joe");
	struct record_recipient rcpt;
	struct heard *job;
	double begun;

	(void)state;
	mailbox = start_mailbox(give_statement(router, "joe"));
	job = hear(mailbox, PROTO_JOB_TYPE, 0);
	SEND(mailbox->channel, JOB_RESULT, job_result, job->id, .number = 0, .result = PROTO_RESULT_DEFERRED,
	    .code = 451, .enhanced = S("4.3.0"), .text = S("no home"));
	SEND(mailbox->channel, JOB_END, job_end, job->id, .host_down = true);
	begun = seconds_now();
	WAIT_FOR(mailbox->gone);
	assert_true((seconds_now() - begun) * 1000 < QUEUE_MAILBOX_IDLE_MS / 2);
	assert_int_equal(mailboxes_count(), 0);
	WAIT_FOR(is_stored(id, 0, &rcpt) && rcpt.tries == 1);
	assert_true(str_equal(rcpt.text, S("no home")));
	assert_true(destination_named("local/joe")->down);
	assert_false(mailbox->broke);
}

static void
test_a_refused_start_bounces(void **state)
{
	struct end *smtpd = join_smtpd(0), *router = world_join(PROTO_KIND_ROUTER, 0);
	uint64_t joe = store_one(smtpd, "local/joe"), number;
	struct record_recipient rcpt;

	(void)state;
	number = give_statement(router, "joe");
	(void)hear(&world.parent, PROTO_MAILBOX_START_TYPE, number);
	SEND(world.parent.channel, MAILBOX_ENDED, mailbox_ended, number, .permanent = true, .text = S("uid 0"));
	WAIT_FOR(!is_stored(joe, 0, &rcpt));
	settle_down();
	assert_int_equal(core.counters.bounced, 1);
	assert_int_equal(core.counters.notifications, 1);
}

static void
test_a_process_that_dies_is_started_again(void **state)
{
	struct end *smtpd = join_smtpd(0), *router = world_join(PROTO_KIND_ROUTER, 0), *mailbox;
	uint64_t id = store_one(smtpd, "local/joe"), number;

	(void)state;
	number = give_statement(router, "joe");
	mailbox = start_mailbox(number);
	(void)hear(mailbox, PROTO_JOB_TYPE, 0);
	world_leave(mailbox);
	SEND(world.parent.channel, MAILBOX_ENDED, mailbox_ended, number, .permanent = false, .text = S("signal 9"));
	mailbox = start_mailbox(give_statement(router, "joe"));
	assert_true(deliver(mailbox, PROTO_RESULT_DELIVERED) == id);
	WAIT_FOR(messages_stored() == 0);
	expect_consistent();
}

/* The process of the former queue may still be at work: the parent would refuse another of its number. */
static void
test_a_queue_that_starts_anew_gives_new_numbers(void **state)
{
	struct end *smtpd = join_smtpd(0), *router = world_join(PROTO_KIND_ROUTER, 0), *mailbox;
	uint64_t before, after;

	(void)state;
	(void)store_one(smtpd, "local/joe");
	before = give_statement(router, "joe");
	mailbox = start_mailbox(before);
	(void)hear(mailbox, PROTO_JOB_TYPE, 0);
	world_stop();
	world_start();
	router = world_join(PROTO_KIND_ROUTER, 0);
	after = give_statement(router, "joe");
	assert_true(after != before && after > 0 && after <= UINT32_MAX);
	world.generation = UINT64_MAX >> 1; /* what is left of it fits */
	world_stop();
	world_start();
	router = world_join(PROTO_KIND_ROUTER, 0);
	after = give_statement(router, "joe");
	assert_true(after != before && after > 0 && after <= UINT32_MAX);
}

static void
test_a_router_that_dies_is_asked_again(void **state)
{
	struct end *smtpd = join_smtpd(0), *router = world_join(PROTO_KIND_ROUTER, 0), *mailbox;
	uint64_t id = store_one(smtpd, "local/joe");

	(void)state;
	(void)hear(router, PROTO_STATEMENT_ASK_TYPE, 0);
	world_leave(router);
	router = world_join(PROTO_KIND_ROUTER, 0);
	mailbox = start_mailbox(give_statement(router, "joe"));
	assert_true(deliver(mailbox, PROTO_RESULT_DELIVERED) == id);
}

static void
say_statement(struct end *router, uint64_t number)
{
	SEND(router->channel, STATEMENT_ANSWER, statement_answer, number, .status = PROTO_ANSWER_FOUND,
	    .statement = S("sealed"));
}

static void
test_I01_a_statement_may_be_late_but_not_unasked(void **state)
{
	struct end *smtpd = join_smtpd(0), *router = world_join(PROTO_KIND_ROUTER, 0);
	uint64_t number;

	(void)state;
	(void)store_one(smtpd, "local/joe");
	number = hear(router, PROTO_STATEMENT_ASK_TYPE, 0)->id;
	say_statement(router, number);
	(void)hear(&world.parent, PROTO_MAILBOX_START_TYPE, number);
	SEND(world.parent.channel, MAILBOX_ENDED, mailbox_ended, number, .permanent = false, .text = S("no home"));
	WAIT_FOR(mailboxes_count() == 0);
	say_statement(router, number);
	settle_down();
	assert_false(router->broke); /* late */
	say_statement(router, number + 1);
	WAIT_FOR(router->broke); /* there has been no such number yet */
	router = world_join(PROTO_KIND_ROUTER, 0);
	(void)store_one(smtpd, "local/ann");
	say_statement(router, give_statement(router, "ann"));
	WAIT_FOR(router->broke); /* twice */
	assert_false(has_heard(router, PROTO_STATEMENT_ASK_TYPE, 0));
}

static void
test_a_user_who_is_gone_delays_the_mail(void **state)
{
	struct end *smtpd = join_smtpd(0), *router = world_join(PROTO_KIND_ROUTER, 0);
	uint64_t id = store_one(smtpd, "local/joe");
	struct heard *ask = hear(router, PROTO_STATEMENT_ASK_TYPE, 0);
	struct record_recipient rcpt;

	(void)state;
	SEND(router->channel, STATEMENT_ANSWER, statement_answer, ask->id, .status = PROTO_ANSWER_NONE,
	    .text = S("no such user"));
	WAIT_FOR(is_stored(id, 0, &rcpt) && rcpt.tries == 1);
	assert_int_equal(rcpt.code, 451);
	assert_int_equal(mailboxes_count(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_burst_goes_through_one_process_one_at_a_time),
		TEST(test_two_actions_of_one_user_take_turns),
		TEST(test_there_are_never_too_many),
		TEST(test_a_process_that_does_not_come_delays_its_user_alone),
		TEST(test_a_process_without_a_mailbox_gets_no_second_job),
		TEST(test_a_refused_start_bounces),
		TEST(test_a_process_that_dies_is_started_again),
		TEST(test_a_queue_that_starts_anew_gives_new_numbers),
		TEST(test_a_router_that_dies_is_asked_again),
		TEST(test_I01_a_statement_may_be_late_but_not_unasked),
		TEST(test_a_user_who_is_gone_delays_the_mail),
	};

	world_once();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
