/* SPDX-License-Identifier: ISC */
/*
 * One recipient of the queue in words: in what state it is, and why it is still here.
 */
#ifndef QUEUE_ENTRY_H
#define QUEUE_ENTRY_H

#include <stdint.h>

#include "common/channel.h"
#include "queue/store.h"

/* One of enum proto_entry_state. */
unsigned entry_state(uint64_t message, uint32_t number, const struct record_recipient *rcpt);

/* Sends a QUEUE_ENTRY for the recipient, as the answer to request id. */
void entry_send(struct channel *to, uint64_t id, struct store_txn *txn, uint64_t message,
    const struct record_message *record, uint32_t number, const struct record_recipient *rcpt);

#endif
