/* SPDX-License-Identifier: ISC */
/*
 * Promise (SECURITY I01): an answer of the router or the queue that comes too late does nothing; one that was never asked
 * for, or came before, or is about something else, is a violation. A peer that does not read is given no more than
 * SMTPD_PEER_BEHIND, and clients wait.
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

/* Many clients at once say something, which they do not hear the end of yet. */
static void
crowd(int *clients, size_t count, struct str said)
{
	size_t i, k;

	for (i = 0; i < count; i++) {
		world_connect(true);
		clients[i] = world.client;
		assert_int_equal(send(world.client, said.ptr, said.len, MSG_NOSIGNAL), said.len);
		for (k = 0; k < 8; k++)
			loop_turn();
	}
}

static void
crowd_end(const int *clients, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		(void)close(clients[i]);
	for (i = 0; i < WORLD_TURNS_MAX && session_count() + channel_pending(world.queue.channel) > 0; i++)
		loop_turn();
	assert_int_equal(session_count(), 0);
	world.client = -1;
	world_disconnect();
}

/* How many replies each of them got in the end; fails where they differ. */
static size_t
crowd_heard(const int *clients, size_t count)
{
	size_t i, replies = 0;

	for (i = 0; i < count; i++) {
		world.client = clients[i];
		world.hung_up = false;
		buf_reset(&world.heard);
		world_settle();
		if (i > 0)
			assert_int_equal(world_replies(), replies);
		replies = world_replies();
		world_disconnect();
	}
	return replies;
}

static void
test_a_router_that_does_not_read_stops_its_askers(void **state)
{
	static int clients[60]; /* fewer than descriptors may wait */
	struct buf said;
	int i;

	(void)state;
	buf_init(&said, 1 << 20);
	(void)buf_printf(&said, "EHLO %060d.%060d.%060d.%060d.example\r\n", 0, 0, 0, 0);
	(void)buf_printf(&said, "MAIL FROM:<%064d@%060d.%060d.%050d.example>\r\n", 0, 0, 0, 0);
	for (i = 0; i < SMTPD_RCPT_PENDING_MAX; i++)
		(void)buf_printf(&said, "RCPT TO:<%064d@%060d.%060d.%050d.example>\r\n", i, 0, 0, 0);
	channel_pause(world.router_end);
	crowd(clients, sizeof(clients) / sizeof(clients[0]), buf_str(&said));
	assert_true(channel_pending(world.router.channel) > SMTPD_PEER_BEHIND);
	assert_true(channel_pending(world.router.channel) < SMTPD_PEER_BEHIND + PROTO_PAYLOAD_MAX);
	channel_resume(world.router_end);
	assert_int_equal(crowd_heard(clients, sizeof(clients) / sizeof(clients[0])), 3 + SMTPD_RCPT_PENDING_MAX);
	buf_clear(&said);
}

/* Each session's first question goes with its descriptor, of which only so many may wait. */
static void
test_a_router_that_does_not_read_stops_new_sessions(void **state)
{
	static int clients[600];

	(void)state;
	channel_pause(world.router_end);
	crowd(clients, sizeof(clients) / sizeof(clients[0]),
	    S("EHLO c.example\r\nMAIL FROM:<a@s.example>\r\nRCPT TO:<x@y.example>\r\n"));
	assert_true(channel_is_open(world.router.channel));
	channel_resume(world.router_end);
	assert_int_equal(crowd_heard(clients, sizeof(clients) / sizeof(clients[0])), 4);
}

static bool
heard(const char *text)
{
	return memmem(world.heard.data, world.heard.len, text, strlen(text)) != NULL;
}

/* Until so many replies are there: large answers of the router are silence for long. */
static void
say_and_hear(const char *text, size_t replies)
{
	unsigned i;

	world_say(str_of(text), 65536);
	for (i = 0; i < 100 && world_replies() < replies; i++)
		world_settle();
}

/* Of one message, and of all: what does not fit is put off, and what was taken is given back. */
static void
test_tickets_have_a_limit(void **state)
{
	enum {
		FIT = SMTPD_TICKETS_SIZE_MAX / (WORLD_TICKET + 4),
		SESSIONS = SMTPD_TICKETS_TOTAL_MAX / SMTPD_TICKETS_SIZE_MAX
	};
	int clients[SESSIONS + 1];
	char said[256];
	size_t i, round;

	(void)state;
	(void)snprintf(said, sizeof(said),
	    "EHLO c.example\r\nMAIL FROM:<a@s.example>\r\nRCPT TO:<list%d@y.example>\r\nRCPT TO:<list%d@y.example>\r\n",
	    FIT + 1, FIT);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < SESSIONS; i++) {
			world_connect(true);
			clients[i] = world.client;
			say_and_hear(said, 5);
			assert_true(heard("452 4.5.3") && !heard("452 4.3.1"));
			assert_int_equal(world_code(4), 250);
			assert_int_equal(world_replies(), 5);
		}
		world_connect(true);
		clients[i] = world.client;
		say_and_hear(said, 5);
		assert_int_equal(world_code(3), 452);
		assert_int_equal(world_code(4), 452);
		assert_true(heard("452 4.3.1") && !heard("452 4.5.3"));
		crowd_end(clients, SESSIONS + 1);
	}
	world_connect(true);
	say_and_hear(said, 5);
	world_say(S("DATA\r\nx\r\n.\r\n"), 65536);
	assert_int_equal(world.messages[0].tickets, FIT);
	world_disconnect();
}

