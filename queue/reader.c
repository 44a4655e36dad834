/* SPDX-License-Identifier: ISC */
#include "queue/reader.h"

#include <sys/eventfd.h>
#include <sys/queue.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/limits.h"
#include "queue/thread.h"

struct reader_request {
	STAILQ_ENTRY(reader_request) next;
	uint64_t message;
	uint64_t offset;
	size_t max;
	reader_done_fn *done; /* NULL: cancelled; of the loop alone */
	void *arg;
	reader_work_fn *work; /* NULL: a text is read */
	reader_work_fn *worked;
	/* set by the thread */
	enum store_found found;
	char *data;
	size_t len;
	uint64_t text_size;
	struct error err;
};
STAILQ_HEAD(requests, reader_request);

struct reader {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct requests asked; /* under the lock, as all below */
	struct requests done;
	size_t done_count;
	bool running; /* the thread has begun */
	bool ending;
	int event_fd;
	struct loop_fd readable;
};

/* --- in the thread --- */

/* Copies what is wanted next out of a part of the text that begins at offset `begins`. */
static void
copy_part(struct reader_request *q, uint64_t begins, struct str text)
{
	uint64_t at = q->offset + q->len;
	size_t from, n;

	if (at < begins || at >= begins + text.len)
		return;
	from = (size_t)(at - begins);
	n = text.len - from < q->max - q->len ? text.len - from : q->max - q->len;
	memcpy(q->data + q->len, text.ptr + from, n);
	q->len += n;
}

static enum store_found
read_text(struct store_txn *txn, struct reader_request *q)
{
	struct record_message record;
	enum store_found found = store_get_message(txn, q->message, &record, &q->err);
	uint64_t at;
	struct str data;

	if (found == STORE_NONE)
		(void)error_set(&q->err, ERROR_PERMANENT, "no such message");
	if (found != STORE_FOUND)
		return found;
	q->text_size = record.preamble.len + record.size;
	if (q->offset >= q->text_size)
		return STORE_FOUND;
	if (q->max > q->text_size - q->offset)
		q->max = (size_t)(q->text_size - q->offset);
	q->data = malloc(q->max);
	if (q->data == NULL) {
		(void)error_set(&q->err, ERROR_TEMPORARY, "out of memory");
		return STORE_BROKEN;
	}
	copy_part(q, 0, record.preamble);
	while (q->len < q->max && (at = q->offset + q->len) < q->text_size) {
		uint32_t sequence = (uint32_t)((at - record.preamble.len) / RECORD_PIECE_DATA);
		size_t before = q->len;
		found = store_get_piece(txn, q->message, sequence, &data, &q->err);
		if (found == STORE_NONE)
			(void)error_set(&q->err, ERROR_PERMANENT, "piece %u is missing", sequence);
		if (found != STORE_FOUND)
			return STORE_BROKEN;
		copy_part(q, record.preamble.len + (uint64_t)sequence * RECORD_PIECE_DATA, data);
		if (q->len == before) {
			(void)error_set(&q->err, ERROR_PERMANENT, "piece %u is too short", sequence);
			return STORE_BROKEN;
		}
	}
	return STORE_FOUND;
}

static void
run_request(struct reader *r, struct reader_request *q)
{
	struct store_txn *txn;

	if (q->work != NULL) {
		q->work(q->arg);
		return;
	}
	txn = store_read(r->store, &q->err);
	q->found = STORE_BROKEN;
	if (txn == NULL)
		return;
	q->found = read_text(txn, q);
	store_read_end(txn);
}

