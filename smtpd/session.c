/* SPDX-License-Identifier: ISC */
#include "smtpd/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/process.h"
#include "smtpd/input.h"
#include "smtpd/limits.h"
#include "smtpd/listener.h"
#include "smtpd/rejection.h"
#include "smtpd/transaction.h"

enum { READ_SIZE = 65536, LINGER_MS = 1000, PENALTY_MS = 1000 };

static int
compare_sessions(struct session *a, struct session *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_HEAD(sessions, session);
TREE_STATIC(sessions, session, entry, compare_sessions);

static struct {
	struct sessions by_id;
	size_t count;
	size_t count_local;
	uint64_t connected; /* since the start */
	size_t max;
	uint64_t next_id;
	const char *hostname;
	bool draining;
	void (*drained)(void);
	struct loop_timer drain_timer;
	char block[READ_SIZE]; /* one read at a time, whatever the number of sessions */
} self = { .by_id = RB_INITIALIZER(&self.by_id) };

/* Which states may follow which. A session closes from any. */
static const unsigned follows[STATE_COUNT] = {
	[STATE_START] = 1U << STATE_READY,
	[STATE_READY] = 1U << STATE_READY | 1U << STATE_MAIL,
	[STATE_MAIL] = 1U << STATE_READY | 1U << STATE_RCPT,
	[STATE_RCPT] = 1U << STATE_READY | 1U << STATE_DATA,
	[STATE_DATA] = 1U << STATE_READY | 1U << STATE_STORE,
	[STATE_STORE] = 1U << STATE_READY,
};

void
session_configure(uint64_t instance, const char *hostname, size_t max)
{
	self.next_id = instance << 48 | 1;
	self.hostname = hostname;
	self.max = max;
}

const char *
session_hostname(const struct session *s)
{
	return s->listener->config->hostname != NULL ? s->listener->config->hostname : self.hostname;
}

size_t
session_count(void)
{
	return self.count;
}

size_t
session_count_local(void)
{
	return self.count_local;
}

uint64_t
session_count_connected(void)
{
	return self.connected;
}

bool
session_stress(void)
{
	return self.count * 100 >= self.max * SMTPD_STRESS_PERCENT;
}

bool
session_draining(void)
{
	return self.draining;
}

struct session *
session_find(uint64_t id)
{
	struct session key = { .id = id };

	return RB_FIND(sessions, &self.by_id, &key);
}

struct session *
session_next(struct session *after)
{
	return after == NULL ? RB_MIN(sessions, &self.by_id) : RB_NEXT(sessions, &self.by_id, after);
}

/* --- state and time --- */

static int64_t
patience_ms(const struct session *s)
{
	switch (s->state) {
	case STATE_START: return session_stress() && !s->local ? SMTPD_STRESS_MS : SMTPD_FIRST_MAIL_MS;
	case STATE_READY:
	case STATE_MAIL:
	case STATE_RCPT:
		if (s->transaction != NULL && s->transaction->pending > 0)
			return SMTPD_ROUTER_MS;
		if (session_stress() && !s->local)
			return SMTPD_STRESS_MS;
		return s->mails == 0 && s->transaction == NULL ? SMTPD_FIRST_MAIL_MS : SMTPD_COMMAND_MS;
	case STATE_DATA: return SMTPD_DATA_BLOCK_MS;
	case STATE_STORE: return SMTPD_QUEUE_MS;
	case STATE_CLOSING: return LINGER_MS;
	case STATE_COUNT: break;
	}
	return SMTPD_COMMAND_MS;
}

void
session_enter(struct session *s, enum session_state state)
{
	invariant(state == STATE_CLOSING || (follows[s->state] & (1U << state)) != 0);
	s->state = state;
	loop_timer_start(&s->timeout, patience_ms(s));
}

static void
timed_out(void *arg)
{
	struct session *s = arg;

	if (s->state == STATE_CLOSING || s->ending) {
		session_close(s, "timeout");
		return;
	}
	if (s->state == STATE_STORE || (s->transaction != NULL && s->transaction->pending > 0))
		session_end(s, REPLY_SHUTTING_DOWN);
	else
		session_end(s, REPLY_TIMEOUT);
}

static void
penalty_over(void *arg)
{
	session_wake(arg);
}

/* --- replies --- */

/* Its replies have no more room. The close comes from the loop: whoever made the reply still holds the session. */
static void
give_up(struct session *s)
{
	s->ending = true;
	loop_timer_start(&s->timeout, 0);
}

void
session_write(struct session *s, struct str bytes)
{
	if (s->closed)
		return;
	if (!buf_append_str(&s->out, bytes))
		give_up(s);
	session_wake(s);
}

/* A stranger's errors cost time from the fourth on, and the session after ten. */
static void
count_error(struct session *s)
{
	s->errors++;
	if (s->local || s->ending)
		return;
	if (s->errors > SMTPD_ERRORS_MAX)
		session_end(s, REPLY_TOO_MANY_ERRORS);
	else if (s->errors > SMTPD_ERRORS_FREE)
		loop_timer_start(&s->penalty, PENALTY_MS);
}

void
session_say(struct session *s, enum reply reply, const char *detail)
{
	if (s->closed)
		return;
	if (transaction_holds_replies(s)) {
		struct buf line;
		buf_init(&line, SMTPD_OUTPUT_MAX);
		(void)reply_write(reply, detail, &line);
		transaction_hold_reply(s, buf_str(&line));
		buf_clear(&line);
	} else if (!reply_write(reply, detail, &s->out)) {
		give_up(s);
		return;
	}
	session_wake(s);
	if (reply_code(reply) >= 400)
		count_error(s);
}

void
session_reply(struct session *s, enum reply reply, const char *detail)
{
	if (!s->closed && rejection_is(reply))
		rejection_tell_reply(s, NULL, NULL, reply, detail);
	session_say(s, reply, detail);
}

void
session_reply_raw(struct session *s, unsigned code, struct str enhanced, struct str text)
{
	if (s->closed)
		return;
	if (!buf_printf(&s->out, "%u ", code) || !buf_append_str(&s->out, enhanced) ||
	    (enhanced.len > 0 && !buf_append_byte(&s->out, ' ')) || !buf_append_str(&s->out, text) ||
	    !buf_append(&s->out, "\r\n", 2)) {
		give_up(s);
		return;
	}
	session_wake(s);
	if (code >= 500)
		count_error(s);
}

void
session_end(struct session *s, enum reply reply)
{
	if (s->closed || s->ending)
		return;
	s->ending = true;
	session_reply(s, reply, session_hostname(s));
}

void
session_wake(struct session *s)
{
	if (s->closed)
		return;
	s->moved = true;
	loop_at_end(&s->at_end);
}

/* --- input and output --- */

/* Runs what is kept of the input; what is still not taken stays. */
static void
run_kept(struct session *s)
{
	struct str in = buf_str(&s->in);

	if (in.len == 0)
		return;
	input_run(s, &in);
	if (s->closed)
		return;
	buf_consume(&s->in, s->in.len - in.len);
	if (s->in.len == 0)
		buf_clear(&s->in);
}

/* New bytes: run from where they lie when nothing is kept before them. */
static void
take_bytes(struct session *s, struct str fresh)
{
	if (s->in.len == 0) {
		input_run(s, &fresh);
		if (!s->closed && fresh.len > 0 && !buf_append_str(&s->in, fresh))
			session_close(s, "out of memory");
		return;
	}
	if (!buf_append_str(&s->in, fresh)) {
		session_close(s, "out of memory");
		return;
	}
	run_kept(s);
}

/* Any bytes of a message show life, within the limits of the whole of it; of a command, only all of it does. */
static void
note_bytes(struct session *s)
{
	int64_t ms;

	if (s->state != STATE_DATA)
		return;
	ms = loop_now_ms() - s->transaction->started_ms;
	if (ms > SMTPD_MESSAGE_MS)
		session_end(s, REPLY_TIMEOUT);
	else if (!s->local && ms > SMTPD_RATE_FREE_MS &&
	    s->transaction->data.size * 1000 < (uint64_t)ms * SMTPD_RATE_MIN)
		session_end(s, REPLY_TOO_SLOW);
	s->moved = true;
}

static void
be_patient_again(struct session *s)
{
	if (s->moved && !s->ending && s->state != STATE_CLOSING)
		loop_timer_start(&s->timeout, patience_ms(s));
	s->moved = false;
}

/* Whether more input has to wait until what is kept was run. */
static bool
must_wait(const struct session *s)
{
	return s->state != STATE_CLOSING && (input_blocked(s) || s->in.len >= READ_SIZE / 2);
}

/*
 * Reading stops only when something came that has to wait: a client that waits for its reply sends nothing, and two system
 * calls a message are saved.
 */
static void
on_readable(int fd, short what, void *arg)
{
	struct session *s = arg;
	ssize_t n;

	(void)what;
	if (must_wait(s)) {
		loop_fd_stop(&s->readable);
		return;
	}
	n = recv(fd, self.block, sizeof(self.block), 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		session_close(s, n == 0 ? "disconnected" : "connection lost");
		return;
	}
	if (s->state == STATE_CLOSING)
		return; /* what comes after our last word is not read, only taken off the wire so that the word arrives */
	take_bytes(s, (struct str){ self.block, (size_t)n });
	if (!s->closed) {
		note_bytes(s);
		loop_at_end(&s->at_end);
	}
}

/* Returns true when all is written. */
static bool
flush(struct session *s)
{
	while (s->out.len > 0) {
		struct str out = buf_str(&s->out);
		ssize_t n = send(s->fd, out.ptr, out.len, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno != EAGAIN) {
			session_close(s, "connection lost");
			return false;
		}
		if (n == -1) {
			loop_fd_start(&s->writable);
			return false;
		}
		buf_consume(&s->out, (size_t)n);
	}
	loop_fd_stop(&s->writable);
	if (s->state == STATE_READY || s->state == STATE_START)
		buf_clear(&s->out); /* an idle session costs its struct */
	return true;
}

/*
 * The last word is written: a client that sent more than we read would lose it to a reset, so that is taken first. Who was
 * refused has no such claim: a flood would hold descriptors by it.
 */
static void
say_goodbye(struct session *s)
{
	if (s->refused) {
		session_close(s, "refused");
		return;
	}
	if (s->in.len == 0 && s->state != STATE_DATA && s->errors == 0) {
		session_close(s, "quit");
		return;
	}
	if (s->state == STATE_CLOSING)
		return;
	transaction_drop(s);
	session_enter(s, STATE_CLOSING);
	buf_clear(&s->in);
	(void)shutdown(s->fd, SHUT_WR);
	loop_fd_start(&s->readable);
}

static bool
is_idle(const struct session *s)
{
	return s->transaction == NULL && s->in.len == 0;
}

/*
 * What is said before a RCPT leaves with the router's answer, in one segment, as that is on its way (RFC 2920 section 3.2:
 * who sent the RCPT behind other commands does not wait for their replies).
 */
static bool
may_gather(const struct session *s)
{
	return s->transaction != NULL && s->transaction->pending > 0 && !s->ending && s->out.len < SMTPD_OUTPUT_MAX / 2;
}

static void
finish_turn(void *arg)
{
	struct session *s = arg;

	if (s->closed)
		return;
	if (s->state != STATE_CLOSING)
		run_kept(s);
	if (s->closed)
		return;
	if (self.draining && is_idle(s))
		session_end(s, REPLY_SHUTTING_DOWN);
	be_patient_again(s);
	if (!may_gather(s) && !flush(s))
		return;
	if (s->ending)
		say_goodbye(s);
	else if (!must_wait(s))
		loop_fd_start(&s->readable);
}

static void
on_writable(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	finish_turn(arg);
}

/* --- birth --- */

static bool
is_loopback(const struct sockaddr *peer)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;

	if (peer->sa_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	return peer->sa_family != AF_INET6 || IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

/* Whether the client called from the very address that it called: so does who is on this machine, and nobody else. */
static bool
is_own_address(int fd, const struct sockaddr *peer)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} own = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(own);

	if (getsockname(fd, &own.any, &len) == -1 || own.any.sa_family != peer->sa_family)
		return false;
	if (peer->sa_family == AF_INET)
		return own.in.sin_addr.s_addr == in->sin_addr.s_addr;
	return peer->sa_family == AF_INET6 && IN6_ARE_ADDR_EQUAL(&own.in6.sin6_addr, &in6->sin6_addr);
}

