/* SPDX-License-Identifier: ISC */
/*
 * What smtpd refused, for history. It is written with what is committed anyway, and where nothing is, once in
 * COMMITTER_IDLE_MS. Strangers decide how much there is of it: of each worker so many are kept in a second, the rest is
 * counted, and the number kept.
 */
#ifndef QUEUE_REJECTION_H
#define QUEUE_REJECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "common/process.h"

/* Of one worker. */
struct rejections {
	struct loop_timer second; /* runs: within it */
	uint64_t kept;            /* in it */
	uint64_t more;            /* likewise, that were only counted */
};

void rejections_init(struct rejections *r);

/* What was counted is written. */
void rejections_end(struct rejections *r);

/* A message of smtpd. */
bool rejection_take(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);

/* At the end of the process: what waits for company waits no longer. */
void rejections_hurry(void);

#endif
