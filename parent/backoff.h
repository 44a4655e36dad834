/* SPDX-License-Identifier: ISC */
/*
 * How long to wait before what has died is started again: not at all the first few times, so that a single crash costs
 * nothing; then ever longer. A long life makes its earlier deaths forgotten.
 */
#ifndef PARENT_BACKOFF_H
#define PARENT_BACKOFF_H

#include <stdint.h>

/* Zeroed: it never died. */
struct backoff {
	unsigned deaths; /* in a row */
};

/* Counts a death after so many milliseconds of life; returns the milliseconds to wait. */
int64_t backoff_after_death(struct backoff *b, int64_t lived_ms);

#endif
