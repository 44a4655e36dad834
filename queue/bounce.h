/* SPDX-License-Identifier: ISC */
/*
 * Composes the report that tells a sender what became of recipients: failed, late, or delivered where that was asked for
 * (RFC 3461 section 6, RFC 3464, RFC 6533): pure, bytes in, bytes out. Whatever a server answered, and whatever stood in
 * the original header, comes out as text in lines of at most 998 bytes that end with CRLF, so it cannot add a field, a part
 * or a line. The first part is made by bounce_text.h, the second by bounce_status.h.
 */
#ifndef QUEUE_BOUNCE_H
#define QUEUE_BOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/str.h"

struct bounce_words;

enum bounce_action {
	BOUNCE_FAILED,
	BOUNCE_DELAYED,
	BOUNCE_DELIVERED, /* into a mailbox */
	BOUNCE_RELAYED    /* to a server that will tell nothing more */
};

struct bounce_rcpt {
	enum bounce_action action;
	struct str forward_path; /* as the sender wrote it */
	struct str orcpt;        /* as in its command, in xtext; empty: none */
	unsigned code;           /* of the last answer; 0 where there was none */
	struct str enhanced;
	struct str text;
	struct str hop; /* the server that gave it; empty when it was this one */
	uint64_t tries;
	bool expired;       /* given up after its time, not refused for good */
	int64_t tried_ms;   /* the last try; calendar; 0: none */
	int64_t expires_ms; /* BOUNCE_DELAYED: how long it will be tried */
};

struct bounce {
	const struct bounce_words *words; /* contact, language and texts of the site; NULL: English without any */
	struct str hostname;              /* ours */
	struct str to;     /* the reverse-path of the original; of one that has none the postmaster's address */
	uint64_t original; /* message ids */
	uint64_t id;
	uint64_t randomness; /* makes a boundary that nobody can have put into the original */
	int64_t accepted_ms; /* the original; calendar */
	int64_t now_ms;
	struct str envid;                /* in xtext; empty: none */
	const struct bounce_rcpt *rcpts; /* 1 to QUEUE_JOB_RCPTS_MAX */
	size_t count;
	uint64_t more; /* further ones of the same kind that have no room here */
	/*
	 * The original from its first byte on. whole: all of it, to be returned as it is, if its lines are such as may be sent
	 * (mime_has_plain_lines); else only its header is returned, which ends at its first empty line, or where it is cut.
	 */
	struct str text;
	bool whole;
};

/*
 * Appends the whole message to out, and says in *eightbit whether it may have bytes above 127: in the original, or in an
 * address that is UTF-8. The site's words are always encoded. Returns false when out has no
 * room (QUEUE_DSN_BYTES are enough for everything, with a whole text of QUEUE_DSN_ORIGINAL_BYTES and some pieces more).
 */
bool bounce_compose(const struct bounce *b, struct buf *out, bool *eightbit);

#endif
