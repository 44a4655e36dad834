/* SPDX-License-Identifier: ISC */
#include "queue/records.h"

#include <string.h>

#include "common/crc32c.h"

enum {
	CHECKSUM_SIZE = sizeof(uint32_t),
	KIND_PIECE = 0xff /* a piece and a recipient have the same key: neither may be taken for the other */
};

#define R(NAME, name) FIELDS_FUNCTION(name##_fields, record_##name, RECORD_##NAME)
RECORDS(R)
#undef R

static struct fields
fields_of(enum record_kind kind)
{
	switch (kind) {
#define R(NAME, name) \
	case RECORD_KIND_##NAME: return name##_fields();
		RECORDS(R)
#undef R
	}
	return (struct fields){ NULL, 0, 0 };
}

static size_t
fields_of_format_1(enum record_kind kind)
{
	static const size_t counts[] = {
#define C(NAME, count) [RECORD_KIND_##NAME] = (count),
		RECORD_FIELDS_1(C)
#undef C
	};

	return counts[kind];
}

static uint32_t
checksum(unsigned kind, struct str key, const char *bytes, size_t len)
{
	uint8_t byte = (uint8_t)kind;
	uint32_t crc = crc32c(0, &byte, sizeof(byte));

	return htole32(crc32c(crc32c(crc, key.ptr, key.len), bytes, len));
}

/* Whether bytes begin with the format and end with the checksum; *content is what is between. */
static bool
unwrap(unsigned kind, struct str key, struct str bytes, struct str *content)
{
	uint32_t stored, computed;

	if (bytes.len < 1 + CHECKSUM_SIZE || bytes.ptr[0] < 1 || bytes.ptr[0] > RECORD_FORMAT)
		return false;
	memcpy(&stored, bytes.ptr + bytes.len - CHECKSUM_SIZE, CHECKSUM_SIZE);
	computed = checksum(kind, key, bytes.ptr, bytes.len - CHECKSUM_SIZE);
	if (stored != computed)
		return false;
	*content = (struct str){ bytes.ptr + 1, bytes.len - 1 - CHECKSUM_SIZE };
	return true;
}

bool
record_encode(enum record_kind kind, struct str key, const void *record, struct buf *out)
{
	size_t before = out->len;
	uint32_t crc;

	if (!buf_append_byte(out, RECORD_FORMAT) || !fields_encode(fields_of(kind), record, out))
		goto fail;
	crc = checksum(kind, key, buf_str(out).ptr + before, out->len - before);
	if (!buf_append(out, &crc, sizeof(crc)))
		goto fail;
	return true;
fail:
	buf_truncate(out, before);
	return false;
}

bool
record_decode(enum record_kind kind, struct str key, struct str bytes, void *record)
{
	struct fields fields = fields_of(kind);
	struct str content;

	if (!unwrap(kind, key, bytes, &content))
		return false;
	if (bytes.ptr[0] == 1) {
		memset(record, 0, fields.size);
		fields.count = fields_of_format_1(kind);
	}
	return fields_decode(fields, content, record);
}

size_t
record_piece_encode(struct str key, struct str data, char out[RECORD_PIECE_MAX])
{
	size_t len = 1 + data.len;
	uint32_t crc;

	out[0] = RECORD_FORMAT;
	memcpy(out + 1, data.ptr, data.len);
	crc = checksum(KIND_PIECE, key, out, len);
	memcpy(out + len, &crc, sizeof(crc));
	return len + sizeof(crc);
}

bool
record_piece_decode(struct str key, struct str bytes, struct str *data)
{
	return bytes.len > 1 + CHECKSUM_SIZE && bytes.len <= RECORD_PIECE_MAX && unwrap(KIND_PIECE, key, bytes, data);
}
