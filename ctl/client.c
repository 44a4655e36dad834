/* SPDX-License-Identifier: ISC */
#include "ctl/client.h"

#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/version.h"
#include "ctl/filter.h"
#include "ctl/identity.h"
#include "ctl/limits.h"
#include "ctl/verbs.h"

enum state {
	STATE_ASKING,    /* its request may come */
	STATE_ANSWERING, /* the answer is being gathered */
	STATE_READING    /* the answer is written; the client has to read it */
};

/* A process that has to answer. */
struct asked {
	const struct peer *peer;
	unsigned parts;
};

struct client {
	struct client *next;
	struct channel *channel;
	struct identity who;
	uint64_t number; /* among all there ever were */
	bool backs_up;   /* queue has a backup open for it */
	enum state state;
	struct loop_timer timer;

	/* the request */
	const struct verb *verb;
	uint64_t id;      /* the client's number for it */
	uint64_t forward; /* ours */
	struct asked asked[CONTROL_PEERS_MAX];
	size_t asked_count;
	bool incomplete; /* a process went away, or was silent */
};

static struct {
	struct client *first;
	size_t count;
	int listener;
	struct loop_fd readable;
	struct loop_timer rest;
	uint64_t last_forward;
	uint64_t last_number;
	int64_t started_ms;
	struct msg_pause paused;
	uint64_t refused;
	int64_t refusal_logged_ms;
	uint64_t refusals_unlogged;
} self = { .listener = -1 };

size_t
client_count(void)
{
	return self.count;
}

void
client_set_paused(const struct msg_pause *pause)
{
	self.paused = *pause;
}

/* --- the end of a connection --- */

static void
free_client(void *object)
{
	free(object);
}

/* Its read transaction must not outlive who wanted it. */
static void
end_backup(struct client *c)
{
	struct peer *queue = c->backs_up ? process_peer(PROTO_KIND_QUEUE, 0) : NULL;

	if (queue != NULL)
		SEND(queue->channel, QUEUE_BACKUP_END, queue_backup_end, 0, .client = c->number);
	c->backs_up = false;
}

static void
remove_client(struct client *c)
{
	struct client **at = &self.first;

	while (*at != NULL && *at != c)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = c->next;
	self.count--;
	end_backup(c);
	loop_timer_stop(&c->timer);
	channel_free(c->channel);
	loop_reap(free_client, c);
}

static void
log_refusal(const struct client *c, const char *command, const char *reason)
{
	char address[VERB_BY_MAX];

	(void)snprintf(address, sizeof(address), "local:%u", c->who.uid);
	log_warning("control-refused", log_text(LOG_FIELD_address, address), log_text(LOG_FIELD_command, command),
	    log_text(LOG_FIELD_reason, reason));
}

static void
closed(void *arg, const char *violation)
{
	struct client *c = arg;

	if (violation != NULL)
		log_refusal(c, c->verb == NULL ? "none" : c->verb->name, violation);
	remove_client(c);
}

/* --- answers --- */

/* Who writes a backup to a slow place may take longer between its parts. */
static void
wait_for_client(struct client *c, enum state state)
{
	c->state = state;
	loop_timer_start(&c->timer, c->backs_up ? CONTROL_BACKUP_MS : CONTROL_REQUEST_MS);
}

/* The answer is read: the next request may come. */
static void
read_on(void *arg)
{
	struct client *c = arg;

	wait_for_client(c, STATE_ASKING);
	channel_resume(c->channel);
}

static void
end_request(struct client *c)
{
	c->verb = NULL;
	c->asked_count = 0;
	wait_for_client(c, STATE_READING);
	channel_on_drained(c->channel, read_on, c);
}

static void
end_answer(struct client *c, bool ok, uint64_t count, struct str text)
{
	SEND(c->channel, ANSWER_END, answer_end, c->id, .ok = ok, .count = count, .text = text);
	end_request(c);
}

static void
pass_end(struct client *c, const struct msg_answer_end *end)
{
	channel_send(c->channel, PROTO_ANSWER_END_TYPE, c->id, end);
	end_request(c);
}

static void
send_value(struct client *c, const char *name, uint64_t value)
{
	SEND(c->channel, STATUS_VALUE, status_value, c->id, .name = str_of(name), .value = value);
}

