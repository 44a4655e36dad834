/* SPDX-License-Identifier: ISC */
/*
 * Promised: the list of destinations says what is on disk and in memory, in pages and however much mail comes in; ages are
 * counted whole, in parts; and a destination that is suspended is left alone, over a restart, until it is resumed or its
 * time has come, while others are served.
 */
#include "tests/unit/unit.h"

#include "queue/limits.h"
#include "queue/load.h"
#include "tests/unit/queue/world.h"

static uint64_t last_id;

static const struct msg_answer_end *
ended(struct end *control)
{
	return &hear(control, PROTO_ANSWER_END_TYPE, last_id)->msg.answer_end;
}

static const struct msg_answer_end *
order(struct end *control, const char *name, bool suspended, uint64_t for_s)
{
	SEND(control->channel, DESTINATION_SUSPEND, destination_suspend, ++last_id, .name = str_of(name),
	    .suspended = suspended, .for_s = for_s);
	return ended(control);
}

static const struct msg_destination_entry *
entry_of(struct end *control, const char *name)
{
	const struct msg_destination_entry *entry = NULL;
	struct heard *h;

	SEND(control->channel, DESTINATION_LIST, destination_list, ++last_id, .limit = 256);
	(void)ended(control);
	while ((h = find_heard(control, PROTO_DESTINATION_ENTRY_TYPE, last_id)) != NULL) {
		h->taken = true;
		if (str_equal(h->msg.destination_entry.name, str_of(name)))
			entry = &h->msg.destination_entry;
	}
	return entry;
}

static void
expect_state(struct end *control, const char *name, enum proto_destination_state state, enum proto_cause cause)
{
	const struct msg_destination_entry *entry = entry_of(control, name);

	if (entry == NULL)
		row_fail(name, "%s", "is not in the list");
	else if (entry->state != state || entry->cause != cause)
		row_fail(name, "state %u, cause %u", (unsigned)entry->state, (unsigned)entry->cause);
}

static uint64_t
store(struct end *smtpd, const char *destination, unsigned rcpts)
{
	uint64_t id = send_message(smtpd, destination, rcpts);

	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	return id;
}

static void
result(struct end *relay, const struct heard *job, enum proto_result what, bool host_down)
{
	SEND(relay->channel, JOB_RESULT, job_result, job->id, .number = 0, .result = what, .code = 451,
	    .cause = PROTO_CAUSE_CONNECTION, .text = S("gone"));
	SEND(relay->channel, JOB_END, job_end, job->id, .host_down = host_down);
}

static void
test_the_list_says_where_each_stands(void **state)
{
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0), *relay;
	const struct msg_destination_entry *entry;

	(void)state;
	(void)store(smtpd, "out/a.example", 3);
	(void)store(smtpd, "gone/b.example", 1);
	expect_state(control, "out/a.example", PROTO_DESTINATION_ACTIVE, PROTO_CAUSE_NONE);
	expect_state(control, "gone/b.example", PROTO_DESTINATION_HELD, PROTO_CAUSE_PAUSE);
	entry = entry_of(control, "out/a.example");
	assert_int_equal(entry->waiting, 3);
	assert_int_equal(entry->window, QUEUE_CONCURRENCY_START);
	service.pause(&(const struct msg_pause){ .mta = true });
	expect_state(control, "out/a.example", PROTO_DESTINATION_PAUSED, PROTO_CAUSE_PAUSE);
	service.pause(&(const struct msg_pause){ .mta = false });
	(void)store(smtpd, "out/c.example", 1);
	relay = world_join(PROTO_KIND_RELAY, 0);
	(void)hear(relay, PROTO_JOB_TYPE, 0);
	result(relay, hear(relay, PROTO_JOB_TYPE, 0), PROTO_RESULT_DEFERRED, true);
	settle_down();
	expect_state(control, "out/c.example", PROTO_DESTINATION_DOWN, PROTO_CAUSE_CONNECTION);
	entry = entry_of(control, "out/c.example");
	assert_true(entry->next_ms > (uint64_t)loop_wall_ms() + 60000);
	assert_int_equal(entry->failures, 1);
	assert_true(str_equal(entry->text, S("gone")));
}

static void
test_pages_and_filters(void **state)
{
	enum { DESTINATIONS = 300 };
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0);
	uint64_t after = 0, count, total = 0, last = 0;
	char name[64];
	unsigned i;

	(void)state;
	for (i = 0; i < DESTINATIONS; i++) {
		(void)snprintf(name, sizeof(name), "out/%u.example", i);
		last = send_message(smtpd, name, 1 + i % 3);
	}
	(void)hear(smtpd, PROTO_DONE_TYPE, last);
	do {
		SEND(control->channel, DESTINATION_LIST, destination_list, ++last_id, .after = after, .limit = 7,
		    .waiting = 2);
		count = ended(control)->count;
		for (i = 0; i < count; i++) {
			const struct msg_destination_entry *e =
			    &hear(control, PROTO_DESTINATION_ENTRY_TYPE, last_id)->msg.destination_entry;
			assert_true(e->destination > after && e->waiting >= 2);
			after = e->destination;
		}
		total += count;
	} while (count == 7);
	assert_int_equal(total, DESTINATIONS / 3 * 2);
	SEND(control->channel, DESTINATION_LIST, destination_list, ++last_id, .limit = 256, .down = true);
	assert_int_equal(ended(control)->count, 0);
}

