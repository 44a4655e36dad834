/* SPDX-License-Identifier: ISC */
#include "queue/destinations.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/limits.h"
#include "queue/load.h"
#include "queue/rate.h"

/* A question that takes more than one turn. */
struct question {
	TAILQ_ENTRY(question) next;
	struct peer *peer; /* NULL: it is gone */
	uint64_t id;
	union {
		struct msg_destination_list list;
		struct msg_destination_ages ages;
	} about;
	uint64_t count; /* rows that were answered */
	uint64_t looked;
	struct loop_timer timer;
	struct step barrier;
	loop_timer_fn *begin;
};

static TAILQ_HEAD(questions, question) questions = TAILQ_HEAD_INITIALIZER(questions);
static size_t questions_count;

/* To suspend destinations, or resume them. */
struct order {
	struct step step;
	struct peer *peer;
	uint64_t id;
	bool suspended;
	uint64_t until_ms;
	uint64_t ids[QUEUE_ORDERS_MAX];
	size_t count;
	size_t name_len;
	char name[PROTO_DESTINATION_MAX];
	TAILQ_ENTRY(order) next;
};

static TAILQ_HEAD(orders, order) orders = TAILQ_HEAD_INITIALIZER(orders);

static void
answer(struct peer *peer, uint64_t id, bool ok, uint64_t count, const char *text)
{
	if (peer != NULL)
		SEND(peer->channel, ANSWER_END, answer_end, id, .ok = ok, .count = count, .text = str_of(text));
}

static void
finish(struct question *q, bool ok, const char *text)
{
	answer(q->peer, q->id, ok, q->count, text);
	loop_timer_stop(&q->timer);
	TAILQ_REMOVE(&questions, q, next);
	questions_count--;
	free(q);
}

void
destinations_gone(const struct peer *peer)
{
	struct question *q;
	struct order *o;

	TAILQ_FOREACH (q, &questions, next)
		if (q->peer == peer)
			q->peer = NULL; /* its next step ends it */
	TAILQ_FOREACH (o, &orders, next)
		if (o->peer == peer)
			o->peer = NULL;
}

static void
run_nothing(struct store_txn *txn, struct step *step)
{
	(void)txn;
	(void)step;
}

static void
passed_barrier(struct step *step, enum store_failure failure)
{
	struct question *q = (struct question *)(void *)((char *)step - offsetof(struct question, barrier));

	(void)failure;
	q->begin(q);
}

static struct question *
new_question(struct peer *peer, uint64_t id, loop_timer_fn *step)
{
	struct question *q;

	if (questions_count >= QUEUE_REQUESTS_MAX || (q = calloc(1, sizeof(*q))) == NULL) {
		answer(peer, id, false, 0, "too many requests at a time");
		return NULL;
	}
	q->peer = peer;
	q->id = id;
	q->begin = step;
	loop_timer_init(&q->timer, step, q);
	TAILQ_INSERT_TAIL(&questions, q, next);
	questions_count++;
	return q;
}

/* The journal may have mail that the store gets in a moment: what was accepted before the question is in the answer. */
static void
begin(struct question *q)
{
	if (committer_kept_bytes(core.committer) == 0) {
		q->begin(q);
		return;
	}
	q->barrier = (struct step){ .kind = STEP_URGENT, .run = run_nothing, .done = passed_barrier };
	committer_add(core.committer, &q->barrier);
}

/* --- the list --- */

struct standing {
	enum proto_destination_state state;
	enum proto_cause cause;
	int64_t until_us; /* it holds so long; 0: that is not known */
};

