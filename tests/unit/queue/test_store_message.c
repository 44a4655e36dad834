/* SPDX-License-Identifier: ISC */
/*
 * Promise: coming, queued and done are the only states of a message, whatever order things come in: no holes in a
 * body, one schedule entry a recipient, one expiry entry a message, counts that are right, sweeping in bounded steps.
 */
#include "tests/unit/unit.h"

#include "queue/store_lmdb.h"
#include "tests/unit/queue/spool.h"

static const char *const place = "outbound/destination.example";

/* Entries of a database. */
static size_t
entries(struct spool *spool, enum store_db db)
{
	struct store_txn *txn = reading(spool);
	MDB_stat stat;

	assert_int_equal(mdb_stat(txn->txn, spool->store->databases[db], &stat), 0);
	store_read_end(txn);
	return stat.ms_entries;
}

static size_t
pages_of_bodies(struct spool *spool)
{
	struct store_txn *txn = reading(spool);
	MDB_stat stat;

	assert_int_equal(mdb_stat(txn->txn, spool->store->databases[DB_BODY], &stat), 0);
	store_read_end(txn);
	return stat.ms_overflow_pages;
}

/* --- bodies --- */

static void
test_bodies_of_every_size_come_back(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 2, 100, RECORD_PIECE_DATA - 1, RECORD_PIECE_DATA, RECORD_PIECE_DATA + 1,
		2 * RECORD_PIECE_DATA, 100000 };
	struct mail mail = { .recipients = 1, .destination = place };
	struct spool spool;
	struct store_txn *txn;
	size_t i;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		mail.id = i + 1;
		mail.size = sizes[i];
		put_mail(txn, &mail);
		assert_true(has_mail(txn, &mail, NULL)); /* within the transaction too */
	}
	commit(txn);
	txn = reading(&spool);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		mail.id = i + 1;
		mail.size = sizes[i];
		if (!has_mail(txn, &mail, NULL))
			fail_msg("a body of %llu bytes is missing", (unsigned long long)sizes[i]);
	}
	store_read_end(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_a_piece_is_one_page(void **state)
{
	const struct mail mail = { 1, 50 * RECORD_PIECE_DATA, 1, place };
	struct spool spool;
	struct store_txn *txn;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &mail);
	commit(txn);
	assert_int_equal(entries(&spool, DB_BODY), 50);
	if (spool.store->page_size == 4096)
		assert_int_equal(pages_of_bodies(&spool), 50);
	spool_free(&spool);
}

static void
test_a_body_may_come_in_several_transactions(void **state)
{
	const struct mail mail = { 9, 3 * RECORD_PIECE_DATA + 5, 1, place };
	struct record_message message = mail_message(&mail);
	struct record_recipient recipient;
	struct spool spool;
	struct store_txn *txn;
	const char *piece;
	uint32_t i;
	size_t len;

	(void)state;
	spool_new(&spool, 0);
	for (i = 0; i < 4; i++) {
		txn = begin(&spool);
		store_mark_sweep(txn, mail.id);
		assert_true(store_has_pieces(txn, mail.id, i));
		assert_false(store_has_pieces(txn, mail.id, i + 1));
		piece = mail_piece(&mail, (uint64_t)i * RECORD_PIECE_DATA, &len);
		store_put_piece(txn, mail.id, i, (struct str){ piece, len });
		commit(txn);
		expect_clean(&spool);
	}
	txn = begin(&spool);
	store_put_message(txn, mail.id, &message);
	recipient = mail_recipient(&mail, store_destination(txn, PROTO_DELIVERY_RELAY, str_of(place)));
	store_put_recipient(txn, mail.id, 0, &recipient);
	assert_true(has_mail(txn, &mail, NULL));
	commit(txn);
	assert_int_equal(entries(&spool, DB_SWEEP), 0);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_a_body_never_has_a_hole(void **state)
{
	static const struct {
		const char *row;
		uint32_t sequence;
		size_t len;
		uint64_t size; /* of the message put behind; 0: none */
		enum store_failure failure;
		bool given_up;
	} rows[] = {
		{ "a piece behind a missing one is refused for want of room", 2, 10, 0, STORE_NO_ROOM, true },
		{ "a piece behind a short one is a mistake", 1, 10, 0, STORE_FAILED, false },
		{ "an empty piece is a mistake", 0, 0, 0, STORE_FAILED, false },
		{ "a piece of more than a page is a mistake", 0, RECORD_PIECE_DATA + 1, 0, STORE_FAILED, false },
		{ "a piece that is there already is a mistake", 0, 10, 0, STORE_FAILED, false },
		{ "a message whose last piece is missing is refused", UINT32_MAX, 0, 2 * RECORD_PIECE_DATA,
		    STORE_NO_ROOM, true },
	};
	static const char data[RECORD_PIECE_DATA + 1];
	struct mail mail = { .id = 5, .recipients = 1, .destination = place };
	struct record_message message;
	enum store_failure failure;
	struct spool spool;
	struct store_txn *txn;
	size_t i;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	store_mark_sweep(txn, mail.id);
	store_put_piece(txn, mail.id, 0, S("short"));
	commit(txn);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		txn = begin(&spool);
		mail.size = rows[i].size;
		message = mail_message(&mail);
		if (rows[i].size != 0)
			store_put_message(txn, mail.id, &message);
		else
			store_put_piece(txn, mail.id, rows[i].sequence, (struct str){ data, rows[i].len });
		if (store_given_up(txn) != rows[i].given_up)
			row_fail(rows[i].row, "%s", "given up or not");
		if (store_commit(txn, &failure, NULL) || failure != rows[i].failure)
			row_fail(rows[i].row, "%s", "is committed, or fails otherwise");
	}
	expect_clean(&spool);
	spool_free(&spool);
}

