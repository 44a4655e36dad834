/* SPDX-License-Identifier: ISC */
/*
 * Promise: what is encoded is decoded to the same; anything else than exactly that, under exactly its key, is
 * refused.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "common/crc32c.h"
#include "queue/records.h"

enum { VARIANTS = 6, RECORD_MAX = 100000, FLIPS_MAX = 2048 /* bytes of a record whose every bit is tried */ };

#define R(NAME, name) FIELDS_FUNCTION(name##_fields, record_##name, RECORD_##NAME)
RECORDS(R)
#undef R

union any {
#define R(NAME, name) struct record_##name name;
	RECORDS(R)
#undef R
};

static const struct {
	const char *name;
	enum record_kind kind;
	struct fields (*fields)(void);
} kinds[] = {
#define R(NAME, name) { #name, RECORD_KIND_##NAME, name##_fields },
	RECORDS(R)
#undef R
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const struct str key = STR("\0\0\0\0\0\0\0\7\0\0\0\1");

static struct buf
encoded(size_t row, unsigned variant)
{
	union any record;
	struct buf out;

	fields_sample(kinds[row].fields(), variant, &record);
	buf_init(&out, RECORD_MAX);
	if (!record_encode(kinds[row].kind, key, &record, &out))
		row_fail(kinds[row].name, "variant %u is not encoded", variant);
	return out;
}

static void
test_what_is_encoded_is_decoded(void **state)
{
	struct buf out, again;
	union any record;
	size_t row;
	unsigned v;

	(void)state;
	for (row = 0; row < KINDS; row++) {
		for (v = 0; v < VARIANTS; v++) {
			out = encoded(row, v);
			if (!record_decode(kinds[row].kind, key, buf_str(&out), &record))
				row_fail(kinds[row].name, "variant %u is not decoded", v);
			buf_init(&again, RECORD_MAX);
			assert_true(record_encode(kinds[row].kind, key, &record, &again));
			if (!str_equal(buf_str(&out), buf_str(&again)))
				row_fail(kinds[row].name, "variant %u comes back as another", v);
			buf_clear(&again);
			buf_clear(&out);
		}
	}
}

/* In a block of just its size, so that a sanitizer sees a read behind it. */
static bool
decodes(size_t row, struct str at, struct str bytes)
{
	char *copy = malloc(bytes.len + 1);
	union any record;
	bool ok;

	assert_non_null(copy);
	memcpy(copy, bytes.ptr, bytes.len);
	ok = record_decode(kinds[row].kind, at, (struct str){ copy, bytes.len }, &record);
	free(copy);
	return ok;
}

static void
test_every_truncated_length_is_refused(void **state)
{
	struct buf out;
	size_t row, len;

	(void)state;
	for (row = 0; row < KINDS; row++) {
		out = encoded(row, 2);
		for (len = 0; len<out.len; len += out.len> 4096 ? 97 : 1)
			if (decodes(row, key, (struct str){ out.data, len }))
				row_fail(kinds[row].name, "%zu of %zu bytes are decoded", len, out.len);
		assert_true(buf_append_byte(&out, '\0'));
		if (decodes(row, key, buf_str(&out)))
			row_fail(kinds[row].name, "%s", "a byte more is decoded");
		buf_clear(&out);
	}
}

static void
test_every_flipped_bit_is_refused(void **state)
{
	struct buf out;
	size_t row, bit;

	(void)state;
	for (row = 0; row < KINDS; row++) {
		out = encoded(row, 1);
		for (bit = 0; bit < out.len * 8 && bit < FLIPS_MAX * 8; bit++) {
			out.data[bit / 8] ^= (char)(1 << bit % 8);
			if (decodes(row, key, buf_str(&out)))
				row_fail(kinds[row].name, "decoded with bit %zu flipped", bit);
			out.data[bit / 8] ^= (char)(1 << bit % 8);
		}
		buf_clear(&out);
	}
}

static void
test_a_record_is_only_right_under_its_key_and_as_its_kind(void **state)
{
	struct buf out;
	union any record;
	size_t row, other;

	(void)state;
	for (row = 0; row < KINDS; row++) {
		out = encoded(row, 1);
		if (decodes(row, S("\0\0\0\0\0\0\0\7\0\0\0\2"), buf_str(&out)))
			row_fail(kinds[row].name, "%s", "decoded under another key");
		for (other = 0; other < KINDS; other++)
			if (other != row && record_decode(kinds[other].kind, key, buf_str(&out), &record))
				row_fail(kinds[row].name, "decoded as %s", kinds[other].name);
		buf_clear(&out);
	}
}

static void
test_a_field_over_its_limit_is_not_encoded(void **state)
{
	static char long_text[PROTO_ADDRESS_MAX + 1];
	struct record_message message = { .reverse_path = { long_text, sizeof(long_text) } };
	struct buf out;

	(void)state;
	memset(long_text, 'a', sizeof(long_text));
	buf_init(&out, RECORD_MAX);
	assert_true(buf_append_text(&out, "before"));
	assert_false(record_encode(RECORD_KIND_MESSAGE, key, &message, &out));
	assert_true(str_equal(buf_str(&out), S("before")));
	message.reverse_path.len = PROTO_ADDRESS_MAX;
	assert_true(record_encode(RECORD_KIND_MESSAGE, key, &message, &out));
	buf_clear(&out);
}

static void
test_pieces_of_every_length(void **state)
{
	static char data[RECORD_PIECE_DATA], out[RECORD_PIECE_MAX];
	struct str got;
	size_t len, size;

	(void)state;
	for (len = 0; len < sizeof(data); len++)
		data[len] = (char)(len * 13);
	for (len = 1; len <= RECORD_PIECE_DATA; len++) {
		size = record_piece_encode(key, (struct str){ data, len }, out);
		assert_int_equal(size, len + RECORD_PIECE_MAX - RECORD_PIECE_DATA);
		assert_true(record_piece_decode(key, (struct str){ out, size }, &got));
		assert_true(str_equal(got, (struct str){ data, len }));
		assert_false(record_piece_decode(key, (struct str){ out, size - 1 }, &got));
		out[len % size] ^= 0x10;
		assert_false(record_piece_decode(key, (struct str){ out, size }, &got));
	}
	size = record_piece_encode(key, (struct str){ data, 0 }, out);
	assert_false(record_piece_decode(key, (struct str){ out, size }, &got));
}

static void
test_a_piece_is_no_recipient_of_the_same_key(void **state)
{
	static char out[RECORD_PIECE_MAX];
	struct buf record = encoded(RECORD_KIND_RECIPIENT, 1);
	struct record_recipient recipient;
	struct str got;
	size_t size;

	(void)state;
	/* The fields of a valid recipient, as a body that somebody sent. */
	size = record_piece_encode(key, (struct str){ record.data + 1, record.len - 5 }, out);
	assert_false(record_decode(RECORD_KIND_RECIPIENT, key, (struct str){ out, size }, &recipient));
	assert_false(record_piece_decode(key, buf_str(&record), &got));
	buf_clear(&record);
}

/* What the first format had of a message, written by hand: all before the line "since format 2". */
/* clang-format off */
#define FORMAT_1(F) \
	F(str, reverse_path, PROTO_ADDRESS_MAX) F(u64, size, UINT64_MAX) F(u64, created_ms, INT64_MAX) \
	F(u64, look_ms, INT64_MAX) F(choice, body, 1) F(str, origin, PROTO_NAME_MAX) F(u64, owner, UINT32_MAX) \
	F(u64, recipients, UINT32_MAX) F(boolean, unrouted, 1) F(blob, preamble, PROTO_PREAMBLE_MAX)
struct format_1 { FORMAT_1(FIELDS_MEMBER) };
/* clang-format on */

FIELDS_FUNCTION(format_1_fields, format_1, FORMAT_1)

static struct buf
encoded_in_format_1(char format)
{
	const struct format_1 message = { .reverse_path = S("a@a.example"), .size = 7, .look_ms = 9, .recipients = 1 };
	uint8_t kind = RECORD_KIND_MESSAGE;
	struct buf out;
	uint32_t crc;

	buf_init(&out, RECORD_MAX);
	assert_true(buf_append_byte(&out, format));
	assert_true(fields_encode(format_1_fields(), &message, &out));
	crc = htole32(crc32c(crc32c(crc32c(0, &kind, 1), key.ptr, key.len), out.data, out.len));
	assert_true(buf_append(&out, &crc, sizeof(crc)));
	return out;
}

static void
test_a_record_of_format_1_is_read_and_has_nothing_new(void **state)
{
	struct record_message message;
	struct buf old = encoded_in_format_1(1), claims = encoded_in_format_1(2), future = encoded_in_format_1(3);

	(void)state;
	memset(&message, 0xff, sizeof(message));
	assert_true(record_decode(RECORD_KIND_MESSAGE, key, buf_str(&old), &message));
	assert_true(str_equal(message.reverse_path, S("a@a.example")));
	assert_int_equal(message.look_ms, 9);
	assert_int_equal(message.envid.len + message.message_id.len + message.ret + message.warned, 0);
	assert_false(record_decode(RECORD_KIND_MESSAGE, key, buf_str(&claims), &message));
	assert_false(record_decode(RECORD_KIND_MESSAGE, key, buf_str(&future), &message));
	buf_clear(&old);
	buf_clear(&claims);
	buf_clear(&future);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_encoded_is_decoded),
		cmocka_unit_test(test_every_truncated_length_is_refused),
		cmocka_unit_test(test_every_flipped_bit_is_refused),
		cmocka_unit_test(test_a_record_is_only_right_under_its_key_and_as_its_kind),
		cmocka_unit_test(test_a_field_over_its_limit_is_not_encoded),
		cmocka_unit_test(test_pieces_of_every_length),
		cmocka_unit_test(test_a_piece_is_no_recipient_of_the_same_key),
		cmocka_unit_test(test_a_record_of_format_1_is_read_and_has_nothing_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
