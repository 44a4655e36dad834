/* SPDX-License-Identifier: ISC */
/*
 * The event loop of a process: one, on libevent. Each turn runs the callbacks of what became ready, every one a bounded
 * step that never blocks; then the turn's end: hooks (channels write what was gathered), objects that were given up are
 * freed, the log leaves when it has to. So a turn makes one write to each peer, whatever the number of messages.
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include <stdbool.h>
#include <stdint.h>

/* Makes the loop of this process. Before confinement. Fatal when there is no memory. */
void loop_init(void);

/* libevent's own handle of the loop, for libraries that put their events into it (libunbound). */
struct event_base *loop_base(void);

/* Runs turns until loop_stop. */
void loop_run(void);

/* Ends loop_run at the end of this turn. */
void loop_stop(void);

/* Runs what is ready now, then the turn's end, without waiting: for tests. */
void loop_turn(void);

/* Milliseconds of a clock that never jumps, and of the calendar (since 1970), both as of the start of this turn. */
int64_t loop_now_ms(void);
int64_t loop_wall_ms(void);

/* --- descriptors --- */

enum loop_what { LOOP_READ = EV_READ, LOOP_WRITE = EV_WRITE };

typedef void loop_fd_fn(int fd, short what, void *arg);

/* Watches a descriptor; calls fn each turn while it is ready. Not started yet. The struct stays where it is. */
struct loop_fd {
	struct event event;
	bool watched;
};

void loop_fd_init(struct loop_fd *w, int fd, enum loop_what what, loop_fd_fn *fn, void *arg);
void loop_fd_start(struct loop_fd *w); /* no matter whether it is started */
void loop_fd_stop(struct loop_fd *w);  /* likewise, and on a zeroed struct */

/* --- timers --- */

typedef void loop_timer_fn(void *arg);

struct loop_timer {
	struct event event;
	loop_timer_fn *fn;
	void *arg;
	bool pending;
};

void loop_timer_init(struct loop_timer *t, loop_timer_fn *fn, void *arg);
void loop_timer_start(struct loop_timer *t, int64_t after_ms); /* once; moves a running one */
void loop_timer_stop(struct loop_timer *t);                    /* no matter whether it runs, and on a zeroed struct */

/* --- signals --- */

/* Calls fn, in the loop, for signal number. The watch lasts as long as the process. */
void loop_signal(int number, loop_timer_fn *fn, void *arg);

/* --- the turn's end --- */

struct loop_hook {
	loop_timer_fn *fn;
	void *arg;
	struct loop_hook *next;
	bool queued;
};

/* Calls hook->fn once, at the end of this turn; asking twice in a turn is once. */
void loop_at_end(struct loop_hook *hook);
void loop_hook_cancel(struct loop_hook *hook);

/* Calls free_fn(object) after this turn's hooks, when nobody up the stack can hold the object any more. */
void loop_reap(loop_timer_fn *free_fn, void *object);

#endif
