/* SPDX-License-Identifier: ISC */
/*
 * Who is served next: destinations stand in line, one line a kind, and each in its turn hands out one job, so that none
 * stands in the way of another, however much mail it has. Runs at the end of a turn; a bounded number of jobs each.
 */
#ifndef QUEUE_DISPATCH_H
#define QUEUE_DISPATCH_H

void dispatch_init(void);

/* Something may be handed out that could not before: at the end of this turn. */
void dispatch_soon(void);

#endif
