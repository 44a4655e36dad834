/* SPDX-License-Identifier: ISC */
/*
 * Promised: at most max entries, the longest unused leaves first, nothing outlives its time, and each value that was
 * taken is freed exactly once (the allocator of a sanitizer build sees the rest).
 */
#include "common/lru.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define FOREVER INT64_MAX

static const uint8_t hash_key[SIPHASH_KEY_SIZE] = { 7 };
static size_t values_alive;

static int *
new_value(int number)
{
	int *value = malloc(sizeof(*value));

	assert_non_null(value);
	*value = number;
	values_alive++;
	return value;
}

static void
free_value(void *value)
{
	values_alive--;
	free(value);
}

static struct lru *
new_cache(size_t max)
{
	struct lru *l = lru_new(max, hash_key, free_value);

	assert_non_null(l);
	assert_int_equal(values_alive, 0);
	return l;
}

static void
end(struct lru *l)
{
	lru_free(l);
	assert_int_equal(values_alive, 0);
}

static void
put(struct lru *l, const char *key, int number, int64_t expires_ms)
{
	assert_true(lru_put(l, str_of(key), new_value(number), expires_ms));
	assert_int_equal(values_alive, lru_count(l));
}

/* The number of key's value, -1 when there is none. */
static int
get(struct lru *l, const char *key, int64_t now_ms)
{
	const int *value = lru_get(l, str_of(key), now_ms);

	return value == NULL ? -1 : *value;
}

static void
test_what_was_put_is_found(void **state)
{
	struct lru *l = new_cache(8);

	(void)state;
	assert_int_equal(get(l, "a", 0), -1);
	put(l, "a", 1, FOREVER);
	put(l, "b", 2, FOREVER);
	put(l, "", 3, FOREVER);
	assert_int_equal(get(l, "a", 0), 1);
	assert_int_equal(get(l, "b", 0), 2);
	assert_int_equal(get(l, "", 0), 3);
	assert_int_equal(*(int *)lru_get(l, (struct str){ NULL, 0 }, 0), 3);
	assert_int_equal(get(l, "A", 0), -1);
	assert_int_equal(lru_count(l), 3);
	end(l);
}

static void
test_keys_are_bytes(void **state)
{
	struct lru *l = new_cache(8);

	(void)state;
	assert_true(lru_put(l, S("a\0b"), new_value(1), FOREVER));
	assert_true(lru_put(l, S("a\0c"), new_value(2), FOREVER));
	assert_true(lru_put(l, S("a"), new_value(3), FOREVER));
	assert_int_equal(*(int *)lru_get(l, S("a\0b"), 0), 1);
	assert_int_equal(*(int *)lru_get(l, S("a\0c"), 0), 2);
	assert_int_equal(get(l, "a", 0), 3);
	end(l);
}

static void
test_a_key_has_one_value(void **state)
{
	struct lru *l = new_cache(2);
	int *value;

	(void)state;
	put(l, "a", 1, 10);
	put(l, "a", 2, 20);
	assert_int_equal(lru_count(l), 1);
	assert_int_equal(get(l, "a", 15), 2);
	value = lru_get(l, S("a"), 15);
	assert_true(lru_put(l, S("a"), value, 30)); /* the same value, for longer */
	assert_int_equal(get(l, "a", 25), 2);
	end(l);
}

static void
test_the_longest_unused_leaves_first(void **state)
{
	struct lru *l = new_cache(3);

	(void)state;
	put(l, "a", 1, FOREVER);
	put(l, "b", 2, FOREVER);
	put(l, "c", 3, FOREVER);
	assert_int_equal(get(l, "a", 0), 1); /* a read is a use */
	put(l, "d", 4, FOREVER);
	assert_int_equal(get(l, "b", 0), -1);
	put(l, "c", 5, FOREVER); /* so is a write */
	put(l, "e", 6, FOREVER);
	assert_int_equal(get(l, "a", 0), -1);
	assert_int_equal(get(l, "c", 0), 5);
	assert_int_equal(get(l, "d", 0), 4);
	assert_int_equal(get(l, "e", 0), 6);
	assert_int_equal(lru_count(l), 3);
	end(l);
}

static void
test_one_entry_is_a_cache(void **state)
{
	struct lru *l = new_cache(1);

	(void)state;
	put(l, "a", 1, FOREVER);
	put(l, "b", 2, FOREVER);
	assert_int_equal(get(l, "a", 0), -1);
	assert_int_equal(get(l, "b", 0), 2);
	assert_int_equal(lru_count(l), 1);
	end(l);
}

static void
test_nothing_outlives_its_time(void **state)
{
	struct lru *l = new_cache(4);

	(void)state;
	put(l, "a", 1, 1000);
	assert_int_equal(get(l, "a", 999), 1);
	assert_int_equal(get(l, "a", 1000), -1);
	assert_int_equal(lru_count(l), 0);
	assert_int_equal(get(l, "a", 0), -1); /* gone for good */
	put(l, "b", 2, -1);
	assert_int_equal(get(l, "b", 0), -1);
	end(l);
}

static void
test_remove(void **state)
{
	struct lru *l = new_cache(4);

	(void)state;
	put(l, "a", 1, FOREVER);
	assert_false(lru_remove(l, S("b")));
	assert_true(lru_remove(l, S("a")));
	assert_false(lru_remove(l, S("a")));
	assert_int_equal(get(l, "a", 0), -1);
	end(l);
}

