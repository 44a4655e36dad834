/* SPDX-License-Identifier: ISC */
/* Promise: the judge says nothing about a store that is right, and names each thing that is not. */
#include "tests/unit/unit.h"

#include "queue/store_lmdb.h"
#include "tests/unit/queue/spool.h"

enum { REPORTS_BYTES = 8192 };

static const struct str nothing = STR("");

static const struct mail big = { 0x10, 3 * RECORD_PIECE_DATA + 10, 2, "outbound/a.example" };
static const struct mail small = { 0x11, 100, 1, "outbound/b.example" };

static struct record_recipient
recipient_of(struct store_txn *txn, uint64_t message, uint32_t number)
{
	struct record_recipient record;

	assert_int_equal(store_get_recipient(txn, message, number, &record, NULL), STORE_FOUND);
	return record;
}

/* --- ways to break it --- */

static void
drop_piece(struct store_txn *txn)
{
	struct key k;

	key_numbered(&k, big.id, 1);
	assert_true(db_delete(txn, DB_BODY, key_str(&k)));
}

static void
shorten_piece(struct store_txn *txn)
{
	char bytes[RECORD_PIECE_MAX];
	struct key k;
	size_t len;

	key_numbered(&k, big.id, 2);
	len = record_piece_encode(key_str(&k), S("short"), bytes);
	db_put(txn, DB_BODY, key_str(&k), (struct str){ bytes, len });
}

static void
damage_piece(struct store_txn *txn)
{
	static char bytes[RECORD_PIECE_MAX];
	struct str value;
	struct key k;

	key_numbered(&k, big.id, 0);
	assert_int_equal(db_get(txn, DB_BODY, key_str(&k), &value, NULL), STORE_FOUND);
	memcpy(bytes, value.ptr, value.len);
	bytes[100] ^= 1;
	db_put(txn, DB_BODY, key_str(&k), (struct str){ bytes, value.len });
}

static void
put_loose_piece(struct store_txn *txn, uint64_t id, uint32_t sequence)
{
	char bytes[RECORD_PIECE_MAX];
	struct key k;
	size_t len;

	key_numbered(&k, id, sequence);
	len = record_piece_encode(key_str(&k), S("loose"), bytes);
	db_put(txn, DB_BODY, key_str(&k), (struct str){ bytes, len });
}

static void
nobodys_piece(struct store_txn *txn)
{
	put_loose_piece(txn, 0x99, 0);
}

static void
piece_behind_the_end(struct store_txn *txn)
{
	put_loose_piece(txn, small.id, 1);
}

static void
sweep_a_queued_one(struct store_txn *txn)
{
	store_mark_sweep(txn, small.id);
}

static void
drop_expiry(struct store_txn *txn)
{
	store_delete_expiry(txn, 500000 + small.id, small.id);
}

static void
second_expiry(struct store_txn *txn)
{
	struct key k;

	key_expiry(&k, 1, small.id);
	db_put(txn, DB_EXPIRY, key_str(&k), nothing);
}

static void
nobodys_expiry(struct store_txn *txn)
{
	store_put_expiry(txn, 77, 0x99);
}

static void
drop_message(struct store_txn *txn)
{
	struct key k;

	key_message(&k, small.id);
	assert_true(db_delete(txn, DB_MESSAGE, key_str(&k)));
}

static void
damage_message(struct store_txn *txn)
{
	struct key k;

	key_message(&k, small.id);
	db_put(txn, DB_MESSAGE, key_str(&k), S("\1garbage"));
}

static void
drop_recipient(struct store_txn *txn)
{
	struct key k;

	key_numbered(&k, small.id, 0);
	assert_true(db_delete(txn, DB_RECIPIENT, key_str(&k)));
}

static void
damage_recipient(struct store_txn *txn)
{
	struct key k;

	key_numbered(&k, small.id, 0);
	db_put(txn, DB_RECIPIENT, key_str(&k), S("\1garbage"));
}

static void
recipient_of_too_high_a_number(struct store_txn *txn)
{
	struct record_recipient record = recipient_of(txn, small.id, 0);

	store_put_recipient(txn, small.id, 1, &record);
}

static void
drop_entry(struct store_txn *txn)
{
	struct record_recipient record = recipient_of(txn, small.id, 0);
	struct store_entry entry = { record.due_us, small.id, 0 };
	struct key k;

	key_entry(&k, record.destination, &entry);
	assert_true(db_delete(txn, DB_SCHEDULE, key_str(&k)));
}

