/* SPDX-License-Identifier: ISC */
#include "queue/schedule.h"

int64_t
schedule_delay_us(const struct schedule_rules *rules, uint64_t tries, uint32_t randomness)
{
	int64_t delay = rules->retry_min_us;
	int64_t jitter;

	for (; tries > 1 && delay < rules->retry_max_us; tries--)
		delay += delay / 2 + (delay < 2); /* a delay of 1 grows too */
	if (delay > rules->retry_max_us)
		delay = rules->retry_max_us;
	/* From -1/10 to +1/10 of the delay, in 2^16 steps: the product stays far below 2^63. */
	jitter = delay / 10 * (int64_t)(randomness >> 16) / 32768 - delay / 10;
	return delay + jitter;
}

int64_t
schedule_next_us(
    const struct schedule_rules *rules, int64_t now_us, uint64_t tries, uint32_t randomness, int64_t expires_us)
{
	int64_t next = now_us + schedule_delay_us(rules, tries, randomness);

	if (next > expires_us && expires_us > now_us)
		return expires_us;
	return next;
}

bool
schedule_is_over(int64_t now_us, int64_t expires_us)
{
	return now_us >= expires_us;
}

bool
schedule_is_absurd(const struct schedule_rules *rules, int64_t now_us, int64_t due_us)
{
	return due_us - now_us > rules->retry_max_us + rules->retry_max_us / 10;
}

unsigned
schedule_window_grown(unsigned window, unsigned max)
{
	return window < max ? window + 1 : max;
}

unsigned
schedule_window_shrunk(unsigned window)
{
	return window > 1 ? window / 2 : 1;
}
