/* SPDX-License-Identifier: ISC */
/*
 * The judge: goes through every database once, each row looking at what it refers to and what has to refer to it, so
 * that a thing is found wrong from both sides. Takes memory for nothing but the row at hand.
 */
#include <stdio.h>
#include <string.h>

#include "queue/store_lmdb.h"

enum { TEXT_MAX = 600 };

struct check {
	struct store_txn *txn;
	void (*report)(void *arg, const char *text);
	void *arg;
	uint64_t wrong;
	uint64_t next_message;
	uint64_t next_destination;
	uint64_t history_bytes;
	struct {
		uint64_t id;
		bool known, there, marked;
		bool readable; /* size and recipients are right */
		uint64_t size, recipients, look_ms;
	} message; /* the last that a row was about: pieces and recipients of one stand together */
};

static void wrong(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
wrong(struct check *c, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->wrong++;
	c->report(c->arg, text);
}

static unsigned long long
shown(uint64_t number)
{
	return (unsigned long long)number;
}

static bool
is_there(struct check *c, enum store_db db, const struct key *k, struct str *value)
{
	struct error err;

	switch (db_get(c->txn, db, key_str(k), value, &err)) {
	case STORE_FOUND: return true;
	case STORE_NONE: return false;
	case STORE_BROKEN: wrong(c, "%s", err.text); return false;
	}
	return false;
}

/* Decodes the record of a row; tells when it is damaged. */
static bool
read_row(struct check *c, enum store_db db, struct str key, struct str value, enum record_kind kind, void *out)
{
	struct error err;

	if (db_decode(c->txn, db, key, value, kind, out, &err) == STORE_FOUND)
		return true;
	wrong(c, "%s", err.text);
	return false;
}

static void
has_no_value(struct check *c, enum store_db db, struct str value)
{
	if (value.len != 0)
		wrong(c, "%s: an entry has a value of %zu bytes, expected none", store_db_names[db], value.len);
}

/* What there is of the message with that id. */
static void
about_message(struct check *c, uint64_t id)
{
	struct record_message record;
	struct str value;
	struct key k;

	if (c->message.known && c->message.id == id)
		return;
	memset(&c->message, 0, sizeof(c->message));
	c->message.known = true;
	c->message.id = id;
	key_message(&k, id);
	c->message.marked = is_there(c, DB_SWEEP, &k, &value);
	c->message.there = is_there(c, DB_MESSAGE, &k, &value);
	if (!c->message.there || !record_decode(RECORD_KIND_MESSAGE, key_str(&k), value, &record))
		return; /* a damaged one is told of by its own row */
	c->message.readable = true;
	c->message.size = record.size;
	c->message.recipients = record.recipients;
	c->message.look_ms = record.look_ms;
}

/* --- messages --- */

static void
check_pieces(struct check *c, uint64_t id, uint64_t size)
{
	uint32_t count = store_pieces_of(size), i;
	struct str value;
	uint64_t expected;
	struct key k;

	for (i = 0; i < count; i++) {
		expected = i + 1 < count ? RECORD_PIECE_DATA : size - (uint64_t)i * RECORD_PIECE_DATA;
		key_numbered(&k, id, i);
		if (!is_there(c, DB_BODY, &k, &value))
			wrong(c, "message %016llx: piece %u of %u is missing", shown(id), i, count);
		else if (value.len != expected + RECORD_PIECE_MAX - RECORD_PIECE_DATA)
			wrong(c, "message %016llx: piece %u has a wrong length", shown(id), i);
	}
}

static void
check_message(struct check *c, struct str key, struct str value)
{
	struct record_recipient recipient;
	struct record_message record;
	uint64_t id = key_u64(key, 0);
	uint32_t number;
	struct str entry;
	struct key k;

	if (!read_row(c, DB_MESSAGE, key, value, RECORD_KIND_MESSAGE, &record))
		return;
	if (id == 0 || (c->next_message != 0 && id >= c->next_message))
		wrong(c, "message %016llx: its id is not yet given out, the next is %016llx", shown(id),
		    shown(c->next_message));
	check_pieces(c, id, record.size);
	key_expiry(&k, record.look_ms, id);
	if (!is_there(c, DB_EXPIRY, &k, &entry))
		wrong(c, "message %016llx: has no expiry entry", shown(id));
	if (store_next_recipient(c->txn, id, 0, &number, &recipient, NULL) == STORE_NONE)
		wrong(c, "message %016llx: has no recipient", shown(id));
}

static void
check_piece(struct check *c, struct str key, struct str value)
{
	uint64_t id = key_u64(key, 0);
	uint32_t sequence = key_u32(key, 8);
	struct str data;

	if (!record_piece_decode(key, value, &data))
		wrong(c, "message %016llx: piece %u is damaged", shown(id), sequence);
	about_message(c, id);
	if (!c->message.there && !c->message.marked)
		wrong(c, "message %016llx: piece %u is nobody's", shown(id), sequence);
	if (c->message.readable && sequence >= store_pieces_of(c->message.size))
		wrong(c, "message %016llx: piece %u is behind its end", shown(id), sequence);
}

static void
check_sweep(struct check *c, struct str key, struct str value)
{
	uint64_t id = key_u64(key, 0);

	has_no_value(c, DB_SWEEP, value);
	about_message(c, id);
	if (c->message.there)
		wrong(c, "message %016llx: is queued and marked to be swept", shown(id));
}

static void
check_expiry(struct check *c, struct str key, struct str value)
{
	uint64_t id = key_u64(key, 8);

	has_no_value(c, DB_EXPIRY, value);
	about_message(c, id);
	if (!c->message.there)
		wrong(c, "message %016llx: has an expiry entry and does not exist", shown(id));
	if (c->message.readable && c->message.look_ms != key_u64(key, 0))
		wrong(c, "message %016llx: has an expiry entry at another time than its own", shown(id));
}

/* --- recipients and schedule --- */

static void
check_destination_of(struct check *c, uint64_t id, uint32_t number, const struct record_recipient *recipient)
{
	struct record_destination destination;
	struct str value;
	struct key k;

	key_destination(&k, recipient->destination);
	if (!is_there(c, DB_DESTINATION, &k, &value)) {
		wrong(c, "message %016llx recipient %u: its destination %llu does not exist", shown(id), number,
		    shown(recipient->destination));
		return;
	}
	if (record_decode(RECORD_KIND_DESTINATION, key_str(&k), value, &destination) &&
	    destination.kind != recipient->kind)
		wrong(c, "message %016llx recipient %u: its destination %llu is of another kind", shown(id), number,
		    shown(recipient->destination));
}

static void
check_recipient(struct check *c, struct str key, struct str value)
{
	uint64_t id = key_u64(key, 0);
	uint32_t number = key_u32(key, 8);
	struct record_recipient record;
	struct store_entry entry;
	struct str none;
	struct key k;

	about_message(c, id);
	if (!c->message.there)
		wrong(c, "message %016llx recipient %u: the message does not exist", shown(id), number);
	if (c->message.readable && number >= c->message.recipients)
		wrong(c, "message %016llx recipient %u: the message has only %llu", shown(id), number,
		    shown(c->message.recipients));
	if (!read_row(c, DB_RECIPIENT, key, value, RECORD_KIND_RECIPIENT, &record))
		return;
	if (record.held != (record.due_us == RECORD_HELD_US))
		wrong(c, "message %016llx recipient %u: is held, or has the time of one that is", shown(id), number);
	entry = (struct store_entry){ .due_us = record.due_us, .message = id, .number = number };
	key_entry(&k, record.destination, &entry);
	if (!is_there(c, DB_SCHEDULE, &k, &none))
		wrong(c, "message %016llx recipient %u: has no schedule entry", shown(id), number);
	check_destination_of(c, id, number, &record);
}

static void
check_entry(struct check *c, struct str key, struct str value)
{
	uint64_t id = key_u64(key, 16);
	uint32_t number = key_u32(key, 24);
	struct record_recipient record;
	struct str bytes;
	struct key k;

	has_no_value(c, DB_SCHEDULE, value);
	key_numbered(&k, id, number);
	if (!is_there(c, DB_RECIPIENT, &k, &bytes)) {
		wrong(c, "message %016llx recipient %u: has a schedule entry and does not exist", shown(id), number);
		return;
	}
	if (record_decode(RECORD_KIND_RECIPIENT, key_str(&k), bytes, &record) &&
	    (record.destination != key_u64(key, 0) || record.due_us != key_u64(key, 8)))
		wrong(c, "message %016llx recipient %u: has a schedule entry that is not its own", shown(id), number);
}

/* --- destinations --- */

/* With a cursor of its own: a destination may have a million. */
static uint64_t
count_entries(struct check *c, uint64_t destination)
{
	static const struct store_entry start;
	MDB_cursor *cursor;
	struct key k;
	MDB_val key, value;
	uint64_t count = 0;
	int rc;

	if (mdb_cursor_open(c->txn->txn, c->txn->store->databases[DB_SCHEDULE], &cursor) != 0)
		return 0;
	key_entry(&k, destination, &start);
	key = (MDB_val){ k.len, k.bytes };
	for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); rc == 0;
	     rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
		if (key.mv_size != KEY_SCHEDULE_SIZE ||
		    key_u64((struct str){ key.mv_data, key.mv_size }, 0) != destination)
			break;
		count++;
	}
	mdb_cursor_close(cursor);
	return count;
}

