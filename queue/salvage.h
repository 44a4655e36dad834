/* SPDX-License-Identifier: ISC */
/*
 * queue -C export -S: what can still be had from a store that is damaged, without LMDB. Every record carries a checksum
 * over the key it stands under, so that it can be known wherever it lies: the leaf pages of the last state (live.h) are
 * read one by one, what is sound in them is put together to messages, and so is what the journal has besides.
 */
#ifndef QUEUE_SALVAGE_H
#define QUEUE_SALVAGE_H

#include "queue/journal.h"
#include "queue/offline.h"

/* Returns main's exit code. */
int salvage_run(const struct offline *o);

/* The work itself, on an open data.mdb and a journal, or NULL: both stay the caller's. */
int salvage_from(const struct offline *o, int data, struct journal *journal);

#endif
