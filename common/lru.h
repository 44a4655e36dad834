/* SPDX-License-Identifier: ISC */
/*
 * A bounded cache: short byte keys to values with a time to live. It never holds more than the entries it was made for;
 * the one longest unused makes room. Keys come from outside, so they are hashed under a random key: nobody can fill one
 * bucket on purpose. It knows no clock; the caller brings the time.
 */
#ifndef COMMON_LRU_H
#define COMMON_LRU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/siphash.h"
#include "common/str.h"

#define LRU_KEY_MAX     512       /* bytes: holds a domain or a whole address */
#define LRU_ENTRIES_MAX (1 << 20) /* of one cache */

struct lru;

/*
 * An empty cache for max entries (1 to LRU_ENTRIES_MAX). hash_key is random, and copied. free_value is called once
 * for each value that the cache took and that leaves it, and must not use the cache; NULL where values are not to be
 * freed. Returns NULL when max is out of range or there is no memory.
 */
struct lru *lru_new(size_t max, const uint8_t hash_key[SIPHASH_KEY_SIZE], void (*free_value)(void *value));

/* Frees the cache and every value in it. */
void lru_free(struct lru *l);

/*
 * The value of key, which is then the one used last; NULL when there is none, or its time is over (it leaves then). The
 * value stays the cache's: it is valid until the next lru_get, lru_put, lru_remove or lru_free.
 */
void *lru_get(struct lru *l, struct str key, int64_t now_ms);

/*
 * Takes value for key until expires_ms, in place of the one it had; copies the key. Returns false, nothing
 * changed and value still the caller's, when value is NULL, the key is longer than LRU_KEY_MAX, or there is no memory.
 */
bool lru_put(struct lru *l, struct str key, void *value, int64_t expires_ms);

/* Drops key and frees its value. Returns whether it was there. */
bool lru_remove(struct lru *l, struct str key);

/* Entries held, those included whose time is over and that nobody asked for since. */
size_t lru_count(const struct lru *l);

#endif
