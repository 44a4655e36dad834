/* SPDX-License-Identifier: ISC */
/*
 * The header of a message that a local program gives to sendmail: whom it names as recipients, what has to go (Bcc), and
 * what is missing (From, Date, Message-ID; RFC 5322 section 3.6).
 */
#ifndef CTL_HEADER_H
#define CTL_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/buf.h"
#include "common/error.h"
#include "common/str.h"

/* Recipients, each once, as they are written in a path. */
struct recipients {
	char **list;
	size_t count;
};

void recipients_clear(struct recipients *r);

/* Adds those of a list of addresses. Returns false and sets err: a list that is none, or more than SENDMAIL_RCPTS_MAX. */
bool recipients_add(struct recipients *r, struct str list, struct error *err);

struct header {
	struct buf text; /* with LF, without the empty line at its end */
	size_t length;   /* of the input that it was, with the empty line */
	bool seen_from;
	bool seen_date;
	bool seen_message_id;
};

/*
 * Takes the header at the front of text, which is the whole input or at least SENDMAIL_HEADER_MAX bytes of it. A line
 * "From " of an mbox before it is dropped, likewise Bcc and Return-Path. to: gets the recipients of To, Cc and Bcc, or of
 * their Resent- forms where there is one; NULL: they are not looked at. Returns false and sets err (ERROR_PERMANENT).
 */
bool header_read(struct header *h, struct str text, struct recipients *to, struct error *err);
void header_clear(struct header *h);

/* What missing fields are made of. */
struct header_origin {
	const char *address; /* user@host */
	const char *full_name;
	const char *host;
	int64_t now_s;
	uint64_t random;
};

/* Adds the fields that are missing. */
void header_complete(struct header *h, const struct header_origin *origin);

#endif
