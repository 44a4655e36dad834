/* SPDX-License-Identifier: ISC */
#include "queue/job.h"

#include <stdlib.h>

#include "common/log.h"
#include "common/tree.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/dispatch.h"
#include "queue/limits.h"
#include "queue/mailboxes.h"
#include "queue/outcome.h"

struct job {
	RB_ENTRY(job) node;
	uint64_t id;
	struct worker *worker;
	struct delivery *delivery;
	struct rcpt *expected; /* the next one without a result, when they come in order */
	unsigned answered;
	bool suspect;
	struct reader_request *reading; /* NULL: none on its way */
	bool sent;                      /* the worker knows of it */
};

static uint64_t last_id;

static int
compare_job(struct job *a, struct job *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

TREE_STATIC(jobs, job, node, compare_job);

static struct job *
find(struct worker *w, uint64_t id)
{
	struct job key = { .id = id };

	return RB_FIND(jobs, &w->jobs, &key);
}

static void
free_job(struct job *j)
{
	reader_cancel(j->reading);
	RB_REMOVE(jobs, &j->worker->jobs, j);
	j->worker->count--;
	j->worker->suspects -= j->suspect;
	core.running--;
	free(j);
}

/* --- suspects --- */

enum { DEATHS_ALONE = QUEUE_RETURNS_MAX - 1 }; /* after so many it has to be alone */

static TAILQ_HEAD(suspects, destination) suspects = TAILQ_HEAD_INITIALIZER(suspects);

static unsigned
deaths_of_first(const struct destination *d)
{
	const struct delivery *first = TAILQ_FIRST(&d->ready);

	return first == NULL ? 0 : first->deaths;
}

static bool
takes(const struct worker *w, unsigned deaths)
{
	if (w == NULL || w->draining || w->count >= QUEUE_JOBS_MAX)
		return false;
	if (deaths >= DEATHS_ALONE)
		return w->count == 0;
	return !w->reserved && (deaths == 0 || w->suspects < QUEUE_SUSPECTS_MAX);
}

static void
stop_waiting(struct destination *d)
{
	TAILQ_REMOVE(&suspects, d, waiting);
	d->blocked = false;
}

static void
wake_suspects(void)
{
	struct destination *d;

	while ((d = TAILQ_FIRST(&suspects)) != NULL) {
		stop_waiting(d);
		destination_settle(d);
	}
}

bool
suspect_waits(struct destination *d)
{
	unsigned deaths = deaths_of_first(d);
	struct worker *least = NULL;
	struct peer *p = NULL;
	bool any = false, reserved = false;

	if (deaths == 0)
		return false;
	while ((p = process_peer_next(PROTO_KIND_RELAY, p)) != NULL) {
		struct worker *w = p->data;
		if (w == NULL)
			continue;
		reserved = reserved || w->reserved;
		any = any || w->suspects > 0 || w->reserved;
		if (w->count > 0 && (least == NULL || w->count < least->count))
			least = w;
	}
	if (deaths >= DEATHS_ALONE && !reserved && least != NULL)
		any = least->reserved = true;
	if (!any)
		return false; /* nobody would wake it */
	d->blocked = true;
	TAILQ_INSERT_TAIL(&suspects, d, waiting);
	return true;
}

static bool
may_start(const struct destination *d)
{
	return !core.draining && !core.paused[d->kind] && destination_may_run(d, clock_us());
}

/* The worker has less to do: the first that has to be alone gets it before others come. */
static void
offer(struct worker *w)
{
	struct destination *d;

	if (w->reserved && w->count == 0) {
		w->reserved = false;
		TAILQ_FOREACH (d, &suspects, waiting)
			if (deaths_of_first(d) >= DEATHS_ALONE && may_start(d))
				break;
		if (d != NULL && !w->draining) {
			stop_waiting(d);
			job_start(d, w);
			destination_settle(d);
			return;
		}
		dispatch_soon();
	}
	wake_suspects();
}

/* --- workers --- */

struct worker *
worker_new(struct peer *peer)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (w == NULL)
		fatal("out of memory");
	w->peer = peer;
	RB_INIT(&w->jobs);
	wake_suspects();
	return w;
}