static void
wake_loop(struct reader *r)
{
	ssize_t n;

	do
		n = write(r->event_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	while (n == -1 && errno == EINTR);
}

static void *
run_thread(void *arg)
{
	struct reader *r = arg;
	struct reader_request *q;

	(void)pthread_mutex_lock(&r->lock);
	r->running = true;
	(void)pthread_cond_broadcast(&r->changed);
	while (!r->ending) {
		q = STAILQ_FIRST(&r->asked);
		if (q == NULL || r->done_count >= QUEUE_READER_DONE_MAX) {
			(void)pthread_cond_wait(&r->changed, &r->lock);
			continue;
		}
		STAILQ_REMOVE_HEAD(&r->asked, next);
		(void)pthread_mutex_unlock(&r->lock);
		run_request(r, q);
		(void)pthread_mutex_lock(&r->lock);
		STAILQ_INSERT_TAIL(&r->done, q, next);
		if (r->done_count++ == 0)
			wake_loop(r);
	}
	(void)pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* --- in the loop --- */

static void
free_request(struct reader_request *q)
{
	free(q->data);
	free(q);
}

static void
free_requests(struct requests *list)
{
	struct reader_request *q;

	while ((q = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, next);
		free_request(q);
	}
}

static void
take_done(int fd, short what, void *arg)
{
	struct reader *r = arg;
	struct requests done = STAILQ_HEAD_INITIALIZER(done);
	struct reader_request *q;
	uint64_t count;

	(void)what;
	(void)!read(fd, &count, sizeof(count)); /* it only woke us */
	(void)pthread_mutex_lock(&r->lock);
	STAILQ_CONCAT(&done, &r->done);
	r->done_count = 0;
	(void)pthread_cond_signal(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
	while ((q = STAILQ_FIRST(&done)) != NULL) {
		const struct reader_piece piece = { q->found, { q->data, q->len }, q->offset, q->text_size,
			q->err.text };
		STAILQ_REMOVE_HEAD(&done, next);
		if (q->worked != NULL)
			q->worked(q->arg);
		else if (q->done != NULL)
			q->done(q->arg, &piece);
		free_request(q);
	}
}

/* Signals are the loop's, but for those that speak of the thread that they hit. */
static void
start_thread(struct reader *r)
{
	thread_start(&r->thread, run_thread, r);
	/* What a thread calls while it begins is not in the filter that comes next. */
	(void)pthread_mutex_lock(&r->lock);
	while (!r->running)
		(void)pthread_cond_wait(&r->changed, &r->lock);
	(void)pthread_mutex_unlock(&r->lock);
}

struct reader *
reader_new(struct store *store)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		fatal("out of memory");
	r->store = store;
	STAILQ_INIT(&r->asked);
	STAILQ_INIT(&r->done);
	r->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->event_fd == -1)
		fatal("eventfd: %s", strerror(errno));
	loop_fd_init(&r->readable, r->event_fd, LOOP_READ, take_done, r);
	loop_fd_start(&r->readable);
	if (pthread_mutex_init(&r->lock, NULL) != 0 || pthread_cond_init(&r->changed, NULL) != 0)
		fatal("cannot start the reader thread");
	start_thread(r);
	return r;
}

void
reader_free(struct reader *r)
{
	if (r == NULL)
		return;
	(void)pthread_mutex_lock(&r->lock);
	r->ending = true;
	(void)pthread_cond_signal(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
	(void)pthread_join(r->thread, NULL);
	free_requests(&r->asked);
	free_requests(&r->done);
	loop_fd_stop(&r->readable);
	(void)close(r->event_fd);
	(void)pthread_mutex_destroy(&r->lock);
	(void)pthread_cond_destroy(&r->changed);
	free(r);
}

static struct reader_request *
hand_over(struct reader *r, const struct reader_request *request)
{
	struct reader_request *q = malloc(sizeof(*q));

	if (q == NULL)
		fatal("out of memory");
	*q = *request;
	(void)pthread_mutex_lock(&r->lock);
	STAILQ_INSERT_TAIL(&r->asked, q, next);
	(void)pthread_cond_signal(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
	return q;
}

struct reader_request *
reader_ask(struct reader *r, uint64_t message, uint64_t offset, size_t max, reader_done_fn *done, void *arg)
{
	return hand_over(
	    r, &(struct reader_request){ .message = message, .offset = offset, .max = max, .done = done, .arg = arg });
}

void
reader_call(struct reader *r, reader_work_fn *work, reader_work_fn *done, void *arg)
{
	(void)hand_over(r, &(struct reader_request){ .work = work, .worked = done, .arg = arg });
}

void
reader_cancel(struct reader_request *request)
{
	if (request != NULL)
		request->done = NULL;
}
