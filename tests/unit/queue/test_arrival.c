/* SPDX-License-Identifier: ISC */
/*
 * Promise: a message taken over from the journal stands in the store byte for byte as one that was put there at once; an
 * entry that is not whole, or that the store cannot take, leaves no trace; and whatever entry is taken, the store is sound.
 */
#include "tests/unit/unit.h"

#include <time.h>

#include "common/log.h"
#include "queue/arrival.h"
#include "queue/body.h"
#include "queue/store_lmdb.h"
#include "tests/unit/queue/spool.h"

enum {
	BODY_MAX = 70000,
	RCPTS_MAX = 100,
	ENTRY_MAX = 1024 * 1024,
	ROUNDS = 40,
	NEXT_MESSAGE = 1000,
	OTHER = 5, /* messages that are in the store already */
	OTHER_EMPTY = 6,
	OTHER_SWEPT = 7
};

/* Nothing here is about the disk. */
int
fdatasync(int fd)
{
	(void)fd;
	return 0;
}

/* --- arrivals made of what a client may send --- */

static const char *const paths[] = { "", "sender@client.example",
	"\xd0\xbf\xd0\xbe\xd1\x87\xd1\x82\xd0\xb0@\xd0\xbf.example", "\"a b\\\"c\"@[IPv6:2001:db8::1]",
	"x@xn--bcher-kva.example" };
static const char *const origins[] = { "192.0.2.1:1234", "[2001:db8::1]:25", "local:1000", "dsn" };

static char long_name[PROTO_DESTINATION_MAX + 1]; /* longer than what a key of the store holds */
static char body_bytes[BODY_MAX];

struct letter {
	struct arrival arrival;
	struct arrival_rcpt rcpts[RCPTS_MAX];
	struct str body;
};

static unsigned seed;

static size_t
any(size_t below)
{
	return (size_t)rand_r(&seed) % below;
}

static struct str
destination_name(size_t i)
{
	static const char *const names[] = { "outbound/a.example", "outbound/b.example", "inbound/user" };

	return i < 3 ? str_of(names[i]) : (struct str){ long_name, sizeof(long_name) - 1 - (i - 3) };
}

static void
make_rcpt(struct arrival_rcpt *r, uint32_t number)
{
	const size_t place = any(5);

	*r = (struct arrival_rcpt){
		.number = number,
		.destination = destination_name(place),
		.record = {
			.kind = place == 2 ? PROTO_DELIVERY_LOCAL : PROTO_DELIVERY_RELAY,
			.forward_path = str_of(paths[1 + any(4)]),
			.recipient = str_of(paths[1 + any(4)]),
			.user = str_of(place == 2 ? "user" : ""),
			.action = str_of(place == 2 ? "inbound" : "outbound"),
			.due_us = 1000 + any(1000000),
			.expires_ms = 1000 + any(1000000),
		},
	};
}

static void
make_letter(struct letter *l, uint64_t id, size_t size, size_t rcpts)
{
	size_t i;

	l->body = (struct str){ body_bytes + any(BODY_MAX - size + 1), size };
	for (i = 0; i < rcpts; i++)
		make_rcpt(&l->rcpts[i], (uint32_t)i);
	l->arrival = (struct arrival){
		.message = id,
		.due_us = 1000 + any(1000000),
		.to = l->rcpts[0].record.forward_path,
		.record = {
			.reverse_path = str_of(paths[any(5)]),
			.size = size,
			.created_ms = any(1000000),
			.look_ms = 1000000,
			.body = (unsigned)any(2),
			.origin = str_of(origins[any(4)]),
			.owner = any(2) == 0 ? PROTO_OWNER_NONE : 1000,
			.recipients = rcpts,
			.preamble = str_of(any(2) == 0 ? "" : "Received: from \xd0\xbf.example\r\n"),
		},
	};
}

