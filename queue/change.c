/* SPDX-License-Identifier: ISC */
#include "queue/change.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/log.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/entry.h"
#include "queue/limits.h"
#include "queue/load.h"
#include "queue/outcome.h"
#include "queue/request.h"

/* --- the kinds of change --- */

static bool
is_not_due(const struct record_recipient *record, const struct delivery *loaded)
{
	return loaded != NULL || (!record->held && (int64_t)record->due_us > clock_us());
}

static bool
is_not_held(const struct record_recipient *record, const struct delivery *loaded)
{
	(void)loaded;
	return !record->held;
}

static bool
is_held(const struct record_recipient *record, const struct delivery *loaded)
{
	return loaded != NULL || record->held;
}

static bool
is_routed(const struct record_recipient *record, const struct delivery *loaded)
{
	(void)loaded;
	return record->kind != RECIPIENT_UNROUTED;
}

/* Row of enum proto_change. `wanted` NULL: any recipient. What is at work is counted where it would have to be stopped. */
static const struct {
	enum claim_scope scope;
	enum outcome outcome;
	bool stops;
	bool (*wanted)(const struct record_recipient *record, const struct delivery *loaded);
} kinds[] = {
	[PROTO_CHANGE_SCHEDULE] = { CLAIM_HELD, OUTCOME_POSTPONED, false, is_not_due },
	[PROTO_CHANGE_HOLD] = { CLAIM_WAITING, OUTCOME_HELD, true, is_not_held },
	[PROTO_CHANGE_RELEASE] = { CLAIM_HELD, OUTCOME_RELEASED, false, is_held },
	[PROTO_CHANGE_REQUEUE] = { CLAIM_WAITING, OUTCOME_UNROUTED, true, is_routed },
	[PROTO_CHANGE_BOUNCE] = { CLAIM_WAITING, OUTCOME_FAILED, true, NULL },
	[PROTO_CHANGE_REMOVE] = { CLAIM_WAITING, OUTCOME_REMOVED, true, NULL },
};

/* --- the end --- */

static void
end_change(struct request *q)
{
	char text[128] = "";

	if (q->busy > 0)
		(void)snprintf(text, sizeof(text), "%" PRIu64 " being delivered, which cannot be stopped", q->busy);
	if (q->unreadable)
		request_finish(q, false, "not all of the queue can be read: see the log");
	else if (q->query.message != 0 && q->count == 0 && q->busy == 0 && kinds[q->change].wanted == NULL)
		request_finish(q, false, "no such message");
	else
		request_finish(q, true, text);
}

static void
go_on(struct request *q)
{
	if (q->finished ? q->pending == 0 : q->pending < QUEUE_CHANGE_PENDING)
		request_go_on(q);
}

/* Half of them at least go to disk together before more are made. */
static void
change_on_disk(void *arg)
{
	struct request *q = arg;

	q->pending--;
	if (q->pending == 0 || (!q->finished && q->pending == QUEUE_CHANGE_PENDING / 2))
		request_go_on(q);
}

/* --- one message --- */

/* A destination that is down is looked at now, too. */
static void
probe_now(struct destination *d)
{
	if (!d->down)
		return;
	d->until_us = clock_us();
	destination_settle(d);
}

/* Destinations of recipients that are due and only wait for a server. */
static void
probe_destinations(const struct request *q, struct store_txn *txn)
{
	struct record_recipient record;
	struct error err;
	uint32_t number, from = 0;

	while (
	    from < QUEUE_RCPTS_MAX && store_next_recipient(txn, q->at, from, &number, &record, &err) == STORE_FOUND) {
		struct destination *d = destination_find(record.destination);
		if (d != NULL && d->down && request_wants(q, txn, number, &record))
			probe_now(d);
		from = number + 1;
	}
}

static struct reply *
given_up(const struct request *q)
{
	const struct reply reply = { .code = 550,
		.cause = PROTO_CAUSE_PAUSE,
		.enhanced = S("5.7.0"),
		.text = q->query.owner == PROTO_OWNER_ANY
		    ? S("Delivery was cancelled by the administrator of this system.")
		    : S("Delivery was cancelled by the sender.") };

	return reply_new(&reply);
}

static void
change_delivery(const struct request *q, struct delivery *delivery)
{
	enum outcome outcome = kinds[q->change].outcome;
	struct rcpt *r;

	STAILQ_FOREACH (r, &delivery->rcpts, next) {
		if (!r->chosen)
			continue;
		r->outcome = outcome;
		r->due_us = outcome == OUTCOME_HELD ? RECORD_HELD_US : clock_us();
		if (outcome == OUTCOME_FAILED)
			rcpt_answer(r, OUTCOME_FAILED, given_up(q));
	}
	if (q->change == PROTO_CHANGE_SCHEDULE)
		probe_now(delivery->destination);
}

/* What load_claim asks about each recipient of the message. */
struct asking {
	const struct request *q;
	struct store_txn *txn;
};

