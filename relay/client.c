/* SPDX-License-Identifier: ISC */
#include "relay/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"

enum client_event {
	EVENT_OK,       /* 2xx */
	EVENT_GO,       /* 354 */
	EVENT_LATER,    /* 4xx */
	EVENT_NEVER,    /* 5xx */
	EVENT_SHUTDOWN, /* 421 */
	EVENT_BAD,      /* no reply: the reply given to the step says what was wrong */
	EVENT_LOST,     /* likewise */
	EVENT_TIMEOUT,  /* likewise */
	EVENT_COUNT
};

/* One line of 3 bytes becomes one of 4. */
#define STUFFED_MAX ((size_t)PROTO_CHUNK_MAX / 3 * 4 + 4)
_Static_assert(STUFFED_MAX + 5 < RELAY_OUT_MAX, "room for a piece and the end");
#define PULL_BELOW (RELAY_OUT_MAX - STUFFED_MAX - 5) /* bytes in out, so that the next piece fits */

typedef void step_fn(struct client *c, const struct reply *r);

#define IN(state) (1U << CLIENT_##state)

/* clang-format off */
static const struct {
	const char *name;  /* what is waited for, in texts */
	int timeout_ms;
	unsigned from;     /* states it is entered from */
} states[CLIENT_STATE_COUNT] = {
	[CLIENT_GREETING] = { "the greeting",        RELAY_GREETING_MS, 0 },
	[CLIENT_EHLO] =     { "the reply to EHLO",   RELAY_EHLO_MS,  IN(GREETING) },
	[CLIENT_HELO] =     { "the reply to HELO",   RELAY_EHLO_MS,  IN(EHLO) },
	[CLIENT_READY] =    { "a message",           RELAY_IDLE_MS,  IN(EHLO) | IN(HELO) | IN(MAIL) | IN(RCPT) | IN(DATA) | IN(DOT) | IN(READY) },
	[CLIENT_RSET] =     { "the reply to RSET",   RELAY_EHLO_MS,  IN(READY) },
	[CLIENT_MAIL] =     { "the reply to MAIL",   RELAY_MAIL_MS,  IN(READY) | IN(RSET) },
	[CLIENT_RCPT] =     { "the reply to RCPT",   RELAY_RCPT_MS,  IN(MAIL) | IN(RCPT) },
	[CLIENT_DATA] =     { "the reply to DATA",   RELAY_DATA_MS,  IN(RCPT) },
	[CLIENT_BODY] =     { "the end of the message", RELAY_BLOCK_MS, IN(DATA) | IN(BODY) },
	[CLIENT_DOT] =      { "the reply to the message", RELAY_DOT_MS, IN(BODY) },
	[CLIENT_QUIT] =     { "the reply to QUIT",   RELAY_QUIT_MS,  IN(READY) },
	[CLIENT_CLOSED] =   { "nothing",             RELAY_QUIT_MS,  UINT32_MAX },
};
/* clang-format on */

const char *
client_state_name(enum client_state state)
{
	return states[state].name;
}

static void
set_deadline(struct client *c)
{
	c->deadline_ms = loop_now_ms() + states[c->state].timeout_ms;
	if (c->job != NULL && c->job->deadline_ms < c->deadline_ms)
		c->deadline_ms = c->job->deadline_ms;
}

/* The only assignment to the state. */
static void
enter(struct client *c, enum client_state state)
{
	invariant((states[state].from & (1U << c->state)) != 0);
	c->state = state;
	set_deadline(c);
}

/* --- writing --- */

static void
put(struct client *c, struct str s)
{
	if (!buf_append_str(&c->out, s))
		fatal("no room for a command");
	c->queued += s.len;
}

static void
put_command(struct client *c, const char *verb, const char *argument)
{
	put(c, str_of(verb));
	put(c, str_of(argument));
	put(c, S("\r\n"));
	c->command_end = c->queued;
}

