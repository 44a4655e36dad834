/* SPDX-License-Identifier: ISC */
#include "queue/upkeep.h"

#include <malloc.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/expiry.h"
#include "queue/limits.h"
#include "queue/transaction.h"

enum { SWEEP_PAUSE_MS = 20, TRIM_MS = 2000, START_MS = 1000 };

static struct {
	struct loop_timer round;
	struct loop_timer sweep;
	struct loop_timer trim;
	bool started;
	bool sweeping;
	bool sweep_again; /* asked for while one was under way */
	bool pruning;
	bool dropping;
} upkeep;

/* --- pieces that are nobody's --- */

struct sweep_step {
	struct step step;
	uint64_t *streaming; /* in rising order: these are coming in */
	size_t count;
	bool more;
};

static int
compare_id(const void *key, const void *member)
{
	const uint64_t *a = key, *b = member;

	return (*a > *b) - (*a < *b);
}

static bool
is_streaming(void *arg, uint64_t message)
{
	const struct sweep_step *s = arg;

	return s->count > 0 && bsearch(&message, s->streaming, s->count, sizeof(message), compare_id) != NULL;
}

static void
run_sweep(struct store_txn *txn, struct step *step)
{
	struct sweep_step *s = (struct sweep_step *)step;

	s->more = store_sweep(txn, QUEUE_SWEEP_STEP, is_streaming, s);
}

static void
swept(struct step *step, enum store_failure failure)
{
	struct sweep_step *s = (struct sweep_step *)step;

	upkeep.sweeping = false;
	if (failure == STORE_FAILED)
		core_store_failed();
	else if (failure == STORE_NO_ROOM)
		loop_timer_start(&upkeep.sweep, QUEUE_AGAIN_MS);
	else if (s->more || upkeep.sweep_again)
		loop_timer_start(&upkeep.sweep, SWEEP_PAUSE_MS);
	upkeep.sweep_again = false;
	free(s->streaming);
	free(s);
}

/*
 * What streams in is passed over by a list made now: a message that begins to stream later is marked by a step behind this
 * one, which therefore does not see it.
 */
static void
sweep(void *arg)
{
	struct sweep_step *s;

	(void)arg;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return;
	s->streaming = transactions_streaming(&s->count);
	if (s->streaming == NULL && s->count > 0) {
		free(s);
		return;
	}
	s->step = (struct step){ .kind = STEP_LAZY, .run = run_sweep, .done = swept };
	upkeep.sweeping = true;
	committer_add(core.committer, &s->step);
}

void
upkeep_sweep_soon(void)
{
	if (!upkeep.started)
		return; /* the start sweeps */
	if (upkeep.sweeping)
		upkeep.sweep_again = true;
	else if (!upkeep.sweep.pending)
		loop_timer_start(&upkeep.sweep, SWEEP_PAUSE_MS);
}

/* --- history --- */

struct prune_step {
	struct step step;
	uint64_t before_us;
	uint64_t bytes_max;
	bool more;
};

static void
run_prune(struct store_txn *txn, struct step *step)
{
	struct prune_step *p = (struct prune_step *)step;

	p->more = store_prune_history(txn, p->before_us, p->bytes_max, QUEUE_PRUNE_STEP);
}

static void prune(void);

/* What found no room is done in the next round. */
static void
pruned(struct step *step, enum store_failure failure)
{
	const struct prune_step *p = (struct prune_step *)step;
	bool more = p->more && failure == STORE_OK;

	free(step);
	upkeep.pruning = false;
	if (failure == STORE_FAILED)
		core_store_failed();
	else if (more)
		prune();
}

static void
prune(void)
{
	struct prune_step *p;
	int64_t before_us;

	if (upkeep.pruning || (p = calloc(1, sizeof(*p))) == NULL)
		return;
	before_us = clock_us() - core.config->history_keep_s * 1000000;
	p->before_us = before_us > 0 ? (uint64_t)before_us : 0; /* a machine whose clock begins at 1970 */
	p->bytes_max = core.config->history_size;
	p->step = (struct step){ .kind = STEP_LAZY, .run = run_prune, .done = pruned };
	upkeep.pruning = true;
	committer_add(core.committer, &p->step);
}

