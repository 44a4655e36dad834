/* SPDX-License-Identifier: ISC */
/*
 * The steps that put new mail on disk, and what follows from it: recipients of destinations that have room go straight
 * from memory into their ready lists, their text hot; of the others memory keeps nothing but that there is more on disk.
 */
#ifndef QUEUE_ACCEPT_H
#define QUEUE_ACCEPT_H

#include "queue/transaction.h"

/* Hands a full block of the body to the committer. Calls transaction_stored_block then. */
void accept_block(struct transaction *t, size_t index);

/* Hands over the message with all that is left of it. Calls transaction_stored then. */
void accept_message(struct transaction *t);

#endif