/* A parameter, where there is a value for it. */
static void
put_word(struct client *c, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	put(c, str_of(name));
	put(c, str_of(value));
}

static void
put_mail(struct client *c)
{
	static const char *const returns[] = { "", "FULL", "HDRS" };
	char parameter[sizeof(" SIZE=18446744073709551615")];

	put(c, S("MAIL FROM:<"));
	put(c, str_of(job_reverse_path(c->job)));
	put(c, S(">"));
	if (c->extensions.size) {
		(void)snprintf(parameter, sizeof(parameter), " SIZE=%" PRIu64, c->job->size);
		put(c, str_of(parameter));
	}
	/*
	 * A server that does not offer 8BITMIME gets the message as it is, in spite of RFC 6152: each one in use
	 * copes, and converting breaks signatures.
	 */
	if (c->extensions.eightbitmime && c->job->body == PROTO_BODY_8BITMIME)
		put(c, S(" BODY=8BITMIME"));
	if (c->extensions.dsn) {
		put_word(c, " RET=", returns[c->job->ret]);
		put_word(c, " ENVID=", job_envid(c->job));
	}
	put_command(c, "", "");
}

/* RFC 3461 section 4.1. */
static void
put_notify(struct client *c, unsigned notify)
{
	static const struct {
		enum proto_notify bit;
		const char *word;
	} words[] = {
		{ PROTO_NOTIFY_NEVER, "NEVER" },
		{ PROTO_NOTIFY_SUCCESS, "SUCCESS" },
		{ PROTO_NOTIFY_FAILURE, "FAILURE" },
		{ PROTO_NOTIFY_DELAY, "DELAY" },
	};
	const char *before = " NOTIFY=";
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if ((notify & words[i].bit) == 0)
			continue;
		put_word(c, before, words[i].word);
		before = ",";
	}
}

static void
put_rcpt(struct client *c)
{
	put(c, S("RCPT TO:<"));
	put(c, str_of(job_address(c->job, c->sent)));
	put(c, S(">"));
	if (c->extensions.dsn) {
		put_notify(c, c->job->rcpts[c->sent].notify);
		put_word(c, " ORCPT=", job_orcpt(c->job, c->sent));
	}
	put(c, S("\r\n"));
	c->job->rcpts[c->sent++].command_end = c->queued;
}

static void
put_data(struct client *c)
{
	put(c, S("DATA\r\n"));
	c->data_end = c->queued;
}

/*
 * Where PIPELINING is offered all commands leave at once (RFC 2920 section 3.1), only not more of them than a server
 * can surely take before it writes replies.
 */
static void
put_ahead(struct client *c)
{
	if (!c->extensions.pipelining || c->mail_refused)
		return;
	while (c->sent < c->job->rcpts_count && c->out.len < RELAY_PIPELINE_MAX)
		put_rcpt(c);
	if (c->sent == c->job->rcpts_count && c->data_end == 0)
		put_data(c);
}

/* --- ends --- */

static void
close_client(struct client *c)
{
	enter(c, CLIENT_CLOSED);
}

/* Lets go of the job and tells the owner, who may begin the next one at once. */
static void
finish(struct client *c, enum client_state state)
{
	struct job *job = c->job;

	c->job = NULL;
	job->client = NULL;
	enter(c, state);
	c->calls->over(c->arg, job);
}

static void
refuse_session(struct client *c, const struct reply *r)
{
	struct reply copy = *r; /* the parser's own is of the client, which the callee may give up */

	close_client(c);
	c->calls->refused(c->arg, &copy);
}

/* A session in which nothing runs ends silently. */
static void
end_session(struct client *c, const struct reply *r)
{
	(void)r;
	close_client(c);
}

/* What has no answer yet will be tried again: nothing that was read says that the server took it (RFC 1047). */
static void
break_off(struct client *c, const struct reply *r)
{
	job_answer_rest(c->job, PROTO_RESULT_DEFERRED, r, c->hop);
	finish(c, CLIENT_CLOSED);
}

