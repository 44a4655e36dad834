/* SPDX-License-Identifier: ISC */
#include "smtpd/transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/process.h"
#include "smtpd/limits.h"
#include "smtpd/listener.h"
#include "smtpd/received.h"
#include "smtpd/rejection.h"
#include "smtpd/session.h"

enum { RANGES = 2 }; /* grants come before the last one is used up */

static int
compare(struct transaction *a, struct transaction *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_HEAD(transactions, transaction);
TREE_STATIC(transactions, transaction, entry, compare);

static struct {
	struct transactions by_id;
	struct {
		uint64_t next;
		uint64_t end;
	} grants[RANGES];
	uint64_t last_id; /* ids rise: one above it was never used */
	uint64_t room;
	bool room_told;     /* by the queue that is there now */
	bool router_behind; /* more than enough waits for it to read */
	bool queue_behind;
	size_t tickets; /* bytes, of all questions and transactions */
	uint64_t accepted;
	bool concluding; /* replies are being given in their turn */
} self = { .by_id = RB_INITIALIZER(&self.by_id) };

uint64_t
transaction_count_accepted(void)
{
	return self.accepted;
}

void
transaction_set_room(uint64_t bytes)
{
	self.room = bytes;
	self.room_told = true;
}

uint64_t
transaction_room(void)
{
	return self.room;
}

/* --- ids --- */

void
transaction_grant(uint64_t first, uint64_t count)
{
	size_t i = self.grants[0].next == self.grants[0].end ? 0 : 1;

	self.grants[i].next = first;
	self.grants[i].end = first + count;
}

static bool
take_id(uint64_t *id)
{
	if (self.grants[0].next == self.grants[0].end) {
		self.grants[0] = self.grants[1];
		self.grants[1].next = self.grants[1].end = 0;
	}
	if (self.grants[0].next == self.grants[0].end)
		return false;
	*id = self.last_id = self.grants[0].next++;
	return true;
}

static struct transaction *
find(uint64_t id)
{
	struct transaction key = { .id = id };

	return RB_FIND(transactions, &self.by_id, &key);
}

static struct channel *
queue_channel(void)
{
	struct peer *queue = process_peer(PROTO_KIND_QUEUE, 0);

	return queue == NULL ? NULL : queue->channel;
}

bool
transaction_has_queue(void)
{
	return self.room_told;
}

/* --- peers that do not read --- */

static void
wake_all(void)
{
	struct session *s;

	for (s = session_next(NULL); s != NULL; s = session_next(s))
		session_wake(s);
}

static void
caught_up(void *arg)
{
	bool *behind = arg;

	*behind = false;
	wake_all();
}

/* After something was sent. Sessions go on when all of it was read, so that none is kept waiting by the others. */
static void
note_pace(struct channel *c, bool *behind)
{
	if (*behind || !channel_is_behind(c, SMTPD_PEER_BEHIND))
		return;
	*behind = true;
	channel_on_drained(c, caught_up, behind);
}

bool
transaction_router_reads(void)
{
	return !self.router_behind;
}

/* --- beginning --- */

bool
transaction_begin(struct session *s, const struct address *reverse_path, const struct parameters *parameters)
{
	struct transaction *t;
	uint64_t id;

	if (queue_channel() == NULL || !take_id(&id))
		return false;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		fatal("out of memory");
	t->id = id;
	t->session = s;
	t->body = parameters->body;
	t->ret = parameters->ret;
	(void)str_copy(parameters->envid, t->envid, sizeof(t->envid));
	(void)address_format(reverse_path, t->reverse_path);
	TAILQ_INIT(&t->questions);
	buf_init(&t->tickets, SMTPD_TICKETS_SIZE_MAX);
	buf_init(&t->chunk, SMTPD_CHUNK);
	s->transaction = t;
	(void)RB_INSERT(transactions, &self.by_id, t);
	return true;
}

/* --- recipients --- */

static void
clear_tickets(struct buf *tickets)
{
	self.tickets -= tickets->len;
	buf_clear(tickets);
}

/* The router takes the client's address from the socket itself, once; a router that was restarted has to be told again. */
static void
introduce_to(struct peer *router, struct session *s)
{
	if (s->router_generation == router->generation)
		return;
	SEND_SHARED(router->channel, SESSION_OPEN, session_open, s->id, s->shared_fd, .listener = s->listener->index);
	s->router_generation = router->generation;
}

bool
transaction_ask(struct session *s, const struct address *forward_path, const struct parameters *parameters)
{
	struct peer *router = process_peer(PROTO_KIND_ROUTER, 0);
	struct transaction *t = s->transaction;
	struct question *q;

	if (router == NULL || t->lost)
		return false;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		fatal("out of memory");
	q->number = t->asked++;
	q->no_tickets = REPLY_COUNT;
	(void)address_format(forward_path, q->forward_path);
	q->notify = parameters->notify;
	if (parameters->orcpt.len > 0 && (q->orcpt = strndup(parameters->orcpt.ptr, parameters->orcpt.len)) == NULL)
		fatal("out of memory");
	buf_init(&q->tickets, SMTPD_TICKETS_SIZE_MAX);
	TAILQ_INSERT_TAIL(&t->questions, q, next);
	t->pending++;
	introduce_to(router, s);
	SEND(router->channel, RCPT_CHECK, rcpt_check, s->id, .transaction = t->id, .number = q->number,
	    .helo = str_of(s->helo), .reverse_path = str_of(t->reverse_path), .forward_path = str_of(q->forward_path));
	note_pace(router->channel, &self.router_behind);
	session_wake(s);
	return true;
}

static void
free_question(struct transaction *t, struct question *q)
{
	TAILQ_REMOVE(&t->questions, q, next);
	t->pending--;
	clear_tickets(&q->tickets);
	free(q->orcpt);
	free(q->text);
	free(q);
}

static void
log_rejected(const struct session *s, const struct question *q)
{
	char reply[PROTO_REPLY_MAX + 32];

	(void)snprintf(reply, sizeof(reply), "%u %s %s", q->code, q->enhanced, q->text);
	log_info("rejected", log_hex(LOG_FIELD_session, s->id), log_text(LOG_FIELD_address, s->address),
	    log_text(LOG_FIELD_helo, s->helo), log_text(LOG_FIELD_from, s->transaction->reverse_path),
	    log_text(LOG_FIELD_to, q->forward_path), log_text(LOG_FIELD_reply, reply));
}

bool
transaction_holds_replies(const struct session *s)
{
	return s->transaction != NULL && s->transaction->pending > 0 && !s->ending && !self.concluding;
}

void
transaction_hold_reply(struct session *s, struct str bytes)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q == NULL || (q->text = strndup(bytes.ptr, bytes.len)) == NULL)
		fatal("out of memory");
	q->number = UINT64_MAX; /* the router is not asked about it */
	q->answered = true;
	buf_init(&q->tickets, 0);
	TAILQ_INSERT_TAIL(&s->transaction->questions, q, next);
	s->transaction->pending++;
}

