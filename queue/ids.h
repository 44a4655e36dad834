/* SPDX-License-Identifier: ISC */
/*
 * Message ids: numbers that only rise and are never used twice, over restarts too. The store remembers a number below
 * which all may have been used; ids above it are given out only after it was raised on disk. A new store begins at the
 * time of day, so that a spool that was deleted does not see the ids of the old one again.
 */
#ifndef QUEUE_IDS_H
#define QUEUE_IDS_H

#include <stdbool.h>
#include <stdint.h>

/* From what the store remembers. on_more is called whenever there are ids again. */
void ids_init(uint64_t remembered, void (*on_more)(void));

/* Takes count ids, the first of which is *first. Returns false when there are none yet: on_more will be called. */
bool ids_take(uint64_t count, uint64_t *first);

#endif
