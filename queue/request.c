/* SPDX-License-Identifier: ISC */
#include "queue/request.h"

#include <stdlib.h>
#include <string.h>

#include "queue/clock.h"
#include "queue/core.h"
#include "queue/entry.h"
#include "queue/limits.h"
#include "queue/query.h"

static TAILQ_HEAD(request_list, request) requests = TAILQ_HEAD_INITIALIZER(requests);
static size_t requests_count;

void
request_answer(struct peer *peer, uint64_t id, bool ok, const struct request *q, const char *text)
{
	if (peer != NULL)
		SEND(peer->channel, ANSWER_END, answer_end, id, .ok = ok, .count = q == NULL ? 0 : q->count,
		    .messages = q == NULL ? 0 : q->messages, .text = str_of(text));
}

/* --- birth and death --- */

/* The message that text is part of is gone when the request goes on. */
static void
keep(struct request *q, struct str *text)
{
	char *copy = q->texts + q->texts_used;

	if (text->len > 0)
		memcpy(copy, text->ptr, text->len);
	q->texts_used += text->len;
	*text = (struct str){ copy, text->len };
}

struct request *
request_new(struct peer *peer, uint64_t id, const struct proto_query *query, struct str by, loop_timer_fn *step)
{
	struct request *q;

	if (requests_count >= QUEUE_REQUESTS_MAX || (q = calloc(1, sizeof(*q))) == NULL) {
		request_answer(peer, id, false, NULL, "too many requests at a time");
		return NULL;
	}
	q->peer = peer;
	q->id = id;
	q->query = *query;
	q->by = by;
	keep(q, &q->query.sender);
	keep(q, &q->query.recipient);
	keep(q, &q->query.domain);
	keep(q, &q->query.destination);
	keep(q, &q->by);
	q->now_ms = clock_ms();
	q->told_ms = loop_now_ms();
	loop_timer_init(&q->timer, step, q);
	TAILQ_INSERT_TAIL(&requests, q, next);
	requests_count++;
	return q;
}

void
request_free(struct request *q)
{
	loop_timer_stop(&q->timer);
	reader_cancel(q->reading);
	TAILQ_REMOVE(&requests, q, next);
	requests_count--;
	free(q);
}

void
request_finish(struct request *q, bool ok, const char *text)
{
	request_answer(q->peer, q->id, ok, q, text);
	request_free(q);
}

void
requests_gone(struct peer *peer)
{
	struct request *q, *next;

	for (q = TAILQ_FIRST(&requests); q != NULL; q = next) {
		next = TAILQ_NEXT(q, next);
		if (q->peer != peer)
			continue;
		q->peer = NULL;
		if (!q->changes && !q->waits)
			request_free(q);
	}
}

/* --- what was accepted before the question is in the answer --- */

static void
passed_barrier(void *arg)
{
	struct request *q = arg;

	q->waits = false;
	if (q->peer == NULL && !q->changes)
		request_free(q);
	else
		q->timer.fn(q);
}

void
request_begin(struct request *q)
{
	q->waits = true;
	barrier_pass(&q->barrier, passed_barrier, q);
}

void
request_go_on(struct request *q)
{
	loop_timer_start(&q->timer, 0);
}

void
request_tell_progress(struct request *q)
{
	int64_t now_ms = loop_now_ms();

	if (q->peer == NULL || now_ms - q->told_ms < QUEUE_PROGRESS_MS)
		return;
	q->told_ms = now_ms;
	SEND(q->peer->channel, QUEUE_PROGRESS, queue_progress, q->id, .count = q->count);
}

/* --- the walk --- */

enum store_found
request_next_message(
    struct request *q, struct store_txn *txn, struct record_message *record, bool *wanted, struct error *err)
{
	const uint64_t one = q->query.message;
	enum store_found found;

	if (q->within || (one != 0 && q->at == 0)) {
		q->at = one != 0 ? one : q->at;
		found = store_get_message(txn, q->at, record, err);
		if (found == STORE_NONE && one == 0)
			found = store_next_message(txn, q->at, &q->at, record, err); /* it left meanwhile */
	} else if (one != 0) {
		return STORE_NONE;
	} else {
		found = store_next_message(txn, q->at, &q->at, record, err);
	}
	if (!q->within)
		q->from = 0;
	q->within = false;
	*wanted = found == STORE_FOUND && query_takes_message(&q->query, q->now_ms, q->at, record);
	return found;
}

bool
request_wants(const struct request *q, struct store_txn *txn, uint32_t number, const struct record_recipient *record)
{
	struct record_destination destination;
	enum store_found found = STORE_NONE;
	unsigned kind, state = 0;
	struct str name;

	if (query_needs_destination(&q->query))
		found = store_get_destination(txn, record->destination, &kind, &name, &destination, NULL);
	if (query_needs_state(&q->query))
		state = entry_state(q->at, number, record);
	return query_takes_recipient(&q->query, number, record, found == STORE_FOUND ? &destination : NULL, state);
}
