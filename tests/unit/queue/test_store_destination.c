/* SPDX-License-Identifier: ISC */
/*
 * Promise: one destination a kind and name, whatever its length; an id is never given twice; counts are net and
 * written once.
 */
#include "tests/unit/unit.h"

#include "queue/store_lmdb.h"
#include "tests/unit/queue/spool.h"

static char long_name[PROTO_DESTINATION_MAX];

/* Names that begin alike for longer than fits in a key, and differ at their last byte. */
static struct str
name_of(size_t len, char last)
{
	memset(long_name, 'n', sizeof(long_name));
	long_name[len - 1] = last;
	return (struct str){ long_name, len };
}

static void
test_a_name_of_every_length_has_one_id(void **state)
{
	static const size_t lengths[] = { 1, 2, 255, STORE_KEY_NAME_BYTES - 1, STORE_KEY_NAME_BYTES,
		STORE_KEY_NAME_BYTES + 1, STORE_KEY_NAME_BYTES + 8, STORE_KEY_NAME_BYTES + 9, PROTO_DESTINATION_MAX };
	enum { LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };
	uint64_t ids[LENGTHS][3], again;
	struct spool spool;
	struct store_txn *txn;
	size_t i, v;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	for (i = 0; i < LENGTHS; i++)
		for (v = 0; v < 3; v++)
			ids[i][v] = store_destination(txn, (unsigned)v, name_of(lengths[i], 'a'));
	commit(txn);
	expect_clean(&spool);
	txn = begin(&spool);
	for (i = 0; i < LENGTHS; i++) {
		for (v = 0; v < 3; v++) {
			again = store_destination(txn, (unsigned)v, name_of(lengths[i], 'a'));
			if (again != ids[i][v] || again != 1 + 3 * i + v)
				fail_msg("kind %zu, %zu bytes: %llu, then %llu", v, lengths[i],
				    (unsigned long long)ids[i][v], (unsigned long long)again);
		}
	}
	commit(txn);
	spool_free(&spool);
}

