/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "queue/store_lmdb.h"

enum { KEY_SHOWN_MAX = 40 /* bytes */ };

/* --- failures --- */

static void keep_failure(struct store_txn *txn, enum store_failure failure, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

static void
keep_failure(struct store_txn *txn, enum store_failure failure, const char *fmt, va_list ap)
{
	if (txn->failure != STORE_OK)
		return;
	txn->failure = failure;
	txn->err.kind = ERROR_TEMPORARY;
	(void)vsnprintf(txn->err.text, sizeof(txn->err.text), fmt, ap);
}

void
db_give_up(struct store_txn *txn, enum store_failure failure, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	keep_failure(txn, failure, fmt, ap);
	va_end(ap);
}

void
store_fail(struct store_txn *txn, enum store_failure failure, const char *fmt, ...)
{
	va_list ap;

	if (txn->failure == STORE_OK)
		txn->given_up = true;
	va_start(ap, fmt);
	keep_failure(txn, failure, fmt, ap);
	va_end(ap);
}

enum store_failure
store_failed(const struct store_txn *txn)
{
	return txn->failure;
}

bool
store_given_up(const struct store_txn *txn)
{
	return txn->given_up;
}

/*
 * What a return code means for the clients. Only want of room or memory lets the store go on: LMDB never writes over
 * a page of the last good commit, so what was written of a transaction that failed this way lies in pages that
 * nothing refers to. A full disk can also show itself as a short write, which LMDB calls EIO.
 */
static enum store_failure
failure_of(struct store *s, int rc)
{
	switch (rc) {
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case ENOMEM: return STORE_NO_ROOM;
	case EIO: return store_disk_full(s) ? STORE_NO_ROOM : STORE_FAILED;
	default: return STORE_FAILED;
	}
}

void
db_fail(struct store_txn *txn, int rc, const char *what, enum store_db db)
{
	db_give_up(txn, failure_of(txn->store, rc), "%s: cannot %s %s: %s", txn->store->dir, what, store_db_names[db],
	    mdb_strerror(rc));
}

/* A failed transaction answers every read like a damaged record, with what happened first. */
static enum store_found
failed_before(const struct store_txn *txn, struct error *err)
{
	error_set(err, txn->err.kind, "%s", txn->err.text);
	return STORE_BROKEN;
}

enum store_found
db_broken(struct store_txn *txn, enum store_db db, struct str key, const char *what, struct error *err)
{
	char hex[2 * KEY_SHOWN_MAX + 1];
	size_t i;

	if (err == NULL)
		return STORE_BROKEN;
	for (i = 0; i < key.len && i < KEY_SHOWN_MAX; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", (unsigned char)key.ptr[i]);
	hex[2 * i] = '\0';
	error_set(err, ERROR_PERMANENT, "%s: %s %s: %s", txn->store->dir, store_db_names[db], hex, what);
	return STORE_BROKEN;
}

/* What a read that found neither an entry nor its absence makes of the transaction. */
static enum store_found
read_failed(struct store_txn *txn, int rc, enum store_db db, struct error *err)
{
	if (txn->writes)
		db_fail(txn, rc, "read", db);
	error_set(
	    err, ERROR_PERMANENT, "%s: cannot read %s: %s", txn->store->dir, store_db_names[db], mdb_strerror(rc));
	return STORE_BROKEN;
}

/* --- memory of a write transaction --- */

static struct store_chunk *
new_chunk(size_t len)
{
	size_t size = len > STORE_ARENA_CHUNK_BYTES ? len : STORE_ARENA_CHUNK_BYTES;
	struct store_chunk *chunk = malloc(sizeof(*chunk) + size);

	if (chunk != NULL)
		*chunk = (struct store_chunk){ .size = size };
	return chunk;
}

bool
db_keep(struct store_txn *txn, struct str *s)
{
	struct store_chunk *chunk = txn->arena;

	if (!txn->writes || s->len == 0)
		return true;
	if (chunk == NULL || chunk->size - chunk->used < s->len) {
		chunk = new_chunk(s->len);
		if (chunk == NULL) {
			db_give_up(txn, STORE_NO_ROOM, "%s: out of memory", txn->store->dir);
			return false;
		}
		chunk->next = txn->arena;
		txn->arena = chunk;
	}
	memcpy(chunk->data + chunk->used, s->ptr, s->len);
	s->ptr = chunk->data + chunk->used;
	chunk->used += s->len;
	return true;
}

/* Keeps one chunk, so that the next transaction need not ask for it again. */
static void
empty_arena(struct store_txn *txn)
{
	struct store_chunk *chunk;

	while ((chunk = txn->arena) != NULL && chunk->next != NULL) {
		txn->arena = chunk->next;
		free(chunk);
	}
	if (chunk != NULL)
		chunk->used = 0;
}

/* --- reading --- */

static MDB_val
val_of(struct str s)
{
	return (MDB_val){ s.len, (void *)(uintptr_t)s.ptr };
}

static struct str
str_of_val(MDB_val v)
{
	return (struct str){ v.mv_data, v.mv_size };
}

/*
 * A length that no record has is damage, and reading so far could leave the map: nothing is then what decodes to
 * nothing.
 */
static struct str
value_of(MDB_val v)
{
	return v.mv_size <= STORE_RECORD_MAX ? str_of_val(v) : (struct str)STR("");
}

static enum store_found
look_up(struct store_txn *txn, enum store_db db, struct str key, struct str *value, struct error *err)
{
	MDB_val k = val_of(key), v;
	int rc;

	if (txn->failure != STORE_OK)
		return failed_before(txn, err);
	rc = mdb_get(txn->txn, txn->store->databases[db], &k, &v);
	if (rc == MDB_NOTFOUND)
		return STORE_NONE;
	if (rc != 0)
		return read_failed(txn, rc, db, err);
	*value = value_of(v);
	return STORE_FOUND;
}

enum store_found
db_peek(struct store_txn *txn, enum store_db db, struct str key, struct str *value)
{
	return look_up(txn, db, key, value, NULL);
}

enum store_found
db_get(struct store_txn *txn, enum store_db db, struct str key, struct str *value, struct error *err)
{
	enum store_found found = look_up(txn, db, key, value, err);

	if (found != STORE_FOUND || db_keep(txn, value))
		return found;
	return failed_before(txn, err);
}

/* One cursor a database and transaction; LMDB keeps it in its place when pages move. */
static int
cursor_of(struct store_txn *txn, enum store_db db, MDB_cursor **out)
{
	int rc = 0;

	if (txn->cursors[db] == NULL)
		rc = mdb_cursor_open(txn->txn, txn->store->databases[db], &txn->cursors[db]);
	*out = txn->cursors[db];
	return rc;
}

static void
close_cursors(struct store_txn *txn)
{
	size_t i;

	for (i = 0; i < DB_COUNT; i++) {
		if (txn->cursors[i] != NULL)
			mdb_cursor_close(txn->cursors[i]);
		txn->cursors[i] = NULL;
	}
}

static enum store_found
cursor_get(struct store_txn *txn, enum store_db db, MDB_cursor_op op, MDB_val *k, MDB_val *v, struct error *err)
{
	MDB_cursor *cursor;
	int rc;

	if (txn->failure != STORE_OK)
		return failed_before(txn, err);
	rc = cursor_of(txn, db, &cursor);
	if (rc == 0)
		rc = mdb_cursor_get(cursor, k, v, op);
	if (rc == MDB_NOTFOUND)
		return STORE_NONE;
	return rc == 0 ? STORE_FOUND : read_failed(txn, rc, db, err);
}

enum store_found
db_seek(struct store_txn *txn, enum store_db db, struct str from, struct str *key, struct str *value, struct error *err)
{
	MDB_val k = val_of(from), v;
	enum store_found found = cursor_get(txn, db, from.len > 0 ? MDB_SET_RANGE : MDB_FIRST, &k, &v, err);

	if (found != STORE_FOUND)
		return found;
	*key = str_of_val(k);
	if (value == NULL)
		return STORE_FOUND;
	*value = value_of(v);
	return db_keep(txn, value) ? STORE_FOUND : failed_before(txn, err);
}

enum store_found
db_before(
    struct store_txn *txn, enum store_db db, struct str from, struct str *key, struct str *value, struct error *err)
{
	MDB_val k = val_of(from), v;
	enum store_found found = cursor_get(txn, db, MDB_SET_RANGE, &k, &v, err);

	if (found != STORE_BROKEN)
		found = cursor_get(txn, db, found == STORE_FOUND ? MDB_PREV : MDB_LAST, &k, &v, err);
	if (found != STORE_FOUND)
		return found;
	*key = str_of_val(k);
	*value = value_of(v);
	return db_keep(txn, value) ? STORE_FOUND : failed_before(txn, err);
}

uint64_t
db_bytes(struct store_txn *txn, enum store_db db)
{
	MDB_val k, v;
	uint64_t bytes = 0;
	enum store_found found = cursor_get(txn, db, MDB_FIRST, &k, &v, NULL);

	for (; found == STORE_FOUND; found = cursor_get(txn, db, MDB_NEXT, &k, &v, NULL))
		bytes += k.mv_size + v.mv_size;
	return bytes;
}

enum store_found
db_last(struct store_txn *txn, enum store_db db, struct str *key, struct error *err)
{
	MDB_val k, v;
	enum store_found found = cursor_get(txn, db, MDB_LAST, &k, &v, err);

	if (found == STORE_FOUND)
		*key = str_of_val(k);
	return found;
}

enum store_found
db_decode(struct store_txn *txn, enum store_db db, struct str key, struct str value, enum record_kind kind, void *out,
    struct error *err)
{
	if (record_decode(kind, key, value, out))
		return STORE_FOUND;
	return db_broken(txn, db, key, "the record is damaged", err);
}

enum store_found
db_get_record(
    struct store_txn *txn, enum store_db db, struct str key, enum record_kind kind, void *out, struct error *err)
{
	struct str value;
	enum store_found found = db_get(txn, db, key, &value, err);

	return found == STORE_FOUND ? db_decode(txn, db, key, value, kind, out, err) : found;
}

/* --- writing --- */

void
db_put(struct store_txn *txn, enum store_db db, struct str key, struct str value)
{
	MDB_val k = val_of(key), v = val_of(value);
	int rc;

	if (txn->failure != STORE_OK)
		return;
	rc = mdb_put(txn->txn, txn->store->databases[db], &k, &v, 0);
	if (rc != 0)
		db_fail(txn, rc, "write", db);
}

static bool
encode(struct store_txn *txn, enum store_db db, struct str key, enum record_kind kind, const void *record)
{
	if (txn->failure != STORE_OK)
		return false;
	buf_reset(&txn->record);
	if (record_encode(kind, key, record, &txn->record))
		return true;
	db_give_up(txn, STORE_FAILED, "a record for %s is over its limits", store_db_names[db]);
	return false;
}

void
db_put_record(struct store_txn *txn, enum store_db db, struct str key, enum record_kind kind, const void *record)
{
	if (encode(txn, db, key, kind, record))
		db_put(txn, db, key, buf_str(&txn->record));
}

enum store_found
db_insert_record(
    struct store_txn *txn, enum store_db db, struct str key, enum record_kind kind, const void *record, struct str *old)
{
	MDB_val k = val_of(key), v;
	int rc;

	if (!encode(txn, db, key, kind, record))
		return STORE_BROKEN;
	v = val_of(buf_str(&txn->record));
	rc = mdb_put(txn->txn, txn->store->databases[db], &k, &v, MDB_NOOVERWRITE);
	if (rc == 0)
		return STORE_NONE;
	if (rc != MDB_KEYEXIST) {
		db_fail(txn, rc, "write", db);
		return STORE_BROKEN;
	}
	*old = value_of(v);
	return db_keep(txn, old) ? STORE_FOUND : STORE_BROKEN;
}

char *
db_reserve(struct store_txn *txn, enum store_db db, struct str key, size_t len)
{
	MDB_val k = val_of(key), v = { len, NULL };
	int rc;

	if (txn->failure != STORE_OK)
		return NULL;
	rc = mdb_put(txn->txn, txn->store->databases[db], &k, &v, MDB_NOOVERWRITE | MDB_RESERVE);
	if (rc == 0)
		return v.mv_data;
	db_fail(txn, rc, "write", db);
	return NULL;
}

bool
db_delete(struct store_txn *txn, enum store_db db, struct str key)
{
	MDB_val k = val_of(key);
	int rc;

	if (txn->failure != STORE_OK)
		return false;
	rc = mdb_del(txn->txn, txn->store->databases[db], &k, NULL);
	if (rc != 0 && rc != MDB_NOTFOUND)
		db_fail(txn, rc, "delete from", db);
	return rc == 0;
}

/* --- the write transaction --- */

static struct store_txn *
writer_new(struct store *s)
{
	struct store_txn *txn = calloc(1, sizeof(*txn));

	if (txn == NULL)
		return NULL;
	txn->store = s;
	txn->writes = true;
	buf_init(&txn->record, STORE_RECORD_MAX);
	return txn;
}

static void
writer_forget(struct store_txn *txn)
{
	empty_arena(txn);
	counts_forget(&txn->counts);
	memset(txn->numbers, 0, sizeof(txn->numbers));
	txn->piece.known = false;
	txn->destination.id = 0;
	txn->history.known = false;
	txn->failure = STORE_OK;
	txn->given_up = false;
}

struct store_txn *
store_begin(struct store *s, struct error *err)
{
	struct store_txn *txn;
	int rc;

	invariant(!s->writing);
	if (s->writer == NULL)
		s->writer = writer_new(s);
	txn = s->writer;
	if (txn == NULL) {
		error_set(err, ERROR_TEMPORARY, "%s: out of memory", s->dir);
		return NULL;
	}
	(void)store_prepare(s, 0); /* the pages that deletes need too */
	if (s->failed) {
		error_set(err, ERROR_TEMPORARY, "%s: a sync failed: not used again before a restart", s->dir);
		return NULL;
	}
	rc = mdb_txn_begin(s->env, NULL, 0, &txn->txn);
	if (rc != 0) {
		error_set(err, ERROR_TEMPORARY, "%s: cannot begin a transaction: %s", s->dir, mdb_strerror(rc));
		return NULL;
	}
	s->writing = true;
	return txn;
}

static void
writer_end(struct store_txn *txn)
{
	txn->txn = NULL;
	txn->store->writing = false;
	writer_forget(txn);
}

void
store_abort(struct store_txn *txn)
{
	invariant(txn->writes);
	close_cursors(txn);
	mdb_txn_abort(txn->txn);
	writer_end(txn);
}

bool
store_commit(struct store_txn *txn, enum store_failure *failure, struct error *err)
{
	struct store *s = txn->store;
	int rc;

	invariant(txn->writes);
	counts_flush(txn);
	numbers_flush(txn);
	if (txn->failure != STORE_OK) {
		*failure = txn->failure;
		error_set(err, txn->err.kind, "%s", txn->err.text);
		store_abort(txn);
		return false;
	}
	close_cursors(txn);
	rc = mdb_txn_commit(txn->txn);
	writer_end(txn);
	if (rc == 0) {
		store_room_update(s);
		return true;
	}
	*failure = failure_of(s, rc);
	s->failed = *failure == STORE_FAILED;
	return error_set(err, ERROR_TEMPORARY, "%s: cannot commit: %s", s->dir, mdb_strerror(rc));
}

/* --- read transactions --- */

static struct store_txn *
take_spare(struct store *s)
{
	struct store_txn *txn;

	(void)pthread_mutex_lock(&s->spare_lock);
	txn = s->spare;
	if (txn != NULL) {
		s->spare = txn->next;
		s->spare_count--;
	}
	(void)pthread_mutex_unlock(&s->spare_lock);
	return txn;
}

static bool
give_spare(struct store *s, struct store_txn *txn)
{
	bool kept;

	(void)pthread_mutex_lock(&s->spare_lock);
	kept = s->spare_count < STORE_SPARE_READERS_MAX;
	if (kept) {
		txn->next = s->spare;
		s->spare = txn;
		s->spare_count++;
	}
	(void)pthread_mutex_unlock(&s->spare_lock);
	return kept;
}

struct store_txn *
store_read(struct store *s, struct error *err)
{
	struct store_txn *txn = take_spare(s);
	int rc;

	if (txn != NULL) {
		rc = mdb_txn_renew(txn->txn);
	} else {
		txn = calloc(1, sizeof(*txn));
		rc = txn == NULL ? ENOMEM : mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn->txn);
	}
	if (rc != 0) {
		if (txn != NULL && txn->txn != NULL)
			mdb_txn_abort(txn->txn);
		free(txn);
		error_set(err, ERROR_TEMPORARY, "%s: cannot begin to read: %s", s->dir, mdb_strerror(rc));
		return NULL;
	}
	txn->store = s;
	txn->failure = STORE_OK;
	return txn;
}

void
store_read_end(struct store_txn *txn)
{
	if (txn == NULL)
		return;
	invariant(!txn->writes);
	close_cursors(txn);
	mdb_txn_reset(txn->txn);
	if (!give_spare(txn->store, txn))
		txn_free(txn);
}

void
txn_free(struct store_txn *txn)
{
	if (txn == NULL)
		return;
	if (txn->txn != NULL)
		mdb_txn_abort(txn->txn);
	if (txn->writes) {
		empty_arena(txn);
		free(txn->arena);
		buf_clear(&txn->record);
		free(txn->counts.slots);
	}
	free(txn);
}
