/* SPDX-License-Identifier: ISC */
#include "queue/committer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/journal.h"
#include "queue/limits.h"
#include "queue/thread.h"

enum { STEP_ROOM_BYTES = 2048 /* what a step that accepts writes beside the body, about */ };

struct steps {
	struct step *first;
	struct step **end;
	size_t count;
};

struct committer {
	struct store *store;
	pthread_t thread;
	int wake_fd;
	struct loop_fd watch;
	size_t pending; /* the loop's */
	bool told_failed;
	bool told_no_room; /* the loop's: said once, until there is room again */
	_Atomic uint64_t commits;
	_Atomic uint64_t kept_bytes;
	pthread_mutex_t lock;    /* of all that follows, up to the thread's own */
	pthread_cond_t work;     /* for the thread: steps, or stop */
	pthread_cond_t finished; /* for committer_free */
	struct steps queue;
	size_t queue_bytes;
	size_t queue_waited_for; /* steps that are not lazy */
	size_t queue_idle;       /* steps that no commit is made for */
	bool hurry;              /* nothing waits for company any more */
	bool running;            /* the thread has begun */
	bool stop;
	struct timespec taken_at;   /* the last batch */
	struct timespec lazy_until; /* when the queue is taken though all in it is lazy */
	struct steps done;
	struct error err; /* of the last failure; empty: none since it was told */
	/* the thread's own */
	bool failed;
	bool holding;               /* a step of STEP_KEPT found no room: none behind it goes before it */
	struct steps held;          /* those, in their order */
	struct timespec held_until; /* when they are tried again */
};

static void
steps_init(struct steps *list)
{
	*list = (struct steps){ .end = &list->first };
}

static void
steps_add(struct steps *list, struct step *step)
{
	step->next = NULL;
	*list->end = step;
	list->end = &step->next;
	list->count++;
}

/* Moves all of from to the end of to. */
static void
steps_move(struct steps *to, struct steps *from)
{
	if (from->first != NULL) {
		*to->end = from->first;
		to->end = from->end;
		to->count += from->count;
	}
	steps_init(from);
}

/* --- the thread: one transaction --- */

static void
keep_error(struct committer *c, const struct error *err)
{
	(void)pthread_mutex_lock(&c->lock);
	c->err = *err;
	(void)pthread_mutex_unlock(&c->lock);
}

/* That there is no room for it is said; what is in the journal is held with all that follows there. */
static void
refuse(struct committer *c, struct step *step)
{
	step->failure = STORE_NO_ROOM;
	if (step->kind == STEP_KEPT)
		c->holding = true;
}

static void
hold_back(struct committer *c, struct step *step, size_t count)
{
	for (; c->holding && count > 0; count--, step = step->next)
		if (step->kind == STEP_KEPT)
			step->failure = STORE_NO_ROOM;
}

static bool
any_to_run(const struct step *step, size_t count)
{
	for (; count > 0; count--, step = step->next)
		if (step->failure == STORE_OK)
			return true;
	return false;
}

/*
 * Runs those of count steps that were not refused, and commits. Where it was a step that gave the transaction up,
 * *culprit is that step.
 */
static enum store_failure
attempt(struct committer *c, struct step *step, size_t count, struct step **culprit)
{
	enum store_failure failure = STORE_FAILED;
	struct error err = { 0 };
	struct store_txn *txn;
	uint64_t entry = 0;

	*culprit = NULL;
	hold_back(c, step, count);
	if (!any_to_run(step, count))
		return STORE_OK;
	txn = store_begin(c->store, &err);
	if (txn == NULL) {
		keep_error(c, &err);
		return STORE_FAILED;
	}
	for (; count > 0 && store_failed(txn) == STORE_OK; count--, step = step->next) {
		if (step->failure != STORE_OK)
			continue;
		step->run(txn, step);
		if (step->kind == STEP_KEPT)
			entry = step->entry;
		if (store_given_up(txn))
			*culprit = step;
	}
	if (entry != 0)
		store_put_meta(txn, STORE_META_JOURNAL, entry);
	if (store_commit(txn, &failure, &err)) {
		if (entry != 0 && store_journal(c->store) != NULL)
			journal_applied(store_journal(c->store), entry);
		atomic_fetch_add(&c->commits, 1);
		return STORE_OK;
	}
	keep_error(c, &err);
	return failure;
}

