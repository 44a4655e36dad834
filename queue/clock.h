/* SPDX-License-Identifier: ISC */
/*
 * The queue's clock: the calendar as it was at the start of the process, plus the time that has passed since by a clock
 * that never jumps. So a calendar that is put right, or wrong, while the daemon runs makes no mail due and none expire;
 * what is on disk is read against the calendar again at the next start.
 */
#ifndef QUEUE_CLOCK_H
#define QUEUE_CLOCK_H

#include <stdint.h>

/* Takes the time of start. The loop must exist. */
void clock_init(void);

/* When that was. */
int64_t clock_start_ms(void);

/* Since 1970, as of the start of this turn. */
int64_t clock_us(void);
int64_t clock_ms(void);

/* A time not before clock_us and above every one it returned before: the order in which mail came. */
int64_t clock_tick_us(void);

#endif
