/* SPDX-License-Identifier: ISC */
/* Bodies, messages, recipients, and the entries of schedule and expiry that belong to them. */
#include <string.h>

#include "queue/store_lmdb.h"

static const struct str nothing = STR("");

static unsigned long long
shown(uint64_t message)
{
	return (unsigned long long)message;
}

/* --- pieces --- */

uint32_t
store_pieces_of(uint64_t size)
{
	return (uint32_t)(size / RECORD_PIECE_DATA + (size % RECORD_PIECE_DATA != 0));
}

/* Whether the piece is there, and what it has of RECORD_PIECE_MAX; asked for the one just put, it costs nothing. */
static bool
find_piece(struct store_txn *txn, uint64_t message, uint32_t sequence, bool *full)
{
	struct str value;
	struct key k;

	if (txn->piece.known && txn->piece.message == message && txn->piece.sequence == sequence) {
		*full = txn->piece.full;
		return true;
	}
	key_numbered(&k, message, sequence);
	if (db_peek(txn, DB_BODY, key_str(&k), &value) != STORE_FOUND)
		return false;
	*full = value.len == RECORD_PIECE_MAX;
	return true;
}

bool
store_has_pieces(struct store_txn *txn, uint64_t message, uint32_t count)
{
	bool full;

	return count == 0 || find_piece(txn, message, count - 1, &full);
}

/* That no piece is put without the one before makes the last one the proof of all. */
static bool
follows(struct store_txn *txn, uint64_t message, uint32_t sequence)
{
	bool full;

	if (sequence == 0)
		return true;
	if (!find_piece(txn, message, sequence - 1, &full)) {
		store_fail(txn, STORE_NO_ROOM, "message %016llx: piece %u was refused", shown(message), sequence - 1);
		return false;
	}
	if (!full)
		db_give_up(txn, STORE_FAILED, "message %016llx: piece %u behind the last", shown(message), sequence);
	return full;
}

void
store_put_piece(struct store_txn *txn, uint64_t message, uint32_t sequence, struct str data)
{
	struct key k;
	char *room;

	if (txn->failure != STORE_OK || !follows(txn, message, sequence))
		return;
	if (data.len == 0 || data.len > RECORD_PIECE_DATA) {
		db_give_up(txn, STORE_FAILED, "message %016llx: a piece of %zu bytes", shown(message), data.len);
		return;
	}
	key_numbered(&k, message, sequence);
	room = db_reserve(txn, DB_BODY, key_str(&k), data.len + RECORD_PIECE_MAX - RECORD_PIECE_DATA);
	if (room == NULL)
		return;
	(void)record_piece_encode(key_str(&k), data, room);
	txn->piece.known = true;
	txn->piece.message = message;
	txn->piece.sequence = sequence;
	txn->piece.full = data.len == RECORD_PIECE_DATA;
}

enum store_found
store_get_piece(struct store_txn *txn, uint64_t message, uint32_t sequence, struct str *data, struct error *err)
{
	enum store_found found;
	struct str value;
	struct key k;

	key_numbered(&k, message, sequence);
	found = db_get(txn, DB_BODY, key_str(&k), &value, err);
	if (found == STORE_FOUND && !record_piece_decode(key_str(&k), value, data))
		return db_broken(txn, DB_BODY, key_str(&k), "the piece is damaged", err);
	return found;
}

/* Deletes at most limit pieces; says how many there were. */
static size_t
delete_pieces(struct store_txn *txn, uint64_t message, size_t limit)
{
	struct key from, this;
	struct str key;
	size_t n;

	txn->piece.known = false;
	key_numbered(&from, message, 0);
	for (n = 0; n < limit; n++) {
		if (db_seek(txn, DB_BODY, key_str(&from), &key, NULL, NULL) != STORE_FOUND ||
		    key.len != KEY_NUMBERED_SIZE || key_u64(key, 0) != message)
			break;
		key_numbered(&this, message, key_u32(key, 8)); /* the view ends with the delete */
		(void)db_delete(txn, DB_BODY, key_str(&this));
	}
	return n;
}

