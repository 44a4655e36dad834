/* SPDX-License-Identifier: ISC */
/*
 * Promised, for every type of message: its samples come back byte for byte, every wrong length is refused; and the table of
 * who may say what to whom is closed: an edge or the parent, in the direction declared, and nothing else. SECURITY rows
 * I01, I02, I03.
 */
#include "common/proto.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

enum { VARIANTS = 6, LENGTHS_STEP = 61 };

static void
for_each_sample(void (*check)(enum proto_type type, struct str payload))
{
	struct buf payload;
	unsigned type, variant;

	buf_init(&payload, PROTO_PAYLOAD_MAX);
	for (type = 0; type < PROTO_TYPE_COUNT; type++) {
		for (variant = 0; variant < VARIANTS; variant++) {
			union proto_message msg;
			buf_reset(&payload);
			proto_sample(type, variant, &msg);
			if (!proto_encode(type, &msg, &payload))
				fail_msg("%s: variant %u is not encoded", proto_type_name(type), variant);
			check(type, buf_str(&payload));
		}
	}
	buf_clear(&payload);
}

static void
check_round_trip(enum proto_type type, struct str payload)
{
	union proto_message msg;
	struct buf again;

	buf_init(&again, PROTO_PAYLOAD_MAX);
	if (!proto_decode(type, payload, &msg) || !proto_encode(type, &msg, &again) ||
	    !str_equal(payload, buf_str(&again)))
		fail_msg("%s: does not come back", proto_type_name(type));
	buf_clear(&again);
}

static void
test_every_type_comes_back_byte_for_byte(void **state)
{
	(void)state;
	for_each_sample(check_round_trip);
}

static void
refuse(enum proto_type type, struct str payload)
{
	union proto_message msg;
	char *copy = malloc(payload.len + 1);

	assert_non_null(copy);
	memcpy(copy, payload.ptr, payload.len);
	if (proto_decode(type, (struct str){ copy, payload.len }, &msg))
		fail_msg("%s: %zu bytes are decoded", proto_type_name(type), payload.len);
	free(copy);
}

/* All lengths near both ends, and some between. */
static void
check_lengths(enum proto_type type, struct str payload)
{
	char *longer = malloc(payload.len + 2);
	size_t len;

	assert_non_null(longer);
	memcpy(longer, payload.ptr, payload.len);
	memset(longer + payload.len, 0, 2);
	refuse(type, (struct str){ longer, payload.len + 1 });
	refuse(type, (struct str){ longer, payload.len + 2 });
	for (len = 0; len < payload.len; len += len < 64 || payload.len - len < 64 ? 1 : LENGTHS_STEP)
		refuse(type, (struct str){ longer, len });
	free(longer);
}

static void
test_every_wrong_length_is_refused(void **state)
{
	(void)state;
	for_each_sample(check_lengths);
}

static void
check_print(enum proto_type type, struct str payload)
{
	union proto_message msg;
	struct buf text;
	struct str out;
	size_t i;

	buf_init(&text, 8 * PROTO_PAYLOAD_MAX);
	assert_true(proto_decode(type, payload, &msg));
	proto_print(type, &msg, &text);
	out = buf_str(&text);
	assert_true(str_starts_nocase(out, str_of(proto_type_name(type))));
	for (i = 0; i < out.len; i++)
		assert_true(ascii_is_printable(out.ptr[i]));
	buf_clear(&text);
}

static void
test_every_type_is_printed_in_ascii(void **state)
{
	(void)state;
	for_each_sample(check_print);
}

static void
test_nobody_says_what_the_table_does_not_allow(void **state)
{
	unsigned type, from, to;

	(void)state;
	for (type = 0; type < PROTO_TYPE_COUNT; type++) {
		for (from = 0; from < PROTO_KIND_COUNT; from++) {
			for (to = 0; to < PROTO_KIND_COUNT; to++) {
				bool parent = (from == PROTO_KIND_PARENT) != (to == PROTO_KIND_PARENT);
				if (proto_allowed(type, from, to) && !parent && !proto_edge(from, to))
					fail_msg("%s: %s to %s without an edge", proto_type_name(type),
					    proto_kind_name(from), proto_kind_name(to));
				if (proto_allowed(type, from, to) && from == to)
					fail_msg("%s: %s to itself", proto_type_name(type), proto_kind_name(from));
			}
		}
	}
}

