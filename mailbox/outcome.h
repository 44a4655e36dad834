/* SPDX-License-Identifier: ISC */
/*
 * How a delivery ended, in the words that queue records and a sender may read in a bounce: result, reply code, enhanced
 * status code (RFC 3463) and a text. The text names what failed, never a path of the recipient's: that goes to the log.
 */
#ifndef MAILBOX_OUTCOME_H
#define MAILBOX_OUTCOME_H

#include <stdbool.h>

#include "common/proto.h"

#define OUTCOME_TEXT_MAX 255

struct outcome {
	enum proto_result result;
	unsigned code;
	const char *enhanced; /* static */
	char text[OUTCOME_TEXT_MAX + 1];
};

/* The ends that are no failed system call; each has its row in outcome.c. */
enum outcome_kind {
	OUTCOME_DELIVERED,
	OUTCOME_LOOP,     /* the message was delivered to this address before */
	OUTCOME_NO_PLACE, /* the configured path gives no name for this recipient */
	OUTCOME_UNSAFE,   /* what stands in the mailbox's place may not be written to */
	OUTCOME_LOCKED,   /* somebody else holds the mailbox */
	OUTCOME_BROKEN,   /* the message did not come whole */
	OUTCOME_AWAY,     /* the directory that holds the user's mailboxes cannot be opened */
	OUTCOME_SETUP,    /* the configuration names no directory for this user */
	OUTCOME_COUNT
};

/* Fills o; fmt is what to say beside the kind's own words, or "". Returns whether the kind is success. */
bool outcome_set(struct outcome *o, enum outcome_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Fills o for a system call that failed with error, a value of errno: always put off, since a mailbox may be repaired or
 * emptied. fmt says what was tried. Returns false.
 */
bool outcome_errno(struct outcome *o, int error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
