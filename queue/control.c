/* SPDX-License-Identifier: ISC */
#include "queue/control.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/again.h"
#include "queue/barrier.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/dispatch.h"
#include "queue/limits.h"
#include "queue/listing.h"
#include "queue/load.h"
#include "queue/mailboxes.h"
#include "queue/outcome.h"
#include "queue/transaction.h"

enum request_kind { REQUEST_STATUS, REQUEST_LIST, REQUEST_READ, REQUEST_SCHEDULE, REQUEST_REMOVE };

/* A request that takes more than one turn. */
struct request {
	TAILQ_ENTRY(request) next;
	enum request_kind kind;
	struct peer *peer; /* NULL: it is gone */
	uint64_t id;
	uint64_t owner;
	uint64_t message; /* 0: all */
	uint64_t at;      /* message that is looked at, or was looked at last */
	uint32_t from;    /* its recipient to go on with */
	bool within;      /* `at` is not done with */
	uint64_t limit;
	uint64_t count;
	uint64_t busy;
	unsigned pending; /* outcomes on their way to disk */
	bool finished;    /* nothing more is looked at */
	bool unreadable;  /* because what comes next cannot be read */
	uint64_t offset;  /* of the text that is read */
	struct reader_request *reading;
	struct loop_timer timer;
	struct barrier barrier;
	loop_timer_fn *begin; /* when the barrier is passed; NULL: has begun */
	char by[PROTO_NAME_MAX + 1];
};

static TAILQ_HEAD(request_list, request) requests = TAILQ_HEAD_INITIALIZER(requests);
static size_t requests_count;

static void
answer(struct peer *peer, uint64_t id, bool ok, uint64_t count, const char *text)
{
	if (peer != NULL)
		SEND(peer->channel, ANSWER_END, answer_end, id, .ok = ok, .count = count, .text = str_of(text));
}

/* --- numbers --- */

static const struct {
	enum store_meta what;
	const char *name;
} totals[] = {
	{ STORE_META_ACCEPTED, "queue.total.accepted" },
	{ STORE_META_DELIVERED, "queue.total.delivered" },
	{ STORE_META_DEFERRED, "queue.total.deferred" },
	{ STORE_META_BOUNCED, "queue.total.bounced" },
	{ STORE_META_REMOVED, "queue.total.removed" },
};

static void
send_value(struct peer *peer, uint64_t id, const char *name, uint64_t value)
{
	SEND(peer->channel, STATUS_VALUE, status_value, id, .name = str_of(name), .value = value);
}

/* What waits, and what was counted since the spool was made. Where it cannot be read it is left out, not told as none. */
static void
send_stored(struct peer *peer, uint64_t id)
{
	struct error err;
	struct store_txn *txn = store_read(core.store, &err);
	size_t i;

	if (txn == NULL)
		return;
	send_value(peer, id, "scheduler.envelope", store_waiting(txn));
	for (i = 0; i < sizeof(totals) / sizeof(totals[0]); i++)
		send_value(peer, id, totals[i].name, store_get_meta(txn, totals[i].what));
	store_read_end(txn);
}

/* --- requests --- */

static void
free_request(struct request *q)
{
	loop_timer_stop(&q->timer);
	reader_cancel(q->reading);
	TAILQ_REMOVE(&requests, q, next);
	requests_count--;
	free(q);
}

static void
finish(struct request *q, bool ok, const char *text)
{
	answer(q->peer, q->id, ok, q->count, text);
	free_request(q);
}

static struct request *
new_request(
    struct peer *peer, uint64_t id, enum request_kind kind, uint64_t owner, uint64_t message, loop_timer_fn *step)
{
	struct request *q;

	if (requests_count >= QUEUE_REQUESTS_MAX || (q = calloc(1, sizeof(*q))) == NULL) {
		answer(peer, id, false, 0, "too many requests at a time");
		return NULL;
	}
	q->peer = peer;
	q->id = id;
	q->kind = kind;
	q->owner = owner;
	q->message = message;
	loop_timer_init(&q->timer, step, q);
	TAILQ_INSERT_TAIL(&requests, q, next);
	requests_count++;
	return q;
}

