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
	SEND(router->channel, RCPT_CHECK, rcpt_check, 0, .transaction = q->delivery->mail->id, .number = r->number,
	    .helo = S(""), .reverse_path = S(""), .forward_path = r->forward_path);
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

bool
reroute_ticket(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_rcpt_ticket *ticket = &msg->rcpt_ticket;
	struct question **at = find(ticket->transaction, ticket->number);
	const struct ticket_context context = { .transaction = ticket->transaction,
		.reverse_path = S(""),
		.wall_ms = loop_wall_ms(),
		.now_ms = clock_ms(),
		.default_ttl_s = QUEUE_DSN_TTL_S };
	struct rcpt *r = NULL;
	struct str origin;
	uint64_t owner;

	(void)peer;
	(void)fd;
	if (at == NULL || id != 0)
		return false;
	if (ticket_open(core.tickets, ticket->ticket, &context, &r, &origin, &owner) != TICKET_GOOD || r == NULL ||
	    (*at)->count >= QUEUE_RCPTS_MAX) {
		rcpt_free(r);
		(*at)->bad = true;
		return true;
	}
	if (r->expires_ms > context.now_ms + (int64_t)QUEUE_DSN_TTL_S * 1000)
		r->expires_ms = context.now_ms + (int64_t)QUEUE_DSN_TTL_S * 1000;
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
	};

	store_put_recipient(txn, q->delivery->mail->id, r->number, &record);
}

static void
run_routed(struct store_txn *txn, struct step *step)
{
	struct question *q = (struct question *)step;
	uint64_t message = q->delivery->mail->id;
	struct record_message record;
	struct error err;
	struct rcpt *r;
	bool last;

	if (store_get_message(txn, message, &record, &err) != STORE_FOUND) {
		store_fail(txn, STORE_FAILED, "notification %016llx is not there", (unsigned long long)message);
		return;
	}
	record.unrouted = false;
	record.look_ms = 0;
	STAILQ_FOREACH (r, &q->tickets, next) {
		r->number = (uint32_t)record.recipients++;
		if ((uint64_t)r->expires_ms > record.look_ms)
			record.look_ms = (uint64_t)r->expires_ms;
		put_ticket(txn, q, r);
	}
	store_put_message(txn, message, &record);
	store_delete_recipient(txn, message, q->delivery->first, &last);
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
	const struct reply no_route = { .code = 451,
		.cause = PROTO_CAUSE_HERE,
		.enhanced = S("4.3.0"),
		.text = S("No route was found for a notification.") };

	if (verdict->code >= 500) {
		r->tries++;
		rcpt_answer(r, OUTCOME_FAILED, reply_new(&said));
	} else {
		outcome_defer(r, reply_new(verdict->code >= 400 ? &said : &no_route), core_random());
	}
	free_question(q);
	outcome_apply_one(delivery);
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
		q->due_us = clock_tick_us();
		q->step = (struct step){ .kind = STEP_LAZY, .run = run_routed, .done = routed };
		committer_add(core.committer, &q->step);
	}
	destination_settle(d);
	return true;
}
