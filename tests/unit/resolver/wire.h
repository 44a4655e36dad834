/* SPDX-License-Identifier: ISC */
/* Building DNS answers for tests: uncompressed, byte by byte. */
#ifndef TESTS_UNIT_RESOLVER_WIRE_H
#define TESTS_UNIT_RESOLVER_WIRE_H

#include <arpa/inet.h>

#include <string.h>

#include "tests/unit/unit.h"

#include "common/buf.h"
#include "resolver/packet.h"

static inline void
wire_u16(struct buf *b, unsigned value)
{
	assert_true(buf_append_byte(b, (char)(value >> 8)) && buf_append_byte(b, (char)(value & 0xff)));
}

/* A name of labels that hold no dots; "" is the root. */
static inline void
wire_name(struct buf *b, const char *name)
{
	struct str rest = str_of(name), label;

	while (rest.len > 0) {
		(void)str_cut(rest, '.', &label, &rest);
		assert_true(buf_append_byte(b, (char)label.len) && buf_append_str(b, label));
	}
	assert_true(buf_append_byte(b, '\0'));
}

/* The header and one question; wire_answers sets the number of answers later. */
static inline void
wire_begin(struct buf *b, unsigned rcode, const char *name, unsigned type)
{
	buf_reset(b);
	wire_u16(b, 0);
	wire_u16(b, 0x8180 | rcode);
	wire_u16(b, 1);
	wire_u16(b, 0);
	wire_u16(b, 0);
	wire_u16(b, 0);
	wire_name(b, name);
	wire_u16(b, type);
	wire_u16(b, 1);
}

static inline void
wire_answers(struct buf *b, unsigned count)
{
	b->data[b->head + 6] = (char)(count >> 8);
	b->data[b->head + 7] = (char)(count & 0xff);
}

/* A record with that data. */
static inline void
wire_record(struct buf *b, const char *owner, unsigned type, struct str data)
{
	wire_name(b, owner);
	wire_u16(b, type);
	wire_u16(b, 1);
	wire_u16(b, 0);
	wire_u16(b, 300);
	wire_u16(b, (unsigned)data.len);
	assert_true(buf_append_str(b, data));
}

/* A record whose value is text: an address, a name, or "PREFERENCE NAME". */
static inline void
wire_value(struct buf *b, const char *owner, unsigned type, const char *value)
{
	struct buf data;
	unsigned char bytes[16];
	uint64_t preference = 0;
	struct str head, name;

	buf_init(&data, 1024);
	switch (type) {
	case PACKET_A:
		assert_int_equal(inet_pton(AF_INET, value, bytes), 1);
		assert_true(buf_append(&data, bytes, 4));
		break;
	case PACKET_AAAA:
		assert_int_equal(inet_pton(AF_INET6, value, bytes), 1);
		assert_true(buf_append(&data, bytes, 16));
		break;
	case PACKET_MX:
		(void)str_cut(str_of(value), ' ', &head, &name);
		assert_true(str_to_u64(head, 65535, &preference));
		wire_u16(&data, (unsigned)preference);
		wire_name(&data, strcmp(name.ptr, ".") == 0 ? "" : name.ptr);
		break;
	default: wire_name(&data, value); break;
	}
	wire_record(b, owner, type, buf_str(&data));
	buf_clear(&data);
}

#endif