/* The first reason that holds. d NULL: it is not in memory yet, or nothing waits. */
static struct standing
standing_of(const struct destination *d, const struct record_destination *record, int64_t due_us)
{
	int64_t now = clock_us();

	if (d == NULL)
		return (struct standing){ record->waiting > 0 ? PROTO_DESTINATION_WAITING : PROTO_DESTINATION_IDLE,
			PROTO_CAUSE_NONE, 0 };
	if (d->held)
		return (struct standing){ PROTO_DESTINATION_HELD, PROTO_CAUSE_PAUSE, 0 };
	if (destination_is_suspended(d, now))
		return (struct standing){ PROTO_DESTINATION_SUSPENDED, PROTO_CAUSE_PAUSE, d->suspended_until_us };
	if (core.paused[d->kind])
		return (struct standing){ PROTO_DESTINATION_PAUSED, PROTO_CAUSE_PAUSE, 0 };
	if (d->down)
		return (struct standing){ PROTO_DESTINATION_DOWN, d->cause, d->until_us };
	if (destination_rated_us(d) > now && (d->ready_count > 0 || (record->waiting > 0 && due_us <= now)))
		return (struct standing){ PROTO_DESTINATION_LIMITED, PROTO_CAUSE_OUR_LIMIT, destination_rated_us(d) };
	if (d->running > 0 || d->ready_count > 0 || (record->waiting > 0 && due_us <= now))
		return (struct standing){ PROTO_DESTINATION_ACTIVE,
			d->running >= d->window ? PROTO_CAUSE_OUR_LIMIT : PROTO_CAUSE_NONE, 0 };
	if (record->waiting > 0)
		return (struct standing){ PROTO_DESTINATION_WAITING, PROTO_CAUSE_NONE, 0 };
	return (struct standing){ PROTO_DESTINATION_IDLE, PROTO_CAUSE_NONE, 0 };
}

/* When its first recipient is due; 0 where none waits for a time. */
static int64_t
first_due_us(struct store_txn *txn, const struct record_destination *record)
{
	static const struct store_entry start;
	struct store_entry entry;

	if (record->waiting == 0 || store_next_entry(txn, record->id, &start, &entry) != STORE_FOUND ||
	    entry.due_us >= RECORD_HELD_US)
		return 0;
	return (int64_t)entry.due_us;
}

static int64_t
next_of(const struct standing *s, int64_t due_us)
{
	bool held = s->state == PROTO_DESTINATION_HELD || s->state == PROTO_DESTINATION_PAUSED ||
	    (s->state == PROTO_DESTINATION_SUSPENDED && s->until_us == 0);

	if (due_us == 0 || held)
		return s->until_us;
	return s->until_us > due_us ? s->until_us : due_us;
}

/* Whether its mail is not served, for whatever reason but its own time. */
static bool
is_stopped(enum proto_destination_state state)
{
	return state >= PROTO_DESTINATION_LIMITED;
}

static void
list_one(struct question *q, struct store_txn *txn, struct record_destination *record)
{
	const struct destination *d = destination_find(record->id);
	int64_t due_us = first_due_us(txn, record);
	struct standing s = standing_of(d, record, due_us);
	struct buf rate;

	if (record->waiting < q->about.list.waiting || (q->about.list.down && !is_stopped(s.state)))
		return;
	buf_init(&rate, PROTO_NAME_MAX);
	if (d != NULL && d->rates != NULL)
		rates_print(d->rates, &rate);
	SEND(q->peer->channel, DESTINATION_ENTRY, destination_entry, q->id, .destination = record->id,
	    .kind = record->kind, .name = record->name, .waiting = record->waiting,
	    .running = d == NULL ? 0 : d->running, .window = d == NULL ? 0 : d->window, .state = s.state,
	    .cause = s.cause, .next_ms = (uint64_t)(next_of(&s, due_us) / 1000),
	    .failures = d == NULL ? record->failures : d->failures, .rate = buf_str(&rate), .site = S(""),
	    .text = str_of(d == NULL || d->text == NULL ? "" : d->text));
	buf_clear(&rate);
	q->count++;
}

static void
list_step(void *arg)
{
	struct question *q = arg;
	struct msg_destination_list *list = &q->about.list;
	struct record_destination record;
	enum store_found found = STORE_BROKEN;
	struct error err = { .text = "the spool cannot be read" };
	struct store_txn *txn = q->peer == NULL ? NULL : store_read(core.store, &err);
	struct str name;
	unsigned kind;
	int n;

	for (n = 0; txn != NULL && n < QUEUE_LIST_STEP && q->count < list->limit; n++) {
		found = store_next_destination(txn, list->after, &list->after, &kind, &name, &record, &err);
		if (found != STORE_FOUND)
			break;
		list_one(q, txn, &record);
	}
	if (txn != NULL)
		store_read_end(txn);
	if (txn == NULL || found == STORE_BROKEN)
		finish(q, false, err.text);
	else if (found == STORE_NONE || q->count >= list->limit)
		finish(q, true, "");
	else
		loop_timer_start(&q->timer, 0);
}