/* What control knows by itself, and the version of the daemon as the text. */
static void
end_status(struct client *c)
{
	send_value(c, "control.session", self.count);
	send_value(c, "control.refused", self.refused);
	send_value(c, "paused.smtp", self.paused.smtp);
	send_value(c, "paused.mda", self.paused.mda);
	send_value(c, "paused.mta", self.paused.mta);
	send_value(c, "uptime", (uint64_t)(loop_now_ms() - self.started_ms) / 1000);
	send_value(c, "incomplete", c->incomplete);
	end_answer(c, true, 0, S(POSTERN_VERSION));
}

static void
say_silent(struct client *c)
{
	if (c->verb->to == VERB_TO_ALL) {
		c->incomplete = true;
		end_status(c);
		return;
	}
	end_answer(c, false, 0, S("the queue does not answer; see the log"));
}

static void
deadline(void *arg)
{
	struct client *c = arg;

	if (c->state == STATE_ANSWERING)
		say_silent(c);
	else
		remove_client(c);
}

static struct client *
find_forward(uint64_t forward)
{
	struct client *c = self.first;

	while (c != NULL && (c->state != STATE_ANSWERING || c->forward != forward))
		c = c->next;
	return c;
}

static struct asked *
find_asked(struct client *c, const struct peer *peer)
{
	size_t i;

	for (i = 0; i < c->asked_count; i++)
		if (c->asked[i].peer == peer)
			return &c->asked[i];
	return NULL;
}

static void
forget_asked(struct client *c, struct asked *asked)
{
	*asked = c->asked[--c->asked_count];
	if (c->asked_count == 0 && c->verb->to == VERB_TO_ALL)
		end_status(c);
}

/* SECURITY U02: whatever queue says, a user is shown no other's mail. */
static bool
may_see(const struct client *c, enum proto_type type, const union proto_message *msg)
{
	if (c->who.administrator)
		return true;
	if (type == PROTO_HISTORY_ENTRY_TYPE)
		return msg->history_entry.owner == c->who.uid;
	return type != PROTO_QUEUE_ENTRY_TYPE || msg->queue_entry.owner == c->who.uid;
}

bool
client_answer(struct peer *peer, uint64_t id, enum proto_type type, const union proto_message *msg)
{
	struct client *c = find_forward(id);
	struct asked *asked = c == NULL ? NULL : find_asked(c, peer);

	/* A request that is over may be answered late; one that never was, or not by that process, may not. */
	if (c == NULL)
		return id <= self.last_forward;
	if (asked == NULL)
		return false;
	if (type == PROTO_ANSWER_END_TYPE) {
		if (c->verb->to == VERB_TO_ALL)
			forget_asked(c, asked);
		else
			pass_end(c, &msg->answer_end);
		return true;
	}
	if (type == PROTO_QUEUE_PROGRESS_TYPE && c->verb->to == VERB_TO_QUEUE) {
		loop_timer_start(&c->timer, CONTROL_REQUEST_MS);
		channel_send(c->channel, type, c->id, msg);
		return true;
	}
	if (type != c->verb->answer || ++asked->parts > CONTROL_ANSWERS_MAX || !may_see(c, type, msg))
		return false;
	channel_send(c->channel, type, c->id, msg);
	if (type == PROTO_QUEUE_TEXT_TYPE) /* one piece is the whole answer */
		end_request(c);
	return true;
}

void
client_peer_gone(const struct peer *peer)
{
	struct client *c;

	for (c = self.first; c != NULL; c = c->next) {
		struct asked *asked = c->state == STATE_ANSWERING ? find_asked(c, peer) : NULL;
		if (asked == NULL)
			continue;
		c->incomplete = true;
		if (c->verb->to == VERB_TO_ALL)
			forget_asked(c, asked);
		else
			end_answer(c, false, 0, S("the queue went away; it is being restarted"));
	}
}

/* --- requests --- */

static void
ask(struct client *c, struct peer *peer, enum proto_type type, const union proto_message *msg)
{
	if (peer == NULL || c->asked_count == CONTROL_PEERS_MAX) {
		c->incomplete = true;
		return;
	}
	c->asked[c->asked_count++] = (struct asked){ .peer = peer };
	channel_send(peer->channel, type, c->forward, msg);
}