static bool
index_says(struct check *c, const struct record_destination *record)
{
	struct record_number number;
	struct name_key k;

	name_key_destination(&k, record->kind, record->name, record->id);
	return db_get_record(c->txn, DB_DESTINATION_NAME, name_key_str(&k), RECORD_KIND_NUMBER, &number, NULL) ==
	    STORE_FOUND &&
	    number.value == record->id;
}

static void
check_destination(struct check *c, struct str key, struct str value)
{
	struct record_destination record;
	uint64_t id = key_u64(key, 0), count;

	if (!read_row(c, DB_DESTINATION, key, value, RECORD_KIND_DESTINATION, &record))
		return;
	if (record.id != id)
		wrong(c, "destination %llu: its record is that of %llu", shown(id), shown(record.id));
	if (id == 0 || id >= c->next_destination)
		wrong(c, "destination %llu: its id is not yet given out, the next is %llu", shown(id),
		    shown(c->next_destination));
	if (record.name.len == 0 || !index_says(c, &record))
		wrong(c, "destination %llu: is not found by its name", shown(id));
	count = count_entries(c, id);
	if (record.waiting != count)
		wrong(c, "destination %llu: says that %llu wait, %llu do", shown(id), shown(record.waiting),
		    shown(count));
}

static void
check_destination_name(struct check *c, struct str key, struct str value)
{
	struct record_destination record;
	struct record_number number;
	struct name_key n;
	struct str bytes;
	struct key k;

	if (!read_row(c, DB_DESTINATION_NAME, key, value, RECORD_KIND_NUMBER, &number))
		return;
	key_destination(&k, number.value);
	if (!is_there(c, DB_DESTINATION, &k, &bytes)) {
		wrong(c, "destination %llu: has a name and does not exist", shown(number.value));
		return;
	}
	if (!record_decode(RECORD_KIND_DESTINATION, key_str(&k), bytes, &record))
		return;
	name_key_destination(&n, record.kind, record.name, number.value);
	if (!str_equal(name_key_str(&n), key))
		wrong(c, "destination %llu: is found by a name that is not its own", shown(number.value));
}

