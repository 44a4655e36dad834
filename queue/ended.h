/* SPDX-License-Identifier: ISC */
/*
 * Which recipients have left the queue for good since a time, by the history: delivered, or given back to their sender.
 * Who was only removed by an administrator is not among them: a restore may bring that mail back.
 */
#ifndef QUEUE_ENDED_H
#define QUEUE_ENDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/store.h"

struct ended_one {
	uint64_t message;
	uint32_t number;
};

/* Zeroed: nobody. */
struct ended {
	struct ended_one *all; /* sorted */
	size_t count, size;
};

/* Reads the history from since_ms on. False with err set where it does not reach back so far, or cannot be read. */
bool ended_read(struct ended *e, struct store_txn *txn, uint64_t since_ms, struct error *err);
void ended_free(struct ended *e);

bool ended_has(const struct ended *e, uint64_t message, uint32_t number);

#endif
