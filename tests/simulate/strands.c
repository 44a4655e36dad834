/* SPDX-License-Identifier: ISC */
#include "tests/simulate/strands.h"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/loop.h"

enum { STRANDS_MAX = 8, YIELDS_OF_10 = 3 };

#define SECOND_NS  INT64_C(1000000000)
#define NEVER_NS   INT64_MAX
#define STARTED_NS (1000 * SECOND_NS) /* of the clock that never jumps: 0 means unknown to the loop */

enum strand_state { STRAND_FREE, STRAND_READY, STRAND_WAITS, STRAND_ENDED };

struct strand {
	enum strand_state state;
	pthread_t thread;
	sem_t turn;
	const void *waits_for;
	int64_t until_ns;
	bool timed_out;
	void *(*run)(void *arg);
	void *arg;
};

static struct {
	bool running;
	struct strand all[STRANDS_MAX];
	size_t count;
	struct strand *current;
	int64_t now_ns;
	int64_t wall_ms; /* at STARTED_NS */
	uint64_t state;  /* of the random numbers */
} strands;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *arg), void *arg);
int __real_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *arg), void *arg);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until);
int __wrap_pthread_cond_signal(pthread_cond_t *cond);
int __wrap_pthread_cond_broadcast(pthread_cond_t *cond);

/* --- random numbers (splitmix64) --- */

void
strands_seed(uint64_t seed)
{
	strands.state = seed;
}

static uint64_t
next_random(void)
{
	uint64_t z = strands.state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint32_t
strands_random(void)
{
	return (uint32_t)(next_random() >> 32);
}

uint32_t
arc4random(void)
{
	return strands_random();
}

void
arc4random_buf(void *out, size_t len)
{
	unsigned char *to = out;

	while (len-- > 0)
		*to++ = (unsigned char)strands_random();
}

/* --- time --- */

int
clock_gettime(clockid_t clock, struct timespec *out)
{
	int64_t ns = strands.now_ns;

	if (!strands.running)
		return (int)syscall(SYS_clock_gettime, clock, out);
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		ns = ns - STARTED_NS + strands.wall_ms * 1000000;
	out->tv_sec = ns / SECOND_NS;
	out->tv_nsec = ns % SECOND_NS;
	return 0;
}

void
strands_spend_us(int64_t us)
{
	strands.now_ns += us * 1000;
}

void
strands_move_wall(int64_t by_ms)
{
	if (strands_wall_ms() + by_ms > 0)
		strands.wall_ms += by_ms;
}

int64_t
strands_elapsed_us(void)
{
	return (strands.now_ns - STARTED_NS) / 1000;
}

int64_t
strands_wall_ms(void)
{
	return strands.wall_ms + strands_elapsed_us() / 1000;
}

/* --- whose turn it is --- */

void
strands_begin(uint64_t seed, int64_t wall_ms)
{
	strands.state = seed;
	strands.now_ns = STARTED_NS;
	strands.wall_ms = wall_ms;
	strands.count = 1;
	strands.current = &strands.all[0];
	strands.all[0] = (struct strand){ .state = STRAND_READY, .until_ns = NEVER_NS };
	(void)sem_init(&strands.all[0].turn, 0, 0);
	strands.running = true;
}

static void
hand_to(struct strand *s)
{
	struct strand *me = strands.current;

	if (s == me)
		return;
	strands.current = s;
	(void)sem_post(&s->turn);
	if (me->state != STRAND_ENDED)
		while (sem_wait(&me->turn) == -1)
			continue;
}

static void
wake(struct strand *s, bool timed_out)
{
	s->state = STRAND_READY;
	s->timed_out = timed_out;
	s->until_ns = NEVER_NS;
}

/* One that can go on, by chance; NULL: none but perhaps the one that asks. */
static struct strand *
choose(bool me_too)
{
	struct strand *ready[STRANDS_MAX];
	size_t n = 0, i;

	for (i = 0; i < strands.count; i++)
		if (strands.all[i].state == STRAND_READY && (me_too || &strands.all[i] != strands.current))
			ready[n++] = &strands.all[i];
	return n == 0 ? NULL : ready[strands_below((uint32_t)n)];
}

static int64_t
first_deadline(void)
{
	int64_t first = NEVER_NS;
	size_t i;

	for (i = 0; i < strands.count; i++)
		if (strands.all[i].state == STRAND_WAITS && strands.all[i].until_ns < first)
			first = strands.all[i].until_ns;
	return first;
}

/* Nobody can go on: it becomes later. */
static void
pass_time(int64_t to_ns)
{
	size_t i;

	if (to_ns > strands.now_ns)
		strands.now_ns = to_ns;
	for (i = 0; i < strands.count; i++)
		if (strands.all[i].state == STRAND_WAITS && strands.all[i].until_ns <= strands.now_ns)
			wake(&strands.all[i], true);
}

static void
let_others(void)
{
	struct strand *s;

	while ((s = choose(true)) == NULL) {
		if (first_deadline() == NEVER_NS) {
			(void)fprintf(stderr, "simulate: all threads wait for each other\n");
			abort();
		}
		pass_time(first_deadline());
	}
	hand_to(s);
}

void
strands_yield(void)
{
	if (strands.running && strands_below(10) < YIELDS_OF_10)
		hand_to(choose(true));
}

/* --- threads --- */

static void *
run_strand(void *arg)
{
	struct strand *s = arg;

	while (sem_wait(&s->turn) == -1)
		continue;
	(void)s->run(s->arg);
	s->state = STRAND_ENDED;
	if (strands.all[0].state == STRAND_WAITS && strands.all[0].waits_for == s)
		wake(&strands.all[0], false);
	let_others();
	return NULL;
}

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *arg), void *arg)
{
	struct strand *s;
	int rc;

	if (!strands.running || strands.count == STRANDS_MAX)
		abort();
	s = &strands.all[strands.count++];
	*s = (struct strand){ .state = STRAND_READY, .until_ns = NEVER_NS, .run = run, .arg = arg };
	(void)sem_init(&s->turn, 0, 0);
	rc = __real_pthread_create(thread, attributes, run_strand, s);
	s->thread = *thread;
	return rc;
}