/* --- the thread: a batch, with what may go wrong --- */

/* Those that need room hear that there is none. Says whether there were any that had not heard. */
static bool
refuse_accepts(struct step *step, size_t count)
{
	bool any = false;

	for (; count > 0; count--, step = step->next) {
		if (step->kind != STEP_ACCEPT || step->failure != STORE_OK)
			continue;
		step->failure = STORE_NO_ROOM;
		any = true;
	}
	return any;
}

static void
refuse_all(struct committer *c, struct step *step)
{
	c->failed = true;
	for (; step != NULL; step = step->next)
		step->failure = STORE_FAILED;
}

static struct step *
behind(struct step *step, size_t count)
{
	while (count-- > 0 && step != NULL)
		step = step->next;
	return step;
}

/*
 * Commits the batch as one transaction where it can be. For want of room: without a step that gave up by itself; then
 * without all that need room; then, since even a delete writes, in smaller and smaller parts.
 */
static void
commit_batch(struct committer *c, struct steps *batch)
{
	struct step *at = batch->first, *culprit = NULL;
	size_t left = batch->count, part = left, refusals = 0;

	while (at != NULL) {
		switch (c->failed ? STORE_FAILED : attempt(c, at, part, &culprit)) {
		case STORE_OK:
			at = behind(at, part);
			left -= part;
			part = part < left ? part : left;
			break;
		case STORE_NO_ROOM:
			if (culprit != NULL && refusals++ < COMMITTER_REFUSALS_MAX) {
				refuse(c, culprit);
			} else if (!refuse_accepts(at, part)) {
				if (part == 1)
					refuse(c, at);
				part = (part + 1) / 2;
			}
			break;
		case STORE_FAILED: refuse_all(c, at); return;
		}
	}
}

static void
look_for_room(struct committer *c, struct steps *batch)
{
	struct error err;
	struct step *step;
	uint64_t bytes = 0;
	size_t accepts = 0;

	for (step = batch->first; step != NULL; step = step->next) {
		if (step->kind != STEP_ACCEPT && step->kind != STEP_KEPT)
			continue;
		bytes += step->bytes + STEP_ROOM_BYTES;
		accepts += step->kind == STEP_ACCEPT;
	}
	if (bytes == 0 || c->failed || store_prepare(c->store, bytes) || accepts == 0)
		return;
	error_set(
	    &err, ERROR_TEMPORARY, "no room for %zu steps that want %llu bytes", accepts, (unsigned long long)bytes);
	keep_error(c, &err);
	(void)refuse_accepts(batch->first, batch->count);
}

/* --- the thread: waiting for work --- */

static struct timespec
after_ms(struct timespec t, long ms)
{
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_nsec -= 1000000000L;
		t.tv_sec++;
	}
	return t;
}

static bool
is_before(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

static struct timespec
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t;
}

static bool
is_due(const struct committer *c)
{
	return c->queue_waited_for > 0 || c->hurry || c->queue.count >= COMMITTER_BATCH_STEPS ||
	    c->queue_bytes >= COMMITTER_BATCH_BYTES;
}

/* Waits, with the lock held, until something is added or the time has come. */
static void
wait_until(struct committer *c, const struct timespec *until)
{
	(void)pthread_cond_timedwait(&c->work, &c->lock, until);
}

/* Likewise until there is a batch to do; false: the end. */
static bool
wait_for_work(struct committer *c)
{
	for (;;) {
		if (c->held.first != NULL && (c->hurry || !is_before(now(), c->held_until)))
			return true;
		if (c->queue.first != NULL) {
			if (is_due(c) || !is_before(now(), c->lazy_until))
				return true;
			wait_until(c, &c->lazy_until);
		} else if (c->held.first != NULL) {
			wait_until(c, &c->held_until);
		} else if (c->stop) {
			return false;
		} else {
			(void)pthread_cond_wait(&c->work, &c->lock);
		}
	}
}

