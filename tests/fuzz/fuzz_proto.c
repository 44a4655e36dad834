/* SPDX-License-Identifier: ISC */
/*
 * Property: a payload that is decoded is encoded to the same bytes, for every type of message; a frame of any bytes that a
 * channel's receiver would take names a type that its sender may send. Two bytes of the input are the type, the rest is the
 * payload. SECURITY rows I01, I02, I03.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *promise)
{
	if (condition)
		return;
	(void)fprintf(stderr, "broken: %s\n", promise);
	abort();
}

static void
check_printing(enum proto_type type, const union proto_message *msg)
{
	struct buf text;
	struct str out;
	size_t i;

	buf_init(&text, 8 * PROTO_PAYLOAD_MAX);
	proto_print(type, msg, &text);
	out = buf_str(&text);
	for (i = 0; i < out.len; i++)
		require(ascii_is_printable(out.ptr[i]), "a message is printed in ASCII");
	buf_clear(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union proto_message msg;
	struct str payload;
	struct buf again;
	unsigned type;

	if (size < 2 || size > PROTO_PAYLOAD_MAX + 2)
		return 0;
	type = (data[0] | (unsigned)data[1] << 8) % PROTO_TYPE_COUNT;
	payload = (struct str){ (const char *)data + 2, size - 2 };
	if (!proto_decode(type, payload, &msg))
		return 0;
	buf_init(&again, PROTO_PAYLOAD_MAX);
	require(proto_encode(type, &msg, &again), "what was decoded can be encoded");
	require(str_equal(payload, buf_str(&again)), "what was decoded is encoded to the same bytes");
	check_printing(type, &msg);
	buf_clear(&again);
	return 0;
}
