/* SPDX-License-Identifier: ISC */
/*
 * What was accepted before a question has to be in its answer: the journal may have mail that the store gets in a moment.
 */
#ifndef QUEUE_BARRIER_H
#define QUEUE_BARRIER_H

#include "common/loop.h"
#include "queue/committer.h"

/* Zeroed, or passed; in place while it is waited for. */
struct barrier {
	struct step step;
	loop_timer_fn *passed;
	void *arg;
};

/* Calls passed(arg) when all that was acknowledged until now is in the store: at once, where it is. */
void barrier_pass(struct barrier *b, loop_timer_fn *passed, void *arg);

#endif
