/* SPDX-License-Identifier: ISC */
/*
 * What is done beside the mail, in bounded steps: sweeping pieces that are nobody's, giving up mail whose time is over,
 * pruning history, forgetting idle destinations, giving memory back.
 */
#ifndef QUEUE_UPKEEP_H
#define QUEUE_UPKEEP_H

/* After START. */
void upkeep_start(void);

/* Begins nothing new. */
void upkeep_stop(void);

/* Much memory may have come free: gives it back to the system in a moment. */
void upkeep_trim_soon(void);

/* Pieces came to be nobody's. */
void upkeep_sweep_soon(void);

#endif
