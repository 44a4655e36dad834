/* SPDX-License-Identifier: ISC */
/*
 * What a client is answered, command by command, with a router and a queue played by the test: each row is a dialogue of
 * its own, said in one piece, byte by byte, and in pieces between, and the answers have to be the same.
 */
#include "tests/unit/unit.h"

#include "tests/unit/smtpd/world.h"

#define BEGIN "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n"

static const struct {
	const char *row;
	bool local;
	const char *said;
	int codes[16]; /* after the greeting */
	unsigned stored;
} dialogues[] = {
	{ "verbs ignore case", true, "eHLo c.example\r\nqUIT\r\n", { 250, 221 }, 0 },
	{ "EHLO needs a name (4.1.1.1)", true, "EHLO\r\nEHLO  \r\n", { 501, 501 }, 0 },
	{ "EHLO takes an address literal (4.1.3)", true, "EHLO [192.0.2.1]\r\n", { 250 }, 0 },
	{ "EHLO over 255 bytes is 501 (C04)", true,
	    "EHLO "
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example\r\n",
	    { 501 }, 0 },
	{ "MAIL before EHLO is out of sequence (4.1.4)", true, "MAIL FROM:<a@b.example>\r\n", { 503 }, 0 },
	{ "RCPT before MAIL is out of sequence (4.1.4)", true, "EHLO c.example\r\nRCPT TO:<x@y.example>\r\n",
	    { 250, 503 }, 0 },
	{ "DATA before MAIL is out of sequence", true, "EHLO c.example\r\nDATA\r\n", { 250, 503 }, 0 },
	{ "a second MAIL is out of sequence (4.1.4)", true, BEGIN "MAIL FROM:<>\r\n", { 250, 250, 503 }, 0 },
	{ "RSET ends a transaction (4.1.1.5)", true, BEGIN "RSET\r\nRCPT TO:<x@y.example>\r\nMAIL FROM:<>\r\n",
	    { 250, 250, 250, 503, 250 }, 0 },
	{ "EHLO ends a transaction (4.1.4)", true, BEGIN "EHLO c.example\r\nRCPT TO:<x@y.example>\r\n",
	    { 250, 250, 250, 503 }, 0 },
	{ "a message", true, BEGIN "RCPT TO:<x@y.example>\r\nDATA\r\nS: t\r\n\r\nb\r\n.\r\nQUIT\r\n",
	    { 250, 250, 250, 354, 250, 221 }, 1 },
	{ "two messages in one session", true,
	    BEGIN
	    "RCPT TO:<x@y.example>\r\nDATA\r\na\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<x@y.example>\r\nDATA\r\nb\r\n.\r\n",
	    { 250, 250, 250, 354, 250, 250, 250, 354, 250 }, 2 },
	{ "the null reverse-path and <Postmaster> (4.5.1)", true,
	    "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<Postmaster>\r\nDATA\r\nx\r\n.\r\n", { 250, 250, 250, 354, 250 }, 1 },
	{ "a space behind the colon is forgiven", true,
	    "EHLO c\r\nMAIL FROM: <a@b.example>\r\nRCPT TO: <x@y.example>\r\n", { 250, 250, 250 }, 0 },
	{ "no path, no MAIL", true,
	    "EHLO c\r\nMAIL\r\nMAIL FROM\r\nMAIL FROM:\r\nMAIL FROM:a@b.example\r\nMAIL FROM:<;id;>\r\n",
	    { 250, 501, 501, 501, 501, 501 }, 0 },
	{ "bytes behind the path are refused (C07)", true, "EHLO c\r\nMAIL FROM:<a@b.example>x\r\n", { 250, 501 }, 0 },
	{ "a refused recipient leaves the others", true,
	    BEGIN "RCPT TO:<bad@y.example>\r\nRCPT TO:<x@y.example>\r\nRCPT TO:<later@y.example>\r\nDATA\r\nx\r\n.\r\n",
	    { 250, 250, 550, 250, 451, 354, 250 }, 1 },
	{ "answers come in the order of the commands", true,
	    BEGIN
	    "RCPT TO:<x@y.example>\r\nRCPT TO:<x@>\r\nRCPT TO:<bad@y.example>\r\nRCPT x\r\nRCPT TO:<x@y.example> A=B\r\n",
	    { 250, 250, 250, 501, 550, 501, 555 }, 0 },
	{ "no recipient, no DATA (3.3)", true, BEGIN "RCPT TO:<bad@y.example>\r\nDATA\r\nQUIT\r\n",
	    { 250, 250, 550, 554, 221 }, 0 },
	{ "SIZE within the limit and over it (RFC 1870)", true,
	    "EHLO c\r\nMAIL FROM:<> SIZE=1000000\r\nRSET\r\nMAIL FROM:<> SIZE=1000001\r\n", { 250, 250, 250, 552 }, 0 },
	{ "SIZE that is no number (C06)", true,
	    "EHLO c\r\nMAIL FROM:<> SIZE=abc\r\nMAIL FROM:<> SIZE=\r\nMAIL FROM:<> SIZE\r\nMAIL FROM:<> SIZE=-1\r\n",
	    { 250, 501, 501, 501, 501 }, 0 },
	{ "a parameter twice (C06)", true, "EHLO c\r\nMAIL FROM:<> SIZE=1 SIZE=2\r\n", { 250, 501 }, 0 },
	{ "unknown parameters are 555", true,
	    "EHLO c\r\nMAIL FROM:<> FOO=1\r\nMAIL FROM:<>\r\nRCPT TO:<x@y.example> FOO=NEVER\r\n",
	    { 250, 555, 250, 555 }, 0 },
	{ "DSN's are unknown to a stranger (RFC 3461)", false,
	    "EHLO c\r\nMAIL FROM:<> RET=HDRS\r\nMAIL FROM:<>\r\nRCPT TO:<x@y.example> NOTIFY=NEVER\r\n",
	    { 250, 555, 250, 555 }, 0 },
	{ "RET and ENVID (RFC 3461 section 4)", true,
	    "EHLO c\r\nMAIL FROM:<> RET=full ENVID=a+20b\r\nRSET\r\nMAIL FROM:<> RET=X\r\nMAIL FROM:<> RET=\r\n"
	    "MAIL FROM:<> ENVID=\r\nMAIL FROM:<> ENVID=a+2b\r\nMAIL FROM:<> ENVID=a ENVID=b\r\nMAIL FROM:<> NOTIFY=NEVER\r\n",
	    { 250, 250, 250, 501, 501, 501, 501, 501, 555 }, 0 },
	{ "NOTIFY (RFC 3461 section 4.1)", true,
	    BEGIN "RCPT TO:<x@y.example> NOTIFY=never\r\nRCPT TO:<x@y.example> NOTIFY=Success,failure,DELAY\r\n"
		  "RCPT TO:<x@y.example> NOTIFY=NEVER,DELAY\r\nRCPT TO:<x@y.example> NOTIFY=SUCCESS,\r\n"
		  "RCPT TO:<x@y.example> NOTIFY=\r\nRCPT TO:<x@y.example> NOTIFY=DELAY NOTIFY=DELAY\r\n",
	    { 250, 250, 250, 250, 501, 501, 501, 501 }, 0 },
	{ "ORCPT (RFC 3461 section 4.2)", true,
	    BEGIN "RCPT TO:<x@y.example> ORCPT=rfc822;a+2Bb@y.example\r\nRCPT TO:<x@y.example> ORCPT=a@y.example\r\n"
		  "RCPT TO:<x@y.example> ORCPT=rfc822;a+0Ab\r\n",
	    { 250, 250, 250, 501, 501 }, 0 },
	{ "parameters after HELO are 555", true, "HELO c\r\nMAIL FROM:<> SIZE=1\r\n", { 250, 555 }, 0 },
	{ "BODY (RFC 6152)", true,
	    "EHLO c\r\nMAIL FROM:<> BODY=8BITMIME\r\nRSET\r\nMAIL FROM:<> body=7bit\r\nRSET\r\nMAIL FROM:<> BODY=X\r\n",
	    { 250, 250, 250, 250, 250, 501 }, 0 },
	{ "UTF-8 without SMTPUTF8 is 553 (C10)", true, "EHLO c\r\nMAIL FROM:<b\xc3\xbc@b.example>\r\n", { 250, 553 },
	    0 },
	{ "NOOP, HELP, VRFY, unknown, known and not served", true,
	    "NOOP\r\nNOOP x\r\nHELP\r\nVRFY x\r\nVRFY\r\nFOO\r\nEXPN x\r\nTURN\r\nETRN x\r\n",
	    { 250, 250, 214, 252, 501, 500, 502, 502, 502 }, 0 },
	{ "QUIT and RSET take nothing behind them", true, "QUIT x\r\nRSET x\r\n", { 501, 501 }, 0 },
	{ "a bare LF ends no command", true, "NOOP\nRSET\r\nNOOP\r\n", { 500, 250 }, 0 },
	{ "a bare CR ends no command", true, "NOOP\rRSET\r\nNOOP\r\n", { 500, 250 }, 0 },
	{ "NUL and control bytes are refused (S09)", true, "NOOP \x01\r\nNOOP\x1b[2J\r\n", { 501, 501 }, 0 },
	{ "HTTP is cut off (S11)", true, "GET / HTTP/1.1\r\nHost: x\r\n\r\nEHLO c\r\n", { 421 }, 0 },
	{ "a header of HTTP is cut off", true, "Host: x\r\nNOOP\r\n", { 421 }, 0 },
	{ "bare LF in a message is refused after its true end (S01)", true,
	    BEGIN "RCPT TO:<x@y.example>\r\nDATA\r\na\n.\nMAIL FROM:<>\r\nb\r\n.\r\nNOOP\r\n",
	    { 250, 250, 250, 354, 550, 250 }, 0 },
	{ "too many errors end a stranger's session", false, "A\r\nA\r\nA\r\n", { 500, 500, 500 }, 0 },
};

