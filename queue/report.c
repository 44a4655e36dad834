/* SPDX-License-Identifier: ISC */
#include "queue/report.h"

#include "common/proto.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/ids.h"
#include "queue/limits.h"

static const struct str unrouted = STR("dsn"); /* name of the destination where reports wait for a route */
static const struct str postmaster = STR("postmaster");

static struct str
addressee(const struct report_about *about)
{
	return about->to.len > 0 ? about->to : postmaster;
}

bool
report_begin(struct report *r)
{
	if (!ids_take(1, &r->id))
		return false;
	r->due_us = clock_tick_us();
	r->now_us = clock_us();
	r->now_ms = clock_ms();
	r->randomness = (uint64_t)core_random() << 32 | core_random();
	return true;
}

/* --- on the committer's thread --- */

/*
 * The beginning of the text, in which at least `max` bytes stand if it has them; what cannot be read of it is left out, and
 * the report goes all the same. Returns how long all of it is, 0 where that is not known.
 */
static uint64_t
read_text(struct store_txn *txn, uint64_t message, uint64_t max, struct buf *out)
{
	struct record_message record;
	struct str piece;
	struct error err;
	uint32_t i;

	if (store_get_message(txn, message, &record, &err) != STORE_FOUND)
		return 0;
	(void)buf_append_str(out, record.preamble);
	for (i = 0; out->len < max && (uint64_t)i * RECORD_PIECE_DATA < record.size; i++) {
		if (store_get_piece(txn, message, i, &piece, &err) != STORE_FOUND || !buf_append_str(out, piece))
			break;
	}
	return record.size + record.preamble.len;
}

/* Only a report of failure returns the whole message (RFC 3461 section 4.3). */
static bool
wants_whole(const struct report_about *about)
{
	size_t i;

	for (i = 0; about->ret == PROTO_RET_FULL && i < about->count; i++)
		if (about->rcpts[i].action == BOUNCE_FAILED)
			return true;
	return false;
}

static void
compose(
    struct store_txn *txn, const struct report *r, const struct report_about *about, struct buf *out, bool *eightbit)
{
	uint64_t max = wants_whole(about) ? QUEUE_DSN_ORIGINAL_BYTES : QUEUE_DSN_HEADER_BYTES;
	struct buf text;
	struct bounce b = {
		.words = core.bounce_words,
		.hostname = str_of(core.hostname),
		.to = addressee(about),
		.original = about->message,
		.id = r->id,
		.randomness = r->randomness,
		.accepted_ms = about->accepted_ms,
		.now_ms = r->now_ms,
		.envid = about->envid,
		.rcpts = about->rcpts,
		.count = about->count,
		.more = about->more,
	};

	buf_init(&text, max + PROTO_PREAMBLE_MAX + RECORD_PIECE_MAX);
	b.whole = read_text(txn, about->message, max, &text) == text.len && wants_whole(about);
	b.text = buf_str(&text);
	if (!bounce_compose(&b, out, eightbit))
		store_fail(
		    txn, STORE_NO_ROOM, "notification %016llx: no memory to compose it", (unsigned long long)r->id);
	buf_clear(&text);
}

static void
put_body(struct store_txn *txn, uint64_t id, struct str text)
{
	uint32_t sequence = 0;

	while (text.len > 0) {
		size_t n = text.len < RECORD_PIECE_DATA ? text.len : RECORD_PIECE_DATA;
		store_put_piece(txn, id, sequence++, (struct str){ text.ptr, n });
		text.ptr += n;
		text.len -= n;
	}
}

static void
put_message(struct store_txn *txn, struct report *r, const struct report_about *about, uint64_t size, bool eightbit)
{
	const struct str to = addressee(about);
	const struct str origin = str_of(about->to.len > 0 ? REPORT_ORIGIN : REPORT_ORIGIN_LAST);
	const struct record_message message = {
		.size = size,
		.created_ms = (uint64_t)r->now_ms,
		.look_ms = (uint64_t)r->now_ms + (uint64_t)core.config->bounce_ttl_s * 1000,
		.body = eightbit ? PROTO_BODY_8BITMIME : PROTO_BODY_7BIT,
		.origin = origin,
		.owner = about->owner,
		.recipients = 1,
		.unrouted = true,
	};
	struct record_recipient rcpt = {
		.kind = RECIPIENT_UNROUTED,
		.forward_path = to,
		.recipient = to,
		.due_us = (uint64_t)r->due_us,
		.expires_ms = message.look_ms,
	};
	const struct record_history history = { .to = to, .origin = origin, .size = size, .owner = message.owner };

	store_put_message(txn, r->id, &message);
	rcpt.destination = r->destination = store_destination(txn, RECIPIENT_UNROUTED, unrouted);
	store_put_recipient(txn, r->id, 0, &rcpt);
	store_put_history(txn, (uint64_t)r->now_us, r->id, 0, EVENT_ACCEPTED, &history);
}

void
report_put(struct store_txn *txn, struct report *r, const struct report_about *about)
{
	struct buf text;
	bool eightbit = false;

	r->destination = 0; /* a transaction may be run again */
	if (about->count == 0)
		return;
	buf_init(&text, QUEUE_DSN_BYTES);
	compose(txn, r, about, &text, &eightbit);
	put_body(txn, r->id, buf_str(&text));
	put_message(txn, r, about, text.len, eightbit);
	buf_clear(&text);
}

/* --- in the loop --- */

void
report_stored(const struct report *r)
{
	const struct store_entry entry = { (uint64_t)r->due_us, r->id, 0 };
	struct destination *d;

	if (r->id == 0 || r->destination == 0)
		return;
	d = destination_get(r->destination, RECIPIENT_UNROUTED, unrouted);
	core.counters.notifications++;
	destination_note(d, &entry);
	destination_settle(d);
}
