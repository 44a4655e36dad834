/* SPDX-License-Identifier: ISC */
#include "queue/outcome.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "queue/again.h"
#include "queue/bounce.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/ids.h"
#include "queue/limits.h"
#include "queue/room.h"
#include "queue/upkeep.h"

/* What the committer's thread needs is in here or does not change while the step is with it. */
struct settlement {
	struct step step;
	struct deliveries list;
	struct mail *mail; /* of the first delivery */
	int64_t now_us;
	int64_t now_ms;
	uint64_t notification; /* id of the DSN; 0: none */
	uint64_t notification_destination;
	int64_t notification_due_us;
	uint64_t randomness;
	outcome_done_fn *done;
	void *arg;
	char by[PROTO_NAME_MAX + 1];
};

static const struct str notification_destination = STR("dsn");

static bool
has_failed(const struct rcpt *r)
{
	return r->outcome == OUTCOME_FAILED || r->outcome == OUTCOME_EXPIRED;
}

/* A delivery that found the message where it had been before: routing loop detected (RFC 3463 section 3.5). */
static bool
is_loop(const struct rcpt *r)
{
	return r->outcome == OUTCOME_FAILED && r->reply != NULL && str_equal(r->reply->enhanced, S("5.4.6"));
}

/* --- on the committer's thread: the recipients --- */

static const struct {
	enum record_event event;
	enum store_meta counter;
	bool leaves;
} effects[] = {
	[OUTCOME_DELIVERED] = { EVENT_DELIVERED, STORE_META_DELIVERED, true },
	[OUTCOME_DEFERRED] = { EVENT_DEFERRED, STORE_META_DEFERRED, false },
	[OUTCOME_FAILED] = { EVENT_BOUNCED, STORE_META_BOUNCED, true },
	[OUTCOME_EXPIRED] = { EVENT_EXPIRED, STORE_META_BOUNCED, true },
	[OUTCOME_REMOVED] = { EVENT_REMOVED, STORE_META_REMOVED, true },
	[OUTCOME_POSTPONED] = { .leaves = false },
};

bool
outcome_leaves(enum outcome outcome)
{
	return effects[outcome].leaves;
}

static void
put_history(struct store_txn *txn, const struct settlement *s, const struct delivery *d, const struct rcpt *r)
{
	struct record_history history = {
		.to = r->forward_path,
		.destination = destination_name(d->destination),
		.origin = str_of(r->outcome == OUTCOME_REMOVED ? s->by : ""),
		.tries = r->tries,
		.delay_ms = (uint64_t)(s->now_ms > d->mail->created_ms ? s->now_ms - d->mail->created_ms : 0),
	};

	if (r->reply != NULL) {
		history.code = r->reply->code;
		history.enhanced = r->reply->enhanced;
		history.text = r->reply->text;
		history.hop = r->reply->hop;
		history.cause = r->reply->cause;
		history.tls = r->reply->tls;
	}
	store_put_history(txn, (uint64_t)s->now_us, d->mail->id, r->number, effects[r->outcome].event, &history);
}

/* Gives the recipient another time, and with an answer says what came of the try. */
static void
reschedule(struct store_txn *txn, const struct settlement *s, const struct rcpt *r)
{
	struct record_recipient record;
	struct error err;

	switch (store_get_recipient(txn, s->mail->id, r->number, &record, &err)) {
	case STORE_NONE: return;
	case STORE_BROKEN: store_fail(txn, STORE_FAILED, "%s", err.text); return;
	case STORE_FOUND: break;
	}
	record.due_us = (uint64_t)r->due_us;
	if (r->outcome == OUTCOME_DEFERRED) {
		record.tries = r->tries;
		record.tried_ms = (uint64_t)s->now_ms;
	}
	if (r->outcome == OUTCOME_DEFERRED && r->reply != NULL) {
		record.code = r->reply->code;
		record.enhanced = r->reply->enhanced;
		record.text = r->reply->text;
		record.hop = r->reply->hop;
		record.cause = r->reply->cause;
		record.tls = r->reply->tls;
	}
	store_put_recipient(txn, s->mail->id, r->number, &record);
}