static unsigned
count_codes(const int *codes)
{
	unsigned n = 0;

	while (n < 16 && codes[n] != 0)
		n++;
	return n;
}

static void
test_dialogues(void **state)
{
	static const size_t pieces[] = { 65536, 1, 2, 3, 7 };
	size_t i, p, c;

	(void)state;
	for (i = 0; i < sizeof(dialogues) / sizeof(dialogues[0]); i++) {
		for (p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
			unsigned want = count_codes(dialogues[i].codes);
			world_connect(dialogues[i].local);
			world_settle();
			assert_int_equal(world_code(0), 220);
			world_say(str_of(dialogues[i].said), pieces[p]);
			for (c = 0; c < want; c++)
				if (world_code(c + 1) != dialogues[i].codes[c])
					row_fail(dialogues[i].row,
					    "pieces of %zu: reply %zu is %d, wanted %d, all: %.*s", pieces[p], c,
					    world_code(c + 1), dialogues[i].codes[c], STR_ARG(buf_str(&world.heard)));
			if (world_replies() != want + 1)
				row_fail(dialogues[i].row, "pieces of %zu: %zu replies, wanted %u: %.*s", pieces[p],
				    world_replies(), want + 1, STR_ARG(buf_str(&world.heard)));
			if (world_committed() != dialogues[i].stored)
				row_fail(
				    dialogues[i].row, "stored %u, wanted %u", world_committed(), dialogues[i].stored);
			world_disconnect();
			assert_int_equal(session_count(), 0);
		}
	}
}

