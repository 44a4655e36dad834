/* SPDX-License-Identifier: ISC */
#include "queue/mailboxes.h"

#include <stdlib.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/limits.h"
#include "queue/outcome.h"

enum mailbox_state {
	MAILBOX_ASKING,   /* router is to say who the user is */
	MAILBOX_STARTING, /* the parent was asked to start it */
	MAILBOX_UP
};

enum { NUMBER_BITS = 20 }; /* of a number, that count; above them is the generation */

struct mailbox {
	TAILQ_ENTRY(mailbox) next;
	uint64_t number; /* ours, for router and parent; the instance of the process */
	enum mailbox_state state;
	struct destination *destination;
	struct worker *worker; /* MAILBOX_UP */
	struct loop_timer timer;
	char user[PROTO_USER_MAX + 1];
	char action[PROTO_NAME_MAX + 1];
};

static struct {
	TAILQ_HEAD(mailbox_list, mailbox) list;
	size_t count;
	TAILQ_HEAD(waiting_list, destination) waiting;
	uint64_t last_number;
} mailboxes;

void
mailboxes_init(uint64_t generation)
{
	TAILQ_INIT(&mailboxes.list);
	TAILQ_INIT(&mailboxes.waiting);
	mailboxes.count = 0;
	mailboxes.last_number = generation << NUMBER_BITS & UINT32_MAX;
}

size_t
mailboxes_count(void)
{
	return mailboxes.count;
}

/* --- the end of one --- */

/* The destination that has waited longest for a process may ask again. */
static void
wake_one(void)
{
	struct destination *d = TAILQ_FIRST(&mailboxes.waiting);

	if (d == NULL)
		return;
	TAILQ_REMOVE(&mailboxes.waiting, d, waiting);
	d->blocked = false;
	destination_settle(d);
}

/* Forgets it, and closes its channel, which ends the process. Its jobs go back. Returns its destination, to be settled. */
static struct destination *
forget(struct mailbox *m)
{
	struct destination *d = m->destination;

	TAILQ_REMOVE(&mailboxes.list, m, next);
	mailboxes.count--;
	loop_timer_stop(&m->timer);
	d->mailbox = NULL;
	d->blocked = false;
	if (m->worker != NULL) {
		struct peer *peer = m->worker->peer;
		peer->data = NULL;
		worker_free(m->worker);
		process_peer_broke(peer, NULL);
	}
	free(m);
	wake_one();
	return d;
}

/* It could not be had: the delivery it was for hears so, and what waits behind it waits longer, or is tried by itself. */
static void
fail(struct mailbox *m, bool permanent, struct str text)
{
	struct destination *d = forget(m);
	struct delivery *delivery = destination_run(d);
	const struct reply never = { .code = 550, .cause = PROTO_CAUSE_HERE, .enhanced = S("5.3.0"), .text = text };
	const struct reply later = { .code = 451, .cause = PROTO_CAUSE_HERE, .enhanced = S("4.3.0"), .text = text };
	struct rcpt *r;

	if (delivery == NULL) {
		destination_settle(d);
		return;
	}
	destination_finish(d, delivery);
	if (permanent) {
		STAILQ_FOREACH (r, &delivery->rcpts, next) {
			r->tries++;
			rcpt_answer(r, OUTCOME_FAILED, reply_new(&never));
		}
	} else {
		outcome_defer_all(delivery, &later);
		destination_is_down(d, PROTO_CAUSE_HERE, text);
	}
	outcome_apply_one(delivery);
	destination_settle(d);
}

static void
timed_out(void *arg)
{
	struct mailbox *m = arg;

	if (m->state != MAILBOX_UP)
		fail(m, false, S("The process that writes into the mailbox did not start in time."));
	else if (m->worker->count == 0)
		destination_settle(forget(m));
}

/* --- the start of one --- */

static void
ask_router(struct mailbox *m)
{
	struct peer *router = process_peer_next(PROTO_KIND_ROUTER, NULL);

	if (router != NULL)
		SEND(router->channel, STATEMENT_ASK, statement_ask, m->number, .action = str_of(m->action),
		    .user = str_of(m->user));
}

void
mailboxes_ask_router(void)
{
	struct mailbox *m;

	TAILQ_FOREACH (m, &mailboxes.list, next)
		if (m->state == MAILBOX_ASKING)
			ask_router(m);
}

static struct mailbox *
find(uint64_t number)
{
	struct mailbox *m;

	TAILQ_FOREACH (m, &mailboxes.list, next)
		if (m->number == number)
			return m;
	return NULL;
}

static uint64_t
next_number(void)
{
	do
		mailboxes.last_number = (mailboxes.last_number + 1) & UINT32_MAX;
	while (mailboxes.last_number == 0 || find(mailboxes.last_number) != NULL);
	return mailboxes.last_number;
}

