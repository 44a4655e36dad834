/* SPDX-License-Identifier: ISC */
#include "parent/backoff.h"

#include "parent/limits.h"

int64_t
backoff_after_death(struct backoff *b, int64_t lived_ms)
{
	int64_t wait = 0;
	unsigned i;

	if (lived_ms > PARENT_HEALTHY_MS)
		b->deaths = 0;
	b->deaths++;
	for (i = PARENT_DEATHS_AT_ONCE; i < b->deaths && wait < PARENT_BACKOFF_MAX_MS; i++)
		wait = wait == 0 ? PARENT_BACKOFF_MIN_MS : wait * 2;
	return wait < PARENT_BACKOFF_MAX_MS ? wait : PARENT_BACKOFF_MAX_MS;
}
