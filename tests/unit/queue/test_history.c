/* SPDX-License-Identifier: ISC */
/*
 * Promise: whoever asks what happened is told each event that the filters hold for, once, in parts of bounded work, and
 * none of others' mail; what smtpd refused is among them, no more of it than the limit in a second, the rest as a number;
 * and without names where the site wants none.
 */
#include "tests/unit/unit.h"

#include "queue/anonymity.h"
#include "queue/history.h"
#include "queue/limits.h"
#include "tests/unit/queue/world.h"

enum { JOE = 1001 };

/* --- filters --- */

static const struct record_history sample = {
	.from = STR("ann@s.example"),
	.to = STR("Joe@far.example"),
	.hop = STR("mx1.far.example"),
	.helo = STR("client.example"),
	.origin = STR("192.0.2.1:1234"),
	.message_id = STR("<1@s.example>"),
	.cause = PROTO_CAUSE_GREYLIST,
	.owner = JOE,
};

#define ANY .owner = PROTO_OWNER_ANY

static const struct {
	const char *row;
	struct msg_history_list query;
	bool taken;
} filters[] = {
	{ "no filter takes all", { ANY }, true },
	{ "a sender in any case", { ANY, .filters = PROTO_FILTER_SENDER, .sender = STR("ANN@s.example") }, true },
	{ "another sender", { ANY, .filters = PROTO_FILTER_SENDER, .sender = STR("bob@s.example") }, false },
	{ "all senders of a domain", { ANY, .filters = PROTO_FILTER_SENDER, .sender = STR("@s.example") }, true },
	{ "the null sender is one", { ANY, .filters = PROTO_FILTER_SENDER }, false },
	{ "a recipient", { ANY, .recipient = STR("joe@far.example") }, true },
	{ "a recipient is no beginning", { ANY, .recipient = STR("joe@far") }, false },
	{ "a domain of the sender", { ANY, .domain = STR("S.example") }, true },
	{ "a domain of the recipient", { ANY, .domain = STR("far.example") }, true },
	{ "a domain has no subdomains", { ANY, .domain = STR("example") }, false },
	{ "the host that answered", { ANY, .host = STR("MX1.far.example") }, true },
	{ "the client by its name", { ANY, .host = STR("client.example") }, true },
	{ "the client by its address", { ANY, .host = STR("192.0.2.1") }, true },
	{ "a beginning of its address", { ANY, .host = STR("192.0.2") }, false },
	{ "a Message-ID", { ANY, .message_id = STR("<1@s.example>") }, true },
	{ "another Message-ID", { ANY, .message_id = STR("<2@s.example>") }, false },
	{ "a cause", { ANY, .cause = PROTO_CAUSE_GREYLIST }, true },
	{ "another cause", { ANY, .cause = PROTO_CAUSE_DNS }, false },
	{ "its owner", { .owner = JOE }, true },
	{ "another user", { .owner = JOE + 1 }, false },
	{ "two that hold", { ANY, .cause = PROTO_CAUSE_GREYLIST, .domain = STR("s.example") }, true },
	{ "one that does not", { ANY, .cause = PROTO_CAUSE_GREYLIST, .domain = STR("x.example") }, false },
};

static void
test_filters_take_what_they_say(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (history_takes_record(&filters[i].query, &sample) != filters[i].taken)
			row_fail(filters[i].row, "%s", filters[i].taken ? "not taken" : "taken");
}

/* --- without names --- */

static const struct {
	const char *row;
	struct record_history before, after;
} masks[] = {
	{ "addresses keep their domain", { .from = STR("a@b@c.example"), .to = STR("joe@d.example") },
	    { .from = STR("*@c.example"), .to = STR("*@d.example") } },
	{ "a name without a domain", { .to = STR("postmaster") }, { .to = STR("*") } },
	{ "the null sender stays", { .from = STR("") }, { .from = STR("") } },
	{ "a client of IPv4", { .origin = STR("192.0.2.17:4321") }, { .origin = STR("192.0.2.0") } },
	{ "a client of IPv6", { .origin = STR("[2001:db8:1:2::3]:4321") }, { .origin = STR("2001:db8:1::") } },
	{ "a client of IPv6 as router has it", { .origin = STR("2001:db8:1:2::3") },
	    { .origin = STR("2001:db8:1::") } },
	{ "what is no address", { .origin = STR("joe's machine") }, { .origin = STR("") } },
	{ "a local user", { .origin = STR("local:1001") }, { .origin = STR("local") } },
	{ "a destination keeps its action", { .destination = STR("local/joe") }, { .destination = STR("local") } },
	{ "texts, names and Message-ID go",
	    { .text = STR("no joe here"),
		.helo = STR("joes-laptop"),
		.message_id = STR("<joe@x>"),
		.hop = STR("mx"),
		.code = 550 },
	    { .hop = STR("mx"), .code = 550 } },
};

static void
expect_text(const char *row, const char *what, struct str got, struct str want)
{
	if (!str_equal(got, want))
		row_fail(row, "%s is \"%.*s\", want \"%.*s\"", what, STR_ARG(got), STR_ARG(want));
}