/* What a stranger asks to be told goes to any sender that it names, so that has to be allowed (RFC 3461 section 10.3). */
static bool
may_have_dsn(const struct session *s, const struct sockaddr *peer)
{
	const struct config_listener *config = s->listener->config;

	return !config->no_dsn && (config->dsn_any || s->local || is_own_address(s->fd, peer));
}

static void
name_peer(struct session *s, const struct sockaddr *peer)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;
	struct ucred user = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(user);

	s->local = is_loopback(peer);
	if (peer->sa_family == AF_INET) {
		(void)inet_ntop(AF_INET, &in->sin_addr, s->client, sizeof(s->client));
		(void)snprintf(s->address, sizeof(s->address), "%.45s:%u", s->client, ntohs(in->sin_port));
	} else if (peer->sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, s->client, sizeof(s->client));
		(void)snprintf(s->address, sizeof(s->address), "[%.45s]:%u", s->client, ntohs(in6->sin6_port));
	} else {
		(void)getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &user, &len);
		(void)snprintf(s->client, sizeof(s->client), "local:%u", user.uid);
		(void)strlcpy(s->address, s->client, sizeof(s->address));
	}
}

static void
set_up(struct session *s)
{
	buf_init(&s->in, READ_SIZE + SMTPD_LINE_ENDLESS);
	buf_init(&s->out, SMTPD_OUTPUT_MAX);
	loop_fd_init(&s->readable, s->fd, LOOP_READ, on_readable, s);
	loop_fd_init(&s->writable, s->fd, LOOP_WRITE, on_writable, s);
	loop_timer_init(&s->timeout, timed_out, s);
	loop_timer_init(&s->penalty, penalty_over, s);
	s->at_end = (struct loop_hook){ .fn = finish_turn, .arg = s };
}

