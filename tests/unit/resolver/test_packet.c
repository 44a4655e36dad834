/* SPDX-License-Identifier: ISC */
/* Promise: of an answer only whole, well-formed records are shown; a name is that of a host or marked as none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/resolver/wire.h"

static struct {
	unsigned count;
	struct packet_record last;
	char address[16];
} seen;

static void
on_record(void *arg, const struct packet_record *record)
{
	(void)arg;
	seen.count++;
	seen.last = *record;
	if (record->type == PACKET_A || record->type == PACKET_AAAA)
		memcpy(seen.address, record->address.ptr, record->address.len);
}

/* Reads from memory of just that size: a read behind it is seen. */
static bool
read_copy(struct str packet, unsigned *rcode)
{
	char *copy = malloc(packet.len + (packet.len == 0));
	bool ok;

	assert_non_null(copy);
	memcpy(copy, packet.ptr, packet.len);
	memset(&seen, 0, sizeof(seen));
	ok = packet_read((struct str){ copy, packet.len }, rcode, on_record, NULL);
	free(copy);
	return ok;
}

struct row {
	const char *sentence;
	struct str data; /* of an MX, preference included */
	bool read;
	const char *name; /* NULL: not that of a host */
};

/* clang-format off */
static const struct row rows[] = {
	{ "a name", STR("\0\12\2MX\1D\0"), true, "mx.d" },
	{ "the root", STR("\0\0\0"), true, NULL },
	{ "an underscore is tolerated", STR("\0\12\3m_x\1d\0"), true, "m_x.d" },
	{ "a name of one label", STR("\0\12\11localhost\0"), true, "localhost" },
	{ "a dot inside a label", STR("\0\12\3a.b\1d\0"), true, NULL },
	{ "a space", STR("\0\12\3a b\1d\0"), true, NULL },
	{ "a NUL", STR("\0\12\3a\0b\1d\0"), true, NULL },
	{ "a line end", STR("\0\12\4a\r\nb\1d\0"), true, NULL },
	{ "a backslash and digits", STR("\0\12\4\\046\1d\0"), true, NULL },
	{ "a byte above 127", STR("\0\12\2\xc3\xa4\1d\0"), true, NULL },
	{ "a hyphen first", STR("\0\12\2-a\1d\0"), true, NULL },
	{ "a pointer to the question", STR("\0\12\2mx\300\14"), true, "mx.d.example" },
	{ "a pointer alone", STR("\0\12\300\14"), true, "d.example" },
	{ "a pointer to itself", STR("\0\12\300\62"), false, NULL },
	{ "a pointer forward", STR("\0\12\300\77"), false, NULL },
	{ "a pointer behind the end", STR("\0\12\377\377"), false, NULL },
	{ "half a pointer", STR("\0\12\300"), false, NULL },
	{ "an unknown kind of label", STR("\0\12\101a\0"), false, NULL },
	{ "no end", STR("\0\12\2mx\1d"), false, NULL },
	{ "bytes behind it", STR("\0\12\2mx\1d\0x"), false, NULL },
	{ "no name", STR("\0\12"), false, NULL },
	{ "nothing", STR(""), false, NULL },
};
/* clang-format on */

static void
test_D03_names_of_mx(void **state)
{
	struct buf b;
	size_t i;
	unsigned rcode;

	(void)state;
	buf_init(&b, 65536);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		bool ok;

		wire_begin(&b, 0, "d.example", PACKET_MX);
		wire_record(&b, "d.example", PACKET_MX, row->data);
		wire_answers(&b, 1);
		ok = read_copy(buf_str(&b), &rcode);
		if (ok != row->read)
			row_fail(row->sentence, "read is %d, want %d", (int)ok, (int)row->read);
		if (ok && seen.last.host_name != (row->name != NULL))
			row_fail(row->sentence, "host name is %d", (int)seen.last.host_name);
		if (ok && strcmp(seen.last.name, row->name == NULL ? "" : row->name) != 0)
			row_fail(row->sentence, "got \"%s\"", seen.last.name);
	}
	buf_clear(&b);
}

static void
test_a_name_of_255_bytes_is_the_longest(void **state)
{
	char name[300] = "", rest[80];
	struct buf b;
	unsigned rcode, i;

	(void)state;
	buf_init(&b, 65536);
	for (i = 0; i < 3; i++)
		(void)strlcat(name, "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc.", sizeof(name));
	for (i = 60; i <= 62; i++) {
		char whole[400];

		(void)snprintf(rest, sizeof(rest), "%0*d", (int)i, 0);
		(void)snprintf(whole, sizeof(whole), "10 %s%.*s", name, (int)i,
		    "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc");
		wire_begin(&b, 0, "d.example", PACKET_MX);
		wire_value(&b, "d.example", PACKET_MX, whole);
		wire_answers(&b, 1);
		(void)read_copy(buf_str(&b), &rcode);
		assert_true(strlen(seen.last.name) <= PACKET_NAME_MAX);
	}
	buf_clear(&b);
}

static void
build_mixed(struct buf *b)
{
	wire_begin(b, 0, "d.example", PACKET_A);
	wire_value(b, "d.example", PACKET_CNAME, "e.example");
	wire_value(b, "e.example", PACKET_A, "192.0.2.1");
	wire_record(b, "e.example", 46, S("a signature"));
	wire_value(b, "e.example", PACKET_AAAA, "2001:db8::1");
	wire_answers(b, 4);
}

static void
test_every_record_is_shown(void **state)
{
	static const unsigned char last[] = { 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
	struct buf b;
	unsigned rcode = 99;

	(void)state;
	buf_init(&b, 65536);
	build_mixed(&b);
	assert_true(read_copy(buf_str(&b), &rcode));
	assert_int_equal(rcode, 0);
	assert_int_equal(seen.count, 3);
	assert_memory_equal(seen.address, last, sizeof(last));
	wire_begin(&b, PACKET_NXDOMAIN, "d.example", PACKET_MX);
	assert_true(read_copy(buf_str(&b), &rcode));
	assert_int_equal(rcode, PACKET_NXDOMAIN);
	buf_clear(&b);
}

static void
test_every_prefix_is_refused(void **state)
{
	struct buf b;
	unsigned rcode;
	size_t len;

	(void)state;
	buf_init(&b, 65536);
	build_mixed(&b);
	for (len = 0; len < b.len; len++)
		assert_false(read_copy((struct str){ buf_str(&b).ptr, len }, &rcode));
	buf_clear(&b);
}

/* Whatever one byte becomes, nothing is read that is not there, and what is shown keeps its form. */
static void
test_any_byte_may_be_wrong(void **state)
{
	struct buf b;
	unsigned rcode, value;
	size_t i;

	(void)state;
	buf_init(&b, 65536);
	build_mixed(&b);
	for (i = 0; i < b.len; i++) {
		char *at = b.data + b.head + i, before = *at;
		for (value = 0; value < 256; value++) {
			*at = (char)value;
			(void)read_copy(buf_str(&b), &rcode);
			assert_true(strlen(seen.last.name) <= PACKET_NAME_MAX);
		}
		*at = before;
	}
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_D03_names_of_mx),
		cmocka_unit_test(test_a_name_of_255_bytes_is_the_longest),
		cmocka_unit_test(test_every_record_is_shown),
		cmocka_unit_test(test_every_prefix_is_refused),
		cmocka_unit_test(test_any_byte_may_be_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
