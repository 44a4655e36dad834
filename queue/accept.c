/* SPDX-License-Identifier: ISC */
#include "queue/accept.h"

#include <stdlib.h>

#include "common/log.h"
#include "queue/arrival.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/delay.h"
#include "queue/expiry.h"
#include "queue/limits.h"
#include "queue/load.h"

/* One block of a body that streams in. */
struct block_step {
	struct step step;
	struct transaction *transaction;
	struct str bytes; /* stays until done: a full block does not move */
	uint32_t sequence;
	size_t credit; /* to be given when it is on disk; 0: was given */
};

static size_t uncommitted_bytes; /* of blocks with the committer */

/* --- on the committer's thread --- */

static void
run_block(struct store_txn *txn, struct step *step)
{
	const struct block_step *b = (struct block_step *)step;

	/* An earlier block found no room: the message is refused already, and this one would be left lying. */
	if (!store_has_pieces(txn, b->transaction->id, b->sequence))
		return;
	store_mark_sweep(txn, b->transaction->id);
	arrival_put_body(txn, b->transaction->id, b->sequence, b->bytes);
}

static struct transaction *
of_step(struct step *step)
{
	return (struct transaction *)(void *)((char *)step - offsetof(struct transaction, taking.step));
}

static struct arrival
arrival_of(const struct transaction *t)
{
	return (struct arrival){
		.message = t->id,
		.due_us = (uint64_t)t->due_us,
		.to = STAILQ_FIRST(&t->rcpts)->forward_path,
		.record = {
			.reverse_path = t->reverse_path,
			.size = body_size(t->body),
			.created_ms = (uint64_t)t->created_ms,
			.look_ms = t->look_ms,
			.body = t->body_type,
			.origin = t->origin,
			.owner = t->owner,
			.recipients = t->rcpts_count,
			.preamble = body_preamble(t->body),
			.ret = t->ret,
			.envid = str_of(t->envid),
			.message_id = t->message_id,
		},
	};
}

static struct arrival_rcpt
arrival_of_rcpt(const struct transaction *t, const struct rcpt *r)
{
	return (struct arrival_rcpt){
		.number = r->number,
		.destination = r->destination,
		.record = {
			.kind = r->kind,
			.forward_path = r->forward_path,
			.recipient = r->recipient,
			.user = r->user,
			.action = r->action,
			.due_us = (uint64_t)t->due_us,
			.expires_ms = (uint64_t)r->expires_ms,
			.notify = r->notify,
			.orcpt = r->orcpt,
		},
	};
}

static void
run_message(struct store_txn *txn, struct step *step)
{
	struct transaction *t = of_step(step);
	const struct arrival arrival = arrival_of(t);
	struct arrival_rcpt rcpt;
	struct rcpt *r;
	size_t i;

	for (i = t->handed; i < body_blocks(t->body); i++)
		arrival_put_body(txn, t->id, (uint32_t)(i * BODY_BLOCK_PIECES), body_block(t->body, i));
	arrival_put(txn, &arrival);
	STAILQ_FOREACH (r, &t->rcpts, next) {
		rcpt = arrival_of_rcpt(t, r);
		r->destination_id = arrival_put_rcpt(txn, t->id, &rcpt);
	}
}

/* --- on the intake's thread --- */

static size_t
compose_entry(struct taking *taking, struct str parts[INTAKE_PARTS_MAX])
{
	struct transaction *t = of_step(&taking->step);
	const struct arrival arrival = arrival_of(t);
	struct arrival_rcpt rcpt;
	const struct rcpt *r;
	size_t i, n = 0;

	if (1 + body_blocks(t->body) > INTAKE_PARTS_MAX || !arrival_encode(&arrival, &t->envelope))
		return 0;
	STAILQ_FOREACH (r, &t->rcpts, next) {
		rcpt = arrival_of_rcpt(t, r);
		if (!arrival_encode_rcpt(&rcpt, &t->envelope))
			return 0;
	}
	parts[n++] = buf_str(&t->envelope);
	for (i = 0; i < body_blocks(t->body); i++)
		parts[n++] = body_block(t->body, i);
	return n;
}

/* --- in the loop --- */

static void
block_done(struct step *step, enum store_failure failure)
{
	struct block_step *b = (struct block_step *)step;

	uncommitted_bytes -= b->bytes.len;
	transaction_stored_block(b->transaction, b->credit, failure);
	free(b);
}

void
accept_block(struct transaction *t, size_t index)
{
	struct block_step *b = calloc(1, sizeof(*b));

	if (b == NULL)
		fatal("out of memory");
	b->bytes = body_block(t->body, index);
	b->step = (struct step){ .kind = STEP_ACCEPT, .bytes = b->bytes.len, .run = run_block, .done = block_done };
	b->transaction = t;
	b->sequence = (uint32_t)(index * BODY_BLOCK_PIECES);
	b->credit = b->bytes.len;
	if (uncommitted_bytes + b->bytes.len <= QUEUE_STREAM_BYTES && t->client != NULL) {
		b->credit = 0;
		transaction_credit(t, b->bytes.len);
	}
	uncommitted_bytes += b->bytes.len;
	committer_add(core.committer, &b->step);
}

