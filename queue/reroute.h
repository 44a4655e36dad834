/* SPDX-License-Identifier: ISC */
/*
 * Recipients without a route: those of our own notifications, each stored so in the transaction that made it necessary, and
 * those that are to be routed again by hand. Router is asked as for any recipient, with where the message came from, and its
 * tickets replace the unrouted recipient in one transaction.
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
