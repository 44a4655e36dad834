/* SPDX-License-Identifier: ISC */
/*
 * The one way by which content reaches a server after DATA (RFC 5321 section 4.5.2): dots are stuffed, the end is CRLF
 * dot CRLF, and a CR or LF that is not of a CRLF is never written, so nothing that we send can be read as an end or a
 * command by a server with looser ideas of a line. Content that holds one is refused, and the caller breaks off.
 */
#ifndef RELAY_WRITER_H
#define RELAY_WRITER_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/str.h"

struct writer {
	bool cr; /* the last byte was CR, held back until its LF is seen */
	bool line_start;
};

enum writer_status {
	WRITER_OK,
	WRITER_BARE, /* a bare CR or LF: nothing of it was written, the message cannot be sent */
	WRITER_FULL  /* out has no room; what fitted was written and the writer is of no more use */
};

void writer_start(struct writer *w);

/* Appends content in its form for the wire. out needs room for 4 bytes for 3 of bytes, and 3 more. */
enum writer_status writer_put(struct writer *w, struct str bytes, struct buf *out);

/* Appends the end. Content that does not end with CRLF gets one: DATA cannot say otherwise. */
enum writer_status writer_end(struct writer *w, struct buf *out);

#endif
