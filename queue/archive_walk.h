/* SPDX-License-Identifier: ISC */
/*
 * A whole store as a stream (archive.h), in steps of bounded memory, all within one read transaction: a walk knows where it
 * stands, and each step appends what comes next. What is damaged is left out, and told.
 */
#ifndef QUEUE_ARCHIVE_WALK_H
#define QUEUE_ARCHIVE_WALK_H

#include "queue/archive.h"
#include "queue/store.h"

struct archive_walk {
	unsigned part;  /* what is being written; see archive_walk.c */
	uint64_t count; /* of records */
	uint64_t created_ms;
	uint64_t messages;
	uint64_t damaged; /* messages and recipients that were left out */
	uint64_t message; /* that is written, or was last */
	uint64_t size;    /* of its body */
	uint32_t piece;   /* its next */
	uint32_t number;  /* its next recipient */
	uint64_t destination;
	uint64_t history_us;
	struct store_state_key state;
	void (*report)(void *arg, const char *text); /* what is damaged; NULL: nobody is told */
	void *arg;
};

/* created_ms: the time of the backup, calendar. */
void archive_walk_start(
    struct archive_walk *w, uint64_t created_ms, void (*report)(void *arg, const char *text), void *arg);

/*
 * Appends records to out until there are `enough` bytes in it, or the walk is at its end, and then returns false. out has
 * room for enough + ARCHIVE_RECORD_MAX bytes. txn is the same at each step; steps may be on different threads.
 */
bool archive_walk_step(
    struct archive_walk *w, struct store *store, struct store_txn *txn, size_t enough, struct buf *out);

#endif