/* Such a request is of no use without who asked. */
static bool
asks_only(const struct request *q)
{
	return q->kind == REQUEST_STATUS || q->kind == REQUEST_LIST || q->kind == REQUEST_READ;
}

void
control_gone(struct peer *peer)
{
	struct request *q, *next;

	for (q = TAILQ_FIRST(&requests); q != NULL; q = next) {
		next = TAILQ_NEXT(q, next);
		if (q->peer != peer)
			continue;
		q->peer = NULL;
		if (asks_only(q) && q->begin == NULL)
			free_request(q);
	}
}

/* --- what was accepted before the question is in the answer --- */

static void
passed_barrier(void *arg)
{
	struct request *q = arg;
	loop_timer_fn *begin = q->begin;

	q->begin = NULL;
	if (q->peer == NULL && asks_only(q))
		free_request(q);
	else
		begin(q);
}

static void
begin(struct request *q, loop_timer_fn *step)
{
	q->begin = step;
	barrier_pass(&q->barrier, passed_barrier, q);
}

static void
status_step(void *arg)
{
	struct request *q = arg;
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
#define C(member, name) { name, core.counters.member },
		COUNTERS(C)
#undef C
		    { "scheduler.envelope.inflight", core.running },
		{ "mda.running", mailboxes_count() },
		{ "queue.destinations", destinations_count() },
		{ "queue.loaded", deliveries_loaded() },
		{ "queue.hot.bytes", body_kept_bytes() },
		{ "queue.incoming", transactions_count() },
		{ "queue.incoming.bytes", transactions_bytes() },
		{ "queue.commits", committer_commits(core.committer) },
		{ "queue.uncommitted", committer_pending(core.committer) },
		{ "queue.unrecorded", again_count() },
		{ "queue.room.bytes", store_room(core.store) },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		send_value(q->peer, q->id, rows[i].name, rows[i].value);
	send_stored(q->peer, q->id);
	finish(q, true, "");
}

bool
control_status(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct request *q = new_request(peer, id, REQUEST_STATUS, PROTO_OWNER_ANY, 0, status_step);

	(void)msg;
	(void)fd;
	if (q != NULL)
		begin(q, status_step);
	return true;
}

static bool
is_owned(const struct request *q, const struct record_message *record)
{
	return q->owner == PROTO_OWNER_ANY || record->owner == q->owner;
}

/*
 * The message to look at next: the one that is not done with, else the one behind it. STORE_NONE at the end. Where it is not
 * the asker's, *wanted is false.
 */
static enum store_found
next_message(struct request *q, struct store_txn *txn, struct record_message *record, bool *wanted, struct error *err)
{
	enum store_found found;

	if (q->within || (q->message != 0 && q->at == 0)) {
		q->at = q->message != 0 ? q->message : q->at;
		found = store_get_message(txn, q->at, record, err);
		if (found == STORE_NONE && q->message == 0)
			found = store_next_message(txn, q->at, &q->at, record, err); /* it left meanwhile */
	} else if (q->message != 0) {
		return STORE_NONE;
	} else {
		found = store_next_message(txn, q->at, &q->at, record, err);
	}
	if (!q->within)
		q->from = 0;
	q->within = false;
	*wanted = found == STORE_FOUND && is_owned(q, record);
	return found;
}

/* --- listing --- */

static enum store_found
list_recipients(struct request *q, struct store_txn *txn, const struct record_message *record, struct error *err)
{
	struct record_recipient rcpt;
	enum store_found found = STORE_FOUND;
	uint32_t number;

	while (q->count < q->limit) {
		found = store_next_recipient(txn, q->at, q->from, &number, &rcpt, err);
		if (found != STORE_FOUND)
			break;
		listing_send(q->peer->channel, q->id, txn, q->at, record, number, &rcpt);
		q->from = number + 1;
		q->count++;
	}
	return found;
}

