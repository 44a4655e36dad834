/* SPDX-License-Identifier: ISC */
/*
 * Promise: what is stored is handed out, with its whole text, to one worker at a time; what a worker says of its own jobs
 * comes to be on disk, once; what dies is handed out again; what cannot be read is put off at once; a destination that is
 * down costs one record; and a worker that speaks of what was not given to it (SECURITY I04, I09) is cut off.
 */
#include "tests/unit/unit.h"

#include "queue/limits.h"
#include "queue/store_lmdb.h"
#include "tests/unit/queue/world.h"

static void
answer(struct end *relay, uint64_t job, uint64_t number, enum proto_result result)
{
	static const struct {
		unsigned code;
		struct str enhanced;
		struct str text;
	} replies[] = {
		[PROTO_RESULT_DELIVERED] = { 250, STR("2.0.0"), STR("taken") },
		[PROTO_RESULT_DEFERRED] = { 451, STR("4.7.1"), STR("later") },
		[PROTO_RESULT_FAILED] = { 550, STR("5.1.1"), STR("no such user") },
	};

	SEND(relay->channel, JOB_RESULT, job_result, job, .number = number, .result = result,
	    .code = replies[result].code, .enhanced = replies[result].enhanced, .text = replies[result].text,
	    .hop = S("mx.far.example"));
}

static void
end_job(struct end *relay, uint64_t job, bool host_down)
{
	SEND(relay->channel, JOB_END, job_end, job, .host_down = host_down);
}

/* Takes the next job and answers all its recipients alike. Returns its message. */
static uint64_t
do_job(struct end *relay, enum proto_result result, bool host_down)
{
	struct heard *job = hear(relay, PROTO_JOB_TYPE, 0);
	uint64_t i;

	for (i = 0; i < job->msg.job.rcpts; i++)
		answer(relay, job->id, hear(relay, PROTO_JOB_RCPT_TYPE, job->id)->msg.job_rcpt.number, result);
	end_job(relay, job->id, host_down);
	return job->msg.job.message;
}

static uint64_t
store_one(struct end *smtpd, const char *destination, unsigned rcpts)
{
	uint64_t id = send_message(smtpd, destination, rcpts);

	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	return id;
}

/* --- the way of a message --- */

static void
test_a_message_goes_out_hot_and_is_gone(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	uint64_t id = store_one(smtpd, "out/far.example", 2);
	struct heard *job = hear(relay, PROTO_JOB_TYPE, 0), *body;
	struct record_recipient rcpt;

	(void)state;
	assert_true(job->msg.job.message == id);
	assert_int_equal(job->msg.job.rcpts, 2);
	assert_true(str_equal(job->msg.job.action, S("out")));
	assert_true(str_equal(job->msg.job.destination, S("out/far.example")));
	assert_true(str_equal(job->msg.job.reverse_path, S("ann@near.example")));
	assert_true(str_equal(hear(relay, PROTO_JOB_RCPT_TYPE, 0)->msg.job_rcpt.address, S("joe@far.example")));
	body = hear(relay, PROTO_JOB_BODY_TYPE, 0);
	assert_int_equal(body->msg.job_body.bytes.len, job->msg.job.size);
	assert_true(
	    str_equal(body->msg.job_body.bytes, S("Received: from near.example\r\nSubject: x\r\n\r\nhello\r\n")));
	assert_int_equal(core.counters.hot, 1);
	answer(relay, job->id, 1, PROTO_RESULT_DELIVERED);
	answer(relay, job->id, 0, PROTO_RESULT_DELIVERED);
	end_job(relay, job->id, false);
	WAIT_FOR(!is_stored(id, 0, &rcpt));
	settle_down();
	assert_int_equal(messages_stored(), 0);
	assert_int_equal(deliveries_loaded(), 0);
	assert_int_equal(body_kept_bytes(), 0);
	assert_int_equal(core.counters.delivered, 2);
	expect_consistent();
}