/* --- history, state, meta --- */

static void
check_history(struct check *c, struct str key, struct str value)
{
	unsigned event = (unsigned char)key.ptr[KEY_HISTORY_SIZE - 1];
	struct record_history record;

	c->history_bytes += key.len + value.len;
	if (event < EVENT_ACCEPTED || event >= RECORD_EVENT_COUNT)
		wrong(c, "message %016llx: history has an event %u", shown(key_u64(key, 8)), event);
	(void)read_row(c, DB_HISTORY, key, value, RECORD_KIND_HISTORY, &record);
}

/* A store from before they were counted has no such number until something is put. */
static void
check_history_bytes(struct check *c)
{
	uint64_t counted = number_get(c->txn, NUMBER_HISTORY_BYTES);

	if (counted != 0 && counted != c->history_bytes)
		wrong(c, "history: has %llu bytes, %llu are counted", shown(c->history_bytes), shown(counted));
}

static void
check_state(struct check *c, struct str key, struct str value)
{
	struct record_state record;

	if (key.ptr[0] == 0 || (unsigned char)key.ptr[0] >= key.len)
		wrong(c, "state: a key has a wrong form");
	(void)read_row(c, DB_STATE, key, value, RECORD_KIND_STATE, &record);
}

static void
check_meta(struct check *c, struct str key, struct str value)
{
	struct record_number record;
	size_t i;

	(void)read_row(c, DB_META, key, value, RECORD_KIND_NUMBER, &record);
	for (i = 0; i < NUMBER_COUNT; i++)
		if (str_equal(key, str_of(store_number_names[i])))
			return;
	wrong(c, "meta: has a number of an unknown name");
}

/* --- going through --- */