static void
take_first(struct committer *c, struct steps *batch, size_t *bytes)
{
	struct step *step = c->queue.first;

	c->queue.first = step->next;
	if (c->queue.first == NULL)
		c->queue.end = &c->queue.first;
	c->queue.count--;
	c->queue_bytes -= step->bytes;
	c->queue_waited_for -= step->kind < STEP_LAZY;
	c->queue_idle -= step->kind == STEP_IDLE;
	*bytes += step->bytes;
	steps_add(batch, step);
}

/* What was held goes before what came behind it, when its time has come. */
static void
take_held(struct committer *c, struct steps *batch, size_t *bytes)
{
	const struct step *step;

	if (c->held.first == NULL || (!c->hurry && is_before(c->taken_at, c->held_until)))
		return;
	c->holding = false;
	for (step = c->held.first; step != NULL; step = step->next)
		*bytes += step->bytes;
	steps_move(batch, &c->held);
}

/* In order, so that steps see each other's writes: lazy ones go with what somebody waits for. */
static void
take_batch(struct committer *c, struct steps *batch)
{
	struct step *step;
	size_t bytes = 0;

	steps_init(batch);
	c->taken_at = now();
	take_held(c, batch, &bytes);
	for (step = batch->first; step != NULL; step = step->next)
		step->failure = STORE_OK;
	while (c->queue.first != NULL && batch->count < COMMITTER_BATCH_STEPS && bytes < COMMITTER_BATCH_BYTES &&
	    (batch->count == 0 || bytes + c->queue.first->bytes <= COMMITTER_BATCH_BYTES))
		take_first(c, batch, &bytes);
}

/* What the journal has and there is no room for stays, but at the end: the next start has it again. */
static void
hold(struct committer *c, struct steps *batch)
{
	struct steps all;
	struct step *step, *next;

	if (!c->holding || c->hurry)
		return;
	steps_init(&all);
	steps_move(&all, batch);
	for (step = all.first; step != NULL; step = next) {
		next = step->next;
		steps_add(step->kind == STEP_KEPT && step->failure == STORE_NO_ROOM ? &c->held : batch, step);
	}
	if (c->held.first != NULL && !is_before(c->taken_at, c->held_until))
		c->held_until = after_ms(c->taken_at, COMMITTER_HELD_MS);
}

static void
wake_loop(struct committer *c)
{
	const uint64_t one = 1;

	(void)!write(c->wake_fd, &one, sizeof(one)); /* can only fail when it is awake already */
}

