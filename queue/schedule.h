/* SPDX-License-Identifier: ISC */
/*
 * When to try again, and when to give up: pure functions of time, tries and randomness, which the caller brings, so that a
 * simulation can drive years of mail through them. Times are microseconds of the queue's clock (clock.h) since 1970 unless
 * a name says otherwise.
 */
#ifndef QUEUE_SCHEDULE_H
#define QUEUE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule_rules {
	int64_t retry_min_us; /* before the second try */
	int64_t retry_max_us; /* the longest that grows out of it */
};

/*
 * How long to wait after `tries` failed ones (from 1; 0 counts as 1): retry_min growing by half each time up to
 * retry_max, and then up to a tenth more or less, by randomness, so that what failed together does not return together.
 */
int64_t schedule_delay_us(const struct schedule_rules *rules, uint64_t tries, uint32_t randomness);

/*
 * When a recipient that has just failed for the tries-th time is tried next. The last try is at its expiry, not before it:
 * a server that comes back in the last hours still gets the mail.
 */
int64_t schedule_next_us(
    const struct schedule_rules *rules, int64_t now_us, uint64_t tries, uint32_t randomness, int64_t expires_us);

/* Whether a recipient that has just failed is given up. */
bool schedule_is_over(int64_t now_us, int64_t expires_us);

/*
 * A time that no back-off can have made: it was stored under a clock that was wrong, and waiting for it could take years.
 */
bool schedule_is_absurd(const struct schedule_rules *rules, int64_t now_us, int64_t due_us);

/* Jobs that a destination may have at a time, after one that went through, and after one that found no server. */
unsigned schedule_window_grown(unsigned window, unsigned max);
unsigned schedule_window_shrunk(unsigned window);

#endif