/* Large enough for many windows: credit is waited for, and nothing is lost or repeated. */
static void
test_a_large_message_arrives_whole(void **state)
{
	struct buf wire, body;
	unsigned i;

	(void)state;
	buf_init(&wire, 4 << 20);
	buf_init(&body, 4 << 20);
	(void)buf_append_text(&body, "Subject: large\r\n\r\n");
	for (i = 0; body.len < 900000; i++)
		(void)buf_printf(&body, "%s%u line of a message\r\n", i % 7 == 0 ? "." : "", i);
	(void)buf_append_text(&wire, BEGIN "RCPT TO:<x@y.example>\r\nDATA\r\n");
	for (struct str rest = buf_str(&body), line; rest.len > 0;) {
		(void)str_cut(rest, '\n', &line, &rest);
		(void)buf_printf(&wire, "%s%.*s\n", line.ptr[0] == '.' ? "." : "", STR_ARG(line));
	}
	(void)buf_append_text(&wire, ".\r\n");
	world_connect(true);
	world_say(buf_str(&wire), 65536);
	if (world_committed() != 1)
		row_fail("a large message", "%zu messages, heard %.*s", world.messages_count,
		    STR_ARG(buf_str(&world.heard)));
	assert_true(str_equal(buf_str(&world.messages[0].body), buf_str(&body)));
	world_disconnect();
	buf_clear(&wire);
	buf_clear(&body);
}

