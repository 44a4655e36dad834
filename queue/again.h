/* SPDX-License-Identifier: ISC */
/*
 * Steps that have to go to disk and found no room there, or no memory: what became of deliveries, and what follows from
 * it. Each is handed to the committer again, as it is, until it is recorded; till then the deliveries it is about stay as
 * they are. To give up instead would end the process, and its restart would deliver again what nobody had recorded, on a
 * disk that is still full.
 */
#ifndef QUEUE_AGAIN_H
#define QUEUE_AGAIN_H

#include <stddef.h>

#include "queue/committer.h"

/* Takes a step that heard STORE_NO_ROOM: its done is called another time. They go together, in the order they came. */
void again_later(struct step *step);

/* How many wait. */
size_t again_count(void);

/* At the start: none. */
void again_init(void);

#endif