void
session_new(const struct listener *listener, int fd, const struct sockaddr *peer)
{
	struct session *s = calloc(1, sizeof(*s));
	enum reply reply = REPLY_GREETING;

	if (s == NULL)
		fatal("out of memory");
	s->id = self.next_id++;
	s->fd = fd;
	s->shared_fd = channel_fd_new(fd);
	s->listener = listener;
	s->state = STATE_START;
	name_peer(s, peer);
	s->dsn = may_have_dsn(s, peer);
	set_up(s);
	(void)RB_INSERT(sessions, &self.by_id, s);
	self.count++;
	self.connected++;
	self.count_local += s->local;
	log_info("connected", log_hex(LOG_FIELD_session, s->id), log_text(LOG_FIELD_address, s->address),
	    log_text(LOG_FIELD_listener, listener->name));
	loop_timer_start(&s->timeout, patience_ms(s));
	if (self.count > self.max)
		reply = REPLY_OVERLOADED;
	else if (!s->local)
		reply = client_enter(&s->place, peer, loop_now_ms());
	s->refused = s->ending = reply != REPLY_GREETING;
	session_reply(s, reply, session_hostname(s));
}

/* --- end --- */

static void
free_session(void *object)
{
	free(object);
}

void
session_close(struct session *s, const char *reason)
{
	struct peer *router = process_peer(PROTO_KIND_ROUTER, 0);

	if (s->closed)
		return;
	transaction_drop(s);
	if (router != NULL && s->router_generation == router->generation)
		SEND(router->channel, SESSION_CLOSE, session_close, s->id, .nothing = false);
	log_info("disconnected", log_hex(LOG_FIELD_session, s->id), log_text(LOG_FIELD_address, s->address),
	    log_text(LOG_FIELD_reason, reason), log_u64(LOG_FIELD_count, s->mails));
	s->closed = true;
	loop_fd_stop(&s->readable);
	loop_fd_stop(&s->writable);
	loop_timer_stop(&s->timeout);
	loop_timer_stop(&s->penalty);
	loop_hook_cancel(&s->at_end);
	channel_fd_free(s->shared_fd);
	buf_clear(&s->in);
	buf_clear(&s->out);
	(void)RB_REMOVE(sessions, &self.by_id, s);
	client_leave(&s->place, loop_now_ms());
	self.count--;
	self.count_local -= s->local;
	loop_reap(free_session, s);
	if (self.draining && self.count == 0)
		self.drained();
}

/* What waits for the queue's word hears it; all others had their time. */
static void
drain_over(void *arg)
{
	struct session *s;

	(void)arg;
	for (s = session_next(NULL); s != NULL; s = session_next(s)) {
		if (s->state == STATE_STORE || s->state == STATE_CLOSING)
			continue;
		session_end(s, REPLY_SHUTTING_DOWN);
		session_wake(s);
	}
}

void
session_drain_all(void (*fn)(void))
{
	struct session *s;

	self.draining = true;
	self.drained = fn;
	loop_timer_init(&self.drain_timer, drain_over, NULL);
	loop_timer_start(&self.drain_timer, SMTPD_DRAIN_MS);
	if (self.count == 0)
		fn();
	for (s = session_next(NULL); s != NULL; s = session_next(s))
		session_wake(s);
}