static void
second_entry(struct store_txn *txn)
{
	struct record_recipient record = recipient_of(txn, small.id, 0);
	struct store_entry entry = { record.due_us + 5, small.id, 0 };
	struct key k;

	key_entry(&k, record.destination, &entry);
	db_put(txn, DB_SCHEDULE, key_str(&k), nothing);
}

static void
nobodys_entry(struct store_txn *txn)
{
	struct store_entry entry = { 5, 0x99, 0 };
	struct key k;

	key_entry(&k, 1, &entry);
	db_put(txn, DB_SCHEDULE, key_str(&k), nothing);
}

static void
entry_with_a_value(struct store_txn *txn)
{
	struct record_recipient record = recipient_of(txn, small.id, 0);
	struct store_entry entry = { record.due_us, small.id, 0 };
	struct key k;

	key_entry(&k, record.destination, &entry);
	db_put(txn, DB_SCHEDULE, key_str(&k), S("value"));
}

static void
wrong_count(struct store_txn *txn)
{
	counts_add(txn, 1, 1);
}

static void
drop_destination(struct store_txn *txn)
{
	struct key k;

	key_destination(&k, 2);
	assert_true(db_delete(txn, DB_DESTINATION, key_str(&k)));
}

static void
destination_of_another_kind(struct store_txn *txn)
{
	struct record_destination record = {
		.id = 2, .kind = PROTO_DELIVERY_LOCAL, .name = S("outbound/b.example"), .waiting = 1
	};
	struct key k;

	key_destination(&k, 2);
	db_put_record(txn, DB_DESTINATION, key_str(&k), RECORD_KIND_DESTINATION, &record);
}

static void
drop_name(struct store_txn *txn)
{
	assert_true(db_delete(txn, DB_DESTINATION_NAME, S("\0outbound/b.example")));
}

static void
name_of_another(struct store_txn *txn)
{
	struct record_number number = { 1 };

	db_put_record(txn, DB_DESTINATION_NAME, S("\0outbound/b.example"), RECORD_KIND_NUMBER, &number);
}

static void
id_not_yet_given(struct store_txn *txn)
{
	number_put(txn, NUMBER_NEXT_DESTINATION, 2);
}

static void
message_id_not_yet_given(struct store_txn *txn)
{
	store_put_meta(txn, STORE_META_NEXT_MESSAGE, small.id);
}

static void
unknown_number(struct store_txn *txn)
{
	struct record_number number = { 1 };

	db_put_record(txn, DB_META, S("unheard of"), RECORD_KIND_NUMBER, &number);
}

static void
event_of_no_kind(struct store_txn *txn)
{
	struct record_history record = { .size = 1 };

	store_put_history(txn, 55, small.id, 0, (enum record_event)99, &record);
}

static void
damage_history(struct store_txn *txn)
{
	struct key k;

	key_history(&k, 7, 7, 7, EVENT_BOUNCED);
	db_put(txn, DB_HISTORY, key_str(&k), S("\1garbage"));
}

static void
damage_state(struct store_txn *txn)
{
	db_put(txn, DB_STATE, S("\3kindkey"), S("\1garbage"));
}

static void
key_of_a_wrong_length(struct store_txn *txn)
{
	db_put(txn, DB_SWEEP, S("four"), nothing);
}

static void
nothing_at_all(struct store_txn *txn)
{
	(void)txn;
}

/* --- what the judge says --- */

static void
gather(void *arg, const char *text)
{
	char *reports = arg;

	(void)strlcat(reports, text, REPORTS_BYTES);
	(void)strlcat(reports, "\n", REPORTS_BYTES);
}

