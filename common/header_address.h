/* SPDX-License-Identifier: ISC */
/*
 * Address lists of header fields (RFC 5322 section 3.4: To, Cc, Bcc), and of sendmail's arguments: display names, comments,
 * groups, folded lines. What an address is, address.h decides; this takes the list apart. Strict: what does not fit the
 * grammar is an error with a reason and nothing is guessed.
 */
#ifndef COMMON_HEADER_ADDRESS_H
#define COMMON_HEADER_ADDRESS_H

#include <stdbool.h>

#include "common/address.h"
#include "common/error.h"
#include "common/str.h"

#define HEADER_ADDRESS_COMMENTS_MAX 16 /* comments within each other */

/* Called for every address, in order. Returns false, err set, to end the walk. */
typedef bool header_address_fn(void *arg, const struct address *address, struct error *err);

/*
 * Walks through the value of a field, without its name; an empty list is none. rules as for address_parse. Returns false
 * and sets err (ERROR_PERMANENT) at the first mistake; what was handed over before stays so.
 */
bool header_address_list(struct str value, unsigned rules, header_address_fn *fn, void *arg, struct error *err);

#endif
