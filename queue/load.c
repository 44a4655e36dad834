/* SPDX-License-Identifier: ISC */
#include "queue/load.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/again.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/limits.h"
#include "queue/outcome.h"

static void
log_broken(const struct error *err)
{
	log_error("store-damaged", log_text(LOG_FIELD_error, err->text));
}

/* --- destinations --- */

static struct {
	uint64_t after;
	bool complete;
	struct loop_timer timer;
} start;

/* A time that was stored under a wrong clock must not keep a destination down for years. */
static int64_t
sane_until(int64_t until_us)
{
	int64_t now = clock_us();

	return schedule_is_absurd(&core.rules, now, until_us) ? now + core.rules.retry_max_us : until_us;
}

static void
take_destination(uint64_t id, const struct record_destination *record)
{
	struct destination *d = destination_get(id, record->kind, record->name);

	if (record->down && !d->down) {
		d->down = true;
		d->failures = record->failures;
		d->cause = record->cause;
		d->until_us = sane_until((int64_t)record->until_ms * 1000);
		d->text = strndup(record->text.len > 0 ? record->text.ptr : "", record->text.len);
	}
	if (record->suspended && !d->suspended)
		destination_suspend(d, true, (int64_t)record->suspended_until_ms * 1000);
	if (record->waiting > 0)
		d->next_us = 0;
	destination_settle(d);
}

struct destination *
load_destination(struct store_txn *txn, uint64_t id, struct error *err)
{
	struct destination *d = destination_find(id);
	struct record_destination record;
	struct str name;
	unsigned kind;

	if (d != NULL)
		return d;
	if (store_get_destination(txn, id, &kind, &name, &record, err) != STORE_FOUND)
		return NULL;
	take_destination(id, &record);
	return destination_find(id);
}

static void
load_some_destinations(void *arg)
{
	struct record_destination record;
	struct error err;
	struct store_txn *txn = store_read(core.store, &err);
	enum store_found found = STORE_BROKEN;
	struct str name;
	uint64_t id;
	unsigned kind;
	int n;

	(void)arg;
	for (n = 0; txn != NULL && n < QUEUE_DESTINATIONS_STEP; n++) {
		found = store_next_destination(txn, start.after, &id, &kind, &name, &record, &err);
		if (found != STORE_FOUND)
			break;
		take_destination(id, &record);
		start.after = id;
	}
	if (txn != NULL)
		store_read_end(txn);
	if (found == STORE_BROKEN)
		log_broken(&err);
	start.complete = found == STORE_NONE;
	if (!start.complete)
		loop_timer_start(&start.timer, found == STORE_FOUND ? 0 : QUEUE_UPKEEP_MS);
}

void
load_destinations(void)
{
	start.after = 0;
	start.complete = false;
	loop_timer_init(&start.timer, load_some_destinations, NULL);
	load_some_destinations(NULL);
}

void
load_ahead(uint64_t id)
{
	struct store_txn *txn;
	struct error err;

	if (start.complete || destination_find(id) != NULL || (txn = store_read(core.store, &err)) == NULL)
		return;
	(void)load_destination(txn, id, &err);
	store_read_end(txn);
}

bool
load_is_complete(void)
{
	return start.complete;
}

/* --- entries with an absurd time --- */

/* Gives up to QUEUE_MEND_ENTRIES entries of one destination, from `after` on, a time within the longest back-off. */
struct mending {
	struct step step;
	uint64_t destination;
	struct store_entry after;
	int64_t due_us;
	bool more;
};

static void
run_mending(struct store_txn *txn, struct step *step)
{
	struct mending *m = (struct mending *)step;
	struct store_entry entry, after = m->after;
	struct record_recipient record;
	struct error err;
	int n;

	m->more = false;
	for (n = 0; n < QUEUE_MEND_ENTRIES; n++) {
		if (store_next_entry(txn, m->destination, &after, &entry) != STORE_FOUND)
			return;
		if (entry.due_us == RECORD_HELD_US)
			return; /* from here on to the end */
		after = entry;
		if (store_get_recipient(txn, entry.message, entry.number, &record, &err) != STORE_FOUND)
			continue;
		record.due_us = (uint64_t)m->due_us;
		store_put_recipient(txn, entry.message, entry.number, &record);
	}
	m->more = true;
}

static void mend(struct destination *d);

static void
mended(struct step *step, enum store_failure failure)
{
	struct mending *m = (struct mending *)step;
	struct destination *d = destination_find(m->destination);

	if (failure == STORE_NO_ROOM) {
		again_later(step);
		return;
	}
	if (failure == STORE_FAILED)
		core_store_failed();
	if (d != NULL && failure == STORE_OK && m->more) {
		mend(d);
	} else if (d != NULL && failure == STORE_OK) {
		d->cursor = (struct store_entry){ 0 };
		d->next_us = 0;
		destination_settle(d);
	}
	free(m);
}

