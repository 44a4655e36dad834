/* SPDX-License-Identifier: ISC */
/* Destinations: a record by id, and an index from kind and name to the id. */
#include <string.h>

#include "queue/store_lmdb.h"

static enum store_found
get_by_id(struct store_txn *txn, uint64_t id, struct record_destination *out, struct error *err)
{
	struct key k;

	key_destination(&k, id);
	return db_get_record(txn, DB_DESTINATION, key_str(&k), RECORD_KIND_DESTINATION, out, err);
}

/* The id that an entry of the index says; a damaged one would be a second destination of one name. */
static uint64_t
index_id(struct store_txn *txn, struct str key, struct str value)
{
	struct record_number record;
	struct error err;

	if (db_decode(txn, DB_DESTINATION_NAME, key, value, RECORD_KIND_NUMBER, &record, &err) == STORE_FOUND)
		return record.value;
	db_give_up(txn, STORE_FAILED, "%s", err.text);
	return 0;
}

/* Of a name that is too long for the index: its beginning may be that of several, whose records tell. */
static uint64_t
find_long(struct store_txn *txn, unsigned kind, struct str name)
{
	struct record_destination record;
	struct name_key from, this;
	struct str key, value, prefix;
	uint64_t id = 0;

	name_key_destination(&from, kind, name, 0);
	prefix = (struct str){ from.bytes, 1 + STORE_KEY_NAME_BYTES };
	while (db_seek(txn, DB_DESTINATION_NAME, name_key_str(&from), &key, &value, NULL) == STORE_FOUND &&
	    key.len == from.len && memcmp(key.ptr, prefix.ptr, prefix.len) == 0) {
		memcpy(this.bytes, key.ptr, key.len);
		this.len = key.len;
		id = index_id(txn, name_key_str(&this), value);
		if (id == 0 || (get_by_id(txn, id, &record, NULL) == STORE_FOUND && str_equal(record.name, name)))
			return id;
		name_key_destination(&from, kind, name, id + 1);
	}
	return 0;
}

static uint64_t
find(struct store_txn *txn, unsigned kind, struct str name)
{
	struct name_key k;
	struct str value;

	if (name.len > STORE_KEY_NAME_BYTES)
		return find_long(txn, kind, name);
	name_key_destination(&k, kind, name, 0);
	if (db_get(txn, DB_DESTINATION_NAME, name_key_str(&k), &value, NULL) != STORE_FOUND)
		return 0;
	return index_id(txn, name_key_str(&k), value);
}

static uint64_t
make(struct store_txn *txn, unsigned kind, struct str name)
{
	uint64_t before = number_get(txn, NUMBER_NEXT_DESTINATION);
	struct record_destination record = { .id = before == 0 ? 1 : before, .kind = kind, .name = name };
	struct record_number number = { .value = record.id };
	struct name_key n;
	struct key k;

	number_put(txn, NUMBER_NEXT_DESTINATION, record.id + 1);
	key_destination(&k, record.id);
	db_put_record(txn, DB_DESTINATION, key_str(&k), RECORD_KIND_DESTINATION, &record);
	name_key_destination(&n, kind, name, record.id);
	db_put_record(txn, DB_DESTINATION_NAME, name_key_str(&n), RECORD_KIND_NUMBER, &number);
	return record.id;
}

/* A batch is often for one destination. */
static bool
is_last_asked(const struct store_txn *txn, unsigned kind, struct str name)
{
	return txn->destination.id != 0 && txn->destination.kind == kind && txn->destination.len == name.len &&
	    memcmp(txn->destination.name, name.ptr, name.len) == 0;
}

uint64_t
store_destination(struct store_txn *txn, unsigned kind, struct str name)
{
	uint64_t id;

	if (name.len == 0 || name.len > PROTO_DESTINATION_MAX || kind > RECIPIENT_UNROUTED)
		db_give_up(txn, STORE_FAILED, "a destination with a name of %zu bytes", name.len);
	if (txn->failure != STORE_OK)
		return 0;
	if (is_last_asked(txn, kind, name))
		return txn->destination.id;
	id = find(txn, kind, name);
	if (id == 0)
		id = make(txn, kind, name);
	if (txn->failure != STORE_OK)
		return 0;
	txn->destination.id = id;
	txn->destination.kind = kind;
	txn->destination.len = name.len;
	memcpy(txn->destination.name, name.ptr, name.len);
	return id;
}

uint64_t
store_find_destination(struct store_txn *txn, unsigned kind, struct str name)
{
	return name.len == 0 || name.len > PROTO_DESTINATION_MAX ? 0 : find(txn, kind, name);
}

static void
show(const struct store_txn *txn, struct record_destination *record, unsigned *kind, struct str *name)
{
	record->waiting = counts_apply(record->waiting, counts_delta(txn, record->id));
	*kind = record->kind;
	*name = record->name;
}

enum store_found
store_get_destination(struct store_txn *txn, uint64_t id, unsigned *kind, struct str *name,
    struct record_destination *out, struct error *err)
{
	enum store_found found = get_by_id(txn, id, out, err);

	if (found == STORE_FOUND)
		show(txn, out, kind, name);
	return found;
}

void
store_put_destination(struct store_txn *txn, uint64_t id, const struct record_destination *record)
{
	struct record_destination before, after = *record;
	struct error err;
	struct key k;

	switch (get_by_id(txn, id, &before, &err)) {
	case STORE_NONE: return;
	case STORE_BROKEN: db_give_up(txn, STORE_FAILED, "%s", err.text); return;
	case STORE_FOUND: break;
	}
	after.id = before.id;
	after.kind = before.kind;
	after.name = before.name;
	after.waiting = before.waiting;
	key_destination(&k, id);
	db_put_record(txn, DB_DESTINATION, key_str(&k), RECORD_KIND_DESTINATION, &after);
}

void
store_drop_destination(struct store_txn *txn, uint64_t id)
{
	static const struct store_entry start;
	struct record_destination record;
	struct store_entry entry;
	struct name_key n;
	struct key k;

	if (get_by_id(txn, id, &record, NULL) != STORE_FOUND || store_next_entry(txn, id, &start, &entry) != STORE_NONE)
		return;
	counts_add(txn, id, -counts_delta(txn, id)); /* there is nothing left to write it to */
	key_destination(&k, id);
	(void)db_delete(txn, DB_DESTINATION, key_str(&k));
	name_key_destination(&n, record.kind, record.name, id);
	(void)db_delete(txn, DB_DESTINATION_NAME, name_key_str(&n));
	if (txn->destination.id == id)
		txn->destination.id = 0;
}

enum store_found
store_next_destination(struct store_txn *txn, uint64_t after, uint64_t *id, unsigned *kind, struct str *name,
    struct record_destination *out, struct error *err)
{
	enum store_found found;
	struct str key, value;
	struct key k;

	if (after == UINT64_MAX)
		return STORE_NONE;
	key_destination(&k, after + 1);
	found = db_seek(txn, DB_DESTINATION, key_str(&k), &key, &value, err);
	if (found != STORE_FOUND)
		return found;
	if (key.len != KEY_DESTINATION_SIZE)
		return db_broken(txn, DB_DESTINATION, key, "the key is damaged", err);
	*id = key_u64(key, 0);
	found = db_decode(txn, DB_DESTINATION, key, value, RECORD_KIND_DESTINATION, out, err);
	if (found == STORE_FOUND)
		show(txn, out, kind, name);
	return found;
}