static void
test_a_suspended_destination_is_left_alone(void **state)
{
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0), *relay;
	uint64_t before = store(smtpd, "out/a.example", 1), id;

	(void)state;
	assert_true(order(control, "out/a.example", true, 0)->ok);
	id = store(smtpd, "out/a.example", 1);
	relay = world_join(PROTO_KIND_RELAY, 0);
	(void)store(smtpd, "out/b.example", 1);
	result(relay, hear(relay, PROTO_JOB_TYPE, 0), PROTO_RESULT_DELIVERED, false);
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	expect_state(control, "out/a.example", PROTO_DESTINATION_SUSPENDED, PROTO_CAUSE_PAUSE);
	assert_true(order(control, "a.example", false, 0)->ok);
	assert_int_equal(hear(relay, PROTO_JOB_TYPE, 0)->msg.job.message, before);
	assert_int_equal(hear(relay, PROTO_JOB_TYPE, 0)->msg.job.message, id);
}

static void
test_a_suspension_outlives_a_restart_and_idleness(void **state)
{
	struct end *smtpd, *control = world_join(PROTO_KIND_CONTROL, 0), *relay;
	uint64_t id;

	(void)state;
	assert_false(order(control, "a.example", true, 0)->ok);
	assert_false(order(control, "out/a.example", false, 0)->ok);
	assert_true(order(control, "out/a.example", true, 0)->ok);
	world_stop();
	world_start();
	WAIT_FOR(load_is_complete());
	assert_int_equal(destination_named("out/a.example")->place, PLACE_NOWHERE);
	smtpd = join_smtpd(0);
	control = world_join(PROTO_KIND_CONTROL, 0);
	relay = world_join(PROTO_KIND_RELAY, 0);
	id = store(smtpd, "out/a.example", 1);
	settle_down();
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	assert_true(order(control, "out/a.example", false, 0)->ok);
	assert_int_equal(hear(relay, PROTO_JOB_TYPE, 0)->msg.job.message, id);
	expect_consistent();
}

static void
test_a_suspension_ends_by_itself(void **state)
{
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0), *relay;
	const struct msg_destination_entry *entry;
	uint64_t id;

	(void)state;
	assert_true(order(control, "out/a.example", true, 1)->ok);
	id = store(smtpd, "out/a.example", 1);
	relay = world_join(PROTO_KIND_RELAY, 0);
	entry = entry_of(control, "out/a.example");
	assert_int_equal(entry->state, PROTO_DESTINATION_SUSPENDED);
	assert_true(
	    entry->next_ms > (uint64_t)loop_wall_ms() - 1000 && entry->next_ms < (uint64_t)loop_wall_ms() + 2000);
	assert_false(has_heard(relay, PROTO_JOB_TYPE, 0));
	assert_int_equal(hear(relay, PROTO_JOB_TYPE, 0)->msg.job.message, id);
}

/* What is found out about a server does not end a suspension, and the reverse. */
static void
test_down_and_suspended_are_two_things(void **state)
{
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0);
	struct end *relay = world_join(PROTO_KIND_RELAY, 0);
	const struct heard *job;

	(void)state;
	(void)store(smtpd, "out/a.example", 1);
	job = hear(relay, PROTO_JOB_TYPE, 0);
	assert_true(order(control, "out/a.example", true, 0)->ok);
	result(relay, job, PROTO_RESULT_DEFERRED, true);
	settle_down();
	world_stop();
	world_start();
	WAIT_FOR(load_is_complete());
	control = world_join(PROTO_KIND_CONTROL, 0);
	expect_state(control, "out/a.example", PROTO_DESTINATION_SUSPENDED, PROTO_CAUSE_PAUSE);
	assert_true(order(control, "out/a.example", false, 0)->ok);
	expect_state(control, "out/a.example", PROTO_DESTINATION_DOWN, PROTO_CAUSE_CONNECTION);
}

static void
test_ages_are_counted_whole_in_parts(void **state)
{
	enum { MESSAGES = 30, RCPTS = 40 };
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0);
	struct msg_destination_ages at = { 0 };
	uint64_t total = 0, last = 0, count, counts[PROTO_AGES];
	unsigned i, parts = 0;

	(void)state;
	for (i = 0; i < MESSAGES; i++)
		last = send_message(smtpd, i % 2 == 0 ? "out/a.example" : "out/b.example", RCPTS);
	(void)hear(smtpd, PROTO_DONE_TYPE, last);
	do {
		SEND(control->channel, DESTINATION_AGES, destination_ages, ++last_id, .destination = at.destination,
		    .due_us = at.due_us, .message = at.message, .number = at.number);
		count = ended(control)->count;
		for (i = 0; i < count; i++) {
			const struct msg_destination_age *age =
			    &hear(control, PROTO_DESTINATION_AGE_TYPE, last_id)->msg.destination_age;
			assert_int_equal(age->counts.len, sizeof(counts));
			memcpy(counts, age->counts.ptr, sizeof(counts));
			total += counts[0];
			at = (struct msg_destination_ages){ age->destination, age->due_us, age->message, age->number };
			parts++;
		}
	} while (count > 0);
	assert_int_equal(total, MESSAGES * RCPTS);
	assert_true(parts > 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_list_says_where_each_stands, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_pages_and_filters, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_suspended_destination_is_left_alone, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_suspension_outlives_a_restart_and_idleness, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_a_suspension_ends_by_itself, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_down_and_suspended_are_two_things, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_ages_are_counted_whole_in_parts, world_setup, world_teardown),
	};

	world_once();
	return cmocka_run_group_tests_name("destinations", tests, NULL, NULL);
}
