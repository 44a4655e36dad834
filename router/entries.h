/* SPDX-License-Identifier: ISC */
/*
 * The contents of a table: keys, in a mapping with values, in the order of the file, and an index that finds a key in one
 * step. Keys are found without regard to the case of ASCII letters. An entry is a few offsets into one text, so that a
 * million of them is cheap; the index is under a random key, so that nobody can choose names that meet in one bucket.
 */
#ifndef ROUTER_ENTRIES_H
#define ROUTER_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/str.h"

#define ENTRIES_NONE SIZE_MAX

struct entry {
	uint32_t key; /* offsets into the text */
	uint32_t value;
	uint32_t value_len;
	uint32_t line;
	uint16_t key_len;
};

struct entries {
	const char *file; /* for messages: where lines are counted; a view */
	const char *text; /* what offsets count in; a view */
	struct entry *list;
	size_t count, room;
	uint32_t *slots; /* index + 1 of an entry, 0: free; a power of two of them */
	size_t slots_count;
	size_t replaced; /* entries whose key came again: the last one counts */
	uint32_t replaced_line;
};

/* No entries; keeps views of file and text. */
void entries_init(struct entries *e, const char *file, const char *text);
void entries_clear(struct entries *e);

/*
 * Adds an entry of views into the text; value.ptr is NULL in a list. Returns false and sets err when the key is empty or too
 * long, there are too many, or no memory.
 */
bool entries_add(struct entries *e, struct str key, struct str value, uint32_t line, struct error *err);

/* Makes the index, once, after the last entry. */
bool entries_index(struct entries *e, struct error *err);

/* The number of the entry with that key, ENTRIES_NONE where there is none. */
size_t entries_find(const struct entries *e, struct str key);

struct str entries_key(const struct entries *e, size_t i);
struct str entries_value(const struct entries *e, size_t i);

/* Sets err to "FILE:LINE: " and why. Returns false. */
bool entries_error(const struct entries *e, size_t i, struct error *err, const char *why);

#endif