static void decide(struct delivery *delivery);

static void
hold(struct destination *d, struct delivery *delivery)
{
	destination_hold(d, delivery);
	log_warning("held", log_hex(LOG_FIELD_message, delivery->mail->id),
	    log_str(LOG_FIELD_destination, destination_name(d)), log_u64(LOG_FIELD_count, delivery->deaths));
}

/*
 * What the worker had said of a recipient holds. The others are tried again at once, which may be a second delivery where
 * the answer was in flight (RFC 1047), but not for ever.
 */
static void
return_job(struct job *j)
{
	struct delivery *delivery = j->delivery, *answered;
	struct destination *d = delivery->destination;

	core.counters.jobs_returned++;
	free_job(j);
	answered = destination_split(d, delivery, &delivery);
	if (answered != NULL) {
		decide(answered);
		outcome_apply_one(answered);
	}
	if (delivery != NULL && ++delivery->deaths < QUEUE_RETURNS_MAX)
		destination_return(d, delivery);
	else if (delivery != NULL)
		hold(d, delivery);
	destination_settle(d);
}

void
worker_free(struct worker *w)
{
	struct job *j;

	while ((j = RB_MAX(jobs, &w->jobs)) != NULL)
		return_job(j);
	free(w);
	wake_suspects();
}

struct worker *
worker_for(const struct destination *d)
{
	struct worker *idlest = NULL, *known = NULL;
	unsigned deaths = deaths_of_first(d);
	struct peer *p = NULL;

	while ((p = process_peer_next(PROTO_KIND_RELAY, p)) != NULL) {
		struct worker *w = p->data;
		if (!takes(w, deaths))
			continue;
		if (idlest == NULL || w->count < idlest->count)
			idlest = w;
		if (p->instance == d->worker)
			known = w;
	}
	if (known != NULL && known->count <= idlest->count + QUEUE_JOBS_BALANCE)
		return known;
	return idlest;
}

static void
caught_up(void *arg)
{
	struct peer *p = arg;
	struct worker *w = p->data;

	if (w == NULL)
		return;
	w->draining = false;
	channel_resume(p->channel);
	wake_suspects();
	dispatch_soon();
}

/* A worker that asks for more than it reads is not read from, and gets nothing new, until it has what it asked for. */
static void
watch_pending(struct worker *w)
{
	if (w->draining || channel_pending(w->peer->channel) < QUEUE_JOBS_PENDING_BYTES)
		return;
	w->draining = true;
	channel_pause(w->peer->channel);
	channel_on_drained(w->peer->channel, caught_up, w->peer);
}

/* --- out --- */

static void
send_head(struct job *j)
{
	const struct delivery *delivery = j->delivery;
	const struct mail *mail = delivery->mail;
	const struct rcpt *r;

	SEND(j->worker->peer->channel, JOB, job, j->id, .message = mail->id,
	    .action = STAILQ_FIRST(&delivery->rcpts)->action, .destination = destination_name(delivery->destination),
	    .reverse_path = mail->reverse_path, .body = mail->body_type, .ret = mail->ret, .envid = mail->envid,
	    .size = mail->text_size, .rcpts = delivery->count);
	STAILQ_FOREACH (r, &delivery->rcpts, next)
		SEND(j->worker->peer->channel, JOB_RCPT, job_rcpt, j->id, .number = r->number, .address = r->recipient,
		    .forward_path = r->forward_path, .notify = r->notify, .orcpt = r->orcpt);
	j->sent = true;
	core.counters.jobs++;
}

static void
send_piece(struct job *j, uint64_t offset, struct str bytes)
{
	if (!j->sent)
		send_head(j);
	SEND(j->worker->peer->channel, JOB_BODY, job_body, j->id, .offset = offset, .bytes = bytes);
	watch_pending(j->worker);
}

static void finish_job(struct job *j);

/*
 * The text cannot be read: that is ours to repair, and nothing is bounced for it. A worker that is in the middle of it takes
 * back what it had written, and ends the job: what it was told of some recipients before holds.
 */