/* clang-format off */
static const struct {
	const char *name;
	unsigned type;
	enum proto_kind from;
	enum proto_kind to;
	bool allowed;
} sentences[] = {
	{ "smtpd begins a transaction", PROTO_BEGIN_TYPE, PROTO_KIND_SMTPD, PROTO_KIND_QUEUE, true },
	{ "queue does not", PROTO_BEGIN_TYPE, PROTO_KIND_QUEUE, PROTO_KIND_SMTPD, false },
	{ "relay begins no transaction", PROTO_BEGIN_TYPE, PROTO_KIND_RELAY, PROTO_KIND_QUEUE, false },
	{ "smtpd begins none at the router", PROTO_BEGIN_TYPE, PROTO_KIND_SMTPD, PROTO_KIND_ROUTER, false },
	{ "a ticket is never a message", PROTO_TICKET_TYPE, PROTO_KIND_ROUTER, PROTO_KIND_QUEUE, false },
	{ "a statement is never a message", PROTO_STATEMENT_TYPE, PROTO_KIND_QUEUE, PROTO_KIND_PARENT, false },
	{ "smtpd does not start a mailbox", PROTO_MAILBOX_START_TYPE, PROTO_KIND_SMTPD, PROTO_KIND_PARENT, false },
	{ "smtpd does not stop the daemon", PROTO_STOP_TYPE, PROTO_KIND_SMTPD, PROTO_KIND_PARENT, false },
	{ "control does, when asked", PROTO_STOP_TYPE, PROTO_KIND_CONTROL, PROTO_KIND_PARENT, true },
	{ "a client does not speak to the parent", PROTO_STOP_TYPE, PROTO_KIND_CLIENT, PROTO_KIND_PARENT, false },
	{ "a client is not set up", PROTO_SETUP_TYPE, PROTO_KIND_PARENT, PROTO_KIND_CLIENT, false },
	{ "smtpd and relay know nothing of each other", PROTO_JOB_TYPE, PROTO_KIND_SMTPD, PROTO_KIND_RELAY, false },
	{ "the resolver hears of no job", PROTO_JOB_TYPE, PROTO_KIND_QUEUE, PROTO_KIND_RESOLVER, false },
	{ "a type that does not exist", PROTO_TYPE_COUNT, PROTO_KIND_PARENT, PROTO_KIND_SMTPD, false },
	{ "a type of 16 bits", 0xffff, PROTO_KIND_PARENT, PROTO_KIND_SMTPD, false },
	{ "a kind that does not exist", PROTO_SETUP_TYPE, PROTO_KIND_PARENT, PROTO_KIND_COUNT, false },
};
/* clang-format on */

static void
test_who_may_say_what(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		if (proto_allowed(sentences[i].type, sentences[i].from, sentences[i].to) != sentences[i].allowed)
			row_fail(sentences[i].name, "want %d", sentences[i].allowed);
}

/* The parent interprets little (I12): what children may send it is counted here, so that one more is a decision. */
static void
test_the_parent_hears_few_types(void **state)
{
	unsigned type, count = 0, kind;

	(void)state;
	for (type = 0; type < PROTO_TYPE_COUNT; type++) {
		bool heard = false;
		for (kind = 0; kind < PROTO_KIND_COUNT; kind++)
			heard = heard || proto_allowed(type, kind, PROTO_KIND_PARENT);
		count += heard;
	}
	assert_true(count <= 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type_comes_back_byte_for_byte),
		cmocka_unit_test(test_every_wrong_length_is_refused),
		cmocka_unit_test(test_every_type_is_printed_in_ascii),
		cmocka_unit_test(test_nobody_says_what_the_table_does_not_allow),
		cmocka_unit_test(test_who_may_say_what),
		cmocka_unit_test(test_the_parent_hears_few_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