static void
test_without_credit_input_stops(void **state)
{
	struct buf wire;

	(void)state;
	buf_init(&wire, 8 << 20);
	(void)buf_append_text(&wire, BEGIN "RCPT TO:<x@y.example>\r\nDATA\r\n\r\n");
	while (wire.len < 300000)
		(void)buf_append_text(&wire, "0123456789012345678901234567890123456789\r\n");
	world.queue_silent = true;
	world_connect(true);
	(void)send(world.client, wire.data, wire.len, MSG_NOSIGNAL);
	world_settle();
	assert_int_equal(world.messages_count, 1);
	assert_true(world.messages[0].body.len <= 65536);
	world.queue_silent = false;
	world_credit(&world.messages[0]);
	world_settle();
	assert_true(world.messages[0].body.len > 65536);
	world_disconnect();
	assert_int_equal(session_count(), 0);
	assert_int_equal(world_committed(), 0);
	buf_clear(&wire);
}

/* A transaction whose body has size bytes, in lines of eighty, and its end with a command behind. */
static void
say_body(size_t size)
{
	struct buf wire;

	buf_init(&wire, 1 << 20);
	for (; size > 160; size -= 80)
		(void)buf_printf(&wire, "%078d\r\n", 0);
	(void)buf_printf(&wire, "%0*d\r\n.\r\nNOOP\r\n", (int)size - 2, 0);
	world_say(S(BEGIN "RCPT TO:<x@y.example>\r\nDATA\r\n"), 65536);
	world_say(buf_str(&wire), 65536);
	buf_clear(&wire);
}

/* What the window does not hold waits at the end of a message as it does within it, and COMMIT with it. */
static void
test_without_credit_the_end_waits(void **state)
{
	static const size_t sizes[] = { SMTPD_WINDOW, SMTPD_WINDOW + 1, SMTPD_WINDOW + SMTPD_CHUNK - 2 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		bool fits = sizes[i] <= SMTPD_WINDOW;
		world.queue_silent = true;
		world_connect(true);
		say_body(sizes[i]);
		assert_int_equal(world_replies(), 5);
		assert_int_equal(world_committed(), fits);
		assert_int_equal(transaction_done(world.messages[0].id), fits);
		world.queue_silent = false;
		world_credit(&world.messages[0]);
		world_settle();
		assert_int_equal(world_committed(), 1);
		assert_int_equal(world.messages[0].body.len, sizes[i]);
		assert_int_equal(world_replies(), 7);
		assert_int_equal(world_code(5), 250);
		assert_int_equal(world_code(6), 250);
		world_disconnect();
	}
}

/* Where the queue refuses instead, or is gone, the end is answered too. */
static void
test_a_refusal_while_the_end_waits_is_told(void **state)
{
	(void)state;
	world.queue_silent = true;
	world_connect(true);
	say_body(SMTPD_WINDOW + 1);
	assert_true(transaction_refused(world.messages[0].id, PROTO_REFUSAL_NO_ROOM));
	world_settle();
	assert_int_equal(world_committed(), 0);
	assert_int_equal(world_code(5), 452);
	assert_int_equal(world_code(6), 250);
	world.queue_silent = false;
	world_disconnect();
}

