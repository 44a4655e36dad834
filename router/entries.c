/* SPDX-License-Identifier: ISC */
#include "router/entries.h"

#include <stdlib.h>
#include <string.h>

#include "common/siphash.h"
#include "router/limits.h"

/* One for all tables of the process: it is random, and never leaves. */
static uint8_t hash_key[SIPHASH_KEY_SIZE];
static bool hash_key_made;

void
entries_init(struct entries *e, const char *file, const char *text)
{
	*e = (struct entries){ .file = file, .text = text };
	if (!hash_key_made)
		arc4random_buf(hash_key, sizeof(hash_key));
	hash_key_made = true;
}

void
entries_clear(struct entries *e)
{
	free(e->list);
	free(e->slots);
	*e = (struct entries){ 0 };
}

static bool
grow(struct entries *e)
{
	size_t room = e->room == 0 ? 16 : 2 * e->room;
	struct entry *list = reallocarray(e->list, room, sizeof(*list));

	if (list == NULL)
		return false;
	e->list = list;
	e->room = room;
	return true;
}

static bool
refuse(const struct entries *e, uint32_t line, struct error *err, const char *why)
{
	return error_set(err, ERROR_PERMANENT, "%s:%u: %s", e->file, line, why);
}

bool
entries_add(struct entries *e, struct str key, struct str value, uint32_t line, struct error *err)
{
	struct entry *entry;

	if (key.len == 0)
		return refuse(e, line, err, "an entry has no key");
	if (key.len > TABLE_KEY_MAX)
		return refuse(e, line, err, "a key is longer than 1024 bytes");
	if (e->count == TABLE_ENTRIES_MAX)
		return refuse(e, line, err, "the table has more than 4194304 entries");
	if (e->count == e->room && !grow(e))
		return refuse(e, line, err, "out of memory");
	entry = &e->list[e->count++];
	*entry = (struct entry){ .line = line, .key_len = (uint16_t)key.len };
	entry->key = (uint32_t)(key.ptr - e->text);
	if (value.ptr != NULL) {
		entry->value = (uint32_t)(value.ptr - e->text);
		entry->value_len = (uint32_t)value.len;
	}
	return true;
}

/* The slot where key stands, or the free one where it would. */
static size_t
slot_of(const struct entries *e, struct str key)
{
	char lower[TABLE_KEY_MAX];
	size_t i, slot;

	for (i = 0; i < key.len; i++)
		lower[i] = ascii_lower(key.ptr[i]);
	slot = (size_t)siphash24(hash_key, lower, key.len) & (e->slots_count - 1);
	while (e->slots[slot] != 0 && !str_equal_nocase(entries_key(e, e->slots[slot] - 1), key))
		slot = (slot + 1) & (e->slots_count - 1);
	return slot;
}

bool
entries_index(struct entries *e, struct error *err)
{
	size_t i, slot, count = 16;

	while (count < 2 * e->count)
		count *= 2;
	e->slots = calloc(count, sizeof(*e->slots));
	if (e->slots == NULL)
		return error_set(err, ERROR_TEMPORARY, "%s: out of memory", e->file);
	e->slots_count = count;
	for (i = 0; i < e->count; i++) {
		slot = slot_of(e, entries_key(e, i));
		if (e->slots[slot] != 0) {
			e->replaced++;
			e->replaced_line = e->list[e->slots[slot] - 1].line;
		}
		e->slots[slot] = (uint32_t)i + 1;
	}
	return true;
}

size_t
entries_find(const struct entries *e, struct str key)
{
	size_t slot;

	if (key.len == 0 || key.len > TABLE_KEY_MAX || e->count == 0)
		return ENTRIES_NONE;
	slot = slot_of(e, key);
	return e->slots[slot] == 0 ? ENTRIES_NONE : e->slots[slot] - 1;
}

struct str
entries_key(const struct entries *e, size_t i)
{
	return (struct str){ e->text + e->list[i].key, e->list[i].key_len };
}

struct str
entries_value(const struct entries *e, size_t i)
{
	return (struct str){ e->text + e->list[i].value, e->list[i].value_len };
}

bool
entries_error(const struct entries *e, size_t i, struct error *err, const char *why)
{
	return refuse(e, e->list[i].line, err, why);
}
