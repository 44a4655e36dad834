/* SPDX-License-Identifier: ISC */
/*
 * Which ids of a smtpd were used. It takes one at MAIL and begins the transaction when its body is complete, so they do not
 * come in order; each may come once. A window behind the highest one remembers that, whatever the number of ids; what is
 * older than the window counts as too old, never as fresh.
 */
#ifndef QUEUE_USED_H
#define QUEUE_USED_H

#include <stdbool.h>
#include <stdint.h>

struct used {
	uint64_t highest; /* 0: none yet */
	uint64_t *bits;   /* a ring of QUEUE_ID_WINDOW bits, by id */
};

enum used_verdict { USED_FRESH, USED_BEFORE, USED_TOO_OLD };

/* Returns false when there is no memory. */
bool used_init(struct used *u);
void used_clear(struct used *u);

/* Uses the id, which is above 0. */
enum used_verdict used_take(struct used *u, uint64_t id);

#endif
