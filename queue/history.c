/* SPDX-License-Identifier: ISC */
#include "queue/history.h"

#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "queue/core.h"
#include "queue/limits.h"

/* A request that waits until what happened before it is on disk. */
struct waiting {
	struct step step;
	TAILQ_ENTRY(waiting) next;
	struct peer *peer; /* NULL: it is gone */
	uint64_t id;
	struct buf request; /* encoded: its texts are views */
};

static TAILQ_HEAD(, waiting) all_waiting = TAILQ_HEAD_INITIALIZER(all_waiting);
static size_t waiting_count;

/* --- what is asked for --- */

static bool
is_in_domain(struct str address, struct str domain)
{
	struct str local, rest;

	return str_cut_last(address, '@', &local, &rest) && str_equal_nocase(rest, domain);
}

/* "@domain" is every address there. */
static bool
is_address(struct str address, struct str wanted)
{
	if (wanted.len > 0 && wanted.ptr[0] == '@')
		return is_in_domain(address, (struct str){ wanted.ptr + 1, wanted.len - 1 });
	return str_equal_nocase(address, wanted);
}

/* A client's address may have its port behind it, and brackets around it. */
static bool
is_client(struct str origin, struct str host)
{
	if (origin.len > 0 && origin.ptr[0] == '[' && (host.len == 0 || host.ptr[0] != '['))
		origin = (struct str){ origin.ptr + 1, origin.len - 1 };
	if (!str_starts_nocase(origin, host))
		return false;
	return origin.len == host.len || origin.ptr[host.len] == ':' || origin.ptr[host.len] == ']';
}

bool
history_takes_event(const struct msg_history_list *query, const struct store_event *event)
{
	return (query->message == 0 || query->message == event->message) &&
	    (query->event == EVENT_NONE || query->event == event->event);
}

