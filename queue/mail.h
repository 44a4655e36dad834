/* SPDX-License-Identifier: ISC */
/*
 * What memory holds of a message while deliveries of it are loaded: the message, its recipients, and the delivery that
 * groups those of one destination. All of it is on disk too; loading it again is always possible.
 *
 * A delivery is in the tree of its destination from the moment it is loaded until what became of it is on disk, so that
 * its schedule entries, which are on disk all the while, are not handed out a second time.
 */
#ifndef QUEUE_MAIL_H
#define QUEUE_MAIL_H

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"
#include "queue/body.h"
#include "queue/store.h"

struct destination;

struct mail {
	uint64_t id;
	unsigned references;
	struct body *body;  /* NULL: to be read from disk */
	uint64_t text_size; /* preamble and body */
	int64_t created_ms;
	unsigned body_type; /* enum proto_body */
	uint64_t owner;
	bool
	    notification; /* a report of ours: what becomes of it is told to nobody but, where configured, postmaster */
	bool last;        /* it was for postmaster already */
	unsigned ret;     /* enum proto_ret */
	struct str envid;
	struct str reverse_path;
	char bytes[];
};

/* Returns fresh, with one reference; NULL when there is no memory. body is taken, and may be NULL. */
struct mail *mail_new(uint64_t id, const struct record_message *record, struct body *body);
struct mail *mail_hold(struct mail *m);
void mail_release(struct mail *m); /* accepts NULL */

/* Reads the message's record. Returns fresh; NULL with *found saying why. */
struct mail *mail_load(struct store_txn *txn, uint64_t id, enum store_found *found, struct error *err);

/* The answer a recipient got. */
struct reply {
	unsigned code;
	unsigned cause; /* enum proto_cause */
	struct str enhanced;
	struct str text;
	struct str hop;
	struct str tls;
	char bytes[];
};

/* Returns fresh, with copies of the texts. */
struct reply *reply_new(const struct reply *from);

/* What became of a recipient. */
enum outcome {
	OUTCOME_NONE,      /* nothing yet */
	OUTCOME_DELIVERED, /* gone */
	OUTCOME_DEFERRED,  /* later */
	OUTCOME_FAILED,    /* bounced */
	OUTCOME_EXPIRED,   /* bounced: its time is over */
	OUTCOME_REMOVED,   /* by an administrator */
	OUTCOME_POSTPONED, /* another time, without having been tried */
	OUTCOME_HELD,      /* not before somebody releases it */
	OUTCOME_RELEASED,  /* now again */
	OUTCOME_UNROUTED   /* router is asked where it goes */
};

struct rcpt {
	STAILQ_ENTRY(rcpt) next;
	uint32_t number; /* within the message */
	uint64_t tries;
	int64_t expires_ms;
	unsigned kind; /* enum proto_delivery, or RECIPIENT_UNROUTED */
	struct str forward_path;
	struct str recipient;
	struct str user;
	struct str action;
	unsigned notify; /* set of enum proto_notify; 0: the client named none */
	struct str orcpt;
	bool passed;            /* delivered to a server that tells the sender what becomes of it */
	struct str destination; /* name; set where it comes from a ticket */
	uint64_t destination_id;
	uint64_t ticket; /* number and part of the ticket it came from */
	bool chosen;     /* of a delivery that was claimed: it is one of those meant (load.h) */
	enum outcome outcome;
	int64_t due_us;      /* of its schedule entry on disk; with an outcome that has one, when next */
	struct reply *reply; /* the last one; NULL: none yet */
	char bytes[];
};
STAILQ_HEAD(rcpts, rcpt);

/* The texts are copied. Returns fresh; NULL when there is no memory. */
struct rcpt *rcpt_new(const struct record_recipient *record, uint32_t number, struct str destination);
void rcpt_free(struct rcpt *r);

/* Bytes of memory it takes, without an answer. */
size_t rcpt_memory(const struct rcpt *r);
void rcpts_free(struct rcpts *list);

/* Takes reply in place of the one it had. */
void rcpt_answer(struct rcpt *r, enum outcome outcome, struct reply *reply);

enum delivery_state {
	DELIVERY_READY,   /* waits in its destination's list for its turn */
	DELIVERY_RUNNING, /* handed out */
	DELIVERY_LEAVING, /* its outcome is on its way to disk */
	DELIVERY_HELD     /* its worker died too often: waits for the administrator, or for another start */
};

struct delivery {
	RB_ENTRY(delivery) node;    /* of the destination's tree: by message and first number */
	TAILQ_ENTRY(delivery) link; /* ready list of the destination, or list of what leaves together */
	enum delivery_state state;
	struct destination *destination;
	struct mail *mail;
	struct rcpts rcpts; /* numbers rise */
	uint32_t first;     /* number of the first one */
	unsigned count;
	unsigned deaths; /* of workers that had it (job.h) */
	uint64_t round;  /* of its destination, in which it has its turn */
	bool ahead;      /* came ahead of what waits on disk */
	int64_t due_us;
};
TAILQ_HEAD(deliveries, delivery);

/* Without recipients; takes a reference of its own to mail. Returns NULL when there is no memory. */
struct delivery *delivery_new(struct mail *mail, int64_t due_us);
void delivery_add(struct delivery *d, struct rcpt *r); /* takes r */
void delivery_free(struct delivery *d);
bool delivery_has(const struct delivery *d, uint32_t number);

#endif