static void *
run(void *arg)
{
	struct committer *c = arg;
	struct steps batch;

	(void)pthread_mutex_lock(&c->lock);
	c->running = true;
	(void)pthread_cond_signal(&c->finished);
	while (wait_for_work(c)) {
		take_batch(c, &batch);
		(void)pthread_mutex_unlock(&c->lock);
		look_for_room(c, &batch);
		commit_batch(c, &batch);
		(void)pthread_mutex_lock(&c->lock);
		hold(c, &batch);
		steps_move(&c->done, &batch);
		(void)pthread_cond_signal(&c->finished);
		wake_loop(c);
	}
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* --- the loop --- */

/* Once each time that room runs out, and once of a failure: it is the clients that hear it for every message. */
static void
tell(struct committer *c, const struct error *err, enum store_failure worst)
{
	if (worst == STORE_FAILED && !c->told_failed)
		log_error("store-failed", log_text(LOG_FIELD_error, err->text));
	if (worst == STORE_NO_ROOM && !c->told_no_room)
		log_warning("no-room", log_text(LOG_FIELD_error, err->text));
	c->told_no_room = worst == STORE_NO_ROOM;
	c->told_failed = worst == STORE_FAILED;
}

static void
run_done(struct committer *c)
{
	enum store_failure worst = STORE_OK;
	struct steps done;
	struct step *step, *next;
	struct error err;

	steps_init(&done);
	(void)pthread_mutex_lock(&c->lock);
	steps_move(&done, &c->done);
	err = c->err;
	(void)pthread_mutex_unlock(&c->lock);
	for (step = done.first; step != NULL; step = step->next)
		worst = step->failure > worst ? step->failure : worst;
	if (done.first != NULL)
		tell(c, &err, worst);
	for (step = done.first; step != NULL; step = next) {
		next = step->next;
		c->pending--;
		if (step->kind == STEP_KEPT)
			atomic_fetch_sub(&c->kept_bytes, step->bytes);
		step->done(step, step->failure);
	}
}

static void
on_wake(int fd, short what, void *arg)
{
	uint64_t count;

	(void)what;
	(void)!read(fd, &count, sizeof(count));
	run_done(arg);
}

static void
start_thread(struct committer *c)
{
	thread_start(&c->thread, run, c);
	/* What a thread calls while it begins is not in the filter that comes next. */
	(void)pthread_mutex_lock(&c->lock);
	while (!c->running)
		(void)pthread_cond_wait(&c->finished, &c->lock);
	(void)pthread_mutex_unlock(&c->lock);
}

struct committer *
committer_new(struct store *store)
{
	struct committer *c = calloc(1, sizeof(*c));
	pthread_condattr_t attributes;

	if (c == NULL)
		fatal("no memory for the committer");
	c->store = store;
	steps_init(&c->queue);
	steps_init(&c->done);
	steps_init(&c->held);
	if (pthread_condattr_init(&attributes) != 0 || pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) != 0 ||
	    pthread_cond_init(&c->work, &attributes) != 0 || pthread_cond_init(&c->finished, NULL) != 0 ||
	    pthread_mutex_init(&c->lock, NULL) != 0)
		fatal("cannot make the committer's lock");
	(void)pthread_condattr_destroy(&attributes);
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd == -1)
		fatal("cannot make the committer's descriptor: %s", strerror(errno));
	loop_fd_init(&c->watch, c->wake_fd, LOOP_READ, on_wake, c);
	loop_fd_start(&c->watch);
	start_thread(c);
	return c;
}

void
committer_add(struct committer *c, struct step *step)
{
	bool was_empty, was_idle, was_due;

	step->failure = STORE_OK;
	c->pending++;
	if (step->kind == STEP_KEPT)
		atomic_fetch_add(&c->kept_bytes, step->bytes);
	(void)pthread_mutex_lock(&c->lock);
	was_empty = c->queue.first == NULL;
	was_due = is_due(c);
	was_idle = c->queue.count == c->queue_idle;
	if (was_idle && step->kind != STEP_IDLE)
		c->lazy_until = after_ms(c->taken_at, COMMITTER_LAZY_MS);
	else if (was_empty)
		c->lazy_until = after_ms(now(), COMMITTER_IDLE_MS);
	steps_add(&c->queue, step);
	c->queue_bytes += step->bytes;
	c->queue_waited_for += step->kind < STEP_LAZY;
	c->queue_idle += step->kind == STEP_IDLE;
	if (was_empty || (was_idle && step->kind != STEP_IDLE) || (!was_due && is_due(c)))
		(void)pthread_cond_signal(&c->work);
	(void)pthread_mutex_unlock(&c->lock);
}

size_t
committer_pending(const struct committer *c)
{
	return c->pending;
}

uint64_t
committer_kept_bytes(const struct committer *c)
{
	return atomic_load(&c->kept_bytes);
}

uint64_t
committer_commits(const struct committer *c)
{
	return atomic_load(&c->commits);
}

/* A done function may hand over more: until there is nothing left. */
static void
finish(struct committer *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->hurry = true;
	(void)pthread_cond_signal(&c->work);
	while (c->pending > 0) {
		while (c->done.first == NULL)
			(void)pthread_cond_wait(&c->finished, &c->lock);
		(void)pthread_mutex_unlock(&c->lock);
		run_done(c);
		(void)pthread_mutex_lock(&c->lock);
	}
	c->stop = true;
	(void)pthread_cond_signal(&c->work);
	(void)pthread_mutex_unlock(&c->lock);
}

void
committer_free(struct committer *c)
{
	if (c == NULL)
		return;
	finish(c);
	(void)pthread_join(c->thread, NULL);
	loop_fd_stop(&c->watch);
	(void)close(c->wake_fd);
	(void)pthread_cond_destroy(&c->work);
	(void)pthread_cond_destroy(&c->finished);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}