bool
destinations_list(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct question *q = new_question(peer, id, list_step);

	(void)fd;
	if (q == NULL)
		return true;
	q->about.list = msg->destination_list;
	begin(q);
	return true;
}

/* --- ages --- */

static size_t
class_of(int64_t age_ms)
{
	static const uint64_t minutes[PROTO_AGES] = PROTO_AGE_MINUTES;
	uint64_t age = age_ms < 0 ? 0 : (uint64_t)age_ms / 60000;
	size_t i = 0;

	while (i + 1 < PROTO_AGES && age >= minutes[i])
		i++;
	return i;
}

/* Ages of one destination, from a place of its schedule on. */
struct row {
	uint64_t counts[PROTO_AGES];
	uint64_t message; /* looked at last: a list's recipients stand together */
	size_t class;
};

/* Counts entries behind *at until there are none, or n of them were looked at. Returns how many were. */
static uint64_t
count_ages(struct store_txn *txn, struct msg_destination_ages *at, struct row *row, uint64_t n)
{
	struct store_entry entry, after = { at->due_us, at->message, (uint32_t)at->number };
	struct record_message record;
	uint64_t i;

	for (i = 0; i < n && store_next_entry(txn, at->destination, &after, &entry) == STORE_FOUND; i++) {
		after = entry;
		if (entry.message != row->message) {
			row->message = entry.message;
			row->class = store_get_message(txn, entry.message, &record, NULL) == STORE_FOUND
			    ? class_of(clock_ms() - (int64_t)record.created_ms)
			    : PROTO_AGES;
		}
		if (row->class < PROTO_AGES) /* else it left meanwhile, or is damaged, which others tell */
			row->counts[row->class]++;
	}
	at->due_us = after.due_us;
	at->message = after.message;
	at->number = after.number;
	return i;
}

static void
send_row(struct question *q, const struct row *row, unsigned kind, struct str name)
{
	const struct msg_destination_ages *at = &q->about.ages;

	SEND(q->peer->channel, DESTINATION_AGE, destination_age, q->id, .destination = at->destination,
	    .due_us = at->due_us, .message = at->message, .number = at->number, .kind = kind, .name = name,
	    .counts = { (const char *)row->counts, sizeof(row->counts) });
	q->count++;
}

/* Looks at up to n entries of the destination at hand, and passes on to the next one when there are no more. */
static enum store_found
age_one(struct question *q, struct store_txn *txn, uint64_t n, uint64_t *left, struct error *err)
{
	struct msg_destination_ages *at = &q->about.ages;
	struct record_destination record;
	struct row row = { 0 };
	struct str name;
	unsigned kind;
	enum store_found found = store_get_destination(txn, at->destination, &kind, &name, &record, err);
	uint64_t counted = found == STORE_FOUND ? count_ages(txn, at, &row, n) : 0;

	if (counted > 0)
		send_row(q, &row, kind, name);
	*left -= counted + 1 < *left ? counted + 1 : *left;
	q->looked += counted;
	if (found == STORE_BROKEN || counted == n)
		return found;
	*at = (struct msg_destination_ages){ .destination = at->destination };
	return store_next_destination(txn, at->destination, &at->destination, &kind, &name, &record, err);
}

static void
ages_step(void *arg)
{
	struct question *q = arg;
	enum store_found found = STORE_FOUND;
	struct error err = { .text = "the spool cannot be read" };
	struct store_txn *txn = q->peer == NULL ? NULL : store_read(core.store, &err);
	uint64_t left = QUEUE_AGES_STEP;

	while (txn != NULL && found == STORE_FOUND && left > 0 && q->count < QUEUE_AGES_ROWS)
		found = age_one(q, txn, left, &left, &err);
	if (txn != NULL)
		store_read_end(txn);
	if (txn == NULL || found == STORE_BROKEN)
		finish(q, false, err.text);
	else if (found == STORE_NONE || q->count >= QUEUE_AGES_ROWS || q->looked >= QUEUE_AGES_PART)
		finish(q, true, "");
	else
		loop_timer_start(&q->timer, 0);
}