/* Says whether the message has no recipient any more. */
static bool
settle_rcpt(struct store_txn *txn, const struct settlement *s, const struct delivery *d, const struct rcpt *r)
{
	bool last = false;

	if (r->outcome == OUTCOME_NONE)
		return false;
	if (r->outcome == OUTCOME_POSTPONED) {
		reschedule(txn, s, r);
		return false;
	}
	put_history(txn, s, d, r);
	store_put_meta(txn, effects[r->outcome].counter, store_get_meta(txn, effects[r->outcome].counter) + 1);
	if (effects[r->outcome].leaves)
		store_delete_recipient(txn, s->mail->id, r->number, &last);
	else
		reschedule(txn, s, r);
	return last;
}

/* --- on the committer's thread: the notification --- */

static size_t
collect_failed(const struct settlement *s, struct bounce_rcpt out[QUEUE_JOB_RCPTS_MAX])
{
	const struct delivery *d;
	const struct rcpt *r;
	size_t n = 0;

	TAILQ_FOREACH (d, &s->list, link) {
		STAILQ_FOREACH (r, &d->rcpts, next) {
			if (!has_failed(r) || n == QUEUE_JOB_RCPTS_MAX)
				continue;
			out[n] = (struct bounce_rcpt){ .forward_path = r->forward_path,
				.tries = r->tries,
				.expired = r->outcome == OUTCOME_EXPIRED };
			if (r->reply != NULL) {
				out[n].code = r->reply->code;
				out[n].enhanced = r->reply->enhanced;
				out[n].text = r->reply->text;
				out[n].hop = r->reply->hop;
			}
			n++;
		}
	}
	return n;
}

/* The beginning of the message; what cannot be read of it is left out: the notification goes all the same. */
static void
read_header(struct store_txn *txn, uint64_t message, struct buf *out)
{
	struct record_message record;
	struct str piece;
	struct error err;
	uint32_t i;

	if (store_get_message(txn, message, &record, &err) != STORE_FOUND)
		return;
	(void)buf_append_str(out, record.preamble);
	for (i = 0; out->len < QUEUE_DSN_HEADER_BYTES && (uint64_t)i * RECORD_PIECE_DATA < record.size; i++) {
		if (store_get_piece(txn, message, i, &piece, &err) != STORE_FOUND || !buf_append_str(out, piece))
			return;
	}
}

static void
compose(struct store_txn *txn, const struct settlement *s, struct buf *out)
{
	struct bounce_rcpt failed[QUEUE_JOB_RCPTS_MAX];
	struct buf header;
	bool eightbit;
	struct bounce b = {
		.hostname = str_of(core.hostname),
		.to = s->mail->reverse_path,
		.original = s->mail->id,
		.id = s->notification,
		.randomness = s->randomness,
		.accepted_ms = s->mail->created_ms,
		.now_ms = s->now_ms,
		.rcpts = failed,
	};

	buf_init(&header, QUEUE_DSN_HEADER_BYTES + PROTO_PREAMBLE_MAX + RECORD_PIECE_MAX);
	read_header(txn, s->mail->id, &header);
	b.text = buf_str(&header);
	b.count = collect_failed(s, failed);
	if (!bounce_compose(&b, out, &eightbit))
		store_fail(txn, STORE_NO_ROOM, "notification %016llx: no memory to compose it",
		    (unsigned long long)s->notification);
	buf_clear(&header);
}

static void
put_notification_body(struct store_txn *txn, uint64_t id, struct str text)
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
put_notification(struct store_txn *txn, struct settlement *s)
{
	struct record_message message = {
		.created_ms = (uint64_t)s->now_ms,
		.look_ms = (uint64_t)s->now_ms + (uint64_t)QUEUE_DSN_TTL_S * 1000,
		.body = PROTO_BODY_7BIT,
		.origin = notification_destination,
		.owner = s->mail->owner,
		.recipients = 1,
		.unrouted = true,
	};
	struct record_recipient rcpt = {
		.kind = RECIPIENT_UNROUTED,
		.forward_path = s->mail->reverse_path,
		.recipient = s->mail->reverse_path,
		.due_us = (uint64_t)s->notification_due_us,
		.expires_ms = message.look_ms,
	};
	struct record_history history = { .to = s->mail->reverse_path, .origin = notification_destination };
	struct buf text;

	buf_init(&text, QUEUE_DSN_BYTES);
	compose(txn, s, &text);
	put_notification_body(txn, s->notification, buf_str(&text));
	message.size = history.size = text.len;
	buf_clear(&text);
	store_put_message(txn, s->notification, &message);
	rcpt.destination = s->notification_destination =
	    store_destination(txn, RECIPIENT_UNROUTED, notification_destination);
	store_put_recipient(txn, s->notification, 0, &rcpt);
	store_put_history(txn, (uint64_t)s->now_us, s->notification, 0, EVENT_ACCEPTED, &history);
}

