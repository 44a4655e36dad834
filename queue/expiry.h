/* SPDX-License-Identifier: ISC */
/*
 * Giving up mail whose time is over and whose next try is far: a bounded walk over the expiry entries that are due. A
 * recipient is given up only when it was tried, or when its destination is down, which is a try for all that waits for it;
 * so a clock that was wrong at a start makes nothing expire unseen.
 */
#ifndef QUEUE_EXPIRY_H
#define QUEUE_EXPIRY_H

/* Walks once over what is due, in steps, if no walk is under way. */
void expiry_walk(void);

#endif