/* A reply that this command cannot have: from here on the two of us are not speaking of the same thing. */
static void
unexpected(struct client *c, const struct reply *r)
{
	struct reply why;

	reply_make(&why, PROTO_CAUSE_ANSWER, 451, "4.5.0 unexpected instead of %s: %s", states[c->state].name, r->text);
	break_off(c, &why);
}

static void
refuse_unexpected(struct client *c, const struct reply *r)
{
	struct reply why;

	reply_make(&why, PROTO_CAUSE_ANSWER, 451, "4.5.0 unexpected instead of %s: %s", states[c->state].name, r->text);
	refuse_session(c, &why);
}

/*
 * A connection that has been used may have been closed by the server just when the job came. That says nothing about
 * the job, which is tried once more over a new one.
 */
static void
begin_again(struct client *c, const struct reply *r)
{
	struct job *job = c->job;

	if (c->messages <= 1 || job->again) {
		break_off(c, r);
		return;
	}
	job->again = true;
	job->client = NULL;
	c->job = NULL;
	close_client(c);
	c->calls->again(c->arg, job);
}

/* --- opening --- */

static void
say_ehlo(struct client *c, const struct reply *r)
{
	(void)r;
	put_command(c, "EHLO ", c->helo);
	enter(c, CLIENT_EHLO);
}

/* A server that knows no EHLO gets what it knows (RFC 5321 section 3.2). */
static void
say_helo(struct client *c, const struct reply *r)
{
	(void)r;
	c->extensions = (struct extensions){ 0 };
	put_command(c, "HELO ", c->helo);
	enter(c, CLIENT_HELO);
}

static void
opened(struct client *c, const struct reply *r)
{
	(void)r;
	enter(c, CLIENT_READY);
	c->calls->opened(c->arg);
}

/* --- the transaction --- */

static void
begin(struct client *c, const struct reply *r)
{
	(void)r;
	c->open_transaction = false;
	put_mail(c);
	enter(c, CLIENT_MAIL);
	put_ahead(c);
}

/* All RCPTs have their reply; without pipelining DATA is sent only if anybody is there to get the message. */
static void
after_rcpts(struct client *c)
{
	if (c->data_end == 0 && c->accepted == 0) {
		finish(c, CLIENT_READY);
		return;
	}
	if (c->data_end == 0)
		put_data(c);
	enter(c, CLIENT_DATA);
}

static void
next_rcpt(struct client *c)
{
	put_ahead(c);
	if (c->replied < c->sent || c->sent < c->job->rcpts_count) {
		if (c->replied == c->sent)
			put_rcpt(c);
		enter(c, CLIENT_RCPT);
		return;
	}
	after_rcpts(c);
}

static void
mail_accepted(struct client *c, const struct reply *r)
{
	(void)r;
	c->open_transaction = true;
	next_rcpt(c);
}

/* What was sent ahead still has its replies, which mean nothing now. */
static void
mail_refused(struct client *c, const struct reply *r)
{
	bool later = r->code < 500;

	job_answer_rest(c->job, later ? PROTO_RESULT_DEFERRED : PROTO_RESULT_FAILED, r, c->hop);
	c->mail_refused = true;
	if (c->sent == 0 && c->data_end == 0)
		finish(c, CLIENT_READY);
	else
		enter(c, CLIENT_RCPT);
}

/* Counts the reply to one RCPT; behind a refused MAIL only what was sent is waited for. */
static void
rcpt_done(struct client *c)
{
	c->replied++;
	if (!c->mail_refused)
		next_rcpt(c);
	else if (c->replied < c->sent)
		enter(c, CLIENT_RCPT);
	else if (c->data_end != 0)
		enter(c, CLIENT_DATA);
	else
		finish(c, CLIENT_READY);
}

