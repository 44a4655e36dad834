/* SPDX-License-Identifier: ISC */
/*
 * A destination in memory: a domain, a smarthost, a local user, or router for our own notifications. It knows what is
 * loaded of it, how far its schedule on disk was read, how many jobs it may have, and whether it is down. Memory holds
 * destinations, not messages: the ready list is bounded, and what does not fit stays on disk until its turn.
 *
 * At any time a destination is in one place: in line to be served, waiting for a time, blocked (its mailbox process is
 * coming), or idle. destination_settle is the only function that decides which; whatever changes a destination calls it.
 */
#ifndef QUEUE_DESTINATION_H
#define QUEUE_DESTINATION_H

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"
#include "queue/mail.h"
#include "queue/store.h"

#define DESTINATION_NEVER INT64_MAX
#define DESTINATION_KINDS 3 /* enum proto_delivery, and RECIPIENT_UNROUTED */

enum destination_place { PLACE_NOWHERE, PLACE_IN_LINE, PLACE_TIMED, PLACE_IDLE };

RB_HEAD(loaded, delivery);

struct mailbox;

struct destination {
	RB_ENTRY(destination) by_id;
	RB_ENTRY(destination) by_time;
	TAILQ_ENTRY(destination) link; /* of the line, or of the idle ones */
	TAILQ_ENTRY(destination)
	waiting; /* for a process of its user (mailboxes.c), or for one with less company (job.c) */
	uint64_t id;
	unsigned kind;
	enum destination_place place;
	int64_t place_us; /* PLACE_TIMED: when it is looked at; PLACE_IDLE: since when */

	struct deliveries ready; /* by their rounds: in each of them every sender has one turn */
	unsigned ready_count;
	unsigned ahead;          /* of them, those that came ahead of what waits on disk */
	uint64_t round;          /* of the last that had its turn */
	struct delivery *newest; /* that was loaded, while it is ready; NULL: it is gone */
	struct loaded loaded;
	unsigned loaded_count;
	unsigned running;
	unsigned window;           /* jobs it may have */
	unsigned window_max;       /* and may come to have */
	struct rates *rates;       /* NULL: none */
	struct store_entry cursor; /* the schedule on disk was read up to here */
	int64_t next_us; /* behind the cursor nothing is due before; DESTINATION_NEVER: nothing is there; 0: unknown */

	bool down;
	bool found_down;  /* by this process: not only in its record */
	int64_t until_us; /* down: next probe */
	uint64_t failures;
	unsigned cause; /* why it is down: enum proto_cause */
	char *text;     /* likewise in words; NULL while it is up */

	bool suspended;             /* by the administrator */
	int64_t suspended_until_us; /* 0: until it is resumed */

	bool held;               /* its action is not in the configuration */
	bool blocked;            /* waits for its mailbox process, or stands in job.c's list of suspects */
	uint64_t worker;         /* instance of the relay worker that served it last */
	struct mailbox *mailbox; /* NULL: none */

	size_t name_len;
	char name[];
};

/*
 * Empty. held says whether an action's mail must wait; restrain, which may be NULL, gives a new destination window_max and
 * rates, on the heap.
 */
void destinations_init(bool (*held)(unsigned kind, struct str name), void (*restrain)(struct destination *d));
void destinations_free(void);
size_t destinations_count(void);
size_t deliveries_loaded(void);

/* NULL where it is not in memory. */
struct destination *destination_find(uint64_t id);

/* Finds or makes it. Fatal when there is no memory: a destination without a struct would be forgotten mail. */
struct destination *destination_get(uint64_t id, unsigned kind, struct str name);
struct str destination_name(const struct destination *d);

/* Goes through all in the order of their ids: NULL begins, and ends. */
struct destination *destination_next(struct destination *after);

/* --- where it stands --- */

/* Puts it where it belongs now. */
void destination_settle(struct destination *d);

/* Asks fn to be called at the end of the turn, once, when somebody came to stand in line. */
void destinations_on_line(void (*fn)(void));

