/* SPDX-License-Identifier: ISC */
/*
 * Replies of a server (RFC 5321 section 4.2), read as counted bytes as they come, one reply at a time. Strict about
 * what decides (code, separator, line end), indifferent to what is only text. The text leaves here as printable ASCII
 * and is never parsed again: whoever keeps it, in the queue, a DSN or the log, can trust its bytes.
 */
#ifndef RELAY_REPLY_H
#define RELAY_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/proto.h"
#include "common/str.h"
#include "relay/limits.h"

struct reply {
	unsigned code;                         /* 200 to 599 */
	enum proto_cause cause;                /* of one of our own; NONE: the server's, whose words tell (cause.h) */
	char enhanced[PROTO_ENHANCED_MAX + 1]; /* RFC 3463; "" where there is none, or its class is not the code's */
	char text[PROTO_REPLY_MAX + 1];        /* "250 2.0.0 Ok: queued as X"; lines are joined by a space */
	size_t text_len;
};

struct reply_parser {
	struct reply reply; /* being read */
	unsigned lines;
	const char *wrong; /* why REPLY_BAD was returned */
	size_t line_seen;  /* bytes of the line so far, without its CRLF */
	size_t line_len;   /* of them kept */
	bool cr;           /* the last byte was CR */
	char line[RELAY_REPLY_LINE_KEPT];
};

enum reply_status {
	REPLY_MORE, /* all bytes taken, the reply goes on */
	REPLY_DONE, /* parser->reply is complete; *in begins behind it */
	REPLY_BAD   /* not a reply, or over a limit; parser->wrong says why. The connection is of no more use */
};

/* Called for each line of a reply with its number from 1 and what stands behind the code, as it came. */
typedef void reply_line_fn(void *arg, unsigned number, struct str text);

/* Makes ready for a new reply. */
void reply_start(struct reply_parser *p);

/* Takes bytes from *in, up to the end of one reply at most. on_line may be NULL. */
enum reply_status reply_read(struct reply_parser *p, struct str *in, reply_line_fn *on_line, void *arg);

/*
 * Fills out with a reply of our own, as if a server had said it: text begins with the enhanced status code. Cuts. cause
 * may be NONE, as if it were a server's.
 */
void reply_make(struct reply *out, enum proto_cause cause, unsigned code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The text behind code and enhanced status: what the server said in words. */
struct str reply_words(const struct reply *reply);

/*
 * Whether s begins with an enhanced status code of that class ('2', '4', '5'); *code is it, *rest what follows the
 * space.
 */
bool reply_cut_enhanced(struct str s, char class, struct str *code, struct str *rest);

#endif