static bool
has_pieces(struct store_txn *txn, uint64_t message)
{
	struct key from;
	struct str key;

	key_numbered(&from, message, 0);
	return db_seek(txn, DB_BODY, key_str(&from), &key, NULL, NULL) == STORE_FOUND && key.len == KEY_NUMBERED_SIZE &&
	    key_u64(key, 0) == message;
}

/* --- sweep --- */

void
store_mark_sweep(struct store_txn *txn, uint64_t message)
{
	struct key k;

	key_message(&k, message);
	db_put(txn, DB_SWEEP, key_str(&k), nothing);
}

void
store_unmark_sweep(struct store_txn *txn, uint64_t message)
{
	struct key k;

	key_message(&k, message);
	(void)db_delete(txn, DB_SWEEP, key_str(&k));
}

static bool
next_mark(struct store_txn *txn, uint64_t from, uint64_t *message)
{
	struct str key;
	struct key k;

	key_message(&k, from);
	if (db_seek(txn, DB_SWEEP, key_str(&k), &key, NULL, NULL) != STORE_FOUND || key.len != KEY_MESSAGE_SIZE)
		return false;
	*message = key_u64(key, 0);
	return true;
}

static bool
exists(struct store_txn *txn, uint64_t message)
{
	struct str value;
	struct key k;

	key_message(&k, message);
	return db_peek(txn, DB_MESSAGE, key_str(&k), &value) != STORE_NONE;
}

bool
store_sweep(struct store_txn *txn, size_t limit, bool (*skip)(void *arg, uint64_t message), void *arg)
{
	uint64_t message = 0;

	for (; limit > 0 && next_mark(txn, message, &message); message++) {
		if (skip != NULL && skip(arg, message))
			continue;
		if (!exists(txn, message)) /* of one that does, the mark is what is wrong */
			limit -= delete_pieces(txn, message, limit);
		if (limit == 0)
			break;
		store_unmark_sweep(txn, message);
		limit--;
	}
	return limit == 0 && txn->failure == STORE_OK;
}

/* --- messages --- */

static void
put_expiry_entry(struct store_txn *txn, uint64_t look_ms, uint64_t message)
{
	struct key k;

	key_expiry(&k, look_ms, message);
	db_put(txn, DB_EXPIRY, key_str(&k), nothing);
}

void
store_delete_expiry(struct store_txn *txn, uint64_t look_ms, uint64_t message)
{
	struct key k;

	key_expiry(&k, look_ms, message);
	(void)db_delete(txn, DB_EXPIRY, key_str(&k));
}

static bool
body_is_there(struct store_txn *txn, uint64_t message, uint64_t size)
{
	if (size / RECORD_PIECE_DATA >= UINT32_MAX) {
		db_give_up(txn, STORE_FAILED, "message %016llx: is too big", shown(message));
		return false;
	}
	if (store_has_pieces(txn, message, store_pieces_of(size)))
		return true;
	store_fail(txn, STORE_NO_ROOM, "message %016llx: its last piece was refused", shown(message));
	return false;
}

void
store_put_message(struct store_txn *txn, uint64_t message, const struct record_message *record)
{
	struct record_message before;
	struct str old;
	struct key k;

	if (txn->failure != STORE_OK || !body_is_there(txn, message, record->size))
		return;
	key_message(&k, message);
	switch (db_insert_record(txn, DB_MESSAGE, key_str(&k), RECORD_KIND_MESSAGE, record, &old)) {
	case STORE_NONE: store_unmark_sweep(txn, message); break;
	case STORE_FOUND:
		if (record_decode(RECORD_KIND_MESSAGE, key_str(&k), old, &before) && before.look_ms != record->look_ms)
			store_delete_expiry(txn, before.look_ms, message);
		db_put_record(txn, DB_MESSAGE, key_str(&k), RECORD_KIND_MESSAGE, record);
		break;
	case STORE_BROKEN: return;
	}
	put_expiry_entry(txn, record->look_ms, message);
}

enum store_found
store_get_message(struct store_txn *txn, uint64_t message, struct record_message *out, struct error *err)
{
	struct key k;

	key_message(&k, message);
	return db_get_record(txn, DB_MESSAGE, key_str(&k), RECORD_KIND_MESSAGE, out, err);
}

