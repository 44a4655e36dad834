/* SPDX-License-Identifier: ISC */
/*
 * Promised: CRC-32C as published, the same by instruction and by table, whole or in parts, at any length and
 * alignment.
 */
#include "common/crc32c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define POLYNOMIAL 0x82f63b78u
#define INPUT_MAX  4200 /* bytes: more than a piece of the store */

static uint8_t input[INPUT_MAX];

/* Bit by bit, as the polynomial is defined. */
static uint32_t
reference(uint32_t seed, const uint8_t *data, size_t len)
{
	uint32_t crc = ~seed;
	size_t i;
	int bit;

	for (i = 0; i < len; i++) {
		crc ^= data[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
	}
	return ~crc;
}

/* xorshift: the same input in each run. */
static int
fill_input(void **state)
{
	uint64_t x = 0x9e3779b97f4a7c15u;
	size_t i;

	(void)state;
	for (i = 0; i < INPUT_MAX; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		input[i] = (uint8_t)(x >> 32);
	}
	return 0;
}

static void
check(const char *name, const void *data, size_t len, uint32_t want)
{
	uint32_t got = crc32c(0, data, len), portable = crc32c_portable(0, data, len);

	if (got != want || portable != want)
		row_fail(name, "got 0x%08x, by table 0x%08x, want 0x%08x", got, portable, want);
}

static void
test_published_vectors(void **state)
{
	uint8_t zeros[32] = { 0 }, ones[32], up[32], down[32];
	size_t i;

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	for (i = 0; i < 32; i++) {
		up[i] = (uint8_t)i;
		down[i] = (uint8_t)(31 - i);
	}
	check("nothing", NULL, 0, 0);
	check("the check value of the catalogue of CRCs", "123456789", 9, 0xe3069283);
	check("one letter", "a", 1, 0xc1d04330);
	check("32 bytes of zero (RFC 3720 B.4)", zeros, 32, 0x8a9136aa);
	check("32 bytes of ones (RFC 3720 B.4)", ones, 32, 0x62a8ab43);
	check("32 bytes going up (RFC 3720 B.4)", up, 32, 0x46dd794e);
	check("32 bytes going down (RFC 3720 B.4)", down, 32, 0x113fdb5c);
}

static void
test_every_length_and_alignment_agrees(void **state)
{
	size_t len, offset;
	uint32_t want;

	(void)state;
	print_message("# by %s\n", crc32c_in_hardware() ? "instruction" : "table alone");
	for (offset = 0; offset < 9; offset++) {
		for (len = 0; len < 300; len++) {
			want = reference(0, input + offset, len);
			assert_int_equal(crc32c(0, input + offset, len), want);
			assert_int_equal(crc32c_portable(0, input + offset, len), want);
		}
	}
	for (len = 4060; len + 8 < INPUT_MAX; len++) {
		want = reference((uint32_t)len, input + len % 8, len);
		assert_int_equal(crc32c((uint32_t)len, input + len % 8, len), want);
		assert_int_equal(crc32c_portable((uint32_t)len, input + len % 8, len), want);
	}
}

/* Each byte value at each place of a word: every entry of every table. */
static void
test_every_table_entry(void **state)
{
	uint8_t word[8];
	size_t place;
	int byte;

	(void)state;
	for (place = 0; place < sizeof(word); place++) {
		for (byte = 0; byte < 256; byte++) {
			memset(word, 0, sizeof(word));
			word[place] = (uint8_t)byte;
			assert_int_equal(crc32c_portable(0, word, 8), reference(0, word, 8));
			assert_int_equal(crc32c(0, word, 8), reference(0, word, 8));
		}
	}
}

static void
test_parts_make_the_whole(void **state)
{
	uint32_t whole = crc32c(0, input, 4080);
	size_t cut;

	(void)state;
	for (cut = 0; cut <= 4080; cut += 17) {
		assert_int_equal(crc32c(crc32c(0, input, cut), input + cut, 4080 - cut), whole);
		assert_int_equal(crc32c_portable(crc32c(0, input, cut), input + cut, 4080 - cut), whole);
	}
}

static void
test_each_flipped_bit_is_found(void **state)
{
	uint32_t whole = crc32c(0, input, 512);
	size_t bit;

	(void)state;
	for (bit = 0; bit < (size_t)512 * 8; bit++) {
		input[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(crc32c(0, input, 512), whole);
		input[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_vectors),
		cmocka_unit_test(test_every_length_and_alignment_agrees),
		cmocka_unit_test(test_every_table_entry),
		cmocka_unit_test(test_parts_make_the_whole),
		cmocka_unit_test(test_each_flipped_bit_is_found),
	};

	return cmocka_run_group_tests_name("crc32c", tests, fill_input, NULL);
}
