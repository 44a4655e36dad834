/* SPDX-License-Identifier: ISC */
/* The first part of a report, for people: what happened, what to do, and each recipient with the words of the server. */
#ifndef QUEUE_BOUNCE_TEXT_H
#define QUEUE_BOUNCE_TEXT_H

#include "queue/bounce.h"
#include "queue/mime.h"

/* The subject of the report: the site's own, or that of the language. */
struct str bounce_text_subject(const struct bounce *b);

/* Appends the part with its header. whole: the message itself is attached, not only its header. */
void bounce_text_put(struct mime_writer *w, const struct bounce *b, bool whole);

/* The answer in one line, as it would stand in a session, folded with indent. */
void bounce_text_put_answer(struct mime_writer *w, const char *indent, const struct bounce_rcpt *rcpt);

#endif