static void
list_step(void *arg)
{
	struct request *q = arg;
	struct record_message record;
	enum store_found found = STORE_BROKEN;
	struct error err;
	struct store_txn *txn = store_read(core.store, &err);
	bool wanted;
	int n;

	for (n = 0; txn != NULL && n < QUEUE_LIST_STEP && q->count < q->limit; n++) {
		found = next_message(q, txn, &record, &wanted, &err);
		if (found == STORE_FOUND && wanted && list_recipients(q, txn, &record, &err) == STORE_BROKEN)
			found = STORE_BROKEN;
		if (found != STORE_FOUND)
			break;
	}
	if (txn != NULL)
		store_read_end(txn);
	if (found == STORE_BROKEN)
		finish(q, false, err.text);
	else if (found == STORE_NONE || q->count >= q->limit)
		finish(q, true, "");
	else
		loop_timer_start(&q->timer, 0);
}

bool
control_list(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_queue_list *list = &msg->queue_list;
	struct request *q = new_request(peer, id, REQUEST_LIST, list->owner, list->message, list_step);

	(void)fd;
	if (q == NULL)
		return true;
	q->limit = list->limit;
	q->at = list->after_message;
	q->within = list->after_message != 0;
	q->from = q->within ? (uint32_t)list->after_number + 1 : 0;
	begin(q, list_step);
	return true;
}

/* --- text --- */

static void
read_done(void *arg, const struct reader_piece *piece)
{
	struct request *q = arg;

	q->reading = NULL;
	if (piece->found != STORE_FOUND) {
		finish(q, false, piece->error);
		return;
	}
	SEND(q->peer->channel, QUEUE_TEXT, queue_text, q->id, .offset = piece->offset, .bytes = piece->bytes);
	free_request(q);
}

static void
read_step(void *arg)
{
	struct request *q = arg;
	struct record_message record;
	struct error err;
	struct store_txn *txn = store_read(core.store, &err);
	bool mine =
	    txn != NULL && store_get_message(txn, q->message, &record, &err) == STORE_FOUND && is_owned(q, &record);

	if (txn != NULL)
		store_read_end(txn);
	if (mine)
		q->reading = reader_ask(core.reader, q->message, q->offset, PROTO_CHUNK_MAX, read_done, q);
	else
		finish(q, false, "no such message");
}

bool
control_read(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_queue_read *read = &msg->queue_read;
	struct request *q = new_request(peer, id, REQUEST_READ, read->owner, read->message, read_step);

	(void)fd;
	if (q == NULL)
		return true;
	q->offset = read->offset;
	begin(q, read_step);
	return true;
}

/* --- changes --- */

static void
end_change(struct request *q)
{
	char text[128] = "";

	if (q->busy > 0)
		(void)snprintf(
		    text, sizeof(text), "%llu being delivered, which cannot be stopped", (unsigned long long)q->busy);
	if (q->unreadable)
		finish(q, false, "not all of the queue can be read: see the log");
	else if (q->message != 0 && q->count == 0 && q->busy == 0 && q->kind == REQUEST_REMOVE)
		finish(q, false, "no such message");
	else
		finish(q, true, text);
}

static void
change_on_disk(void *arg)
{
	struct request *q = arg;

	if (--q->pending == 0)
		loop_timer_start(&q->timer, 0);
}

static bool
is_not_due(const struct record_recipient *record, const struct destination *d)
{
	(void)d;
	return (int64_t)record->due_us > clock_us();
}

/* A destination that is down is looked at now, too. */
static void
probe_now(struct destination *d)
{
	if (!d->down)
		return;
	d->until_us = clock_us();
	destination_settle(d);
}

static void
change_delivery(const struct request *q, struct delivery *delivery)
{
	struct rcpt *r;

	STAILQ_FOREACH (r, &delivery->rcpts, next) {
		r->outcome = q->kind == REQUEST_REMOVE ? OUTCOME_REMOVED : OUTCOME_POSTPONED;
		r->due_us = clock_us();
	}
	if (q->kind == REQUEST_SCHEDULE)
		probe_now(delivery->destination);
}

