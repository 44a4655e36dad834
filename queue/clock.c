/* SPDX-License-Identifier: ISC */
#include "queue/clock.h"

#include "common/loop.h"

static struct {
	int64_t offset_ms; /* of the calendar from the clock that never jumps */
	int64_t start_ms;
	int64_t last_us;
} queue_clock;

void
clock_init(void)
{
	queue_clock.start_ms = loop_wall_ms();
	queue_clock.offset_ms = queue_clock.start_ms - loop_now_ms();
	queue_clock.last_us = 0;
}

int64_t
clock_start_ms(void)
{
	return queue_clock.start_ms;
}

int64_t
clock_ms(void)
{
	return loop_now_ms() + queue_clock.offset_ms;
}

int64_t
clock_us(void)
{
	return clock_ms() * 1000;
}

int64_t
clock_tick_us(void)
{
	int64_t now = clock_us();

	queue_clock.last_us = now > queue_clock.last_us ? now : queue_clock.last_us + 1;
	return queue_clock.last_us;
}
