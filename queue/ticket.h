/* SPDX-License-Identifier: ISC */
/*
 * Opens a ticket: router's word, under a MAC, on where one recipient of one transaction goes. What a ticket does not say,
 * smtpd cannot make the queue do.
 */
#ifndef QUEUE_TICKET_H
#define QUEUE_TICKET_H

#include <stdint.h>

#include "common/seal.h"
#include "queue/mail.h"

enum ticket_verdict {
	TICKET_GOOD,
	TICKET_REFUSED, /* too old, or of another sender: the transaction fails, 451 */
	TICKET_FORGED   /* not router's, or of another transaction: the peer broke */
};

struct ticket_context {
	uint64_t transaction;
	struct str reverse_path;
	int64_t wall_ms;       /* for the ticket's expiry: router's clock */
	int64_t now_ms;        /* queue's clock: when the recipient's time begins */
	int64_t default_ttl_s; /* where the action has none */
	unsigned notify;       /* of the recipient: what the client said, not the ticket */
	struct str orcpt;
};

/*
 * With TICKET_GOOD sets *out to a fresh recipient, without number, and *origin and *owner, which is a view into sealed.
 * NULL in *out then means that there was no memory.
 */
enum ticket_verdict ticket_open(struct seal *seal, struct str sealed, const struct ticket_context *context,
    struct rcpt **out, struct str *origin, uint64_t *owner);

#endif
