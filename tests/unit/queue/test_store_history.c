/* SPDX-License-Identifier: ISC */
/*
 * Promise: history has every event once and in order, whatever the clock does; state and numbers come back as they
 * were.
 */
#include "tests/unit/unit.h"

#include "queue/store_lmdb.h"
#include "tests/unit/queue/spool.h"

/* Lists the history; returns how many entries, the times in times where it is not NULL. */
static size_t
list(struct spool *spool, uint64_t *times, size_t max)
{
	struct store_txn *txn = reading(spool);
	uint64_t after = 0, message;
	struct record_history record;
	enum record_event event;
	uint32_t number;
	size_t n = 0;

	while (store_next_history(txn, after, &after, &message, &number, &event, &record, NULL) == STORE_FOUND) {
		assert_int_equal(event, EVENT_DEFERRED);
		assert_int_equal(number, message + 1);
		assert_true(str_equal(record.to, S("a@b.example")));
		assert_true(n < max);
		if (times != NULL)
			times[n] = after;
		n++;
	}
	store_read_end(txn);
	return n;
}

static void
put(struct spool *spool, const uint64_t *times, size_t count)
{
	const struct record_history record = { .to = S("a@b.example"), .code = 451, .text = S("later") };
	struct store_txn *txn = begin(spool);
	size_t i;

	for (i = 0; i < count; i++)
		store_put_history(txn, times[i], i, (uint32_t)i + 1, EVENT_DEFERRED, &record);
	commit(txn);
}

static void
test_events_of_one_moment_are_all_listed(void **state)
{
	static const struct {
		const char *row;
		uint64_t times[4];
		uint64_t stored[4];
	} rows[] = {
		{ "rising times stay", { 5000000, 5000001, 6000000, 7000000 }, { 5000000, 5000001, 6000000, 7000000 } },
		{ "equal times follow each other", { 5000000, 5000000, 5000000, 5000000 },
		    { 5000000, 5000001, 5000002, 5000003 } },
		{ "a clock that is a little back goes on from the newest", { 5000000, 4999000, 4999000, 5000500 },
		    { 5000000, 5000001, 5000002, 5000500 } },
		{ "a clock that was set back is believed", { 9000000, 10, 11, 12 }, { 10, 11, 12, 9000000 } },
	};
	uint64_t got[4];
	struct spool spool;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		spool_new(&spool, 0);
		put(&spool, rows[i].times, 4);
		if (list(&spool, got, 4) != 4)
			row_fail(rows[i].row, "%s", "not all are listed");
		for (k = 0; k < 4; k++)
			if (got[k] != rows[i].stored[k])
				row_fail(rows[i].row, "entry %zu is at %llu", k, (unsigned long long)got[k]);
		put(&spool, &rows[i].times[3], 1); /* in a transaction of its own */
		if (list(&spool, NULL, 5) != 5)
			row_fail(rows[i].row, "%s", "the next transaction's is not listed");
		expect_clean(&spool);
		spool_free(&spool);
	}
}

static void
test_history_is_pruned_in_bounded_steps(void **state)
{
	uint64_t times[100];
	struct spool spool;
	struct store_txn *txn;
	size_t i, left;
	bool more = true;

	(void)state;
	for (i = 0; i < 100; i++)
		times[i] = 5000000 + i * 10;
	spool_new(&spool, 0);
	put(&spool, times, 100);
	for (left = 80; more; left -= left > 20 ? 20 : 0) {
		txn = begin(&spool);
		more = store_prune_history(txn, times[80], UINT64_MAX, 20);
		commit(txn);
		assert_int_equal(list(&spool, NULL, 100), left);
	}
	assert_false(more);
	assert_int_equal(list(&spool, times, 20), 20);
	assert_int_equal(times[0], 5000800);
	expect_clean(&spool);
	txn = begin(&spool);
	assert_false(store_prune_history(txn, UINT64_MAX, UINT64_MAX, 1000));
	commit(txn);
	assert_int_equal(list(&spool, NULL, 0), 0);
	spool_free(&spool);
}

static uint64_t
bytes_of(struct spool *spool, bool counted)
{
	struct store_txn *txn = reading(spool);
	uint64_t bytes = counted ? store_history_bytes(txn) : db_bytes(txn, DB_HISTORY);

	store_read_end(txn);
	return bytes;
}

static void
test_history_is_pruned_to_a_size_and_the_bytes_are_exact(void **state)
{
	uint64_t times[100], i, all, kept;
	struct spool spool;
	struct store_txn *txn;
	bool more;

	(void)state;
	for (i = 0; i < 100; i++)
		times[i] = 5000000 + i * 10;
	spool_new(&spool, 0);
	assert_int_equal(bytes_of(&spool, true), 0);
	put(&spool, times, 100);
	all = bytes_of(&spool, true);
	assert_int_equal(all, bytes_of(&spool, false));
	spool_reopen(&spool);
	for (more = true; more;) {
		txn = begin(&spool);
		more = store_prune_history(txn, 0, all / 2, 7);
		commit(txn);
		assert_int_equal(bytes_of(&spool, true), bytes_of(&spool, false));
	}
	kept = bytes_of(&spool, true);
	assert_true(kept <= all / 2 && kept > all / 2 - all / 100);
	assert_int_equal(list(&spool, times, 50), 50);
	assert_int_equal(times[49], 5000990);
	expect_clean(&spool);
	txn = begin(&spool);
	assert_false(store_prune_history(txn, 0, 0, 1000));
	commit(txn);
	assert_int_equal(bytes_of(&spool, true), 0);
	expect_clean(&spool);
	spool_free(&spool);
}