/* What stands before the tickets of an accepted recipient: the bytes of ORCPT, then the tickets. */
struct rcpt_head {
	uint32_t tickets_len;
	uint16_t orcpt_len;
	uint8_t notify;
};

/* The tickets of an accepted recipient become the transaction's. Returns what is to be said instead, else REPLY_COUNT. */
static enum reply
keep_tickets(struct transaction *t, struct question *q)
{
	struct str orcpt = str_of(q->orcpt == NULL ? "" : q->orcpt);
	struct rcpt_head head = { (uint32_t)q->tickets.len, (uint16_t)orcpt.len, (uint8_t)q->notify };
	size_t size = sizeof(head) + orcpt.len + q->tickets.len;

	if (t->lost)
		return REPLY_TEMPORARY;
	if (q->no_tickets != REPLY_COUNT)
		return q->no_tickets;
	if (self.tickets - q->tickets.len + size > SMTPD_TICKETS_TOTAL_MAX)
		return REPLY_NO_ROOM;
	if (buf_reserve(&t->tickets, size) == NULL)
		return REPLY_TOO_MANY_RCPTS;
	(void)buf_append(&t->tickets, &head, sizeof(head));
	(void)buf_append_str(&t->tickets, orcpt);
	(void)buf_append_str(&t->tickets, buf_str(&q->tickets));
	self.tickets += size;
	return REPLY_COUNT;
}

