/* SPDX-License-Identifier: ISC */
#include "queue/again.h"

#include "common/loop.h"
#include "queue/core.h"
#include "queue/limits.h"

static struct {
	struct step *first;
	struct step **end;
	size_t count;
	struct loop_timer timer;
} again;

static void
hand_over(void *arg)
{
	struct step *step = again.first, *next;

	(void)arg;
	again.first = NULL;
	again.end = &again.first;
	again.count = 0;
	for (; step != NULL; step = next) {
		next = step->next; /* the committer's from here on */
		committer_add(core.committer, step);
	}
}

void
again_later(struct step *step)
{
	step->next = NULL;
	*again.end = step;
	again.end = &step->next;
	if (again.count++ == 0)
		loop_timer_start(&again.timer, QUEUE_AGAIN_MS);
}

size_t
again_count(void)
{
	return again.count;
}

void
again_init(void)
{
	again.first = NULL;
	again.end = &again.first;
	again.count = 0;
	loop_timer_init(&again.timer, hand_over, NULL);
}
