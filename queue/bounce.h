/* SPDX-License-Identifier: ISC */
/*
 * Composes the notification that tells a sender which recipients did not get their message, and why (RFC 3461 section 6,
 * RFC 3464): pure, bytes in, bytes out. Whatever a server answered, and whatever stood in the original header, comes out
 * as printable ASCII in lines of at most 998 bytes that end with CRLF, so it cannot add a field, a part or a line.
 */
#ifndef QUEUE_BOUNCE_H
#define QUEUE_BOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/str.h"

struct bounce_rcpt {
	struct str forward_path; /* as the sender wrote it */
	unsigned code;           /* of the last answer; 0 where there was none */
	struct str enhanced;
	struct str text;
	struct str hop; /* the server that gave it; empty when it was this one */
	uint64_t tries;
	bool expired; /* given up after its time, not refused for good */
};

struct bounce {
	struct str hostname; /* ours */
	struct str to;       /* the reverse-path of the original: never the null one */
	uint64_t original;   /* message ids */
	uint64_t id;
	uint64_t randomness; /* makes a boundary that nobody can have put into the original */
	int64_t accepted_ms; /* the original; calendar */
	int64_t now_ms;
	const struct bounce_rcpt *rcpts; /* 1 to QUEUE_JOB_RCPTS_MAX */
	size_t count;
	struct str header; /* the original from its first byte on; ends at its first empty line, or where it is cut */
};

/* Appends the whole message to out. Returns false when out has no room (QUEUE_DSN_BYTES is always enough). */
bool bounce_compose(const struct bounce *b, struct buf *out);

#endif