static void
conclude(struct session *s, struct question *q)
{
	struct transaction *t = s->transaction;
	enum reply refusal;

	if (q->code == 0) {
		session_write(s, str_of(q->text));
		return;
	}
	if (q->code < 300 && (refusal = keep_tickets(t, q)) != REPLY_COUNT) {
		rejection_tell_reply(s, NULL, q->forward_path, refusal, NULL);
		session_say(s, refusal, NULL);
		return;
	}
	session_reply_raw(s, q->code, str_of(q->enhanced), str_of(q->text));
	if (q->code >= 300) {
		log_rejected(s, q);
		if (q->code >= 400)
			rejection_tell(s, q->forward_path, q->code, str_of(q->enhanced), str_of(q->text));
		if (q->code >= 500)
			s->unknown_rcpts++;
		return;
	}
	if (t->rcpts++ == 0)
		(void)strlcpy(t->first_rcpt, q->forward_path, sizeof(t->first_rcpt));
	if (s->state == STATE_MAIL)
		session_enter(s, STATE_RCPT);
}

/* Answers the client in the order it asked, whatever the order of the verdicts; nothing follows the session's last word. */
static void
answer_in_order(struct session *s)
{
	struct transaction *t = s->transaction;
	struct question *q;

	while (!s->ending && (q = TAILQ_FIRST(&t->questions)) != NULL && q->answered) {
		self.concluding = true;
		conclude(s, q);
		self.concluding = false;
		free_question(t, q);
	}
	session_wake(s);
}

/*
 * What an answer is to; NULL where it answers nothing: *late tells whether it may have, before the transaction came to its
 * end. While it lives, all that is unanswered is here.
 */
static struct question *
find_question(uint64_t session, uint64_t transaction, uint64_t number, bool *late)
{
	struct transaction *t = find(transaction);
	struct question *q;

	*late = t == NULL && transaction <= self.last_id;
	if (t == NULL || t->session->id != session)
		return NULL;
	TAILQ_FOREACH (q, &t->questions, next)
		if (q->number == number && !q->answered)
			return q;
	return NULL;
}

/* Keeps a ticket, behind its length. Returns what is to be said of the recipient when it does not fit, else REPLY_COUNT. */
static enum reply
keep_ticket(struct question *q, struct str ticket)
{
	uint32_t len = (uint32_t)ticket.len;
	size_t size = sizeof(len) + len;
	char *room;

	if (q->tickets.len + size > q->tickets.max)
		return REPLY_TOO_MANY_RCPTS;
	if (self.tickets + size > SMTPD_TICKETS_TOTAL_MAX || (room = buf_reserve(&q->tickets, size)) == NULL)
		return REPLY_NO_ROOM;
	memcpy(room, &len, sizeof(len));
	memcpy(room + sizeof(len), ticket.ptr, len);
	buf_commit(&q->tickets, size);
	self.tickets += size;
	return REPLY_COUNT;
}

bool
transaction_ticket(uint64_t session, const struct msg_rcpt_ticket *ticket)
{
	bool late;
	struct question *q = find_question(session, ticket->transaction, ticket->number, &late);

	if (q == NULL)
		return late;
	q->ticket_count++;
	if (q->no_tickets == REPLY_COUNT)
		q->no_tickets = keep_ticket(q, ticket->ticket);
	if (q->no_tickets != REPLY_COUNT)
		clear_tickets(&q->tickets);
	return true;
}

bool
transaction_verdict(uint64_t session, const struct msg_rcpt_verdict *verdict)
{
	bool late;
	struct question *q = find_question(session, verdict->transaction, verdict->number, &late);

	if (q == NULL)
		return late;
	if (verdict->code < 200 || (verdict->code < 300 && verdict->tickets != q->ticket_count))
		return false;
	q->answered = true;
	q->code = (unsigned)verdict->code;
	q->text = strndup(verdict->text.ptr, verdict->text.len);
	if (q->text == NULL || !str_copy(verdict->enhanced, q->enhanced, sizeof(q->enhanced)))
		fatal("out of memory");
	answer_in_order(session_find(session));
	return true;
}

/* --- the body --- */

void
transaction_start_data(struct session *s, uint64_t size_max)
{
	data_init(&s->transaction->data, size_max);
	s->transaction->started_ms = loop_now_ms();
}

/* The first len bytes of *rest, which is behind them then. */
static struct str
cut_bytes(struct str *rest, size_t len)
{
	struct str bytes = { rest->ptr, len };

	rest->ptr += len;
	rest->len -= len;
	return bytes;
}