/* --- states --- */

static void
test_a_message_goes_from_coming_to_queued_to_done(void **state)
{
	const struct mail mail = { 7, (STORE_DELETE_PIECES_MAX + 20) * RECORD_PIECE_DATA, 3, place };
	struct record_recipient recipient;
	struct record_message message;
	struct spool spool;
	struct store_txn *txn;
	uint32_t i;
	bool last;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	store_mark_sweep(txn, mail.id);
	put_body(txn, &mail);
	commit(txn);
	expect_clean(&spool); /* coming */
	txn = begin(&spool);
	message = mail_message(&mail);
	store_put_message(txn, mail.id, &message);
	recipient = mail_recipient(&mail, store_destination(txn, PROTO_DELIVERY_RELAY, str_of(place)));
	for (i = 0; i < mail.recipients; i++)
		store_put_recipient(txn, mail.id, i, &recipient);
	commit(txn);
	expect_clean(&spool); /* queued */
	txn = begin(&spool);
	store_delete_recipient(txn, mail.id, 1, &last);
	assert_false(last);
	store_delete_recipient(txn, mail.id, 0, &last);
	assert_false(last);
	commit(txn);
	expect_clean(&spool); /* still queued, for one */
	txn = begin(&spool);
	store_delete_recipient(txn, mail.id, 2, &last);
	assert_true(last);
	store_delete_message(txn, mail.id);
	commit(txn);
	expect_clean(&spool); /* done */
	assert_int_equal(entries(&spool, DB_BODY), 20);
	assert_int_equal(entries(&spool, DB_SWEEP), 1);
	assert_int_equal(entries(&spool, DB_EXPIRY) + entries(&spool, DB_SCHEDULE) + entries(&spool, DB_MESSAGE), 0);
	txn = begin(&spool);
	assert_false(store_sweep(txn, 1000, NULL, NULL));
	commit(txn);
	expect_clean(&spool);
	assert_int_equal(entries(&spool, DB_BODY) + entries(&spool, DB_SWEEP), 0);
	spool_free(&spool);
}