/* --- destinations that nobody needs --- */

struct drop_step {
	struct step step;
	size_t count;
	int64_t now_ms;
	uint64_t ids[QUEUE_DROP_STEP];
	bool gone[QUEUE_DROP_STEP];
};

static struct drop_step *dropping; /* being filled */

/* An order to suspend it can be on its way to memory. */
static bool
is_suspended(const struct record_destination *record, int64_t now_ms)
{
	return record->suspended && (record->suspended_until_ms == 0 || (int64_t)record->suspended_until_ms > now_ms);
}

static void
run_drop(struct store_txn *txn, struct step *step)
{
	struct drop_step *s = (struct drop_step *)step;
	struct record_destination record;
	struct str name;
	unsigned kind;
	size_t i;

	for (i = 0; i < s->count; i++) {
		if (store_get_destination(txn, s->ids[i], &kind, &name, &record, NULL) == STORE_FOUND &&
		    is_suspended(&record, s->now_ms))
			continue;
		store_drop_destination(txn, s->ids[i]);
		s->gone[i] = store_get_destination(txn, s->ids[i], &kind, &name, &record, NULL) == STORE_NONE;
	}
}

/* Its record may have stayed, for mail that came meanwhile; or it may have been needed again, and then has a new one. */
static void
dropped(struct step *step, enum store_failure failure)
{
	struct drop_step *s = (struct drop_step *)step;
	size_t i;

	upkeep.dropping = false;
	if (failure == STORE_FAILED)
		core_store_failed();
	for (i = 0; failure == STORE_OK && i < s->count; i++) {
		struct destination *d = destination_find(s->ids[i]);
		if (d != NULL && s->gone[i] && d->place == PLACE_IDLE)
			destination_free(d);
	}
	free(s);
}

static void
forget(struct destination *d)
{
	dropping->ids[dropping->count++] = d->id;
}

static void
drop_idle(void)
{
	int64_t before = clock_us() - (int64_t)QUEUE_DESTINATION_IDLE_MS * 1000;

	if (upkeep.dropping || (dropping = calloc(1, sizeof(*dropping))) == NULL)
		return;
	destinations_idle(before, QUEUE_DROP_STEP, forget);
	if (dropping->count == 0) {
		free(dropping);
		return;
	}
	dropping->now_ms = clock_ms();
	dropping->step = (struct step){ .kind = STEP_LAZY, .run = run_drop, .done = dropped };
	upkeep.dropping = true;
	committer_add(core.committer, &dropping->step);
}

/* --- memory --- */

static void
trim(void *arg)
{
	(void)arg;
	(void)malloc_trim(0);
}

void
upkeep_trim_soon(void)
{
	if (upkeep.started && !upkeep.trim.pending)
		loop_timer_start(&upkeep.trim, TRIM_MS);
}

/* --- rounds --- */

static void
do_round(void *arg)
{
	(void)arg;
	expiry_walk();
	prune();
	drop_idle();
	store_check_readers(core.store);
	upkeep_trim_soon();
	loop_timer_start(&upkeep.round, QUEUE_UPKEEP_MS);
}

void
upkeep_start(void)
{
	if (upkeep.started)
		return;
	loop_timer_init(&upkeep.round, do_round, NULL);
	loop_timer_init(&upkeep.sweep, sweep, NULL);
	loop_timer_init(&upkeep.trim, trim, NULL);
	expiry_start();
	upkeep.started = true;
	upkeep_sweep_soon();
	loop_timer_start(&upkeep.round, START_MS);
}

void
upkeep_stop(void)
{
	if (!upkeep.started)
		return;
	loop_timer_stop(&upkeep.round);
	loop_timer_stop(&upkeep.sweep);
	loop_timer_stop(&upkeep.trim);
	expiry_stop();
	upkeep.started = false;
}