enum store_found
store_next_message(
    struct store_txn *txn, uint64_t after, uint64_t *message, struct record_message *out, struct error *err)
{
	enum store_found found;
	struct str key, value;
	struct key k;

	if (after == UINT64_MAX)
		return STORE_NONE;
	key_message(&k, after + 1);
	found = db_seek(txn, DB_MESSAGE, key_str(&k), &key, &value, err);
	if (found != STORE_FOUND)
		return found;
	if (key.len != KEY_MESSAGE_SIZE)
		return db_broken(txn, DB_MESSAGE, key, "the key is damaged", err);
	*message = key_u64(key, 0);
	return db_decode(txn, DB_MESSAGE, key, value, RECORD_KIND_MESSAGE, out, err);
}

static bool has_recipients(struct store_txn *txn, uint64_t message);

void
store_delete_message(struct store_txn *txn, uint64_t message)
{
	struct record_message record;
	struct key k;

	switch (store_get_message(txn, message, &record, NULL)) {
	case STORE_FOUND: store_delete_expiry(txn, record.look_ms, message); break;
	case STORE_NONE: return;
	case STORE_BROKEN: break; /* its expiry entry stays until its time, and is then found to be nobody's */
	}
	if (has_recipients(txn, message)) {
		db_give_up(txn, STORE_FAILED, "message %016llx: deleted before its recipients", shown(message));
		return;
	}
	key_message(&k, message);
	(void)db_delete(txn, DB_MESSAGE, key_str(&k));
	if (delete_pieces(txn, message, STORE_DELETE_PIECES_MAX) == STORE_DELETE_PIECES_MAX && has_pieces(txn, message))
		store_mark_sweep(txn, message);
}

void
store_put_expiry(struct store_txn *txn, uint64_t look_ms, uint64_t message)
{
	struct record_message record;

	if (store_get_message(txn, message, &record, NULL) == STORE_FOUND && record.look_ms != look_ms) {
		record.look_ms = look_ms;
		store_put_message(txn, message, &record);
		return;
	}
	put_expiry_entry(txn, look_ms, message);
}

enum store_found
store_first_expiry(struct store_txn *txn, uint64_t *look_ms, uint64_t *message)
{
	enum store_found found;
	struct str key;
	struct key k;

	key_expiry(&k, *look_ms, *message);
	found = db_seek(txn, DB_EXPIRY, key_str(&k), &key, NULL, NULL);
	if (found != STORE_FOUND)
		return found;
	if (key.len != KEY_EXPIRY_SIZE)
		return STORE_BROKEN;
	*look_ms = key_u64(key, 0);
	*message = key_u64(key, 8);
	return STORE_FOUND;
}

/* --- recipients and their schedule entries --- */

static struct store_entry
entry_of(uint64_t message, uint32_t number, const struct record_recipient *record)
{
	return (struct store_entry){ .due_us = record->due_us, .message = message, .number = number };
}

static void
put_entry(struct store_txn *txn, uint64_t message, uint32_t number, const struct record_recipient *record)
{
	struct store_entry entry = entry_of(message, number, record);
	struct key k;

	key_entry(&k, record->destination, &entry);
	db_put(txn, DB_SCHEDULE, key_str(&k), nothing);
	counts_add(txn, record->destination, 1);
}

static void
delete_entry(struct store_txn *txn, uint64_t message, uint32_t number, const struct record_recipient *record)
{
	struct store_entry entry = entry_of(message, number, record);
	struct key k;

	key_entry(&k, record->destination, &entry);
	if (db_delete(txn, DB_SCHEDULE, key_str(&k)))
		counts_add(txn, record->destination, -1);
}

