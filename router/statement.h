/* SPDX-License-Identifier: ISC */
/*
 * Delivery statements: the queue asks who delivers to a user by an action, and gets, sealed for the parent, uid, groups and
 * home, looked up at that moment. Nobody is delivered to as root.
 */
#ifndef ROUTER_STATEMENT_H
#define ROUTER_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/process.h"
#include "common/seal.h"
#include "router/routing.h"

struct statements;

/* Keeps views of both. Returns fresh; fatal when there is no memory. */
struct statements *statements_new(struct routing *routing, struct seal *seal);
void statements_free(struct statements *all);

/* Answers, now or later, on the peer's channel. Returns false when the peer broke the rules. */
bool statement_begin(struct statements *all, struct peer *peer, uint64_t id, const struct msg_statement_ask *msg);

/* Drops what the peer waits for. */
void statement_drop_peer(struct statements *all, const struct peer *peer);

size_t statements_pending(const struct statements *all);

#endif
