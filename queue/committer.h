/* SPDX-License-Identifier: ISC */
/*
 * Group commit. One thread owns every write transaction from begin to commit (LMDB binds it to its thread); the loop
 * hands it steps, functions over the transaction, which it gathers into one transaction: everything that came while
 * the last commit ran goes into the next. A step's `done` runs in the loop, after the commit: with STORE_OK only when
 * it is on disk.
 *
 * When a commit fails for want of room, or of memory, the batch is done again without the steps that need room
 * (STEP_ACCEPT): those hear STORE_NO_ROOM, deliveries and deletes go on. Where not even those find room they hear it
 * too, and are handed over again (again.h); mail that the journal has is held here, in its order. When it fails
 * otherwise all hear STORE_FAILED, and the process then ends.
 */
#ifndef QUEUE_COMMITTER_H
#define QUEUE_COMMITTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/store.h"

#define COMMITTER_BATCH_BYTES (4 * 1024 * 1024) /* of bodies */
#define COMMITTER_BATCH_STEPS 4096
#define COMMITTER_LAZY_MS     20   /* between commits of steps that nobody waits for: they wait for company */
#define COMMITTER_IDLE_MS     5000 /* between commits of steps that have no other company than each other */
#define COMMITTER_HELD_MS     1000 /* between attempts with mail that the journal has, and the disk no room for */

enum step_kind {
	STEP_ACCEPT, /* adds mail: may be refused for want of room; somebody waits for it */
	STEP_URGENT, /* somebody waits for it */
	STEP_LAZY,   /* results, history: may wait COMMITTER_LAZY_MS for company */
	STEP_KEPT,   /* mail that the journal has: it waits likewise, and is never refused for want of room */
	STEP_IDLE    /* goes with what is committed anyway: may wait COMMITTER_IDLE_MS for that */
};

struct step;
typedef void step_run_fn(struct store_txn *txn, struct step *step); /* on the committer's thread; may run twice */
typedef void step_done_fn(
    struct step *step, enum store_failure failure); /* in the loop; the step is the callee's again */

/* The first member of the caller's own struct, which has all the step needs. */
struct step {
	enum step_kind kind;
	size_t bytes; /* of body data it writes: counts towards the batch's limit */
	step_run_fn *run;
	step_done_fn *done;
	uint64_t entry; /* of the journal, STEP_KEPT: they come in rising order */
	/* the committer's */
	struct step *next;
	enum store_failure failure;
};

struct committer;

/*
 * A step of a body that comes in several: when an earlier one was refused, the later ones may be on their way
 * already. They look first (store_has_pieces) and write nothing where it is missing. A step that runs into it all the
 * same gives the transaction up (store_put_piece); it alone hears STORE_NO_ROOM and the batch is done again without
 * it.
 *
 * The committer logs why a batch failed; `done` has only to answer.
 */

/* Before confinement ends: starts the thread. Fatal where that fails. The loop must exist. */
struct committer *committer_new(struct store *store);

/* Hands over a step; keeps it until done. In the order of handing over, steps see each other's writes. */
void committer_add(struct committer *c, struct step *step);

/* Steps handed over and not yet done: what is not yet on disk. */
size_t committer_pending(const struct committer *c);

/* Bytes of mail that the journal has and the store does not have yet. On any thread. */
uint64_t committer_kept_bytes(const struct committer *c);

/* Transactions committed so far: against the number of steps it says how well they share them. */
uint64_t committer_commits(const struct committer *c);

/* Commits what is there, waits for it, runs the done functions, ends the thread. */
void committer_free(struct committer *c);

#endif
