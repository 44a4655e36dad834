/* SPDX-License-Identifier: ISC */
/*
 * Promise: a sender hears of each recipient exactly what was asked for (RFC 3461 section 4.1): of failure and delay
 * unless declined, of success where wished, once, in one report for all that ended together; and nobody hears of a report.
 */
#include "tests/unit/unit.h"

#include "queue/expiry.h"
#include "queue/limits.h"
#include "queue/report.h"
#include "tests/unit/queue/world.h"

enum { FULL_BYTES = 100000 };

/* A message with one recipient for each of notify. */
static uint64_t
send_asking(struct end *smtpd, const char *destination, const unsigned *notify, size_t count, unsigned ret, size_t size)
{
	static const struct str header = STR("Subject: x\r\n\r\n");
	static char line[FULL_BYTES];
	uint64_t id = smtpd->next_id++;
	struct buf sealed;
	size_t i, sent = 0;

	SEND(smtpd->channel, BEGIN, begin, id, .session = 1, .reverse_path = S("ann@near.example"), .ret = ret,
	    .envid = S("QQ314159"), .body = PROTO_BODY_8BITMIME);
	for (i = 0; i < count; i++) {
		struct msg_ticket ticket = ticket_for(id, i, destination);
		buf_init(&sealed, PROTO_TICKET_MAX);
		assert_true(seal_make(core.tickets, PROTO_TICKET_TYPE, &ticket, &sealed));
		SEND(smtpd->channel, RCPT, rcpt, id, .ticket = buf_str(&sealed), .notify = notify[i],
		    .orcpt = S("rfc822;joe+2Blist@far.example"));
		buf_clear(&sealed);
	}
	SEND(smtpd->channel, BODY, body, id, .bytes = header);
	for (i = 0; i < sizeof(line); i++)
		line[i] = i % 100 == 98 ? '\r'
		    : i % 100 == 99     ? '\n'
					: 'z'; /* others than such lines do not come back */
	for (; sent < size; sent += sizeof(line) / 4)
		SEND(smtpd->channel, BODY, body, id, .bytes = { line + sizeof(line) / 4 * 3, sizeof(line) / 4 });
	send_commit(smtpd, id, header.len + sent);
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	return id;
}

static struct str
text_of_report(uint64_t id, struct buf *out)
{
	struct store_txn *txn = look();
	struct record_message record;
	struct error err;
	struct str piece;
	uint32_t i;

	buf_init(out, QUEUE_DSN_BYTES);
	assert_int_equal(store_get_message(txn, id, &record, &err), STORE_FOUND);
	for (i = 0; (uint64_t)i * RECORD_PIECE_DATA < record.size; i++) {
		assert_int_equal(store_get_piece(txn, id, i, &piece, &err), STORE_FOUND);
		assert_true(buf_append_str(out, piece));
	}
	store_read_end(txn);
	return buf_str(out);
}

/* The one report that is stored, 0 where there is none. */
static uint64_t
report_stored_now(void)
{
	struct store_txn *txn = look();
	struct record_message record;
	struct error err;
	uint64_t id = 0, found = 0;

	while (store_next_message(txn, id, &id, &record, &err) == STORE_FOUND) {
		if (!str_equal(record.origin, S("dsn")))
			continue;
		assert_int_equal(found, 0);
		found = id;
	}
	store_read_end(txn);
	return found;
}

static unsigned
count_in(struct str text, const char *needle)
{
	unsigned n = 0;
	const char *at = text.ptr, *end = text.ptr + text.len;

	while ((at = memmem(at, (size_t)(end - at), needle, strlen(needle))) != NULL) {
		n++;
		at++;
	}
	return n;
}

enum { N = PROTO_NOTIFY_NEVER, S_ = PROTO_NOTIFY_SUCCESS, F_ = PROTO_NOTIFY_FAILURE, D_ = PROTO_NOTIFY_DELAY };