static void
run_settlement(struct store_txn *txn, struct step *step)
{
	struct settlement *s = (struct settlement *)step;
	const struct delivery *d;
	const struct rcpt *r;
	bool last = false;

	/* First the notification: it reads the message, which may leave here. */
	if (s->notification != 0)
		put_notification(txn, s);
	TAILQ_FOREACH (d, &s->list, link)
		STAILQ_FOREACH (r, &d->rcpts, next)
			last = settle_rcpt(txn, s, d, r) || last;
	if (last)
		store_delete_message(txn, s->mail->id);
}

/* --- in the loop --- */

static void
count_and_log(const struct settlement *s, const struct delivery *d, const struct rcpt *r)
{
	static const struct {
		const char *event;
		uint64_t *counter;
	} rows[] = {
		[OUTCOME_DELIVERED] = { "delivered", &core.counters.delivered },
		[OUTCOME_DEFERRED] = { "deferred", &core.counters.deferred },
		[OUTCOME_FAILED] = { "bounced", &core.counters.bounced },
		[OUTCOME_EXPIRED] = { "expired", &core.counters.expired },
		[OUTCOME_REMOVED] = { "removed", &core.counters.removed },
		[OUTCOME_POSTPONED] = { "rescheduled", &core.counters.updated },
	};
	struct log_field fields[12];
	struct buf reply;
	size_t n = 0;

	if (r->outcome == OUTCOME_NONE)
		return;
	++*rows[r->outcome].counter;
	core.counters.loops += is_loop(r);
	if (log_get_level() < LOG_INFO)
		return;
	buf_init(&reply, 2 * PROTO_REPLY_MAX);
	fields[n++] = log_hex(LOG_FIELD_message, d->mail->id);
	fields[n++] = log_str(LOG_FIELD_from, d->mail->reverse_path);
	fields[n++] = log_str(LOG_FIELD_to, r->forward_path);
	fields[n++] = log_str(LOG_FIELD_destination, destination_name(d->destination));
	if (r->reply != NULL && r->reply->hop.len > 0)
		fields[n++] = log_str(LOG_FIELD_hop, r->reply->hop);
	if (r->reply != NULL) {
		(void)buf_printf(&reply, "%u %.*s%s%.*s", r->reply->code, STR_ARG(r->reply->enhanced),
		    r->reply->enhanced.len > 0 ? " " : "", STR_ARG(r->reply->text));
		fields[n++] = log_str(LOG_FIELD_reply, buf_str(&reply));
	}
	fields[n++] = log_ms(LOG_FIELD_delay, s->now_ms - d->mail->created_ms);
	fields[n++] = log_u64(LOG_FIELD_tries, r->tries);
	if (r->outcome == OUTCOME_DEFERRED || r->outcome == OUTCOME_POSTPONED)
		fields[n++] = log_ms(LOG_FIELD_next, (r->due_us - s->now_us) / 1000);
	if (has_failed(r) && s->notification != 0)
		fields[n++] = log_hex(LOG_FIELD_id, s->notification);
	if (r->outcome == OUTCOME_REMOVED)
		fields[n++] = log_text(LOG_FIELD_reason, s->by);
	log_event(LOG_INFO, rows[r->outcome].event, fields, n);
	buf_clear(&reply);
}

/* Those that have another time are on disk again, and not loaded. */
static void
unload(const struct settlement *s, struct delivery *delivery)
{
	struct destination *d = delivery->destination;
	const struct rcpt *r;

	STAILQ_FOREACH (r, &delivery->rcpts, next) {
		const struct store_entry entry = { (uint64_t)r->due_us, delivery->mail->id, r->number };
		count_and_log(s, delivery, r);
		if (!outcome_leaves(r->outcome))
			destination_note(d, &entry);
	}
	destination_unload(d, delivery);
	destination_settle(d);
}