/* As it is where the store was made before they were counted. */
static void
test_bytes_that_were_never_counted_are_counted_at_the_next_event(void **state)
{
	uint64_t times[] = { 5000000, 5000010, 5000020 };
	struct spool spool;
	struct store_txn *txn;

	(void)state;
	spool_new(&spool, 0);
	put(&spool, times, 2);
	txn = begin(&spool);
	assert_true(db_delete(txn, DB_META, S("history_bytes")));
	commit(txn);
	assert_int_equal(bytes_of(&spool, true), 0);
	put(&spool, times + 2, 1);
	assert_int_equal(bytes_of(&spool, true), bytes_of(&spool, false));
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_history_is_walked_both_ways(void **state)
{
	const uint64_t times[] = { 100, 200, 300 };
	struct store_event event;
	struct spool spool;
	struct store_txn *txn;
	uint64_t at = UINT64_MAX;
	struct str value;
	size_t i;

	(void)state;
	spool_new(&spool, 0);
	put(&spool, times, 3);
	txn = reading(&spool);
	for (i = 3; i > 0; i--, at = event.time_us) {
		assert_int_equal(store_step_history(txn, at, true, &event, &value, NULL), STORE_FOUND);
		assert_int_equal(event.time_us, times[i - 1]);
		assert_int_equal(event.event, EVENT_DEFERRED);
	}
	assert_int_equal(store_step_history(txn, at, true, &event, &value, NULL), STORE_NONE);
	assert_int_equal(store_step_history(txn, 250, true, &event, &value, NULL), STORE_FOUND);
	assert_int_equal(event.time_us, 200);
	assert_int_equal(store_step_history(txn, 300, false, &event, &value, NULL), STORE_NONE);
	store_read_end(txn);
	spool_free(&spool);
}

static void
test_numbers_are_kept_and_seen_at_once(void **state)
{
	struct spool spool;
	struct store_txn *txn;
	size_t i;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	for (i = 0; i < STORE_META_COUNT; i++) {
		assert_int_equal(store_get_meta(txn, (enum store_meta)i), 0);
		store_put_meta(txn, (enum store_meta)i, 100 + i);
		assert_int_equal(store_get_meta(txn, (enum store_meta)i), 100 + i);
	}
	commit(txn);
	spool_reopen(&spool);
	txn = reading(&spool);
	for (i = 0; i < STORE_META_COUNT; i++)
		assert_int_equal(store_get_meta(txn, (enum store_meta)i), 100 + i);
	store_read_end(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_state_comes_back_under_its_kind_and_key(void **state)
{
	static char long_key[STORE_STATE_KEY_MAX], value[STORE_STATE_VALUE_MAX];
	struct str longest = { long_key, sizeof(long_key) - 3 };
	uint64_t expires_ms = 0;
	struct spool spool;
	struct store_txn *txn;
	struct str got;

	(void)state;
	memset(long_key, 'k', sizeof(long_key));
	memset(value, 'v', sizeof(value));
	spool_new(&spool, 0);
	txn = begin(&spool);
	store_put_state(txn, S("sts"), S("a.example"), S("one"), 5);
	store_put_state(txn, S("sts"), S("a.example"), S("two"), 6);
	store_put_state(txn, S("stsa"), S(".example"), S("three"), 0);
	store_put_state(txn, S("sts"), S(""), S(""), 0);
	store_put_state(txn, S("sts"), longest, (struct str){ value, sizeof(value) }, INT64_MAX);
	commit(txn);
	txn = reading(&spool);
	assert_int_equal(store_get_state(txn, S("sts"), S("a.example"), &got, &expires_ms, NULL), STORE_FOUND);
	assert_true(str_equal(got, S("two")));
	assert_int_equal(expires_ms, 6);
	assert_int_equal(store_get_state(txn, S("stsa"), S(".example"), &got, &expires_ms, NULL), STORE_FOUND);
	assert_true(str_equal(got, S("three")));
	assert_int_equal(store_get_state(txn, S("sts"), S(""), &got, &expires_ms, NULL), STORE_FOUND);
	assert_int_equal(store_get_state(txn, S("sts"), longest, &got, &expires_ms, NULL), STORE_FOUND);
	assert_int_equal(got.len, sizeof(value));
	assert_int_equal(store_get_state(txn, S("st"), S("sa.example"), &got, &expires_ms, NULL), STORE_NONE);
	longest.len++;
	assert_int_equal(store_get_state(txn, S("sts"), longest, &got, &expires_ms, NULL), STORE_NONE);
	store_read_end(txn);
	txn = begin(&spool);
	store_put_state(txn, S("sts"), longest, S("x"), 0);
	assert_int_equal(store_failed(txn), STORE_FAILED);
	store_abort(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_of_one_moment_are_all_listed),
		cmocka_unit_test(test_history_is_pruned_in_bounded_steps),
		cmocka_unit_test(test_history_is_pruned_to_a_size_and_the_bytes_are_exact),
		cmocka_unit_test(test_bytes_that_were_never_counted_are_counted_at_the_next_event),
		cmocka_unit_test(test_history_is_walked_both_ways),
		cmocka_unit_test(test_numbers_are_kept_and_seen_at_once),
		cmocka_unit_test(test_state_comes_back_under_its_kind_and_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