static void
test_a_large_message_is_pulled(void **state)
{
	enum { SIZE = 400000 };
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	struct msg_ticket ticket = ticket_for(smtpd->next_id, 0, "out/far.example");
	struct heard *job, *piece;
	uint64_t id = smtpd->next_id++, at, i, round, head;
	char chunk[16000];

	(void)state;
	send_begin(smtpd, id);
	send_ticket(smtpd, id, &ticket);
	for (at = 0; at < SIZE; at += sizeof(chunk)) {
		for (i = 0; i < sizeof(chunk); i++)
			chunk[i] = (char)('a' + (at + i) % 23);
		SEND(smtpd->channel, BODY, body, id, .bytes = { chunk, sizeof(chunk) });
		settle_down();
	}
	send_commit(smtpd, id, SIZE);
	job = hear(relay, PROTO_JOB_TYPE, 0);
	head = job->msg.job.size - SIZE;
	for (round = 0; round < 2; round++) { /* from the start again for a second host */
		for (at = 0; at < job->msg.job.size; at += piece->msg.job_body.bytes.len) {
			if (at > 0 || round > 0)
				SEND(relay->channel, JOB_PULL, job_pull, job->id, .offset = at);
			piece = hear(relay, PROTO_JOB_BODY_TYPE, job->id);
			assert_true(piece->msg.job_body.offset == at);
			assert_true(piece->msg.job_body.bytes.len > 0);
			for (i = at < head ? head - at : 0; i < piece->msg.job_body.bytes.len; i++)
				if (piece->msg.job_body.bytes.ptr[i] != (char)('a' + (at + i - head) % 23))
					fail_msg("byte %llu differs", (unsigned long long)(at + i));
		}
	}
	answer(relay, job->id, 0, PROTO_RESULT_DELIVERED);
	end_job(relay, job->id, false);
	WAIT_FOR(messages_stored() == 0);
	WAIT_FOR(!has_piece_left(id));
	settle_down();
	expect_consistent();
}

static void
test_recipients_go_together_up_to_the_limit(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	struct heard *job;
	unsigned jobs[3], i;

	(void)state;
	(void)store_one(smtpd, "out/far.example", 2 * QUEUE_JOB_RCPTS_MAX + 50);
	for (i = 0; i < 3; i++) {
		job = hear(relay, PROTO_JOB_TYPE, 0);
		jobs[i] = (unsigned)job->msg.job.rcpts;
	}
	assert_int_equal(jobs[0], QUEUE_JOB_RCPTS_MAX);
	assert_int_equal(jobs[1], QUEUE_JOB_RCPTS_MAX);
	assert_int_equal(jobs[2], 50);
}

/* --- results --- */

static void
test_deferred_and_failed_and_delivered_part_ways(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	uint64_t id = store_one(smtpd, "out/far.example", 3);
	struct heard *job = hear(relay, PROTO_JOB_TYPE, 0);
	struct record_recipient rcpt;
	struct record_message notification;
	struct store_txn *txn;
	struct error err;
	uint64_t dsn = id;

	(void)state;
	answer(relay, job->id, 0, PROTO_RESULT_DELIVERED);
	answer(relay, job->id, 1, PROTO_RESULT_DEFERRED);
	answer(relay, job->id, 2, PROTO_RESULT_FAILED);
	end_job(relay, job->id, false);
	WAIT_FOR(!is_stored(id, 0, &rcpt));
	assert_false(is_stored(id, 2, &rcpt));
	assert_true(is_stored(id, 1, &rcpt));
	assert_int_equal(rcpt.tries, 1);
	assert_int_equal(rcpt.code, 451);
	assert_true((int64_t)rcpt.due_us > loop_wall_ms() * 1000 + 500000000);
	txn = look();
	assert_int_equal(store_next_message(txn, dsn, &dsn, &notification, &err), STORE_FOUND);
	assert_true(notification.unrouted);
	assert_int_equal(notification.reverse_path.len, 0);
	store_read_end(txn);
	expect_consistent();
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	assert_int_equal(core.counters.notifications, 1);
}