/* The first in line of that kind, which leaves the line; NULL when nobody stands there. Settle it when it was served. */
struct destination *destination_take(unsigned kind);

/* At most `max` of those that were idle at least since before_us are given to forget, which may free them. */
void destinations_idle(int64_t before_us, size_t max, void (*forget)(struct destination *d));
void destination_free(struct destination *d);

/* --- deliveries --- */

/* Whether a new delivery may be loaded straight from memory: up, room in the list, and nothing on disk has waited longer. */
bool destination_takes_new(const struct destination *d, int64_t now_us);

/*
 * Whether a delivery of a new message may be loaded although others wait on disk: they are many, perhaps, and of one sender.
 * It has its turn in the next round. Not where its sender has others in the list: they would be overtaken.
 */
bool destination_lets_ahead(const struct destination *d, const struct mail *mail, int64_t now_us);

/* Whether it is time to read more of it from disk. */
bool destination_wants_more(const struct destination *d, int64_t now_us);

/* Whether it may be read from disk into the list. */
bool destination_has_room(const struct destination *d);

/*
 * Whether that recipient is loaded. A commit can be read from disk before the loop has heard of it, so whoever loads asks
 * this first: the step that stored it, too. That is enough, for what takes a recipient out of memory for good is a step
 * that was handed over later, and is heard of later.
 */
bool destination_has(struct destination *d, uint64_t message, uint32_t number);
struct delivery *destination_delivery(struct destination *d, uint64_t message, uint32_t number);

/*
 * Takes a delivery whose recipients are not loaded: into the list, behind those of its sender, or loaded without standing in
 * it.
 */
void destination_load(struct destination *d, struct delivery *delivery, enum delivery_state state);

/* The first of the list, which leaves it and is running; NULL when it is empty. */
struct delivery *destination_run(struct destination *d);

/* A running delivery is back in front of the list; or has come to an end, whose outcome is not yet on disk. */
void destination_return(struct destination *d, struct delivery *delivery);
void destination_finish(struct destination *d, struct delivery *delivery);

/* A running delivery is handed out no more, until somebody claims it. */
void destination_hold(struct destination *d, struct delivery *delivery);

/*
 * Parts a running delivery, whose worker is gone, in two: recipients that had their result leave in a delivery of their own,
 * which is returned; NULL when none had. `delivery` keeps the others, NULL in *rest when there are none.
 */
struct delivery *destination_split(struct destination *d, struct delivery *delivery, struct delivery **rest);

/* Takes a waiting delivery out of the list, or one that is held: it is leaving. */
void destination_claim(struct destination *d, struct delivery *delivery);

/* Its outcome is on disk, or it is simply forgotten: frees it. */
void destination_unload(struct destination *d, struct delivery *delivery);

/* Forgets all that waits in the list; it will be read again. */
void destination_forget_ready(struct destination *d);

/* An entry came to be on disk, and is not loaded. */
void destination_note(struct destination *d, const struct store_entry *entry);

/* --- up and down --- */

/* No server could be spoken to: down until then. Returns false when it was down already and this was not its probe. */
bool destination_fail(struct destination *d, int64_t until_us, unsigned cause, struct str text);

/* A server was spoken to. Returns whether it was down. */
bool destination_succeed(struct destination *d);

/* The administrator holds its mail back until then (0: until it is resumed), or does so no longer. Settle it then. */
void destination_suspend(struct destination *d, bool suspended, int64_t until_us);
bool destination_is_suspended(const struct destination *d, int64_t now_us);

/* Whether one more job may be given to it now. */
bool destination_may_run(const struct destination *d, int64_t now_us);

/* When a rate lets the next job go; a time that has passed where there is none, or it does already. */
int64_t destination_rated_us(const struct destination *d);

/* Its jobs are as few as after a connection that failed; as many as after one that went well. */
void destination_shrink(struct destination *d);

/* The clock has come to the next of those that wait for a time: called by the timer. */
void destinations_wake(void);

#endif
