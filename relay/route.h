/* SPDX-License-Identifier: ISC */
/*
 * The addresses to try for a destination, in order. What a destination means stands in its name, behind the action: a
 * domain (its MX hosts, by the resolver), an address literal, or relay URLs, which come from the configuration and may
 * therefore lead into a private network.
 */
#ifndef RELAY_ROUTE_H
#define RELAY_ROUTE_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"
#include "relay/limits.h"
#include "relay/reply.h"

struct route_host {
	char name[PROTO_NAME_MAX + 1]; /* for people and results */
	struct sockaddr_storage address;
	socklen_t len;
	bool exempt; /* may be private: from the configuration */
	bool failed; /* did not answer lately: tried last */
};

/* Shared by all attempts of a destination; never empty. */
struct route {
	unsigned refs;
	int64_t until_ms; /* on loop_now_ms's clock: then it is asked for anew */
	bool in_turn;     /* the hosts are equals: each attempt begins with the next one */
	size_t turn;
	size_t count;
	struct route_host hosts[RELAY_ATTEMPTS_MAX];
};

struct route_search;

/*
 * A search is over: route, with a reference that is the callee's, or NULL and what each recipient is told, why, as
 * result (deferred or failed).
 */
typedef void route_done_fn(void *arg, struct route *route, enum proto_result result, const struct reply *why);

/* How questions reach the resolver: ask sends one, and does nothing while there is no resolver. */
void route_init(void (*ask)(uint64_t id, struct str domain, bool mx));

/*
 * Searches the route of place, a destination's name without action. Calls done once: before it returns, and then it
 * returns NULL, or later, unless the search is cancelled.
 */
struct route_search *route_search(struct str place, route_done_fn *done, void *arg);
void route_search_cancel(struct route_search *s); /* accepts NULL */

void route_put(struct route *route); /* gives up a reference; accepts NULL */

/* Answers of the resolver. False when it breaks the rules. */
bool route_take_host(uint64_t id, const struct msg_route_host *msg);
bool route_take_end(uint64_t id, const struct msg_route_end *msg);

/* There is a new resolver: asks it all that is open. */
void route_ask_again(void);

#endif
