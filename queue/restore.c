/* SPDX-License-Identifier: ISC */
#include "queue/restore.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "queue/archive.h"
#include "queue/ended.h"

enum { NAME_SIZE = 2 * sizeof(uint64_t), MS = 1000 };

static const struct str remembered = STR("restored");

struct restore {
	struct store *store;
	const struct restore_options *options;
	struct restored *out;
	struct archive_reader reader;
	struct store_txn *txn; /* NULL: none has begun */
	size_t bytes;          /* in it */
	struct ended ended;    /* of the same spool: who has left it since */
	bool same;             /* the spool is the one that the backup was taken from */
	uint64_t next_message; /* above all ids of the backup */
	/* the message that is being read */
	struct {
		uint64_t old_id, id;
		bool open; /* its BEGIN came, its END did not */
		bool skipped;
		uint32_t pieces;
		bool put;          /* its record is in the store */
		struct buf record; /* until its first recipient comes */
	} message;
	struct error err;
};

/* --- transactions --- */

static bool
end_part(struct restore *r)
{
	struct store_txn *txn = r->txn;
	enum store_failure failure;

	r->txn = NULL;
	r->bytes = 0;
	return txn == NULL || store_commit(txn, &failure, &r->err);
}

static bool
begin_part(struct restore *r)
{
	if (r->txn != NULL)
		return true;
	if (!store_prepare(r->store, 2 * RESTORE_COMMIT_BYTES))
		return error_set(&r->err, ERROR_TEMPORARY,
		    "there is no room in the spool; what is restored stays, make room and go on with --merge");
	r->txn = store_begin(r->store, &r->err);
	return r->txn != NULL;
}

/* --- what was restored before --- */

static struct str
name_of(const struct restore *r, uint64_t message, char out[NAME_SIZE])
{
	const uint64_t store = htobe64(r->out->store), id = htobe64(message);

	memcpy(out, &store, sizeof(store));
	memcpy(out + sizeof(store), &id, sizeof(id));
	return (struct str){ out, NAME_SIZE };
}

static bool
was_restored(struct restore *r, uint64_t message)
{
	char name[NAME_SIZE];
	uint64_t expires_ms;
	struct str value;

	return store_get_state(r->txn, remembered, name_of(r, message, name), &value, &expires_ms, NULL) == STORE_FOUND;
}

static void
remember(struct restore *r)
{
	const uint64_t id = htobe64(r->message.id);
	char name[NAME_SIZE];

	store_put_state(r->txn, remembered, name_of(r, r->message.old_id, name),
	    (struct str){ (const char *)&id, sizeof(id) }, r->options->now_ms + (uint64_t)RESTORE_REMEMBER_S * MS);
}

/* Those whose time is over; nobody else looks at them. */
static bool
forget_old(struct restore *r)
{
	struct store_state_key at = { 0 };
	struct str kind, key, value;
	uint64_t expires_ms;

	if (!begin_part(r))
		return false;
	while (store_next_state(r->txn, &at, &kind, &key, &value, &expires_ms, NULL) == STORE_FOUND)
		if (str_equal(kind, remembered) && expires_ms < r->options->now_ms)
			store_delete_state(r->txn, kind, key);
	return end_part(r);
}

/* --- a message --- */

static bool
is_queued(struct restore *r, uint64_t message)
{
	struct record_message record;

	return store_get_message(r->txn, message, &record, NULL) != STORE_NONE;
}

static uint64_t
new_id(struct restore *r)
{
	uint64_t next = store_get_meta(r->txn, STORE_META_NEXT_MESSAGE);

	next = next == 0 ? 1 : next;
	store_put_meta(r->txn, STORE_META_NEXT_MESSAGE, next + 1);
	return next;
}

static bool
take_begin(struct restore *r, const struct archive_begin *begin)
{
	if (begin->message == 0 || begin->message >= r->next_message)
		return error_set(&r->err, ERROR_PERMANENT, "the backup has a message with an id that was never given");
	r->message.old_id = begin->message;
	r->message.open = true;
	r->message.put = false;
	r->message.pieces = 0;
	buf_reset(&r->message.record);
	if (was_restored(r, begin->message))
		r->out->again++;
	else if ((r->same || r->out->as_it_was) && is_queued(r, begin->message))
		r->out->queued++;
	else {
		r->message.id = r->out->as_it_was ? begin->message : new_id(r);
		r->message.skipped = false;
		return true;
	}
	r->message.skipped = true;
	return true;
}

/* A body may be larger than a transaction: the mark has it swept where this ends before the message is complete. */
static bool
take_body(struct restore *r, const struct archive_body *body)
{
	if (r->message.skipped)
		return true;
	if (r->bytes >= RESTORE_COMMIT_BYTES && (!end_part(r) || !begin_part(r)))
		return false;
	if (r->message.pieces == 0)
		store_mark_sweep(r->txn, r->message.id);
	store_put_piece(r->txn, r->message.id, r->message.pieces++, body->bytes);
	r->bytes += body->bytes.len;
	return true;
}