static void
test_a_notification_gets_its_route_and_goes_out(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0), *router;
	struct heard *check, *job;
	struct msg_ticket ticket;
	struct buf sealed;

	(void)state;
	(void)store_one(smtpd, "out/far.example", 1);
	(void)do_job(relay, PROTO_RESULT_FAILED, false);
	settle_down();
	router = world_join(PROTO_KIND_ROUTER, 0); /* it was away: the question waits for it */
	check = hear(router, PROTO_RCPT_CHECK_TYPE, 0);
	assert_true(str_equal(check->msg.rcpt_check.forward_path, S("ann@near.example")));
	assert_int_equal(check->msg.rcpt_check.reverse_path.len, 0);
	world_leave(router); /* and dies over it */
	router = world_join(PROTO_KIND_ROUTER, 0);
	check = hear(router, PROTO_RCPT_CHECK_TYPE, 0);
	ticket = ticket_for(check->msg.rcpt_check.transaction, check->msg.rcpt_check.number, "out/near.example");
	ticket.reverse_path = S("");
	ticket.origin = S("dsn");
	buf_init(&sealed, PROTO_TICKET_MAX);
	assert_true(seal_make(core.tickets, PROTO_TICKET_TYPE, &ticket, &sealed));
	SEND(router->channel, RCPT_TICKET, rcpt_ticket, 0, .transaction = ticket.transaction, .number = ticket.number,
	    .ticket = buf_str(&sealed));
	SEND(router->channel, RCPT_VERDICT, rcpt_verdict, 0, .transaction = ticket.transaction, .number = ticket.number,
	    .code = 250, .tickets = 1);
	buf_clear(&sealed);
	job = hear(relay, PROTO_JOB_TYPE, 0);
	assert_true(job->msg.job.message == ticket.transaction);
	assert_int_equal(job->msg.job.reverse_path.len, 0);
	expect_consistent();
	/* It fails too, and that is the end of it: never a bounce of a bounce. */
	answer(relay, job->id, 0, PROTO_RESULT_FAILED);
	end_job(relay, job->id, false);
	WAIT_FOR(messages_stored() == 0);
	settle_down();
	assert_int_equal(core.counters.notifications, 1);
	expect_consistent();
}

static void
test_a_notification_that_router_refuses_is_dropped(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	struct end *router = world_join(PROTO_KIND_ROUTER, 0);
	struct heard *check;

	(void)state;
	(void)store_one(smtpd, "out/far.example", 1);
	(void)do_job(relay, PROTO_RESULT_FAILED, false);
	check = hear(router, PROTO_RCPT_CHECK_TYPE, 0);
	SEND(router->channel, RCPT_VERDICT, rcpt_verdict, 0, .transaction = check->msg.rcpt_check.transaction,
	    .number = check->msg.rcpt_check.number, .code = 550, .enhanced = S("5.1.1"), .text = S("no"));
	WAIT_FOR(messages_stored() == 0);
	settle_down();
	expect_consistent();
}

/* --- who breaks the rules --- */

struct breach {
	const char *row;
	void (*run)(struct end *relay, uint64_t job); /* of one recipient, number 0 */
};

static void
result_of_another_number(struct end *relay, uint64_t job)
{
	answer(relay, job, 1, PROTO_RESULT_DELIVERED);
}

static void
result_twice(struct end *relay, uint64_t job)
{
	answer(relay, job, 0, PROTO_RESULT_DELIVERED);
	answer(relay, job, 0, PROTO_RESULT_DELIVERED);
}

static void
result_of_a_guessed_job(struct end *relay, uint64_t job)
{
	answer(relay, job + 1, 0, PROTO_RESULT_DELIVERED);
}

static void
result_of_anothers_job(struct end *relay, uint64_t job)
{
	answer(relay, job - 1, 0, PROTO_RESULT_DELIVERED);
}

static void
end_of_anothers_job(struct end *relay, uint64_t job)
{
	end_job(relay, job - 1, false);
}

static void
pull_of_anothers_job(struct end *relay, uint64_t job)
{
	SEND(relay->channel, JOB_PULL, job_pull, job - 1, .offset = 0);
}

static void
end_without_results(struct end *relay, uint64_t job)
{
	end_job(relay, job, false);
}

static void
end_twice(struct end *relay, uint64_t job)
{
	answer(relay, job, 0, PROTO_RESULT_DEFERRED);
	end_job(relay, job, false);
	end_job(relay, job, false);
}

static void
pull_behind_the_end(struct end *relay, uint64_t job)
{
	SEND(relay->channel, JOB_PULL, job_pull, job, .offset = 1000000);
}

