/* SPDX-License-Identifier: ISC */
/*
 * Taking mail. What came since the last sync is written to the journal in one batch, by a thread of its own; then it is
 * on disk and may be told (`kept`), and goes on to the committer, which puts it into the store with others when it has
 * time. Where there is no journal, or no room in it, a message waits for its commit as everything else does; either way
 * `done` of its step comes when the store has it.
 */
#ifndef QUEUE_INTAKE_H
#define QUEUE_INTAKE_H

#include "common/buf.h"
#include "queue/committer.h"

#define INTAKE_PARTS_MAX 8

struct taking;

/*
 * On the intake's thread: the parts of the message's entry in the journal, which stay as they are until done; how many
 * there are. 0: it has none.
 */
typedef size_t taking_compose_fn(struct taking *t, struct str parts[INTAKE_PARTS_MAX]);

/* In the loop: it is on disk. */
typedef void taking_kept_fn(struct taking *t);

/* The first member of the caller's own struct. */
struct taking {
	struct step step; /* as for the committer; the kind is the intake's to set */
	taking_compose_fn *compose;
	taking_kept_fn *kept;
	/* the intake's */
	struct taking *next;
	bool failed;
};

struct intake;

/* Before confinement ends: starts the thread. Fatal where that fails. The store and the committer outlive it. */
struct intake *intake_new(struct store *store, struct committer *committer);

/* Whether a message of that size, with so many recipients, goes through the journal. */
bool intake_journals(const struct intake *in, size_t bytes, size_t rcpts);

/* Takes a message; keeps it until its step is done. */
void intake_take(struct intake *in, struct taking *t);

/* Messages taken that are not yet kept, nor with the committer. */
size_t intake_pending(const struct intake *in);

/* Hands all that came to the committer, and ends the thread. */
void intake_free(struct intake *in);

#endif
