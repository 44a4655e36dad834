/* SPDX-License-Identifier: ISC */
/*
 * A smtpd as the queue knows it: the ids that were granted to it, which of them it has used, its open transactions, and
 * those that were refused while it may still be sending them.
 */
#ifndef QUEUE_CLIENT_H
#define QUEUE_CLIENT_H

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/process.h"
#include "queue/limits.h"
#include "queue/rejection.h"
#include "queue/used.h"

struct transaction;
struct refused;
RB_HEAD(transactions, transaction);
RB_HEAD(refused_ids, refused);

struct grant {
	uint64_t first;
	uint64_t count;
};

struct client {
	struct peer *peer;
	struct transactions transactions; /* of transaction.c */
	size_t count;
	struct grant grants[QUEUE_GRANTS_MAX];
	size_t grants_count;
	struct used used;
	struct refused_ids refused;
	TAILQ_HEAD(refused_list, refused) refused_order; /* the oldest first */
	size_t refused_count;
	struct rejections rejections;
};

/* For a peer that is new, with its first grant. Fatal when there is no memory. */
struct client *client_make(struct peer *peer);

/* Its transactions are gone already. */
void client_free(struct client *c);

/* Once the newest grant is half used the next one is made, so that a smtpd has one in reserve. */
void client_grant(struct client *c);

/* Whether the id is in a grant of this client's. */
bool client_owns(const struct client *c, uint64_t id);

/* Says REFUSED. With remember, messages about the id that are on their way already are no violation. */
void client_refuse(struct client *c, uint64_t id, enum proto_refusal reason, bool remember);

/* Whether the id was refused and is remembered; and forgets it. */
bool client_has_refused(struct client *c, uint64_t id);
bool client_forget_refused(struct client *c, uint64_t id);

#endif
