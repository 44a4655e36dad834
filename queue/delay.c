/* SPDX-License-Identifier: ISC */
#include "queue/delay.h"

#include <stdlib.h>

#include "common/log.h"
#include "queue/again.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/expiry.h"
#include "queue/limits.h"
#include "queue/report.h"

struct notice {
	struct step step;
	uint64_t message;
	uint64_t warned; /* when it was decided; another number on disk: it was done already */
	struct report report;
	uint64_t told;    /* recipients */
	uint64_t look_ms; /* when its age is looked at again; 0: never */
};

static bool
is_told_of(const struct record_message *record)
{
	return record->reverse_path.len > 0 && record->warned < core.config->bounce_warn_count;
}

static int64_t
notice_ms(const struct record_message *record, uint64_t number)
{
	return (int64_t)record->created_ms + core.config->bounce_warn_s[number] * 1000;
}

uint64_t
delay_look_ms(const struct record_message *record, uint64_t expires_ms)
{
	uint64_t at;

	if (!is_told_of(record))
		return expires_ms;
	at = (uint64_t)notice_ms(record, record->warned);
	return at < expires_ms ? at : expires_ms;
}

bool
delay_is_due(const struct record_message *record, int64_t now_ms)
{
	return is_told_of(record) && notice_ms(record, record->warned) <= now_ms;
}

/* --- on the committer's thread --- */

/* What keeps it: the last answer; where there was none, what is known of its destination. */
static void
put_reason(struct store_txn *txn, const struct record_recipient *record, struct bounce_rcpt *out)
{
	struct record_destination destination;
	struct str name;
	struct error err;
	unsigned kind;

	out->code = (unsigned)record->code;
	out->enhanced = record->enhanced;
	out->text = record->text;
	out->hop = record->hop;
	if (record->code == 0 && record->text.len == 0 &&
	    store_get_destination(txn, record->destination, &kind, &name, &destination, &err) == STORE_FOUND)
		out->text = destination.text;
}

static bool
is_late(const struct record_recipient *record, int64_t now_ms)
{
	return !record->held && (int64_t)record->expires_ms > now_ms &&
	    (record->notify == 0 || (record->notify & PROTO_NOTIFY_DELAY) != 0);
}

static void
put_history(struct store_txn *txn, const struct notice *n, uint32_t number, const struct record_recipient *record,
    const struct record_message *message)
{
	const struct record_history history = { .from = message->reverse_path,
		.to = record->forward_path,
		.code = record->code,
		.enhanced = record->enhanced,
		.text = record->text,
		.hop = record->hop,
		.cause = record->cause,
		.tries = record->tries,
		.delay_ms = (uint64_t)n->report.now_ms - message->created_ms,
		.owner = message->owner };

	store_put_history(txn, (uint64_t)n->report.now_us, n->message, number, EVENT_DELAYED, &history);
}

/* Those that are told of, and in *expires_ms the latest time of all. */
static void
collect(struct store_txn *txn, struct notice *n, const struct record_message *message,
    struct bounce_rcpt rcpts[QUEUE_JOB_RCPTS_MAX], struct report_about *about, uint64_t *expires_ms)
{
	struct record_recipient record;
	struct error err;
	uint32_t number, from = 0;

	while (store_next_recipient(txn, n->message, from, &number, &record, &err) == STORE_FOUND) {
		from = number + 1;
		if (record.expires_ms > *expires_ms)
			*expires_ms = record.expires_ms;
		if (!is_late(&record, n->report.now_ms))
			continue;
		n->told++;
		put_history(txn, n, number, &record, message);
		if (about->count == QUEUE_JOB_RCPTS_MAX) {
			about->more++;
			continue;
		}
		rcpts[about->count] = (struct bounce_rcpt){ .action = BOUNCE_DELAYED,
			.forward_path = record.forward_path,
			.orcpt = record.orcpt,
			.tries = record.tries,
			.tried_ms = (int64_t)record.tried_ms,
			.expires_ms = (int64_t)record.expires_ms };
		put_reason(txn, &record, &rcpts[about->count++]);
	}
}

static void
run_notice(struct store_txn *txn, struct step *step)
{
	struct notice *n = (struct notice *)step;
	struct bounce_rcpt rcpts[QUEUE_JOB_RCPTS_MAX];
	struct report_about about = { .message = n->message, .rcpts = rcpts };
	struct record_message message;
	struct error err;
	uint64_t expires_ms = 0;

	n->told = 0; /* a transaction may be run again */
	n->report.destination = 0;
	if (store_get_message(txn, n->message, &message, &err) != STORE_FOUND || message.warned != n->warned)
		return;
	about.to = message.reverse_path;
	about.envid = message.envid;
	about.owner = message.owner;
	about.accepted_ms = (int64_t)message.created_ms;
	collect(txn, n, &message, rcpts, &about, &expires_ms);
	report_put(txn, &n->report, &about);
	/* After a long stop one notice is enough for the intervals that have passed. */
	while (delay_is_due(&message, n->report.now_ms))
		message.warned++;
	message.look_ms = n->look_ms = delay_look_ms(&message, expires_ms);
	store_put_message(txn, n->message, &message);
}

/* --- in the loop --- */

static void
noticed(struct step *step, enum store_failure failure)
{
	struct notice *n = (struct notice *)step;

	switch (failure) {
	case STORE_OK: break;
	case STORE_NO_ROOM: again_later(step); return;
	case STORE_FAILED: core_store_failed(); return;
	}
	report_stored(&n->report);
	if (n->look_ms != 0)
		expiry_note((int64_t)n->look_ms);
	if (n->told > 0)
		log_info("delayed", log_hex(LOG_FIELD_message, n->message), log_u64(LOG_FIELD_rcpts, n->told),
		    log_hex(LOG_FIELD_id, n->report.id));
	free(n);
}

void
delay_tell(uint64_t message, const struct record_message *record)
{
	struct notice *n = calloc(1, sizeof(*n));

	if (n == NULL || !report_begin(&n->report)) {
		free(n);
		return;
	}
	n->message = message;
	n->warned = record->warned;
	n->step =
	    (struct step){ .kind = STEP_LAZY, .bytes = QUEUE_DSN_HEADER_BYTES, .run = run_notice, .done = noticed };
	committer_add(core.committer, &n->step);
}