/* As a message that is not journalled goes into the store: block by block. */
static void
put_letter(struct store_txn *txn, const struct letter *l)
{
	struct str rest = l->body;
	uint32_t sequence = 0;
	size_t i;

	for (; rest.len > 0; sequence += BODY_BLOCK_PIECES) {
		struct str block = { rest.ptr, rest.len < BODY_BLOCK ? rest.len : BODY_BLOCK };
		arrival_put_body(txn, l->arrival.message, sequence, block);
		rest = (struct str){ rest.ptr + block.len, rest.len - block.len };
	}
	arrival_put(txn, &l->arrival);
	for (i = 0; i < l->arrival.record.recipients; i++)
		assert_int_not_equal(arrival_put_rcpt(txn, l->arrival.message, &l->rcpts[i]), 0);
}

/* In a block of just its size, so that a read behind it is seen; the caller frees it. */
static struct str
entry_of(const struct letter *l)
{
	struct buf out;
	char *bytes;
	size_t i, len;

	buf_init(&out, ENTRY_MAX);
	assert_true(arrival_encode(&l->arrival, &out));
	for (i = 0; i < l->arrival.record.recipients; i++)
		assert_true(arrival_encode_rcpt(&l->rcpts[i], &out));
	assert_true(buf_append_str(&out, l->body));
	len = buf_str(&out).len;
	bytes = malloc(len);
	assert_non_null(bytes);
	memcpy(bytes, buf_str(&out).ptr, len);
	buf_clear(&out);
	return (struct str){ bytes, len };
}

static void
free_entry(struct str entry)
{
	free((void *)(uintptr_t)entry.ptr);
}

/* --- everything in a store --- */

struct dump {
	char *bytes;
	size_t len;
};

/* But for the number that tells one store from another. */
static void
dump_database(struct store_txn *txn, enum store_db db, FILE *out)
{
	MDB_cursor *cursor;
	MDB_val k, v;

	assert_int_equal(mdb_cursor_open(txn->txn, txn->store->databases[db], &cursor), 0);
	while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
		if (db == DB_META && str_equal((struct str){ k.mv_data, k.mv_size }, S("store")))
			continue;
		(void)fwrite(k.mv_data, 1, k.mv_size, out);
		(void)fwrite(v.mv_data, 1, v.mv_size, out);
	}
	mdb_cursor_close(cursor);
}

static struct dump
dump(struct spool *spool)
{
	struct store_txn *txn = reading(spool);
	struct dump d;
	FILE *out = open_memstream(&d.bytes, &d.len);
	size_t db;

	assert_non_null(out);
	for (db = 0; db < DB_COUNT; db++) {
		(void)fprintf(out, "\n%s\n", store_db_names[db]);
		dump_database(txn, (enum store_db)db, out);
	}
	assert_int_equal(fclose(out), 0);
	store_read_end(txn);
	return d;
}

static bool
is_as(struct spool *spool, const struct dump *before)
{
	struct dump now = dump(spool);
	bool same = now.len == before->len && memcmp(now.bytes, before->bytes, now.len) == 0;

	free(now.bytes);
	return same;
}

/* Empties the store, but for what it is known by, and puts other messages into it. */
static void
start_anew(struct spool *spool)
{
	struct store_txn *txn = begin(spool);
	size_t db;

	for (db = 0; db < DB_COUNT; db++)
		assert_int_equal(mdb_drop(txn->txn, spool->store->databases[db], 0), 0);
	number_put(txn, NUMBER_STORE, spool->store->number);
	number_put(txn, NUMBER_SCHEMA, RECORD_SCHEMA);
	store_put_meta(txn, STORE_META_NEXT_MESSAGE, NEXT_MESSAGE);
	put_mail(txn, &(struct mail){ OTHER, 100, 1, "outbound/a.example" });
	put_mail(txn, &(struct mail){ OTHER_EMPTY, 0, 1, "outbound/a.example" });
	put_body(txn, &(struct mail){ OTHER_SWEPT, 100, 1, "outbound/a.example" });
	store_mark_sweep(txn, OTHER_SWEPT);
	commit(txn);
}

