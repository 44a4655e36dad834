/* SPDX-License-Identifier: ISC */
/*
 * What became of recipients, put on disk: in one transaction those that are done with leave, those put off get their new
 * time, history is written, and the notification of those that failed is composed and stored. So a crash can neither lose
 * a notification nor send two. Deliveries stay loaded until that is on disk, so nothing is handed out twice; where there
 * is no room on the disk that takes as long as it takes (again.h).
 */
#ifndef QUEUE_OUTCOME_H
#define QUEUE_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"
#include "queue/mail.h"

typedef void outcome_done_fn(void *arg);

/* Whether a recipient of which that became is out of the queue, once it is on disk. */
bool outcome_leaves(enum outcome outcome);

/*
 * Takes the deliveries of *list, which are of one message, DELIVERY_LEAVING, and whose recipients each have an outcome.
 * At most QUEUE_JOB_RCPTS_MAX of them have failed. by says who changed them by hand (copied; empty where nobody did). done, which
 * may be NULL, is called when it is on disk, before the deliveries are freed.
 */
void outcome_apply(struct deliveries *list, struct str by, outcome_done_fn *done, void *arg);

/* outcome_apply for one. */
void outcome_apply_one(struct delivery *delivery);

/*
 * An attempt failed for now: the recipient gets its next time, or has expired. randomness is the same for all of a
 * job, so that they are due, and go out, together again.
 */
void outcome_defer(struct rcpt *r, struct reply *reply, uint32_t randomness);

/* Likewise for all of a delivery that could not even be tried. */
void outcome_defer_all(struct delivery *delivery, const struct reply *why);

#endif