static void
start(struct destination *d, struct str user, struct str action)
{
	struct mailbox *m = calloc(1, sizeof(*m));

	if (m == NULL)
		fatal("out of memory");
	m->number = next_number();
	m->destination = d;
	(void)str_copy(user, m->user, sizeof(m->user));
	(void)str_copy(action, m->action, sizeof(m->action));
	loop_timer_init(&m->timer, timed_out, m);
	loop_timer_start(&m->timer, QUEUE_MAILBOX_START_MS);
	TAILQ_INSERT_TAIL(&mailboxes.list, m, next);
	mailboxes.count++;
	d->mailbox = m;
	d->blocked = true;
	ask_router(m);
}

static bool
is_idle(const struct mailbox *m)
{
	return m->state == MAILBOX_UP && m->worker->count == 0;
}

/* The process that stands in the way of another for that user: the user's own, or the longest idle when there are many. */
static struct mailbox *
in_the_way(struct str user)
{
	struct mailbox *m, *idle = NULL;

	TAILQ_FOREACH (m, &mailboxes.list, next) {
		if (str_equal(str_of(m->user), user))
			return m;
		if (idle == NULL && is_idle(m))
			idle = m;
	}
	if (mailboxes.count < QUEUE_MAILBOXES_MAX)
		return NULL;
	return idle != NULL ? idle : TAILQ_FIRST(&mailboxes.list);
}

static void
wait_for_turn(struct destination *d)
{
	d->blocked = true;
	TAILQ_INSERT_TAIL(&mailboxes.waiting, d, waiting);
}

struct worker *
mailbox_for(struct destination *d)
{
	const struct rcpt *r = STAILQ_FIRST(&TAILQ_FIRST(&d->ready)->rcpts);
	struct mailbox *other;

	if (d->mailbox != NULL) {
		if (d->mailbox->state == MAILBOX_UP)
			return d->mailbox->worker;
		d->blocked = true;
		return NULL;
	}
	other = in_the_way(r->user);
	if (other != NULL && !is_idle(other)) {
		wait_for_turn(d);
		return NULL;
	}
	if (other != NULL)
		destination_settle(forget(other));
	start(d, r->user, r->action);
	return NULL;
}

void
mailbox_is_idle(struct destination *d)
{
	struct mailbox *m = d->mailbox;

	if (m == NULL || !is_idle(m))
		return;
	/* The longest idle stands first. */
	TAILQ_REMOVE(&mailboxes.list, m, next);
	TAILQ_INSERT_TAIL(&mailboxes.list, m, next);
	loop_timer_start(&m->timer, QUEUE_MAILBOX_IDLE_MS);
	/* One that could not reach the mailbox looks but once: whether it is there by now another has to find out. */
	if (core.draining || d->down ||
	    (!TAILQ_EMPTY(&mailboxes.waiting) && d->ready_count == 0 && d->next_us > clock_us()))
		loop_timer_start(&m->timer, 0);
}

void
mailboxes_close_idle(void)
{
	struct mailbox *m, *next;

	for (m = TAILQ_FIRST(&mailboxes.list); m != NULL; m = next) {
		next = TAILQ_NEXT(m, next);
		if (is_idle(m))
			loop_timer_start(&m->timer, 0);
	}
}

/* --- what the others say --- */

bool
mailbox_statement_answer(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_statement_answer *answer = &msg->statement_answer;
	struct mailbox *m = find(id);

	(void)peer;
	(void)fd;
	/* Numbers rise: one that is over may be answered late, one that never was, or has its answer, may not. */
	if (m == NULL)
		return id <= mailboxes.last_number;
	if (m->state != MAILBOX_ASKING)
		return false;
	if (answer->status != PROTO_ANSWER_FOUND) {
		fail(m, false, answer->text.len > 0 ? answer->text : S("The user is not known at the moment."));
		return true;
	}
	m->state = MAILBOX_STARTING;
	SEND(process_parent(), MAILBOX_START, mailbox_start, m->number, .statement = answer->statement);
	return true;
}

bool
mailbox_ended(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct mailbox *m = find(id);

	(void)peer;
	(void)fd;
	/* One that was up ends with its channel. */
	if (m != NULL && m->state == MAILBOX_STARTING)
		fail(m, msg->mailbox_ended.permanent, msg->mailbox_ended.text);
	return true;
}

void
mailbox_peer_new(struct peer *peer)
{
	struct mailbox *m = find(peer->instance);

	if (m == NULL || m->state != MAILBOX_STARTING) {
		process_peer_broke(peer, NULL); /* it came too late */
		return;
	}
	m->state = MAILBOX_UP;
	m->worker = worker_new(peer);
	peer->data = m->worker;
	m->destination->blocked = false;
	loop_timer_start(&m->timer, QUEUE_MAILBOX_IDLE_MS);
	destination_settle(m->destination);
}

void
mailbox_peer_gone(struct peer *peer)
{
	struct mailbox *m;

	TAILQ_FOREACH (m, &mailboxes.list, next)
		if (m->worker != NULL && m->worker->peer == peer)
			break;
	if (m == NULL)
		return;
	worker_free(m->worker);
	m->worker = NULL;
	peer->data = NULL;
	destination_settle(forget(m));
}
