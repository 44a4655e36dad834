/* SPDX-License-Identifier: ISC */
/*
 * Promised: a sealed statement opens under its key and as its type, and in no other way: not with any bit changed, cut,
 * lengthened, under another key or as another type. SECURITY row I05.
 */
#include "common/seal.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static const struct str key = STR("0123456789abcdef0123456789abcdef");
static const struct str other_key = STR("0123456789abcdef0123456789abcdeg");

static struct buf
sealed_ticket(struct seal *s)
{
	struct msg_ticket ticket = {
		.transaction = 0x123456789abcdef0,
		.number = 1,
		.part = 2,
		.expires_ms = 1700000000000,
		.kind = PROTO_DELIVERY_LOCAL,
		.origin = S("[2001:db8::1]:25"),
		.owner = PROTO_OWNER_NONE,
		.reverse_path = S("a@client.example"),
		.forward_path = S("b@server.example"),
		.recipient = S("joe@server.example"),
		.user = S("joe"),
		.action = S("local"),
		.destination = S("local/joe"),
		.ttl_s = 345600,
	};
	struct buf out;

	buf_init(&out, PROTO_TICKET_MAX);
	assert_true(seal_make(s, PROTO_TICKET_TYPE, &ticket, &out));
	return out;
}

static void
test_what_was_sealed_opens(void **state)
{
	struct seal *s = seal_new(key), *same = seal_new(key);
	struct buf sealed = sealed_ticket(s);
	union proto_message msg;

	(void)state;
	assert_true(seal_open(same, PROTO_TICKET_TYPE, buf_str(&sealed), &msg));
	assert_true(msg.ticket.transaction == 0x123456789abcdef0 && str_equal(msg.ticket.user, S("joe")));
	assert_true(seal_open(s, PROTO_TICKET_TYPE, buf_str(&sealed), &msg));
	buf_clear(&sealed);
	seal_free(s);
	seal_free(same);
	seal_free(NULL);
}

static void
test_a_changed_bit_does_not_open(void **state)
{
	struct seal *s = seal_new(key);
	struct buf sealed = sealed_ticket(s);
	union proto_message msg;
	size_t bit;

	(void)state;
	for (bit = 0; bit < sealed.len * 8; bit++) {
		sealed.data[bit / 8] ^= (char)(1 << bit % 8);
		if (seal_open(s, PROTO_TICKET_TYPE, buf_str(&sealed), &msg))
			fail_msg("opens with bit %zu changed", bit);
		sealed.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_true(seal_open(s, PROTO_TICKET_TYPE, buf_str(&sealed), &msg));
	buf_clear(&sealed);
	seal_free(s);
}

static void
test_another_length_does_not_open(void **state)
{
	struct seal *s = seal_new(key);
	struct buf sealed = sealed_ticket(s);
	union proto_message msg;
	size_t len;

	(void)state;
	for (len = 0; len < sealed.len; len++)
		assert_false(seal_open(s, PROTO_TICKET_TYPE, (struct str){ sealed.data, len }, &msg));
	for (len = 1; len < sealed.len; len++)
		assert_false(
		    seal_open(s, PROTO_TICKET_TYPE, (struct str){ sealed.data + len, sealed.len - len }, &msg));
	assert_true(buf_append_byte(&sealed, '\0'));
	assert_false(seal_open(s, PROTO_TICKET_TYPE, buf_str(&sealed), &msg));
	buf_clear(&sealed);
	seal_free(s);
}

static void
test_another_key_or_type_does_not_open(void **state)
{
	struct seal *s = seal_new(key), *other = seal_new(other_key);
	struct buf sealed = sealed_ticket(s);
	union proto_message msg;
	unsigned type;

	(void)state;
	assert_false(seal_open(other, PROTO_TICKET_TYPE, buf_str(&sealed), &msg));
	for (type = 0; type < PROTO_TYPE_COUNT; type++)
		assert_int_equal(seal_open(s, type, buf_str(&sealed), &msg), type == PROTO_TICKET_TYPE);
	buf_clear(&sealed);
	seal_free(s);
	seal_free(other);
}

/* Two types of the same fields must not pass for each other: the MAC covers the type's name. */
static void
test_types_of_the_same_fields_are_told_apart(void **state)
{
	struct seal *s = seal_new(key);
	struct msg_ping ping = { false };
	union proto_message msg;
	struct buf sealed;

	(void)state;
	buf_init(&sealed, 100);
	assert_true(seal_make(s, PROTO_PING_TYPE, &ping, &sealed));
	assert_true(seal_open(s, PROTO_PING_TYPE, buf_str(&sealed), &msg));
	assert_false(seal_open(s, PROTO_PONG_TYPE, buf_str(&sealed), &msg));
	buf_clear(&sealed);
	seal_free(s);
}

static void
test_no_room_leaves_the_buffer_as_it_was(void **state)
{
	struct seal *s = seal_new(key);
	struct buf sealed = sealed_ticket(s), small;
	struct msg_ping ping = { false };
	size_t room;

	(void)state;
	for (room = 1; room < 1 + 1 + SEAL_MAC_SIZE; room++) {
		buf_init(&small, room);
		assert_true(buf_append_byte(&small, 'x'));
		assert_false(seal_make(s, PROTO_PING_TYPE, &ping, &small));
		assert_true(str_equal(buf_str(&small), S("x")));
		buf_clear(&small);
	}
	buf_clear(&sealed);
	seal_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_sealed_opens),
		cmocka_unit_test(test_a_changed_bit_does_not_open),
		cmocka_unit_test(test_another_length_does_not_open),
		cmocka_unit_test(test_another_key_or_type_does_not_open),
		cmocka_unit_test(test_types_of_the_same_fields_are_told_apart),
		cmocka_unit_test(test_no_room_leaves_the_buffer_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
