/* SPDX-License-Identifier: ISC */
/*
 * Giving a message to the daemon: SMTP over the local submission socket, where the kernel tells the daemon who we are. While
 * nobody listens there, or the daemon goes away in the middle, it is tried again until the time is over; nothing is kept on
 * disk.
 */
#ifndef CTL_SUBMIT_H
#define CTL_SUBMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "ctl/header.h"
#include "ctl/source.h"

/* What is to be sent. */
struct submission {
	const char *socket;
	const char *helo;
	const char *sender; /* without brackets; "" for the null path */
	const struct recipients *to;
	const struct header *header;
	struct source *body;    /* at the first byte behind the header */
	bool dot_ends;          /* a line that is only a dot ends the body */
	bool verbose;           /* the dialogue on standard error */
	int64_t wait_ms;        /* for the daemon */
	const char *dsn_notify; /* RFC 3461, where the daemon offers it; NULL: not given */
	const char *dsn_return;
	const char *dsn_id;
};

enum submitted {
	SUBMITTED,             /* for at least one recipient */
	SUBMITTED_NOT_NOW,     /* refused for a while, or nobody there */
	SUBMITTED_REFUSED,     /* for good */
	SUBMITTED_BROKEN_INPUT /* standard input could not be read */
};

/* How many recipients were refused, each told on standard error. */
struct submit_report {
	size_t refused;
	size_t refused_for_now;
	size_t unknown; /* of the refused: 5.1.1 */
};

/* Sends. err is set unless the result is SUBMITTED. */
enum submitted submit(const struct submission *s, struct submit_report *report, struct error *err);

/* Passes SMTP between the socket and the descriptors in and out (sendmail -bs). Returns false and sets err. */
bool submit_pass_through(const char *socket, int64_t wait_ms, int in, int out, struct error *err);

#endif
