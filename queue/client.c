/* SPDX-License-Identifier: ISC */
#include "queue/client.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/tree.h"
#include "queue/core.h"
#include "queue/ids.h"

/* A transaction that was refused while the client may still be sending it. */
struct refused {
	RB_ENTRY(refused) node;
	TAILQ_ENTRY(refused) link;
	uint64_t id;
};

static int
compare_refused(struct refused *a, struct refused *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

TREE_STATIC(refused_ids, refused, node, compare_refused);

/* --- grants --- */

void
client_grant(struct client *c)
{
	const struct grant *newest = c->grants_count > 0 ? &c->grants[c->grants_count - 1] : NULL;
	uint64_t first;

	if ((newest != NULL && c->used.highest < newest->first + newest->count / 2) ||
	    !ids_take(QUEUE_GRANT_IDS, &first))
		return;
	if (c->grants_count == QUEUE_GRANTS_MAX) {
		c->grants_count--;
		memmove(c->grants, c->grants + 1, c->grants_count * sizeof(c->grants[0]));
	}
	c->grants[c->grants_count++] = (struct grant){ first, QUEUE_GRANT_IDS };
	SEND(c->peer->channel, GRANT, grant, 0, .first = first, .count = QUEUE_GRANT_IDS);
}

bool
client_owns(const struct client *c, uint64_t id)
{
	size_t i;

	for (i = 0; i < c->grants_count; i++)
		if (id >= c->grants[i].first && id - c->grants[i].first < c->grants[i].count)
			return true;
	return false;
}

/* --- transactions that were refused --- */

static void
forget_refused(struct client *c, struct refused *r)
{
	RB_REMOVE(refused_ids, &c->refused, r);
	TAILQ_REMOVE(&c->refused_order, r, link);
	c->refused_count--;
	free(r);
}

/* Messages that were on their way already are no violation; a client that never ends them has only its oldest forgotten. */
static void
remember_refused(struct client *c, uint64_t id)
{
	struct refused *r = calloc(1, sizeof(*r));

	if (r == NULL)
		fatal("out of memory");
	r->id = id;
	if (c->refused_count == QUEUE_REFUSED_MAX)
		forget_refused(c, TAILQ_FIRST(&c->refused_order));
	RB_INSERT(refused_ids, &c->refused, r);
	TAILQ_INSERT_TAIL(&c->refused_order, r, link);
	c->refused_count++;
}

static struct refused *
find_refused(struct client *c, uint64_t id)
{
	struct refused key = { .id = id };

	return c->refused_count == 0 ? NULL : RB_FIND(refused_ids, &c->refused, &key);
}

void
client_refuse(struct client *c, uint64_t id, enum proto_refusal reason, bool remember)
{
	core.counters.refused++;
	SEND(c->peer->channel, REFUSED, refused, id, .reason = reason);
	if (remember)
		remember_refused(c, id);
}

bool
client_has_refused(struct client *c, uint64_t id)
{
	return find_refused(c, id) != NULL;
}

bool
client_forget_refused(struct client *c, uint64_t id)
{
	struct refused *r = find_refused(c, id);

	if (r != NULL)
		forget_refused(c, r);
	return r != NULL;
}

/* --- the client --- */

struct client *
client_make(struct peer *peer)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL || !used_init(&c->used))
		fatal("out of memory");
	c->peer = peer;
	RB_INIT(&c->transactions);
	RB_INIT(&c->refused);
	TAILQ_INIT(&c->refused_order);
	rejections_init(&c->rejections);
	client_grant(c);
	return c;
}

void
client_free(struct client *c)
{
	while (c->refused_count > 0)
		forget_refused(c, TAILQ_FIRST(&c->refused_order));
	rejections_end(&c->rejections);
	used_clear(&c->used);
	free(c);
}