static const struct breach breaches[] = {
	{ "a result of a recipient that was not handed out", result_of_another_number },
	{ "two results of one", result_twice },
	{ "a result of a job that does not exist", result_of_a_guessed_job },
	{ "a result of another worker's job", result_of_anothers_job },
	{ "the end of another worker's job", end_of_anothers_job },
	{ "the text of another worker's job", pull_of_anothers_job },
	{ "an end while results are missing", end_without_results },
	{ "an end twice", end_twice },
	{ "a piece behind the end of the text", pull_behind_the_end },
};

static void
test_who_breaks_the_rules_is_cut_off(void **state)
{
	struct end *smtpd = join_smtpd(0), *good = world_join(PROTO_KIND_RELAY, 0), *bad;
	struct record_recipient rcpt;
	struct heard *goods, *bads;
	uint64_t first, second;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
		char destination[64];
		(void)snprintf(destination, sizeof(destination), "out/%zu.example", i);
		first = store_one(smtpd, destination, 1);
		goods = hear(good, PROTO_JOB_TYPE, 0);
		bad = world_join(PROTO_KIND_RELAY, i + 1);
		(void)snprintf(destination, sizeof(destination), "out/other-%zu.example", i);
		second = store_one(smtpd, destination, 1);
		bads = hear(bad, PROTO_JOB_TYPE, 0);
		assert_true(bads->msg.job.message == second && bads->id == goods->id + 1);
		breaches[i].run(bad, bads->id);
		{
			double deadline = seconds_now() + WORLD_SECONDS;
			while (!bad->broke && seconds_now() < deadline)
				loop_turn();
		}
		if (!bad->broke)
			row_fail(breaches[i].row, "%s", "was not cut off");
		/* Nothing it could not know about was touched. */
		assert_true(is_stored(first, 0, &rcpt));
		assert_false(good->broke);
		answer(good, goods->id, 0, PROTO_RESULT_DELIVERED);
		end_job(good, goods->id, false);
		WAIT_FOR(!is_stored(first, 0, &rcpt));
		if (has_heard(good, PROTO_JOB_TYPE, 0)) /* the other's, handed out again */
			(void)do_job(good, PROTO_RESULT_DELIVERED, false);
		settle_down();
		if (has_heard(good, PROTO_JOB_TYPE, 0))
			(void)do_job(good, PROTO_RESULT_DELIVERED, false);
		settle_down();
	}
	expect_consistent();
}

/* --- texts that cannot be read --- */

enum { LONG_SIZE = 400000, BROKEN_AT = 200000 };

/* A message that is not kept in memory. Returns its id. */
static uint64_t
store_long(struct end *smtpd)
{
	struct msg_ticket ticket = ticket_for(smtpd->next_id, 0, "out/far.example");
	uint64_t id = smtpd->next_id++, at;
	char chunk[16000];

	memset(chunk, 'x', sizeof(chunk));
	send_begin(smtpd, id);
	send_ticket(smtpd, id, &ticket);
	ticket.number = 1;
	send_ticket(smtpd, id, &ticket);
	for (at = 0; at < LONG_SIZE; at += sizeof(chunk)) {
		SEND(smtpd->channel, BODY, body, id, .bytes = { chunk, sizeof(chunk) });
		settle_down();
	}
	send_commit(smtpd, id, LONG_SIZE);
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	return id;
}

struct damage {
	struct step step;
	uint64_t message;
	uint32_t piece;
	bool done;
};

/* A piece is gone. */
static void
run_damage(struct store_txn *txn, struct step *step)
{
	const struct damage *d = (const struct damage *)step;

	struct key k;

	key_numbered(&k, d->message, d->piece);
	(void)db_delete(txn, DB_BODY, key_str(&k));
}

static void
damage_done(struct step *step, enum store_failure failure)
{
	assert_int_equal(failure, STORE_OK);
	((struct damage *)step)->done = true;
}

static void
damage_text(uint64_t message, uint64_t at)
{
	struct damage d = { .step = { .kind = STEP_URGENT, .run = run_damage, .done = damage_done },
		.message = message,
		.piece = (uint32_t)(at / RECORD_PIECE_DATA) };

	committer_add(core.committer, &d.step);
	WAIT_FOR(d.done);
}

