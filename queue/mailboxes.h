/* SPDX-License-Identifier: ISC */
/*
 * The processes that write into users' mailboxes: one for a user, started by the parent on router's sealed statement of who
 * that is, given one message at a time, and kept for a burst. There are at most QUEUE_MAILBOXES_MAX; destinations for
 * which there is none at the moment wait for one.
 */
#ifndef QUEUE_MAILBOXES_H
#define QUEUE_MAILBOXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/process.h"
#include "queue/destination.h"
#include "queue/job.h"

/* generation: of this process. Processes of users are numbered apart from those that a former queue may have left. */
void mailboxes_init(uint64_t generation);

/*
 * The process for d's user, when it is ready for a job. Else NULL: it was asked for, or d waits for its turn to ask; d is
 * blocked until then.
 */
struct worker *mailbox_for(struct destination *d);

/* A job of d's process has ended: it gets the next one, or waits for one, or makes room for another user's. */
void mailbox_is_idle(struct destination *d);

/* A router is there: asks it what has to be asked again. */
void mailboxes_ask_router(void);

/* Closes those that have no job. */
void mailboxes_close_idle(void);

size_t mailboxes_count(void);

void mailbox_peer_new(struct peer *peer);
void mailbox_peer_gone(struct peer *peer);
bool mailbox_statement_answer(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool mailbox_ended(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);

#endif
