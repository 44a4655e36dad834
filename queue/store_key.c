/* SPDX-License-Identifier: ISC */
#include <endian.h>
#include <string.h>

#include "queue/store_lmdb.h"

/* Big-endian, so that keys sort as their numbers do. */
static void
add(struct key *k, const void *bytes, size_t len)
{
	memcpy(k->bytes + k->len, bytes, len);
	k->len += len;
}

static void
add_u32(struct key *k, uint32_t value)
{
	value = htobe32(value);
	add(k, &value, sizeof(value));
}

static void
add_u64(struct key *k, uint64_t value)
{
	value = htobe64(value);
	add(k, &value, sizeof(value));
}

void
key_message(struct key *k, uint64_t message)
{
	k->len = 0;
	add_u64(k, message);
}

void
key_numbered(struct key *k, uint64_t message, uint32_t number)
{
	k->len = 0;
	add_u64(k, message);
	add_u32(k, number);
}

void
key_entry(struct key *k, uint64_t destination, const struct store_entry *entry)
{
	k->len = 0;
	add_u64(k, destination);
	add_u64(k, entry->due_us);
	add_u64(k, entry->message);
	add_u32(k, entry->number);
}

void
key_destination(struct key *k, uint64_t id)
{
	k->len = 0;
	add_u64(k, id);
}

void
key_expiry(struct key *k, uint64_t expires_ms, uint64_t message)
{
	k->len = 0;
	add_u64(k, expires_ms);
	add_u64(k, message);
}

void
key_history(struct key *k, uint64_t time_us, uint64_t message, uint32_t number, unsigned event)
{
	uint8_t byte = (uint8_t)event;

	k->len = 0;
	add_u64(k, time_us);
	add_u64(k, message);
	add_u32(k, number);
	add(k, &byte, sizeof(byte));
}

struct str
key_str(const struct key *k)
{
	return (struct str){ k->bytes, k->len };
}

/*
 * A key of LMDB has at most 511 bytes and a name may be longer: then the key has the beginning of the name and, as
 * there may be several with it, the id, and is longer than that of any name that fits.
 */
void
name_key_destination(struct name_key *k, unsigned kind, struct str name, uint64_t id)
{
	bool fits = name.len <= STORE_KEY_NAME_BYTES;
	size_t len = fits ? name.len : STORE_KEY_NAME_BYTES;

	k->bytes[0] = (char)kind;
	memcpy(k->bytes + 1, name.ptr, len);
	k->len = 1 + len;
	if (!fits) {
		id = htobe64(id);
		memcpy(k->bytes + k->len, &id, sizeof(id));
		k->len += sizeof(id);
	}
}

bool
name_key_state(struct name_key *k, struct str kind, struct str key)
{
	if (kind.len == 0 || kind.len > UINT8_MAX || kind.len + key.len > STORE_STATE_KEY_MAX)
		return false;
	k->bytes[0] = (char)(uint8_t)kind.len;
	memcpy(k->bytes + 1, kind.ptr, kind.len);
	if (key.len > 0)
		memcpy(k->bytes + 1 + kind.len, key.ptr, key.len);
	k->len = 1 + kind.len + key.len;
	return true;
}

struct str
name_key_str(const struct name_key *k)
{
	return (struct str){ k->bytes, k->len };
}

uint32_t
key_u32(struct str key, size_t at)
{
	uint32_t value;

	memcpy(&value, key.ptr + at, sizeof(value));
	return be32toh(value);
}

uint64_t
key_u64(struct str key, size_t at)
{
	uint64_t value;

	memcpy(&value, key.ptr + at, sizeof(value));
	return be64toh(value);
}
