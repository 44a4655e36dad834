/* SPDX-License-Identifier: ISC */
/*
 * Mail coming in from a smtpd: BEGIN, RCPT..., BODY..., COMMIT, and what may come in which order. A small message is one
 * step of the committer; a large one streams to disk block by block under a sweep mark, so only COMMIT makes it exist.
 * DONE leaves when the commit is on disk; until then nobody was told 250.
 *
 * What a peer may have in flight is bounded: 64 KiB of each body without credit; and so is what all that comes in holds
 * in memory together, recipients too. Who goes beyond that is refused, and comes again later. A share is left to users of
 * this machine. A client that stalls holds little: when memory gets tight, its blocks that are on disk leave it.
 */
#ifndef QUEUE_TRANSACTION_H
#define QUEUE_TRANSACTION_H

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/process.h"
#include "queue/intake.h"
#include "queue/mail.h"

struct client; /* a smtpd: its grants and its transactions */

struct transaction {
	RB_ENTRY(transaction) node;
	TAILQ_ENTRY(transaction) stream; /* while some of it is on disk under a sweep mark */
	uint64_t id;
	struct client *client; /* NULL: it is gone */
	struct body *body;
	unsigned body_type;
	struct str reverse_path; /* ours, as origin */
	struct str origin;
	struct str message_id; /* ours; of the field in the header */
	unsigned ret;
	char envid[PROTO_ENVID_MAX + 1];
	uint64_t owner;
	struct rcpts rcpts;
	unsigned rcpts_count;
	uint64_t last_ticket;
	bool tickets_rise;   /* each one is above the one before: none was used twice */
	uint64_t uncredited; /* bytes of the body that came and were not credited */
	size_t rcpts_bytes;
	size_t reserved;  /* bytes counted against all that come in */
	size_t handed;    /* blocks given to the committer */
	size_t on_disk;   /* of them */
	size_t dropped;   /* of them, from memory */
	unsigned pending; /* steps with the committer */
	bool local;       /* of a user of this machine; known with the first recipient */
	bool streaming;
	bool committed; /* COMMIT came */
	bool dead;      /* refused or aborted: freed when no step is pending */
	/* of accept.c */
	struct taking taking;
	struct buf envelope; /* in the journal */
	int64_t due_us;
	int64_t created_ms;
	uint64_t look_ms;
};

/* The handlers of smtpd's messages. */
bool transaction_begin(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool transaction_rcpt(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool transaction_body(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool transaction_commit(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);
bool transaction_abort(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);

/* A smtpd comes, and goes: what it has not committed is dropped. */
void client_new(struct peer *peer);
void client_gone(struct peer *peer);

/* There are ids again: grants them to those who need some. */
void clients_grant(void);

/* Called by accept.c: gives the window so many bytes back before they are on disk. */
void transaction_credit(struct transaction *t, size_t bytes);

/* Likewise: the whole message is on disk in the journal, and will be in the store. */
void transaction_kept(struct transaction *t);

/* Likewise: a block is in the store, or the whole message, or they are not. */
void transaction_stored_block(struct transaction *t, size_t credit, enum store_failure failure);
void transaction_stored(struct transaction *t, enum store_failure failure);

/*
 * Ids of the messages that are coming in under a sweep mark, in rising order: those are not to be swept. Returns fresh;
 * NULL when there are none, or no memory, which *count tells apart.
 */
uint64_t *transactions_streaming(size_t *count);

size_t transactions_count(void);
size_t transactions_bytes(void);

#endif