/* S08: a line without end costs no memory and is answered once. */
static void
test_long_lines(void **state)
{
	struct buf wire;
	size_t i;

	(void)state;
	buf_init(&wire, 1 << 20);
	(void)buf_append_text(&wire, "NOOP ");
	for (i = 0; i < 5000; i++)
		(void)buf_append_byte(&wire, 'x');
	(void)buf_append_text(&wire, "MAIL FROM:<>\r\nNOOP\r\n");
	world_connect(true);
	world_say(buf_str(&wire), 65536);
	assert_int_equal(world_code(1), 500);
	assert_int_equal(world_code(2), 250);
	assert_int_equal(world_replies(), 3);
	world_disconnect();

	buf_reset(&wire);
	for (i = 0; i < 70000; i++)
		(void)buf_append_byte(&wire, 'x');
	world_connect(true);
	world_say(buf_str(&wire), 65536);
	assert_int_equal(world_code(1), 421);
	assert_true(world.hung_up);
	world_disconnect();
	buf_clear(&wire);
}

/* A stranger learns of ten users that they do not exist, however many it asks about at once. */
static void
test_a_harvest_of_addresses_is_cut_short(void **state)
{
	struct buf wire;
	size_t i;

	(void)state;
	buf_init(&wire, 1 << 20);
	(void)buf_append_text(&wire, BEGIN "RCPT TO:<x@y.example>\r\n");
	for (i = 0; i < SMTPD_RCPT_PENDING_MAX; i++)
		(void)buf_printf(&wire, "RCPT TO:<bad%zu@y.example>\r\n", i);
	world_connect(false);
	world_say(buf_str(&wire), 65536);
	assert_int_equal(world.asked, SMTPD_UNKNOWN_RCPTS_MAX); /* any of which may be refused */
	world_forgive();
	assert_int_equal(world.asked, 1 + SMTPD_UNKNOWN_RCPTS_MAX);
	assert_int_equal(world_replies(), 4 + SMTPD_UNKNOWN_RCPTS_MAX);
	world_forgive();
	assert_int_equal(world.asked, 1 + SMTPD_UNKNOWN_RCPTS_MAX);
	assert_int_equal(world_replies(), 5 + SMTPD_UNKNOWN_RCPTS_MAX);
	assert_int_equal(world_code(4 + SMTPD_UNKNOWN_RCPTS_MAX), 421);
	assert_true(world.hung_up);
	world_disconnect();

	world_connect(true);
	world_say(buf_str(&wire), 65536);
	assert_int_equal(world.asked, 1 + SMTPD_RCPT_PENDING_MAX);
	world_disconnect();
	buf_clear(&wire);
}

/* Sessions over a limit hear 421 and are closed at once, said something or not; their place is free again. */
static void
test_refused_sessions_do_not_linger(void **state)
{
	static const struct {
		bool local;
		size_t max;
	} rows[] = { { false, SMTPD_SESSIONS_CLIENT_MAX }, { true, 30 } };
	int clients[30];
	size_t i, k;

	(void)state;
	session_configure(4, "mx.example", 30);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (k = 0; k < rows[i].max; k++) {
			world_connect(rows[i].local);
			clients[k] = world.client;
			world_settle();
			assert_int_equal(world_code(0), 220);
		}
		for (k = 0; k < 3; k++) {
			world_connect(rows[i].local);
			(void)send(world.client, "NOOP\r\n", 6, MSG_NOSIGNAL);
			world_settle();
			assert_int_equal(world_code(0), 421);
			assert_int_equal(world_replies(), 1);
			assert_int_equal(session_count(), rows[i].max);
			(void)close(world.client);
		}
		world.client = clients[0];
		world_disconnect();
		world_connect(rows[i].local);
		clients[0] = world.client;
		world_settle();
		assert_int_equal(world_code(0), 220);
		for (k = 0; k < rows[i].max; k++)
			(void)close(clients[k]);
		world.client = -1;
		world_disconnect();
		assert_int_equal(session_count(), 0);
	}
	session_configure(5, "mx.example", WORLD_SESSIONS_MAX);
}

static void
test_nothing_follows_the_last_word(void **state)
{
	(void)state;
	world_connect(false);
	world_settle();
	session_next(NULL)->errors = SMTPD_ERRORS_MAX - 1;
	world_say(str_of(BEGIN "RCPT TO:<bad1@y.example>\r\nRCPT TO:<bad2@y.example>\r\nRCPT TO:<bad3@y.example>\r\n"
			       "RCPT TO:<x@y.example>\r\n"),
	    65536);
	assert_int_equal(world_code(3), 550);
	assert_int_equal(world_code(4), 550);
	assert_int_equal(world_code(5), 421);
	assert_int_equal(world_replies(), 6);
	assert_true(world.hung_up);
	world_disconnect();
}

