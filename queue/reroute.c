/* SPDX-License-Identifier: ISC */
#include "queue/reroute.h"

#include <stdlib.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/again.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/limits.h"
#include "queue/load.h"
#include "queue/outcome.h"
#include "queue/ticket.h"

/* A question to router, and then the step that carries out the answer. */
struct question {
	struct step step;
	struct question *next;
	struct delivery *delivery; /* of one recipient */
	struct rcpts tickets;
	uint64_t count;
	bool bad; /* a ticket that we do not take */
	int64_t due_us;
};

static struct question *asked; /* at most QUEUE_ROUTES_MAX: the window of the destination */

/* Where the message came from decides on its rules, as it did once. Where that cannot be read there is no route for now. */
static void
ask(struct peer *router, const struct mail *mail, const struct rcpt *r)
{
	struct record_message record = { .origin = mail->notification ? S("") : S("unknown") };
	struct error err;
	struct store_txn *txn = mail->notification ? NULL : store_read(core.store, &err);

	if (txn != NULL && store_get_message(txn, mail->id, &record, &err) != STORE_FOUND)
		record.origin = S("unknown");
	SEND(router->channel, RCPT_CHECK, rcpt_check, 0, .transaction = mail->id, .number = r->number,
	    .origin = record.origin, .helo = S(""), .reverse_path = mail->reverse_path,
	    .forward_path = r->forward_path);
	if (txn != NULL)
		store_read_end(txn);
}

bool
reroute_start(struct destination *d)
{
	struct peer *router = process_peer_next(PROTO_KIND_ROUTER, NULL);
	struct question *q;
	const struct rcpt *r;

	if (router == NULL)
		return false;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		fatal("out of memory");
	q->delivery = destination_run(d);
	STAILQ_INIT(&q->tickets);
	q->next = asked;
	asked = q;
	r = STAILQ_FIRST(&q->delivery->rcpts);
	ask(router, q->delivery->mail, r);
	return true;
}

static void
free_question(struct question *q)
{
	rcpts_free(&q->tickets);
	free(q);
}

void
reroute_router_gone(void)
{
	struct question *q;

	while ((q = asked) != NULL) {
		struct destination *d = q->delivery->destination;
		asked = q->next;
		destination_return(d, q->delivery);
		destination_settle(d);
		free_question(q);
	}
}

/* Where the question about that message hangs; NULL where nothing was asked. */
static struct question **
find(uint64_t message, uint64_t number)
{
	struct question **at;

	for (at = &asked; *at != NULL; at = &(*at)->next)
		if ((*at)->delivery->mail->id == message && (*at)->delivery->first == number)
			return at;
	return NULL;
}

/* The time of a notification begins with its route; that of other mail began when it was accepted. */
static struct ticket_context
context_of(const struct question *q)
{
	const struct mail *mail = q->delivery->mail;
	const struct rcpt *r = STAILQ_FIRST(&q->delivery->rcpts);

	return (struct ticket_context){ .transaction = mail->id,
		.reverse_path = mail->reverse_path,
		.wall_ms = loop_wall_ms(),
		.now_ms = mail->notification ? clock_ms() : mail->created_ms,
		.default_ttl_s = mail->notification ? core.config->bounce_ttl_s : core.config->queue_ttl_s,
		.notify = r->notify,
		.orcpt = r->orcpt };
}

bool
reroute_ticket(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_rcpt_ticket *ticket = &msg->rcpt_ticket;
	struct question **at = find(ticket->transaction, ticket->number);
	struct ticket_context context;
	struct rcpt *r = NULL;
	struct str origin;
	uint64_t owner;

	(void)peer;
	(void)fd;
	if (at == NULL || id != 0)
		return false;
	context = context_of(*at);
	if (ticket_open(core.tickets, ticket->ticket, &context, &r, &origin, &owner) != TICKET_GOOD || r == NULL ||
	    (*at)->count >= QUEUE_RCPTS_MAX) {
		rcpt_free(r);
		(*at)->bad = true;
		return true;
	}
	if ((*at)->delivery->mail->notification && r->expires_ms > context.now_ms + core.config->bounce_ttl_s * 1000)
		r->expires_ms = context.now_ms + core.config->bounce_ttl_s * 1000;
	(*at)->count++;
	STAILQ_INSERT_TAIL(&(*at)->tickets, r, next);
	return true;
}

/* --- the answer, on the committer's thread --- */

static void
put_ticket(struct store_txn *txn, const struct question *q, struct rcpt *r)
{
	const struct record_recipient record = {
		.kind = r->kind,
		.forward_path = r->forward_path,
		.recipient = r->recipient,
		.user = r->user,
		.action = r->action,
		.destination = r->destination_id = store_destination(txn, r->kind, r->destination),
		.due_us = (uint64_t)q->due_us,
		.expires_ms = (uint64_t)r->expires_ms,
		.notify = r->notify,
		.orcpt = r->orcpt,
	};

	store_put_recipient(txn, q->delivery->mail->id, r->number, &record);
}