static void
schedule_notification(const struct settlement *s)
{
	struct destination *d =
	    destination_get(s->notification_destination, RECIPIENT_UNROUTED, notification_destination);
	const struct store_entry entry = { (uint64_t)s->notification_due_us, s->notification, 0 };

	core.counters.notifications++;
	destination_note(d, &entry);
	destination_settle(d);
}

static void
settled(struct step *step, enum store_failure failure)
{
	struct settlement *s = (struct settlement *)step;
	struct delivery *d;

	switch (failure) {
	case STORE_OK: break;
	case STORE_NO_ROOM: again_later(step); return;
	case STORE_FAILED: core_store_failed(); return;
	}
	if (s->notification != 0)
		schedule_notification(s);
	if (s->done != NULL)
		s->done(s->arg);
	if (s->mail->text_size > BODY_BLOCK)
		upkeep_sweep_soon();
	room_changed();
	while ((d = TAILQ_FIRST(&s->list)) != NULL) {
		TAILQ_REMOVE(&s->list, d, link);
		unload(s, d);
	}
	mail_release(s->mail);
	free(s);
}

/*
 * A notification needs an id. While there is none, which takes a full disk right at the start, the recipients stay and are
 * tried again.
 */
static bool
want_notification(struct settlement *s)
{
	struct delivery *d;
	struct rcpt *r;
	bool failed = false;

	TAILQ_FOREACH (d, &s->list, link)
		STAILQ_FOREACH (r, &d->rcpts, next)
			failed = failed || has_failed(r);
	if (!failed || s->mail->reverse_path.len == 0 || s->mail->notification)
		return true;
	return ids_take(1, &s->notification);
}

static void
put_off_failed(struct settlement *s)
{
	struct delivery *d;
	struct rcpt *r;

	TAILQ_FOREACH (d, &s->list, link) {
		STAILQ_FOREACH (r, &d->rcpts, next) {
			if (!has_failed(r))
				continue;
			r->outcome = OUTCOME_DEFERRED;
			r->due_us = s->now_us + core.rules.retry_min_us;
		}
	}
}

void
outcome_apply(struct deliveries *list, struct str by, outcome_done_fn *done, void *arg)
{
	struct settlement *s = calloc(1, sizeof(*s));

	if (s == NULL)
		fatal("out of memory");
	invariant(!TAILQ_EMPTY(list));
	TAILQ_INIT(&s->list);
	TAILQ_CONCAT(&s->list, list, link);
	s->mail = mail_hold(TAILQ_FIRST(&s->list)->mail);
	s->now_us = clock_us();
	s->now_ms = clock_ms();
	s->done = done;
	s->arg = arg;
	(void)str_copy(by, s->by, sizeof(s->by));
	if (!want_notification(s))
		put_off_failed(s);
	if (s->notification != 0) {
		s->notification_due_us = clock_tick_us();
		s->randomness = (uint64_t)core_random() << 32 | core_random();
	}
	s->step = (struct step){ .kind = done != NULL ? STEP_URGENT : STEP_LAZY,
		.bytes = s->notification != 0 ? QUEUE_DSN_HEADER_BYTES : 0,
		.run = run_settlement,
		.done = settled };
	committer_add(core.committer, &s->step);
}

void
outcome_apply_one(struct delivery *delivery)
{
	struct deliveries list = TAILQ_HEAD_INITIALIZER(list);

	TAILQ_INSERT_TAIL(&list, delivery, link);
	outcome_apply(&list, S(""), NULL, NULL);
}

void
outcome_defer(struct rcpt *r, struct reply *reply, uint32_t randomness)
{
	int64_t now = clock_us();

	r->tries++;
	r->due_us = schedule_next_us(&core.rules, now, r->tries, randomness, r->expires_ms * 1000);
	rcpt_answer(r, schedule_is_over(now, r->expires_ms * 1000) ? OUTCOME_EXPIRED : OUTCOME_DEFERRED, reply);
}

void
outcome_defer_all(struct delivery *delivery, const struct reply *why)
{
	uint32_t randomness = core_random();
	struct rcpt *r;

	STAILQ_FOREACH (r, &delivery->rcpts, next)
		outcome_defer(r, reply_new(why), randomness);
}
