/* SPDX-License-Identifier: ISC */
/*
 * A message that arrives, as it is put into the store, and as an entry of the journal: the head, each recipient with the
 * name of its destination (its id is given by the store), the body. What comes from the journal at a start takes the
 * same way into the store as what just came in.
 */
#ifndef QUEUE_ARRIVAL_H
#define QUEUE_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "queue/store.h"

struct arrival {
	uint64_t message;
	uint64_t due_us;
	struct record_message record;
	struct str to; /* the first forward-path, for history */
};

struct arrival_rcpt {
	uint32_t number;
	struct str destination;
	struct record_recipient record; /* but for the destination's id */
};

/* Parts of a body, from the piece with that sequence on; the last one but at the end of the body is whole. */
void arrival_put_body(struct store_txn *txn, uint64_t message, uint32_t sequence, struct str bytes);

/* The message, behind its body, with its line of history; and a recipient, whose destination's id is returned. */
void arrival_put(struct store_txn *txn, const struct arrival *a);
uint64_t arrival_put_rcpt(struct store_txn *txn, uint64_t message, const struct arrival_rcpt *r);

/* Appends the head, or a recipient; all recipients follow the head, and the body them. False: out has no room. */
bool arrival_encode(const struct arrival *a, struct buf *out);
bool arrival_encode_rcpt(const struct arrival_rcpt *r, struct buf *out);

/* Cuts the head of an entry off rest, and then recipient by recipient, as many as it says; the body is left. */
bool arrival_decode(struct str *rest, struct arrival *out);
bool arrival_decode_rcpt(struct str *rest, struct arrival_rcpt *out);

/* Puts an entry into the store; a store_replay_fn. */
bool arrival_replay(struct store_txn *txn, struct str entry);

#endif