static const struct {
	const char *row;
	unsigned notify;
	enum proto_result result;
	bool passed;
	const char *action; /* NULL: nobody is told */
} rows[] = {
	{ "failed, nothing asked", 0, PROTO_RESULT_FAILED, false, "Action: failed" },
	{ "failed, asked for failure", F_, PROTO_RESULT_FAILED, false, "Action: failed" },
	{ "failed, asked for success and failure", S_ | F_, PROTO_RESULT_FAILED, false, "Action: failed" },
	{ "failed, asked for success alone", S_, PROTO_RESULT_FAILED, false, NULL },
	{ "failed, asked for delay alone", D_, PROTO_RESULT_FAILED, false, NULL },
	{ "failed, never", N, PROTO_RESULT_FAILED, false, NULL },
	{ "relayed, nothing asked", 0, PROTO_RESULT_DELIVERED, false, NULL },
	{ "relayed, asked for success", S_, PROTO_RESULT_DELIVERED, false, "Action: relayed" },
	{ "relayed, asked for success, the next server tells", S_, PROTO_RESULT_DELIVERED, true, NULL },
	{ "relayed, asked for failure", F_ | D_, PROTO_RESULT_DELIVERED, false, NULL },
	{ "relayed, never", N, PROTO_RESULT_DELIVERED, false, NULL },
	{ "put off", S_ | F_ | D_, PROTO_RESULT_DEFERRED, false, NULL },
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void
answer(struct end *relay, uint64_t job, uint64_t number, size_t row)
{
	SEND(relay->channel, JOB_RESULT, job_result, job, .number = number, .result = rows[row].result,
	    .code = rows[row].result == PROTO_RESULT_DELIVERED ? 250
		: rows[row].result == PROTO_RESULT_FAILED      ? 550
							       : 451,
	    .text = S("so it went"), .hop = S("mx.far.example"), .passed = rows[row].passed);
}

static void
test_each_hears_what_was_asked_for(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	size_t i;

	(void)state;
	for (i = 0; i < ROWS; i++) {
		uint64_t before = core.counters.notifications;
		struct heard *job;
		struct buf text;
		uint64_t id = send_asking(smtpd, "out/far.example", &rows[i].notify, 1, 0, 0), report;
		struct record_recipient rcpt;
		job = hear(relay, PROTO_JOB_TYPE, 0);
		assert_true(str_equal(job->msg.job.envid, S("QQ314159")));
		answer(relay, job->id, 0, i);
		SEND(relay->channel, JOB_END, job_end, job->id);
		if (rows[i].result == PROTO_RESULT_DEFERRED)
			WAIT_FOR(is_stored(id, 0, &rcpt) && rcpt.tries == 1);
		else
			WAIT_FOR(!is_stored(id, 0, &rcpt));
		settle_down();
		if (core.counters.notifications - before != (rows[i].action != NULL))
			row_fail(
			    rows[i].row, "%llu reports", (unsigned long long)(core.counters.notifications - before));
		if (rows[i].action == NULL)
			continue;
		report = report_stored_now();
		if (count_in(text_of_report(report, &text), rows[i].action) != 1)
			row_fail(rows[i].row, "its report has no %s:\n%.*s", rows[i].action, STR_ARG(buf_str(&text)));
		buf_clear(&text);
		/* So that the next row finds its own alone. */
		SEND(world_join(PROTO_KIND_CONTROL, i)->channel, QUEUE_CHANGE, queue_change, 1,
		    .change = PROTO_CHANGE_REMOVE, .owner = PROTO_OWNER_ANY, .message = report);
		WAIT_FOR(report_stored_now() == 0);
	}
	expect_consistent();
}

static void
test_what_ends_together_is_one_report(void **state)
{
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	unsigned notify[ROWS];
	struct record_recipient rcpt;
	struct heard *job;
	struct buf text;
	size_t i;
	uint64_t id;

	(void)state;
	for (i = 0; i < ROWS; i++)
		notify[i] = rows[i].notify;
	id = send_asking(smtpd, "out/far.example", notify, ROWS, 0, 0);
	job = hear(relay, PROTO_JOB_TYPE, 0);
	for (i = 0; i < ROWS; i++)
		answer(relay, job->id, i, i);
	SEND(relay->channel, JOB_END, job_end, job->id);
	WAIT_FOR(!is_stored(id, 0, &rcpt));
	settle_down();
	assert_int_equal(core.counters.notifications, 1);
	(void)text_of_report(report_stored_now(), &text);
	assert_int_equal(count_in(buf_str(&text), "Action: failed"), 3);
	assert_int_equal(count_in(buf_str(&text), "Action: relayed"), 1);
	buf_clear(&text);
	expect_consistent();
}

static void
test_ret_says_how_much_comes_back(void **state)
{
	static const struct {
		const char *row;
		unsigned ret;
		size_t size;
		bool whole;
	} sizes[] = {
		{ "nothing asked", PROTO_RET_NONE, FULL_BYTES / 4, false },
		{ "the header", PROTO_RET_HDRS, FULL_BYTES / 4, false },
		{ "all of it", PROTO_RET_FULL, FULL_BYTES / 4, true },
		{ "all of what is too large", PROTO_RET_FULL, QUEUE_DSN_ORIGINAL_BYTES, false },
	};
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	static const unsigned notify = 0;
	struct record_recipient rcpt;
	struct buf text;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t id = send_asking(smtpd, "out/far.example", &notify, 1, sizes[i].ret, sizes[i].size), report;
		struct heard *job = hear(relay, PROTO_JOB_TYPE, 0);
		assert_int_equal(job->msg.job.ret, sizes[i].ret);
		answer(relay, job->id, 0, 0);
		SEND(relay->channel, JOB_END, job_end, job->id);
		WAIT_FOR(!is_stored(id, 0, &rcpt));
		settle_down();
		report = report_stored_now();
		(void)text_of_report(report, &text);
		if ((count_in(buf_str(&text), "zzzzzzzzzzzzzzzz") > 0) != sizes[i].whole)
			row_fail(sizes[i].row, "the body is%s returned", sizes[i].whole ? " not" : "");
		buf_clear(&text);
		SEND(world_join(PROTO_KIND_CONTROL, i)->channel, QUEUE_CHANGE, queue_change, 1,
		    .change = PROTO_CHANGE_REMOVE, .owner = PROTO_OWNER_ANY, .message = report);
		WAIT_FOR(report_stored_now() == 0);
	}
	expect_consistent();
}

