/* SPDX-License-Identifier: ISC */
/*
 * From disk to memory, in bounded steps: destinations at start, and what is due of a destination when its turn comes. The
 * schedule is read behind a cursor; what is loaded already is stepped over. Texts are not read here (reader.h).
 */
#ifndef QUEUE_LOAD_H
#define QUEUE_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/destination.h"
#include "queue/mail.h"
#include "queue/store.h"

/* Reads the destinations, step by step, and settles each. Messages are not looked at. */
void load_destinations(void);

/* The destination of that id, which is read where it is not in memory; NULL where it is nowhere, or with err set. */
struct destination *load_destination(struct store_txn *txn, uint64_t id, struct error *err);

/* While not all of them are in memory: what the record of that one says holds before its mail is handed out. */
void load_ahead(uint64_t id);

/* Whether all of them are in memory. */
bool load_is_complete(void);

/*
 * Reads what is due of d into its ready list: one delivery at least, if one is due, and as many as there is room for; of a
 * destination that is down only one, its probe. Sets d->next_us.
 */
void load_due(struct destination *d);

enum claim_scope {
	CLAIM_UNLOADED, /* what is only on disk */
	CLAIM_HELD,     /* and what is held in memory */
	CLAIM_WAITING   /* and what waits in a ready list */
};

struct claim {
	enum claim_scope scope;
	size_t max;           /* recipients */
	enum outcome outcome; /* that they get: what is on its way to it already is not busy */
	/* Which are wanted; NULL: all. loaded is NULL for what is only on disk; d is NULL where it is not in memory. */
	bool (*wanted)(const void *arg, uint32_t number, const struct record_recipient *record,
	    const struct delivery *loaded, const struct destination *d);
	const void *arg;
	uint32_t from;  /* number to begin at; moves behind the last one looked at */
	size_t claimed; /* recipients, so far */
	size_t busy;    /* recipients passed over because they are handed out, put off, or wait; not those that leave */
	struct deliveries out;
};

enum claim_verdict { CLAIM_PASSES, CLAIM_BUSY, CLAIM_TAKES };

/* What would become of a recipient of a message; nothing is done. */
enum claim_verdict load_judge(
    const struct claim *claim, uint64_t message, uint32_t number, const struct record_recipient *record);

/*
 * Takes recipients of a message out of the schedule's hands: they are loaded, leaving, and in claim->out, for an outcome of
 * the caller's. Those meant are `chosen`; others that shared their delivery get none, and are loaded again. Returns STORE_FOUND while there may be more, STORE_NONE at the end of the message, STORE_BROKEN with err
 * set; what was claimed until then stays in claim->out.
 */
enum store_found load_claim(struct store_txn *txn, struct mail *mail, struct claim *claim, struct error *err);

#endif
