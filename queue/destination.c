/* SPDX-License-Identifier: ISC */
#include "queue/destination.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/proto.h"
#include "common/tree.h"
#include "queue/clock.h"
#include "queue/limits.h"
#include "queue/rate.h"
#include "queue/schedule.h"

TAILQ_HEAD(line, destination);
RB_HEAD(by_id, destination);
RB_HEAD(by_time, destination);

static struct {
	struct by_id by_id;
	struct by_time by_time;
	struct line lines[DESTINATION_KINDS];
	struct line idle; /* the longest idle first */
	size_t count;
	size_t loaded;
	bool (*held)(unsigned kind, struct str name);
	void (*restrain)(struct destination *d);
	struct loop_timer timer;
	struct loop_hook hook;
	void (*on_line)(void);
} all;

static int
compare_id(struct destination *a, struct destination *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

static int
compare_time(struct destination *a, struct destination *b)
{
	if (a->place_us != b->place_us)
		return a->place_us > b->place_us ? 1 : -1;
	return compare_id(a, b);
}

static int
compare_delivery(struct delivery *a, struct delivery *b)
{
	if (a->mail->id != b->mail->id)
		return a->mail->id > b->mail->id ? 1 : -1;
	return (a->first > b->first) - (a->first < b->first);
}

TREE_STATIC(by_id, destination, by_id, compare_id);
TREE_STATIC(by_time, destination, by_time, compare_time);
TREE_STATIC(loaded, delivery, node, compare_delivery);

/* --- all of them --- */

static void
woken(void *arg)
{
	(void)arg;
	destinations_wake();
}

void
destinations_init(bool (*held)(unsigned kind, struct str name), void (*restrain)(struct destination *d))
{
	size_t i;

	memset(&all, 0, sizeof(all));
	RB_INIT(&all.by_id);
	RB_INIT(&all.by_time);
	for (i = 0; i < DESTINATION_KINDS; i++)
		TAILQ_INIT(&all.lines[i]);
	TAILQ_INIT(&all.idle);
	all.held = held;
	all.restrain = restrain;
	loop_timer_init(&all.timer, woken, NULL);
}

void
destinations_free(void)
{
	struct destination *d;

	while ((d = RB_MIN(by_id, &all.by_id)) != NULL) {
		struct delivery *delivery;
		while ((delivery = RB_MIN(loaded, &d->loaded)) != NULL) {
			RB_REMOVE(loaded, &d->loaded, delivery);
			delivery_free(delivery);
		}
		RB_REMOVE(by_id, &all.by_id, d);
		free(d->rates);
		free(d->text);
		free(d);
	}
	loop_timer_stop(&all.timer);
	loop_hook_cancel(&all.hook);
	memset(&all, 0, sizeof(all));
}

size_t
destinations_count(void)
{
	return all.count;
}

size_t
deliveries_loaded(void)
{
	return all.loaded;
}

struct destination *
destination_find(uint64_t id)
{
	struct destination key = { .id = id };

	return RB_FIND(by_id, &all.by_id, &key);
}

static unsigned
first_window(unsigned kind)
{
	switch (kind) {
	case PROTO_DELIVERY_RELAY: return QUEUE_CONCURRENCY_START;
	case PROTO_DELIVERY_LOCAL: return 1;
	default: return QUEUE_ROUTES_MAX;
	}
}

struct destination *
destination_get(uint64_t id, unsigned kind, struct str name)
{
	struct destination *d = destination_find(id);

	if (d != NULL)
		return d;
	invariant(kind < DESTINATION_KINDS);
	d = calloc(1, sizeof(*d) + name.len);
	if (d == NULL)
		fatal("out of memory");
	d->id = id;
	d->kind = kind;
	d->window = first_window(kind);
	d->window_max = kind == PROTO_DELIVERY_RELAY ? QUEUE_CONCURRENCY_MAX : d->window;
	d->next_us = DESTINATION_NEVER;
	d->worker = UINT64_MAX;
	d->name_len = name.len;
	if (name.len > 0)
		memcpy(d->name, name.ptr, name.len);
	d->held = all.held != NULL && all.held(kind, name);
	if (all.restrain != NULL)
		all.restrain(d);
	if (d->window > d->window_max)
		d->window = d->window_max;
	TAILQ_INIT(&d->ready);
	RB_INIT(&d->loaded);
	RB_INSERT(by_id, &all.by_id, d);
	all.count++;
	return d;
}

struct str
destination_name(const struct destination *d)
{
	return (struct str){ d->name, d->name_len };
}

struct destination *
destination_next(struct destination *after)
{
	return after == NULL ? RB_MIN(by_id, &all.by_id) : RB_NEXT(by_id, &all.by_id, after);
}

/* --- its place --- */

static void
arm_timer(void)
{
	struct destination *first = RB_MIN(by_time, &all.by_time);

	if (first == NULL)
		loop_timer_stop(&all.timer);
	else
		loop_timer_start(&all.timer, (first->place_us - clock_us()) / 1000 + 1);
}

static void
leave_place(struct destination *d)
{
	switch (d->place) {
	case PLACE_NOWHERE: break;
	case PLACE_IN_LINE: TAILQ_REMOVE(&all.lines[d->kind], d, link); break;
	case PLACE_TIMED: RB_REMOVE(by_time, &all.by_time, d); break;
	case PLACE_IDLE: TAILQ_REMOVE(&all.idle, d, link); break;
	}
	d->place = PLACE_NOWHERE;
}

static void
take_place(struct destination *d, enum destination_place place, int64_t at_us)
{
	if (d->place == place && (place != PLACE_TIMED || d->place_us == at_us))
		return;
	leave_place(d);
	d->place = place;
	d->place_us = at_us;
	switch (place) {
	case PLACE_NOWHERE: break;
	case PLACE_IN_LINE:
		TAILQ_INSERT_TAIL(&all.lines[d->kind], d, link);
		if (all.hook.fn != NULL)
			loop_at_end(&all.hook);
		break;
	case PLACE_TIMED:
		RB_INSERT(by_time, &all.by_time, d);
		if (RB_MIN(by_time, &all.by_time) == d)
			arm_timer();
		break;
	case PLACE_IDLE: TAILQ_INSERT_TAIL(&all.idle, d, link); break;
	}
}

bool
destination_is_suspended(const struct destination *d, int64_t now_us)
{
	return d->suspended && (d->suspended_until_us == 0 || d->suspended_until_us > now_us);
}

int64_t
destination_rated_us(const struct destination *d)
{
	return d->rates == NULL ? 0 : rates_ready_us(d->rates);
}

bool
destination_may_run(const struct destination *d, int64_t now_us)
{
	return !d->down && d->running < d->window && !destination_is_suspended(d, now_us) &&
	    destination_rated_us(d) <= now_us;
}

/* When it can be served; DESTINATION_NEVER while that does not depend on the clock. */
static int64_t
served_at(const struct destination *d)
{
	int64_t work_us = d->ready_count > 0 ? 0 : d->next_us;

	if (d->held || d->blocked || work_us == DESTINATION_NEVER || (d->suspended && d->suspended_until_us == 0))
		return DESTINATION_NEVER;
	if (d->suspended && d->suspended_until_us > work_us)
		work_us = d->suspended_until_us;
	if (destination_rated_us(d) > work_us)
		work_us = destination_rated_us(d);
	if (d->down && d->running > 0)
		return DESTINATION_NEVER; /* its probe, or the last jobs from before: what they find out decides */
	if (d->down)
		return d->until_us > work_us ? d->until_us : work_us;
	return d->running < d->window ? work_us : DESTINATION_NEVER;
}

void
destination_settle(struct destination *d)
{
	int64_t now = clock_us();
	int64_t at = served_at(d);

	if (at <= now)
		take_place(d, PLACE_IN_LINE, 0);
	else if (at != DESTINATION_NEVER)
		take_place(d, PLACE_TIMED, at);
	else if (destination_is_suspended(d, now)) /* is remembered, with mail or without */
		take_place(d, d->suspended_until_us == 0 ? PLACE_NOWHERE : PLACE_TIMED, d->suspended_until_us);
	else if (d->loaded_count == 0 && d->next_us == DESTINATION_NEVER && !d->blocked && d->mailbox == NULL)
		take_place(d, PLACE_IDLE, now);
	else
		take_place(d, PLACE_NOWHERE, 0);
}

static void
line_hook(void *arg)
{
	(void)arg;
	all.on_line();
}

void
destinations_on_line(void (*fn)(void))
{
	all.on_line = fn;
	all.hook = (struct loop_hook){ .fn = line_hook };
}

struct destination *
destination_take(unsigned kind)
{
	struct destination *d = TAILQ_FIRST(&all.lines[kind]);

	if (d != NULL)
		leave_place(d);
	return d;
}

void
destinations_wake(void)
{
	int64_t now = clock_us();
	struct destination *d;

	while ((d = RB_MIN(by_time, &all.by_time)) != NULL && d->place_us <= now) {
		leave_place(d);
		destination_settle(d);
	}
	arm_timer();
}

void
destinations_idle(int64_t before_us, size_t max, void (*forget)(struct destination *d))
{
	struct destination *d, *next;

	for (d = TAILQ_FIRST(&all.idle); d != NULL && d->place_us < before_us && max > 0; d = next, max--) {
		next = TAILQ_NEXT(d, link);
		forget(d);
	}
}

void
destination_free(struct destination *d)
{
	invariant(d->loaded_count == 0 && d->mailbox == NULL);
	leave_place(d);
	RB_REMOVE(by_id, &all.by_id, d);
	all.count--;
	free(d->rates);
	free(d->text);
	free(d);
}

/* --- deliveries --- */

bool
destination_has_room(const struct destination *d)
{
	return d->ready_count < QUEUE_READY_MAX && all.loaded < QUEUE_LOADED_MAX;
}

bool
destination_takes_new(const struct destination *d, int64_t now_us)
{
	return !d->down && !d->held && !destination_is_suspended(d, now_us) && d->next_us > now_us &&
	    destination_has_room(d);
}

bool
destination_wants_more(const struct destination *d, int64_t now_us)
{
	return d->ready_count == d->ahead && (d->ready_count == 0 || d->next_us <= now_us);
}

struct delivery *
destination_delivery(struct destination *d, uint64_t message, uint32_t number)
{
	struct mail mail = { .id = message };
	struct delivery key = { .mail = &mail, .first = 0 };
	struct delivery *found = RB_NFIND(loaded, &d->loaded, &key);

	for (; found != NULL && found->mail->id == message; found = RB_NEXT(loaded, &d->loaded, found))
		if (delivery_has(found, number))
			return found;
	return NULL;
}

bool
destination_has(struct destination *d, uint64_t message, uint32_t number)
{
	return d->loaded_count > 0 && destination_delivery(d, message, number) != NULL;
}

static void
insert_loaded(struct destination *d, struct delivery *delivery, enum delivery_state state)
{
	invariant(delivery->count > 0);
	delivery->destination = d;
	delivery->state = state;
	invariant(RB_INSERT(loaded, &d->loaded, delivery) == NULL);
	d->loaded_count++;
	all.loaded++;
}

static struct delivery *
last_of_sender(const struct destination *d, const struct mail *mail)
{
	struct delivery *at = TAILQ_LAST(&d->ready, deliveries);

	while (at != NULL && !str_equal(at->mail->reverse_path, mail->reverse_path))
		at = TAILQ_PREV(at, deliveries, link);
	return at;
}

/* In the next round, or in the one behind its sender's last; among those of its round it is the last. */
static void
put_in_turn(struct destination *d, struct delivery *delivery)
{
	struct delivery *at = last_of_sender(d, delivery->mail);

	delivery->round = d->round + 1;
	if (at != NULL && at->round >= delivery->round)
		delivery->round = at->round + 1;
	at = TAILQ_LAST(&d->ready, deliveries);
	while (at != NULL && at->round > delivery->round)
		at = TAILQ_PREV(at, deliveries, link);
	if (at == NULL)
		TAILQ_INSERT_HEAD(&d->ready, delivery, link);
	else
		TAILQ_INSERT_AFTER(&d->ready, at, delivery, link);
}

bool
destination_lets_ahead(const struct destination *d, const struct mail *mail, int64_t now_us)
{
	return !d->down && !d->held && !destination_is_suspended(d, now_us) && d->ahead < QUEUE_AHEAD_MAX &&
	    all.loaded < QUEUE_LOADED_MAX && last_of_sender(d, mail) == NULL;
}

void
destination_load(struct destination *d, struct delivery *delivery, enum delivery_state state)
{
	insert_loaded(d, delivery, state);
	if (state != DELIVERY_READY)
		return;
	put_in_turn(d, delivery);
	d->ready_count++;
	d->ahead += delivery->ahead;
	d->newest = delivery;
}

struct delivery *
destination_run(struct destination *d)
{
	struct delivery *delivery = TAILQ_FIRST(&d->ready);

	if (delivery == NULL)
		return NULL;
	destination_claim(d, delivery);
	delivery->state = DELIVERY_RUNNING;
	d->running++;
	if (delivery->round > d->round)
		d->round = delivery->round;
	if (d->rates != NULL)
		rates_take(d->rates, clock_us(), delivery->count);
	return delivery;
}

void
destination_return(struct destination *d, struct delivery *delivery)
{
	invariant(delivery->state == DELIVERY_RUNNING && d->running > 0);
	d->running--;
	delivery->state = DELIVERY_READY;
	TAILQ_INSERT_HEAD(&d->ready, delivery, link);
	d->ready_count++;
}

/* Moves the recipients that have an outcome to the end of another list. */
static void
move_answered(struct delivery *from, struct delivery *to)
{
	struct rcpts kept = STAILQ_HEAD_INITIALIZER(kept);
	struct rcpt *r;

	from->count = 0;
	while ((r = STAILQ_FIRST(&from->rcpts)) != NULL) {
		STAILQ_REMOVE_HEAD(&from->rcpts, next);
		if (r->outcome != OUTCOME_NONE) {
			delivery_add(to, r);
			continue;
		}
		if (from->count++ == 0)
			from->first = r->number;
		STAILQ_INSERT_TAIL(&kept, r, next);
	}
	STAILQ_CONCAT(&from->rcpts, &kept);
}

struct delivery *
destination_split(struct destination *d, struct delivery *delivery, struct delivery **rest)
{
	struct delivery *answered = delivery_new(delivery->mail, delivery->due_us);

	if (answered == NULL)
		fatal("out of memory");
	RB_REMOVE(loaded, &d->loaded, delivery);
	d->loaded_count--;
	all.loaded--;
	move_answered(delivery, answered);
	*rest = delivery;
	if (delivery->count > 0) {
		insert_loaded(d, delivery, DELIVERY_RUNNING);
	} else {
		*rest = NULL;
		d->running--;
		delivery_free(delivery);
	}
	if (answered->count == 0) {
		delivery_free(answered);
		return NULL;
	}
	insert_loaded(d, answered, DELIVERY_LEAVING);
	return answered;
}

void
destination_finish(struct destination *d, struct delivery *delivery)
{
	invariant(delivery->state == DELIVERY_RUNNING && d->running > 0);
	d->running--;
	delivery->state = DELIVERY_LEAVING;
}

void
destination_hold(struct destination *d, struct delivery *delivery)
{
	invariant(delivery->state == DELIVERY_RUNNING && d->running > 0);
	d->running--;
	delivery->state = DELIVERY_HELD;
}

void
destination_claim(struct destination *d, struct delivery *delivery)
{
	invariant(delivery->state == DELIVERY_READY || delivery->state == DELIVERY_HELD);
	if (delivery->state == DELIVERY_READY) {
		TAILQ_REMOVE(&d->ready, delivery, link);
		d->ready_count--;
		d->ahead -= delivery->ahead;
		delivery->ahead = false;
	}
	if (d->newest == delivery) {
		d->newest = NULL;
	}
	delivery->state = DELIVERY_LEAVING;
}

void
destination_unload(struct destination *d, struct delivery *delivery)
{
	invariant(delivery->state == DELIVERY_LEAVING);
	RB_REMOVE(loaded, &d->loaded, delivery);
	d->loaded_count--;
	all.loaded--;
	delivery_free(delivery);
}

void
destination_forget_ready(struct destination *d)
{
	struct delivery *delivery;

	while ((delivery = TAILQ_FIRST(&d->ready)) != NULL) {
		const struct store_entry entry = { (uint64_t)delivery->due_us, delivery->mail->id, delivery->first };
		destination_note(d, &entry);
		destination_claim(d, delivery);
		destination_unload(d, delivery);
	}
}

static bool
entry_before(const struct store_entry *a, const struct store_entry *b)
{
	if (a->due_us != b->due_us)
		return a->due_us < b->due_us;
	if (a->message != b->message)
		return a->message < b->message;
	return a->number < b->number;
}

void
destination_note(struct destination *d, const struct store_entry *entry)
{
	if ((int64_t)entry->due_us < d->next_us)
		d->next_us = (int64_t)entry->due_us;
	if (entry_before(&d->cursor, entry))
		return;
	d->cursor = (struct store_entry){ 0 };
	if (entry->due_us > 0)
		d->cursor = (struct store_entry){ entry->due_us - 1, UINT64_MAX, UINT32_MAX };
}

/* --- up and down --- */

void
destination_suspend(struct destination *d, bool suspended, int64_t until_us)
{
	d->suspended = suspended;
	d->suspended_until_us = suspended ? until_us : 0;
	if (suspended)
		destination_forget_ready(d);
}

void
destination_shrink(struct destination *d)
{
	if (d->kind == PROTO_DELIVERY_RELAY)
		d->window = schedule_window_shrunk(d->window);
}

bool
destination_fail(struct destination *d, int64_t until_us, unsigned cause, struct str text)
{
	char *copy;

	destination_shrink(d);
	if (d->down && d->until_us > clock_us())
		return false;
	copy = strndup(text.len > 0 ? text.ptr : "", text.len);
	if (copy != NULL) {
		free(d->text);
		d->text = copy;
	}
	d->down = true;
	d->found_down = true;
	d->cause = cause;
	d->failures++;
	d->until_us = until_us;
	destination_forget_ready(d);
	return true;
}

bool
destination_succeed(struct destination *d)
{
	bool was_down = d->down;

	if (d->kind == PROTO_DELIVERY_RELAY)
		d->window = schedule_window_grown(d->window, d->window_max);
	d->down = false;
	d->found_down = false;
	d->failures = 0;
	d->cause = PROTO_CAUSE_NONE;
	d->until_us = 0;
	free(d->text);
	d->text = NULL;
	return was_down;
}
