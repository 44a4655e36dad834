/* SPDX-License-Identifier: ISC */
/*
 * The threads of the queue (committer, intake, reader), one at a time: their own code runs on threads of their own, but
 * who runs next is decided here, by the seed, wherever one waits and at every call of the file layer. So a run has one
 * order, every order is possible, and the same seed has the same again. Time is ours too: it passes when all wait.
 *
 * The linker puts these in the place of pthread_create, pthread_cond_wait and so on (--wrap) for our objects only;
 * clock_gettime, epoll_wait and arc4random for libevent as well.
 */
#ifndef TESTS_SIMULATE_STRANDS_H
#define TESTS_SIMULATE_STRANDS_H

#include <stdbool.h>
#include <stdint.h>

/* From now on: time begins at wall_ms by the calendar. */
void strands_begin(uint64_t seed, int64_t wall_ms);

/* Another strand may go on here. Does nothing before strands_begin. */
void strands_yield(void);

/* So much time passes. */
void strands_spend_us(int64_t us);

/* The calendar is put another way, but not before 1970: that cannot be. */
void strands_move_wall(int64_t by_ms);
int64_t strands_wall_ms(void);

/* Microseconds since strands_begin. */
int64_t strands_elapsed_us(void);

/* One turn of the loop, which waits for what comes next. */
void strands_turn(void);

/* From the seed. */
uint32_t strands_random(void);
static inline uint32_t
strands_below(uint32_t n)
{
	return strands_random() % n;
}

/* Seeds random numbers without strands: while an image is looked at. */
void strands_seed(uint64_t seed);

#endif