/* Milliseconds until the session's time is over. */
static int64_t
patience(void)
{
	struct timeval end, now;

	assert_true(event_pending(&session_next(NULL)->timeout.event, EV_TIMEOUT, &end));
	(void)gettimeofday(&now, NULL);
	return (end.tv_sec - now.tv_sec) * 1000 + (end.tv_usec - now.tv_usec) / 1000;
}

static char too_long[SMTPD_LINE_MAX + 101];

#define NAMED BEGIN "RCPT TO:<x@y.example>\r\n"

/* What is said before, in a session that has been there so long, and what by itself gives it how much time. */
static const struct {
	const char *row;
	bool local;
	const char *before;
	const char *said;
	int64_t patience_ms; /* 1000 is what it had */
} signs_of_life[] = {
	{ "a command", false, "", "EHLO c.example\r\n", SMTPD_FIRST_MAIL_MS },
	{ "the start of a command is none", false, "", "EHLO", 1000 },
	{ "nor its end without CR LF", false, "", "EHLO c.example\r", 1000 },
	{ "nor a line that is too long", false, "EHLO c.example\r\n", too_long, 1000 },
	{ "before the first MAIL time is short", false, "EHLO c.example\r\n", "NOOP\r\n", SMTPD_FIRST_MAIL_MS },
	{ "in a transaction it is long", false, "EHLO c.example\r\n", "MAIL FROM:<>\r\n", SMTPD_COMMAND_MS },
	{ "an answer of the router", false, BEGIN, "RCPT TO:<x@y.example>\r\n", SMTPD_COMMAND_MS },
	{ "the second too", false, NAMED, "RCPT TO:<x@y.example>\r\n", SMTPD_COMMAND_MS },
	{ "bytes of a message", false, NAMED "DATA\r\n", "x", SMTPD_DATA_BLOCK_MS },
	{ "after a message time is long", false, NAMED "DATA\r\n.\r\n", "NOOP\r\n", SMTPD_COMMAND_MS },
	{ "the start of a command is none later", false, NAMED "DATA\r\n.\r\n", "NOOP", 1000 },
};

static void
test_what_is_a_sign_of_life(void **state)
{
	size_t i;

	(void)state;
	memset(too_long, 'x', SMTPD_LINE_MAX + 100);
	for (i = 0; i < sizeof(signs_of_life) / sizeof(signs_of_life[0]); i++) {
		struct str said = str_of(signs_of_life[i].said);
		int64_t want = signs_of_life[i].patience_ms;
		world_connect(signs_of_life[i].local);
		world_say(str_of(signs_of_life[i].before), 65536);
		loop_timer_start(&session_next(NULL)->timeout, 1000);
		world_say(said, 65536);
		if (patience() > want + 100 || patience() < want - 900)
			row_fail(signs_of_life[i].row, "%lld ms, wanted %lld", (long long)patience(), (long long)want);
		world_disconnect();
	}
}

/* Time is short for strangers once so many of the sessions are used, and not before. */
static void
test_stress(void **state)
{
	int clients[6];
	size_t i;

	(void)state;
	session_configure(6, "mx.example", 10);
	world_connect(false);
	world_say(S(BEGIN), 65536);
	for (i = 0; i < 6; i++) {
		int stranger = world.client;
		assert_true(patience() > SMTPD_COMMAND_MS - 900);
		world_connect(true);
		clients[i] = world.client;
		world.client = stranger;
		world_say(S("NOOP\r\n"), 65536);
	}
	assert_true(patience() <= SMTPD_STRESS_MS + 100);
	world_disconnect();
	for (i = 0; i < 6; i++)
		(void)close(clients[i]);
	world_settle();
	assert_int_equal(session_count(), 0);
	session_configure(7, "mx.example", WORLD_SESSIONS_MAX);
}