static bool
replay(struct spool *spool, struct str entry)
{
	struct store_txn *txn = begin(spool);
	bool taken = arrival_replay(txn, entry);

	if (store_failed(txn) != STORE_OK)
		fail_msg("the transaction has failed: no start would ever get past this entry");
	commit(txn);
	return taken;
}

/* --- the same in both ways --- */

static void
expect_the_same(uint64_t id, size_t size, size_t rcpts, struct spool *direct, struct spool *replayed)
{
	static struct letter letter;
	struct store_txn *txn;
	struct str entry;
	struct dump before;

	make_letter(&letter, id, size, rcpts);
	txn = begin(direct);
	put_letter(txn, &letter);
	commit(txn);
	entry = entry_of(&letter);
	assert_true(replay(replayed, entry));
	free_entry(entry);
	before = dump(direct);
	if (!is_as(replayed, &before))
		fail_msg(
		    "a body of %zu bytes for %zu recipients is another when it comes from the journal", size, rcpts);
	free(before.bytes);
}

static void
test_from_the_journal_it_is_the_same(void **state)
{
	static const size_t around[] = { 0, 1, 2, RECORD_PIECE_DATA, 2 * RECORD_PIECE_DATA, BODY_BLOCK,
		BODY_BLOCK + RECORD_PIECE_DATA, 2 * BODY_BLOCK, JOURNAL_MESSAGE_BYTES };
	struct spool direct, replayed;
	uint64_t id = 1;
	size_t i, less;

	(void)state;
	spool_new(&direct, 0);
	spool_new(&replayed, 0);
	for (i = 0; i < sizeof(around) / sizeof(around[0]); i++)
		for (less = 0; less < 3; less++)
			if (around[i] + 1 >= less)
				expect_the_same(id++, around[i] + 1 - less, 1 + any(3), &direct, &replayed);
	for (i = 0; i < ROUNDS; i++)
		expect_the_same(id++, any(BODY_MAX), 1 + any(RCPTS_MAX), &direct, &replayed);
	expect_the_same(id, 10, RCPTS_MAX, &direct, &replayed);
	expect_clean(&replayed);
	spool_free(&direct);
	spool_free(&replayed);
}

/* --- what is no entry --- */

static void
without_recipients(struct letter *l)
{
	l->arrival.record.recipients = 0;
}

static void
with_a_recipient_twice(struct letter *l)
{
	l->rcpts[1].number = 0;
}

static void
with_another_order(struct letter *l)
{
	l->rcpts[0].number = 1;
	l->rcpts[1].number = 0;
}

static void
with_a_number_too_high(struct letter *l)
{
	l->rcpts[1].number = 2;
}

static void
without_a_destination(struct letter *l)
{
	l->rcpts[1].destination = S("");
}

static void
with_a_body_too_short(struct letter *l)
{
	l->body.len--;
}

static void
with_a_body_too_long(struct letter *l)
{
	l->arrival.record.size--;
}

static void
with_no_id(struct letter *l)
{
	l->arrival.message = 0;
}

static void
with_an_id_not_given_out(struct letter *l)
{
	l->arrival.message = NEXT_MESSAGE;
}

static void
with_the_id_of_another(struct letter *l)
{
	l->arrival.message = OTHER;
}

static void
with_the_id_of_another_and_no_body(struct letter *l)
{
	l->arrival.message = OTHER_EMPTY;
	l->arrival.record.size = l->body.len = 0;
}

static void
with_the_id_of_what_is_swept(struct letter *l)
{
	l->arrival.message = OTHER_SWEPT;
}

