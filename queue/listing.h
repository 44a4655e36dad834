/* SPDX-License-Identifier: ISC */
/* What is in the queue, for whoever may see it: a page of the recipients that a query asks for. */
#ifndef QUEUE_LISTING_H
#define QUEUE_LISTING_H

#include <stdbool.h>

#include "common/process.h"

bool listing_list(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);

#endif
