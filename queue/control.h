/* SPDX-License-Identifier: ISC */
/* What control asks for that is read as it stands: numbers, and the text of a message (listing.h and change.h have the rest). */
#ifndef QUEUE_CONTROL_H
#define QUEUE_CONTROL_H

#include <stdbool.h>

#include "common/process.h"

bool control_status(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool control_read(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);

#endif
