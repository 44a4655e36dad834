/* SPDX-License-Identifier: ISC */
/* Promise: a query takes what all of its filters hold for, and a field without its filter limits nothing. */
#include "tests/unit/unit.h"

#include "queue/query.h"

enum { NOW = 10000000, AGE = 3600000, JOE = 1001 };

static const struct record_message message = { .reverse_path = STR("Ann@Near.example"),
	.size = 900,
	.preamble =
	    STR("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"),
	.created_ms = NOW - AGE,
	.owner = JOE };
static const struct record_recipient recipient = {
	.forward_path = STR("list@far.example"), .recipient = STR("joe@other.example"), .cause = PROTO_CAUSE_GREYLIST
};
static const struct record_destination destination = {
	.name = STR("out/other.example"), .down = true, .cause = PROTO_CAUSE_DNS
};

/* clang-format off */
static const struct {
	const char *row;
	struct proto_query query;
	bool taken;
} rows[] = {
	{ "no filter", { .owner = PROTO_OWNER_ANY }, true },
	{ "fields without their filter", { .owner = PROTO_OWNER_ANY, .sender = STR("x"), .larger = 5000, .number = 9 }, true },
	{ "its owner's", { .owner = JOE }, true },
	{ "another owner's", { .owner = JOE + 1 }, false },
	{ "its id", { .owner = JOE, .message = 7 }, true },
	{ "another id", { .owner = JOE, .message = 8 }, false },
	{ "its number", { .owner = JOE, .filters = PROTO_FILTER_NUMBER, .number = 3 }, true },
	{ "another number", { .owner = JOE, .filters = PROTO_FILTER_NUMBER, .number = 4 }, false },
	{ "its sender in any case", { .owner = JOE, .filters = PROTO_FILTER_SENDER, .sender = STR("ann@near.EXAMPLE") }, true },
	{ "its sender's domain", { .owner = JOE, .filters = PROTO_FILTER_SENDER, .sender = STR("@near.example") }, true },
	{ "a parent of that", { .owner = JOE, .filters = PROTO_FILTER_SENDER, .sender = STR("@example") }, false },
	{ "nobody", { .owner = JOE, .filters = PROTO_FILTER_SENDER, .sender = STR("") }, false },
	{ "the address that was given", { .owner = JOE, .filters = PROTO_FILTER_RECIPIENT, .recipient = STR("list@far.example") }, true },
	{ "what it came to be", { .owner = JOE, .filters = PROTO_FILTER_RECIPIENT, .recipient = STR("joe@other.example") }, true },
	{ "its domain", { .owner = JOE, .filters = PROTO_FILTER_DOMAIN, .domain = STR("OTHER.example") }, true },
	{ "the domain that was given", { .owner = JOE, .filters = PROTO_FILTER_DOMAIN, .domain = STR("far.example") }, false },
	{ "its destination", { .owner = JOE, .filters = PROTO_FILTER_DESTINATION, .destination = STR("OUT/other.example") }, true },
	{ "a part of its name", { .owner = JOE, .filters = PROTO_FILTER_DESTINATION, .destination = STR("other.example") }, false },
	{ "exactly so old", { .owner = JOE, .filters = PROTO_FILTER_OLDER, .older_ms = AGE }, true },
	{ "not yet so old", { .owner = JOE, .filters = PROTO_FILTER_OLDER, .older_ms = AGE + 1 }, false },
	{ "newer", { .owner = JOE, .filters = PROTO_FILTER_NEWER, .newer_ms = AGE + 1 }, true },
	{ "no longer newer", { .owner = JOE, .filters = PROTO_FILTER_NEWER, .newer_ms = AGE }, false },
	{ "exactly so large", { .owner = JOE, .filters = PROTO_FILTER_LARGER, .larger = 1000 }, true },
	{ "not so large", { .owner = JOE, .filters = PROTO_FILTER_LARGER, .larger = 1001 }, false },
	{ "smaller", { .owner = JOE, .filters = PROTO_FILTER_SMALLER, .smaller = 1001 }, true },
	{ "not smaller", { .owner = JOE, .filters = PROTO_FILTER_SMALLER, .smaller = 1000 }, false },
	{ "its cause", { .owner = JOE, .filters = PROTO_FILTER_CAUSE, .cause = PROTO_CAUSE_GREYLIST }, true },
	{ "that of its destination, when it has one", { .owner = JOE, .filters = PROTO_FILTER_CAUSE, .cause = PROTO_CAUSE_DNS }, false },
	{ "its state", { .owner = JOE, .filters = PROTO_FILTER_STATE, .state = PROTO_ENTRY_WAITING }, true },
	{ "another state", { .owner = JOE, .filters = PROTO_FILTER_STATE, .state = PROTO_ENTRY_HELD }, false },
	{ "one of two does not hold", { .owner = JOE, .filters = PROTO_FILTER_OLDER | PROTO_FILTER_DOMAIN, .domain = STR("x") }, false },
};
/* clang-format on */

static void
test_every_filter_takes_what_it_says(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct proto_query *q = &rows[i].query;
		bool taken = query_takes_message(q, NOW, 7, &message) &&
		    query_takes_recipient(q, 3, &recipient, &destination, PROTO_ENTRY_WAITING);
		if (taken != rows[i].taken)
			row_fail(rows[i].row, "taken: %d", taken);
	}
}

static void
test_who_was_never_tried_waits_for_what_keeps_its_destination_down(void **state)
{
	const struct proto_query q = {
		.owner = PROTO_OWNER_ANY, .filters = PROTO_FILTER_CAUSE, .cause = PROTO_CAUSE_DNS
	};
	struct record_recipient untried = recipient;
	struct record_destination up = destination;

	(void)state;
	untried.cause = PROTO_CAUSE_NONE;
	up.down = false;
	assert_true(query_takes_recipient(&q, 0, &untried, &destination, 0));
	assert_false(query_takes_recipient(&q, 0, &untried, &up, 0));
	assert_false(query_takes_recipient(&q, 0, &untried, NULL, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_filter_takes_what_it_says),
		cmocka_unit_test(test_who_was_never_tried_waits_for_what_keeps_its_destination_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
