/* SPDX-License-Identifier: ISC */
/*
 * A thread that reads the texts of messages from the store, and what a backup wants: a page that has to come from the disk
 * must not stop the loop. For texts one short read transaction for each request; the data is copied out. Who asks has one request for each job, so their
 * number is bounded; read and not yet taken are at most QUEUE_READER_DONE_MAX pieces.
 */
#ifndef QUEUE_READER_H
#define QUEUE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "queue/store.h"

struct reader;
struct reader_request;

/* A piece of a text. Views, which end with the call. found is not STORE_FOUND: error says why. */
struct reader_piece {
	enum store_found found;
	struct str bytes; /* empty at the end of the text */
	uint64_t offset;
	uint64_t text_size; /* preamble and body */
	const char *error;
};

typedef void reader_done_fn(void *arg, const struct reader_piece *piece);

/* Before the filter: starts the thread. Fatal where that fails. The loop must exist. */
struct reader *reader_new(struct store *store);

/* Ends the thread; requests that were not done are dropped. */
void reader_free(struct reader *r);

/* Asks for at most max bytes of the message's text from offset on; done is called in the loop, once. */
struct reader_request *reader_ask(
    struct reader *r, uint64_t message, uint64_t offset, size_t max, reader_done_fn *done, void *arg);

/* Has work(arg) called on the thread, among the requests in their order, and then done(arg) in the loop. Never cancelled. */
typedef void reader_work_fn(void *arg);
void reader_call(struct reader *r, reader_work_fn *work, reader_work_fn *done, void *arg);

/* The answer is of no more interest: done is not called. */
void reader_cancel(struct reader_request *request);

#endif
