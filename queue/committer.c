/* SPDX-License-Identifier: ISC */
#include "queue/committer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/limits.h"

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
	pthread_mutex_t lock;    /* of all that follows, up to the thread's own */
	pthread_cond_t work;     /* for the thread: steps, or stop */
	pthread_cond_t finished; /* for committer_free */
	struct steps queue;
	size_t queue_bytes;
	size_t queue_waited_for; /* steps that are not lazy */
	bool hurry;              /* nothing waits for company any more */
	bool running;            /* the thread has begun */
	bool stop;
	struct timespec lazy_until; /* when the queue is taken though all in it is lazy */
	struct steps done;
	struct error err; /* of the last failure; empty: none since it was told */
	/* the thread's own */
	bool failed;
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

	*culprit = NULL;
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
		if (store_given_up(txn))
			*culprit = step;
	}
	if (store_commit(txn, &failure, &err)) {
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
				culprit->failure = STORE_NO_ROOM;
			} else if (!refuse_accepts(at, part)) {
				if (part == 1)
					at->failure = STORE_NO_ROOM;
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
		if (step->kind != STEP_ACCEPT)
			continue;
		bytes += step->bytes;
		accepts++;
	}
	if (accepts == 0 || c->failed || store_prepare(c->store, bytes + accepts * STEP_ROOM_BYTES))
		return;
	error_set(
	    &err, ERROR_TEMPORARY, "no room for %zu steps with %llu bytes of mail", accepts, (unsigned long long)bytes);
	keep_error(c, &err);
	(void)refuse_accepts(batch->first, batch->count);
}

/* --- the thread: waiting for work --- */

static bool
is_due(const struct committer *c)
{
	return c->queue_waited_for > 0 || c->hurry || c->queue.count >= COMMITTER_BATCH_STEPS ||
	    c->queue_bytes >= COMMITTER_BATCH_BYTES;
}

/* Waits, with the lock held, until there is a batch to do; false: the end. */
static bool
wait_for_work(struct committer *c)
{
	for (;;) {
		if (c->queue.first == NULL) {
			if (c->stop)
				return false;
			(void)pthread_cond_wait(&c->work, &c->lock);
		} else if (is_due(c) || pthread_cond_timedwait(&c->work, &c->lock, &c->lazy_until) == ETIMEDOUT) {
			return true;
		}
	}
}

static void
lazy_time(struct committer *c)
{
	(void)clock_gettime(CLOCK_MONOTONIC, &c->lazy_until);
	c->lazy_until.tv_nsec += COMMITTER_LAZY_MS * 1000000L;
	if (c->lazy_until.tv_nsec >= 1000000000L) {
		c->lazy_until.tv_nsec -= 1000000000L;
		c->lazy_until.tv_sec++;
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
	c->queue_waited_for -= step->kind != STEP_LAZY;
	*bytes += step->bytes;
	steps_add(batch, step);
}

/* In order, so that steps see each other's writes: lazy ones go with what somebody waits for. */
static void
take_batch(struct committer *c, struct steps *batch)
{
	size_t bytes = 0;

	steps_init(batch);
	do
		take_first(c, batch, &bytes);
	while (c->queue.first != NULL && batch->count < COMMITTER_BATCH_STEPS && bytes < COMMITTER_BATCH_BYTES &&
	    bytes + c->queue.first->bytes <= COMMITTER_BATCH_BYTES);
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

/* Signals are the loop's. */
static void
start_thread(struct committer *c)
{
	sigset_t all, before;

	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGBUS);
	(void)sigdelset(&all, SIGSEGV);
	(void)sigdelset(&all, SIGSYS);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&c->thread, NULL, run, c) != 0)
		fatal("cannot start the committer's thread");
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
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
	bool was_empty, was_due;

	step->failure = STORE_OK;
	c->pending++;
	(void)pthread_mutex_lock(&c->lock);
	was_empty = c->queue.first == NULL;
	was_due = is_due(c);
	if (was_empty)
		lazy_time(c);
	steps_add(&c->queue, step);
	c->queue_bytes += step->bytes;
	c->queue_waited_for += step->kind != STEP_LAZY;
	if (was_empty || (!was_due && is_due(c)))
		(void)pthread_cond_signal(&c->work);
	(void)pthread_mutex_unlock(&c->lock);
}

size_t
committer_pending(const struct committer *c)
{
	return c->pending;
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