static const struct {
	const char *row;
	void (*damage)(struct store_txn *txn);
	uint64_t wrong; /* how many things are */
	const char *says;
} rows[] = {
	{ "a store that is right", nothing_at_all, 0, "" },
	{ "a missing piece", drop_piece, 1, "message 0000000000000010: piece 1 of 4 is missing" },
	{ "a piece of a wrong length", shorten_piece, 1, "message 0000000000000010: piece 2 has a wrong length" },
	{ "a damaged piece", damage_piece, 1, "message 0000000000000010: piece 0 is damaged" },
	{ "a piece without message or mark", nobodys_piece, 1, "message 0000000000000099: piece 0 is nobody's" },
	{ "a piece behind the end", piece_behind_the_end, 1, "message 0000000000000011: piece 1 is behind its end" },
	{ "a queued message with a sweep mark", sweep_a_queued_one, 1, "is queued and marked to be swept" },
	{ "a message without expiry", drop_expiry, 1, "message 0000000000000011: has no expiry entry" },
	{ "a second expiry entry", second_expiry, 1, "at another time than its own" },
	{ "an expiry entry without message", nobodys_expiry, 1, "has an expiry entry and does not exist" },
	/* its expiry entry, its recipient and its piece */
	{ "a recipient without message", drop_message, 3, "recipient 0: the message does not exist" },
	{ "a damaged message", damage_message, 1, "message 0000000000000011: the record is damaged" },
	/* the message has none, its schedule entry has none */
	{ "a message without recipients", drop_recipient, 2, "message 0000000000000011: has no recipient" },
	{ "a damaged recipient", damage_recipient, 1, "recipient 000000000000001100000000: the record is damaged" },
	{ "a number that was not accepted", recipient_of_too_high_a_number, 1, "recipient 1: the message has only 1" },
	/* the destination counts it */
	{ "a recipient without schedule entry", drop_entry, 2, "recipient 0: has no schedule entry" },
	{ "a second schedule entry", second_entry, 2, "has a schedule entry that is not its own" },
	{ "a schedule entry without recipient", nobodys_entry, 2, "has a schedule entry and does not exist" },
	{ "a schedule entry with a value", entry_with_a_value, 1, "schedule: an entry has a value of 5 bytes" },
	{ "a wrong count", wrong_count, 1, "destination 1: says that 3 wait, 2 do" },
	/* its name has none */
	{ "a recipient without destination", drop_destination, 2, "its destination 2 does not exist" },
	/* nor is it found by its name, nor is that its name */
	{ "a destination of another kind", destination_of_another_kind, 3, "its destination 2 is of another kind" },
	{ "a destination without name", drop_name, 1, "destination 2: is not found by its name" },
	{ "a name of another destination", name_of_another, 2,
	    "destination 1: is found by a name that is not its own" },
	{ "a destination's id that comes again", id_not_yet_given, 1, "destination 2: its id is not yet given out" },
	{ "a message id that comes again", message_id_not_yet_given, 1, "message 0000000000000011: its id is not yet" },
	{ "a number of an unknown name", unknown_number, 1, "meta: has a number of an unknown name" },
	{ "an event of no kind", event_of_no_kind, 1, "history has an event 99" },
	{ "a damaged entry of history", damage_history, 1, "history" },
	{ "a damaged thing of another process", damage_state, 1, "state" },
	{ "a key of a wrong length", key_of_a_wrong_length, 1, "sweep: has a key of 4 bytes" },
};

static void
test_each_thing_that_is_wrong_is_named(void **state)
{
	char reports[REPORTS_BYTES];
	struct spool spool;
	struct store_txn *txn;
	uint64_t wrong;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		spool_new(&spool, 0);
		txn = begin(&spool);
		put_mail(txn, &big);
		put_mail(txn, &small);
		store_put_meta(txn, STORE_META_NEXT_MESSAGE, 0x100);
		store_mark_sweep(txn, 0x50);
		put_body(txn, &(struct mail){ .id = 0x50, .size = 9000 });
		commit(txn);
		txn = begin(&spool);
		rows[i].damage(txn);
		commit(txn);
		reports[0] = '\0';
		txn = reading(&spool);
		wrong = store_check(txn, gather, reports);
		store_read_end(txn);
		if (wrong != rows[i].wrong || strstr(reports, rows[i].says) == NULL)
			row_fail(rows[i].row, "%llu wrong:\n%s", (unsigned long long)wrong, reports);
		spool_free(&spool);
	}
}

static void
test_an_older_view_is_right_too(void **state)
{
	char reports[REPORTS_BYTES] = "";
	struct spool spool;
	struct store_txn *txn, *old;

	(void)state;
	spool_new(&spool, 0);
	old = reading(&spool);
	txn = begin(&spool);
	put_mail(txn, &big);
	commit(txn);
	/* Of an older view the sum is not that of the file, which has grown: that is no damage. */
	assert_int_equal(store_check(old, gather, reports), 0);
	store_read_end(old);
	spool_free(&spool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_thing_that_is_wrong_is_named),
		cmocka_unit_test(test_an_older_view_is_right_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
