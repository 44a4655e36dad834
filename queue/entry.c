/* SPDX-License-Identifier: ISC */
#include "queue/entry.h"

#include <inttypes.h>
#include <stdio.h>

#include "queue/clock.h"
#include "queue/core.h"

enum { WHY_MAX = PROTO_TEXT_MAX + 1, SPAN_MAX = 32 };

struct words {
	enum proto_entry_state state;
	int64_t due_ms;
	char why[WHY_MAX];
};

/* "now", "in 12s", "in 5m", "in 3h": as exact as a person needs it. */
static const char *
when(int64_t ms, char out[SPAN_MAX])
{
	int64_t s = ms / 1000;

	if (s <= 0)
		(void)snprintf(out, SPAN_MAX, "now");
	else if (s < 120)
		(void)snprintf(out, SPAN_MAX, "in %" PRId64 "s", s);
	else if (s < 7200)
		(void)snprintf(out, SPAN_MAX, "in %" PRId64 "m", s / 60);
	else
		(void)snprintf(out, SPAN_MAX, "in %" PRId64 "h", s / 3600);
	return out;
}

static void
say_down(const struct destination *d, struct words *w)
{
	char next[SPAN_MAX];

	if (d->until_us / 1000 > w->due_ms)
		w->due_ms = d->until_us / 1000;
	(void)snprintf(w->why, WHY_MAX,
	    "no server of the destination could be spoken to, %" PRIu64 " time%s in a row; next attempt %s: %.700s",
	    d->failures, d->failures == 1 ? "" : "s", when(w->due_ms - clock_ms(), next),
	    d->text == NULL ? "" : d->text);
}

static void
say_waiting(const struct record_recipient *rcpt, struct words *w)
{
	char next[SPAN_MAX];

	(void)snprintf(
	    w->why, WHY_MAX, "%s attempt %s", rcpt->tries == 0 ? "first" : "next", when(w->due_ms - clock_ms(), next));
}

static void
say_held(const struct record_recipient *rcpt, struct words *w)
{
	char action[PROTO_NAME_MAX + 1];

	(void)str_copy(rcpt->action, action, sizeof(action));
	(void)snprintf(
	    w->why, WHY_MAX, "held: the configuration has no action \"%s\"; posternctl requeue routes it anew", action);
}

static void
say_deaths(const struct delivery *held, struct words *w)
{
	(void)snprintf(w->why, WHY_MAX,
	    "held: the process that delivers it died %u times while it did; posternctl schedule or release has it tried "
	    "again",
	    held->deaths);
}

static void
say_suspended(const struct destination *d, struct words *w)
{
	char next[SPAN_MAX];

	if (d->suspended_until_us == 0) {
		(void)snprintf(w->why, WHY_MAX, "its destination is suspended, until posternctl resume destination");
		return;
	}
	if (d->suspended_until_us / 1000 > w->due_ms)
		w->due_ms = d->suspended_until_us / 1000;
	(void)snprintf(w->why, WHY_MAX, "its destination is suspended; that ends %s",
	    when(d->suspended_until_us / 1000 - clock_ms(), next));
}

static const char *
kind_in_words(unsigned kind)
{
	return kind == PROTO_DELIVERY_LOCAL ? "mda" : "mta";
}

/* The first reason that holds. */
static void
explain(const struct record_recipient *rcpt, uint64_t message, uint32_t number, struct words *w)
{
	struct destination *d = destination_find(rcpt->destination);
	const struct delivery *loaded = d == NULL ? NULL : destination_delivery(d, message, number);

	w->due_ms = (int64_t)rcpt->due_us / 1000;
	w->state = PROTO_ENTRY_WAITING;
	if (loaded != NULL && loaded->state == DELIVERY_HELD) {
		w->state = PROTO_ENTRY_HELD;
		say_deaths(loaded, w);
	} else if (loaded != NULL && loaded->state != DELIVERY_READY) {
		w->state = PROTO_ENTRY_RUNNING;
		(void)snprintf(w->why, WHY_MAX, "being delivered");
	} else if (rcpt->held) {
		w->state = PROTO_ENTRY_HELD;
		w->due_ms = 0;
		(void)snprintf(w->why, WHY_MAX, "held by an administrator or its sender, until posternctl release");
	} else if (d != NULL && d->held) {
		w->state = PROTO_ENTRY_HELD;
		say_held(rcpt, w);
	} else if (rcpt->kind < DESTINATION_KINDS && core.paused[rcpt->kind]) {
		w->state = PROTO_ENTRY_PAUSED;
		(void)snprintf(w->why, WHY_MAX, "%s is paused", kind_in_words(rcpt->kind));
	} else if (d != NULL && destination_is_suspended(d, clock_us())) {
		w->state = PROTO_ENTRY_PAUSED;
		say_suspended(d, w);
	} else if (d != NULL && d->down) {
		say_down(d, w);
	} else if (d != NULL && w->due_ms <= clock_ms() && destination_rated_us(d) > clock_us()) {
		w->due_ms = destination_rated_us(d) / 1000;
		(void)snprintf(w->why, WHY_MAX, "its destination is limited to a rate; the next goes %s",
		    when(w->due_ms - clock_ms(), (char[SPAN_MAX]){ 0 }));
	} else if (w->due_ms > clock_ms()) {
		say_waiting(rcpt, w);
	} else {
		w->state = PROTO_ENTRY_READY;
		if (rcpt->kind == RECIPIENT_UNROUTED)
			(void)snprintf(w->why, WHY_MAX, "waits for router to say where it goes");
		else
			(void)snprintf(w->why, WHY_MAX, "due; deliveries to its destination that are running: %u",
			    d == NULL ? 0 : d->running);
	}
}

unsigned
entry_state(uint64_t message, uint32_t number, const struct record_recipient *rcpt)
{
	struct words words;

	explain(rcpt, message, number, &words);
	return words.state;
}

static struct str
last_reply(const struct record_recipient *rcpt, struct buf *out)
{
	struct str text = rcpt->text;

	if (rcpt->code == 0 && text.len == 0)
		return S("");
	(void)buf_printf(
	    out, "%" PRIu64 " %.*s%s", rcpt->code, STR_ARG(rcpt->enhanced), rcpt->enhanced.len > 0 ? " " : "");
	if (text.len > out->max - out->len)
		text.len = out->max - out->len;
	(void)buf_append_str(out, text);
	return buf_str(out);
}

void
entry_send(struct channel *to, uint64_t id, struct store_txn *txn, uint64_t message,
    const struct record_message *record, uint32_t number, const struct record_recipient *rcpt)
{
	struct record_destination destination;
	struct str name = STR("");
	struct buf reply;
	struct words words;
	unsigned kind;

	(void)store_get_destination(txn, rcpt->destination, &kind, &name, &destination, NULL);
	buf_init(&reply, PROTO_REPLY_MAX);
	explain(rcpt, message, number, &words);
	SEND(to, QUEUE_ENTRY, queue_entry, id, .message = message, .number = number, .owner = record->owner,
	    .kind = rcpt->kind, .origin = record->origin, .reverse_path = record->reverse_path,
	    .forward_path = rcpt->forward_path, .recipient = rcpt->recipient, .action = rcpt->action,
	    .destination = name, .size = record->size + record->preamble.len, .created_ms = record->created_ms,
	    .expires_ms = rcpt->expires_ms, .due_ms = (uint64_t)words.due_ms, .tried_ms = rcpt->tried_ms,
	    .tries = rcpt->tries, .state = words.state, .last_reply = last_reply(rcpt, &reply),
	    .why = str_of(words.why));
	buf_clear(&reply);
}
