/* SPDX-License-Identifier: ISC */
#include "queue/listing.h"

#include "queue/core.h"
#include "queue/entry.h"
#include "queue/limits.h"
#include "queue/request.h"

static enum store_found
list_recipients(struct request *q, struct store_txn *txn, const struct record_message *record, struct error *err)
{
	struct record_recipient rcpt;
	enum store_found found = STORE_FOUND;
	uint32_t number;

	while (q->count < q->limit) {
		found = store_next_recipient(txn, q->at, q->from, &number, &rcpt, err);
		if (found != STORE_FOUND)
			break;
		q->from = number + 1;
		if (!request_wants(q, txn, number, &rcpt))
			continue;
		entry_send(q->peer->channel, q->id, txn, q->at, record, number, &rcpt);
		q->count++;
	}
	return found;
}

static void
list_step(void *arg)
{
	struct request *q = arg;
	struct record_message record;
	enum store_found found = STORE_BROKEN;
	struct error err;
	struct store_txn *txn = store_read(core.store, &err);
	bool wanted;
	int n;

	for (n = 0; txn != NULL && n < QUEUE_LIST_STEP && q->count < q->limit; n++) {
		found = request_next_message(q, txn, &record, &wanted, &err);
		if (found == STORE_FOUND && wanted && list_recipients(q, txn, &record, &err) == STORE_BROKEN)
			found = STORE_BROKEN;
		if (found != STORE_FOUND)
			break;
	}
	if (txn != NULL)
		store_read_end(txn);
	request_tell_progress(q);
	if (found == STORE_BROKEN)
		request_finish(q, false, err.text);
	else if (found == STORE_NONE || q->count >= q->limit)
		request_finish(q, true, "");
	else
		request_go_on(q);
}

bool
listing_list(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_queue_list *list = &msg->queue_list;
	struct proto_query query;
	struct request *q;

	(void)fd;
	PROTO_QUERY_COPY(list, &query);
	q = request_new(peer, id, &query, S(""), list_step);
	if (q == NULL)
		return true;
	q->limit = list->limit;
	q->at = list->after_message;
	q->within = list->after_message != 0;
	q->from = q->within ? (uint32_t)list->after_number + 1 : 0;
	request_begin(q);
	return true;
}