static void
send_envelope(struct transaction *t, struct channel *queue)
{
	struct str rest = buf_str(&t->tickets);

	SEND(queue, BEGIN, begin, t->id, .session = t->session->id, .reverse_path = str_of(t->reverse_path),
	    .body = t->body, .ret = t->ret, .envid = str_of(t->envid));
	while (rest.len > 0) {
		struct rcpt_head head;
		struct str orcpt, tickets;
		memcpy(&head, cut_bytes(&rest, sizeof(head)).ptr, sizeof(head));
		orcpt = cut_bytes(&rest, head.orcpt_len);
		tickets = cut_bytes(&rest, head.tickets_len);
		while (tickets.len > 0) {
			uint32_t len;
			memcpy(&len, cut_bytes(&tickets, sizeof(len)).ptr, sizeof(len));
			SEND(queue, RCPT, rcpt, t->id, .ticket = cut_bytes(&tickets, len), .notify = head.notify,
			    .orcpt = orcpt);
		}
	}
	clear_tickets(&t->tickets);
	t->begun = true;
}

/* What was gathered goes to the queue, behind the envelope if that has not gone yet. */
static void
send_chunk(struct transaction *t)
{
	struct channel *queue = queue_channel();

	if (queue == NULL || t->lost) {
		t->lost = true;
		buf_reset(&t->chunk);
		return;
	}
	if (!t->begun)
		send_envelope(t, queue);
	if (t->chunk.len > 0)
		SEND(queue, BODY, body, t->id, .bytes = buf_str(&t->chunk));
	t->in_flight += t->chunk.len;
	buf_reset(&t->chunk);
	note_pace(queue, &self.queue_behind);
}

bool
transaction_has_room(const struct session *s)
{
	const struct transaction *t = s->transaction;

	if (self.queue_behind)
		return false;
	return t->chunk.len < SMTPD_CHUNK - 2 || t->in_flight + SMTPD_CHUNK <= SMTPD_WINDOW;
}

static enum reply
reply_of_flaw(enum data_flaw flaw)
{
	switch (flaw) {
	case DATA_BARE: return REPLY_BARE_IN_DATA;
	case DATA_TOO_BIG: return REPLY_TOO_BIG;
	case DATA_LINE_TOO_LONG: return REPLY_TEXT_LINE_TOO_LONG;
	case DATA_HEADER_TOO_BIG: return REPLY_HEADER_TOO_BIG;
	case DATA_TOO_MANY_HOPS: return REPLY_LOOP;
	case DATA_SOUND: break;
	}
	return REPLY_TEMPORARY;
}

static void
refuse(struct session *s, enum reply reply)
{
	char size[24];

	(void)snprintf(size, sizeof(size), "%llu", (unsigned long long)s->transaction->data.size_max);
	log_info("rejected", log_hex(LOG_FIELD_session, s->id), log_text(LOG_FIELD_address, s->address),
	    log_text(LOG_FIELD_helo, s->helo), log_hex(LOG_FIELD_message, s->transaction->id),
	    log_text(LOG_FIELD_from, s->transaction->reverse_path), log_u64(LOG_FIELD_code, reply_code(reply)));
	rejection_tell_reply(s, NULL, s->transaction->rcpts == 1 ? s->transaction->first_rcpt : NULL, reply, size);
	transaction_drop(s);
	session_enter(s, STATE_READY);
	session_say(s, reply, size);
}

/* Its whole text is here: the rest of it and COMMIT leave when the window has room for that rest. */
static void
commit(struct session *s)
{
	struct transaction *t = s->transaction;
	struct buf preamble;

	if (t->in_flight + t->chunk.len > SMTPD_WINDOW)
		return;
	send_chunk(t);
	if (t->lost) {
		refuse(s, t->no_room ? REPLY_NO_ROOM : REPLY_TEMPORARY);
		return;
	}
	t->committed = true;
	buf_init(&preamble, PROTO_PREAMBLE_MAX);
	if (!received_write(s, &preamble))
		fatal("a Received field does not fit");
	SEND(queue_channel(), COMMIT, commit, t->id, .size = t->data.size, .message_id = data_message_id(&t->data),
	    .preamble = buf_str(&preamble));
	buf_clear(&preamble);
}

bool
transaction_take(struct session *s, struct str *in)
{
	struct transaction *t = s->transaction;
	enum data_flaw before = t->data.flaw;
	bool end = data_take(&t->data, in, &t->chunk);

	if (t->data.flaw != DATA_SOUND) {
		buf_reset(&t->chunk);
		if (before == DATA_SOUND && t->begun && queue_channel() != NULL) {
			SEND(queue_channel(), ABORT, abort, t->id, .nothing = false);
			t->begun = false; /* nothing more of it goes there */
		}
	} else if (!end && SMTPD_CHUNK - t->chunk.len < 2 && t->in_flight + SMTPD_CHUNK <= SMTPD_WINDOW) {
		send_chunk(t);
	}
	if (!end)
		return false;
	if (t->data.flaw == DATA_SOUND) {
		session_enter(s, STATE_STORE);
		commit(s);
	} else {
		refuse(s, reply_of_flaw(t->data.flaw));
	}
	return true;
}