static void
test_a_queue_that_does_not_read_stops_its_clients(void **state)
{
	static char body[SMTPD_WINDOW];
	static int clients[192];
	size_t i, enough = SMTPD_PEER_BEHIND / SMTPD_WINDOW;

	(void)state;
	assert_true(enough < sizeof(clients) / sizeof(clients[0]));
	for (i = 0; i < sizeof(body); i++)
		body[i] = i % 80 == 78 ? '\r' : i % 80 == 79 ? '\n' : 'x';
	channel_pause(world.queue_end);
	crowd(clients, sizeof(clients) / sizeof(clients[0]),
	    S("EHLO c.example\r\nMAIL FROM:<a@s.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n"));
	for (i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		(void)send(clients[i], body, sizeof(body), MSG_NOSIGNAL);
		world_settle();
	}
	assert_true(channel_pending(world.queue.channel) > SMTPD_PEER_BEHIND);
	assert_true(channel_pending(world.queue.channel) < SMTPD_PEER_BEHIND + PROTO_PAYLOAD_MAX);
	channel_resume(world.queue_end);
	crowd_end(clients, sizeof(clients) / sizeof(clients[0]));
}

/* RFC 3461: each delivery of a recipient carries what was asked of that recipient, and of no other. */
static void
test_the_queue_is_told_what_the_sender_wants(void **state)
{
	(void)state;
	world_connect(true);
	world_say(S("EHLO c.example\r\nMAIL FROM:<a@s.example> RET=HDRS ENVID=QQ+2B1\r\n"
		    "RCPT TO:<x@y.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@old.example\r\n"
		    "RCPT TO:<bad@y.example> NOTIFY=NEVER ORCPT=rfc822;bad@old.example\r\n"
		    "RCPT TO:<plain@y.example>\r\n"
		    "RCPT TO:<list2@y.example> NOTIFY=NEVER ORCPT=x;l\r\n"
		    "DATA\r\nMessage-ID: <1@s.example>\r\n\r\nx\r\n.\r\n"
		    "MAIL FROM:<a@s.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\nx\r\n.\r\n"),
	    65536);
	assert_int_equal(world_committed(), 2);
	assert_int_equal(world.messages[0].ret, PROTO_RET_HDRS);
	assert_string_equal(world.messages[0].envid, "QQ+2B1");
	assert_string_equal(world.messages[0].rcpts, "10 rfc822;x@old.example|0 |1 x;l|1 x;l|");
	assert_string_equal(world.messages[0].message_id, "<1@s.example>");
	assert_int_equal(world.messages[1].ret, PROTO_RET_NONE);
	assert_string_equal(world.messages[1].envid, "");
	assert_string_equal(world.messages[1].rcpts, "0 |");
	assert_string_equal(world.messages[1].message_id, "");
	world_disconnect();
}

static bool
is_offered(bool local, bool no_dsn, bool dsn_any)
{
	const struct config_listener *usual = world.listener.config;
	struct config_listener listener = *usual;
	bool offered;

	listener.no_dsn = no_dsn;
	listener.dsn_any = dsn_any;
	world.listener.config = &listener;
	world_connect(local);
	world_say(S("EHLO c.example\r\n"), 65536);
	offered = heard("250-DSN\r\n");
	world_disconnect();
	world.listener.config = usual;
	return offered;
}

static void
test_who_is_offered_dsn(void **state)
{
	(void)state;
	assert_true(is_offered(true, false, false));
	assert_false(is_offered(false, false, false));
	assert_true(is_offered(false, false, true));
	assert_false(is_offered(true, true, false));
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
		cmocka_unit_test(test_a_router_that_does_not_read_stops_its_askers),
		cmocka_unit_test(test_a_router_that_does_not_read_stops_new_sessions),
		cmocka_unit_test(test_tickets_have_a_limit),
		cmocka_unit_test(test_the_queue_is_told_what_the_sender_wants),
		cmocka_unit_test(test_who_is_offered_dsn),
		cmocka_unit_test(test_a_queue_that_does_not_read_stops_its_clients),
	};

	return cmocka_run_group_tests(tests, make_world, NULL);
}