/* Pulls the text of a job whose head was heard until there is something else than a piece. */
static struct heard *
pull_to_the_end(struct end *relay, uint64_t job)
{
	uint64_t at = hear(relay, PROTO_JOB_BODY_TYPE, job)->msg.job_body.bytes.len;

	while (at < LONG_SIZE) {
		SEND(relay->channel, JOB_PULL, job_pull, job, .offset = at);
		WAIT_FOR(has_heard(relay, PROTO_JOB_BODY_TYPE, job) || has_heard(relay, PROTO_JOB_CANCEL_TYPE, job));
		if (has_heard(relay, PROTO_JOB_CANCEL_TYPE, job))
			break;
		at += hear(relay, PROTO_JOB_BODY_TYPE, job)->msg.job_body.bytes.len;
	}
	assert_true(at <= BROKEN_AT);
	return hear(relay, PROTO_JOB_CANCEL_TYPE, job);
}

static void
test_a_text_that_breaks_off_ends_the_job(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	uint64_t id = store_long(smtpd);
	struct heard *job = hear(relay, PROTO_JOB_TYPE, 0);
	struct record_recipient rcpt;

	(void)state;
	damage_text(id, BROKEN_AT);
	assert_true(pull_to_the_end(relay, job->id)->msg.job_cancel.text.len > 0);
	answer(relay, job->id, 0, PROTO_RESULT_FAILED); /* which it had said before */
	answer(relay, job->id, 1, PROTO_RESULT_DEFERRED);
	end_job(relay, job->id, false);
	WAIT_FOR(is_stored(id, 1, &rcpt) && rcpt.tries == 1);
	settle_down();
	assert_false(relay->broke);
	assert_false(is_stored(id, 0, &rcpt));
	assert_int_equal(core.running, 0);
	assert_false(destination_named("out/far.example")->down);
}

static void
test_a_text_that_cannot_be_read_at_all_is_put_off_here(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay;
	uint64_t id = store_long(smtpd);
	struct record_recipient rcpt;

	(void)state;
	damage_text(id, 0);
	relay = world_join(PROTO_KIND_RELAY, 0);
	WAIT_FOR(is_stored(id, 1, &rcpt) && rcpt.tries == 1);
	settle_down();
	assert_int_equal(rcpt.code, 451);
	assert_true(str_equal(rcpt.enhanced, S("4.3.0")));
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
}

/* The server may have gone while a piece was on its way. */
static void
test_a_job_may_end_while_its_text_is_read(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	uint64_t id = store_long(smtpd);
	struct heard *job = hear(relay, PROTO_JOB_TYPE, 0);
	struct record_recipient rcpt;

	(void)state;
	(void)hear(relay, PROTO_JOB_BODY_TYPE, job->id);
	SEND(relay->channel, JOB_PULL, job_pull, job->id, .offset = PROTO_CHUNK_MAX);
	answer(relay, job->id, 0, PROTO_RESULT_DEFERRED);
	answer(relay, job->id, 1, PROTO_RESULT_DEFERRED);
	end_job(relay, job->id, false);
	WAIT_FOR(is_stored(id, 1, &rcpt) && rcpt.tries == 1);
	settle_down();
	assert_false(relay->broke);
	expect_consistent();
}

/* --- workers that die --- */

static void
test_jobs_of_a_dead_worker_go_to_another(void **state)
{
	struct end *smtpd = join_smtpd(0), *first = world_join(PROTO_KIND_RELAY, 0), *second;
	uint64_t id = store_one(smtpd, "out/far.example", 2);
	struct heard *job = hear(first, PROTO_JOB_TYPE, 0);
	struct record_recipient rcpt;

	(void)state;
	answer(first, job->id, 0, PROTO_RESULT_DELIVERED); /* what it had said holds */
	WAIT_FOR(!has_heard(first, PROTO_DONE_TYPE, 0) && channel_flush(first->channel));
	settle_down();
	world_leave(first);
	second = world_join(PROTO_KIND_RELAY, 1);
	job = hear(second, PROTO_JOB_TYPE, 0);
	assert_int_equal(job->msg.job.rcpts, 1);
	assert_int_equal(hear(second, PROTO_JOB_RCPT_TYPE, job->id)->msg.job_rcpt.number, 1);
	assert_int_equal(core.counters.jobs_returned, 1);
	WAIT_FOR(!is_stored(id, 0, &rcpt));
	assert_true(is_stored(id, 1, &rcpt));
	answer(second, job->id, 1, PROTO_RESULT_DELIVERED);
	end_job(second, job->id, false);
	WAIT_FOR(messages_stored() == 0);
	settle_down();
	expect_consistent();
}