static bool
take_message(struct restore *r, const struct archive_message *message)
{
	return buf_append_str(&r->message.record, message->record) ||
	    error_set(&r->err, ERROR_TEMPORARY, "out of memory");
}

static bool
not_understood(struct restore *r)
{
	return error_set(
	    &r->err, ERROR_PERMANENT, "message %016" PRIx64 " of the backup cannot be understood", r->message.old_id);
}

static void
put_history(struct restore *r, const struct record_message *record, struct str to)
{
	struct record_history history = { .from = record->reverse_path,
		.owner = record->owner,
		.to = to,
		.size = record->size + record->preamble.len,
		.origin = record->origin,
		.message_id = record->message_id };
	char text[64];

	(void)snprintf(text, sizeof(text), "restored from a backup, where it was %016" PRIx64, r->message.old_id);
	history.text = str_of(text);
	store_put_history(r->txn, r->options->now_ms * MS, r->message.id, 0, EVENT_ACCEPTED, &history);
}

/* Once it is known that there is a recipient for it. */
static bool
put_message(struct restore *r, struct str to)
{
	struct record_message record;

	if (r->message.put)
		return true;
	if (!archive_decode(RECORD_KIND_MESSAGE, buf_str(&r->message.record), &record) ||
	    r->message.pieces != (record.size + RECORD_PIECE_DATA - 1) / RECORD_PIECE_DATA)
		return not_understood(r);
	store_put_message(r->txn, r->message.id, &record);
	if (!r->out->as_it_was)
		put_history(r, &record, to);
	r->message.put = true;
	return true;
}

static bool
take_rcpt(struct restore *r, const struct archive_rcpt *rcpt)
{
	struct record_recipient record;

	if (r->message.skipped)
		return true;
	if (ended_has(&r->ended, r->message.old_id, (uint32_t)rcpt->number)) {
		r->out->ended++;
		return true;
	}
	if (rcpt->destination.len == 0 || !archive_decode(RECORD_KIND_RECIPIENT, rcpt->record, &record))
		return not_understood(r);
	if (!put_message(r, record.forward_path))
		return false;
	record.destination = store_destination(r->txn, record.kind, rcpt->destination);
	store_put_recipient(r->txn, r->message.id, (uint32_t)rcpt->number, &record);
	r->out->recipients++;
	r->bytes += rcpt->record.len;
	return true;
}

/* Of a message that is not whole, or has nobody left, only the mark stays, and what it marks. */
static bool
take_end(struct restore *r, const struct archive_end *end)
{
	r->out->damaged += !end->whole;
	r->message.open = false;
	if (!r->message.skipped && r->message.put) {
		remember(r);
		r->out->messages++;
	}
	return r->bytes < RESTORE_COMMIT_BYTES || end_part(r);
}

/* --- what is beside the messages; only a spool that never had mail takes it --- */

static bool
take_destination(struct restore *r, const struct archive_destination *destination)
{
	struct record_destination record;

	if (!archive_decode(RECORD_KIND_DESTINATION, destination->record, &record))
		return error_set(&r->err, ERROR_PERMANENT, "a destination of the backup cannot be understood");
	if (r->out->as_it_was)
		store_put_destination(r->txn, store_destination(r->txn, record.kind, record.name), &record);
	return true;
}

static bool
take_history(struct restore *r, const struct archive_history *history)
{
	struct record_history record;

	if (!archive_decode(RECORD_KIND_HISTORY, history->record, &record))
		return error_set(&r->err, ERROR_PERMANENT, "the history in the backup cannot be understood");
	if (!r->out->as_it_was)
		return true;
	store_put_history(r->txn, history->time_us, history->message, (uint32_t)history->number,
	    (enum record_event)history->event, &record);
	r->bytes += history->record.len;
	return r->bytes < RESTORE_COMMIT_BYTES || end_part(r);
}

static bool
take_state(struct restore *r, const struct archive_state *state)
{
	struct record_state record;

	if (!archive_decode(RECORD_KIND_STATE, state->record, &record))
		return error_set(
		    &r->err, ERROR_PERMANENT, "what the backup has of other processes cannot be understood");
	if (r->out->as_it_was)
		store_put_state(r->txn, state->kind, state->key, record.value, record.expires_ms);
	return true;
}

static bool
take_number(struct restore *r, const struct archive_number *number)
{
	if (r->out->as_it_was && number->what >= STORE_META_ACCEPTED && number->what <= STORE_META_REMOVED)
		store_put_meta(r->txn, (enum store_meta)number->what, number->value);
	return true;
}

/* --- the stream --- */