static void
test_what_is_refused_stays_the_callers(void **state)
{
	static char long_key[LRU_KEY_MAX + 1];
	struct lru *l = new_cache(4);
	int value = 1;

	(void)state;
	assert_false(lru_put(l, (struct str){ long_key, sizeof(long_key) }, &value, FOREVER));
	assert_false(lru_put(l, S("a"), NULL, FOREVER));
	assert_int_equal(lru_count(l), 0);
	assert_true(lru_put(l, (struct str){ long_key, LRU_KEY_MAX }, new_value(1), FOREVER));
	assert_non_null(lru_get(l, (struct str){ long_key, LRU_KEY_MAX }, 0));
	assert_null(lru_get(l, (struct str){ long_key, sizeof(long_key) }, 0));
	end(l);
	assert_null(lru_new(0, hash_key, NULL));
	assert_null(lru_new((size_t)LRU_ENTRIES_MAX + 1, hash_key, NULL));
	assert_null(lru_new(SIZE_MAX, hash_key, NULL));
	lru_free(NULL);
}

static void
test_values_need_not_be_freed(void **state)
{
	struct lru *l = lru_new(1, hash_key, NULL);
	int a = 1, b = 2;

	(void)state;
	assert_non_null(l);
	assert_true(lru_put(l, S("a"), &a, FOREVER));
	assert_true(lru_put(l, S("a"), &b, FOREVER));
	assert_true(lru_put(l, S("b"), &a, FOREVER));
	assert_ptr_equal(lru_get(l, S("b"), 0), &a);
	lru_free(l);
}

/* --- against a model: an array in order of use --- */

#define MODEL_MAX  7
#define MODEL_KEYS 16
#define STEPS      200000

struct model {
	struct {
		int key, number;
		int64_t expires_ms;
	} entries[MODEL_MAX];
	int count;
};

static void
model_take_out(struct model *m, int at)
{
	m->count--;
	memmove(m->entries + at, m->entries + at + 1, (size_t)(m->count - at) * sizeof(m->entries[0]));
}

static int
model_find(const struct model *m, int key)
{
	int i = 0;

	while (i < m->count && m->entries[i].key != key)
		i++;
	return i == m->count ? -1 : i;
}

static void
model_put(struct model *m, int key, int number, int64_t expires_ms)
{
	int at = model_find(m, key);

	if (at != -1)
		model_take_out(m, at);
	else if (m->count == MODEL_MAX)
		model_take_out(m, 0);
	m->entries[m->count].key = key;
	m->entries[m->count].number = number;
	m->entries[m->count].expires_ms = expires_ms;
	m->count++;
}

static int
model_get(struct model *m, int key, int64_t now_ms)
{
	int at = model_find(m, key), number;
	int64_t expires_ms;

	if (at == -1)
		return -1;
	number = m->entries[at].number;
	expires_ms = m->entries[at].expires_ms;
	model_take_out(m, at);
	if (now_ms >= expires_ms)
		return -1;
	model_put(m, key, number, expires_ms);
	return number;
}

static void
test_200000_steps_agree_with_a_model(void **state)
{
	struct lru *l = new_cache(MODEL_MAX);
	struct model m = { .count = 0 };
	char name[16];
	uint32_t x = 12345;
	int step, key, at;

	(void)state;
	for (step = 0; step < STEPS; step++) {
		x = x * 1664525 + 1013904223;
		key = (int)(x >> 16 & (MODEL_KEYS - 1));
		(void)snprintf(name, sizeof(name), "key-%d", key);
		switch (x >> 28) {
		case 0:
			at = model_find(&m, key);
			if (at != -1)
				model_take_out(&m, at);
			assert_int_equal(lru_remove(l, str_of(name)), at != -1);
			break;
		case 1:
		case 2:
		case 3:
		case 4:
		case 5:
		case 6:
			put(l, name, step, step + (int)(x >> 20 & 0x3f));
			model_put(&m, key, step, step + (int)(x >> 20 & 0x3f));
			break;
		default: assert_int_equal(get(l, name, step), model_get(&m, key, step)); break;
		}
		assert_int_equal(lru_count(l), m.count);
	}
	end(l);
}

static void
test_a_hundred_thousand_keys_are_bounded(void **state)
{
	struct lru *l = new_cache(1000);
	char name[32];
	int i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		(void)snprintf(name, sizeof(name), "host-%d.example", i);
		put(l, name, i, FOREVER);
		assert_true(lru_count(l) <= 1000);
	}
	assert_int_equal(get(l, "host-99999.example", 0), 99999);
	assert_int_equal(get(l, "host-99000.example", 0), 99000);
	assert_int_equal(get(l, "host-98999.example", 0), -1);
	end(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_put_is_found),
		cmocka_unit_test(test_keys_are_bytes),
		cmocka_unit_test(test_a_key_has_one_value),
		cmocka_unit_test(test_the_longest_unused_leaves_first),
		cmocka_unit_test(test_one_entry_is_a_cache),
		cmocka_unit_test(test_nothing_outlives_its_time),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_what_is_refused_stays_the_callers),
		cmocka_unit_test(test_values_need_not_be_freed),
		cmocka_unit_test(test_200000_steps_agree_with_a_model),
		cmocka_unit_test(test_a_hundred_thousand_keys_are_bounded),
	};

	return cmocka_run_group_tests_name("lru", tests, NULL, NULL);
}
