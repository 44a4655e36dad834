/* SPDX-License-Identifier: ISC */
/*
 * Notices to senders whose mail still waits (`bounce warn-interval`): one for each interval, of all recipients that wait
 * then and whose sender did not decline it (RFC 3461 section 4.1). That one was sent is written in the transaction that
 * stores it.
 */
#ifndef QUEUE_DELAY_H
#define QUEUE_DELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/store.h"

/* When the age of such a message has to be looked at: for its next notice, or at expires_ms. */
uint64_t delay_look_ms(const struct record_message *record, uint64_t expires_ms);

/* Whether its sender is to be told now. */
bool delay_is_due(const struct record_message *record, int64_t now_ms);

/* Tells. Whatever fails for now is found again by the next look. */
void delay_tell(uint64_t message, const struct record_message *record);

#endif
