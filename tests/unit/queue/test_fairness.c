/* SPDX-License-Identifier: ISC */
/*
 * Promised: whoever sends a single message to a destination waits for one round of those before it, however long the list is
 * that waits there; senders have their turns in rounds; a rate, and a limit of connections, of the configuration hold.
 */
#include "tests/unit/unit.h"

#include "queue/limits.h"
#include "queue/load.h"
#include "tests/unit/queue/world.h"

enum { LIST_MESSAGES = 6, LIST_RCPTS = 1000, LIST_JOBS = LIST_MESSAGES * LIST_RCPTS / QUEUE_JOB_RCPTS_MAX };

static uint64_t
send_from(struct end *smtpd, const char *sender, unsigned rcpts)
{
	static const struct str body = STR("Subject: x\r\n\r\nhello\r\n");
	uint64_t id = smtpd->next_id++;
	unsigned i;

	SEND(smtpd->channel, BEGIN, begin, id, .session = 1, .reverse_path = str_of(sender));
	for (i = 0; i < rcpts; i++) {
		struct msg_ticket ticket = ticket_for(id, i, "out/a.example");
		ticket.reverse_path = str_of(sender);
		send_ticket(smtpd, id, &ticket);
	}
	SEND(smtpd->channel, BODY, body, id, .bytes = body);
	send_commit(smtpd, id, body.len);
	return id;
}

static unsigned rcpts; /* that were delivered */

/* The message of the next job, all recipients of which are delivered. */
static uint64_t
deliver_next(struct end *relay)
{
	struct heard *job = hear(relay, PROTO_JOB_TYPE, 0), *rcpt;
	uint64_t i;

	for (i = 0; i < job->msg.job.rcpts; i++) {
		rcpt = hear(relay, PROTO_JOB_RCPT_TYPE, job->id);
		rcpts++;
		SEND(relay->channel, JOB_RESULT, job_result, job->id, .number = rcpt->msg.job_rcpt.number,
		    .result = PROTO_RESULT_DELIVERED, .code = 250);
	}
	SEND(relay->channel, JOB_END, job_end, job->id);
	return job->msg.job.message;
}

/* How many jobs go before that message's. */
static unsigned
jobs_before(struct end *relay, uint64_t message)
{
	unsigned n = 0;

	while (deliver_next(relay) != message)
		n++;
	return n;
}

static void
send_list(struct end *smtpd)
{
	uint64_t last = 0;
	unsigned i;

	for (i = 0; i < LIST_MESSAGES; i++)
		last = send_from(smtpd, "list@near.example", LIST_RCPTS);
	(void)hear(smtpd, PROTO_DONE_TYPE, last);
}

static void
test_a_single_message_waits_for_one_round_of_a_list_in_memory(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay;
	uint64_t single;

	(void)state;
	send_list(smtpd);
	relay = world_join(PROTO_KIND_RELAY, 0);
	(void)deliver_next(relay);
	single = send_from(smtpd, "joe@near.example", 1);
	(void)hear(smtpd, PROTO_DONE_TYPE, single);
	assert_true(jobs_before(relay, single) <= 2 * (QUEUE_CONCURRENCY_START + 1));
}

static void
test_a_single_message_waits_for_one_round_of_a_list_on_disk(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay;
	uint64_t single, list;

	(void)state;
	send_list(smtpd);
	world_stop();
	world_start();
	WAIT_FOR(load_is_complete());
	relay = world_join(PROTO_KIND_RELAY, 0);
	smtpd = join_smtpd(0);
	rcpts = 0;
	(void)deliver_next(relay);
	single = send_from(smtpd, "joe@near.example", 1);
	(void)hear(smtpd, PROTO_DONE_TYPE, single);
	assert_true(jobs_before(relay, single) <= 2 * (QUEUE_CONCURRENCY_START + 1));
	/* Nothing is delivered twice, or not at all. */
	list = send_from(smtpd, "list@near.example", 1);
	(void)hear(smtpd, PROTO_DONE_TYPE, list);
	while (rcpts < LIST_MESSAGES * LIST_RCPTS + 2)
		(void)deliver_next(relay);
	WAIT_FOR(messages_stored() == 0);
	expect_consistent();
}

static void
test_senders_take_turns(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay;
	uint64_t a[6], b[3], c, want[10];
	unsigned i;

	(void)state;
	service.pause(&(const struct msg_pause){ .mta = true });
	for (i = 0; i < 6; i++)
		a[i] = send_from(smtpd, "a@near.example", 1);
	for (i = 0; i < 3; i++)
		b[i] = send_from(smtpd, "b@near.example", 1);
	c = send_from(smtpd, "c@near.example", 1);
	(void)hear(smtpd, PROTO_DONE_TYPE, c);
	memcpy(want, (uint64_t[]){ a[0], b[0], c, a[1], b[1], a[2], b[2], a[3], a[4], a[5] }, sizeof(want));
	relay = world_join(PROTO_KIND_RELAY, 0);
	service.pause(&(const struct msg_pause){ 0 });
	for (i = 0; i < 10; i++)
		assert_int_equal(deliver_next(relay), want[i]);
}

static struct config_limit limits[2];

static void
limit(unsigned i, const char *key, int64_t value)
{
	limits[i] = (struct config_limit){ .of = "mta", .domain = "a.example", .key = key, .value = value };
	if (i == 0)
		STAILQ_INIT(&world.config.limits);
	STAILQ_INSERT_TAIL(&world.config.limits, &limits[i], next);
}

static void
test_a_rate_holds(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	struct destination *d;
	double began;
	unsigned i;

	(void)state;
	limit(0, "messages-per-second", 2);
	for (i = 0; i < 4; i++)
		(void)send_from(smtpd, "a@near.example", 1);
	began = seconds_now();
	(void)deliver_next(relay);
	(void)deliver_next(relay);
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	d = destination_named("out/a.example");
	assert_int_equal(d->place, PLACE_TIMED);
	(void)deliver_next(relay);
	(void)deliver_next(relay);
	assert_true(seconds_now() - began > 0.9);
}

static void
test_a_limit_of_connections_holds(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	unsigned i;

	(void)state;
	limit(0, "max-conn-per-host", 2);
	limit(1, "max-conn-per-domain", 3);
	for (i = 0; i < 4; i++)
		(void)send_from(smtpd, "a@near.example", 1);
	(void)hear(relay, PROTO_JOB_TYPE, 0);
	(void)hear(relay, PROTO_JOB_TYPE, 0);
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_a_single_message_waits_for_one_round_of_a_list_in_memory, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_single_message_waits_for_one_round_of_a_list_on_disk, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_senders_take_turns, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_a_rate_holds, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_a_limit_of_connections_holds, world_setup, world_teardown),
	};

	world_once();
	return cmocka_run_group_tests_name("fairness", tests, NULL, NULL);
}
