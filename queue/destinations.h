/* SPDX-License-Identifier: ISC */
/*
 * What control asks about destinations: a list of them, how old what waits for them is, and to hold back the mail of one.
 * What is on disk and what memory knows are put together here. Long answers are made in bounded steps, one a turn, and an
 * answer is a part: whoever asks goes on behind it, so nothing is kept here between two questions.
 */
#ifndef QUEUE_DESTINATIONS_H
#define QUEUE_DESTINATIONS_H

#include <stdbool.h>

#include "common/process.h"

bool destinations_list(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool destinations_ages(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool destinations_order(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);

/* What it asked for is answered to nobody; an order is carried out. */
void destinations_gone(const struct peer *peer);

#endif