static void
give_up_reading(struct job *j, const struct reader_piece *piece)
{
	static const struct str why = STR("The message cannot be read from the spool of this server.");

	log_error("store-damaged", log_hex(LOG_FIELD_message, j->delivery->mail->id),
	    log_text(LOG_FIELD_error, piece->error));
	if (j->sent) {
		SEND(j->worker->peer->channel, JOB_CANCEL, job_cancel, j->id, .text = why);
		return;
	}
	outcome_defer_all(j->delivery,
	    &(struct reply){ .code = 451, .cause = PROTO_CAUSE_HERE, .enhanced = S("4.3.0"), .text = why });
	finish_job(j);
}

static void
read_done(void *arg, const struct reader_piece *piece)
{
	struct job *j = arg;

	j->reading = NULL;
	if (piece->found != STORE_FOUND)
		give_up_reading(j, piece);
	else
		send_piece(j, piece->offset, piece->bytes);
}

static void
send_from(struct job *j, uint64_t offset)
{
	static char piece[PROTO_CHUNK_MAX];
	const struct mail *mail = j->delivery->mail;

	if (mail->body != NULL) {
		send_piece(j, offset, (struct str){ piece, body_copy(mail->body, offset, piece, sizeof(piece)) });
		return;
	}
	j->reading = reader_ask(core.reader, mail->id, offset, PROTO_CHUNK_MAX, read_done, j);
}

void
job_start(struct destination *d, struct worker *w)
{
	struct delivery *delivery = destination_run(d);
	struct job *j;

	if (delivery == NULL)
		return;
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		fatal("out of memory");
	j->id = ++last_id;
	j->worker = w;
	j->delivery = delivery;
	j->expected = STAILQ_FIRST(&delivery->rcpts);
	j->suspect = delivery->deaths > 0;
	w->suspects += j->suspect;
	w->reserved = w->reserved || (d->kind == PROTO_DELIVERY_RELAY && delivery->deaths >= DEATHS_ALONE);
	RB_INSERT(jobs, &w->jobs, j);
	w->count++;
	core.running++;
	if (d->kind == PROTO_DELIVERY_RELAY)
		d->worker = w->peer->instance;
	if (delivery->mail->body != NULL)
		core.counters.hot++;
	else
		core.counters.cold++;
	send_from(j, 0);
}

/* --- in --- */

bool
job_pull(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct worker *w = peer->data;
	struct job *j = find(w, id);

	(void)fd;
	if (j == NULL || !j->sent || j->reading != NULL || msg->job_pull.offset >= j->delivery->mail->text_size)
		return false;
	send_from(j, msg->job_pull.offset);
	return true;
}

static struct rcpt *
find_unanswered(struct job *j, uint64_t number)
{
	struct rcpt *r = j->expected;

	if (r == NULL || r->number != number)
		STAILQ_FOREACH (r, &j->delivery->rcpts, next)
			if (r->number == number)
				break;
	if (r == NULL || r->outcome != OUTCOME_NONE)
		return NULL;
	j->expected = STAILQ_NEXT(r, next);
	return r;
}

/* "soft-bounce": the answer stays what it is, and is not believed. */
static bool
is_soft(const struct job *j, const struct msg_job_result *result)
{
	return core.config->soft_bounce && result->result == PROTO_RESULT_FAILED && result->hop.len > 0 &&
	    j->delivery->destination->kind == PROTO_DELIVERY_RELAY;
}

bool
job_result(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	static const enum outcome outcomes[] = {
		[PROTO_RESULT_DELIVERED] = OUTCOME_DELIVERED,
		[PROTO_RESULT_DEFERRED] = OUTCOME_DEFERRED,
		[PROTO_RESULT_FAILED] = OUTCOME_FAILED,
	};
	const struct msg_job_result *result = &msg->job_result;
	struct job *j = find(peer->data, id);
	struct rcpt *r = j == NULL || !j->sent ? NULL : find_unanswered(j, result->number);

	(void)fd;
	if (r == NULL)
		return false;
	rcpt_answer(r, is_soft(j, result) ? OUTCOME_DEFERRED : outcomes[result->result],
	    reply_new(&(struct reply){ .code = (unsigned)result->code,
		.cause = result->cause,
		.enhanced = result->enhanced,
		.text = result->text,
		.hop = result->hop,
		.tls = result->tls }));
	r->passed = result->passed;
	j->answered++;
	return true;
}

