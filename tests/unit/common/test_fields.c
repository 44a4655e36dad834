/* SPDX-License-Identifier: ISC */
/*
 * Promised: what a struct encodes to is decoded to the same, and nothing else is decoded: every field there, within its
 * limit and in its one form, every byte used. SECURITY row I03.
 */
#include "common/fields.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
#define THING(F) \
	F(u64,     number, 1000) \
	F(str,     text, 4) \
	F(blob,    bytes, 3) \
	F(boolean, yes, 1) \
	F(choice,  one_of, 2)
struct thing { THING(FIELDS_MEMBER) };
FIELDS_FUNCTION(fields_of_thing, thing, THING)

#define LARGEST "\xe8\x03\x00\x00\x00\x00\x00\x00"
#define TEXT    "\x02\x00\x00\x00hi"
#define BYTES   "\x01\x00\x00\x00\x00"
#define YES     "\x01"
#define ONE     "\x01\x00\x00\x00"

static const struct {
	const char *name;
	struct str bytes;
	bool ok;
} encodings[] = {
	{ "all fields at their limits", STR(LARGEST "\x04\x00\x00\x00" "abcd" "\x03\x00\x00\x00\0\0\0" YES "\x02\x00\x00\x00"), true },
	{ "all fields at zero", STR("\0\0\0\0\0\0\0\0" "\0\0\0\0" "\0\0\0\0" "\0" "\0\0\0\0"), true },
	{ "a number over its limit", STR("\xe9\x03\0\0\0\0\0\0" TEXT BYTES YES ONE), false },
	{ "a number over its limit in the highest byte", STR("\0\0\0\0\0\0\0\x80" TEXT BYTES YES ONE), false },
	{ "a text over its limit", STR(LARGEST "\x05\x00\x00\x00" "abcde" BYTES YES ONE), false },
	{ "a text with NUL", STR(LARGEST "\x03\x00\x00\x00" "a\0b" BYTES YES ONE), false },
	{ "a text that ends in NUL", STR(LARGEST "\x02\x00\x00\x00" "a\0" BYTES YES ONE), false },
	{ "a text longer than what is there", STR(LARGEST "\x04\x00\x00\x00" "abc"), false },
	{ "a text of 4 GiB", STR(LARGEST "\xff\xff\xff\xff" "abc" BYTES YES ONE), false },
	{ "a text of 2 GiB, negative as int", STR(LARGEST "\x00\x00\x00\x80" "abc" BYTES YES ONE), false },
	{ "a blob over its limit", STR(LARGEST TEXT "\x04\x00\x00\x00" "abcd" YES ONE), false },
	{ "a boolean of 2", STR(LARGEST TEXT BYTES "\x02" ONE), false },
	{ "a boolean of 255", STR(LARGEST TEXT BYTES "\xff" ONE), false },
	{ "a choice over its last", STR(LARGEST TEXT BYTES YES "\x03\x00\x00\x00"), false },
	{ "a choice of 2^31", STR(LARGEST TEXT BYTES YES "\x00\x00\x00\x80"), false },
	{ "one byte too many", STR(LARGEST TEXT BYTES YES ONE "\0"), false },
	{ "nothing", STR(""), false },
};

/* What may be wrong with an object of our own: not encoded, and nothing is left in the buffer. */
static const struct {
	const char *name;
	struct thing thing;
} unfit[] = {
	{ "a number over its limit", { .number = 1001 } },
	{ "a text over its limit", { .text = STR("abcde") } },
	{ "a text with NUL", { .text = STR("a\0") } },
	{ "a blob over its limit", { .bytes = STR("abcd") } },
	{ "a choice over its last", { .one_of = 3 } },
};
/* clang-format on */

static void
test_only_the_one_form_is_decoded(void **state)
{
	struct thing thing;
	struct buf again;
	size_t i;

	(void)state;
	buf_init(&again, 100);
	for (i = 0; i < COUNT(encodings); i++) {
		bool ok = fields_decode(fields_of_thing(), encodings[i].bytes, &thing);
		if (ok != encodings[i].ok)
			row_fail(encodings[i].name, "got %d", ok);
		buf_reset(&again);
		if (ok &&
		    (!fields_encode(fields_of_thing(), &thing, &again) ||
			!str_equal(buf_str(&again), encodings[i].bytes)))
			row_fail(encodings[i].name, "encodes to something else (%d)", 0);
	}
	buf_clear(&again);
}

static void
test_every_shorter_form_is_refused(void **state)
{
	struct thing thing;
	size_t len;

	(void)state;
	for (len = 0; len < encodings[0].bytes.len; len++) {
		char *copy = malloc(len + 1); /* of its own, so that a sanitizer sees one byte too far */
		assert_non_null(copy);
		memcpy(copy, encodings[0].bytes.ptr, len);
		if (fields_decode(fields_of_thing(), (struct str){ copy, len }, &thing))
			fail_msg("%zu bytes were enough", len);
		free(copy);
	}
}

static void
test_an_unfit_object_is_not_encoded(void **state)
{
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 100);
	assert_true(buf_append_text(&out, "before"));
	for (i = 0; i < COUNT(unfit); i++)
		if (fields_encode(fields_of_thing(), &unfit[i].thing, &out) || !str_equal(buf_str(&out), S("before")))
			row_fail(unfit[i].name, "was encoded, or left %zu bytes", out.len);
	buf_clear(&out);
}

static void
test_no_room_leaves_the_buffer_as_it_was(void **state)
{
	struct thing thing = { .number = 1, .text = S("ab") };
	size_t room;

	(void)state;
	for (room = 6; room < 6 + 8 + 6 + 4 + 1 + 4; room++) {
		struct buf out;
		buf_init(&out, room);
		assert_true(buf_append_text(&out, "before"));
		assert_false(fields_encode(fields_of_thing(), &thing, &out));
		assert_true(str_equal(buf_str(&out), S("before")));
		buf_clear(&out);
	}
}

static void
test_print_shows_texts_escaped_and_of_blobs_the_length(void **state)
{
	struct thing thing = { 7, S("a\"\x1b"), S("key"), true, 2 };
	struct buf out;

	(void)state;
	buf_init(&out, 200);
	fields_print(fields_of_thing(), &thing, &out);
	assert_true(str_equal(buf_str(&out), S(" number=7 text=\"a\\x22\\x1b\" bytes=(3 bytes) yes=true one_of=2")));
	buf_clear(&out);
}

static void
test_samples_are_valid_and_differ(void **state)
{
	struct thing thing;
	struct buf out;
	unsigned variant;

	(void)state;
	buf_init(&out, 200);
	for (variant = 0; variant < 6; variant++) {
		buf_reset(&out);
		fields_sample(fields_of_thing(), variant, &thing);
		assert_true(fields_encode(fields_of_thing(), &thing, &out));
		assert_int_equal(thing.number, variant % 3 == 0 ? 1000 : variant % 3 == 1 ? 0 : 500);
	}
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_the_one_form_is_decoded),
		cmocka_unit_test(test_every_shorter_form_is_refused),
		cmocka_unit_test(test_an_unfit_object_is_not_encoded),
		cmocka_unit_test(test_no_room_leaves_the_buffer_as_it_was),
		cmocka_unit_test(test_print_shows_texts_escaped_and_of_blobs_the_length),
		cmocka_unit_test(test_samples_are_valid_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