static void
test_what_names_a_person_goes(void **state)
{
	struct record_history got = { .origin = STR("local:0") };
	size_t i;

	(void)state;
	anonymity_mask(0, EVENT_REMOVED, &got);
	expect_text("who removed it stays", "origin", got.origin, S("local:0"));
	for (i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		got = masks[i].before;
		got.owner = JOE;
		anonymity_mask(0, EVENT_ACCEPTED, &got);
		expect_text(masks[i].row, "from", got.from, masks[i].after.from);
		expect_text(masks[i].row, "to", got.to, masks[i].after.to);
		expect_text(masks[i].row, "origin", got.origin, masks[i].after.origin);
		expect_text(masks[i].row, "destination", got.destination, masks[i].after.destination);
		expect_text(masks[i].row, "text", got.text, S(""));
		expect_text(masks[i].row, "helo", got.helo, S(""));
		expect_text(masks[i].row, "message_id", got.message_id, S(""));
		expect_text(masks[i].row, "hop", got.hop, masks[i].after.hop);
		assert_int_equal(got.code, masks[i].after.code);
		assert_int_equal(got.owner, PROTO_OWNER_NONE);
	}
}

/* --- asking --- */

static uint64_t
ask(struct end *control, struct msg_history_list *query)
{
	static uint64_t id = 5000;
	const struct msg_answer_end *end;

	channel_send(control->channel, PROTO_HISTORY_LIST_TYPE, ++id, query);
	end = &hear(control, PROTO_ANSWER_END_TYPE, id)->msg.answer_end;
	assert_true(end->ok);
	query->at_us = end->count;
	return id;
}

/* All events of a query, part by part; their times rise, or fall. Returns how many, and in *more what was only counted. */
static size_t
count_all(struct end *control, struct msg_history_list query, uint64_t *more)
{
	uint64_t last = query.at_us, id;
	size_t n = 0;

	*more = 0;
	do {
		id = ask(control, &query);
		query.fresh = false;
		while (has_heard(control, PROTO_HISTORY_ENTRY_TYPE, id)) {
			const struct msg_history_entry *e =
			    &hear(control, PROTO_HISTORY_ENTRY_TYPE, id)->msg.history_entry;
			assert_true(query.backward ? e->time_us < last : e->time_us > last);
			last = e->time_us;
			*more += e->more;
			n += e->more == 0;
		}
	} while (query.at_us != 0);
	return n;
}

static void
test_history_in_parts_is_complete_both_ways(void **state)
{
	enum { MESSAGES = 100 };
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0);
	struct msg_history_list query = { ANY, .fresh = true, .end_us = UINT64_MAX, .limit = 7 };
	uint64_t id = 0, more;
	unsigned i;

	(void)state;
	for (i = 0; i < MESSAGES; i++)
		id = send_message(smtpd, "out/a.example", 1);
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	assert_int_equal(count_all(control, query, &more), MESSAGES);
	query.message = id;
	assert_int_equal(count_all(control, query, &more), 1);
	query.message = 0;
	query.event = EVENT_BOUNCED;
	assert_int_equal(count_all(control, query, &more), 0);
	query = (struct msg_history_list){ ANY, .fresh = true, .backward = true, .at_us = UINT64_MAX, .limit = 256 };
	assert_int_equal(count_all(control, query, &more), MESSAGES);
	query.owner = JOE;
	assert_int_equal(count_all(control, query, &more), 0);
}

static void
refuse(struct end *smtpd, const char *origin, uint64_t code)
{
	SEND(smtpd->channel, REJECTED, rejected, 1, .origin = str_of(origin), .helo = S("client.example"),
	    .reverse_path = S("a@s.example"), .forward_path = S("b@d.example"), .code = code, .enhanced = S("5.7.1"),
	    .text = S("no"));
}

static void
test_what_was_refused_is_there_and_its_user_sees_it(void **state)
{
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0);
	struct msg_history_list query = { ANY, .fresh = true, .end_us = UINT64_MAX, .limit = 256,
		.event = EVENT_REJECTED };
	uint64_t commits = committer_commits(core.committer), more;

	(void)state;
	refuse(smtpd, "192.0.2.1:25", 550);
	refuse(smtpd, "local:1001", 452);
	WAIT_FOR(committer_pending(core.committer) == 2);
	assert_int_equal(committer_commits(core.committer), commits);
	assert_int_equal(count_all(control, query, &more), 2);
	assert_int_equal(committer_commits(core.committer), commits + 1);
	query.owner = JOE;
	assert_int_equal(count_all(control, query, &more), 1);
}

static void
test_of_too_many_only_the_number_is_kept(void **state)
{
	enum { FLOOD = 3 * QUEUE_REJECTED_SECOND };
	struct end *smtpd = join_smtpd(0), *control = world_join(PROTO_KIND_CONTROL, 0);
	const struct msg_history_list query = { ANY, .fresh = true, .end_us = UINT64_MAX, .limit = 256,
		.event = EVENT_REJECTED };
	uint64_t more;
	unsigned i;

	(void)state;
	for (i = 0; i < FLOOD; i++)
		refuse(smtpd, "192.0.2.1:25", 550);
	SEND(smtpd->channel, BODY, body, smtpd->next_id + 7, .bytes = S("x"));
	WAIT_FOR(smtpd->broke);
	assert_int_equal(count_all(control, query, &more), QUEUE_REJECTED_SECOND);
	assert_int_equal(more, FLOOD - QUEUE_REJECTED_SECOND);
}

static void
test_a_refusal_that_is_none_breaks_the_rules(void **state)
{
	struct end *smtpd = join_smtpd(0);

	(void)state;
	refuse(smtpd, "192.0.2.1:25", 250);
	settle_down();
	assert_true(smtpd->broke);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filters_take_what_they_say),
		cmocka_unit_test(test_what_names_a_person_goes),
		cmocka_unit_test_setup_teardown(
		    test_history_in_parts_is_complete_both_ways, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    test_what_was_refused_is_there_and_its_user_sees_it, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_of_too_many_only_the_number_is_kept, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_refusal_that_is_none_breaks_the_rules, world_setup, world_teardown),
	};

	world_once();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
