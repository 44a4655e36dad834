/* SPDX-License-Identifier: ISC */
/*
 * A copy of the running queue: one read transaction, begun when all that was acknowledged before the question is in the
 * store, and read part by part on the reader thread, each when control asks for it; so memory is bounded and deliveries go
 * on. One at a time: its transaction keeps the pages of its time from being used again.
 */
#ifndef QUEUE_BACKUP_H
#define QUEUE_BACKUP_H

#include "common/process.h"

/* Handlers of QUEUE_BACKUP and QUEUE_BACKUP_END. */
bool backup_next(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool backup_end(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);

void backup_peer_gone(const struct peer *peer);

/* At the end of the process, behind the reader's. */
void backup_stop(void);

#endif
