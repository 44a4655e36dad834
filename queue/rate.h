/* SPDX-License-Identifier: ISC */
/*
 * Rates: so many messages, or recipients, in a second, minute or hour. Each is a bucket of tokens that fills evenly and holds
 * what one second brings, at least one token; a job may go when every bucket has one, and takes a token for each message or
 * recipient, which may leave a debt. Pure functions of time, in microseconds of the queue's clock.
 */
#ifndef QUEUE_RATE_H
#define QUEUE_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

enum rate_of { RATE_MESSAGES, RATE_RECIPIENTS };

struct rate {
	enum rate_of of;
	uint64_t count; /* in a period; at least 1 */
	int64_t period_us;
	int64_t full_us; /* when the bucket is full again */
};

#define RATES_MAX 6

struct rates {
	size_t count;
	struct rate list[RATES_MAX];
};

/* Full from the start. */
void rates_add(struct rates *rates, enum rate_of of, uint64_t count, int64_t period_us);

/* From when on a job may go. */
int64_t rates_ready_us(const struct rates *rates);

/* A message for so many recipients goes. */
void rates_take(struct rates *rates, int64_t now_us, unsigned recipients);

/* "10 messages a minute, 100 recipients an hour", as far as there is room. */
void rates_print(const struct rates *rates, struct buf *out);

#endif
