/* SPDX-License-Identifier: ISC */
#include "queue/outcome.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "queue/again.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/limits.h"
#include "queue/report.h"
#include "queue/room.h"
#include "queue/upkeep.h"

/* Who may be told. */
enum listener { TO_SENDER, TO_POSTMASTER, LISTENERS };

/* What the committer's thread needs is in here or does not change while the step is with it. */
struct settlement {
	struct step step;
	struct deliveries list;
	struct mail *mail; /* of the first delivery */
	int64_t now_us;
	int64_t now_ms;
	struct report reports[LISTENERS];
	uint64_t unrouted_destination; /* id, of those that router is asked about again */
	outcome_done_fn *done;
	void *arg;
	char by[PROTO_NAME_MAX + 1];
};

static const struct str unrouted_destination = STR("requeue"); /* so that these do not stand before notifications */

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
	[OUTCOME_HELD] = { .leaves = false },
	[OUTCOME_RELEASED] = { .leaves = false },
	[OUTCOME_UNROUTED] = { .leaves = false },
};

bool
outcome_leaves(enum outcome outcome)
{
	return effects[outcome].leaves;
}

static bool is_reported(const struct rcpt *r, enum bounce_action *action);

/* Where a delivery ends the trail, and the sender hears of that, it is told apart. */
static enum record_event
event_of(const struct rcpt *r)
{
	enum bounce_action action;

	if (is_reported(r, &action) && action == BOUNCE_RELAYED)
		return EVENT_RELAYED;
	return effects[r->outcome].event;
}

