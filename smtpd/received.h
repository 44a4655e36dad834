/* SPDX-License-Identifier: ISC */
/* What is put above an accepted message: the Received field (RFC 5321 section 4.4), made of checked tokens only. */
#ifndef SMTPD_RECEIVED_H
#define SMTPD_RECEIVED_H

#include <stdbool.h>

#include "common/buf.h"

struct session;

/* Appends the preamble of the session's transaction, lines ended by CR LF, to out. False when out does not hold it. */
bool received_write(const struct session *s, struct buf *out);

#endif
