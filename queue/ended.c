/* SPDX-License-Identifier: ISC */
#include "queue/ended.h"

#include <stdlib.h>

enum { FIRST_SIZE = 1024, US = 1000, SLACK_MS = 3600 * 1000 /* the clock may have been set meanwhile */ };

static int
compare(const void *a, const void *b)
{
	const struct ended_one *x = a, *y = b;

	if (x->message != y->message)
		return x->message < y->message ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static bool
add(struct ended *e, uint64_t message, uint32_t number)
{
	struct ended_one *bigger;

	if (e->count == e->size) {
		if (e->count >= RESTORE_ENDED_MAX)
			return false;
		bigger = reallocarray(e->all, e->size == 0 ? FIRST_SIZE : 2 * e->size, sizeof(*e->all));
		if (bigger == NULL)
			return false;
		e->all = bigger;
		e->size = e->size == 0 ? FIRST_SIZE : 2 * e->size;
	}
	e->all[e->count++] = (struct ended_one){ message, number };
	return true;
}

static bool
is_end(enum record_event event)
{
	return event == EVENT_DELIVERED || event == EVENT_RELAYED || event == EVENT_BOUNCED || event == EVENT_EXPIRED;
}

/* What is in the backup was accepted before it: a history that begins later has forgotten that. */
static bool
reaches_back(struct store_txn *txn, uint64_t since_ms, struct error *err)
{
	struct record_history record;
	enum record_event event;
	uint64_t at, message;
	uint32_t number;

	if (store_next_history(txn, 0, &at, &message, &number, &event, &record, err) == STORE_FOUND &&
	    at <= since_ms * US)
		return true;
	return error_set(err, ERROR_PERMANENT,
	    "the backup is of this very spool, and its history does not reach back so far: what of the backup was "
	    "delivered since cannot be told");
}

bool
ended_read(struct ended *e, struct store_txn *txn, uint64_t since_ms, struct error *err)
{
	uint64_t at = since_ms > SLACK_MS ? (since_ms - SLACK_MS) * US : 0, message;
	struct record_history record;
	enum store_found found;
	enum record_event event;
	uint32_t number;

	if (!reaches_back(txn, since_ms, err))
		return false;
	while ((found = store_next_history(txn, at, &at, &message, &number, &event, &record, err)) == STORE_FOUND)
		if (is_end(event) && !add(e, message, number))
			return error_set(err, ERROR_TEMPORARY,
			    "too much has left the queue since the backup: more than %d", RESTORE_ENDED_MAX);
	if (e->count > 0) /* and not by libc's qsort, which asks how much memory there is: that is not on the list */
		(void)heapsort(e->all, e->count, sizeof(*e->all), compare);
	return found == STORE_NONE;
}

void
ended_free(struct ended *e)
{
	free(e->all);
	*e = (struct ended){ 0 };
}

bool
ended_has(const struct ended *e, uint64_t message, uint32_t number)
{
	const struct ended_one one = { message, number };

	return e->count > 0 && bsearch(&one, e->all, e->count, sizeof(one), compare) != NULL;
}