static bool
is_wanted(const void *arg, uint32_t number, const struct record_recipient *record, const struct delivery *loaded,
    const struct destination *d)
{
	const struct asking *a = arg;
	bool (*wanted)(const struct record_recipient *, const struct delivery *) = kinds[a->q->change].wanted;

	(void)d;
	return (wanted == NULL || wanted(record, loaded)) && request_wants(a->q, a->txn, number, record);
}

static void
count(struct request *q, const struct claim *claim)
{
	if (claim->claimed > 0 && q->counted != q->at) {
		q->counted = q->at;
		q->messages++;
	}
	q->count += claim->claimed;
	q->busy += kinds[q->change].stops ? claim->busy : 0;
}

/* Only tells what would be done. */
static enum store_found
look_at_message(struct request *q, struct store_txn *txn, const struct record_message *record, struct claim *claim,
    struct error *err)
{
	struct record_recipient rcpt;
	enum claim_verdict verdict;
	enum store_found found;
	uint32_t number;

	while (claim->claimed < claim->max) {
		found = store_next_recipient(txn, q->at, claim->from, &number, &rcpt, err);
		if (found != STORE_FOUND)
			return found;
		claim->from = number + 1;
		verdict = load_judge(claim, q->at, number, &rcpt);
		claim->busy += verdict == CLAIM_BUSY;
		claim->claimed += verdict == CLAIM_TAKES;
		if (verdict == CLAIM_TAKES && q->peer != NULL && q->shown < q->limit) {
			entry_send(q->peer->channel, q->id, txn, q->at, record, number, &rcpt);
			q->shown++;
		}
	}
	return STORE_FOUND;
}

static enum store_found
change_mail(struct request *q, struct store_txn *txn, struct claim *claim, struct error *err)
{
	enum store_found found;
	struct mail *mail = mail_load(txn, q->at, &found, err);
	struct delivery *delivery;

	if (mail == NULL)
		return found;
	if (q->change == PROTO_CHANGE_SCHEDULE && q->from == 0)
		probe_destinations(q, txn);
	found = load_claim(txn, mail, claim, err);
	TAILQ_FOREACH (delivery, &claim->out, link)
		change_delivery(q, delivery);
	if (!TAILQ_EMPTY(&claim->out)) {
		q->pending++;
		outcome_apply(&claim->out, q->by, change_on_disk, q);
	}
	mail_release(mail);
	return found;
}

static enum store_found
change_message(struct request *q, struct store_txn *txn, const struct record_message *record, struct error *err)
{
	const struct asking asking = { q, txn };
	struct claim claim = { .scope = kinds[q->change].scope,
		.max = QUEUE_JOB_RCPTS_MAX,
		.outcome = kinds[q->change].outcome,
		.wanted = is_wanted,
		.arg = &asking,
		.from = q->from };
	enum store_found found;

	TAILQ_INIT(&claim.out);
	if (q->dry_run)
		found = look_at_message(q, txn, record, &claim, err);
	else
		found = change_mail(q, txn, &claim, err);
	q->from = claim.from;
	q->within = found == STORE_FOUND;
	count(q, &claim);
	return found;
}

/* --- the walk --- */

/* A damaged message is told, and passed over; where not even its key can be read nothing behind it can be reached. */
static void
tell_damage(struct request *q, uint64_t before, const struct error *err)
{
	log_error("store-damaged", log_text(LOG_FIELD_error, err->text));
	q->unreadable = q->at == before;
	q->finished = q->unreadable;
}

static void
change_next(struct request *q, struct store_txn *txn)
{
	const uint64_t before = q->within ? 0 : q->at; /* what is not done with is left behind next time */
	struct record_message record;
	struct error err;
	bool wanted;

	switch (request_next_message(q, txn, &record, &wanted, &err)) {
	case STORE_NONE: q->finished = true; break;
	case STORE_BROKEN: tell_damage(q, before, &err); break;
	case STORE_FOUND:
		if (wanted && change_message(q, txn, &record, &err) == STORE_BROKEN)
			log_error("store-damaged", log_text(LOG_FIELD_error, err.text));
		break;
	}
}

static void
change_step(void *arg)
{
	struct request *q = arg;
	struct store_txn *txn;
	struct error err;
	int n;

	if (q->finished) {
		end_change(q);
		return;
	}
	txn = store_read(core.store, &err);
	q->finished = q->unreadable = txn == NULL;
	for (n = 0; n < QUEUE_CHANGE_STEP && !q->finished && q->pending < QUEUE_CHANGE_PENDING; n++)
		change_next(q, txn);
	if (txn != NULL)
		store_read_end(txn);
	request_tell_progress(q);
	go_on(q);
}

bool
change_recipients(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_queue_change *change = &msg->queue_change;
	struct proto_query query;
	struct request *q;

	(void)fd;
	PROTO_QUERY_COPY(change, &query);
	q = request_new(peer, id, &query, change->by, change_step);
	if (q == NULL)
		return true;
	q->change = change->change;
	q->dry_run = change->dry_run;
	q->changes = !change->dry_run;
	q->limit = change->limit;
	request_begin(q);
	return true;
}
