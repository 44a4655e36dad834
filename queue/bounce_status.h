/* SPDX-License-Identifier: ISC */
/*
 * The second part of a report, for programs: message/delivery-status (RFC 3464), or message/global-delivery-status
 * (RFC 6533) where an address in it is not ASCII.
 */
#ifndef QUEUE_BOUNCE_STATUS_H
#define QUEUE_BOUNCE_STATUS_H

#include "queue/bounce.h"
#include "queue/mime.h"

/* Whether an address of a recipient, as it was given or first written, has characters above ASCII. */
bool bounce_status_needs_utf8(const struct bounce *b);

/* Appends the part with its header; w->utf8 is what bounce_status_needs_utf8 said. */
void bounce_status_put(struct mime_writer *w, const struct bounce *b);

/* class "." subject "." detail (RFC 3463 section 2): one digit of 2, 4 or 5, and two numbers of up to three digits. */
bool bounce_status_is(struct str s);

#endif
