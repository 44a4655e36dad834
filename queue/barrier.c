/* SPDX-License-Identifier: ISC */
#include "queue/barrier.h"

#include "queue/core.h"

static void
run_nothing(struct store_txn *txn, struct step *step)
{
	(void)txn;
	(void)step;
}

static void
done(struct step *step, enum store_failure failure)
{
	struct barrier *b = (struct barrier *)(void *)((char *)step - offsetof(struct barrier, step));

	(void)failure;
	b->passed(b->arg);
}

void
barrier_pass(struct barrier *b, loop_timer_fn *passed, void *arg)
{
	if (committer_kept_bytes(core.committer) == 0) {
		passed(arg);
		return;
	}
	*b = (struct barrier){
		.step = { .kind = STEP_URGENT, .run = run_nothing, .done = done }, .passed = passed, .arg = arg
	};
	committer_add(core.committer, &b->step);
}