static void
test_what_the_store_cannot_take_leaves_no_trace(void **state)
{
	static const struct {
		const char *row;
		void (*change)(struct letter *l);
	} rows[] = {
		{ "a message has a recipient", without_recipients },
		{ "no recipient comes twice", with_a_recipient_twice },
		{ "recipients are in their order", with_another_order },
		{ "no recipient has a number too high", with_a_number_too_high },
		{ "every recipient has a destination", without_a_destination },
		{ "no byte of the body is missing", with_a_body_too_short },
		{ "no byte is behind the body", with_a_body_too_long },
		{ "a message has an id", with_no_id },
		{ "an id was given out", with_an_id_not_given_out },
		{ "an id is of one message", with_the_id_of_another },
		{ "even of one without a body", with_the_id_of_another_and_no_body },
		{ "even of one that has ended", with_the_id_of_what_is_swept },
	};
	static struct letter letter;
	struct spool spool;
	struct dump before;
	struct str entry;
	size_t i;

	(void)state;
	spool_new(&spool, 0);
	start_anew(&spool);
	before = dump(&spool);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_letter(&letter, 4, 5000, 2);
		rows[i].change(&letter);
		entry = entry_of(&letter);
		if (replay(&spool, entry) || !is_as(&spool, &before))
			row_fail(rows[i].row, "the entry was %s", "taken");
		free_entry(entry);
	}
	free(before.bytes);
	spool_free(&spool);
}

static void
test_an_entry_cut_off_leaves_no_trace(void **state)
{
	static struct letter letter;
	struct spool spool;
	struct dump before;
	struct str entry;
	size_t len;

	(void)state;
	spool_new(&spool, 0);
	start_anew(&spool);
	before = dump(&spool);
	make_letter(&letter, 4, 300, 3);
	entry = entry_of(&letter);
	for (len = 0; len < entry.len; len++) {
		char *cut = malloc(len + 1);
		assert_non_null(cut);
		memcpy(cut, entry.ptr, len);
		if (replay(&spool, (struct str){ cut, len }) || !is_as(&spool, &before))
			fail_msg("%zu bytes of %zu were taken", len, entry.len);
		free(cut);
	}
	assert_true(replay(&spool, entry));
	assert_false(is_as(&spool, &before));
	expect_clean(&spool);
	free_entry(entry);
	free(before.bytes);
	spool_free(&spool);
}

/* The journal's checksum lets none of these through: it is the last line. */
static void
test_a_wrong_bit_leaves_the_store_sound(void **state)
{
	static struct letter letter;
	struct spool spool;
	struct dump before;
	struct str entry;
	size_t bit, taken = 0;

	(void)state;
	spool_new(&spool, 0);
	start_anew(&spool);
	before = dump(&spool);
	make_letter(&letter, OTHER ^ 1, 20, 2);
	entry = entry_of(&letter);
	for (bit = 0; bit < 8 * entry.len; bit++) {
		char *byte = (char *)(uintptr_t)entry.ptr + bit / 8;
		*byte = (char)(*byte ^ 1 << bit % 8);
		if (replay(&spool, entry)) {
			taken++;
			expect_clean(&spool);
			start_anew(&spool);
		} else if (!is_as(&spool, &before)) {
			fail_msg("bit %zu was refused, and left something", bit);
		}
		*byte = (char)(*byte ^ 1 << bit % 8);
	}
	assert_in_range(taken, 20 * 8, entry.len * 8 - 1); /* the body's at least */
	free_entry(entry);
	free(before.bytes);
	spool_free(&spool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_the_journal_it_is_the_same),
		cmocka_unit_test(test_what_the_store_cannot_take_leaves_no_trace),
		cmocka_unit_test(test_an_entry_cut_off_leaves_no_trace),
		cmocka_unit_test(test_a_wrong_bit_leaves_the_store_sound),
	};
	size_t i;

	log_init("test_arrival", STDERR_FILENO, LOG_TEXT, LOG_ERROR);
	seed = (unsigned)time(NULL);
	print_message("# seed %u\n", seed);
	memset(long_name, 'n', sizeof(long_name) - 1);
	for (i = 0; i < sizeof(body_bytes); i++)
		body_bytes[i] = (char)(i * 31 + i / 251);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