static void
wait_for(const void *what, int64_t until_ns)
{
	struct strand *me = strands.current;

	me->state = STRAND_WAITS;
	me->waits_for = what;
	me->until_ns = until_ns;
	me->timed_out = false;
	let_others();
}

int
__wrap_pthread_join(pthread_t thread, void **result)
{
	size_t i;

	for (i = 1; i < strands.count; i++)
		if (pthread_equal(strands.all[i].thread, thread) && strands.all[i].state != STRAND_ENDED)
			wait_for(&strands.all[i], NEVER_NS);
	return __real_pthread_join(thread, result);
}

int
__wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	(void)pthread_mutex_unlock(mutex);
	wait_for(cond, NEVER_NS);
	return pthread_mutex_lock(mutex);
}

int
__wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	(void)pthread_mutex_unlock(mutex);
	wait_for(cond, until->tv_sec * SECOND_NS + until->tv_nsec);
	(void)pthread_mutex_lock(mutex);
	return strands.current->timed_out ? ETIMEDOUT : 0;
}

static void
wake_waiting(const void *cond, bool all)
{
	size_t i;

	for (i = 0; i < strands.count; i++) {
		if (strands.all[i].state != STRAND_WAITS || strands.all[i].waits_for != cond)
			continue;
		wake(&strands.all[i], false);
		if (!all)
			return;
	}
}

int
__wrap_pthread_cond_signal(pthread_cond_t *cond)
{
	wake_waiting(cond, false);
	return 0;
}

int
__wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
	wake_waiting(cond, true);
	return 0;
}

/* --- the loop's waiting --- */

static int
poll_now(int fd, struct epoll_event *events, int max)
{
	return (int)syscall(SYS_epoll_pwait, fd, events, max, 0, NULL, 0);
}

int
epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	int64_t until = timeout < 0 ? NEVER_NS : strands.now_ns + (int64_t)timeout * 1000000, first;
	struct strand *other;
	int n;

	if (!strands.running)
		return (int)syscall(SYS_epoll_pwait, fd, events, max, timeout, NULL, 0);
	strands_yield();
	while ((n = poll_now(fd, events, max)) == 0 && timeout != 0) {
		other = choose(false);
		if (other != NULL) {
			hand_to(other);
			continue;
		}
		first = first_deadline();
		if (first > until && until <= strands.now_ns)
			break;
		if (first == NEVER_NS && until == NEVER_NS) {
			(void)fprintf(stderr, "simulate: nothing will ever happen again\n");
			abort();
		}
		pass_time(first < until ? first : until);
		if (first >= until)
			break;
	}
	loop_stop(); /* a turn is over */
	return n;
}

void
strands_turn(void)
{
	loop_run();
}