static void
ask_all(struct client *c, const union proto_message *msg)
{
	static const enum proto_kind kinds[] = { PROTO_KIND_SMTPD, PROTO_KIND_ROUTER, PROTO_KIND_QUEUE,
		PROTO_KIND_RELAY, PROTO_KIND_RESOLVER };
	struct peer *peer;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (peer = NULL; (peer = process_peer_next(kinds[i], peer)) != NULL;)
			ask(c, peer, PROTO_STATUS_ASK_TYPE, msg);
	if (c->asked_count == 0)
		end_status(c);
}

/* The parent says nothing back: it does what it is told. */
static void
tell_parent(struct client *c, enum proto_type type, const union proto_message *msg)
{
	bool *const paused[] = {
		[PROTO_PAUSE_SMTP] = &self.paused.smtp,
		[PROTO_PAUSE_MDA] = &self.paused.mda,
		[PROTO_PAUSE_MTA] = &self.paused.mta,
	};

	channel_send(process_parent(), type, 0, msg);
	if (type == PROTO_SET_PAUSE_TYPE)
		*paused[msg->set_pause.what] = msg->set_pause.paused;
	end_answer(c, true, 1, S(""));
}

static void
forward(struct client *c, enum proto_type type, const union proto_message *msg)
{
	c->forward = ++self.last_forward;
	c->state = STATE_ANSWERING;
	c->asked_count = 0;
	c->incomplete = false;
	loop_timer_start(&c->timer, CONTROL_REQUEST_MS);
	channel_pause(c->channel);
	switch (c->verb->to) {
	case VERB_TO_PARENT: tell_parent(c, type, msg); return;
	case VERB_TO_ALL: ask_all(c, msg); return;
	case VERB_TO_QUEUE: ask(c, process_peer(PROTO_KIND_QUEUE, 0), type, msg); break;
	}
	if (c->asked_count == 0)
		end_answer(c, false, 0, S("the queue is not running; see the log"));
}

/* Who changed what of the queue: an id, or what was asked for. */
static void
log_change(const char *address, const struct msg_queue_change *change)
{
	struct proto_query query;
	struct buf filters;

	PROTO_QUERY_COPY(change, &query);
	buf_init(&filters, CONTROL_QUERY_MAX);
	filter_print(&query, &filters);
	if (change->message != 0)
		log_notice("control", log_text(LOG_FIELD_address, address),
		    log_text(LOG_FIELD_command, proto_change_word(change->change)),
		    log_hex(LOG_FIELD_message, change->message), log_str(LOG_FIELD_query, buf_str(&filters)));
	else
		log_notice("control", log_text(LOG_FIELD_address, address),
		    log_text(LOG_FIELD_command, proto_change_word(change->change)),
		    log_str(LOG_FIELD_query, buf_str(&filters)));
	buf_clear(&filters);
}

static void
log_request(const struct client *c, enum proto_type type, const union proto_message *msg)
{
	char address[VERB_BY_MAX];

	/* A backup shows all mail; its first part is its beginning. */
	if (!c->verb->changes && (type != PROTO_QUEUE_BACKUP_TYPE || msg->queue_backup.offset != 0))
		return;
	(void)snprintf(address, sizeof(address), "local:%u", c->who.uid);
	if (type != PROTO_QUEUE_CHANGE_TYPE)
		log_notice("control", log_text(LOG_FIELD_address, address), log_text(LOG_FIELD_command, c->verb->name));
	else if (!msg->queue_change.dry_run)
		log_change(address, &msg->queue_change);
}

static bool
request(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	struct client *c = arg;
	const struct verb *verb = verb_find(type);
	union proto_message owned = *msg;
	char by[VERB_BY_MAX];

	(void)fd;
	if (c->state != STATE_ASKING || verb == NULL)
		return false;
	c->verb = verb;
	c->id = id;
	if (!verb_allowed(verb, &c->who)) {
		log_refusal(c, verb->name, "not an administrator");
		channel_pause(c->channel);
		end_answer(c, false, 0, S("permission denied: only root and the group _posternadm may do this"));
		return true;
	}
	log_request(c, type, msg);
	verb_own(type, &c->who, &owned, by);
	if (type == PROTO_QUEUE_BACKUP_TYPE) {
		c->backs_up = true;
		owned.queue_backup.client = c->number;
	}
	forward(c, type, &owned);
	return true;
}

