/* SPDX-License-Identifier: ISC */
/*
 * Destinations of the jobs at hand: which of their jobs wait, over which connections they go, and what is tried to get
 * more. A job goes to an open connection of its destination, else to the first that gets free or can be made. When
 * nothing can be reached and no connection is left, all jobs that wait learn it together, so that a dead host costs one
 * round of attempts and not one for each.
 */
#ifndef RELAY_DESTINATION_H
#define RELAY_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config.h"
#include "common/str.h"
#include "relay/job.h"

struct destination;

/* server_name is what we call ourselves where the action has no helo; both are kept as views. */
void destinations_init(const struct config *config, const char *server_name);

/* Takes up a job that is complete. It ends by job_end. */
void destination_submit(struct job *job);

/* Hands a piece to the connection that pulled it. */
void destination_piece(struct job *job, struct str bytes);

/* There is no piece: the connection that pulled it ends without the end of the message; why is put to who has no result. */
void destination_cancel(struct job *job, const struct reply *why);

/* Takes a job out of all hands, without result, for its peer is gone. */
void destination_abandon(struct job *job);

/* Begins nothing new, lets transactions that run end, and calls done when none is left, at once perhaps. */
void destinations_drain(void (*done)(void));

struct destinations_count {
	size_t destinations;
	size_t waiting;     /* jobs without a connection */
	size_t connections; /* all, also those that are being made */
	size_t running;     /* transactions */
};

void destinations_count(struct destinations_count *out);

#endif