static void
test_a_job_that_kills_its_workers_is_held(void **state)
{
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0), *relay;
	uint64_t id = store_one(smtpd, "out/far.example", 1);
	const struct msg_queue_entry *entry;
	uint64_t i;

	(void)state;
	for (i = 0; i < QUEUE_RETURNS_MAX; i++) {
		relay = world_join(PROTO_KIND_RELAY, i);
		(void)hear(relay, PROTO_JOB_TYPE, 0);
		world_leave(relay);
	}
	settle_down();
	relay = world_join(PROTO_KIND_RELAY, 9);
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	/* Another message to the same destination is none the worse for it. */
	assert_true(store_one(smtpd, "out/far.example", 1) == do_job(relay, PROTO_RESULT_DELIVERED, false));
	SEND(control->channel, QUEUE_LIST, queue_list, 1, .owner = PROTO_OWNER_ANY, .message = id, .limit = 1);
	entry = &hear(control, PROTO_QUEUE_ENTRY_TYPE, 1)->msg.queue_entry;
	assert_int_equal(entry->state, PROTO_ENTRY_HELD);
	assert_true(entry->why.len > 0);
	SEND(control->channel, QUEUE_CHANGE, queue_change, 2, .change = PROTO_CHANGE_SCHEDULE, .owner = PROTO_OWNER_ANY,
	    .message = id);
	assert_int_equal(hear(control, PROTO_ANSWER_END_TYPE, 2)->msg.answer_end.count, 1);
	assert_true(do_job(relay, PROTO_RESULT_DELIVERED, false) == id);
	WAIT_FOR(messages_stored() == 0);
	settle_down();
	assert_int_equal(deliveries_loaded(), 0);
	expect_consistent();
}

static struct end *
holder_of(struct end *relays[2], uint64_t message)
{
	size_t i, j;

	for (i = 0; i < 2; i++)
		for (j = 0; j < relays[i]->heard_count; j++)
			if (relays[i]->heard[j].type == PROTO_JOB_TYPE &&
			    relays[i]->heard[j].msg.job.message == message)
				return relays[i];
	return NULL;
}

/* A worker dies as soon as it has the message, and before it did anything else. */
static void
test_who_was_there_when_a_worker_died_is_not_held(void **state)
{
	enum { MANY = 60, POISON = 47 };
	struct end *smtpd = join_smtpd(0), *relays[2], *victim;
	uint64_t poison = 0, id, instance = 2;
	unsigned i, deaths = 0, done = 0;
	char destination[64];

	(void)state;
	for (i = 0; i < MANY; i++) {
		(void)snprintf(destination, sizeof(destination), "out/%u.example", i);
		id = store_one(smtpd, destination, 1);
		poison = i == POISON ? id : poison;
	}
	relays[0] = world_join(PROTO_KIND_RELAY, 0);
	relays[1] = world_join(PROTO_KIND_RELAY, 1);
	for (done = 0; done < MANY - 1;) {
		settle_down();
		while ((victim = holder_of(relays, poison)) != NULL) {
			world_leave(victim);
			deaths++;
			relays[victim == relays[1]] = world_join(PROTO_KIND_RELAY, instance++);
			settle_down();
		}
		for (i = 0; i < 2; i++) {
			if (!has_heard(relays[i], PROTO_JOB_TYPE, 0))
				continue;
			assert_true(do_job(relays[i], PROTO_RESULT_DELIVERED, false) != poison);
			done++;
		}
		assert_true(deaths <= QUEUE_RETURNS_MAX);
	}
	settle_down();
	assert_int_equal(deaths, QUEUE_RETURNS_MAX);
	assert_int_equal(core.counters.delivered, MANY - 1);
	assert_int_equal(core.counters.deferred, 0);
	assert_int_equal(messages_stored(), 1);
	assert_int_equal(deliveries_loaded(), 1);
	/* What comes now goes out as ever. */
	for (i = 0; i < 20; i++) {
		(void)snprintf(destination, sizeof(destination), "out/%u.example", 40 + i);
		(void)store_one(smtpd, destination, 1);
	}
	settle_down();
	assert_int_equal(core.running, 20);
	expect_consistent();
}