static void
rcpt_accepted(struct client *c, const struct reply *r)
{
	(void)r;
	c->accepted += !c->mail_refused;
	rcpt_done(c);
}

static void
rcpt_refused(struct client *c, const struct reply *r)
{
	bool later = r->code < 500;

	if (!c->mail_refused)
		job_answer(c->job, c->replied, later ? PROTO_RESULT_DEFERRED : PROTO_RESULT_FAILED, r, c->hop);
	rcpt_done(c);
}

static void
data_refused(struct client *c, const struct reply *r)
{
	job_answer_rest(c->job, r->code < 500 ? PROTO_RESULT_DEFERRED : PROTO_RESULT_FAILED, r, c->hop);
	finish(c, CLIENT_READY);
}

/* --- the message --- */

static void
end_body(struct client *c)
{
	size_t before = c->out.len;

	if (writer_end(&c->writer, &c->out) != WRITER_OK)
		fatal("no room for the end of a message");
	c->queued += c->out.len - before;
	c->command_end = c->queued;
	enter(c, CLIENT_DOT);
}

/* Without its end the server drops what it got; the connection is the only thing left to take back. */
static void
take_back(struct client *c, enum proto_result result, const struct reply *why)
{
	job_answer_rest(c->job, result, why, "");
	finish(c, CLIENT_CLOSED);
}

static void
fail_bare(struct client *c)
{
	struct reply why;

	reply_make(&why, PROTO_CAUSE_HERE, 550, "5.6.0 the message holds a bare CR or LF and cannot be sent");
	take_back(c, PROTO_RESULT_FAILED, &why);
}

static void
ask_for_more(struct client *c)
{
	if (c->state == CLIENT_BODY && c->out.len < PULL_BELOW && !c->job->pulling)
		job_pull(c->job, c->body_at);
}

static void
put_piece(struct client *c, struct str bytes)
{
	size_t before = c->out.len;
	enum writer_status status = writer_put(&c->writer, bytes, &c->out);
	bool complete = c->body_at + bytes.len == c->job->size;

	if (status == WRITER_FULL)
		fatal("no room for a piece of a message");
	c->queued += c->out.len - before;
	c->body_at += bytes.len;
	if (status == WRITER_BARE || (complete && c->writer.cr))
		fail_bare(c);
	else if (complete)
		end_body(c);
	else
		ask_for_more(c);
}

/*
 * 354. When nobody was accepted the server should not have said it, and gets the end alone (RFC 2920 section 3.1): its
 * reply to that changes nothing for anybody.
 */
static void
send_body(struct client *c, const struct reply *r)
{
	(void)r;
	enter(c, CLIENT_BODY);
	c->open_transaction = false;
	c->body_at = 0;
	writer_start(&c->writer);
	if (c->accepted == 0)
		end_body(c);
	else
		put_piece(c, (struct str){ c->job->first, c->job->first_len });
	if (c->state == CLIENT_BODY)
		job_drop_first(c->job);
}

static void
delivered(struct client *c, const struct reply *r)
{
	job_answer_rest(c->job, PROTO_RESULT_DELIVERED, r, c->hop);
	finish(c, CLIENT_READY);
}

/* --- the table --- */