/* --- the end --- */

static void
forget(struct transaction *t)
{
	struct question *q;

	while ((q = TAILQ_FIRST(&t->questions)) != NULL)
		free_question(t, q);
	(void)RB_REMOVE(transactions, &self.by_id, t);
	t->session->transaction = NULL;
	clear_tickets(&t->tickets);
	buf_clear(&t->chunk);
	free(t);
}

void
transaction_drop(struct session *s)
{
	struct transaction *t = s->transaction;
	struct channel *queue = queue_channel();

	if (t == NULL)
		return;
	if (t->begun && !t->lost && queue != NULL)
		SEND(queue, ABORT, abort, t->id, .nothing = false);
	forget(t);
}

/* Whether the queue may speak of it: it was told BEGIN, whatever followed. Of one that is over here the id tells. */
static bool
is_told(const struct transaction *t, uint64_t id)
{
	return t == NULL ? id <= self.last_id : t->begun || t->data.flaw != DATA_SOUND;
}

bool
transaction_credit(uint64_t id, uint64_t bytes)
{
	struct transaction *t = find(id);

	if (t == NULL || !is_told(t, id))
		return is_told(t, id);
	t->in_flight -= bytes < t->in_flight ? (size_t)bytes : t->in_flight;
	if (t->session->state == STATE_STORE && !t->committed)
		commit(t->session);
	session_wake(t->session);
	return true;
}

bool
transaction_done(uint64_t id)
{
	struct transaction *t = find(id);
	struct session *s;
	char text[24];

	if (t == NULL || !t->committed)
		return t == NULL && is_told(t, id);
	s = t->session;
	(void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)id);
	log_info("accepted", log_hex(LOG_FIELD_session, s->id), log_hex(LOG_FIELD_message, id),
	    log_text(LOG_FIELD_address, s->address), log_text(LOG_FIELD_helo, s->helo),
	    log_text(LOG_FIELD_from, t->reverse_path), log_u64(LOG_FIELD_rcpts, t->rcpts),
	    log_u64(LOG_FIELD_size, t->data.size), log_text(LOG_FIELD_proto, s->extended ? "ESMTP" : "SMTP"));
	self.accepted++;
	s->mails++;
	s->idle_commands = 0;
	forget(t);
	session_enter(s, STATE_READY);
	session_reply(s, REPLY_ACCEPTED, text);
	session_wake(s);
	return true;
}

static void
lose(struct transaction *t, enum proto_refusal reason)
{
	struct session *s = t->session;

	t->lost = true;
	t->no_room = reason == PROTO_REFUSAL_NO_ROOM;
	t->in_flight = 0;
	if (s->state == STATE_STORE)
		refuse(s, t->no_room ? REPLY_NO_ROOM : REPLY_TEMPORARY);
	session_wake(s);
}

bool
transaction_refused(uint64_t id, enum proto_refusal reason)
{
	struct transaction *t = find(id);

	if (t == NULL || !is_told(t, id))
		return is_told(t, id);
	lose(t, reason);
	return true;
}

void
transaction_queue_gone(void)
{
	struct session *s;

	memset(self.grants, 0, sizeof(self.grants));
	self.room = 0;
	self.room_told = false;
	caught_up(&self.queue_behind);
	for (s = session_next(NULL); s != NULL; s = session_next(s))
		if (s->transaction != NULL)
			lose(s->transaction, PROTO_REFUSAL_TEMPORARY);
}

/* What the router was asked and has not answered. Tickets that it gave before stay good: the key outlives it. */
void
transaction_router_gone(void)
{
	struct session *s;
	struct question *q;

	caught_up(&self.router_behind);
	for (s = session_next(NULL); s != NULL; s = session_next(s)) {
		if (s->transaction == NULL || s->transaction->pending == 0)
			continue;
		TAILQ_FOREACH (q, &s->transaction->questions, next) {
			if (q->answered)
				continue;
			q->answered = true;
			q->code = reply_code(REPLY_TEMPORARY);
			(void)strlcpy(q->enhanced, "4.3.0", sizeof(q->enhanced));
			q->text = strdup("Temporary failure, try again later");
			if (q->text == NULL)
				fatal("out of memory");
		}
		answer_in_order(s);
	}
}
