/* SPDX-License-Identifier: ISC */
#include "queue/rate.h"

#include <inttypes.h>

#include "common/log.h"

#define SECOND_US 1000000LL

void
rates_add(struct rates *rates, enum rate_of of, uint64_t count, int64_t period_us)
{
	invariant(rates->count < RATES_MAX && count > 0 && period_us > 0);
	rates->list[rates->count++] = (struct rate){ .of = of, .count = count, .period_us = period_us };
}

/* Between two tokens. */
static int64_t
interval_us(const struct rate *r)
{
	return r->count >= (uint64_t)r->period_us ? 1 : r->period_us / (int64_t)r->count;
}

/* How long before it is full a bucket has a token. */
static int64_t
slack_us(const struct rate *r)
{
	int64_t interval = interval_us(r);

	return interval < SECOND_US ? SECOND_US - interval : 0;
}

int64_t
rates_ready_us(const struct rates *rates)
{
	int64_t ready = 0;
	size_t i;

	for (i = 0; i < rates->count; i++) {
		int64_t at = rates->list[i].full_us - slack_us(&rates->list[i]);
		ready = at > ready ? at : ready;
	}
	return ready;
}

void
rates_take(struct rates *rates, int64_t now_us, unsigned recipients)
{
	size_t i;

	for (i = 0; i < rates->count; i++) {
		struct rate *r = &rates->list[i];
		int64_t from = r->full_us > now_us ? r->full_us : now_us;
		r->full_us = from + interval_us(r) * (r->of == RATE_RECIPIENTS ? (int64_t)recipients : 1);
	}
}

void
rates_print(const struct rates *rates, struct buf *out)
{
	static const char *const names[] = { [RATE_MESSAGES] = "message", [RATE_RECIPIENTS] = "recipient" };
	size_t i;

	for (i = 0; i < rates->count; i++) {
		const struct rate *r = &rates->list[i];
		(void)buf_printf(out, "%s%" PRIu64 " %s%s %s", i == 0 ? "" : ", ", r->count, names[r->of],
		    r->count == 1 ? "" : "s",
		    r->period_us == SECOND_US            ? "a second"
			: r->period_us == 60 * SECOND_US ? "a minute"
							 : "an hour");
	}
}