/* A message that has been coming in for so long, of so many bytes, and gets one more. */
static const struct {
	const char *row;
	bool local;
	int64_t ms;
	size_t size;
	int code; /* 0: it may go on */
} rates[] = {
	{ "at first it may be slow", false, SMTPD_RATE_FREE_MS - 1000, 0, 0 },
	{ "after two minutes not", false, SMTPD_RATE_FREE_MS + 1, 0, 421 },
	{ "at the limit it goes on", false, 200000, 200 * SMTPD_RATE_MIN, 0 },
	{ "below it does not", false, 200000, 200 * SMTPD_RATE_MIN - 100, 421 },
	{ "a client of this machine may", true, 3000000, 0, 0 },
	{ "but not for ever", true, SMTPD_MESSAGE_MS + 1, 900000, 421 },
	{ "nor a stranger", false, SMTPD_MESSAGE_MS + 1, 900000, 421 },
	{ "one that comes in well may go on until then", false, SMTPD_MESSAGE_MS - 1000, 900000, 0 },
};

static void
test_a_message_has_to_come_in(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct transaction *t;
		world_connect(rates[i].local);
		world_say(S(NAMED "DATA\r\n"), 65536);
		t = session_next(NULL)->transaction;
		t->started_ms -= rates[i].ms;
		t->data.size = rates[i].size;
		world_say(S("x"), 65536);
		if (world_code(5) != rates[i].code)
			row_fail(rates[i].row, "got %d, wanted %d", world_code(5), rates[i].code);
		world_disconnect();
	}
}

/* One segment for what is said before a RCPT and for its answer; but a router that says nothing holds no reply for ever. */
static void
test_replies_leave_together(void **state)
{
	(void)state;
	channel_pause(world.router_end);
	world_connect(true);
	world_say(S("EHLO c.example\r\n"), 65536);
	assert_int_equal(world_replies(), 2);
	world_say(S("MAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\n"), 65536);
	assert_int_equal(world_replies(), 2);
	channel_resume(world.router_end);
	world_settle();
	assert_int_equal(world_replies(), 4);
	channel_pause(world.router_end);
	world_say(S("RSET\r\n"), 65536);
	world_say(S("MAIL FROM:<a@b.example>\r\n"), 65536);
	assert_int_equal(world_replies(), 6);
	world_say(S("RCPT TO:<x@y.example>\r\n"), 65536);
	loop_timer_start(&session_next(NULL)->timeout, 0);
	world_settle();
	assert_int_equal(world_code(6), 421);
	channel_resume(world.router_end);
	world_disconnect();
}

static void
test_a_lost_queue_is_451(void **state)
{
	(void)state;
	world.queue_silent = true;
	world_connect(true);
	world_say(str_of(BEGIN "RCPT TO:<x@y.example>\r\nDATA\r\nx\r\n.\r\n"), 65536);
	assert_int_equal(world_replies(), 5);
	transaction_queue_gone();
	world_settle();
	assert_int_equal(world_code(5), 451);
	world_say(S("MAIL FROM:<>\r\n"), 65536);
	assert_int_equal(world_code(6), 451);
	world.queue_silent = false;
	transaction_grant(2000000, 1000000);
	transaction_set_room(1 << 30);
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
		cmocka_unit_test(test_dialogues),
		cmocka_unit_test(test_a_large_message_arrives_whole),
		cmocka_unit_test(test_without_credit_input_stops),
		cmocka_unit_test(test_without_credit_the_end_waits),
		cmocka_unit_test(test_a_refusal_while_the_end_waits_is_told),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_a_harvest_of_addresses_is_cut_short),
		cmocka_unit_test(test_refused_sessions_do_not_linger),
		cmocka_unit_test(test_nothing_follows_the_last_word),
		cmocka_unit_test(test_what_is_a_sign_of_life),
		cmocka_unit_test(test_stress),
		cmocka_unit_test(test_a_message_has_to_come_in),
		cmocka_unit_test(test_replies_leave_together),
		cmocka_unit_test(test_a_lost_queue_is_451),
	};

	return cmocka_run_group_tests(tests, make_world, NULL);
}
