/* SPDX-License-Identifier: ISC */
#include "queue/archive_walk.h"

#include "common/version.h"

/* What comes next; a part is a function that writes one record or none, and returns what comes then. */
enum part {
	PART_HEAD,
	PART_BEGIN,
	PART_BODY,
	PART_MESSAGE,
	PART_RCPT,
	PART_DESTINATION,
	PART_HISTORY,
	PART_STATE,
	PART_TAIL,
	PART_NONE
};

struct step {
	struct archive_walk *walk;
	struct store *store;
	struct store_txn *txn;
	struct buf *out;
	struct buf record; /* of the store, within the next */
};

void
archive_walk_start(struct archive_walk *w, uint64_t created_ms, void (*report)(void *arg, const char *text), void *arg)
{
	*w = (struct archive_walk){ .part = PART_HEAD, .created_ms = created_ms, .report = report, .arg = arg };
}

static void
tell(struct archive_walk *w, const char *text)
{
	w->damaged++;
	if (w->report != NULL)
		w->report(w->arg, text);
}

static struct str
encoded(struct step *s, enum record_kind kind, const void *record)
{
	buf_reset(&s->record);
	archive_encode(kind, record, &s->record);
	return buf_str(&s->record);
}

#define PUT(s, NAME, name, ...) ARCHIVE_PUT((s)->out, &(s)->walk->count, NAME, name, __VA_ARGS__)

static enum part
put_head(struct step *s)
{
	PUT(s, HEAD, head, .format = ARCHIVE_FORMAT, .version = S(POSTERN_VERSION), .store = store_number(s->store),
	    .created_ms = s->walk->created_ms, .next_message = store_get_meta(s->txn, STORE_META_NEXT_MESSAGE));
	return PART_BEGIN;
}

/* --- a message --- */

static enum part
put_begin(struct step *s)
{
	struct archive_walk *w = s->walk;
	const uint64_t before = w->message;
	struct record_message record;
	struct error err;

	switch (store_next_message(s->txn, w->message, &w->message, &record, &err)) {
	case STORE_NONE: return PART_DESTINATION;
	case STORE_BROKEN:
		tell(w, err.text);
		return w->message != before ? PART_BEGIN : PART_DESTINATION; /* what is behind it cannot be reached */
	case STORE_FOUND: break;
	}
	w->size = record.size;
	w->piece = 0;
	w->number = 0;
	PUT(s, BEGIN, begin, .message = w->message);
	return w->size > 0 ? PART_BODY : PART_MESSAGE;
}

/* The next piece, of the length that it has to have. */
static bool
read_piece(struct step *s, struct str *data, struct error *err)
{
	const struct archive_walk *w = s->walk;
	const uint64_t left = w->size - (uint64_t)w->piece * RECORD_PIECE_DATA;
	const enum store_found found = store_get_piece(s->txn, w->message, w->piece, data, err);

	if (found == STORE_FOUND && data->len == (left < RECORD_PIECE_DATA ? left : RECORD_PIECE_DATA))
		return true;
	if (found != STORE_BROKEN)
		(void)error_set(err, ERROR_PERMANENT, "message %016llx: piece %u is missing or has a wrong length",
		    (unsigned long long)w->message, w->piece);
	return false;
}

static enum part
end_message(struct step *s, bool whole)
{
	PUT(s, END, end, .whole = whole);
	s->walk->messages += whole;
	return PART_BEGIN;
}

static enum part
put_body(struct step *s)
{
	struct archive_walk *w = s->walk;
	struct error err;
	struct str data;

	if (!read_piece(s, &data, &err)) {
		tell(w, err.text);
		return end_message(s, false);
	}
	PUT(s, BODY, body, .bytes = data);
	return (uint64_t)++w->piece * RECORD_PIECE_DATA < w->size ? PART_BODY : PART_MESSAGE;
}

static enum part
put_message(struct step *s)
{
	struct record_message record;
	struct error err;

	if (store_get_message(s->txn, s->walk->message, &record, &err) != STORE_FOUND)
		return end_message(s, false); /* it was there a moment ago: never */
	PUT(s, MESSAGE, message, .record = encoded(s, RECORD_KIND_MESSAGE, &record));
	return PART_RCPT;
}

static enum store_found
read_rcpt(struct step *s, uint32_t *number, struct record_recipient *record, struct str *destination, struct error *err)
{
	const enum store_found found =
	    store_next_recipient(s->txn, s->walk->message, s->walk->number, number, record, err);
	struct record_destination its;
	unsigned kind;

	if (found != STORE_FOUND)
		return found;
	switch (store_get_destination(s->txn, record->destination, &kind, destination, &its, err)) {
	case STORE_FOUND: return STORE_FOUND;
	case STORE_BROKEN: return STORE_BROKEN;
	case STORE_NONE: break;
	}
	(void)error_set(err, ERROR_PERMANENT, "message %016llx recipient %u: its destination does not exist",
	    (unsigned long long)s->walk->message, *number);
	return STORE_BROKEN;
}

