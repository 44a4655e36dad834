/* SPDX-License-Identifier: ISC */
#include "queue/control.h"

#include "queue/again.h"
#include "queue/core.h"
#include "queue/mailboxes.h"
#include "queue/request.h"
#include "queue/transaction.h"

/* --- numbers --- */

static const struct {
	enum store_meta what;
	const char *name;
} totals[] = {
	{ STORE_META_ACCEPTED, "queue.total.accepted" },
	{ STORE_META_DELIVERED, "queue.total.delivered" },
	{ STORE_META_DEFERRED, "queue.total.deferred" },
	{ STORE_META_BOUNCED, "queue.total.bounced" },
	{ STORE_META_REMOVED, "queue.total.removed" },
};

static void
send_value(struct peer *peer, uint64_t id, const char *name, uint64_t value)
{
	SEND(peer->channel, STATUS_VALUE, status_value, id, .name = str_of(name), .value = value);
}

/* What waits, and what was counted since the spool was made. Where it cannot be read it is left out, not told as none. */
static void
send_stored(struct peer *peer, uint64_t id)
{
	struct error err;
	struct store_txn *txn = store_read(core.store, &err);
	size_t i;

	if (txn == NULL)
		return;
	send_value(peer, id, "scheduler.envelope", store_waiting(txn));
	for (i = 0; i < sizeof(totals) / sizeof(totals[0]); i++)
		send_value(peer, id, totals[i].name, store_get_meta(txn, totals[i].what));
	store_read_end(txn);
}

static void
status_step(void *arg)
{
	struct request *q = arg;
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
#define C(member, name) { name, core.counters.member },
		COUNTERS(C)
#undef C
		    { "scheduler.envelope.inflight", core.running },
		{ "mda.running", mailboxes_count() },
		{ "soft-bounce", core.config->soft_bounce },
		{ "queue.destinations", destinations_count() },
		{ "queue.loaded", deliveries_loaded() },
		{ "queue.hot.bytes", body_kept_bytes() },
		{ "queue.incoming", transactions_count() },
		{ "queue.incoming.bytes", transactions_bytes() },
		{ "queue.commits", committer_commits(core.committer) },
		{ "queue.uncommitted", committer_pending(core.committer) },
		{ "queue.unrecorded", again_count() },
		{ "queue.room.bytes", store_room(core.store) },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		send_value(q->peer, q->id, rows[i].name, rows[i].value);
	send_stored(q->peer, q->id);
	request_finish(q, true, "");
}

bool
control_status(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct proto_query all = { .owner = PROTO_OWNER_ANY };
	struct request *q = request_new(peer, id, &all, S(""), status_step);

	(void)msg;
	(void)fd;
	if (q != NULL)
		request_begin(q);
	return true;
}

/* --- text --- */

static void
read_done(void *arg, const struct reader_piece *piece)
{
	struct request *q = arg;

	q->reading = NULL;
	if (piece->found != STORE_FOUND) {
		request_finish(q, false, piece->error);
		return;
	}
	SEND(q->peer->channel, QUEUE_TEXT, queue_text, q->id, .offset = piece->offset, .bytes = piece->bytes);
	request_free(q);
}

static void
read_step(void *arg)
{
	struct request *q = arg;
	struct record_message record;
	struct error err;
	struct store_txn *txn = store_read(core.store, &err);
	bool mine = false;

	if (txn != NULL) {
		(void)request_next_message(q, txn, &record, &mine, &err);
		store_read_end(txn);
	}
	if (mine)
		q->reading = reader_ask(core.reader, q->at, q->offset, PROTO_CHUNK_MAX, read_done, q);
	else
		request_finish(q, false, "no such message");
}

bool
control_read(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_queue_read *read = &msg->queue_read;
	const struct proto_query one = { .owner = read->owner, .message = read->message };
	struct request *q;

	(void)fd;
	if (read->message == 0) {
		request_answer(peer, id, false, NULL, "no such message");
		return true;
	}
	q = request_new(peer, id, &one, S(""), read_step);
	if (q == NULL)
		return true;
	q->offset = read->offset;
	request_begin(q);
	return true;
}