/*
 * When the age of the message is looked at: of a notification, when all its recipients are over; of other mail, whose
 * recipients may have another time still, not later than before. To look early costs nothing.
 */
static void
look_at(struct record_message *record, uint64_t expires_ms)
{
	if (record->unrouted ? expires_ms > record->look_ms : expires_ms < record->look_ms)
		record->look_ms = expires_ms;
}

/* The first ticket takes the place of the recipient. */
static void
run_routed(struct store_txn *txn, struct step *step)
{
	struct question *q = (struct question *)step;
	uint64_t message = q->delivery->mail->id;
	struct record_message record;
	struct error err;
	struct rcpt *r;

	if (store_get_message(txn, message, &record, &err) != STORE_FOUND) {
		store_fail(txn, STORE_FAILED, "message %016llx is not there", (unsigned long long)message);
		return;
	}
	if (record.unrouted)
		record.look_ms = 0;
	STAILQ_FOREACH (r, &q->tickets, next) {
		r->number = r == STAILQ_FIRST(&q->tickets) ? q->delivery->first : (uint32_t)record.recipients++;
		look_at(&record, (uint64_t)r->expires_ms);
		put_ticket(txn, q, r);
	}
	record.unrouted = false;
	store_put_message(txn, message, &record);
}

static void
routed(struct step *step, enum store_failure failure)
{
	struct question *q = (struct question *)step;
	struct destination *d = q->delivery->destination;
	struct rcpt *r;

	switch (failure) {
	case STORE_OK: break;
	case STORE_NO_ROOM: again_later(step); return;
	case STORE_FAILED: core_store_failed(); return;
	}
	STAILQ_FOREACH (r, &q->tickets, next) {
		const struct store_entry entry = { (uint64_t)q->due_us, q->delivery->mail->id, r->number };
		struct destination *to;

		load_ahead(r->destination_id);
		to = destination_get(r->destination_id, r->kind, r->destination);
		destination_note(to, &entry);
		destination_settle(to);
	}
	destination_unload(d, q->delivery);
	destination_settle(d);
	free_question(q);
}

/* --- the answer, in the loop --- */

static void
refuse(struct question *q, const struct msg_rcpt_verdict *verdict)
{
	struct delivery *delivery = q->delivery;
	struct rcpt *r = STAILQ_FIRST(&delivery->rcpts);
	const struct reply said = { .code = (unsigned)verdict->code,
		.cause = PROTO_CAUSE_HERE,
		.enhanced = verdict->enhanced,
		.text = verdict->text };
	const struct reply no_route = {
		.code = 451, .cause = PROTO_CAUSE_HERE, .enhanced = S("4.3.0"), .text = S("No route was found.")
	};

	if (verdict->code >= 500) {
		r->tries++;
		rcpt_answer(r, OUTCOME_FAILED, reply_new(&said));
	} else {
		outcome_defer(r, reply_new(verdict->code >= 400 ? &said : &no_route), core_random());
	}
	free_question(q);
	outcome_apply_one(delivery);
}

/*
 * What one alias became is several recipients, some of which may be delivered by now: of the tickets for the alias those are
 * taken that say what the recipient was. Where there is none any more the alias is another, and all are taken.
 */
static void
keep_own(struct question *q)
{
	const struct rcpt *asked_for = STAILQ_FIRST(&q->delivery->rcpts);
	struct rcpts own = STAILQ_HEAD_INITIALIZER(own), others = STAILQ_HEAD_INITIALIZER(others);
	struct rcpt *r;

	if (str_equal(asked_for->recipient, asked_for->forward_path))
		return;
	while ((r = STAILQ_FIRST(&q->tickets)) != NULL) {
		STAILQ_REMOVE_HEAD(&q->tickets, next);
		if (STAILQ_EMPTY(&own) && str_equal_nocase(r->recipient, asked_for->recipient))
			STAILQ_INSERT_TAIL(&own, r, next);
		else
			STAILQ_INSERT_TAIL(&others, r, next);
	}
	if (STAILQ_EMPTY(&own)) {
		STAILQ_CONCAT(&q->tickets, &others);
		return;
	}
	STAILQ_CONCAT(&q->tickets, &own);
	rcpts_free(&others);
}

bool
reroute_verdict(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_rcpt_verdict *verdict = &msg->rcpt_verdict;
	struct question **at = find(verdict->transaction, verdict->number);
	struct question *q;
	struct destination *d;

	(void)peer;
	(void)fd;
	if (at == NULL || id != 0)
		return false;
	q = *at;
	*at = q->next;
	d = q->delivery->destination;
	destination_finish(d, q->delivery);
	if (verdict->code != 250 || q->bad || q->count == 0 || q->count != verdict->tickets) {
		refuse(q, verdict);
	} else {
		keep_own(q);
		q->due_us = clock_tick_us();
		q->step = (struct step){ .kind = STEP_LAZY, .run = run_routed, .done = routed };
		committer_add(core.committer, &q->step);
	}
	destination_settle(d);
	return true;
}