void
store_put_recipient(struct store_txn *txn, uint64_t message, uint32_t number, const struct record_recipient *record)
{
	struct record_recipient before;
	struct error err;
	struct str old;
	struct key k;

	key_numbered(&k, message, number);
	switch (db_insert_record(txn, DB_RECIPIENT, key_str(&k), RECORD_KIND_RECIPIENT, record, &old)) {
	case STORE_NONE: put_entry(txn, message, number, record); return;
	case STORE_BROKEN: return;
	case STORE_FOUND: break;
	}
	if (db_decode(txn, DB_RECIPIENT, key_str(&k), old, RECORD_KIND_RECIPIENT, &before, &err) != STORE_FOUND) {
		db_give_up(txn, STORE_FAILED, "%s", err.text);
		return;
	}
	if (before.destination != record->destination || before.due_us != record->due_us) {
		delete_entry(txn, message, number, &before);
		put_entry(txn, message, number, record);
	}
	db_put_record(txn, DB_RECIPIENT, key_str(&k), RECORD_KIND_RECIPIENT, record);
}

enum store_found
store_get_recipient(
    struct store_txn *txn, uint64_t message, uint32_t number, struct record_recipient *out, struct error *err)
{
	struct key k;

	key_numbered(&k, message, number);
	return db_get_record(txn, DB_RECIPIENT, key_str(&k), RECORD_KIND_RECIPIENT, out, err);
}

enum store_found
store_next_recipient(struct store_txn *txn, uint64_t message, uint32_t from, uint32_t *number,
    struct record_recipient *out, struct error *err)
{
	enum store_found found;
	struct str key, value;
	struct key k;

	key_numbered(&k, message, from);
	found = db_seek(txn, DB_RECIPIENT, key_str(&k), &key, &value, err);
	if (found != STORE_FOUND)
		return found;
	if (key.len != KEY_NUMBERED_SIZE)
		return db_broken(txn, DB_RECIPIENT, key, "the key is damaged", err);
	if (key_u64(key, 0) != message)
		return STORE_NONE;
	*number = key_u32(key, 8);
	return db_decode(txn, DB_RECIPIENT, key, value, RECORD_KIND_RECIPIENT, out, err);
}

static bool
has_recipients(struct store_txn *txn, uint64_t message)
{
	struct str key;
	struct key k;

	key_numbered(&k, message, 0);
	return db_seek(txn, DB_RECIPIENT, key_str(&k), &key, NULL, NULL) == STORE_FOUND &&
	    key.len == KEY_NUMBERED_SIZE && key_u64(key, 0) == message;
}

void
store_delete_recipient(struct store_txn *txn, uint64_t message, uint32_t number, bool *last)
{
	struct record_recipient record;
	struct error err;
	struct key k;

	*last = false;
	switch (store_get_recipient(txn, message, number, &record, &err)) {
	case STORE_BROKEN: db_give_up(txn, STORE_FAILED, "%s", err.text); return; /* where is its schedule entry? */
	case STORE_FOUND:
		delete_entry(txn, message, number, &record);
		key_numbered(&k, message, number);
		(void)db_delete(txn, DB_RECIPIENT, key_str(&k));
		break;
	case STORE_NONE: break;
	}
	*last = txn->failure == STORE_OK && !has_recipients(txn, message);
}

enum store_found
store_next_entry(struct store_txn *txn, uint64_t destination, const struct store_entry *after, struct store_entry *out)
{
	struct store_entry from = *after;
	enum store_found found;
	struct str key;
	struct key k;

	/* No message has the id 0, so that all zero is before every entry. */
	if (++from.number == 0 && ++from.message == 0)
		from.due_us++;
	key_entry(&k, destination, &from);
	found = db_seek(txn, DB_SCHEDULE, key_str(&k), &key, NULL, NULL);
	if (found != STORE_FOUND)
		return found;
	if (key.len != KEY_SCHEDULE_SIZE)
		return STORE_BROKEN;
	if (key_u64(key, 0) != destination)
		return STORE_NONE;
	*out =
	    (struct store_entry){ .due_us = key_u64(key, 8), .message = key_u64(key, 16), .number = key_u32(key, 24) };
	return STORE_FOUND;
}

uint64_t
store_waiting(struct store_txn *txn)
{
	MDB_stat stat;

	return mdb_stat(txn->txn, txn->store->databases[DB_SCHEDULE], &stat) == 0 ? stat.ms_entries : 0;
}