static void
test_a_restart_hands_out_what_was_running(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	uint64_t id = store_one(smtpd, "out/far.example", 1);

	(void)state;
	(void)hear(relay, PROTO_JOB_TYPE, 0);
	world_stop();
	world_start();
	relay = world_join(PROTO_KIND_RELAY, 0);
	assert_true(do_job(relay, PROTO_RESULT_DELIVERED, false) == id);
	assert_int_equal(core.counters.cold, 1);
	WAIT_FOR(messages_stored() == 0);
	settle_down();
	expect_consistent();
}

/* --- destinations --- */

static void
test_a_destination_has_a_window_that_grows(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	unsigned i;

	(void)state;
	for (i = 0; i < 60; i++)
		(void)store_one(smtpd, "out/far.example", 1);
	settle_down();
	assert_int_equal(core.running, QUEUE_CONCURRENCY_START);
	for (i = 0; i < 5; i++)
		(void)do_job(relay, PROTO_RESULT_DELIVERED, false);
	settle_down();
	assert_int_equal(core.running, QUEUE_CONCURRENCY_START + 5);
	for (i = 0; i < 30; i++)
		(void)do_job(relay, PROTO_RESULT_DELIVERED, false);
	settle_down();
	assert_int_equal(core.running, QUEUE_CONCURRENCY_MAX);
}

static void
test_a_dead_destination_costs_one_record(void **state)
{
	enum { MANY = 3000 };
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	struct record_recipient rcpt;
	uint64_t first = smtpd->next_id, last = 0;
	unsigned i;

	(void)state;
	(void)store_one(smtpd, "out/dead.example", 1);
	assert_true(do_job(relay, PROTO_RESULT_DEFERRED, true) == first);
	WAIT_FOR(is_stored(first, 0, &rcpt) && rcpt.tries == 1);
	for (i = 0; i < MANY; i++)
		last = send_message(smtpd, "out/dead.example", 1);
	(void)hear(smtpd, PROTO_DONE_TYPE, last);
	assert_int_equal(deliveries_loaded(), 0);
	assert_int_equal(body_kept_bytes(), 0);
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	assert_true(is_stored(last, 0, &rcpt) && rcpt.tries == 0);
	/* Another destination is served at once. */
	last = store_one(smtpd, "out/well.example", 1);
	assert_true(do_job(relay, PROTO_RESULT_DELIVERED, false) == last);
	expect_consistent();
}

static void
test_being_down_outlives_a_restart_and_a_probe_ends_it(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	struct destination *d;
	unsigned i;

	(void)state;
	for (i = 0; i < 100; i++)
		(void)store_one(smtpd, "out/dead.example", 1);
	for (i = 0; i < QUEUE_CONCURRENCY_START; i++)
		(void)do_job(relay, PROTO_RESULT_DEFERRED, true);
	settle_down();
	assert_int_equal(destination_named("out/dead.example")->failures, 1);
	world_stop();
	world_start();
	relay = world_join(PROTO_KIND_RELAY, 0);
	settle_down();
	d = destination_named("out/dead.example");
	assert_true(d->down);
	assert_int_equal(d->failures, 1);
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	d->until_us = 1; /* its time comes */
	destination_settle(d);
	(void)hear(relay, PROTO_JOB_TYPE, 0)->msg;
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0)); /* one probe, not more */
	relay->heard[0].taken = false;
	for (i = 0; i < 100 - QUEUE_CONCURRENCY_START; i++)
		(void)do_job(relay, PROTO_RESULT_DELIVERED, false);
	settle_down();
	assert_false(d->down);
	assert_int_equal(messages_stored(), QUEUE_CONCURRENCY_START); /* those that were tried wait for their time */
	expect_consistent();
}

