/* SPDX-License-Identifier: ISC */
/*
 * Promised: a buffer never holds more than its maximum; what does not fit leaves it as it was; bytes come out in the order
 * they went in, whatever the pattern of appends and consumes.
 */
#include "common/buf.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static void
test_a_new_buffer_is_empty_and_owns_nothing(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_null(b.data);
	assert_int_equal(buf_str(&b).len, 0);
	buf_clear(&b);
	buf_clear(&b);
}

static void
test_the_maximum_holds_for_every_way_to_append(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8);
	assert_true(buf_append(&b, "1234", 4));
	assert_true(buf_append_text(&b, "567"));
	assert_false(buf_append_text(&b, "89"));
	assert_false(buf_append_str(&b, S("89")));
	assert_false(buf_printf(&b, "%d", 89));
	assert_null(buf_reserve(&b, 2));
	assert_true(str_equal(buf_str(&b), S("1234567")));
	assert_true(buf_append_byte(&b, '8'));
	assert_false(buf_append_byte(&b, '9'));
	assert_true(buf_append(&b, "", 0));
	assert_true(str_equal(buf_str(&b), S("12345678")));
	assert_null(buf_reserve(&b, SIZE_MAX));
	buf_clear(&b);
	assert_int_equal(b.max, 8);
}

static void
test_printf_fills_a_buffer_to_the_last_byte(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	assert_true(buf_printf(&b, "%s", "12345"));
	assert_true(str_equal(buf_str(&b), S("12345")));
	assert_false(buf_printf(&b, "%s", "6"));
	assert_true(buf_printf(&b, "%s", ""));
	buf_clear(&b);
}

static void
test_consumed_room_is_used_again(void **state)
{
	struct buf b;
	int i;

	(void)state;
	buf_init(&b, 256);
	for (i = 0; i < 1000; i++) {
		assert_true(buf_append(&b, "abcdefghij", 10));
		assert_true(memcmp(buf_str(&b).ptr, "abcdefghij", 10) == 0);
		buf_consume(&b, 10);
		assert_int_equal(b.len, 0);
	}
	assert_int_equal(b.cap, 256);
	buf_clear(&b);
}

/* Against a plain array: 20,000 steps of a fixed pseudo-random walk. */
static void
test_bytes_come_out_as_they_went_in(void **state)
{
	static unsigned char in[1 << 20], out[1 << 20];
	size_t written = 0, taken = 0, step;
	uint32_t random = 1;
	struct buf b;

	(void)state;
	buf_init(&b, 5000);
	for (step = 0; step < 20000; step++) {
		size_t len;
		random = random * 1664525 + 1013904223;
		len = (random >> 16) % 700;
		if ((random & 0x100) != 0 && written + len <= sizeof(in)) {
			memset(in + written, (int)(random >> 8) & 0xff, len);
			if (buf_append(&b, in + written, len))
				written += len;
			else
				assert_true(b.len + len > b.max);
		} else {
			len = len < b.len ? len : b.len;
			memcpy(out + taken, buf_str(&b).ptr, len);
			taken += len;
			buf_consume(&b, len);
		}
		assert_int_equal(b.len, written - taken);
		assert_true(b.len <= b.max && b.cap <= 8192);
	}
	assert_memory_equal(in, out, taken);
	assert_true(taken > 500000);
	buf_clear(&b);
}

static void
test_room_is_reserved_then_committed(void **state)
{
	struct buf b;
	char *room;

	(void)state;
	buf_init(&b, 1000);
	assert_true(buf_append_text(&b, "ab"));
	buf_consume(&b, 1);
	room = buf_reserve(&b, 900);
	assert_non_null(room);
	memset(room, 'x', 3);
	buf_commit(&b, 3);
	assert_true(str_equal(buf_str(&b), S("bxxx")));
	buf_truncate(&b, 2);
	assert_true(str_equal(buf_str(&b), S("bx")));
	buf_reset(&b);
	assert_int_equal(buf_str(&b).len, 0);
	assert_non_null(b.data);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_buffer_is_empty_and_owns_nothing),
		cmocka_unit_test(test_the_maximum_holds_for_every_way_to_append),
		cmocka_unit_test(test_printf_fills_a_buffer_to_the_last_byte),
		cmocka_unit_test(test_consumed_room_is_used_again),
		cmocka_unit_test(test_bytes_come_out_as_they_went_in),
		cmocka_unit_test(test_room_is_reserved_then_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
