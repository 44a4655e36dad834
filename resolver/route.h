/* SPDX-License-Identifier: ISC */
/*
 * How mail for a domain travels (RFC 5321 section 5.1): its MX hosts by preference, equal ones in random order, or the
 * domain itself where it has none, each with its addresses, IPv6 and IPv4 in turn. What would lead back to this machine
 * ends the list. Every step has a limit, and the whole of it a deadline.
 */
#ifndef RESOLVER_ROUTE_H
#define RESOLVER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"
#include "resolver/lookup.h"

/* What a route is made with: lookup.h's functions, and randomness below a bound; others in tests. */
struct route_world {
	struct lookup *(*start)(const char *name, enum packet_type type, lookup_done_fn *done, void *arg);
	void (*cancel)(struct lookup *l);
	uint32_t (*random_below)(uint32_t bound);
};

/* How the answer goes out: hosts in the order to try, then the end. owner is whoever asked. */
struct route_calls {
	void (*host)(void *owner, uint64_t id, const struct msg_route_host *host);
	void (*end)(void *owner, uint64_t id, enum proto_route status, const char *text);
};

/* own_name is this machine's; kept as a view, as are the others. No own address yet. */
void routes_init(const char *own_name, const struct route_world *world, const struct route_calls *calls);

/* One more own address, 4 or 16 bytes; beyond RESOLVER_OWN_MAX they are forgotten. */
void routes_add_own(struct str address);

/* Begins to answer a question. Returns false when owner has one of that id open. */
bool route_ask(void *owner, uint64_t id, struct str domain, bool mx);

/* Forgets all that owner asked. */
void routes_forget(const void *owner);

/* Questions that have no answer yet. */
size_t routes_count(void);

#endif