static void
test_a_small_body_goes_with_its_message(void **state)
{
	const struct mail mail = { 7, STORE_DELETE_PIECES_MAX * RECORD_PIECE_DATA, 1, place };
	struct spool spool;
	struct store_txn *txn;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &mail);
	commit(txn);
	txn = begin(&spool);
	delete_mail(txn, &mail);
	commit(txn);
	assert_int_equal(entries(&spool, DB_BODY) + entries(&spool, DB_SWEEP), 0);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_a_message_is_not_deleted_before_its_recipients(void **state)
{
	const struct mail mail = { 7, 10, 2, place };
	enum store_failure failure;
	struct spool spool;
	struct store_txn *txn;
	bool last;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &mail);
	commit(txn);
	txn = begin(&spool);
	store_delete_recipient(txn, mail.id, 0, &last);
	store_delete_message(txn, mail.id);
	assert_false(store_commit(txn, &failure, NULL));
	assert_int_equal(failure, STORE_FAILED);
	txn = begin(&spool);
	assert_true(has_mail(txn, &mail, NULL));
	store_delete_message(txn, 12345); /* one that is not there is gone */
	store_delete_recipient(txn, 12345, 0, &last);
	assert_true(last);
	commit(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_messages_are_listed_by_rising_id(void **state)
{
	static const uint64_t ids[] = { 300, 5, UINT64_MAX, 70000, 6 };
	static const uint64_t sorted[] = { 5, 6, 300, 70000, UINT64_MAX };
	struct record_message message;
	uint64_t id = 0;
	struct spool spool;
	struct store_txn *txn;
	size_t i;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	for (i = 0; i < 5; i++)
		put_mail(txn, &(struct mail){ ids[i], 10, 1, place });
	commit(txn);
	txn = reading(&spool);
	for (i = 0; i < 5; i++) {
		assert_int_equal(store_next_message(txn, id, &id, &message, NULL), STORE_FOUND);
		assert_int_equal(id, sorted[i]);
		assert_int_equal(message.created_ms, 1000 + id);
	}
	assert_int_equal(store_next_message(txn, id, &id, &message, NULL), STORE_NONE);
	store_read_end(txn);
	spool_free(&spool);
}

/* --- views --- */

/* In pages that are still being written, where others take the place of what is deleted. */
static void
test_a_view_lasts_through_the_writes_of_its_transaction(void **state)
{
	const struct mail first = { 3, 5000, 1, place }, second = { 4, 3000, 1, place },
			  third = { .id = 5, .recipients = 3 };
	struct record_message message, other_message;
	struct record_recipient recipient, other;
	struct spool spool;
	struct store_txn *txn;
	struct str piece;
	uint32_t i;
	size_t len;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &(struct mail){ 1, 10, 1, place }); /* so that the pages stay */
	put_mail(txn, &first);
	put_mail(txn, &second);
	assert_int_equal(store_get_message(txn, 4, &message, NULL), STORE_FOUND);
	assert_int_equal(store_get_recipient(txn, 4, 0, &recipient, NULL), STORE_FOUND);
	assert_int_equal(store_get_piece(txn, 4, 0, &piece, NULL), STORE_FOUND);
	delete_mail(txn, &first);
	delete_mail(txn, &second);
	other_message = mail_message(&third);
	other_message.reverse_path = S("<>");
	other_message.origin = S("local:1000");
	store_put_message(txn, third.id, &other_message);
	other = mail_recipient(&third, store_destination(txn, PROTO_DELIVERY_RELAY, S("b")));
	other.recipient = S("postmaster@b.example");
	for (i = 0; i < third.recipients; i++)
		store_put_recipient(txn, third.id, i, &other);
	assert_true(str_equal(message.origin, S("192.0.2.1:1234")));
	assert_true(str_equal(message.preamble, S("Received: from client.example\r\n")));
	assert_true(str_equal(recipient.recipient, S("someone@destination.example")));
	assert_true(str_equal(piece, (struct str){ mail_piece(&second, 0, &len), 3000 }));
	commit(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

/* --- schedule --- */

static uint64_t
waiting(struct store_txn *txn, uint64_t destination)
{
	struct record_destination record;
	unsigned kind;
	struct str name;

	assert_int_equal(store_get_destination(txn, destination, &kind, &name, &record, NULL), STORE_FOUND);
	return record.waiting;
}

static void
test_recipients_move_in_the_schedule_with_their_time_and_destination(void **state)
{
	static const struct store_entry start;
	const struct mail mail = { 4, 10, 2, place };
	struct record_recipient recipient;
	struct store_entry entry;
	struct spool spool;
	struct store_txn *txn;
	uint64_t from, to;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &mail);
	from = store_destination(txn, PROTO_DELIVERY_RELAY, str_of(place));
	to = store_destination(txn, PROTO_DELIVERY_RELAY, S("outbound/other.example"));
	assert_int_not_equal(from, to);
	commit(txn);
	txn = begin(&spool);
	assert_int_equal(store_get_recipient(txn, 4, 1, &recipient, NULL), STORE_FOUND);
	recipient.due_us += 1000;
	recipient.tries = 1;
	store_put_recipient(txn, 4, 1, &recipient); /* later */
	assert_int_equal(waiting(txn, from), 2);
	assert_int_equal(store_next_entry(txn, from, &start, &entry), STORE_FOUND);
	assert_int_equal(entry.number, 0);
	assert_int_equal(store_next_entry(txn, from, &entry, &entry), STORE_FOUND);
	assert_int_equal(entry.number, 1);
	assert_int_equal(entry.due_us, 2000 + 4 + 1000);
	assert_int_equal(store_next_entry(txn, from, &entry, &entry), STORE_NONE);
	recipient.destination = to;
	store_put_recipient(txn, 4, 1, &recipient); /* elsewhere */
	assert_int_equal(waiting(txn, from), 1);
	assert_int_equal(waiting(txn, to), 1);
	store_put_recipient(txn, 4, 1, &recipient); /* and stays */
	commit(txn);
	expect_clean(&spool);
	txn = reading(&spool);
	assert_int_equal(waiting(txn, from), 1);
	assert_int_equal(waiting(txn, to), 1);
	assert_int_equal(store_get_recipient(txn, 4, 1, &recipient, NULL), STORE_FOUND);
	assert_int_equal(recipient.tries, 1);
	store_read_end(txn);
	spool_free(&spool);
}

static void
test_entries_of_a_destination_are_in_the_order_of_their_time(void **state)
{
	static const uint64_t due[] = { 500, 100, 300, 100, INT64_MAX, 0 };
	static const uint64_t order[] = { 0, 100, 100, 300, 500, INT64_MAX };
	struct mail mail = { .size = 1, .recipients = 0, .destination = place };
	struct record_recipient recipient;
	struct store_entry entry = { 0 };
	struct record_message message;
	struct spool spool;
	struct store_txn *txn;
	uint64_t destination;
	size_t i;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	destination = store_destination(txn, PROTO_DELIVERY_RELAY, str_of(place));
	for (i = 0; i < 6; i++) {
		mail.id = 100 - i;
		put_body(txn, &mail);
		message = mail_message(&mail);
		message.recipients = UINT32_MAX;
		recipient = mail_recipient(&mail, destination);
		recipient.due_us = due[i];
		recipient.held = due[i] == RECORD_HELD_US;
		store_put_message(txn, mail.id, &message);
		store_put_recipient(txn, mail.id, i == 1 ? UINT32_MAX - 1 : (uint32_t)i, &recipient);
	}
	put_mail(txn, &(struct mail){ 200, 1, 1, "another" });
	commit(txn);
	txn = reading(&spool);
	for (i = 0; i < 6; i++) {
		assert_int_equal(store_next_entry(txn, destination, &entry, &entry), STORE_FOUND);
		assert_int_equal(entry.due_us, order[i]);
	}
	assert_int_equal(store_next_entry(txn, destination, &entry, &entry), STORE_NONE);
	entry = (struct store_entry){ .due_us = 100, .message = 97, .number = UINT32_MAX };
	assert_int_equal(store_next_entry(txn, destination, &entry, &entry), STORE_FOUND);
	assert_int_equal(entry.message, 99);
	store_read_end(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

/* --- expiry --- */

static void
test_a_message_has_one_expiry_entry_that_moves(void **state)
{
	const struct mail mail = { 8, 10, 1, place };
	uint64_t expires_ms = 0, message = 0;
	struct record_message record;
	struct spool spool;
	struct store_txn *txn;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &mail);
	store_put_expiry(txn, 500008, 8);
	commit(txn);
	expect_clean(&spool);
	txn = begin(&spool);
	assert_int_equal(store_first_expiry(txn, &expires_ms, &message), STORE_FOUND);
	assert_int_equal(expires_ms, 500008);
	assert_int_equal(message, 8);
	store_put_expiry(txn, 777777, 8);
	store_delete_expiry(txn, 500008, 8);
	commit(txn);
	expect_clean(&spool);
	assert_int_equal(entries(&spool, DB_EXPIRY), 1);
	txn = begin(&spool);
	message = 0;
	assert_int_equal(store_first_expiry(txn, &expires_ms, &message), STORE_FOUND);
	assert_int_equal(expires_ms, 777777);
	message++;
	assert_int_equal(store_first_expiry(txn, &expires_ms, &message), STORE_NONE);
	assert_int_equal(store_get_message(txn, 8, &record, NULL), STORE_FOUND);
	record.look_ms = 42;
	store_put_message(txn, 8, &record);
	commit(txn);
	expect_clean(&spool);
	txn = begin(&spool);
	delete_mail(txn, &mail);
	commit(txn);
	assert_int_equal(entries(&spool, DB_EXPIRY), 0);
	spool_free(&spool);
}

/* --- sweep --- */

static bool
skip_odd(void *arg, uint64_t message)
{
	(*(int *)arg)++;
	return message % 2 == 1;
}

static void
test_sweeping_goes_in_bounded_steps_and_leaves_what_is_coming(void **state)
{
	struct mail mail = { .size = 5 * RECORD_PIECE_DATA };
	struct spool spool;
	struct store_txn *txn;
	size_t before, after, steps = 0;
	int asked = 0;
	bool more = true;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	for (mail.id = 1; mail.id <= 10; mail.id++) {
		store_mark_sweep(txn, mail.id);
		put_body(txn, &mail);
	}
	store_mark_sweep(txn, 50); /* nothing came yet */
	commit(txn);
	expect_clean(&spool);
	while (more) {
		before = entries(&spool, DB_BODY);
		txn = begin(&spool);
		more = store_sweep(txn, 3, skip_odd, &asked);
		commit(txn);
		after = entries(&spool, DB_BODY);
		assert_true(before - after <= 3);
		expect_clean(&spool);
		assert_true(++steps < 100);
	}
	assert_true(steps >= 9);
	assert_true(asked > 0);
	assert_int_equal(entries(&spool, DB_BODY), 25);
	assert_int_equal(entries(&spool, DB_SWEEP), 5);
	txn = begin(&spool);
	assert_false(store_sweep(txn, 1000, NULL, NULL));
	commit(txn);
	assert_int_equal(entries(&spool, DB_BODY) + entries(&spool, DB_SWEEP), 0);
	spool_free(&spool);
}

static void
test_a_queued_message_is_never_swept(void **state)
{
	const struct mail mail = { 5, 9000, 1, place };
	struct spool spool;
	struct store_txn *txn;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &mail);
	store_mark_sweep(txn, mail.id); /* a mistake of somebody's */
	assert_false(store_sweep(txn, 100, NULL, NULL));
	commit(txn);
	txn = reading(&spool);
	assert_true(has_mail(txn, &mail, NULL));
	store_read_end(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies_of_every_size_come_back),
		cmocka_unit_test(test_a_piece_is_one_page),
		cmocka_unit_test(test_a_body_may_come_in_several_transactions),
		cmocka_unit_test(test_a_body_never_has_a_hole),
		cmocka_unit_test(test_a_message_goes_from_coming_to_queued_to_done),
		cmocka_unit_test(test_a_small_body_goes_with_its_message),
		cmocka_unit_test(test_a_message_is_not_deleted_before_its_recipients),
		cmocka_unit_test(test_messages_are_listed_by_rising_id),
		cmocka_unit_test(test_a_view_lasts_through_the_writes_of_its_transaction),
		cmocka_unit_test(test_recipients_move_in_the_schedule_with_their_time_and_destination),
		cmocka_unit_test(test_entries_of_a_destination_are_in_the_order_of_their_time),
		cmocka_unit_test(test_a_message_has_one_expiry_entry_that_moves),
		cmocka_unit_test(test_sweeping_goes_in_bounded_steps_and_leaves_what_is_coming),
		cmocka_unit_test(test_a_queued_message_is_never_swept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