/* What the worker said of each becomes an outcome: the time of the next try, or none more. */
static void
decide(struct delivery *delivery)
{
	uint32_t randomness = core_random();
	struct rcpt *r;

	STAILQ_FOREACH (r, &delivery->rcpts, next) {
		if (r->outcome == OUTCOME_DEFERRED) {
			struct reply *reply = r->reply;
			r->reply = NULL;
			outcome_defer(r, reply, randomness);
		} else {
			r->tries++;
		}
	}
}

/* Writes what a destination's record says of being down. */
struct state_step {
	struct step step;
	uint64_t id;
	struct record_destination record;
	char text[PROTO_REPLY_MAX];
};

static void
run_state(struct store_txn *txn, struct step *step)
{
	const struct state_step *s = (struct state_step *)step;
	struct record_destination record;
	struct str name;
	unsigned kind;

	if (store_get_destination(txn, s->id, &kind, &name, &record, NULL) != STORE_FOUND)
		return;
	record.down = s->record.down;
	record.until_ms = s->record.until_ms;
	record.failures = s->record.failures;
	record.cause = s->record.cause;
	record.text = s->record.text;
	store_put_destination(txn, s->id, &record);
}

static void
state_done(struct step *step, enum store_failure failure)
{
	/* For want of room it is left out: it is found out again after a restart. */
	if (failure == STORE_FAILED)
		core_store_failed();
	free(step);
}

static void
persist(const struct destination *d)
{
	struct state_step *s = calloc(1, sizeof(*s));
	size_t len = 0;

	if (s == NULL)
		return; /* it is found out again after a restart */
	while (d->text != NULL && d->text[len] != '\0' && len < sizeof(s->text)) {
		s->text[len] = d->text[len];
		len++;
	}
	s->id = d->id;
	s->record = (struct record_destination){ .down = d->down,
		.until_ms = (uint64_t)(d->until_us / 1000),
		.failures = d->failures,
		.cause = d->cause,
		.text = { s->text, len } };
	s->step = (struct step){ .kind = STEP_LAZY, .run = run_state, .done = state_done };
	committer_add(core.committer, &s->step);
}

void
destination_is_down(struct destination *d, unsigned cause, struct str text)
{
	int64_t until = clock_us() + schedule_delay_us(&core.rules, d->failures + 1, core_random());

	if (!destination_fail(d, until, cause, text))
		return;
	persist(d);
	log_notice("destination-down", log_str(LOG_FIELD_destination, destination_name(d)),
	    log_str(LOG_FIELD_reply, text), log_u64(LOG_FIELD_tries, d->failures),
	    log_ms(LOG_FIELD_next, (until - clock_us()) / 1000));
}

static void
destination_is_up(struct destination *d)
{
	if (!destination_succeed(d))
		return;
	persist(d);
	log_notice("destination-up", log_str(LOG_FIELD_destination, destination_name(d)));
}

static void
finish_job(struct job *j)
{
	struct delivery *delivery = j->delivery;
	struct destination *d = delivery->destination;
	struct worker *w = j->worker;
	bool was_suspect = j->suspect;

	free_job(j);
	destination_finish(d, delivery);
	outcome_apply_one(delivery);
	if (d->kind == PROTO_DELIVERY_LOCAL)
		mailbox_is_idle(d);
	destination_settle(d);
	if (was_suspect || w->reserved)
		offer(w);
	if (w->count + 1 == QUEUE_JOBS_MAX)
		dispatch_soon();
}

/* It may end while a piece is being read: the server was lost meanwhile, say. Nobody waits for the piece then. */
bool
job_end(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct job *j = find(peer->data, id);
	const struct rcpt *first;

	(void)fd;
	if (j == NULL || !j->sent || j->answered != j->delivery->count)
		return false;
	first = STAILQ_FIRST(&j->delivery->rcpts);
	if (msg->job_end.host_down)
		destination_is_down(j->delivery->destination, first->reply->cause, first->reply->text);
	else
		destination_is_up(j->delivery->destination);
	decide(j->delivery);
	finish_job(j);
	return true;
}