static void
put_history(struct store_txn *txn, const struct settlement *s, const struct delivery *d, const struct rcpt *r)
{
	struct record_history history = {
		.from = d->mail->reverse_path,
		.to = r->forward_path,
		.owner = d->mail->owner,
		.destination = destination_name(d->destination),
		.origin = str_of(s->by),
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
	store_put_history(txn, (uint64_t)s->now_us, d->mail->id, r->number, event_of(r), &history);
}

/* It begins again as it came in, but for its age. */
static void
take_route(struct store_txn *txn, struct settlement *s, struct record_recipient *record)
{
	s->unrouted_destination = store_destination(txn, RECIPIENT_UNROUTED, unrouted_destination);
	record->kind = RECIPIENT_UNROUTED;
	record->destination = s->unrouted_destination;
	record->tries = 0;
	record->tried_ms = 0;
	record->code = 0;
	record->cause = PROTO_CAUSE_NONE;
	record->user = record->action = record->enhanced = record->text = record->hop = record->tls = S("");
}

/* Gives the recipient another time, and with an answer says what came of the try. */
static void
reschedule(struct store_txn *txn, struct settlement *s, const struct rcpt *r)
{
	struct record_recipient record;
	struct error err;

	switch (store_get_recipient(txn, s->mail->id, r->number, &record, &err)) {
	case STORE_NONE: return;
	case STORE_BROKEN: store_fail(txn, STORE_FAILED, "%s", err.text); return;
	case STORE_FOUND: break;
	}
	record.due_us = (uint64_t)r->due_us;
	record.held = r->outcome == OUTCOME_HELD;
	if (r->outcome == OUTCOME_UNROUTED)
		take_route(txn, s, &record);
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
settle_rcpt(struct store_txn *txn, struct settlement *s, const struct delivery *d, const struct rcpt *r)
{
	bool last = false;

	if (r->outcome == OUTCOME_NONE)
		return false;
	if (r->outcome >= OUTCOME_POSTPONED) { /* by hand: no attempt, which history would tell of */
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

/* --- on the committer's thread: the report --- */

static bool
wants(const struct rcpt *r, enum proto_notify what)
{
	return (r->notify & what) != 0;
}

/* Whether the sender is to be told what became of r, and as what (RFC 3461 sections 4.1 and 5.2). */
static bool
is_reported(const struct rcpt *r, enum bounce_action *action)
{
	switch (r->outcome) {
	case OUTCOME_FAILED:
	case OUTCOME_EXPIRED: *action = BOUNCE_FAILED; return r->notify == 0 || wants(r, PROTO_NOTIFY_FAILURE);
	case OUTCOME_DELIVERED:
		*action = r->kind == PROTO_DELIVERY_LOCAL ? BOUNCE_DELIVERED : BOUNCE_RELAYED;
		return wants(r, PROTO_NOTIFY_SUCCESS) && !r->passed;
	case OUTCOME_NONE:
	case OUTCOME_DEFERRED:
	case OUTCOME_REMOVED:
	case OUTCOME_POSTPONED:
	case OUTCOME_HELD:
	case OUTCOME_RELEASED:
	case OUTCOME_UNROUTED: break;
	}
	return false;
}

/* What ended with our own trouble: nothing that the sender, or another server, could do anything about. */
static bool
is_our_fault(const struct rcpt *r)
{
	return r->reply != NULL && r->reply->cause == PROTO_CAUSE_HERE && r->reply->hop.len == 0;
}

/* A report is never about a report, but to postmaster, and that one is the last (RFC 5321 section 6.1). */
static bool
is_told(const struct mail *mail, enum listener listener, const struct rcpt *r, enum bounce_action *action)
{
	*action = BOUNCE_FAILED;
	if (listener == TO_SENDER)
		return mail->reverse_path.len > 0 && !mail->notification && is_reported(r, action);
	return core.config->bounce_postmaster && !mail->last && has_failed(r) &&
	    (mail->notification || is_our_fault(r));
}

static struct bounce_rcpt
report_of(const struct settlement *s, const struct rcpt *r, enum bounce_action action)
{
	struct bounce_rcpt out = { .action = action,
		.forward_path = r->forward_path,
		.orcpt = r->orcpt,
		.tries = r->tries,
		.expired = r->outcome == OUTCOME_EXPIRED,
		.tried_ms = s->now_ms };

	if (r->reply != NULL) {
		out.code = r->reply->code;
		out.enhanced = r->reply->enhanced;
		out.text = r->reply->text;
		out.hop = r->reply->hop;
	}
	return out;
}

static void
put_report(struct store_txn *txn, struct settlement *s, enum listener listener)
{
	struct bounce_rcpt rcpts[QUEUE_JOB_RCPTS_MAX];
	struct report_about about = { .message = s->mail->id,
		.to = listener == TO_SENDER ? s->mail->reverse_path : S(""),
		.envid = s->mail->envid,
		.ret = s->mail->ret,
		.owner = s->mail->owner,
		.accepted_ms = s->mail->created_ms,
		.rcpts = rcpts };
	const struct delivery *d;
	const struct rcpt *r;
	enum bounce_action action;

	TAILQ_FOREACH (d, &s->list, link) {
		STAILQ_FOREACH (r, &d->rcpts, next) {
			if (!is_told(s->mail, listener, r, &action))
				continue;
			if (about.count < QUEUE_JOB_RCPTS_MAX)
				rcpts[about.count++] = report_of(s, r, action);
			else
				about.more++;
		}
	}
	report_put(txn, &s->reports[listener], &about);
}

static void
run_settlement(struct store_txn *txn, struct step *step)
{
	struct settlement *s = (struct settlement *)step;
	const struct delivery *d;
	const struct rcpt *r;
	bool last = false;
	size_t i;

	/* First the reports: they read the message, which may leave here. */
	for (i = 0; i < LISTENERS; i++)
		if (s->reports[i].id != 0)
			put_report(txn, s, i);
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
		[OUTCOME_HELD] = { "on-hold", &core.counters.updated },
		[OUTCOME_RELEASED] = { "released", &core.counters.updated },
		[OUTCOME_UNROUTED] = { "requeued", &core.counters.updated },
	};
	struct log_field fields[12];
	enum bounce_action action;
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
	if (is_told(d->mail, TO_SENDER, r, &action) && s->reports[TO_SENDER].id != 0)
		fields[n++] = log_hex(LOG_FIELD_id, s->reports[TO_SENDER].id);
	if (s->by[0] != '\0')
		fields[n++] = log_text(LOG_FIELD_reason, s->by);
	log_event(LOG_INFO, rows[r->outcome].event, fields, n);
	buf_clear(&reply);
}

static void
note_unrouted(const struct settlement *s, const struct store_entry *entry)
{
	struct destination *d = destination_get(s->unrouted_destination, RECIPIENT_UNROUTED, unrouted_destination);

	destination_note(d, entry);
	destination_settle(d);
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
		if (r->outcome == OUTCOME_UNROUTED)
			note_unrouted(s, &entry);
		else if (!outcome_leaves(r->outcome))
			destination_note(d, &entry);
	}
	destination_unload(d, delivery);
	destination_settle(d);
}

static void
settled(struct step *step, enum store_failure failure)
{
	struct settlement *s = (struct settlement *)step;
	struct delivery *d;
	size_t i;

	switch (failure) {
	case STORE_OK: break;
	case STORE_NO_ROOM: again_later(step); return;
	case STORE_FAILED: core_store_failed(); return;
	}
	for (i = 0; i < LISTENERS; i++)
		report_stored(&s->reports[i]);
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
 * A report needs an id. While there is none, which takes a full disk right at the start, the recipients stay and are tried
 * again.
 */
static bool
begin_report(struct settlement *s, enum listener listener)
{
	const struct delivery *d;
	const struct rcpt *r;
	enum bounce_action action;
	bool any = false;

	TAILQ_FOREACH (d, &s->list, link)
		STAILQ_FOREACH (r, &d->rcpts, next)
			any = any || is_told(s->mail, listener, r, &action);
	return !any || report_begin(&s->reports[listener]);
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
	if (!begin_report(s, TO_SENDER) || !begin_report(s, TO_POSTMASTER))
		put_off_failed(s);
	s->step = (struct step){ .kind = done != NULL ? STEP_URGENT : STEP_LAZY,
		.bytes = s->reports[TO_SENDER].id != 0 ? QUEUE_DSN_HEADER_BYTES : 0,
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