/* clang-format off */
static step_fn *const steps[CLIENT_STATE_COUNT][EVENT_COUNT] = {
	/*                    OK             GO                 LATER           NEVER           SHUTDOWN        BAD             LOST            TIMEOUT */
	[CLIENT_GREETING] = { say_ehlo,      refuse_unexpected, refuse_session, refuse_session, refuse_session, refuse_session, refuse_session, refuse_session },
	[CLIENT_EHLO] =     { opened,        refuse_unexpected, refuse_session, say_helo,       refuse_session, refuse_session, refuse_session, refuse_session },
	[CLIENT_HELO] =     { opened,        refuse_unexpected, refuse_session, refuse_session, refuse_session, refuse_session, refuse_session, refuse_session },
	[CLIENT_READY] =    { end_session,   end_session,       end_session,    end_session,    end_session,    end_session,    end_session,    end_session },
	[CLIENT_RSET] =     { begin,         begin_again,       begin_again,    begin_again,    begin_again,    begin_again,    begin_again,    begin_again },
	[CLIENT_MAIL] =     { mail_accepted, unexpected,        mail_refused,   mail_refused,   begin_again,    break_off,      begin_again,    break_off },
	[CLIENT_RCPT] =     { rcpt_accepted, unexpected,        rcpt_refused,   rcpt_refused,   break_off,      break_off,      break_off,      break_off },
	[CLIENT_DATA] =     { unexpected,    send_body,         data_refused,   data_refused,   break_off,      break_off,      break_off,      break_off },
	[CLIENT_BODY] =     { unexpected,    unexpected,        unexpected,     unexpected,     unexpected,     break_off,      break_off,      break_off },
	[CLIENT_DOT] =      { delivered,     unexpected,        data_refused,   data_refused,   break_off,      break_off,      break_off,      break_off },
	[CLIENT_QUIT] =     { end_session,   end_session,       end_session,    end_session,    end_session,    end_session,    end_session,    end_session },
	[CLIENT_CLOSED] =   { end_session,   end_session,       end_session,    end_session,    end_session,    end_session,    end_session,    end_session },
};
/* clang-format on */

static void
step(struct client *c, enum client_event event, const struct reply *r)
{
	steps[c->state][event](c, r);
}

static enum client_event
event_of(const struct reply *r)
{
	if (r->code == 421)
		return EVENT_SHUTDOWN;
	if (r->code == 354)
		return EVENT_GO;
	switch (r->code / 100) {
	case 2: return EVENT_OK;
	case 4: return EVENT_LATER;
	case 5: return EVENT_NEVER;
	default: return EVENT_BAD;
	}
}

/* Where the command ends whose reply is waited for; no reply is due before so much was written. */
static uint64_t
due_at(const struct client *c)
{
	switch (c->state) {
	case CLIENT_GREETING:
	case CLIENT_CLOSED: return 0;
	case CLIENT_READY:
	case CLIENT_BODY: return UINT64_MAX;
	case CLIENT_RCPT: return c->replied < c->sent ? c->job->rcpts[c->replied].command_end : UINT64_MAX;
	case CLIENT_DATA: return c->data_end;
	case CLIENT_EHLO:
	case CLIENT_HELO:
	case CLIENT_RSET:
	case CLIENT_MAIL:
	case CLIENT_DOT:
	case CLIENT_QUIT:
	case CLIENT_STATE_COUNT: break;
	}
	return c->command_end;
}

/* A reply before its command: whatever it says, it is counted for nothing, and nothing behind it can be trusted. */
static void
come_early(struct client *c, const struct reply *r)
{
	struct reply why;

	reply_make(&why, PROTO_CAUSE_ANSWER, 451, "4.5.0 early, before %s was due: %s", states[c->state].name,
	    r == NULL ? "" : r->text);
	step(c, EVENT_BAD, &why);
}

static void
malformed(struct client *c, const char *wrong)
{
	struct reply why;

	reply_make(&why, PROTO_CAUSE_ANSWER, 451, "4.5.0 %s instead of %s", wrong, states[c->state].name);
	step(c, EVENT_BAD, &why);
}

static void
take_reply(struct client *c, struct reply *r)
{
	enum client_event event = event_of(r);

	if (event == EVENT_BAD)
		malformed(c, "an unknown reply code");
	else
		step(c, event, r);
}

