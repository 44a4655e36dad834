/* SPDX-License-Identifier: ISC */
/*
 * What control asks for local users: numbers, listings, the text of a message, and changes. Who may see and change what is
 * in each request as an owner; a message of somebody else's is answered like one that is not there. Long answers are made in
 * bounded steps, one a turn, between the mail.
 */
#ifndef QUEUE_CONTROL_H
#define QUEUE_CONTROL_H

#include <stdbool.h>

#include "common/process.h"

bool control_status(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool control_list(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool control_read(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool control_schedule(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool control_remove(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);

/* What it asked for is answered to nobody; changes go on to their end. */
void control_gone(struct peer *peer);

#endif