bool
history_takes_record(const struct msg_history_list *query, const struct record_history *record)
{
	const struct {
		struct str wanted;
		bool taken;
	} filters[] = {
		{ query->message_id, str_equal(record->message_id, query->message_id) },
		{ query->recipient, is_address(record->to, query->recipient) },
		{ query->domain, is_in_domain(record->from, query->domain) || is_in_domain(record->to, query->domain) },
		{ query->host,
		    str_equal_nocase(record->hop, query->host) || str_equal_nocase(record->helo, query->host) ||
			is_client(record->origin, query->host) },
	};
	size_t i;

	for (i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (filters[i].wanted.len > 0 && !filters[i].taken)
			return false;
	if ((query->filters & PROTO_FILTER_SENDER) != 0 && !is_address(record->from, query->sender))
		return false;
	return (query->owner == PROTO_OWNER_ANY || record->owner == query->owner) &&
	    (query->cause == PROTO_CAUSE_NONE || record->cause == query->cause);
}

/* --- the walk --- */

static void
send_event(struct peer *peer, uint64_t id, const struct store_event *e, const struct record_history *r)
{
	SEND(peer->channel, HISTORY_ENTRY, history_entry, id, .time_us = e->time_us, .message = e->message,
	    .number = e->number, .event = e->event, .owner = r->owner, .from = r->from, .to = r->to,
	    .destination = r->destination, .hop = r->hop, .code = r->code, .enhanced = r->enhanced, .text = r->text,
	    .size = r->size, .origin = r->origin, .cause = r->cause, .tls = r->tls, .message_id = r->message_id,
	    .helo = r->helo, .tries = r->tries, .delay_ms = r->delay_ms, .more = r->more);
}

static bool
is_beyond(const struct msg_history_list *q, uint64_t time_us)
{
	return q->backward ? time_us < q->end_us : time_us > q->end_us;
}

/* One that is damaged is told in the log and passed over. */
static bool
read_wanted(const struct msg_history_list *q, struct store_txn *txn, const struct store_event *event, struct str value,
    struct record_history *record)
{
	struct error err;

	if (store_read_event(txn, event, value, record, &err) == STORE_FOUND)
		return event->event < RECORD_EVENT_COUNT && history_takes_record(q, record);
	log_error("store-damaged", log_text(LOG_FIELD_error, err.text));
	return false;
}

/*
 * Looks at one part. *at is the time to go on from, 0 when all was seen. Keys alone tell whose message an entry is about:
 * where one message is asked for, a part may be longer.
 */
static enum store_found
walk(struct peer *peer, uint64_t id, const struct msg_history_list *q, struct store_txn *txn, uint64_t *at,
    struct error *err)
{
	enum store_found found;
	struct record_history record;
	struct store_event event;
	struct str value;
	uint64_t sent = 0;
	size_t keys, read = 0;

	*at = q->at_us;
	for (keys = 0; keys < QUEUE_HISTORY_KEYS && read < QUEUE_HISTORY_STEP && sent < q->limit; keys++) {
		found = store_step_history(txn, *at, q->backward, &event, &value, err);
		if (found == STORE_BROKEN)
			return STORE_BROKEN;
		if (found == STORE_NONE || is_beyond(q, event.time_us)) {
			*at = 0;
			return STORE_NONE;
		}
		*at = event.time_us;
		if (!history_takes_event(q, &event))
			continue;
		read++;
		if (!read_wanted(q, txn, &event, value, &record))
			continue;
		send_event(peer, id, &event, &record);
		sent++;
	}
	return STORE_FOUND;
}

static void
answer(struct peer *peer, uint64_t id, bool ok, uint64_t at, const char *text)
{
	SEND(peer->channel, ANSWER_END, answer_end, id, .ok = ok, .count = at, .text = str_of(text));
}

static void
show(struct peer *peer, uint64_t id, const struct msg_history_list *q)
{
	struct error err;
	struct store_txn *txn = store_read(core.store, &err);
	enum store_found found = STORE_BROKEN;
	uint64_t at = 0;

	if (txn != NULL) {
		found = walk(peer, id, q, txn, &at, &err);
		store_read_end(txn);
	}
	answer(peer, id, found != STORE_BROKEN, at, found == STORE_BROKEN ? err.text : "");
}

/* --- what happened before the question is in the answer --- */

static void
free_waiting(struct waiting *w)
{
	TAILQ_REMOVE(&all_waiting, w, next);
	waiting_count--;
	buf_clear(&w->request);
	free(w);
}

static void
run_nothing(struct store_txn *txn, struct step *step)
{
	(void)txn;
	(void)step;
}

static void
on_disk(struct step *step, enum store_failure failure)
{
	struct waiting *w = (struct waiting *)(void *)step;
	union proto_message msg;

	(void)failure; /* what there is is told all the same */
	if (w->peer != NULL && proto_decode(PROTO_HISTORY_LIST_TYPE, buf_str(&w->request), &msg))
		show(w->peer, w->id, &msg.history_list);
	free_waiting(w);
}

static bool
wait_for_disk(struct peer *peer, uint64_t id, const struct msg_history_list *q)
{
	struct waiting *w;

	if (waiting_count >= QUEUE_REQUESTS_MAX || (w = calloc(1, sizeof(*w))) == NULL)
		return false;
	TAILQ_INSERT_TAIL(&all_waiting, w, next);
	waiting_count++;
	w->peer = peer;
	w->id = id;
	buf_init(&w->request, PROTO_CHUNK_MAX);
	if (!proto_encode(PROTO_HISTORY_LIST_TYPE, q, &w->request)) {
		free_waiting(w);
		return false;
	}
	w->step = (struct step){ .kind = STEP_URGENT, .run = run_nothing, .done = on_disk };
	committer_add(core.committer, &w->step);
	return true;
}

bool
history_list(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_history_list *q = &msg->history_list;

	(void)fd;
	if (!q->fresh || committer_pending(core.committer) == 0)
		show(peer, id, q);
	else if (!wait_for_disk(peer, id, q))
		answer(peer, id, false, 0, "too many requests at a time");
	return true;
}

void
history_gone(const struct peer *peer)
{
	struct waiting *w;

	TAILQ_FOREACH (w, &all_waiting, next)
		if (w->peer == peer)
			w->peer = NULL;
}