static void
mend(struct destination *d)
{
	struct mending *m = calloc(1, sizeof(*m));

	if (m == NULL)
		fatal("out of memory");
	m->destination = d->id;
	m->after.due_us = (uint64_t)(clock_us() + core.rules.retry_max_us + core.rules.retry_max_us / 10);
	m->due_us = clock_us() + (int64_t)(core_random() % (uint64_t)(core.rules.retry_max_us / 1000)) * 1000;
	m->step = (struct step){ .kind = STEP_LAZY, .run = run_mending, .done = mended };
	d->next_us = DESTINATION_NEVER; /* until it is done */
	committer_add(core.committer, &m->step);
}

/* --- what is due --- */

/* One pass over the schedule of a destination. */
struct pass {
	struct store_txn *txn;
	struct destination *destination;
	struct delivery *delivery; /* being filled; not loaded yet */
	unsigned loaded;
	unsigned max;
	struct error err;
};

static void
finish_delivery(struct pass *p)
{
	if (p->delivery == NULL)
		return;
	destination_load(p->destination, p->delivery, DELIVERY_READY);
	p->delivery = NULL;
	p->loaded++;
}

/* Router is asked about one recipient at a time. */
static bool
fits(const struct pass *p, const struct store_entry *entry)
{
	return p->destination->kind != RECIPIENT_UNROUTED && p->delivery != NULL &&
	    p->delivery->mail->id == entry->message && p->delivery->due_us == (int64_t)entry->due_us &&
	    p->delivery->count < QUEUE_JOB_RCPTS_MAX;
}

/* Begins a delivery of the entry's message, which other deliveries of the destination may have in memory. */
static bool
begin_delivery(struct pass *p, const struct store_entry *entry)
{
	enum store_found found;
	struct mail *mail = mail_load(p->txn, entry->message, &found, &p->err);

	if (mail == NULL) {
		if (found == STORE_NONE)
			(void)error_set(&p->err, ERROR_PERMANENT, "message %016" PRIx64 " is scheduled and not there",
			    entry->message);
		return false;
	}
	p->delivery = delivery_new(mail, (int64_t)entry->due_us);
	mail_release(mail);
	return p->delivery != NULL || error_set(&p->err, ERROR_TEMPORARY, "out of memory");
}

/* Loads one entry. Returns false when it is damaged; it is told, and left alone until the next start. */
static bool
load_entry(struct pass *p, const struct store_entry *entry)
{
	struct record_recipient record;
	struct rcpt *r;

	switch (store_get_recipient(p->txn, entry->message, entry->number, &record, &p->err)) {
	case STORE_FOUND: break;
	case STORE_BROKEN: return false;
	case STORE_NONE:
		return error_set(&p->err, ERROR_PERMANENT,
		    "recipient %" PRIu32 " of message %016" PRIx64 " is scheduled and not there", entry->number,
		    entry->message);
	}
	if (!fits(p, entry)) {
		finish_delivery(p);
		if (!begin_delivery(p, entry))
			return false;
	}
	r = rcpt_new(&record, entry->number, S(""));
	if (r == NULL) {
		if (p->delivery->count == 0) {
			delivery_free(p->delivery);
			p->delivery = NULL;
		}
		return error_set(&p->err, ERROR_TEMPORARY, "out of memory");
	}
	delivery_add(p->delivery, r);
	return true;
}

/* What lies ahead of the cursor is not due yet; what is held, behind all others, never is (RECORD_HELD_US). */
static void
note_future(struct destination *d, const struct store_entry *entry, int64_t now)
{
	d->next_us = (int64_t)entry->due_us;
	if (d->next_us != DESTINATION_NEVER && schedule_is_absurd(&core.rules, now, d->next_us))
		mend(d);
}

static void
run_pass(struct pass *p)
{
	struct destination *d = p->destination;
	int64_t now = clock_us();
	struct store_entry entry;
	int n;

	for (n = 0; n < QUEUE_REFILL_ENTRIES; n++) {
		enum store_found found = store_next_entry(p->txn, d->id, &d->cursor, &entry);
		if (found != STORE_FOUND) {
			/* The key is damaged: behind it nothing can be read, and others must go on. */
			d->next_us = found == STORE_NONE ? DESTINATION_NEVER : now + core.rules.retry_max_us;
			return;
		}
		if ((int64_t)entry.due_us > now) {
			note_future(d, &entry, now);
			return;
		}
		d->next_us = (int64_t)entry.due_us;
		if (!fits(p, &entry) && p->delivery != NULL && p->loaded + 1 >= p->max)
			return;
		d->cursor = entry;
		if (!destination_has(d, entry.message, entry.number) && !load_entry(p, &entry))
			log_broken(&p->err);
	}
}

static unsigned
room_of(const struct destination *d)
{
	unsigned left = QUEUE_READY_MAX - d->ready_count;

	if (d->down || !destination_has_room(d))
		return 1;
	return left < QUEUE_REFILL_DELIVERIES ? left : QUEUE_REFILL_DELIVERIES;
}

