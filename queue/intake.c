/* SPDX-License-Identifier: ISC */
#include "queue/intake.h"

#include <sys/eventfd.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/journal.h"
#include "queue/limits.h"
#include "queue/thread.h"

struct takings {
	struct taking *first;
	struct taking **end;
};

struct intake {
	struct store *store;
	struct journal *journal;
	struct committer *committer;
	pthread_t thread;
	int wake_fd;
	struct loop_fd watch;
	size_t pending;       /* the loop's */
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t changed;
	struct takings waiting;
	struct takings written; /* or not, as each says */
	struct error err;       /* of the failure */
	bool broken;            /* the thread's own: nothing is written any more */
	bool running;
	bool busy; /* the thread has a batch */
	bool stop;
};

static void
takings_init(struct takings *list)
{
	*list = (struct takings){ .end = &list->first };
}

static void
takings_add(struct takings *list, struct taking *t)
{
	t->next = NULL;
	*list->end = t;
	list->end = &t->next;
}

static void
takings_move(struct takings *to, struct takings *from)
{
	if (from->first != NULL) {
		*to->end = from->first;
		to->end = from->end;
	}
	takings_init(from);
}

/* --- the thread --- */

/* What is promised with a batch has room in the trees too: those pages that change, and what is on its way already. */
static bool
has_room(const struct intake *in, const struct taking *t)
{
	uint64_t bytes = committer_kept_bytes(in->committer);

	for (; t != NULL; t = t->next)
		bytes += t->step.bytes;
	return store_room(in->store) >= JOURNAL_ROOM_FACTOR * bytes;
}

static void
fail_from(struct intake *in, struct taking *t, const struct error *err)
{
	in->broken = true;
	for (; t != NULL; t = t->next)
		t->failed = true;
	(void)pthread_mutex_lock(&in->lock);
	in->err = *err;
	(void)pthread_mutex_unlock(&in->lock);
}

/* Writes the batch that is gathered; where it cannot, that and all behind it, from first on, has failed. */
static bool
write_batch(struct intake *in, struct taking *first)
{
	struct error err;

	if (journal_write(in->journal, &err))
		return true;
	fail_from(in, first, &err);
	return false;
}

static bool
add_to_batch(struct intake *in, struct taking *t, struct taking **first)
{
	struct str parts[INTAKE_PARTS_MAX];
	size_t count = t->compose(t, parts);

	if (count == 0)
		return true;
	switch (journal_add(in->journal, parts, count, &t->step.entry)) {
	case JOURNAL_ADDED:
	case JOURNAL_FULL: return true;
	case JOURNAL_LATER: break;
	}
	if (!write_batch(in, *first))
		return false;
	*first = t;
	(void)journal_add(in->journal, parts, count, &t->step.entry);
	return true;
}

static void
write_all(struct intake *in, struct taking *first)
{
	struct taking *t;

	if (in->broken) {
		fail_from(in, first, &in->err);
		return;
	}
	if (!has_room(in, first))
		return;
	for (t = first; t != NULL; t = t->next)
		if (!add_to_batch(in, t, &first))
			return;
	(void)write_batch(in, first);
}

static void *
run(void *arg)
{
	const uint64_t one = 1;
	struct intake *in = arg;
	struct takings batch;

	(void)pthread_mutex_lock(&in->lock);
	in->running = true;
	(void)pthread_cond_broadcast(&in->changed);
	for (;;) {
		while (in->waiting.first == NULL && !in->stop)
			(void)pthread_cond_wait(&in->changed, &in->lock);
		if (in->waiting.first == NULL)
			break;
		takings_init(&batch);
		takings_move(&batch, &in->waiting);
		in->busy = true;
		(void)pthread_mutex_unlock(&in->lock);
		write_all(in, batch.first);
		(void)pthread_mutex_lock(&in->lock);
		in->busy = false;
		takings_move(&in->written, &batch);
		(void)!write(in->wake_fd, &one, sizeof(one));
		(void)pthread_cond_broadcast(&in->changed);
	}
	(void)pthread_mutex_unlock(&in->lock);
	return NULL;
}

/* --- the loop --- */

static void
go_on(struct intake *in, struct taking *t)
{
	if (t->failed) {
		t->step.done(&t->step, STORE_FAILED);
		return;
	}
	t->step.kind = t->step.entry != 0 ? STEP_KEPT : STEP_ACCEPT;
	committer_add(in->committer, &t->step);
	if (t->step.entry != 0)
		t->kept(t);
}

static void
run_written(struct intake *in)
{
	struct takings written;
	struct taking *t, *next;
	struct error err;

	takings_init(&written);
	(void)pthread_mutex_lock(&in->lock);
	takings_move(&written, &in->written);
	err = in->err;
	(void)pthread_mutex_unlock(&in->lock);
	if (err.text[0] != '\0')
		log_error("store-failed", log_text(LOG_FIELD_error, err.text));
	for (t = written.first; t != NULL; t = next) {
		next = t->next;
		in->pending--;
		go_on(in, t);
	}
}

static void
on_wake(int fd, short what, void *arg)
{
	uint64_t count;

	(void)what;
	(void)!read(fd, &count, sizeof(count));
	run_written(arg);
}

struct intake *
intake_new(struct store *store, struct committer *committer)
{
	struct intake *in = calloc(1, sizeof(*in));

	if (in == NULL)
		fatal("no memory for the intake");
	in->store = store;
	in->committer = committer;
	in->journal = store_journal(store);
	takings_init(&in->waiting);
	takings_init(&in->written);
	if (in->journal == NULL)
		return in;
	if (pthread_mutex_init(&in->lock, NULL) != 0 || pthread_cond_init(&in->changed, NULL) != 0)
		fatal("cannot make the intake's lock");
	in->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (in->wake_fd == -1)
		fatal("cannot make the intake's descriptor: %s", strerror(errno));
	loop_fd_init(&in->watch, in->wake_fd, LOOP_READ, on_wake, in);
	loop_fd_start(&in->watch);
	thread_start(&in->thread, run, in);
	(void)pthread_mutex_lock(&in->lock);
	while (!in->running)
		(void)pthread_cond_wait(&in->changed, &in->lock);
	(void)pthread_mutex_unlock(&in->lock);
	return in;
}

bool
intake_journals(const struct intake *in, size_t bytes, size_t rcpts)
{
	return in->journal != NULL && bytes <= JOURNAL_MESSAGE_BYTES && rcpts <= JOURNAL_RCPTS_MAX;
}

void
intake_take(struct intake *in, struct taking *t)
{
	t->step.entry = 0;
	t->failed = false;
	in->pending++;
	(void)pthread_mutex_lock(&in->lock);
	takings_add(&in->waiting, t);
	if (!in->busy)
		(void)pthread_cond_broadcast(&in->changed);
	(void)pthread_mutex_unlock(&in->lock);
}

size_t
intake_pending(const struct intake *in)
{
	return in->pending;
}

void
intake_free(struct intake *in)
{
	if (in == NULL)
		return;
	if (in->journal != NULL) {
		(void)pthread_mutex_lock(&in->lock);
		in->stop = true;
		(void)pthread_cond_broadcast(&in->changed);
		(void)pthread_mutex_unlock(&in->lock);
		(void)pthread_join(in->thread, NULL);
		run_written(in);
		loop_fd_stop(&in->watch);
		(void)close(in->wake_fd);
		(void)pthread_cond_destroy(&in->changed);
		(void)pthread_mutex_destroy(&in->lock);
	}
	free(in);
}
