/* SPDX-License-Identifier: ISC */
/*
 * The way of our own notifications: each is stored without a route, in the transaction that made it necessary; then router
 * is asked as for any recipient, and its tickets replace the unrouted recipient in one transaction.
 */
#ifndef QUEUE_REROUTE_H
#define QUEUE_REROUTE_H

#include <stdbool.h>

#include "common/process.h"
#include "queue/destination.h"

/* Asks router about the first delivery that waits for d. Returns false when there is no router. */
bool reroute_start(struct destination *d);

/* Router is gone: what was asked is asked again. */
void reroute_router_gone(void);

/* The handlers of router's answers. */
bool reroute_ticket(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool reroute_verdict(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);

#endif