void
client_input(struct client *c, struct str in)
{
	while (in.len > 0 && c->state != CLIENT_CLOSED) {
		bool early = c->written < due_at(c);
		bool hello = c->state == CLIENT_EHLO;
		enum reply_status status = reply_read(&c->parser, &in, hello ? extensions_line : NULL, &c->extensions);

		c->left_over = in.len > 0;
		if (early) {
			come_early(c, status == REPLY_DONE ? &c->parser.reply : NULL);
			return;
		}
		if (status == REPLY_MORE)
			return;
		if (status == REPLY_BAD) {
			malformed(c, c->parser.wrong);
			return;
		}
		take_reply(c, &c->parser.reply);
		reply_start(&c->parser);
	}
}

/* --- the owner's side --- */

void
client_start(struct client *c, const char *helo, const char *hop, const struct client_calls *calls, void *arg)
{
	c->state = CLIENT_GREETING;
	c->calls = calls;
	c->arg = arg;
	c->helo = helo;
	c->hop = hop;
	buf_init(&c->out, RELAY_OUT_MAX);
	c->queued = 0;
	c->written = 0;
	c->command_end = 0;
	c->data_end = 0;
	c->extensions = (struct extensions){ 0 };
	c->messages = 0;
	c->left_over = false;
	c->open_transaction = false;
	c->job = NULL;
	reply_start(&c->parser);
	set_deadline(c);
}

void
client_clear(struct client *c)
{
	if (c->job != NULL)
		c->job->client = NULL;
	c->job = NULL;
	buf_clear(&c->out);
}

bool
client_is_usable(const struct client *c)
{
	return c->state == CLIENT_READY && !c->left_over && c->messages < RELAY_CONNECTION_MESSAGES_MAX;
}

bool
client_takes(const struct client *c, const struct job *job, struct reply *why)
{
	if (c->extensions.size_max == 0 || job->size <= c->extensions.size_max)
		return true;
	reply_make(why, PROTO_CAUSE_THEIR_LIMIT, 552, "5.3.4 larger than the %" PRIu64 " bytes that the server takes",
	    c->extensions.size_max);
	return false;
}

void
client_send(struct client *c, struct job *job)
{
	invariant(client_is_usable(c) && c->job == NULL && job->client == NULL);
	c->job = job;
	job->client = c;
	job->passed = c->extensions.dsn;
	c->messages++;
	c->sent = 0;
	c->replied = 0;
	c->accepted = 0;
	c->mail_refused = false;
	c->data_end = 0;
	if (!c->open_transaction) {
		begin(c, NULL);
		return;
	}
	put_command(c, "RSET", "");
	enter(c, CLIENT_RSET);
}

bool
client_is_owed(const struct client *c)
{
	return c->job != NULL && c->out.len == 0 && c->written >= due_at(c);
}

void
client_piece(struct client *c, struct str bytes)
{
	set_deadline(c);
	put_piece(c, bytes);
}

void
client_cancel(struct client *c, const struct reply *why)
{
	invariant(c->state == CLIENT_BODY);
	take_back(c, PROTO_RESULT_DEFERRED, why);
}

void
client_quit(struct client *c)
{
	invariant(c->job == NULL);
	if (c->state != CLIENT_READY || c->left_over) {
		close_client(c);
		return;
	}
	put_command(c, "QUIT", "");
	enter(c, CLIENT_QUIT);
}

void
client_written(struct client *c, size_t n)
{
	buf_consume(&c->out, n);
	c->written += n;
	if (c->state != CLIENT_BODY)
		return;
	set_deadline(c);
	ask_for_more(c);
}

void
client_lost(struct client *c, const char *why)
{
	struct reply r;

	reply_make(&r, PROTO_CAUSE_CONNECTION, 451, "4.4.2 %s while waiting for %s", why, states[c->state].name);
	step(c, EVENT_LOST, &r);
}

void
client_timeout(struct client *c)
{
	struct reply r;

	if (c->state == CLIENT_READY) {
		client_quit(c);
		return;
	}
	reply_make(&r, PROTO_CAUSE_CONNECTION, 451, "4.4.2 timed out while waiting for %s", states[c->state].name);
	step(c, EVENT_TIMEOUT, &r);
}
