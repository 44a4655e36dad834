/* SPDX-License-Identifier: ISC */
#include "queue/used.h"

#include <stdlib.h>
#include <string.h>

#include "queue/limits.h"

enum { WORD = 64, WORDS = QUEUE_ID_WINDOW / WORD };
_Static_assert(QUEUE_ID_WINDOW % WORD == 0, "a ring of whole words");

bool
used_init(struct used *u)
{
	u->highest = 0;
	u->bits = calloc(WORDS, sizeof(*u->bits));
	return u->bits != NULL;
}

void
used_clear(struct used *u)
{
	free(u->bits);
	u->bits = NULL;
}

static uint64_t *
word_of(struct used *u, uint64_t id, uint64_t *mask)
{
	*mask = (uint64_t)1 << (id % WORD);
	return &u->bits[id / WORD % WORDS];
}

/* The ids between the highest and the new one are fresh. */
static void
advance(struct used *u, uint64_t id)
{
	uint64_t mask, i;

	if (id - u->highest >= QUEUE_ID_WINDOW) {
		memset(u->bits, 0, WORDS * sizeof(*u->bits));
	} else {
		for (i = u->highest + 1; i <= id; i++) {
			uint64_t *word = word_of(u, i, &mask);
			*word &= ~mask;
		}
	}
	u->highest = id;
}

enum used_verdict
used_take(struct used *u, uint64_t id)
{
	uint64_t mask;
	uint64_t *word;

	if (id > u->highest)
		advance(u, id);
	else if (u->highest - id >= QUEUE_ID_WINDOW)
		return USED_TOO_OLD;
	word = word_of(u, id, &mask);
	if ((*word & mask) != 0)
		return USED_BEFORE;
	*word |= mask;
	return USED_FRESH;
}
