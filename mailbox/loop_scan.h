/* SPDX-License-Identifier: ISC */
/*
 * Looks for the sign of a mail loop while a message passes: a header line "Delivered-To:" with the very address that it is
 * about to be delivered to (SECURITY L09). Lines end in LF, and come cut anywhere; folded ones are put together.
 */
#ifndef MAILBOX_LOOP_SCAN_H
#define MAILBOX_LOOP_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/str.h"
#include "mailbox/limits.h"

struct loop_scan {
	struct str address; /* a view that outlives the scan */
	bool done;          /* the header is over, or has passed its limit */
	bool at_line_start;
	size_t seen;
	size_t len; /* of the line so far; what is longer is not kept */
	char line[MAILBOX_LOOP_LINE_MAX];
};

void loop_scan_init(struct loop_scan *s, struct str address);

/* Takes the next bytes. Returns true when the loop is found. */
bool loop_scan_take(struct loop_scan *s, const char *data, size_t len);

#endif