static void
test_long_names_that_begin_alike_are_several(void **state)
{
	enum { NAMES = 5 };
	uint64_t ids[NAMES];
	struct spool spool;
	struct store_txn *txn;
	size_t i, k;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	for (i = 0; i < NAMES; i++)
		ids[i] = store_destination(txn, 0, name_of(600, (char)('a' + i)));
	for (i = 0; i < NAMES; i++)
		for (k = 0; k < i; k++)
			assert_int_not_equal(ids[i], ids[k]);
	store_drop_destination(txn, ids[0]); /* a gap before the others */
	store_drop_destination(txn, ids[2]);
	for (i = 1; i < NAMES; i += 2)
		assert_int_equal(store_destination(txn, 0, name_of(600, (char)('a' + i))), ids[i]);
	assert_true(store_destination(txn, 0, name_of(600, 'a')) > ids[NAMES - 1]);
	commit(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_what_is_no_name_fails_the_transaction(void **state)
{
	static char too_long[PROTO_DESTINATION_MAX + 1];
	struct spool spool;
	struct store_txn *txn;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	assert_int_equal(store_destination(txn, 0, S("")), 0);
	assert_int_equal(store_failed(txn), STORE_FAILED);
	store_abort(txn);
	txn = begin(&spool);
	assert_int_equal(store_destination(txn, 0, (struct str){ too_long, sizeof(too_long) }), 0);
	store_abort(txn);
	txn = begin(&spool);
	assert_int_equal(store_destination(txn, 3, S("a")), 0);
	store_abort(txn);
	spool_free(&spool);
}

static void
test_down_state_is_kept_and_the_count_is_the_stores(void **state)
{
	const struct mail mail = { 1, 10, 2, "outbound/a.example" };
	struct record_destination record,
	    down = { .id = 99,
		    .kind = PROTO_DELIVERY_LOCAL,
		    .name = S("else"),
		    .down = true,
		    .until_ms = 1234,
		    .failures = 3,
		    .text = S("connection refused"),
		    .waiting = 77 };
	struct spool spool;
	struct store_txn *txn;
	uint64_t id;
	unsigned kind;
	struct str name;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &mail);
	id = store_destination(txn, PROTO_DELIVERY_RELAY, S("outbound/a.example"));
	store_put_destination(txn, id, &down);
	commit(txn);
	expect_clean(&spool);
	txn = begin(&spool);
	assert_int_equal(store_get_destination(txn, id, &kind, &name, &record, NULL), STORE_FOUND);
	assert_int_equal(kind, PROTO_DELIVERY_RELAY);
	assert_true(str_equal(name, S("outbound/a.example")));
	assert_true(record.down);
	assert_int_equal(record.until_ms, 1234);
	assert_int_equal(record.failures, 3);
	assert_true(str_equal(record.text, S("connection refused")));
	assert_int_equal(record.waiting, 2);
	assert_int_equal(record.id, id);
	assert_int_equal(store_get_destination(txn, id + 1, &kind, &name, &record, NULL), STORE_NONE);
	store_put_destination(txn, id + 1, &down); /* one that is not there stays so */
	commit(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_only_what_nothing_waits_for_is_dropped_and_ids_are_not_given_again(void **state)
{
	const struct mail mail = { 1, 10, 1, "outbound/a.example" };
	struct record_destination record;
	struct spool spool;
	struct store_txn *txn;
	uint64_t id, again;
	unsigned kind;
	struct str name;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &mail);
	id = store_destination(txn, PROTO_DELIVERY_RELAY, S("outbound/a.example"));
	store_drop_destination(txn, id);
	assert_int_equal(store_get_destination(txn, id, &kind, &name, &record, NULL), STORE_FOUND);
	commit(txn);
	txn = begin(&spool);
	delete_mail(txn, &mail);
	store_drop_destination(txn, id);
	store_drop_destination(txn, id);
	assert_int_equal(store_get_destination(txn, id, &kind, &name, &record, NULL), STORE_NONE);
	commit(txn);
	expect_clean(&spool);
	spool_reopen(&spool);
	txn = begin(&spool);
	again = store_destination(txn, PROTO_DELIVERY_RELAY, S("outbound/a.example"));
	assert_true(again > id);
	commit(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_a_recipient_needs_a_destination_that_exists(void **state)
{
	const struct mail mail = { 1, 10, 1, "outbound/a.example" };
	struct record_recipient recipient = mail_recipient(&mail, 55);
	enum store_failure failure;
	struct spool spool;
	struct store_txn *txn;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &mail);
	store_put_recipient(txn, 1, 0, &recipient);
	assert_false(store_commit(txn, &failure, NULL));
	assert_int_equal(failure, STORE_FAILED);
	txn = begin(&spool);
	recipient.destination = 0;
	store_put_recipient(txn, 1, 0, &recipient);
	assert_int_equal(store_failed(txn), STORE_FAILED);
	store_abort(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_many_destinations_in_a_batch_and_all_are_listed(void **state)
{
	enum { DESTINATIONS = 1000 };
	struct record_destination record;
	char text[64];
	struct mail mail = { .size = 10, .recipients = 3, .destination = text };
	struct spool spool;
	struct store_txn *txn;
	uint64_t id = 0, next;
	unsigned kind;
	struct str name;
	size_t n;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	for (mail.id = 1; mail.id <= DESTINATIONS; mail.id++) {
		(void)snprintf(text, sizeof(text), "outbound/%llu.example", (unsigned long long)mail.id);
		put_mail(txn, &mail);
	}
	commit(txn);
	expect_clean(&spool);
	txn = reading(&spool);
	for (n = 0; store_next_destination(txn, id, &next, &kind, &name, &record, NULL) == STORE_FOUND; n++) {
		assert_true(next > id);
		id = next;
		(void)snprintf(text, sizeof(text), "outbound/%llu.example", (unsigned long long)id);
		assert_true(str_equal(name, str_of(text)));
		assert_int_equal(record.waiting, 3);
	}
	assert_int_equal(n, DESTINATIONS);
	store_read_end(txn);
	txn = begin(&spool);
	for (mail.id = 1; mail.id <= DESTINATIONS; mail.id++)
		delete_mail(txn, &mail);
	commit(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_of_every_length_has_one_id),
		cmocka_unit_test(test_long_names_that_begin_alike_are_several),
		cmocka_unit_test(test_what_is_no_name_fails_the_transaction),
		cmocka_unit_test(test_down_state_is_kept_and_the_count_is_the_stores),
		cmocka_unit_test(test_only_what_nothing_waits_for_is_dropped_and_ids_are_not_given_again),
		cmocka_unit_test(test_a_recipient_needs_a_destination_that_exists),
		cmocka_unit_test(test_many_destinations_in_a_batch_and_all_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
