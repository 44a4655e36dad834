/* SPDX-License-Identifier: ISC */
/*
 * Text of a user's as SMTP takes it (RFC 5321 section 4.5.2, 2.3.8): every line ends in CRLF, whether it ended in LF, CRLF or
 * CR; a dot at its front is doubled; a line that is too long for the daemon is broken. A line that is only a dot ends the
 * text, where that is asked for.
 */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/str.h"

struct text {
	bool dot_ends;
	bool ended; /* the dot has come; what follows is not looked at */
	bool held_cr;
	bool held_dot;
	size_t column;
};

void text_init(struct text *t, bool dot_ends);

/* Appends bytes to out, which has room for three times as many and some more. */
void text_take(struct text *t, struct str bytes, struct buf *out);

/* Ends the last line. */
void text_finish(struct text *t, struct buf *out);

#endif
