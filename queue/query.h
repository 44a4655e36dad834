/* SPDX-License-Identifier: ISC */
/*
 * Whether a message, and one of its recipients, is what a query asks for: the same for listings and changes. Pure: nothing
 * is read and nothing is changed here; the caller brings the records, and the time.
 */
#ifndef QUEUE_QUERY_H
#define QUEUE_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/records.h"

/* By what is known of the message alone; its id included. now_ms: the queue's clock. */
bool query_takes_message(
    const struct proto_query *query, int64_t now_ms, uint64_t message, const struct record_message *record);

/* Whether query_takes_recipient wants to know the destination, and the state. */
bool query_needs_destination(const struct proto_query *query);
bool query_needs_state(const struct proto_query *query);

/*
 * By what is known of the recipient. destination is its record, NULL where there is none; state is one of enum
 * proto_entry_state. Both are not looked at where they are not needed.
 */
bool query_takes_recipient(const struct proto_query *query, uint32_t number, const struct record_recipient *record,
    const struct record_destination *destination, unsigned state);

#endif