static enum part
put_rcpt(struct step *s)
{
	struct archive_walk *w = s->walk;
	struct record_recipient record;
	uint32_t number = UINT32_MAX;
	struct str destination;
	struct error err;

	switch (read_rcpt(s, &number, &record, &destination, &err)) {
	case STORE_NONE: return end_message(s, true);
	case STORE_BROKEN: tell(w, err.text); break;
	case STORE_FOUND:
		record.destination = 0;
		PUT(s, RCPT, rcpt, .number = number, .destination = destination,
		    .record = encoded(s, RECORD_KIND_RECIPIENT, &record));
		break;
	}
	if (number == UINT32_MAX) /* not even its key could be read */
		return end_message(s, true);
	w->number = number + 1;
	return PART_RCPT;
}

/* --- what is beside the messages --- */

/* Of the others a new one knows as much. */
static enum part
put_destination(struct step *s)
{
	struct archive_walk *w = s->walk;
	const uint64_t before = w->destination;
	struct record_destination record;
	struct error err;
	struct str name;
	unsigned kind;

	switch (store_next_destination(s->txn, w->destination, &w->destination, &kind, &name, &record, &err)) {
	case STORE_NONE: return PART_HISTORY;
	case STORE_BROKEN: tell(w, err.text); return w->destination != before ? PART_DESTINATION : PART_HISTORY;
	case STORE_FOUND: break;
	}
	if (record.down || record.suspended)
		PUT(s, DESTINATION, destination, .record = encoded(s, RECORD_KIND_DESTINATION, &record));
	return PART_DESTINATION;
}

static enum part
put_history(struct step *s)
{
	struct archive_walk *w = s->walk;
	const uint64_t before = w->history_us;
	struct record_history record;
	enum record_event event;
	struct error err;
	uint64_t message;
	uint32_t number;

	switch (store_next_history(s->txn, w->history_us, &w->history_us, &message, &number, &event, &record, &err)) {
	case STORE_NONE: return PART_STATE;
	case STORE_BROKEN: tell(w, err.text); return w->history_us != before ? PART_HISTORY : PART_STATE;
	case STORE_FOUND: break;
	}
	PUT(s, HISTORY, history, .time_us = w->history_us, .message = message, .number = number, .event = event,
	    .record = encoded(s, RECORD_KIND_HISTORY, &record));
	return PART_HISTORY;
}

static enum part
put_state(struct step *s)
{
	struct archive_walk *w = s->walk;
	const struct store_state_key before = w->state;
	struct record_state record;
	struct str kind, key;
	struct error err;

	switch (store_next_state(s->txn, &w->state, &kind, &key, &record.value, &record.expires_ms, &err)) {
	case STORE_NONE: return PART_TAIL;
	case STORE_BROKEN:
		tell(w, err.text);
		return str_equal((struct str){ w->state.bytes, w->state.len }, (struct str){ before.bytes, before.len })
		    ? PART_TAIL
		    : PART_STATE;
	case STORE_FOUND: break;
	}
	PUT(s, STATE, state, .kind = kind, .key = key, .record = encoded(s, RECORD_KIND_STATE, &record));
	return PART_STATE;
}

static enum part
put_tail(struct step *s)
{
	static const enum store_meta counted[] = { STORE_META_ACCEPTED, STORE_META_DELIVERED, STORE_META_DEFERRED,
		STORE_META_BOUNCED, STORE_META_REMOVED };
	size_t i;

	for (i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		PUT(s, NUMBER, number, .what = counted[i], .value = store_get_meta(s->txn, counted[i]));
	PUT(s, TAIL, tail, .messages = s->walk->messages, .damaged = s->walk->damaged);
	return PART_NONE;
}

bool
archive_walk_step(struct archive_walk *w, struct store *store, struct store_txn *txn, size_t enough, struct buf *out)
{
	static enum part (*const parts[])(struct step *) = {
		[PART_HEAD] = put_head,
		[PART_BEGIN] = put_begin,
		[PART_BODY] = put_body,
		[PART_MESSAGE] = put_message,
		[PART_RCPT] = put_rcpt,
		[PART_DESTINATION] = put_destination,
		[PART_HISTORY] = put_history,
		[PART_STATE] = put_state,
		[PART_TAIL] = put_tail,
	};
	struct step s = { .walk = w, .store = store, .txn = txn, .out = out };

	buf_init(&s.record, STORE_RECORD_MAX);
	while (w->part != PART_NONE && out->len < enough)
		w->part = parts[w->part](&s);
	buf_clear(&s.record);
	return w->part != PART_NONE;
}
