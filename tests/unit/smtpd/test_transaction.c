/* SPDX-License-Identifier: ISC */
/*
 * Promise (SECURITY I01): an answer of the router or the queue that comes too late does nothing; one that was never asked
 * for, or came before, or is about something else, is a violation.
 */
#include "tests/unit/unit.h"

#include "smtpd/limits.h"
#include "tests/unit/smtpd/world.h"

/* The transaction that is open, and its session. */
static uint64_t session, current;

static bool
verdict(uint64_t about_session, uint64_t transaction, uint64_t number)
{
	const struct msg_rcpt_verdict msg = {
		.transaction = transaction, .number = number, .code = 550, .enhanced = S("5.1.1"), .text = S("no")
	};

	return transaction_verdict(about_session, &msg);
}

static bool
ticket(uint64_t about_session, uint64_t transaction, uint64_t number)
{
	const struct msg_rcpt_ticket msg = { .transaction = transaction, .number = number, .ticket = S("ticket") };

	return transaction_ticket(about_session, &msg);
}

/* Both kinds of answer of the router, all three of the queue. */
static bool
router_says(uint64_t about_session, uint64_t transaction, uint64_t number)
{
	bool ok = ticket(about_session, transaction, number);

	assert_int_equal(verdict(about_session, transaction, number), ok);
	return ok;
}

static bool
queue_says(uint64_t id)
{
	bool ok = transaction_credit(id, 1);

	assert_int_equal(transaction_done(id), ok);
	assert_int_equal(transaction_refused(id, PROTO_REFUSAL_TEMPORARY), ok);
	return ok;
}

/* One transaction is over, another has a recipient. */
static void
begin(void)
{
	world_connect(true);
	world_say(S("EHLO c.example\r\nMAIL FROM:<a@s.example>\r\nRSET\r\n"
		    "MAIL FROM:<a@s.example>\r\nRCPT TO:<x@y.example>\r\n"),
	    65536);
	assert_int_equal(world_code(world_replies() - 1), 250);
	session = session_next(NULL)->id;
	current = session_next(NULL)->transaction->id;
}

static void
test_what_is_late_does_nothing(void **state)
{
	(void)state;
	begin();
	assert_true(router_says(session, current - 1, 0));
	assert_true(router_says(session - 1, current - 1, 0));
	assert_true(queue_says(current - 1));
	world_say(S("RSET\r\n"), 65536);
	assert_true(router_says(session, current, 0));
	assert_true(queue_says(current));
	world_disconnect();
}

static void
test_what_was_not_asked_is_a_violation(void **state)
{
	(void)state;
	begin();
	assert_false(router_says(session, current, 0));     /* answered before */
	assert_false(router_says(session, current, 1));     /* a recipient that was not named */
	assert_false(router_says(session + 1, current, 0)); /* in another session */
	assert_false(router_says(session, current + 1, 0)); /* in a transaction that there has not been yet */
	assert_false(queue_says(current + 1));
	assert_false(queue_says(current)); /* of which the queue knows nothing yet */
	world_say(S("RCPT TO:<z@y.example>\r\nDATA\r\nx\r\n.\r\n"), 65536);
	assert_int_equal(world_code(world_replies() - 1), 250);
	assert_int_equal(world_committed(), 1); /* nothing of all that harmed it */
	world_disconnect();
}

static void
test_done_before_the_end_is_a_violation(void **state)
{
	static char lines[100000];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines); i++)
		lines[i] = i % 50 == 48 ? '\r' : i % 50 == 49 ? '\n' : 'x';
	world.queue_silent = true;
	begin();
	world_say(S("DATA\r\n"), 65536);
	world_say((struct str){ lines, SMTPD_CHUNK + 1000 }, 65536);
	assert_int_equal(world.messages_count, 1); /* the queue has the first half */
	assert_false(transaction_done(current));
	assert_true(transaction_credit(current, 1));
	assert_true(transaction_refused(current, PROTO_REFUSAL_TEMPORARY));
	world.queue_silent = false;
	world_disconnect();
}

static int
make_world(void **state)
{
	(void)state;
	world_make("smtp max-message-size 1000000");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_late_does_nothing),
		cmocka_unit_test(test_what_was_not_asked_is_a_violation),
		cmocka_unit_test(test_done_before_the_end_is_a_violation),
	};

	return cmocka_run_group_tests(tests, make_world, NULL);
}
