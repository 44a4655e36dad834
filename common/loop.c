/* SPDX-License-Identifier: ISC */
#include "common/loop.h"

#include <stdlib.h>
#include <time.h>

#include "common/log.h"

enum { SIGNALS_MAX = 16 };

struct reaped {
	struct reaped *next;
	loop_timer_fn *free_fn;
	void *object;
};

struct signal_watch {
	struct event event;
	loop_timer_fn *fn;
	void *arg;
};

static struct {
	struct event_base *base;
	bool stopping;
	int64_t now_ms;
	int64_t wall_ms;
	struct loop_hook *hooks;
	struct reaped *reaped;
	struct signal_watch signals[SIGNALS_MAX];
	size_t signals_count;
	struct loop_timer log_timer;
} loop;

static int64_t
clock_ms(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
forget_time(void)
{
	loop.now_ms = 0;
	loop.wall_ms = 0;
}

static void
write_log(void *arg)
{
	(void)arg;
	log_flush();
}

void
loop_init(void)
{
	struct event_config *config = event_config_new();

	if (config == NULL || event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == -1 ||
	    (loop.base = event_base_new_with_config(config)) == NULL)
		fatal("cannot make an event loop");
	event_config_free(config);
	loop_timer_init(&loop.log_timer, write_log, NULL);
	forget_time();
}

struct event_base *
loop_base(void)
{
	return loop.base;
}

int64_t
loop_now_ms(void)
{
	if (loop.now_ms == 0)
		loop.now_ms = clock_ms(CLOCK_MONOTONIC);
	return loop.now_ms;
}

int64_t
loop_wall_ms(void)
{
	if (loop.wall_ms == 0)
		loop.wall_ms = clock_ms(CLOCK_REALTIME);
	return loop.wall_ms;
}

/* A hook may ask for further hooks; those run too, before the turn is over. */
static void
run_hooks(void)
{
	while (loop.hooks != NULL) {
		struct loop_hook *hook = loop.hooks;
		loop.hooks = hook->next;
		hook->queued = false;
		hook->fn(hook->arg);
	}
}

static void
reap(void)
{
	while (loop.reaped != NULL) {
		struct reaped *r = loop.reaped;
		loop.reaped = r->next;
		r->free_fn(r->object);
		free(r);
	}
}

static void
end_turn(void)
{
	run_hooks();
	reap();
	run_hooks();
	if (log_waiting() == LOG_HAS_TO_GO)
		log_flush();
	else if (log_waiting() == LOG_MAY_WAIT && !loop.log_timer.pending)
		loop_timer_start(&loop.log_timer, LOG_DELAY_MS);
}

static void
turn(int flags)
{
	forget_time();
	if (event_base_loop(loop.base, EVLOOP_ONCE | flags) == -1)
		fatal("event loop failed");
	end_turn();
}

void
loop_run(void)
{
	loop.stopping = false;
	end_turn();
	while (!loop.stopping)
		turn(0);
}

void
loop_turn(void)
{
	turn(EVLOOP_NONBLOCK);
}

void
loop_stop(void)
{
	loop.stopping = true;
}

void
loop_fd_init(struct loop_fd *w, int fd, enum loop_what what, loop_fd_fn *fn, void *arg)
{
	w->watched = false;
	if (event_assign(&w->event, loop.base, fd, (short)(what | EV_PERSIST), fn, arg) == -1)
		fatal("cannot watch descriptor %d", fd);
}

void
loop_fd_start(struct loop_fd *w)
{
	if (w->watched)
		return;
	if (event_add(&w->event, NULL) == -1)
		fatal("cannot watch a descriptor");
	w->watched = true;
}

void
loop_fd_stop(struct loop_fd *w)
{
	if (!w->watched)
		return;
	(void)event_del(&w->event);
	w->watched = false;
}

static void
timer_fired(int fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	forget_time();
	t->pending = false;
	t->fn(t->arg);
}

void
loop_timer_init(struct loop_timer *t, loop_timer_fn *fn, void *arg)
{
	t->fn = fn;
	t->arg = arg;
	t->pending = false;
	if (event_assign(&t->event, loop.base, -1, 0, timer_fired, t) == -1)
		fatal("cannot make a timer");
}

void
loop_timer_start(struct loop_timer *t, int64_t after_ms)
{
	struct timeval tv;

	if (after_ms < 0)
		after_ms = 0;
	tv = (struct timeval){ .tv_sec = after_ms / 1000, .tv_usec = after_ms % 1000 * 1000 };
	if (event_add(&t->event, &tv) == -1)
		fatal("cannot start a timer");
	t->pending = true;
}

void
loop_timer_stop(struct loop_timer *t)
{
	if (!t->pending)
		return;
	(void)event_del(&t->event);
	t->pending = false;
}

static void
signal_came(int number, short what, void *arg)
{
	struct signal_watch *w = arg;

	(void)number;
	(void)what;
	w->fn(w->arg);
}

void
loop_signal(int number, loop_timer_fn *fn, void *arg)
{
	struct signal_watch *w;

	invariant(loop.signals_count < SIGNALS_MAX);
	w = &loop.signals[loop.signals_count++];
	w->fn = fn;
	w->arg = arg;
	if (event_assign(&w->event, loop.base, number, EV_SIGNAL | EV_PERSIST, signal_came, w) == -1 ||
	    event_add(&w->event, NULL) == -1)
		fatal("cannot watch signal %d", number);
}

void
loop_at_end(struct loop_hook *hook)
{
	if (hook->queued)
		return;
	hook->queued = true;
	hook->next = loop.hooks;
	loop.hooks = hook;
}

void
loop_hook_cancel(struct loop_hook *hook)
{
	struct loop_hook **at;

	for (at = &loop.hooks; *at != NULL; at = &(*at)->next) {
		if (*at == hook) {
			*at = hook->next;
			break;
		}
	}
	hook->queued = false;
}

void
loop_reap(loop_timer_fn *free_fn, void *object)
{
	struct reaped *r = malloc(sizeof(*r));

	if (r == NULL)
		fatal("out of memory");
	*r = (struct reaped){ loop.reaped, free_fn, object };
	loop.reaped = r;
}