/* --- delay --- */

static uint64_t
warned(uint64_t id)
{
	struct store_txn *txn = look();
	struct record_message record;
	struct error err;

	assert_int_equal(store_get_message(txn, id, &record, &err), STORE_FOUND);
	store_read_end(txn);
	return record.warned;
}

static void
test_who_waits_long_is_told_once_an_interval(void **state)
{
	static const unsigned notify[] = { 0, D_, N, F_, S_ | D_ };
	struct end *smtpd = join_smtpd(0);
	struct buf text;
	uint64_t id, first;

	(void)state;
	world.config.bounce_warn_s[0] = 1;
	world.config.bounce_warn_s[1] = 2;
	world.config.bounce_warn_count = 2;
	id = send_asking(smtpd, "out/far.example", notify, 5, 0, 0); /* nobody is there to take it */
	settle_down();
	assert_int_equal(core.counters.notifications, 0);
	WAIT_FOR(core.counters.notifications == 1); /* by itself, in its second */
	assert_int_equal(warned(id), 1);
	first = report_stored_now();
	(void)text_of_report(first, &text);
	assert_int_equal(count_in(buf_str(&text), "Action: delayed"), 3);
	buf_clear(&text);
	WAIT_FOR(core.counters.notifications == 2);
	assert_int_equal(warned(id), 2);
	expiry_walk();
	settle_down();
	assert_int_equal(core.counters.notifications, 2);
	/* Reports wait as well, and nobody is told of them. */
	assert_int_equal(warned(first), 0);
	expect_consistent();
}