bool
destinations_ages(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct question *q = new_question(peer, id, ages_step);

	(void)fd;
	if (q == NULL)
		return true;
	q->about.ages = msg->destination_ages;
	begin(q);
	return true;
}

/* --- to suspend and resume --- */

/* The action that the name begins with, behind which a slash stands; NULL where it is a domain alone. */
static const struct config_action *
action_of(struct str name)
{
	const struct config_action *action;
	size_t i;

	for (i = 1; i + 1 < name.len; i++)
		if (name.ptr[i] == '/' &&
		    (action = config_action_find(core.config, (struct str){ name.ptr, i })) != NULL)
			return action;
	return NULL;
}

static void
order_one(struct store_txn *txn, struct order *o, uint64_t id)
{
	struct record_destination record;
	struct str name;
	unsigned kind;

	if (id == 0 || o->count == QUEUE_ORDERS_MAX ||
	    store_get_destination(txn, id, &kind, &name, &record, NULL) != STORE_FOUND)
		return;
	record.suspended = o->suspended;
	record.suspended_until_ms = o->until_ms;
	store_put_destination(txn, id, &record);
	o->ids[o->count++] = id;
}

/* One that was named in full may be suspended before there is mail for it; a domain means what there is of it. */
static void
run_order(struct store_txn *txn, struct step *step)
{
	struct order *o = (struct order *)step;
	const struct str name = { o->name, o->name_len };
	const struct config_action *action = action_of(name);
	struct buf full;

	o->count = 0;
	if (action != NULL) {
		unsigned kind = action->method == CONFIG_METHOD_RELAY ? PROTO_DELIVERY_RELAY : PROTO_DELIVERY_LOCAL;
		order_one(txn, o,
		    o->suspended ? store_destination(txn, kind, name) : store_find_destination(txn, kind, name));
		return;
	}
	buf_init(&full, PROTO_DESTINATION_MAX);
	STAILQ_FOREACH (action, &core.config->actions, next) {
		buf_truncate(&full, 0);
		if (action->method == CONFIG_METHOD_RELAY && buf_printf(&full, "%s/%.*s", action->name, STR_ARG(name)))
			order_one(txn, o, store_find_destination(txn, PROTO_DELIVERY_RELAY, buf_str(&full)));
	}
	buf_clear(&full);
}

static void
obey(const struct order *o)
{
	struct error err;
	struct store_txn *txn = store_read(core.store, &err);
	size_t i;

	for (i = 0; txn != NULL && i < o->count; i++) {
		struct destination *d = load_destination(txn, o->ids[i], &err);
		if (d == NULL)
			continue;
		destination_suspend(d, o->suspended, (int64_t)o->until_ms * 1000);
		destination_settle(d);
		log_notice(o->suspended ? "destination-suspended" : "destination-resumed",
		    log_str(LOG_FIELD_destination, destination_name(d)));
	}
	if (txn != NULL)
		store_read_end(txn);
}

static void
order_done(struct step *step, enum store_failure failure)
{
	struct order *o = (struct order *)step;

	if (failure == STORE_FAILED)
		core_store_failed();
	if (failure == STORE_OK)
		obey(o);
	if (failure != STORE_OK)
		answer(o->peer, o->id, false, 0, "the order cannot be stored: see the log");
	else if (o->count == 0)
		answer(o->peer, o->id, false, 0, "no such destination: see show destinations");
	else
		answer(o->peer, o->id, true, o->count, "");
	TAILQ_REMOVE(&orders, o, next);
	free(o);
}

bool
destinations_order(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_destination_suspend *suspend = &msg->destination_suspend;
	struct order *o = calloc(1, sizeof(*o));

	(void)fd;
	if (o == NULL)
		fatal("out of memory");
	o->peer = peer;
	o->id = id;
	o->suspended = suspend->suspended;
	if (suspend->suspended && suspend->for_s > 0)
		o->until_ms = (uint64_t)clock_ms() + suspend->for_s * 1000;
	o->name_len = suspend->name.len;
	if (suspend->name.len > 0)
		memcpy(o->name, suspend->name.ptr, suspend->name.len);
	o->step = (struct step){ .kind = STEP_URGENT, .run = run_order, .done = order_done };
	TAILQ_INSERT_TAIL(&orders, o, next);
	committer_add(core.committer, &o->step);
	return true;
}