/* A row for each database, in the order of enum store_db. */
static const struct {
	size_t key_size; /* 0: any */
	void (*row)(struct check *c, struct str key, struct str value);
} rows[DB_COUNT] = {
	[DB_MESSAGE] = { KEY_MESSAGE_SIZE, check_message },
	[DB_BODY] = { KEY_NUMBERED_SIZE, check_piece },
	[DB_RECIPIENT] = { KEY_NUMBERED_SIZE, check_recipient },
	[DB_SCHEDULE] = { KEY_SCHEDULE_SIZE, check_entry },
	[DB_DESTINATION] = { KEY_DESTINATION_SIZE, check_destination },
	[DB_DESTINATION_NAME] = { 0, check_destination_name },
	[DB_EXPIRY] = { KEY_EXPIRY_SIZE, check_expiry },
	[DB_HISTORY] = { KEY_HISTORY_SIZE, check_history },
	[DB_STATE] = { 0, check_state },
	[DB_META] = { 0, check_meta },
	[DB_SWEEP] = { KEY_MESSAGE_SIZE, check_sweep },
};

static bool
is_behind(struct str key, struct str before)
{
	size_t len = key.len < before.len ? key.len : before.len;
	int order = memcmp(key.ptr, before.ptr, len);

	return order > 0 || (order == 0 && key.len > before.len);
}

static void
check_row(struct check *c, enum store_db db, struct str key, struct str value)
{
	if (value.len > STORE_RECORD_MAX)
		wrong(c, "%s: has a value of %zu bytes", store_db_names[db], value.len);
	else if (key.len == 0 || (rows[db].key_size != 0 && key.len != rows[db].key_size))
		wrong(c, "%s: has a key of %zu bytes", store_db_names[db], key.len);
	else
		rows[db].row(c, key, value);
}

/* Never further than LMDB says that there are entries: a tree that is wrong might have no end. */
static void
check_database(struct check *c, enum store_db db)
{
	struct str before = STR(""), key;
	MDB_cursor *cursor;
	MDB_val k, v;
	MDB_stat stat;
	size_t n;
	int rc;

	if (mdb_stat(c->txn->txn, c->txn->store->databases[db], &stat) != 0 ||
	    mdb_cursor_open(c->txn->txn, c->txn->store->databases[db], &cursor) != 0) {
		wrong(c, "%s: cannot be read", store_db_names[db]);
		return;
	}
	for (n = 0; (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0; n++) {
		key = (struct str){ k.mv_data, k.mv_size };
		if (n >= stat.ms_entries || (n > 0 && !is_behind(key, before)))
			break;
		check_row(c, db, key, (struct str){ v.mv_data, v.mv_size });
		before = key;
	}
	if (rc == 0)
		wrong(c, "%s: its entries are not in order", store_db_names[db]);
	else if (rc != MDB_NOTFOUND)
		wrong(c, "%s: cannot be read further: %s", store_db_names[db], mdb_strerror(rc));
	else if (n != stat.ms_entries)
		wrong(c, "%s: has %zu entries, expected %zu", store_db_names[db], n, stat.ms_entries);
	mdb_cursor_close(cursor);
}

static uint64_t
pages_of(struct check *c, MDB_dbi database)
{
	MDB_stat stat;

	if (mdb_stat(c->txn->txn, database, &stat) != 0)
		return 0;
	return stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
}

/*
 * Every page belongs to a database or is free. Only where nothing was committed since: the length is of the last
 * commit.
 */
static void
check_pages(struct check *c)
{
	enum { META_PAGES = 2, FREE_DATABASE = 0, MAIN_DATABASE = 1 };
	MDB_envinfo before, after;
	uint64_t used;
	size_t i;

	(void)mdb_env_info(c->txn->store->env, &before);
	used = META_PAGES + pages_of(c, FREE_DATABASE) + pages_of(c, MAIN_DATABASE);
	for (i = 0; i < DB_COUNT; i++)
		used += pages_of(c, c->txn->store->databases[i]);
	used += store_free_pages(c->txn);
	(void)mdb_env_info(c->txn->store->env, &after);
	if (before.me_last_txnid == mdb_txn_id(c->txn->txn) && after.me_last_txnid == before.me_last_txnid &&
	    used != after.me_last_pgno + 1)
		wrong(c, "the file has %llu pages, %llu of them are used or free", shown(after.me_last_pgno + 1),
		    shown(used));
}

uint64_t
store_check(struct store_txn *txn, void (*report)(void *arg, const char *text), void *arg)
{
	struct check c = { .txn = txn, .report = report, .arg = arg };
	size_t i;

	c.next_message = number_get(txn, NUMBER_NEXT_MESSAGE);
	c.next_destination = number_get(txn, NUMBER_NEXT_DESTINATION);
	for (i = 0; i < DB_COUNT; i++)
		check_database(&c, (enum store_db)i);
	check_history_bytes(&c);
	check_pages(&c);
	return c.wrong;
}
