/* SPDX-License-Identifier: ISC */
#include "queue/expiry.h"

#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/delay.h"
#include "queue/limits.h"
#include "queue/load.h"
#include "queue/outcome.h"

static struct {
	bool started;
	bool walking;
	uint64_t look_ms; /* where the walk is, as message and from */
	uint64_t message;
	uint32_t from;
	struct loop_timer timer;
	struct loop_timer wake;
	int64_t wake_ms; /* where wake is pending */
} expiry;

static bool
is_over(const void *arg, uint32_t number, const struct record_recipient *record, const struct delivery *loaded,
    const struct destination *d)
{
	bool was_tried = record->tries > 0 && (int64_t)record->tried_ms >= clock_start_ms();

	(void)arg;
	(void)number;
	(void)loaded;
	return !record->held && (int64_t)record->expires_ms <= clock_ms() && (was_tried || (d->down && d->found_down));
}

/* The last answer; where there was none the reason why its destination is down. */
static void
expire(struct delivery *delivery)
{
	const struct destination *d = delivery->destination;
	struct rcpt *r;

	STAILQ_FOREACH (r, &delivery->rcpts, next) {
		struct reply *last = r->reply;
		r->reply = NULL;
		if (last == NULL && d->text != NULL)
			last = reply_new(&(struct reply){ .cause = PROTO_CAUSE_CONNECTION, .text = str_of(d->text) });
		if (r->tries == 0)
			r->tries = d->failures;
		rcpt_answer(r, OUTCOME_EXPIRED, last);
	}
}

/* Tells of a delay, and gives up what is over of one message, as many recipients as one notification holds. Returns whether it is done with. */
static bool
look_at(struct store_txn *txn)
{
	struct claim claim = {
		.max = QUEUE_JOB_RCPTS_MAX, .outcome = OUTCOME_EXPIRED, .wanted = is_over, .from = expiry.from
	};
	enum store_found found;
	struct delivery *delivery;
	struct error err;
	struct record_message record;
	struct mail *mail;

	if (store_get_message(txn, expiry.message, &record, &err) != STORE_FOUND)
		return true; /* it has left, or is damaged, which is told when its turn comes */
	if (expiry.from == 0 && delay_is_due(&record, clock_ms()))
		delay_tell(expiry.message, &record);
	mail = mail_new(expiry.message, &record, NULL);
	if (mail == NULL)
		return true; /* the next walk comes by here again */
	TAILQ_INIT(&claim.out);
	found = load_claim(txn, mail, &claim, &err);
	expiry.from = claim.from;
	TAILQ_FOREACH (delivery, &claim.out, link)
		expire(delivery);
	if (!TAILQ_EMPTY(&claim.out))
		outcome_apply(&claim.out, S(""), NULL, NULL);
	mail_release(mail);
	return found != STORE_FOUND;
}

static void
step(void *arg)
{
	struct error err;
	struct store_txn *txn = store_read(core.store, &err);
	int n;

	(void)arg;
	expiry.walking = txn != NULL;
	for (n = 0; n < QUEUE_EXPIRY_STEP && expiry.walking; n++) {
		if (store_first_expiry(txn, &expiry.look_ms, &expiry.message) != STORE_FOUND) {
			expiry.walking = false;
		} else if ((int64_t)expiry.look_ms > clock_ms()) {
			expiry.walking = false;
			expiry_note((int64_t)expiry.look_ms);
		} else if (look_at(txn)) {
			expiry.message++;
			expiry.from = 0;
		}
	}
	if (txn != NULL)
		store_read_end(txn);
	if (expiry.walking)
		loop_timer_start(&expiry.timer, 0);
}

void
expiry_walk(void)
{
	if (expiry.walking || !expiry.started)
		return;
	expiry.look_ms = 0;
	expiry.message = 0;
	expiry.from = 0;
	step(NULL);
}

static void
woken(void *arg)
{
	(void)arg;
	expiry_walk();
}

void
expiry_note(int64_t look_ms)
{
	if (!expiry.started || (expiry.wake.pending && expiry.wake_ms <= look_ms))
		return;
	expiry.wake_ms = look_ms;
	loop_timer_start(&expiry.wake, look_ms > clock_ms() ? look_ms - clock_ms() : 0);
}

void
expiry_start(void)
{
	memset(&expiry, 0, sizeof(expiry));
	loop_timer_init(&expiry.timer, step, NULL);
	loop_timer_init(&expiry.wake, woken, NULL);
	expiry.started = true;
}

void
expiry_stop(void)
{
	if (!expiry.started)
		return;
	loop_timer_stop(&expiry.timer);
	loop_timer_stop(&expiry.wake);
	expiry.started = false;
}