void
load_due(struct destination *d)
{
	struct pass p = { .destination = d, .max = room_of(d) };

	p.txn = store_read(core.store, &p.err);
	if (p.txn == NULL) {
		log_broken(&p.err);
		d->next_us = clock_us() + core.rules.retry_min_us;
		return;
	}
	run_pass(&p);
	finish_delivery(&p);
	store_read_end(p.txn);
}

/* --- claims --- */

enum { CLAIMED_US = -1 }; /* due time of a delivery that was made by a claim */

/* To the last delivery that was claimed, where it is of that destination, or to a new one. */
static void
add_claimed(struct deliveries *out, struct destination *d, struct mail *mail, struct rcpt *r)
{
	struct delivery *delivery = TAILQ_LAST(out, deliveries);

	if (r == NULL)
		fatal("out of memory");
	r->chosen = true;
	if (delivery != NULL && delivery->destination == d && delivery->due_us == CLAIMED_US) {
		delivery_add(delivery, r);
		return;
	}
	delivery = delivery_new(mail, CLAIMED_US);
	if (delivery == NULL)
		fatal("out of memory");
	delivery_add(delivery, r);
	destination_load(d, delivery, DELIVERY_LEAVING);
	TAILQ_INSERT_TAIL(out, delivery, link);
}

/* Whether the recipient is on its way to disk as the claim would have it, or out: then nothing needs to be done. */
static bool
is_going(const struct claim *claim, const struct delivery *loaded, uint32_t number)
{
	const struct rcpt *r;

	STAILQ_FOREACH (r, &loaded->rcpts, next)
		if (r->number == number)
			return loaded->state == DELIVERY_LEAVING &&
			    (outcome_leaves(r->outcome) || r->outcome == claim->outcome);
	return false;
}

static bool
is_claimed(const struct claim *claim, const struct delivery *loaded)
{
	const struct delivery *d;

	TAILQ_FOREACH (d, &claim->out, link)
		if (d == loaded)
			return true; /* with a recipient before this one */
	return false;
}

static bool
is_wanted(const struct claim *claim, uint32_t number, const struct record_recipient *record,
    const struct delivery *loaded, const struct destination *d)
{
	return claim->wanted == NULL || claim->wanted(claim->arg, number, record, loaded, d);
}

/* What is in memory already is claimed when it only waits. */
static enum claim_verdict
judge(const struct claim *claim, uint32_t number, const struct record_recipient *record, const struct delivery *loaded,
    const struct destination *d)
{
	if (!is_wanted(claim, number, record, loaded, d))
		return CLAIM_PASSES;
	if (loaded == NULL || (claim->scope >= CLAIM_HELD && loaded->state == DELIVERY_HELD) ||
	    (claim->scope >= CLAIM_WAITING && loaded->state == DELIVERY_READY))
		return CLAIM_TAKES;
	return is_claimed(claim, loaded) || is_going(claim, loaded, number) ? CLAIM_PASSES : CLAIM_BUSY;
}

enum claim_verdict
load_judge(const struct claim *claim, uint64_t message, uint32_t number, const struct record_recipient *record)
{
	struct destination *d = destination_find(record->destination);

	return judge(claim, number, record, d == NULL ? NULL : destination_delivery(d, message, number), d);
}

static void
claim_loaded(struct store_txn *txn, struct claim *claim, struct delivery *loaded)
{
	struct record_recipient record;
	struct error err;
	struct rcpt *r;

	destination_claim(loaded->destination, loaded);
	TAILQ_INSERT_TAIL(&claim->out, loaded, link);
	STAILQ_FOREACH (r, &loaded->rcpts, next) {
		r->chosen = store_get_recipient(txn, loaded->mail->id, r->number, &record, &err) == STORE_FOUND &&
		    is_wanted(claim, r->number, &record, loaded, loaded->destination);
		claim->claimed += r->chosen;
	}
}

enum store_found
load_claim(struct store_txn *txn, struct mail *mail, struct claim *claim, struct error *err)
{
	struct record_recipient record;
	struct destination *d;
	struct delivery *loaded;
	uint32_t number;

	while (claim->claimed < claim->max) {
		enum store_found found = store_next_recipient(txn, mail->id, claim->from, &number, &record, err);
		if (found != STORE_FOUND)
			return found;
		d = load_destination(txn, record.destination, err);
		if (d == NULL)
			return STORE_BROKEN;
		loaded = destination_delivery(d, mail->id, number);
		switch (judge(claim, number, &record, loaded, d)) {
		case CLAIM_PASSES: break;
		case CLAIM_BUSY: claim->busy++; break;
		case CLAIM_TAKES:
			if (loaded == NULL) {
				add_claimed(&claim->out, d, mail, rcpt_new(&record, number, S("")));
				claim->claimed++;
			} else if (claim->claimed > 0 && claim->claimed + loaded->count > claim->max) {
				return STORE_FOUND; /* it is taken as a whole, the next time */
			} else {
				claim_loaded(txn, claim, loaded);
			}
			break;
		}
		claim->from = number + 1;
	}
	return STORE_FOUND;
}
