/* SPDX-License-Identifier: ISC */
/*
 * Format specifiers of a maildir path: %{rcpt.user}, %{dest.domain[0:2]}, %{sender:strip|lowercase}, %% and a leading ~/,
 * as smtpd.conf(5) of OpenSMTPD has them. Every value goes through path_append_value, so it is one harmless part of a name
 * whatever the address holds: where OpenSMTPD writes ":" for some characters, this writes =XX for all that are unsafe, and
 * the modifier `raw` changes nothing. A path not beginning with / or ~/ is below the home.
 */
#ifndef MAILBOX_FORMAT_H
#define MAILBOX_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/address.h"
#include "common/buf.h"
#include "common/error.h"
#include "common/str.h"

struct format_values {
	struct address sender; /* null for a bounce */
	struct address rcpt;   /* as the client asked for it */
	struct address dest;   /* after expansion */
	struct str username;
	struct str directory; /* the home: an absolute path */
	char sub_addr_delim;  /* where `strip` cuts; '\0': nowhere */
};

/*
 * Appends the path that format means for these values: absolute, not yet normalised. Returns false and sets err
 * (ERROR_PERMANENT) when a specifier is unknown, a substring begins behind its value's end, or out is too small.
 */
bool format_expand(struct str format, const struct format_values *values, struct buf *out, struct error *err);

/*
 * The front of format that is the same for every message to one user: up to the first specifier of a message. What it
 * expands to, cut at its last slash, is a directory that holds all the mailboxes of that format.
 */
struct str format_fixed(struct str format);

#endif
