/* SPDX-License-Identifier: ISC */
/*
 * Handing out: a delivery becomes a job of a relay worker or of a mailbox process, gets its text in pieces, and comes back
 * as results, or unanswered when the worker dies. Every message of a worker is about a job of its own, every result about a
 * recipient that was handed out with it and has none yet; anything else is a violation.
 *
 * A message may kill the worker that delivers it, and which of its jobs that was nobody can tell. So all of them are
 * suspects, and go out again in smaller company: at most QUEUE_SUSPECTS_MAX of them to a worker, and those that see that
 * one die, too, to a worker that has no other job. When that dies the message is held. So none is held for what another
 * did, and none holds the others up.
 */
#ifndef QUEUE_JOB_H
#define QUEUE_JOB_H

#include <sys/tree.h>

#include <stdbool.h>
#include <stddef.h>

#include "common/process.h"
#include "queue/destination.h"
#include "queue/mail.h"

struct job;
RB_HEAD(jobs, job);

/* A relay worker or mailbox process: peer->data. */
struct worker {
	struct peer *peer;
	struct jobs jobs;
	size_t count;
	unsigned suspects; /* of its jobs */
	bool reserved;     /* gets nothing new until it is empty: for a suspect that has to be alone, or has that */
	bool draining;     /* reads too slowly: is told nothing new until it has caught up */
};

struct worker *worker_new(struct peer *peer);

/* Its jobs go back to their destinations. */
void worker_free(struct worker *w);

/* The relay worker for d's next job; NULL when there is none, or all have enough to do. */
struct worker *worker_for(const struct destination *d);

/*
 * Where worker_for has none because d's first delivery is a suspect: d waits apart until there is one, and others of its
 * line can be served. False where it is no suspect, or there is no worker at all.
 */
bool suspect_waits(struct destination *d);

/* Makes a job of the first delivery that waits for d, if any, and hands it to the worker. */
void job_start(struct destination *d, struct worker *w);

/* The handlers of the workers' messages. */
bool job_pull(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool job_result(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool job_end(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);

/* A delivery could not be tried for want of a server or a mailbox process: the destination is down, its mail waits. */
void destination_is_down(struct destination *d, unsigned cause, struct str text);

#endif