/* The list's newest delivery, where it is of the same message and not full; else a new one, which stands in the list. */
static struct delivery *
delivery_of(struct destination *d, struct mail *mail, struct rcpt *r, int64_t due_us)
{
	struct delivery *last = d->newest;
	bool ahead;

	if (last != NULL && last->mail == mail && last->count < QUEUE_JOB_RCPTS_MAX) {
		delivery_add(last, r);
		return last;
	}
	ahead = !destination_takes_new(d, clock_us());
	if (ahead && !destination_lets_ahead(d, mail, clock_us()))
		return NULL;
	last = delivery_new(mail, due_us);
	if (last == NULL)
		return NULL;
	delivery_add(last, r);
	last->ahead = ahead;
	destination_load(d, last, DELIVERY_READY);
	return last;
}

/* It could be read from disk since the commit: a pass over the schedule, or a request of control, may have been first. */
static void
load_rcpt(struct mail *mail, struct rcpt *r, int64_t due_us)
{
	const struct store_entry entry = { (uint64_t)due_us, mail->id, r->number };
	struct destination *d;

	load_ahead(r->destination_id);
	d = destination_get(r->destination_id, r->kind, r->destination);
	r->due_us = due_us;
	if (destination_has(d, mail->id, r->number)) {
		rcpt_free(r);
	} else if (delivery_of(d, mail, r, due_us) == NULL) {
		destination_note(d, &entry);
		rcpt_free(r);
	}
	destination_settle(d);
}

/* What is in memory of the message becomes what is loaded of it; what is not loaded goes. */
static void
load_message(struct transaction *t)
{
	const struct record_message record = {
		.reverse_path = t->reverse_path,
		.size = body_size(t->body),
		.created_ms = (uint64_t)t->created_ms,
		.body = t->body_type,
		.owner = t->owner,
		.preamble = body_preamble(t->body),
		.ret = t->ret,
		.envid = str_of(t->envid),
	};
	struct mail *mail = mail_new(t->id, &record, NULL);
	struct rcpt *r;

	if (mail == NULL)
		fatal("out of memory"); /* nobody would look for the mail before the next start */
	while ((r = STAILQ_FIRST(&t->rcpts)) != NULL) {
		STAILQ_REMOVE_HEAD(&t->rcpts, next);
		core.counters.accepted_envelopes++;
		load_rcpt(mail, r, t->due_us);
	}
	if (mail->references > 1 && body_is_whole(t->body) && body_size(t->body) <= QUEUE_HOT_MESSAGE_BYTES &&
	    body_keep(t->body)) {
		mail->body = t->body;
		t->body = NULL;
	}
	mail_release(mail);
}

static void
log_accepted(const struct transaction *t)
{
	log_trace("stored", log_hex(LOG_FIELD_message, t->id), log_u64(LOG_FIELD_rcpts, t->rcpts_count),
	    log_u64(LOG_FIELD_size, body_text_size(t->body)));
}

static void
message_done(struct step *step, enum store_failure failure)
{
	struct transaction *t = of_step(step);

	if (failure == STORE_OK) {
		core.counters.accepted_messages++;
		log_accepted(t);
		expiry_note((int64_t)t->look_ms);
		load_message(t);
	}
	transaction_stored(t, failure);
}

static void
message_kept(struct taking *taking)
{
	struct transaction *t = of_step(&taking->step);

	buf_clear(&t->envelope);
	transaction_kept(t);
}

void
accept_message(struct transaction *t)
{
	uint64_t expires_ms = 0;
	struct rcpt *r;

	t->due_us = clock_tick_us();
	t->created_ms = clock_ms();
	STAILQ_FOREACH (r, &t->rcpts, next)
		if ((uint64_t)r->expires_ms > expires_ms)
			expires_ms = (uint64_t)r->expires_ms;
	t->look_ms = delay_look_ms(
	    &(struct record_message){ .created_ms = (uint64_t)t->created_ms, .reverse_path = t->reverse_path },
	    expires_ms);
	t->taking = (struct taking){ .step = { .kind = STEP_ACCEPT,
					 .bytes = body_text_size(t->body) - t->handed * BODY_BLOCK,
					 .run = run_message,
					 .done = message_done },
		.compose = compose_entry,
		.kept = message_kept };
	if (t->handed == 0 && intake_journals(core.intake, body_text_size(t->body), t->rcpts_count))
		intake_take(core.intake, &t->taking);
	else
		committer_add(core.committer, &t->taking.step);
}
