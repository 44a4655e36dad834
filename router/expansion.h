/* SPDX-License-Identifier: ISC */
/*
 * From the recipient of an envelope to the deliveries it becomes: rules choose an action, aliases of a local action replace a
 * name by names and addresses, addresses go through the rules again, names that have no alias have to be users. A list of
 * work is done from front to back; asking for a user may park it. Bounded in depth, results, steps and time. What comes
 * twice is delivered once; one bad branch refuses the whole recipient, so that nothing is accepted that goes only half way.
 *
 * A name that comes up again in its own expansion is the user of that name ("joe: joe, bob" delivers to joe as well); if
 * there is no such user it is a loop.
 *
 * Mail for postmaster is never refused for good (RFC 5321 section 4.5.1): where its own expansion ends nowhere, it goes to
 * root's, by the same action and then by the rules; where that ends nowhere too, it is answered 451.
 */
#ifndef ROUTER_EXPANSION_H
#define ROUTER_EXPANSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/proto.h"
#include "router/action.h"
#include "router/reply.h"
#include "router/routing.h"
#include "router/rule.h"

struct expansion;

struct delivery {
	enum proto_delivery kind;
	struct action *action;
	char user[PROTO_USER_MAX + 1]; /* local: the user's name */
	struct address recipient;
};

typedef void expansion_done_fn(void *arg);

/*
 * Begins with recipient. routing, and what facts points to, live as long as the expansion. Returns fresh; it is done
 * already (expansion_is_done), or done_fn is called, once, from the loop. NULL when there is no memory.
 */
struct expansion *expansion_begin(struct routing *routing, const struct rule_facts *facts,
    const struct address *recipient, expansion_done_fn *done_fn, void *arg);

/* Ends it, whether done or not. */
void expansion_end(struct expansion *e);

bool expansion_is_done(const struct expansion *e);

/* Done: the answer. REPLY_OK: there are deliveries. */
struct expansion_answer {
	unsigned code;
	const char *enhanced;
	struct str text;
};
struct expansion_answer expansion_answer(const struct expansion *e);

/* Whether the recipient was postmaster, and there was no place for it at all. */
bool expansion_lacks_postmaster(const struct expansion *e);

/* Done, and accepted: the deliveries, 0 to count - 1. */
size_t expansion_count(const struct expansion *e);
void expansion_get(const struct expansion *e, size_t i, struct delivery *out);

/* Time is up: it is done, with REPLY_TEMPORARY; done_fn is not called. */
void expansion_give_up(struct expansion *e);

/* Frees what ended ones left for the next: at the end of tests. */
void expansion_free_pool(void);

#endif
