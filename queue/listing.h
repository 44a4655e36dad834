/* SPDX-License-Identifier: ISC */
/*
 * One recipient of the queue in words: in what state it is, and why it is still here.
 */
#ifndef QUEUE_LISTING_H
#define QUEUE_LISTING_H

#include <stdint.h>

#include "common/channel.h"
#include "queue/store.h"

/* Sends a QUEUE_ENTRY for the recipient, as the answer to request id. */
void listing_send(struct channel *to, uint64_t id, struct store_txn *txn, uint64_t message,
    const struct record_message *record, uint32_t number, const struct record_recipient *rcpt);

#endif
