/* SPDX-License-Identifier: ISC */
/*
 * Questions to the DNS, by libunbound on our event loop: its cache, its retries, its limits. It asks the name servers
 * of the configuration or of resolv.conf, and where there are none, finds out by itself from the root on.
 *
 * The validator is left out for now: nobody asks for security yet (DANE will), and with it a forwarder that strips
 * signatures would turn every answer of a signed domain into a failure. So every answer counts as insecure.
 */
#ifndef RESOLVER_LOOKUP_H
#define RESOLVER_LOOKUP_H

#include <stdbool.h>

#include "common/config.h"
#include "common/error.h"
#include "common/str.h"
#include "resolver/packet.h"

enum lookup_status {
	LOOKUP_ANSWERED, /* packet says: records, none of that type, or no such name */
	LOOKUP_FAILED    /* no answer that can be relied on: why says in a few words */
};

struct lookup_answer {
	enum lookup_status status;
	struct str packet; /* ends with the call */
	const char *why;
};

typedef void lookup_done_fn(void *arg, const struct lookup_answer *answer);

struct lookup;

/*
 * Reads resolv.conf and hosts, and finishes libunbound's set-up, which opens files: before confinement. Returns false,
 * err set, when libunbound cannot be set up or the configuration's name server is none.
 */
bool lookup_open(const struct config *config, struct error *err);

/*
 * Asks for the records of that type of name. Calls done once, before it returns or later. Returns a handle for
 * lookup_cancel, NULL when done has been called.
 */
struct lookup *lookup_start(const char *name, enum packet_type type, lookup_done_fn *done, void *arg);

/* done is not called any more. Accepts NULL. */
void lookup_cancel(struct lookup *l);

/* Questions that have no answer yet, those that were cancelled included. */
size_t lookup_count(void);

#endif