/* --- accepting --- */

/* Connections of everybody, or of one user. */
static size_t
count_of(uid_t uid)
{
	const struct client *c;
	size_t n = 0;

	for (c = self.first; c != NULL; c = c->next)
		n += c->who.uid == uid;
	return n;
}

/* Why nobody may come in, NULL when one may. */
static const char *
judge(const struct identity *who)
{
	if (self.count >= CONTROL_CLIENTS_MAX)
		return "too many connections to the control socket";
	if (who->uid == 0)
		return NULL;
	if (self.count >= CONTROL_CLIENTS_MAX - CONTROL_RESERVED)
		return "too many connections to the control socket";
	if (count_of(who->uid) >= CONTROL_CLIENTS_UID_MAX)
		return "too many connections of this user to the control socket";
	return NULL;
}

/* One line a second, whatever the number (SECURITY U09). */
static void
log_turned_away(const struct client *c, const char *reason)
{
	int64_t now = loop_now_ms();

	self.refused++;
	self.refusals_unlogged++;
	if (self.refusal_logged_ms != 0 && now - self.refusal_logged_ms < CONTROL_LOG_MS)
		return;
	log_warning("control-refused", log_u64(LOG_FIELD_user, c->who.uid), log_text(LOG_FIELD_reason, reason),
	    log_u64(LOG_FIELD_count, self.refusals_unlogged));
	self.refusal_logged_ms = now;
	self.refusals_unlogged = 0;
}

/* It takes no slot: the words fit into the socket's buffer, or are lost. */
static void
turn_away(struct client *c, const char *reason)
{
	log_turned_away(c, reason);
	SEND(c->channel, ANSWER_END, answer_end, 0, .ok = false, .text = str_of(reason));
	(void)channel_flush(c->channel);
	channel_free(c->channel);
	loop_reap(free_client, c);
}

static void
take_connection(int fd)
{
	struct client *c;
	struct identity who;
	struct error err;
	const char *reason;

	if (!identity_of_peer(fd, &who, &err)) {
		log_warning("control-refused", log_text(LOG_FIELD_reason, err.text));
		(void)close(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		fatal("out of memory");
	c->who = who;
	c->number = ++self.last_number;
	c->channel = channel_new(fd, PROTO_KIND_CONTROL, PROTO_KIND_CLIENT, request, closed, c);
	reason = judge(&who);
	if (reason != NULL) {
		turn_away(c, reason);
		return;
	}
	c->next = self.first;
	self.first = c;
	self.count++;
	loop_timer_init(&c->timer, deadline, c);
	loop_timer_start(&c->timer, CONTROL_REQUEST_MS);
}

static void
rested(void *arg)
{
	(void)arg;
	loop_fd_start(&self.readable);
}

/* Without descriptors accept fails at once and for ever: wait, rather than spin. */
static void
rest(int error)
{
	log_warning("accept", log_text(LOG_FIELD_error, strerror(error)));
	loop_fd_stop(&self.readable);
	loop_timer_start(&self.rest, CONTROL_ACCEPT_BACKOFF_MS);
}

static void
accept_some(int listener, short what, void *arg)
{
	int i, fd;

	(void)what;
	(void)arg;
	for (i = 0; i < CONTROL_ACCEPTS_MAX; i++) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd == -1) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
				rest(errno);
			return;
		}
		take_connection(fd);
	}
}

void
client_listen(int fd)
{
	self.listener = fd;
}

void
client_start(void)
{
	self.started_ms = loop_now_ms();
	if (self.listener == -1)
		return;
	loop_timer_init(&self.rest, rested, NULL);
	loop_fd_init(&self.readable, self.listener, LOOP_READ, accept_some, NULL);
	loop_fd_start(&self.readable);
}

void
client_stop(void)
{
	loop_timer_stop(&self.rest);
	loop_fd_stop(&self.readable);
	if (self.listener != -1)
		(void)close(self.listener);
	self.listener = -1;
	while (self.first != NULL) {
		(void)channel_flush(self.first->channel);
		remove_client(self.first);
	}
}
