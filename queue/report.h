/* SPDX-License-Identifier: ISC */
/*
 * A report to a sender as a message of ours: composed (bounce.h) and stored within the transaction of what it tells, so
 * that a crash can neither lose one nor make two. It has no route yet: router is asked for that before its first try
 * (reroute.h).
 */
#ifndef QUEUE_REPORT_H
#define QUEUE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/bounce.h"
#include "queue/store.h"

/* Origins of reports: to a sender, and to postmaster, behind which there is nobody. */
#define REPORT_ORIGIN      "dsn"
#define REPORT_ORIGIN_LAST "dsn to postmaster"

/* What the loop decides before the transaction; all zero: no report. */
struct report {
	uint64_t id; /* of the message that it will be */
	int64_t due_us;
	int64_t now_us;
	int64_t now_ms;
	uint64_t randomness;
	uint64_t destination; /* set by report_put */
};

/* What it tells, to whom. */
struct report_about {
	uint64_t message;
	struct str to; /* its reverse-path, not the null one; empty: to postmaster */
	struct str envid;
	unsigned ret; /* enum proto_ret */
	uint64_t owner;
	int64_t accepted_ms;
	const struct bounce_rcpt *rcpts; /* at most QUEUE_JOB_RCPTS_MAX */
	size_t count;
	uint64_t more; /* see bounce.h */
};

/* In the loop: a report will be made. False when there is no id for it at the moment, *r as it was. */
bool report_begin(struct report *r);

/*
 * On the committer's thread: composes and stores it. The message it is about is read, and has to be there still: what
 * cannot be read of it is left out. Without recipients nothing is stored.
 */
void report_put(struct store_txn *txn, struct report *r, const struct report_about *about);

/* In the loop, when it is on disk: it is due. Does nothing where there is none. */
void report_stored(const struct report *r);

#endif
