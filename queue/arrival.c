/* SPDX-License-Identifier: ISC */
#include "queue/arrival.h"

#include <string.h>

#include "common/fields.h"
#include "queue/limits.h"

/* clang-format off */
#define ARRIVAL_HEAD(F) \
	F(u64,  message, UINT64_MAX) \
	F(u64,  due_us, INT64_MAX) \
	F(str,  to, PROTO_ADDRESS_MAX) \
	F(blob, record, STORE_RECORD_MAX)

#define ARRIVAL_RCPT(F) \
	F(u64,  number, UINT32_MAX) \
	F(str,  destination, PROTO_DESTINATION_MAX) \
	F(blob, record, STORE_RECORD_MAX)

struct head { ARRIVAL_HEAD(FIELDS_MEMBER) };
struct part { ARRIVAL_RCPT(FIELDS_MEMBER) };
/* clang-format on */

FIELDS_FUNCTION(head_fields, head, ARRIVAL_HEAD)
FIELDS_FUNCTION(part_fields, part, ARRIVAL_RCPT)

/* The records stand in no database yet, under no key. */
static const struct str no_key = STR("");

/* --- into the store --- */

void
arrival_put_body(struct store_txn *txn, uint64_t message, uint32_t sequence, struct str bytes)
{
	while (bytes.len > 0) {
		struct str piece = { bytes.ptr, bytes.len < RECORD_PIECE_DATA ? bytes.len : RECORD_PIECE_DATA };
		store_put_piece(txn, message, sequence++, piece);
		bytes.ptr += piece.len;
		bytes.len -= piece.len;
	}
}

void
arrival_put(struct store_txn *txn, const struct arrival *a)
{
	const struct record_history history = {
		.from = a->record.reverse_path,
		.to = a->to,
		.size = a->record.size + a->record.preamble.len,
		.origin = a->record.origin,
		.message_id = a->record.message_id,
		.owner = a->record.owner,
	};

	store_put_message(txn, a->message, &a->record);
	store_put_history(txn, a->due_us, a->message, 0, EVENT_ACCEPTED, &history);
	store_put_meta(txn, STORE_META_ACCEPTED, store_get_meta(txn, STORE_META_ACCEPTED) + 1);
}

uint64_t
arrival_put_rcpt(struct store_txn *txn, uint64_t message, const struct arrival_rcpt *r)
{
	struct record_recipient record = r->record;

	record.destination = store_destination(txn, record.kind, r->destination);
	store_put_recipient(txn, message, r->number, &record);
	return record.destination;
}

/* --- the entry --- */

/* Appends a length, to be filled in; where it stands. */
static bool
begin_part(struct buf *out, size_t *at)
{
	static const char none[sizeof(uint32_t)];

	*at = out->len;
	return buf_append(out, none, sizeof(none));
}

static void
end_part(struct buf *out, size_t at)
{
	uint32_t len = htole32((uint32_t)(out->len - at - sizeof(len)));

	memcpy(out->data + out->head + at, &len, sizeof(len));
}

/* The record is encoded within the part's own encoding: once into scratch, which is not kept. */
static bool
encode_part(struct fields fields, const void *part, struct buf *scratch, struct buf *out)
{
	size_t at;
	bool ok = begin_part(out, &at) && fields_encode(fields, part, out);

	buf_clear(scratch);
	if (ok)
		end_part(out, at);
	return ok;
}

bool
arrival_encode(const struct arrival *a, struct buf *out)
{
	struct head head = { .message = a->message, .due_us = a->due_us, .to = a->to };
	struct buf scratch;

	buf_init(&scratch, STORE_RECORD_MAX);
	if (!record_encode(RECORD_KIND_MESSAGE, no_key, &a->record, &scratch)) {
		buf_clear(&scratch);
		return false;
	}
	head.record = buf_str(&scratch);
	return encode_part(head_fields(), &head, &scratch, out);
}

bool
arrival_encode_rcpt(const struct arrival_rcpt *r, struct buf *out)
{
	struct part part = { .number = r->number, .destination = r->destination };
	struct buf scratch;

	buf_init(&scratch, STORE_RECORD_MAX);
	if (!record_encode(RECORD_KIND_RECIPIENT, no_key, &r->record, &scratch)) {
		buf_clear(&scratch);
		return false;
	}
	part.record = buf_str(&scratch);
	return encode_part(part_fields(), &part, &scratch, out);
}

/* Cuts the next part off rest. */
static bool
decode_part(struct fields fields, struct str *rest, void *part)
{
	uint32_t len;

	if (rest->len < sizeof(len))
		return false;
	memcpy(&len, rest->ptr, sizeof(len));
	len = le32toh(len);
	*rest = (struct str){ rest->ptr + sizeof(len), rest->len - sizeof(len) };
	if (len > rest->len || !fields_decode(fields, (struct str){ rest->ptr, len }, part))
		return false;
	*rest = (struct str){ rest->ptr + len, rest->len - len };
	return true;
}

bool
arrival_decode(struct str *rest, struct arrival *out)
{
	struct head head;

	if (!decode_part(head_fields(), rest, &head) ||
	    !record_decode(RECORD_KIND_MESSAGE, no_key, head.record, &out->record))
		return false;
	out->message = head.message;
	out->due_us = head.due_us;
	out->to = head.to;
	return true;
}

bool
arrival_decode_rcpt(struct str *rest, struct arrival_rcpt *out)
{
	struct part part;

	if (!decode_part(part_fields(), rest, &part) || part.destination.len == 0 ||
	    !record_decode(RECORD_KIND_RECIPIENT, no_key, part.record, &out->record))
		return false;
	out->number = (uint32_t)part.number;
	out->destination = part.destination;
	return true;
}

/* The recipient of that number: they are in their order, none is missing. */
static bool
decode_rcpt(struct str *rest, uint64_t number, struct arrival_rcpt *out)
{
	return arrival_decode_rcpt(rest, out) && out->number == number;
}

/* Whether the id was given out, and nothing stands under it. */
static bool
is_new(struct store_txn *txn, uint64_t message)
{
	uint64_t next = store_get_meta(txn, STORE_META_NEXT_MESSAGE);
	struct record_message before;

	return message != 0 && (next == 0 || message < next) && !store_has_pieces(txn, message, 1) &&
	    store_get_message(txn, message, &before, NULL) == STORE_NONE;
}

/*
 * All of it is understood before any of it is put: what the trees cannot take would fail the transaction, and with it
 * every start.
 */
bool
arrival_replay(struct store_txn *txn, struct str entry)
{
	struct str body = entry, rcpts;
	struct arrival_rcpt rcpt;
	struct arrival a;
	uint64_t i;

	if (!arrival_decode(&body, &a) || a.record.recipients == 0 || !is_new(txn, a.message))
		return false;
	rcpts = body;
	for (i = 0; i < a.record.recipients; i++)
		if (!decode_rcpt(&body, i, &rcpt))
			return false;
	if (body.len != a.record.size)
		return false;
	arrival_put_body(txn, a.message, 0, body);
	arrival_put(txn, &a);
	for (i = 0; i < a.record.recipients && decode_rcpt(&rcpts, i, &rcpt); i++)
		(void)arrival_put_rcpt(txn, a.message, &rcpt);
	return true;
}
