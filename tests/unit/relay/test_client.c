/* SPDX-License-Identifier: ISC */
/*
 * Promise: what is said to a server, and what each recipient's result is, for whatever a server may answer. A row is a
 * dialogue: "C:..." is all that was written since the last look, "S:..." what the server sends, with | for CRLF.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#include "common/loop.h"
#include "relay/client.h"

#define STEPS_MAX 24

#define HELLO "S:220 mx|", "C:EHLO me.example|", "S:250-mx|250 PIPELINING|", "send"
#define SLOW  "S:220 mx|", "C:EHLO me.example|", "S:250 mx|", "send"
#define MAIL  "C:MAIL FROM:<s@o.example>|RCPT TO:<a@d.example>|RCPT TO:<b@d.example>|DATA|"

struct row {
	const char *sentence;
	const char
	    *results; /* of the two recipients: D delivered, L later, F failed, each with its code; "": none yet */
	enum client_state state;
	const char *steps[STEPS_MAX];
};

/* clang-format off */
static const struct row rows[] = {
	{ "a message by pipelining", "D250 D250", CLIENT_READY,
	  { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "C:Subject: x||..dot|.|", "S:250 2.0.0 Ok: queued as X|" } },
	{ "the same, reply by reply", "D250 D250", CLIENT_READY,
	  { HELLO, MAIL, "S:250 m|", "S:250 a|", "S:250 b|", "S:354 go|", "C:Subject: x||..dot|.|", "S:250 Ok|" } },
	{ "one by one where pipelining is not offered", "D250 D250", CLIENT_READY,
	  { SLOW, "C:MAIL FROM:<s@o.example>|", "S:250 m|", "C:RCPT TO:<a@d.example>|", "S:250 a|", "C:RCPT TO:<b@d.example>|",
	    "S:251 b|", "C:DATA|", "S:354 go|", "C:Subject: x||..dot|.|", "S:250 Ok|" } },
	{ "HELO after EHLO was refused", "D250 D250", CLIENT_READY,
	  { "S:220 mx|", "C:EHLO me.example|", "S:500 what?|", "C:HELO me.example|", "S:250 mx|", "send", "C:MAIL FROM:<s@o.example>|",
	    "S:250 m|", "C:RCPT TO:<a@d.example>|", "S:250 a|", "C:RCPT TO:<b@d.example>|", "S:250 b|", "C:DATA|", "S:354 go|",
	    "C:Subject: x||..dot|.|", "S:250 Ok|" } },
	{ "what an EHLO that was refused offered is forgotten", "", CLIENT_MAIL,
	  { "S:220 mx|", "C:EHLO me.example|", "S:550-x|550 PIPELINING|", "C:HELO me.example|", "S:250 mx|", "send", "C:MAIL FROM:<s@o.example>|" } },
	{ "SIZE and 8BITMIME are used where offered", "", CLIENT_MAIL,
	  { "S:220 mx|", "C:EHLO me.example|", "S:250-mx|250-size 1000|250 8bitmime|", "send", "C:MAIL FROM:<s@o.example> SIZE=20 BODY=8BITMIME|" } },
	{ "SIZE without a number", "", CLIENT_MAIL,
	  { "S:220 mx|", "C:EHLO me.example|", "S:250-mx|250 SIZE|", "send", "C:MAIL FROM:<s@o.example> SIZE=20|" } },
	{ "SIZE 0 is no limit", "", CLIENT_MAIL,
	  { "S:220 mx|", "C:EHLO me.example|", "S:250-mx|250 SIZE 0|", "send", "C:MAIL FROM:<s@o.example> SIZE=20|" } },
	{ "a huge SIZE is none", "", CLIENT_MAIL,
	  { "S:220 mx|", "C:EHLO me.example|", "S:250-mx|250 SIZE 99999999999999999999999|", "send", "C:MAIL FROM:<s@o.example> SIZE=20|" } },
	{ "a SIZE that is too small", "F552 F552", CLIENT_READY,
	  { "S:220 mx|", "C:EHLO me.example|", "S:250-mx|250 SIZE 19|", "send" } },
	{ "keywords on the greeting line mean nothing", "", CLIENT_MAIL,
	  { "S:220 mx|", "C:EHLO me.example|", "S:250 PIPELINING|", "send", "C:MAIL FROM:<s@o.example>|" } },

	{ "one recipient refused for good", "D250 F550", CLIENT_READY,
	  { HELLO, MAIL, "S:250 m|250 a|550 5.1.1 no b|354 go|", "C:Subject: x||..dot|.|", "S:250 Ok|" } },
	{ "one recipient refused for now", "D250 L452", CLIENT_READY,
	  { HELLO, MAIL, "S:250 m|250 a|452 4.5.3 b|354 go|", "C:Subject: x||..dot|.|", "S:250 Ok|" } },
	{ "the first refused", "F550 D250", CLIENT_READY,
	  { HELLO, MAIL, "S:250 m|550 a|250 b|354 go|", "C:Subject: x||..dot|.|", "S:250 Ok|" } },
	{ "all refused, and DATA too", "F550 L450", CLIENT_READY,
	  { HELLO, MAIL, "S:250 m|550 a|450 b|554 no valid recipients|" } },
	{ "R06 all refused, but 354: a lone dot", "F550 L450", CLIENT_READY,
	  { HELLO, MAIL, "S:250 m|550 a|450 b|354 go|", "C:.|", "S:250 Ok|" } },
	{ "R06 and its reply changes nothing", "F550 L450", CLIENT_READY,
	  { HELLO, MAIL, "S:250 m|550 a|450 b|354 go|", "C:.|", "S:554 no|" } },
	{ "all refused one by one: no DATA", "F550 F550", CLIENT_READY,
	  { SLOW, "C:MAIL FROM:<s@o.example>|", "S:250 m|", "C:RCPT TO:<a@d.example>|", "S:550 a|", "C:RCPT TO:<b@d.example>|", "S:550 b|", "C:" } },
	{ "MAIL refused for good; the rest is read and forgotten", "F550 F550", CLIENT_READY,
	  { HELLO, MAIL, "S:550 m|503 a|503 b|503 d|" } },
	{ "MAIL refused for now, the rest accepted", "L451 L451", CLIENT_READY,
	  { HELLO, MAIL, "S:451 m|250 a|250 b|354 go|", "C:.|", "S:250 Ok|" } },
	{ "MAIL refused one by one", "F553 F553", CLIENT_READY,
	  { SLOW, "C:MAIL FROM:<s@o.example>|", "S:553 m|", "C:" } },
	{ "DATA refused for now", "L451 L451", CLIENT_READY, { HELLO, MAIL, "S:250 m|250 a|250 b|451 d|" } },
	{ "DATA refused for good, one recipient before", "F554 F550", CLIENT_READY, { HELLO, MAIL, "S:250 m|250 a|550 b|554 d|" } },
	{ "the message refused for good", "F554 F554", CLIENT_READY,
	  { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:554 5.7.1 spam|" } },
	{ "the message refused for now, by several lines", "L451 L451", CLIENT_READY,
	  { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:451-4.7.1 wait|451 4.7.1 a bit|" } },

	{ "421 instead of a greeting", "", CLIENT_CLOSED, { "S:421 busy|", "C:", "refused 421" } },
	{ "554 instead of a greeting", "", CLIENT_CLOSED, { "S:554 no|", "C:", "refused 554" } },
	{ "354 as a greeting", "", CLIENT_CLOSED, { "S:354 go|", "C:", "refused 451" } },
	{ "rubbish as a greeting", "", CLIENT_CLOSED, { "S:SSH-2.0-x|", "C:", "refused 451" } },
	{ "closed before the greeting", "", CLIENT_CLOSED, { "lost", "refused 451" } },
	{ "no greeting in time", "", CLIENT_CLOSED, { "timeout", "refused 451" } },
	{ "421 to EHLO", "", CLIENT_CLOSED, { "S:220 mx|", "look", "S:421 bye|", "refused 421" } },
	{ "450 to EHLO", "", CLIENT_CLOSED, { "S:220 mx|", "look", "S:450 bye|", "refused 450" } },
	{ "550 to HELO", "", CLIENT_CLOSED, { "S:220 mx|", "look", "S:550 no|", "look", "S:550 no|", "refused 550" } },
	{ "a reply to EHLO before it was sent", "", CLIENT_CLOSED, { "S:220 mx|250 mx|", "refused 451" } },

	{ "R03 354 to MAIL", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:354 go|" } },
	{ "R03 354 to RCPT", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|354 go|" } },
	{ "R03 250 to DATA", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|250 d|" } },
	{ "R03 334 to DATA", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|334 d|" } },
	{ "R03 354 to the message", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:354 go|" } },
	{ "R03 250 before the dot is sent delivers nothing", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|250 Ok|" } },
	{ "R03 also when it is cut", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|25" } },
	{ "R03 250 before MAIL is sent", "", CLIENT_CLOSED, { "S:220 mx|", "look", "S:250 mx|250 m|" } },
	{ "R03 replies before their commands, one by one", "L451 L451", CLIENT_CLOSED,
	  { SLOW, "C:MAIL FROM:<s@o.example>|", "S:250 m|250 a|" } },
	{ "R03 surplus behind the last reply: delivered, and closed", "D250 D250", CLIENT_CLOSED,
	  { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:250 Ok|250 Ok|" } },
	{ "R03 a malformed reply to the message", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:250_Ok|" } },
	{ "421 to MAIL", "L421 L421", CLIENT_CLOSED, { HELLO, MAIL, "S:421 bye|" } },
	{ "421 to the second RCPT", "L421 L421", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|421 bye|" } },
	{ "421 keeps results that were given", "F550 L421", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|550 a|421 bye|" } },
	{ "421 to DATA", "L421 L421", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|421 bye|" } },
	{ "421 to the message", "L421 L421", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:421 bye|" } },

	{ "R04 closed before the reply to the message", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "lost" } },
	{ "R04 closed within it", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:250 Ok", "lost" } },
	{ "R04 closed within its second line", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:250-Ok|", "lost" } },
	{ "R04 closed behind it", "D250 D250", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:250 Ok|", "lost" } },
	{ "R04 no reply to the message in time", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "timeout" } },
	{ "closed after MAIL", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|", "lost" } },
	{ "no reply to RCPT in time", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|", "timeout" } },
	{ "closed at the first MAIL is no reason to try again at once", "L451 L451", CLIENT_CLOSED, { HELLO, MAIL, "lost" } },

	{ "a second message over the connection", "D250 D250", CLIENT_READY,
	  { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:250 Ok|", "again", MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:250 Ok|" } },
	{ "RSET behind a transaction that stayed open", "D250 D250", CLIENT_READY,
	  { HELLO, MAIL, "S:250 m|550 a|550 b|554 d|", "again", "C:RSET|", "S:250 r|", MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:250 Ok|" } },
	{ "no RSET behind a MAIL that was refused", "", CLIENT_MAIL, { HELLO, MAIL, "S:550 m|503 a|503 b|503 d|", "again", MAIL } },
	{ "RSET refused: another connection", "A", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|550 a|550 b|554 d|", "again", "C:RSET|", "S:500 what?|" } },
	{ "a used connection that was closed: another one", "A", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:250 Ok|", "again", MAIL, "lost" } },
	{ "421 over a used connection: another one", "A", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:250 Ok|", "again", MAIL, "S:421 enough|" } },
	{ "but not when MAIL was accepted", "L421 L421", CLIENT_CLOSED, { HELLO, MAIL, "S:250 m|250 a|250 b|354 go|", "look", "S:250 Ok|", "again", MAIL, "S:250 m|421 enough|" } },

	{ "QUIT when idle for too long", "", CLIENT_QUIT, { "S:220 mx|", "look", "S:250 mx|", "timeout", "C:QUIT|" } },
	{ "closed when that is not answered", "", CLIENT_CLOSED, { "S:220 mx|", "look", "S:250 mx|", "timeout", "look", "timeout" } },
	{ "closed when it is", "", CLIENT_CLOSED, { "S:220 mx|", "look", "S:250 mx|", "timeout", "look", "S:221 bye|" } },
	{ "R09 a word while idle ends it", "", CLIENT_CLOSED, { "S:220 mx|", "look", "S:250 mx|", "S:2" } },
	{ "R09 421 while idle ends it", "", CLIENT_CLOSED, { "S:220 mx|", "look", "S:250 mx|", "S:421 bye|" } },
};
/* clang-format on */

static const char message[] = "Subject: x\r\n\r\n.dot\r\n";

static struct {
	struct client client;
	struct job_table table;
	char results[16384];
	bool passed;    /* of the last result */
	unsigned cause; /* likewise */
	unsigned refused;
	unsigned jobs;
	uint64_t pulled; /* offset asked for, UINT64_MAX none */
	struct job *ready;
	bool host_down;
} t;

/* --- what the client calls --- */

static void
on_opened(void *arg)
{
	(void)arg;
}

static void
on_refused(void *arg, const struct reply *why)
{
	(void)arg;
	t.refused = why->code;
}

static void
on_over(void *arg, struct job *job)
{
	(void)arg;
	job_end(job, false);
}

static void
on_again(void *arg, struct job *job)
{
	(void)arg;
	(void)job;
	(void)strlcat(t.results, "A", sizeof(t.results));
}

static const struct client_calls calls = { on_opened, on_refused, on_over, on_again };

static void
on_ready(struct job *job)
{
	t.ready = job;
}

static void
on_result(void *arg, uint64_t id, const struct msg_job_result *result)
{
	char text[16];

	(void)arg;
	(void)id;
	(void)snprintf(text, sizeof(text), "%s%c%u", t.results[0] == '\0' ? "" : " ", "DLF"[result->result],
	    (unsigned)result -> code);
	/* Results may come in any order; the row names them in the recipients'. */
	if (result->number == 0 && t.results[0] != '\0') {
		char later[sizeof(t.results)];
		(void)strlcpy(later, t.results, sizeof(later));
		(void)snprintf(t.results, sizeof(t.results), "%s %.40s", text + 1, later);
	} else {
		(void)strlcat(t.results, text, sizeof(t.results));
	}
	assert_int_equal(result->result == PROTO_RESULT_DELIVERED, result->code / 100 == 2);
	assert_int_equal(result->result == PROTO_RESULT_DELIVERED, result->cause == PROTO_CAUSE_NONE);
	t.passed = result->passed;
	t.cause = (unsigned)result->cause;
}

static void
on_pull(void *arg, uint64_t id, uint64_t offset)
{
	(void)arg;
	(void)id;
	t.pulled = offset;
}

static void
on_end(void *arg, uint64_t id, bool host_down)
{
	(void)arg;
	(void)id;
	t.host_down = host_down;
}

static const struct job_calls job_calls = { on_ready, on_result, on_pull, on_end };

/* --- the stage --- */

/* A job whose text has that first piece of size bytes in all. */
static struct job *
make_job(struct str first, uint64_t size, const char *const *addresses, size_t count)
{
	struct msg_job job = { .message = 1,
		.action = S("out"),
		.destination = S("out/d.example"),
		.reverse_path = S("s@o.example"),
		.body = PROTO_BODY_8BITMIME,
		.size = size,
		.rcpts = count };
	struct msg_job_body body = { .offset = 0, .bytes = first };
	struct job *piece;
	uint64_t id = ++t.jobs, i;

	t.ready = NULL;
	assert_true(job_take(&t.table, id, &job));
	for (i = 0; i < count; i++) {
		struct msg_job_rcpt rcpt = { .number = i, .address = str_of(addresses[i]) };
		assert_true(job_take_rcpt(&t.table, id, &rcpt));
	}
	assert_true(job_take_body(&t.table, id, &body, &piece));
	assert_null(piece);
	return t.ready;
}

static struct job *
make_small_job(void)
{
	static const char *const addresses[] = { "a@d.example", "b@d.example" };

	return make_job(str_of(message), strlen(message), addresses, 2);
}

/* A job with what its sender asked for; the third recipient's values are none that may be written. */
static struct job *
make_dsn_job(void)
{
	static const struct msg_job_rcpt rcpts[] = {
		{ .number = 0, .address = S("a@d.example"), .forward_path = S("old+a@d.example"), .notify = 1 },
		{ .number = 1, .address = S("b@d.example"), .notify = 14, .orcpt = S("rfc822;b+2Bx@d.example") },
		{ .number = 2, .address = S("c@d.example"), .notify = 3, .orcpt = S("rfc822;x\r\nDATA") },
		{ .number = 3, .address = S("d@d.example") },
	};
	struct msg_job job = { .message = 1,
		.action = S("out"),
		.destination = S("out/d.example"),
		.reverse_path = S("s@o.example"),
		.ret = PROTO_RET_HDRS,
		.envid = S("QQ+2B1"),
		.size = strlen(message),
		.rcpts = 4 };
	struct msg_job_body body = { .offset = 0, .bytes = str_of(message) };
	struct job *piece;
	uint64_t id = ++t.jobs, i;

	assert_true(job_take(&t.table, id, &job));
	for (i = 0; i < 4; i++)
		assert_true(job_take_rcpt(&t.table, id, &rcpts[i]));
	assert_true(job_take_body(&t.table, id, &body, &piece));
	return t.ready;
}

static void
begin(void)
{
	memset(&t, 0, sizeof(t));
	t.pulled = UINT64_MAX;
	job_table_init(&t.table, &job_calls, NULL);
	client_start(&t.client, "me.example", "mx.d.example", &calls, NULL);
}

static void
end(void)
{
	client_clear(&t.client);
	job_table_clear(&t.table);
}

static void
send_job(struct job *job)
{
	struct reply why;

	if (client_takes(&t.client, job, &why)) {
		client_send(&t.client, job);
		return;
	}
	job_answer_rest(job, PROTO_RESULT_FAILED, &why, "");
	job_end(job, false);
}

/* Takes all that the client wants to write, in pieces, CRLF as |. */
static void
take_output(char *out, size_t size)
{
	size_t len = 0, i;
	struct str s;

	while (t.client.out.len > 0) {
		s = buf_str(&t.client.out);
		if (s.len > 7)
			s.len = 7;
		for (i = 0; i < s.len; i++) {
			assert_true(len + 1 < size);
			if (s.ptr[i] != '\r')
				out[len++] = s.ptr[i] == '\n' ? '|' : s.ptr[i];
		}
		client_written(&t.client, s.len);
	}
	out[len] = '\0';
}

static void
say(const char *text)
{
	char bytes[512];
	size_t len = 0;

	for (; *text != '\0'; text++) {
		if (*text == '|')
			bytes[len++] = '\r';
		bytes[len++] = *text == '|' ? '\n' : *text;
	}
	client_input(&t.client, (struct str){ bytes, len });
}

static void
check_output(const struct row *row, const char *want)
{
	char out[1024];

	take_output(out, sizeof(out));
	if (strcmp(out, want) != 0)
		row_fail(row->sentence, "wrote \"%s\", want \"%s\"", out, want);
}

static void
run_step(const struct row *row, const char *step)
{
	char out[1024];

	if (strncmp(step, "S:", 2) == 0) {
		say(step + 2);
	} else if (strncmp(step, "C:", 2) == 0) {
		check_output(row, step + 2);
	} else if (strcmp(step, "look") == 0) {
		take_output(out, sizeof(out));
	} else if (strcmp(step, "send") == 0) {
		send_job(make_small_job());
	} else if (strcmp(step, "again") == 0) {
		t.results[0] = '\0';
		send_job(make_small_job());
	} else if (strcmp(step, "lost") == 0) {
		client_lost(&t.client, "closed");
	} else if (strcmp(step, "timeout") == 0) {
		client_timeout(&t.client);
	} else {
		unsigned code = 0;
		assert_true(strncmp(step, "refused ", 8) == 0);
		code = (unsigned)strtoul(step + 8, NULL, 10);
		if (t.refused != code)
			row_fail(row->sentence, "refused with %u, want %u", t.refused, code);
	}
}

static void
test_dialogues(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		for (k = 0; k < STEPS_MAX && rows[i].steps[k] != NULL; k++)
			run_step(&rows[i], rows[i].steps[k]);
		if (strcmp(t.results, rows[i].results) != 0)
			row_fail(rows[i].sentence, "results \"%s\", want \"%s\"", t.results, rows[i].results);
		if (t.client.state != rows[i].state)
			row_fail(rows[i].sentence, "waits for %s, want %s", client_state_name(t.client.state),
			    client_state_name(rows[i].state));
		end();
	}
}

/* --- larger things --- */

static void
open_session(void)
{
	char out[1024];

	begin();
	say("220 mx|");
	take_output(out, sizeof(out));
	say("250-mx|250 PIPELINING|");
}

/* A text of size bytes: lines of 100 that begin with a dot. */
static char *
make_text(size_t size)
{
	char *text = malloc(size);
	size_t i;

	assert_non_null(text);
	for (i = 0; i < size; i++)
		text[i] = i % 100 == 98 ? '\r' : i % 100 == 99 ? '\n' : i % 100 == 0 ? '.' : 'x';
	return text;
}

static void
test_a_large_message_is_pulled_with_bounded_memory(void **state)
{
	static const char *const address[] = { "a@d.example" };
	size_t size = 1000000, at = PROTO_CHUNK_MAX, wire = 0, pulls = 0;
	char *text = make_text(size), out[1024];

	(void)state;
	open_session();
	send_job(make_job((struct str){ text, PROTO_CHUNK_MAX }, size, address, 1));
	take_output(out, sizeof(out));
	say("250 m|250 a|354 go|");
	assert_null(t.client.job->first);
	while (t.client.state == CLIENT_BODY || t.client.out.len > 0) {
		size_t n = t.client.out.len < 5000 ? t.client.out.len : 5000;

		assert_true(t.client.out.len <= RELAY_OUT_MAX);
		wire += n;
		client_written(&t.client, n);
		if (t.pulled != UINT64_MAX) {
			size_t piece = size - at < PROTO_CHUNK_MAX ? size - at : PROTO_CHUNK_MAX;
			struct msg_job_body msg = { .offset = t.pulled, .bytes = { text + at, piece } };
			struct job *job;

			assert_int_equal(t.pulled, at);
			t.pulled = UINT64_MAX;
			assert_true(job_take_body(&t.table, 1, &msg, &job));
			client_piece(&t.client, msg.bytes);
			at += piece;
			pulls++;
		}
	}
	assert_int_equal(wire, size + size / 100 + 3);
	assert_int_equal(pulls, (size - 1) / PROTO_CHUNK_MAX);
	assert_int_equal(t.client.state, CLIENT_DOT);
	say("250 Ok|");
	assert_string_equal(t.results, "D250");
	end();
	free(text);
}

static void
test_a_message_that_cannot_be_read_is_broken_off(void **state)
{
	static const char *const addresses[] = { "a@d.example", "b@d.example" };
	size_t size = 100000;
	char *text = make_text(size), out[1024];
	struct reply why;
	struct job *job;

	(void)state;
	open_session();
	send_job(make_job((struct str){ text, 50000 }, size, addresses, 2));
	take_output(out, sizeof(out));
	say("250 m|250 a|550 b|354 go|");
	client_written(&t.client, t.client.out.len);
	assert_int_equal(t.pulled, 50000);
	assert_true(job_take_cancel(&t.table, 1, &job));
	reply_make(&why, PROTO_CAUSE_HERE, 451, "4.3.0 it is gone");
	client_cancel(&t.client, &why);
	assert_string_equal(t.results, "L451 F550");
	assert_int_equal(t.client.state, CLIENT_CLOSED);
	assert_int_equal(t.client.out.len, 0); /* nothing that looks like an end */
	end();
	free(text);
}

static void
test_S15_a_bare_lf_is_not_sent(void **state)
{
	static const char *const bad[] = { "a\nb\r\n", "a\rb\r\n", "a\r\n.\nb\r\n", "a\r" };
	static const char *const address[] = { "a@d.example" };
	char out[1024];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		open_session();
		send_job(make_job(str_of(bad[i]), strlen(bad[i]), address, 1));
		take_output(out, sizeof(out));
		say("250 m|250 a|354 go|");
		assert_string_equal(t.results, "F550");
		assert_int_equal(t.client.state, CLIENT_CLOSED);
		end();
	}
}

static void
test_many_recipients_go_in_windows(void **state)
{
	enum { COUNT = 1000 };
	static char texts[COUNT][80];
	static const char *addresses[COUNT];
	size_t i, asked = 0;

	(void)state;
	for (i = 0; i < COUNT; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "a.recipient.with.a.long.name.%zu@d.example", i);
		addresses[i] = texts[i];
	}
	open_session();
	send_job(make_job(str_of(message), strlen(message), addresses, COUNT));
	assert_true(t.client.out.len < RELAY_PIPELINE_MAX + 1000);
	client_written(&t.client, t.client.out.len);
	say("250 m|");
	for (i = 0; i < COUNT; i++) {
		assert_int_equal(t.client.state, CLIENT_RCPT);
		client_written(&t.client, t.client.out.len);
		asked = t.client.sent;
		assert_true(asked > i);
		say("250 a|");
	}
	client_written(&t.client, t.client.out.len);
	assert_int_equal(t.client.state, CLIENT_DATA);
	end();
}

static void
test_addresses_are_checked_again(void **state)
{
	static const char *const wrong[] = { "a@d.example>\r\nRCPT TO:<x@y.example", "a b@d.example", "", "a",
		"\xc3\xa4@d.example" };
	static const char *addresses[2];
	char out[1024];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		addresses[0] = wrong[i];
		addresses[1] = "b@d.example";
		open_session();
		send_job(make_job(str_of(message), strlen(message), addresses, 2));
		assert_string_equal(t.results, "F550");
		take_output(out, sizeof(out));
		assert_string_equal(out, "MAIL FROM:<s@o.example>|RCPT TO:<b@d.example>|DATA|");
		end();
	}
	addresses[0] = addresses[1] = "nobody";
	open_session();
	assert_null(make_job(str_of(message), strlen(message), addresses, 2));
	assert_string_equal(t.results, "F550 F550");
	assert_int_equal(t.table.count, 0);
	end();
}

static void
test_a_job_has_a_deadline_of_its_own(void **state)
{
	struct job *job;

	(void)state;
	open_session();
	job = make_small_job();
	job->deadline_ms = loop_now_ms() + 5;
	send_job(job);
	assert_int_equal(t.client.deadline_ms, job->deadline_ms);
	end();
}

/* --- the queue's rules --- */

static void
test_what_the_queue_may_not_say(void **state)
{
	static const char *const address[] = { "a@d.example" };
	struct msg_job again = { .message = 1, .action = S("x"), .destination = S("x/y"), .size = 1, .rcpts = 1 };
	struct msg_job_rcpt rcpt = { .number = 0, .address = S("a@d.example") };
	struct msg_job_body body = { .offset = 10, .bytes = S("0123456789") };
	struct job *job, *piece;

	(void)state;
	begin();
	job = make_job(S("0123456789"), 30, address, 1);
	assert_false(job_take(&t.table, 1, &again));
	again.rcpts = 0;
	assert_false(job_take(&t.table, 2, &again));
	again.rcpts = RELAY_RCPTS_MAX + 1;
	assert_false(job_take(&t.table, 2, &again));
	assert_false(job_take_rcpt(&t.table, 1, &rcpt));
	assert_false(job_take_rcpt(&t.table, 2, &rcpt));
	assert_false(job_take_body(&t.table, 2, &body, &piece)); /* an id that never was */
	assert_false(job_take_body(&t.table, 1, &body, &piece)); /* nobody asked */
	assert_false(job_take_cancel(&t.table, 1, &piece));
	assert_false(job_take_cancel(&t.table, 2, &piece));
	job_pull(job, 10);
	body.offset = 11;
	assert_false(job_take_body(&t.table, 1, &body, &piece)); /* another offset */
	body.offset = 10;
	body.bytes = S("0123456789012345678901");
	assert_false(job_take_body(&t.table, 1, &body, &piece)); /* more than there is */
	body.bytes = S("");
	assert_false(job_take_body(&t.table, 1, &body, &piece)); /* nothing */
	body.bytes = S("0123456789");
	assert_true(job_take_body(&t.table, 1, &body, &piece));
	assert_ptr_equal(piece, job);
	job_pull(job, 20);
	job_answer_rest(job, PROTO_RESULT_DEFERRED, &(struct reply){ .code = 451 }, "");
	job_end(job, true);
	assert_true(t.host_down);
	body.offset = 20;
	assert_true(job_take_body(&t.table, 1, &body, &piece)); /* crossed with the end */
	assert_null(piece);
	assert_true(job_take_cancel(&t.table, 1, &piece));
	assert_null(piece);
	end();
}

static int
start_loop(void **state)
{
	(void)state;
	loop_init();
	return 0;
}

/* RFC 3461 section 5.2.1: passed on where DSN is offered, and told so. */
static void
hand_on(const char *offer, const char *commands, bool passed)
{
	char said[1024];

	begin();
	say("220 mx|");
	take_output(said, sizeof(said));
	say(offer);
	send_job(make_dsn_job());
	take_output(said, sizeof(said));
	assert_string_equal(said, commands);
	say("250 m|250 a|250 b|250 c|250 d|354 go|");
	take_output(said, sizeof(said));
	say("250 Ok|");
	assert_string_equal(t.results, "D250 D250 D250 D250");
	assert_int_equal(t.passed, passed);
	end();
}

static void
test_what_the_sender_wants_is_handed_on(void **state)
{
	(void)state;
	hand_on("250-mx|250-dsn|250 PIPELINING|",
	    "MAIL FROM:<s@o.example> RET=HDRS ENVID=QQ+2B1|"
	    "RCPT TO:<a@d.example> NOTIFY=NEVER ORCPT=rfc822;old+2Ba@d.example|"
	    "RCPT TO:<b@d.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;b+2Bx@d.example|"
	    "RCPT TO:<c@d.example>|RCPT TO:<d@d.example>|DATA|",
	    true);
	hand_on("250-mx|250 PIPELINING|",
	    "MAIL FROM:<s@o.example>|RCPT TO:<a@d.example>|RCPT TO:<b@d.example>|RCPT TO:<c@d.example>|"
	    "RCPT TO:<d@d.example>|DATA|",
	    false);
}

static void
test_a_result_has_its_cause(void **state)
{
	char said[1024];

	(void)state;
	begin();
	say("220 mx|");
	take_output(said, sizeof(said));
	say("250 mx|");
	send_job(make_small_job());
	take_output(said, sizeof(said));
	say("451 4.7.1 Greylisted|");
	assert_int_equal(t.cause, PROTO_CAUSE_GREYLIST);
	end();
	begin();
	say("220 mx|");
	take_output(said, sizeof(said));
	say("250 mx|");
	send_job(make_small_job());
	take_output(said, sizeof(said));
	client_lost(&t.client, "closed");
	assert_int_equal(t.cause, PROTO_CAUSE_CONNECTION);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_sender_wants_is_handed_on),
		cmocka_unit_test(test_a_result_has_its_cause),
		cmocka_unit_test(test_dialogues),
		cmocka_unit_test(test_a_large_message_is_pulled_with_bounded_memory),
		cmocka_unit_test(test_a_message_that_cannot_be_read_is_broken_off),
		cmocka_unit_test(test_S15_a_bare_lf_is_not_sent),
		cmocka_unit_test(test_many_recipients_go_in_windows),
		cmocka_unit_test(test_addresses_are_checked_again),
		cmocka_unit_test(test_a_job_has_a_deadline_of_its_own),
		cmocka_unit_test(test_what_the_queue_may_not_say),
	};

	return cmocka_run_group_tests(tests, start_loop, NULL);
}
