/* SPDX-License-Identifier: ISC */
/*
 * Which pages of a damaged store hold what was in it last, and which an older state that LMDB has left behind. A page is in
 * a tree, or it is in the list of free pages: where the trees are whole they say it; where they are not, what is in neither
 * counts too, so that nothing is lost, at the price that something which was gone may come back.
 */
#ifndef QUEUE_LIVE_H
#define QUEUE_LIVE_H

#include "queue/pages.h"

enum live_mark {
	LIVE_REACHED = 1, /* from the newer root, by pages that are sound */
	LIVE_FREE = 2,
	LIVE_BEFORE = 4 /* reached from the root before it, where it is not sure which one is the newer */
};

struct live {
	uint8_t *marks; /* a set of enum live_mark for each page */
	bool whole;     /* the trees are: what is not reached was left behind */
	bool listed;    /* else, the list of free pages is */
	uint64_t last;  /* page in use, as far as is known */
};

/* False with err set only for want of memory. */
bool live_find(struct live *l, const struct pages *p, struct error *err);
void live_free(struct live *l);

/* Whether what stands on that page may be of the last state. */
bool live_is(const struct live *l, uint64_t page);

#endif