static void
test_one_notice_for_the_intervals_of_a_long_stop(void **state)
{
	static const unsigned notify = 0;
	struct end *smtpd = join_smtpd(0);
	int64_t until;
	uint64_t id;

	(void)state;
	world.config.bounce_warn_s[0] = 1;
	world.config.bounce_warn_s[1] = 2;
	world.config.bounce_warn_count = 2;
	id = send_asking(smtpd, "out/far.example", &notify, 1, 0, 0);
	world_stop();
	until = loop_wall_ms() + 2100;
	while (loop_wall_ms() <= until)
		loop_turn();
	world_start();
	expiry_walk();
	WAIT_FOR(core.counters.notifications == 1);
	assert_int_equal(warned(id), 2);
	expiry_walk();
	settle_down();
	assert_int_equal(core.counters.notifications, 1);
	expect_consistent();
}

/* --- to postmaster --- */

static bool
has_report_to_postmaster(void)
{
	struct store_txn *txn = look();
	struct record_message record;
	struct error err;
	uint64_t id = 0;
	bool found = false;

	while (store_next_message(txn, id, &id, &record, &err) == STORE_FOUND)
		found = found || str_equal(record.origin, S(REPORT_ORIGIN_LAST));
	store_read_end(txn);
	return found;
}

/* Router refuses what it was asked about last. */
static void
refuse_route(struct end *router)
{
	struct heard *ask = hear(router, PROTO_RCPT_CHECK_TYPE, 0);

	SEND(router->channel, RCPT_VERDICT, rcpt_verdict, 0, .transaction = ask->msg.rcpt_check.transaction,
	    .number = ask->msg.rcpt_check.number, .code = 550, .enhanced = S("5.1.1"), .text = S("No such user"));
}

static void
test_a_report_that_nobody_takes_ends_at_postmaster(void **state)
{
	static const unsigned notify = 0;
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0), *router;
	struct heard *job;
	unsigned asked;

	(void)state;
	for (asked = 0; asked < 2; asked++) {
		uint64_t before = core.counters.notifications;
		world.config.bounce_postmaster = asked != 0;
		(void)send_asking(smtpd, "out/far.example", &notify, 1, 0, 0);
		job = hear(relay, PROTO_JOB_TYPE, 0);
		answer(relay, job->id, 0, 0);
		SEND(relay->channel, JOB_END, job_end, job->id);
		WAIT_FOR(core.counters.notifications == before + 1);
		router = world_join(PROTO_KIND_ROUTER, asked);
		refuse_route(router);
		settle_down();
		WAIT_FOR(has_report_to_postmaster() == (asked != 0));
		world_leave(router);
	}
	/* And there it ends, whatever becomes of it. */
	router = world_join(PROTO_KIND_ROUTER, asked);
	refuse_route(router);
	WAIT_FOR(messages_stored() == 0);
	settle_down();
	assert_int_equal(core.counters.notifications, 3);
	expect_consistent();
}

static void
test_what_is_our_own_fault_is_told_to_postmaster_too(void **state)
{
	static const unsigned notify = 0;
	struct end *smtpd = join_smtpd(0), *relay = world_join(PROTO_KIND_RELAY, 0);
	struct heard *job;

	(void)state;
	world.config.bounce_postmaster = true;
	(void)send_asking(smtpd, "out/far.example", &notify, 1, 0, 0);
	job = hear(relay, PROTO_JOB_TYPE, 0);
	SEND(relay->channel, JOB_RESULT, job_result, job->id, .result = PROTO_RESULT_FAILED, .code = 550,
	    .cause = PROTO_CAUSE_HERE, .text = S("something is wrong here"));
	SEND(relay->channel, JOB_END, job_end, job->id);
	WAIT_FOR(core.counters.notifications == 2);
	assert_true(has_report_to_postmaster());
	assert_int_not_equal(report_stored_now(), 0);
	expect_consistent();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_hears_what_was_asked_for),
		TEST(test_what_ends_together_is_one_report),
		TEST(test_ret_says_how_much_comes_back),
		TEST(test_who_waits_long_is_told_once_an_interval),
		TEST(test_one_notice_for_the_intervals_of_a_long_stop),
		TEST(test_a_report_that_nobody_takes_ends_at_postmaster),
		TEST(test_what_is_our_own_fault_is_told_to_postmaster_too),
	};

	world_once();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