/* Destinations of recipients that are due and only wait for a server. */
static void
probe_destinations(struct store_txn *txn, uint64_t message)
{
	struct record_recipient record;
	struct error err;
	uint32_t number, from = 0;

	while (
	    from < QUEUE_RCPTS_MAX && store_next_recipient(txn, message, from, &number, &record, &err) == STORE_FOUND) {
		struct destination *d = destination_find(record.destination);
		if (d != NULL)
			probe_now(d);
		from = number + 1;
	}
}

static enum store_found
change_message(struct request *q, struct store_txn *txn, struct error *err)
{
	struct claim claim = { .scope = q->kind == REQUEST_REMOVE ? CLAIM_WAITING : CLAIM_HELD,
		.max = QUEUE_JOB_RCPTS_MAX,
		.wanted = q->kind == REQUEST_SCHEDULE ? is_not_due : NULL,
		.from = q->from };
	enum store_found found;
	struct mail *mail = mail_load(txn, q->at, &found, err);
	struct delivery *delivery;

	if (mail == NULL)
		return found;
	TAILQ_INIT(&claim.out);
	if (q->kind == REQUEST_SCHEDULE && q->from == 0)
		probe_destinations(txn, q->at);
	found = load_claim(txn, mail, &claim, err);
	q->from = claim.from;
	q->within = found == STORE_FOUND;
	q->count += claim.claimed;
	q->busy += q->kind == REQUEST_REMOVE ? claim.busy : 0;
	TAILQ_FOREACH (delivery, &claim.out, link)
		change_delivery(q, delivery);
	if (!TAILQ_EMPTY(&claim.out)) {
		q->pending++;
		outcome_apply(&claim.out, str_of(q->by), change_on_disk, q);
	}
	mail_release(mail);
	return found;
}

/* A damaged message is told, and passed over; where not even its key can be read nothing behind it can be reached. */
static void
tell_damage(struct request *q, uint64_t before, const struct error *err)
{
	log_error("store-damaged", log_text(LOG_FIELD_error, err->text));
	q->unreadable = q->at == before;
	q->finished = q->unreadable;
}

static void
change_step(void *arg)
{
	struct request *q = arg;
	struct record_message record;
	struct error err;
	struct store_txn *txn;
	bool wanted;
	int n;

	if (q->finished) {
		end_change(q);
		return;
	}
	txn = store_read(core.store, &err);
	q->finished = q->unreadable = txn == NULL;
	for (n = 0; n < QUEUE_CHANGE_STEP && !q->finished; n++) {
		const uint64_t before = q->within ? 0 : q->at; /* what is not done with is left behind next time */
		switch (next_message(q, txn, &record, &wanted, &err)) {
		case STORE_NONE: q->finished = true; break;
		case STORE_BROKEN: tell_damage(q, before, &err); break;
		case STORE_FOUND:
			if (wanted && change_message(q, txn, &err) == STORE_BROKEN)
				log_error("store-damaged", log_text(LOG_FIELD_error, err.text));
			break;
		}
	}
	if (txn != NULL)
		store_read_end(txn);
	if (q->pending == 0)
		loop_timer_start(&q->timer, 0);
}

bool
control_schedule(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_queue_schedule *schedule = &msg->queue_schedule;
	struct request *q = new_request(peer, id, REQUEST_SCHEDULE, schedule->owner, schedule->message, change_step);

	(void)fd;
	if (q != NULL)
		begin(q, change_step);
	return true;
}

bool
control_remove(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_queue_remove *remove = &msg->queue_remove;
	struct request *q = new_request(peer, id, REQUEST_REMOVE, remove->owner, remove->message, change_step);

	(void)fd;
	if (q == NULL)
		return true;
	(void)str_copy(remove->by, q->by, sizeof(q->by));
	begin(q, change_step);
	return true;
}
