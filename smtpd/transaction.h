/* SPDX-License-Identifier: ISC */
/*
 * A mail transaction (RFC 5321 section 3.3), seen from smtpd: recipients are asked of the router, which answers with
 * tickets that are kept unread; the body goes to the queue in chunks, within a window; 250 is said when the queue says that
 * it is on disk. A small message is one batch: BEGIN, tickets, body and COMMIT leave together.
 */
#ifndef SMTPD_TRANSACTION_H
#define SMTPD_TRANSACTION_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "common/buf.h"
#include "common/proto.h"
#include "common/tree.h"
#include "smtpd/data.h"
#include "smtpd/parameter.h"
#include "smtpd/reply.h"

struct session;

/* A RCPT that the client has not been answered yet; or, with code 0, a reply of our own that has to wait for its turn. */
struct question {
	TAILQ_ENTRY(question) next;
	uint64_t number;
	bool answered;
	unsigned code;
	char enhanced[PROTO_ENHANCED_MAX + 1];
	char forward_path[ADDRESS_MAX + 1];
	unsigned notify;    /* NOTIFY of the command; 0 where it had none */
	char *orcpt;        /* ORCPT of the command; NULL where it had none */
	char *text;         /* of the verdict; NULL before it */
	struct buf tickets; /* each a 32-bit length and the bytes */
	unsigned ticket_count;
	enum reply no_tickets; /* said in place of 250: there was no room for them; else REPLY_COUNT */
};

struct transaction {
	uint64_t id; /* of the message as well */
	RB_ENTRY(transaction) entry;
	struct session *session;
	char reverse_path[ADDRESS_MAX + 1];
	enum proto_body body;
	enum proto_ret ret;
	char envid[PROTO_ENVID_MAX + 1];
	TAILQ_HEAD(, question) questions; /* in the order of the commands */
	unsigned pending;                 /* questions */
	uint64_t asked;                   /* so far: the number of the next */
	unsigned rcpts;                   /* accepted */
	char first_rcpt[ADDRESS_MAX + 1]; /* accepted first, for Received while it is the only one */
	struct buf tickets;               /* of accepted recipients, each recipient's behind a struct rcpt_head */
	bool begun;                       /* the queue knows of it */
	bool committed;                   /* the queue was told to store it */
	bool lost;                        /* queue or router went away, or refused it: it can only end in 451 or 452 */
	bool no_room;                     /* it was for want of room: 452 */
	size_t in_flight;                 /* bytes of the body that the queue has given no credit for */
	struct data data;
	struct buf chunk; /* bytes of the body not yet sent */
	int64_t started_ms;
};

/* The ids that the queue granted; the size of message that it has room for. */
void transaction_grant(uint64_t first, uint64_t count);
void transaction_set_room(uint64_t bytes);
uint64_t transaction_room(void);
bool transaction_has_queue(void); /* it is there, and has told its room */

/* Opens a transaction of s. Returns false when there is no queue, or no id, at the moment: 451. */
bool transaction_begin(struct session *s, const struct address *reverse_path, const struct parameters *parameters);

/* Asks about one more recipient. Returns false when there is no router at the moment: 451. */
bool transaction_ask(struct session *s, const struct address *forward_path, const struct parameters *parameters);

/*
 * Whether a reply to a RCPT has to wait for the answers to earlier ones, and keeping it until its turn comes. Without that
 * a syntax error would be answered before the recipients that were named before it.
 */
bool transaction_holds_replies(const struct session *s);
void transaction_hold_reply(struct session *s, struct str bytes);

/* Bytes of the message. Takes from *in what there is room for. Returns true at the end: STATE_STORE, or READY. */
bool transaction_take(struct session *s, struct str *in);

/* At 354. */
void transaction_start_data(struct session *s, uint64_t size_max);

/* Whether more of the body can be taken now. */
bool transaction_has_room(const struct session *s);

/* Whether the router reads what it is asked: commands wait while it does not. */
bool transaction_router_reads(void);

/* Forgets the transaction, in the queue as well. Does nothing where there is none. */
void transaction_drop(struct session *s);

/*
 * Answers. What is about a transaction that is over comes too late, and does nothing. False: it was never asked, or was
 * answered before (SECURITY I01). First those of the router.
 */
bool transaction_ticket(uint64_t session, const struct msg_rcpt_ticket *ticket);
bool transaction_verdict(uint64_t session, const struct msg_rcpt_verdict *verdict);

/* And those of the queue. */
bool transaction_credit(uint64_t id, uint64_t bytes);
bool transaction_done(uint64_t id);
bool transaction_refused(uint64_t id, enum proto_refusal reason);

/* A peer is gone: what waits for it ends in 451. */
void transaction_queue_gone(void);
void transaction_router_gone(void);

uint64_t transaction_count_accepted(void);

#endif
