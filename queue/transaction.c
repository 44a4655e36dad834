/* SPDX-License-Identifier: ISC */
#include "queue/transaction.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/tree.h"
#include "queue/accept.h"
#include "queue/client.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/limits.h"
#include "queue/room.h"
#include "queue/ticket.h"
#include "queue/upkeep.h"

static struct {
	TAILQ_HEAD(streams, transaction) streams;
	size_t count;
	size_t bytes;
} incoming = { .streams = TAILQ_HEAD_INITIALIZER(incoming.streams) };

static int
compare_transaction(struct transaction *a, struct transaction *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

TREE_STATIC(transactions, transaction, node, compare_transaction);

/* --- life of a transaction --- */

static struct transaction *
find(struct client *c, uint64_t id)
{
	struct transaction key = { .id = id };

	return RB_FIND(transactions, &c->transactions, &key);
}

static void
set_reserved(struct transaction *t, size_t bytes)
{
	incoming.bytes = incoming.bytes - t->reserved + bytes;
	t->reserved = bytes;
}

static void
count_memory(struct transaction *t)
{
	set_reserved(t,
	    sizeof(*t) + t->reverse_path.len + t->origin.len + t->rcpts_bytes + body_text_size(t->body) -
		t->dropped * BODY_BLOCK);
}

static void
drop_blocks(struct transaction *t)
{
	while (t->dropped < t->on_disk)
		body_drop_block(t->body, t->dropped++);
	count_memory(t);
}

/* What is on disk is read from there for the delivery: of those that came first, which may have stalled. */
static void
relieve(void)
{
	struct transaction *t;
	unsigned n;

	for (n = 0; n < QUEUE_INCOMING_RELIEF && incoming.bytes > QUEUE_INCOMING_TIGHT_BYTES; n++) {
		t = TAILQ_FIRST(&incoming.streams);
		if (t == NULL)
			return;
		TAILQ_REMOVE(&incoming.streams, t, stream);
		TAILQ_INSERT_TAIL(&incoming.streams, t, stream);
		if (!t->dead && !t->committed)
			drop_blocks(t);
	}
}

/* Whether so many bytes more may be held for t. */
static bool
is_room_for(const struct transaction *t, size_t bytes)
{
	size_t max = t->local ? QUEUE_INCOMING_BYTES : QUEUE_INCOMING_BYTES - QUEUE_INCOMING_LOCAL_BYTES;

	relieve();
	return incoming.bytes + bytes <= max;
}

static void
free_transaction(struct transaction *t)
{
	if (t->streaming)
		TAILQ_REMOVE(&incoming.streams, t, stream);
	set_reserved(t, 0);
	incoming.count--;
	body_free(t->body);
	buf_clear(&t->envelope);
	rcpts_free(&t->rcpts);
	free((void *)(uintptr_t)t->reverse_path.ptr);
	free((void *)(uintptr_t)t->origin.ptr);
	free((void *)(uintptr_t)t->message_id.ptr);
	free(t);
}

static void
leave_client(struct transaction *t)
{
	if (t->client == NULL)
		return;
	RB_REMOVE(transactions, &t->client->transactions, t);
	t->client->count--;
	t->client = NULL;
}

/* Its pieces on disk are nobody's any more, and it is freed as soon as the committer has no step of it. */
static void
drop(struct transaction *t)
{
	leave_client(t);
	t->dead = true;
	if (t->pending > 0)
		return;
	if (t->streaming)
		upkeep_sweep_soon();
	free_transaction(t);
}

static bool
refuse(struct transaction *t, enum proto_refusal reason)
{
	if (t->client != NULL)
		client_refuse(t->client, t->id, reason, !t->committed);
	drop(t);
	return true;
}

static bool
copy_str(struct str s, struct str *out)
{
	char *copy = malloc(s.len + 1);

	if (copy == NULL)
		return false;
	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	*out = (struct str){ copy, s.len };
	return true;
}

static struct transaction *
new_transaction(struct client *c, uint64_t id, const struct msg_begin *begin)
{
	struct transaction *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->body = body_new();
	if (t->body == NULL || !copy_str(begin->reverse_path, &t->reverse_path)) {
		body_free(t->body);
		free(t);
		return NULL;
	}
	buf_init(&t->envelope, JOURNAL_BATCH_BYTES);
	t->id = id;
	t->client = c;
	t->body_type = begin->body;
	t->ret = begin->ret;
	(void)str_copy(begin->envid, t->envid, sizeof(t->envid));
	t->owner = PROTO_OWNER_NONE;
	t->tickets_rise = true;
	STAILQ_INIT(&t->rcpts);
	incoming.count++;
	count_memory(t);
	RB_INSERT(transactions, &c->transactions, t);
	c->count++;
	return t;
}

/* --- the messages --- */

/* Why no transaction may begin now; false when one may. */
static bool
must_refuse(const struct client *c, enum proto_refusal *reason)
{
	*reason = room_is_left() ? PROTO_REFUSAL_TEMPORARY : PROTO_REFUSAL_NO_ROOM;
	return !room_is_left() || c->count >= QUEUE_TRANSACTIONS_MAX || incoming.bytes >= QUEUE_INCOMING_BYTES;
}

bool
transaction_begin(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct client *c = peer->data;
	enum proto_refusal reason = PROTO_REFUSAL_TEMPORARY;
	bool refused = false;

	(void)fd;
	if (!client_owns(c, id))
		return false;
	switch (used_take(&c->used, id)) {
	case USED_BEFORE: return false;
	case USED_TOO_OLD: refused = true; break; /* a client that took its time */
	case USED_FRESH: refused = must_refuse(c, &reason); break;
	}
	client_grant(c);
	if (refused || new_transaction(c, id, &msg->begin) == NULL)
		client_refuse(c, id, reason, true);
	return true;
}

/*
 * Finds the transaction a message is about, NULL with *ok saying whether that is the peer's fault: it is not when it was
 * refused and the client could not know yet.
 */
static struct transaction *
about(struct peer *peer, uint64_t id, bool *ok)
{
	struct client *c = peer->data;
	struct transaction *t = find(c, id);

	*ok = t != NULL ? !t->committed : client_has_refused(c, id);
	return *ok ? t : NULL;
}

/* All tickets of a transaction are about one client. */
static bool
same_origin(struct transaction *t, struct str origin, uint64_t owner)
{
	if (t->rcpts_count > 0)
		return str_equal(t->origin, origin) && t->owner == owner;
	t->owner = owner;
	t->local = str_starts_nocase(origin, S("local:"));
	return copy_str(origin, &t->origin);
}

static void
add_rcpt(struct transaction *t, struct rcpt *r)
{
	if (t->rcpts_count > 0 && r->ticket <= t->last_ticket)
		t->tickets_rise = false;
	t->last_ticket = r->ticket;
	r->number = t->rcpts_count++;
	STAILQ_INSERT_TAIL(&t->rcpts, r, next);
	t->rcpts_bytes += rcpt_memory(r);
	count_memory(t);
}

bool
transaction_rcpt(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	bool ok;
	struct transaction *t = about(peer, id, &ok);
	struct ticket_context context;
	struct rcpt *r = NULL;
	struct str origin;
	uint64_t owner;

	(void)fd;
	if (t == NULL)
		return ok;
	if (body_size(t->body) > 0)
		return false; /* recipients come before the body */
	context = (struct ticket_context){ .transaction = id,
		.reverse_path = t->reverse_path,
		.wall_ms = loop_wall_ms(),
		.now_ms = clock_ms(),
		.default_ttl_s = core.config->queue_ttl_s,
		.notify = (unsigned)msg->rcpt.notify,
		.orcpt = msg->rcpt.orcpt };
	switch (ticket_open(core.tickets, msg->rcpt.ticket, &context, &r, &origin, &owner)) {
	case TICKET_FORGED: return false;
	case TICKET_REFUSED: return refuse(t, PROTO_REFUSAL_TICKET);
	case TICKET_GOOD: break;
	}
	if (r == NULL)
		return refuse(t, PROTO_REFUSAL_TEMPORARY);
	if (t->rcpts_count >= QUEUE_RCPTS_MAX || !same_origin(t, origin, owner)) {
		rcpt_free(r);
		return refuse(t, PROTO_REFUSAL_TICKET);
	}
	if (!is_room_for(t, rcpt_memory(r))) {
		rcpt_free(r);
		return refuse(t, PROTO_REFUSAL_TEMPORARY);
	}
	add_rcpt(t, r);
	return true;
}

static void
hand_over_blocks(struct transaction *t)
{
	while ((t->handed + 1) * BODY_BLOCK <= body_size(t->body)) {
		if (!t->streaming) {
			t->streaming = true;
			TAILQ_INSERT_TAIL(&incoming.streams, t, stream);
		}
		t->pending++;
		accept_block(t, t->handed++);
	}
}

bool
transaction_body(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	bool ok;
	struct transaction *t = about(peer, id, &ok);
	struct str bytes = msg->body.bytes;

	(void)fd;
	if (bytes.len == 0)
		return false;
	if (t == NULL)
		return ok;
	t->uncredited += bytes.len;
	if (t->uncredited > QUEUE_WINDOW_BYTES)
		return false;
	if (!is_room_for(t, bytes.len) || !body_append(t->body, bytes))
		return refuse(t, PROTO_REFUSAL_TEMPORARY);
	count_memory(t);
	hand_over_blocks(t);
	return true;
}

static int
compare_u64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Whether no ticket was used twice. They come in rising order but for answers of router that overtook each other. */
static bool
tickets_differ(const struct transaction *t)
{
	uint64_t *seen;
	struct rcpt *r;
	size_t n = 0, i;
	bool differ = true;

	if (t->tickets_rise)
		return true;
	seen = reallocarray(NULL, t->rcpts_count, sizeof(*seen));
	if (seen == NULL)
		return false;
	STAILQ_FOREACH (r, &t->rcpts, next)
		seen[n++] = r->ticket;
	qsort(seen, n, sizeof(*seen), compare_u64);
	for (i = 1; i < n; i++)
		differ = differ && seen[i] != seen[i - 1];
	free(seen);
	return differ;
}

/* Its last step goes only when all before it are on disk: a block that found no room must not leave a hole in a message. */
static void
accept_when_blocks_are_stored(struct transaction *t)
{
	if (t->pending > 0)
		return;
	t->pending++;
	accept_message(t);
}

bool
transaction_commit(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	bool ok;
	struct transaction *t = about(peer, id, &ok);
	struct client *c = peer->data;

	(void)fd;
	if (t == NULL) {
		(void)client_forget_refused(c, id);
		return ok;
	}
	if (msg->commit.size != body_size(t->body))
		return false;
	t->committed = true;
	if (t->rcpts_count == 0 || !tickets_differ(t))
		return refuse(t, PROTO_REFUSAL_TICKET);
	if (!is_room_for(t, msg->commit.preamble.len) || !body_set_preamble(t->body, msg->commit.preamble) ||
	    !copy_str(msg->commit.message_id, &t->message_id))
		return refuse(t, PROTO_REFUSAL_TEMPORARY);
	count_memory(t);
	accept_when_blocks_are_stored(t);
	return true;
}

/* Also after COMMIT, when the client of smtpd went away: too late, the message is taken. */
bool
transaction_abort(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct client *c = peer->data;
	struct transaction *t = find(c, id);

	(void)msg;
	(void)fd;
	if (t != NULL) {
		if (!t->committed)
			drop(t);
		return true;
	}
	return client_forget_refused(c, id) || client_owns(c, id);
}

/* --- what the committer says --- */

void
transaction_credit(struct transaction *t, size_t bytes)
{
	if (bytes == 0)
		return;
	t->uncredited -= bytes;
	if (t->client != NULL && !t->committed)
		SEND(t->client->peer->channel, CREDIT, credit, t->id, .bytes = bytes);
}

void
transaction_stored_block(struct transaction *t, size_t credit, enum store_failure failure)
{
	t->pending--;
	if (failure == STORE_FAILED)
		core_store_failed();
	if (t->dead) {
		drop(t);
		return;
	}
	if (failure != STORE_OK) {
		if (failure == STORE_NO_ROOM)
			room_failed();
		(void)refuse(t, failure == STORE_NO_ROOM ? PROTO_REFUSAL_NO_ROOM : PROTO_REFUSAL_TEMPORARY);
		return;
	}
	t->on_disk++;
	transaction_credit(t, credit);
	/* Blocks of a body that is too large to stay leave memory as they come to be on disk. */
	if (body_size(t->body) > QUEUE_HOT_MESSAGE_BYTES)
		drop_blocks(t);
	if (t->committed)
		accept_when_blocks_are_stored(t);
}

/* It may be told: what is left to do is ours. */
void
transaction_kept(struct transaction *t)
{
	if (t->client != NULL)
		SEND(t->client->peer->channel, DONE, done, t->id, .nothing = false);
	leave_client(t);
}

void
transaction_stored(struct transaction *t, enum store_failure failure)
{
	t->pending--;
	if (failure == STORE_OK) {
		transaction_kept(t);
		if (t->streaming)
			TAILQ_REMOVE(&incoming.streams, t, stream);
		t->streaming = false;
		free_transaction(t);
		room_changed();
		return;
	}
	if (failure == STORE_NO_ROOM)
		room_failed();
	else
		core_store_failed();
	(void)refuse(t, failure == STORE_NO_ROOM ? PROTO_REFUSAL_NO_ROOM : PROTO_REFUSAL_TEMPORARY);
}

uint64_t *
transactions_streaming(size_t *count)
{
	struct transaction *t;
	uint64_t *list;
	size_t n = 0;

	TAILQ_FOREACH (t, &incoming.streams, stream)
		n += !t->dead;
	*count = n;
	if (n == 0)
		return NULL;
	list = reallocarray(NULL, n, sizeof(*list));
	if (list == NULL)
		return NULL;
	n = 0;
	TAILQ_FOREACH (t, &incoming.streams, stream)
		if (!t->dead)
			list[n++] = t->id;
	qsort(list, n, sizeof(*list), compare_u64);
	return list;
}

size_t
transactions_count(void)
{
	return incoming.count;
}

size_t
transactions_bytes(void)
{
	return incoming.bytes;
}

/* --- smtpd comes and goes --- */

void
client_new(struct peer *peer)
{
	peer->data = client_make(peer);
	room_tell(peer);
}

void
client_gone(struct peer *peer)
{
	struct client *c = peer->data;
	struct transaction *t;

	while ((t = RB_MIN(transactions, &c->transactions)) != NULL) {
		if (t->committed)
			leave_client(t); /* it may have been told of: it goes on */
		else
			drop(t);
	}
	client_free(c);
	peer->data = NULL;
}

void
clients_grant(void)
{
	struct peer *p = NULL;

	while ((p = process_peer_next(PROTO_KIND_SMTPD, p)) != NULL)
		if (p->data != NULL)
			client_grant(p->data);
}
