/* SPDX-License-Identifier: ISC */
/*
 * Property: what the decoder of a record accepts, encoding gives back byte for byte; with any bit of it flipped it is
 * refused. The first byte of the input is the kind, the second the length of the key, then key and fields; format and
 * checksum are put around them here, since no input would find a right one by itself. Without them (kind's highest
 * bit) the input is tried as it stands.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc32c.h"
#include "queue/records.h"

enum { INPUT_MAX = 8192, RECORD_MAX = 131072, KINDS = RECORD_KIND_NUMBER + 1, KIND_PIECE = 0xff, RAW = 0x80 };

union any {
#define R(NAME, name) struct record_##name name;
	RECORDS(R)
#undef R
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *promise)
{
	if (condition)
		return;
	(void)fprintf(stderr, "broken: %s\n", promise);
	abort();
}

/* In a block of just its size: a read behind it is seen. */
static struct str
wrap(unsigned kind, struct str key, struct str content)
{
	uint8_t byte = (uint8_t)kind;
	size_t len = 1 + content.len;
	char *bytes = malloc(len + sizeof(uint32_t));
	uint32_t crc;

	require(bytes != NULL, "memory");
	bytes[0] = RECORD_FORMAT;
	memcpy(bytes + 1, content.ptr, content.len);
	crc = htole32(crc32c(crc32c(crc32c(0, &byte, 1), key.ptr, key.len), bytes, len));
	memcpy(bytes + len, &crc, sizeof(crc));
	return (struct str){ bytes, len + sizeof(crc) };
}

static void
check_flips(enum record_kind kind, struct str key, struct str bytes)
{
	char *copy = malloc(bytes.len);
	union any record;
	size_t bit;

	require(copy != NULL, "memory");
	memcpy(copy, bytes.ptr, bytes.len);
	for (bit = 0; bit < bytes.len * 8; bit += 1 + bytes.len / 64) {
		copy[bit / 8] ^= (char)(1 << bit % 8);
		require(
		    !record_decode(kind, key, (struct str){ copy, bytes.len }, &record), "a flipped bit is refused");
		copy[bit / 8] ^= (char)(1 << bit % 8);
	}
	free(copy);
}

static void
check_record(enum record_kind kind, struct str key, struct str bytes)
{
	union any record;
	struct buf again;

	if (!record_decode(kind, key, bytes, &record))
		return;
	buf_init(&again, RECORD_MAX);
	require(record_encode(kind, key, &record, &again), "what is decoded is encoded");
	require(bytes.ptr[0] != RECORD_FORMAT || str_equal(buf_str(&again), bytes), "and comes back byte for byte");
	buf_clear(&again);
	check_flips(kind, key, bytes);
}

static void
check_piece(struct str key, struct str bytes)
{
	char again[RECORD_PIECE_MAX];
	struct str piece;
	size_t len;

	if (!record_piece_decode(key, bytes, &piece))
		return;
	require(piece.len >= 1 && piece.len <= RECORD_PIECE_DATA, "a piece has a length of its own");
	len = record_piece_encode(key, piece, again);
	require(str_equal((struct str){ again, len }, bytes), "a piece comes back byte for byte");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest, key, bytes;
	unsigned kind;

	if (size < 2 || size > INPUT_MAX || (size_t)data[1] + 2 > size)
		return 0;
	kind = (data[0] & 0x7f) % (KINDS + 1);
	rest = (struct str){ (const char *)data + 2, size - 2 };
	key = (struct str){ rest.ptr, data[1] };
	rest = (struct str){ rest.ptr + key.len, rest.len - key.len };
	bytes = (data[0] & RAW) != 0 ? rest : wrap(kind == KINDS ? KIND_PIECE : kind, key, rest);
	if (kind == KINDS)
		check_piece(key, bytes);
	else
		check_record((enum record_kind)kind, key, bytes);
	if (bytes.ptr != rest.ptr)
		free((void *)(uintptr_t)bytes.ptr);
	return 0;
}
