/* SPDX-License-Identifier: ISC */
/*
 * A request of control that takes more than a turn: who asked for what, and how far it has come. It begins when all that was
 * accepted before it is in the store, and goes through the messages in the order of their ids, in bounded steps, one a turn,
 * between the mail.
 */
#ifndef QUEUE_REQUEST_H
#define QUEUE_REQUEST_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "common/process.h"
#include "queue/barrier.h"
#include "queue/reader.h"
#include "queue/store.h"

/* Texts of a query, and who asks. */
#define REQUEST_TEXTS_MAX (2 * PROTO_ADDRESS_MAX + 2 * PROTO_NAME_MAX + PROTO_DESTINATION_MAX)

struct request {
	TAILQ_ENTRY(request) next;
	struct peer *peer; /* NULL: it is gone */
	uint64_t id;
	bool changes; /* goes on when nobody is left to hear of it */
	struct proto_query query;
	struct str by;
	int64_t now_ms; /* ages count up to here */

	uint64_t at;    /* message that is looked at, or was looked at last */
	uint32_t from;  /* its recipient to go on with */
	bool within;    /* `at` is not done with */
	bool finished;  /* nothing more is looked at */
	uint64_t limit; /* entries to be shown */
	uint64_t shown;
	uint64_t count;
	uint64_t messages;
	uint64_t counted; /* the message that was counted last */
	int64_t told_ms;  /* when it was told last how far it has come */

	/* of a change */
	unsigned change; /* enum proto_change */
	bool dry_run;
	uint64_t busy;
	unsigned pending; /* outcomes on their way to disk */
	bool unreadable;  /* nothing more is looked at because what comes next cannot be read */

	/* of a text */
	uint64_t offset;
	struct reader_request *reading;

	struct loop_timer timer; /* for the next step */
	struct barrier barrier;
	bool waits; /* for the barrier */
	size_t texts_used;
	char texts[REQUEST_TEXTS_MAX];
};

/* Tells the end of a request, to nobody where peer is NULL. */
void request_answer(struct peer *peer, uint64_t id, bool ok, const struct request *q, const char *text);

/*
 * Returns fresh, with query and by copied; NULL after answering where there are too many. step makes one step, or all. The
 * caller fills in the rest and begins it.
 */
struct request *request_new(
    struct peer *peer, uint64_t id, const struct proto_query *query, struct str by, loop_timer_fn *step);

/* Has its step called once all that was accepted before is in the store. */
void request_begin(struct request *q);

/* In a later turn, another step. */
void request_go_on(struct request *q);

/* Now and then has whoever waits told that it is being worked on. */
void request_tell_progress(struct request *q);

/* Answers, and frees it. */
void request_finish(struct request *q, bool ok, const char *text);
void request_free(struct request *q);

/* What that peer asked for is answered to nobody. */
void requests_gone(struct peer *peer);

/*
 * The message to look at next: the one that is not done with, else the one behind it. STORE_NONE at the end. Where it is not
 * one of the query's, *wanted is false.
 */
enum store_found request_next_message(
    struct request *q, struct store_txn *txn, struct record_message *record, bool *wanted, struct error *err);

/* Whether a recipient of the message that is looked at is one of the query's. */
bool request_wants(
    const struct request *q, struct store_txn *txn, uint32_t number, const struct record_recipient *record);

#endif