static void
test_more_than_fits_in_the_list_is_read_from_disk(void **state)
{
	enum { MANY = 3 * QUEUE_READY_MAX };
	struct end *smtpd = join_smtpd(0), *relay;
	uint64_t last = 0, i;

	(void)state;
	for (i = 0; i < MANY; i++)
		last = send_message(smtpd, "out/far.example", 1);
	(void)hear(smtpd, PROTO_DONE_TYPE, last);
	assert_int_equal(deliveries_loaded(), QUEUE_READY_MAX);
	relay = world_join(PROTO_KIND_RELAY, 0);
	for (i = 0; i < MANY; i++)
		(void)do_job(relay, PROTO_RESULT_DELIVERED, false);
	WAIT_FOR(messages_stored() == 0);
	settle_down();
	assert_int_equal(core.counters.delivered, MANY); /* each once */
	assert_int_equal(core.counters.hot, QUEUE_READY_MAX);
	expect_consistent();
}

static void
test_retries_come_at_their_time(void **state)
{
	struct end *smtpd, *relay;
	uint64_t id, i;

	(void)state;
	core.rules = (struct schedule_rules){ 20000, 20000 };
	smtpd = join_smtpd(0);
	relay = world_join(PROTO_KIND_RELAY, 0);
	id = store_one(smtpd, "out/far.example", 3);
	for (i = 0; i < 5; i++)
		assert_true(do_job(relay, PROTO_RESULT_DEFERRED, i % 2 == 1) == id);
	assert_true(do_job(relay, PROTO_RESULT_DELIVERED, false) == id);
	WAIT_FOR(messages_stored() == 0);
	settle_down();
	expect_consistent();
}

static void
test_paused_mail_waits(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);

	(void)state;
	service.pause(&(const struct msg_pause){ .mta = true });
	(void)store_one(smtpd, "out/far.example", 1);
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	service.pause(&(const struct msg_pause){ .mta = false });
	(void)do_job(relay, PROTO_RESULT_DELIVERED, false);
}

static void
test_mail_of_an_action_that_is_gone_is_held(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);

	(void)state;
	(void)store_one(smtpd, "gone/far.example", 1);
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	assert_true(destination_named("gone/far.example")->held);
	assert_int_equal(messages_stored(), 1);
}

static void
test_jobs_are_shared_between_workers(void **state)
{
	struct end *smtpd = join_smtpd(0), *a = world_join(PROTO_KIND_RELAY, 0), *b = world_join(PROTO_KIND_RELAY, 1);
	char destination[64];
	unsigned i, j, of_a = 0;

	(void)state;
	for (i = 0; i < 40; i++) {
		(void)snprintf(destination, sizeof(destination), "out/%u.example", i);
		(void)store_one(smtpd, destination, 1);
	}
	settle_down();
	for (j = 0; j < a->heard_count; j++)
		of_a += a->heard[j].type == PROTO_JOB_TYPE;
	assert_true(of_a >= 15 && of_a <= 25);
	(void)b;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_message_goes_out_hot_and_is_gone),
		TEST(test_a_large_message_is_pulled),
		TEST(test_recipients_go_together_up_to_the_limit),
		TEST(test_deferred_and_failed_and_delivered_part_ways),
		TEST(test_a_notification_gets_its_route_and_goes_out),
		TEST(test_a_notification_that_router_refuses_is_dropped),
		TEST(test_who_breaks_the_rules_is_cut_off),
		TEST(test_a_text_that_breaks_off_ends_the_job),
		TEST(test_a_text_that_cannot_be_read_at_all_is_put_off_here),
		TEST(test_a_job_may_end_while_its_text_is_read),
		TEST(test_jobs_of_a_dead_worker_go_to_another),
		TEST(test_a_job_that_kills_its_workers_is_held),
		TEST(test_who_was_there_when_a_worker_died_is_not_held),
		TEST(test_a_restart_hands_out_what_was_running),
		TEST(test_a_destination_has_a_window_that_grows),
		TEST(test_a_dead_destination_costs_one_record),
		TEST(test_being_down_outlives_a_restart_and_a_probe_ends_it),
		TEST(test_more_than_fits_in_the_list_is_read_from_disk),
		TEST(test_retries_come_at_their_time),
		TEST(test_paused_mail_waits),
		TEST(test_mail_of_an_action_that_is_gone_is_held),
		TEST(test_jobs_are_shared_between_workers),
	};

	world_once();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
