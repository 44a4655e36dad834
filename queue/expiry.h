/* SPDX-License-Identifier: ISC */
/*
 * Giving up mail whose time is over and whose next try is far: a bounded walk over the expiry entries that are due. A
 * recipient is given up only when it was tried since this process started, or when its destination was found down since,
 * which is a try for all that waits for it. So a machine that was off for days tries what it has once more, and a clock
 * that was wrong at a start makes nothing expire unseen.
 */
#ifndef QUEUE_EXPIRY_H
#define QUEUE_EXPIRY_H

#include <stdint.h>

void expiry_start(void);
void expiry_stop(void);

/* Walks once over what is due, in steps, if no walk is under way; the next time of a message calls for the next walk. */
void expiry_walk(void);

/* There is a message whose age has to be looked at then, on clock_ms's clock. */
void expiry_note(int64_t look_ms);

#endif