static bool
take(struct restore *r, enum archive_kind kind, const union archive_record *record)
{
	const bool within = kind == ARCHIVE_KIND_BODY || kind == ARCHIVE_KIND_MESSAGE || kind == ARCHIVE_KIND_RCPT ||
	    kind == ARCHIVE_KIND_END;

	if (within != r->message.open)
		return not_understood(r);
	if (!begin_part(r))
		return false;
	switch (kind) {
	case ARCHIVE_KIND_BEGIN: return take_begin(r, &record->begin);
	case ARCHIVE_KIND_BODY: return take_body(r, &record->body);
	case ARCHIVE_KIND_MESSAGE: return take_message(r, &record->message);
	case ARCHIVE_KIND_RCPT: return take_rcpt(r, &record->rcpt);
	case ARCHIVE_KIND_END: return take_end(r, &record->end);
	case ARCHIVE_KIND_DESTINATION: return take_destination(r, &record->destination);
	case ARCHIVE_KIND_HISTORY: return take_history(r, &record->history);
	case ARCHIVE_KIND_STATE: return take_state(r, &record->state);
	case ARCHIVE_KIND_NUMBER: return take_number(r, &record->number);
	case ARCHIVE_KIND_HEAD:
	case ARCHIVE_KIND_TAIL:
	case ARCHIVE_NONE:
	case ARCHIVE_KINDS: break;
	}
	return true;
}

/* Goes through the whole stream; with what NULL only to see that it is whole, and what its head says. */
static bool
go_through(struct restore *r, int fd, bool (*what)(struct restore *, enum archive_kind, const union archive_record *))
{
	union archive_record record;
	enum archive_kind kind;
	bool ok;

	if (lseek(fd, 0, SEEK_SET) == -1)
		return error_set(&r->err, ERROR_PERMANENT, "the backup has to be a file: %s", strerror(errno));
	archive_open(&r->reader, fd);
	while ((ok = archive_next(&r->reader, &kind, &record, &r->err)) && kind != ARCHIVE_NONE) {
		if (kind == ARCHIVE_KIND_HEAD) {
			r->out->store = record.head.store;
			r->out->created_ms = record.head.created_ms;
			r->next_message = record.head.next_message;
		}
		if (what != NULL && !(ok = what(r, kind, &record)))
			break;
	}
	archive_close(&r->reader);
	return ok;
}

/* --- */

/* A spool that never had mail, whose ids and history are free to be those of the backup. */
static bool
never_had_mail(struct restore *r, bool *has_mail, bool *never, struct error *err)
{
	struct store_txn *txn = store_read(r->store, err);
	struct record_history history;
	struct record_message record;
	enum record_event event;
	uint64_t id, at;
	uint32_t number;

	if (txn == NULL)
		return false;
	*has_mail = store_next_message(txn, 0, &id, &record, NULL) != STORE_NONE;
	*never = !*has_mail && store_get_meta(txn, STORE_META_ACCEPTED) == 0 &&
	    store_next_history(txn, 0, &at, &id, &number, &event, &history, NULL) == STORE_NONE;
	store_read_end(txn);
	return true;
}

static bool
look_at_spool(struct restore *r)
{
	struct store_txn *txn;
	bool has_mail, ok;

	if (!never_had_mail(r, &has_mail, &r->out->as_it_was, &r->err))
		return false;
	if (has_mail && !r->options->merge)
		return error_set(
		    &r->err, ERROR_PERMANENT, "there is mail in the spool: expected an empty one, or --merge");
	r->same = r->out->store == store_number(r->store);
	if (!r->same)
		return true;
	txn = store_read(r->store, &r->err);
	ok = txn != NULL && ended_read(&r->ended, txn, r->out->created_ms, &r->err);
	store_read_end(txn);
	return ok;
}

/* Ids are given out above all of the backup. */
static bool
take_ids(struct restore *r)
{
	uint64_t next;

	if (!r->out->as_it_was)
		return true;
	if (!begin_part(r))
		return false;
	next = store_get_meta(r->txn, STORE_META_NEXT_MESSAGE);
	store_put_meta(r->txn, STORE_META_NEXT_MESSAGE, next > r->next_message ? next : r->next_message);
	return end_part(r);
}

/* What was marked and is nobody's. */
static bool
sweep(struct restore *r)
{
	bool more = true;

	while (more) {
		if (!begin_part(r))
			return false;
		more = store_sweep(r->txn, QUEUE_SWEEP_STEP, NULL, NULL);
		if (!end_part(r))
			return false;
	}
	return true;
}

bool
restore_run(struct store *store, int fd, const struct restore_options *options, struct restored *out, struct error *err)
{
	struct restore r = { .store = store, .options = options, .out = out };
	bool ok;

	*out = (struct restored){ 0 };
	buf_init(&r.message.record, STORE_RECORD_MAX);
	ok = go_through(&r, fd, NULL) && look_at_spool(&r) && forget_old(&r) && take_ids(&r) &&
	    go_through(&r, fd, take) && end_part(&r) && sweep(&r);
	if (r.txn != NULL)
		store_abort(r.txn);
	ended_free(&r.ended);
	buf_clear(&r.message.record);
	if (!ok)
		*err = r.err;
	return ok;
}
