/* SPDX-License-Identifier: ISC */
/*
 * What history has, for those who ask: one request looks at a bounded part of it and says where the next goes on, so that
 * nothing is kept here between requests, and no question holds up the mail, however much there is.
 */
#ifndef QUEUE_HISTORY_H
#define QUEUE_HISTORY_H

#include <stdbool.h>

#include "common/process.h"
#include "queue/store.h"

bool history_list(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);

/* Requests of a peer that is gone are answered to nobody. */
void history_gone(const struct peer *peer);

/* Whether an event is one that is asked for, by its key; and then by its record. */
bool history_takes_event(const struct msg_history_list *query, const struct store_event *event);
bool history_takes_record(const struct msg_history_list *query, const struct record_history *record);

#endif
