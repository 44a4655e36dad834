/* SPDX-License-Identifier: ISC */
#include "common/lru.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct entry {
	LIST_ENTRY(entry) in_bucket;
	TAILQ_ENTRY(entry) in_order;
	uint64_t hash;
	int64_t expires_ms;
	void *value;
	size_t key_len;
	char key[];
};

LIST_HEAD(bucket, entry);
TAILQ_HEAD(order, entry);

struct lru {
	struct order order; /* the one used last comes first */
	size_t count, max;
	void (*free_value)(void *value); /* may be NULL */
	uint8_t hash_key[SIPHASH_KEY_SIZE];
	size_t mask; /* number of buckets - 1; a power of two, at least max */
	struct bucket buckets[];
};

struct lru *
lru_new(size_t max, const uint8_t hash_key[SIPHASH_KEY_SIZE], void (*free_value)(void *value))
{
	struct lru *l;
	size_t buckets = 1;

	if (max < 1 || max > LRU_ENTRIES_MAX)
		return NULL;
	while (buckets < max)
		buckets *= 2;
	l = calloc(1, sizeof(*l) + buckets * sizeof(l->buckets[0])); /* zero is an empty list */
	if (l == NULL)
		return NULL;
	TAILQ_INIT(&l->order);
	l->max = max;
	l->free_value = free_value;
	memcpy(l->hash_key, hash_key, SIPHASH_KEY_SIZE);
	l->mask = buckets - 1;
	return l;
}

static void
release(struct lru *l, void *value)
{
	if (l->free_value != NULL)
		l->free_value(value);
}

static void
drop(struct lru *l, struct entry *e)
{
	LIST_REMOVE(e, in_bucket);
	TAILQ_REMOVE(&l->order, e, in_order);
	l->count--;
	release(l, e->value);
	free(e);
}

void
lru_free(struct lru *l)
{
	struct entry *e;

	if (l == NULL)
		return;
	while ((e = TAILQ_FIRST(&l->order)) != NULL)
		drop(l, e);
	free(l);
}

static uint64_t
hash_of(const struct lru *l, struct str key)
{
	return siphash24(l->hash_key, key.ptr, key.len);
}

static struct entry *
find(const struct lru *l, struct str key, uint64_t hash)
{
	struct entry *e;

	LIST_FOREACH (e, &l->buckets[hash & l->mask], in_bucket)
		if (e->hash == hash && str_equal((struct str){ e->key, e->key_len }, key))
			return e;
	return NULL;
}

static void
make_first(struct lru *l, struct entry *e)
{
	TAILQ_REMOVE(&l->order, e, in_order);
	TAILQ_INSERT_HEAD(&l->order, e, in_order);
}

void *
lru_get(struct lru *l, struct str key, int64_t now_ms)
{
	struct entry *e = find(l, key, hash_of(l, key));

	if (e == NULL)
		return NULL;
	if (now_ms >= e->expires_ms) {
		drop(l, e);
		return NULL;
	}
	make_first(l, e);
	return e->value;
}

static void
replace(struct lru *l, struct entry *e, void *value, int64_t expires_ms)
{
	if (e->value != value)
		release(l, e->value);
	e->value = value;
	e->expires_ms = expires_ms;
	make_first(l, e);
}

static bool
add(struct lru *l, struct str key, uint64_t hash, void *value, int64_t expires_ms)
{
	struct entry *e = malloc(sizeof(*e) + key.len);

	if (e == NULL)
		return false;
	e->hash = hash;
	e->expires_ms = expires_ms;
	e->value = value;
	e->key_len = key.len;
	if (key.len > 0)
		memcpy(e->key, key.ptr, key.len);
	if (l->count == l->max)
		drop(l, TAILQ_LAST(&l->order, order));
	LIST_INSERT_HEAD(&l->buckets[hash & l->mask], e, in_bucket);
	TAILQ_INSERT_HEAD(&l->order, e, in_order);
	l->count++;
	return true;
}

bool
lru_put(struct lru *l, struct str key, void *value, int64_t expires_ms)
{
	uint64_t hash;
	struct entry *e;

	if (value == NULL || key.len > LRU_KEY_MAX)
		return false;
	hash = hash_of(l, key);
	e = find(l, key, hash);
	if (e == NULL)
		return add(l, key, hash, value, expires_ms);
	replace(l, e, value, expires_ms);
	return true;
}

bool
lru_remove(struct lru *l, struct str key)
{
	struct entry *e = find(l, key, hash_of(l, key));

	if (e == NULL)
		return false;
	drop(l, e);
	return true;
}

size_t
lru_count(const struct lru *l)
{
	return l->count;
}
