/* SPDX-License-Identifier: ISC */
/*
 * What came in a moment ago, one entry after the other: the quickest way to make it last. A batch of entries is one
 * write and one sync, where the store's trees take some twenty pages and two; the store has them a moment later, many
 * at a time, and a start takes over what it does not have yet.
 *
 * The file has a block that describes it and two halves. Entries are numbered, and batches begin at blocks, so that no
 * write touches a block with what was acknowledged before. A half is written anew when all that is in it is in the
 * store. A batch counts only with its checksum and the secret of its file: what a message contains can look like a
 * batch, but cannot know the secret, which is another one after each start.
 */
#ifndef QUEUE_JOURNAL_H
#define QUEUE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/str.h"

struct journal;

/* What becomes of an entry that is to be written. */
enum journal_added {
	JOURNAL_ADDED, /* it is in the batch */
	JOURNAL_LATER, /* the batch is full: it has to be written first */
	JOURNAL_FULL   /* there is no room for it before the store has more of what is in the file */
};

/*
 * Opens the file `journal` of a directory, or makes it, with two halves of half bytes each where it is new; dir is the
 * directory's name in messages. store is the number of the store it belongs to: with another one its mail was delivered
 * long ago, or is not ours; 0: whatever it belongs to. Nothing is written yet. Returns fresh; NULL with err set.
 */
struct journal *journal_open(int dir_fd, const char *dir, uint64_t store, uint64_t half, struct error *err);

/* The number of the store it belongs to; 0 where it does not say. */
uint64_t journal_store(const struct journal *j);

/* Accepts NULL. */
void journal_close(struct journal *j);

/* Takes an entry over; false, with err set, where it cannot: nothing more is read then. */
typedef bool journal_entry_fn(void *arg, uint64_t number, struct str entry, struct error *err);

/*
 * Hands the entries with numbers above applied to take, in their order. What is missing between them was damaged: it
 * is logged, and the rest is taken. Returns false with err set when the file cannot be read, or take said so.
 */
bool journal_read(struct journal *j, uint64_t applied, journal_entry_fn *take, void *arg, struct error *err);

/*
 * Once all entries are in the store, the last one with the number applied: makes the file ready to be written and
 * forgets what was in it. False with err set where there is no room, or it cannot be written.
 */
bool journal_start(struct journal *j, uint64_t applied, struct error *err);

/*
 * Adds an entry, made of count parts, to the batch. The parts stay the caller's, until the batch is written. With
 * JOURNAL_ADDED *number is the entry's. On one thread, with journal_write.
 */
enum journal_added journal_add(struct journal *j, const struct str *parts, size_t count, uint64_t *number);

/* Writes the batch. True: it is on disk. False with err set: nothing is known of it, and no more may be written. */
bool journal_write(struct journal *j, struct error *err);

/* The store has all entries up to that number, on disk. On any thread; numbers rise. */
void journal_applied(struct journal *j, uint64_t number);

#endif
