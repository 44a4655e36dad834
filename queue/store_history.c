/* SPDX-License-Identifier: ISC */
/* History, and the small things that are kept for other processes. */
#include <string.h>

#include "queue/store_lmdb.h"

enum { CLOCK_BACK_US = 1000000 /* a time that is earlier by more than this is a clock that was set back */ };

/* --- history --- */

static void
learn_newest(struct store_txn *txn)
{
	struct str key;

	if (txn->history.known)
		return;
	txn->history.newest_us = 0;
	if (db_last(txn, DB_HISTORY, &key, NULL) == STORE_FOUND && key.len == KEY_HISTORY_SIZE)
		txn->history.newest_us = key_u64(key, 0);
	txn->history.last_us = txn->history.newest_us;
	txn->history.known = true;
}

static bool
is_taken(struct store_txn *txn, uint64_t time_us)
{
	struct str key;
	struct key k;

	key_history(&k, time_us, 0, 0, 0);
	return db_seek(txn, DB_HISTORY, key_str(&k), &key, NULL, NULL) == STORE_FOUND && key.len == KEY_HISTORY_SIZE &&
	    key_u64(key, 0) == time_us;
}

/*
 * Times are all different, so that a listing can go on behind the last it has seen. Only a clock set back has to
 * look.
 */
static uint64_t
time_of_its_own(struct store_txn *txn, uint64_t time_us)
{
	learn_newest(txn);
	if (time_us <= txn->history.last_us && txn->history.last_us - time_us < CLOCK_BACK_US)
		time_us = txn->history.last_us + 1;
	while (time_us <= txn->history.newest_us && is_taken(txn, time_us))
		time_us++;
	if (time_us > txn->history.newest_us)
		txn->history.newest_us = time_us;
	txn->history.last_us = time_us;
	return time_us;
}

/* Bytes of all entries, kept with each that comes or goes. A store from before they were counted is read through, once. */
static uint64_t
bytes_now(struct store_txn *txn)
{
	uint64_t bytes = number_get(txn, NUMBER_HISTORY_BYTES);

	if (bytes > 0 || !txn->writes)
		return bytes;
	learn_newest(txn);
	return txn->history.newest_us == 0 ? 0 : db_bytes(txn, DB_HISTORY);
}

uint64_t
store_history_bytes(struct store_txn *txn)
{
	return bytes_now(txn);
}

void
store_put_history(struct store_txn *txn, uint64_t time_us, uint64_t message, uint32_t number, enum record_event event,
    const struct record_history *record)
{
	uint64_t bytes = bytes_now(txn);
	struct record_history kept = *record;
	struct key k;

	if (txn->store->mask != NULL)
		txn->store->mask(time_us, event, &kept);
	key_history(&k, time_of_its_own(txn, time_us), message, number, event);
	db_put_record(txn, DB_HISTORY, key_str(&k), RECORD_KIND_HISTORY, &kept);
	number_put(txn, NUMBER_HISTORY_BYTES, bytes + k.len + txn->record.len);
}

enum store_found
store_step_history(struct store_txn *txn, uint64_t time_us, bool backward, struct store_event *out, struct str *value,
    struct error *err)
{
	enum store_found found;
	struct str key;
	struct key k;

	out->time_us = 0;
	if (time_us == UINT64_MAX && !backward)
		return STORE_NONE;
	key_history(&k, backward ? time_us : time_us + 1, 0, 0, 0);
	found = backward ? db_before(txn, DB_HISTORY, key_str(&k), &key, value, err)
			 : db_seek(txn, DB_HISTORY, key_str(&k), &key, value, err);
	if (found != STORE_FOUND)
		return found;
	if (key.len != KEY_HISTORY_SIZE)
		return db_broken(txn, DB_HISTORY, key, "the key is damaged", err);
	out->time_us = key_u64(key, 0);
	out->message = key_u64(key, 8);
	out->number = key_u32(key, 16);
	out->event = (enum record_event)(unsigned char)key.ptr[20];
	return STORE_FOUND;
}

enum store_found
store_read_event(struct store_txn *txn, const struct store_event *event, struct str value, struct record_history *out,
    struct error *err)
{
	struct key k;

	key_history(&k, event->time_us, event->message, event->number, event->event);
	return db_decode(txn, DB_HISTORY, key_str(&k), value, RECORD_KIND_HISTORY, out, err);
}

enum store_found
store_next_history(struct store_txn *txn, uint64_t after_us, uint64_t *time_us, uint64_t *message, uint32_t *number,
    enum record_event *event, struct record_history *out, struct error *err)
{
	struct store_event e;
	struct str value;
	enum store_found found = store_step_history(txn, after_us, false, &e, &value, err);

	if (found != STORE_FOUND)
		return found;
	*time_us = e.time_us;
	*message = e.message;
	*number = e.number;
	*event = e.event;
	return store_read_event(txn, &e, value, out, err);
}

bool
store_prune_history(struct store_txn *txn, uint64_t before_us, uint64_t bytes_max, size_t limit)
{
	static const struct str start = STR("");
	uint64_t bytes = bytes_now(txn);
	struct str key, value;
	struct key k;

	for (; limit > 0; limit--) {
		if (db_seek(txn, DB_HISTORY, start, &key, NULL, NULL) != STORE_FOUND || key.len != KEY_HISTORY_SIZE ||
		    (key_u64(key, 0) >= before_us && bytes <= bytes_max))
			break;
		key_history(&k, key_u64(key, 0), key_u64(key, 8), key_u32(key, 16), (unsigned char)key.ptr[20]);
		if (db_peek(txn, DB_HISTORY, key_str(&k), &value) != STORE_FOUND)
			break;
		bytes -= k.len + value.len < bytes ? k.len + value.len : bytes;
		(void)db_delete(txn, DB_HISTORY, key_str(&k));
	}
	if (bytes != number_get(txn, NUMBER_HISTORY_BYTES))
		number_put(txn, NUMBER_HISTORY_BYTES, bytes);
	txn->history.known = false;
	return limit == 0 && txn->failure == STORE_OK;
}

/* --- state --- */

void
store_put_state(struct store_txn *txn, struct str kind, struct str key, struct str value, uint64_t expires_ms)
{
	struct record_state record = { .expires_ms = expires_ms, .value = value };
	struct name_key k;

	if (!name_key_state(&k, kind, key)) {
		db_give_up(
		    txn, STORE_FAILED, "a key of %zu and %zu bytes for a thing of another process", kind.len, key.len);
		return;
	}
	db_put_record(txn, DB_STATE, name_key_str(&k), RECORD_KIND_STATE, &record);
}

enum store_found
store_get_state(
    struct store_txn *txn, struct str kind, struct str key, struct str *value, uint64_t *expires_ms, struct error *err)
{
	struct record_state record;
	enum store_found found;
	struct name_key k;

	if (!name_key_state(&k, kind, key))
		return STORE_NONE;
	found = db_get_record(txn, DB_STATE, name_key_str(&k), RECORD_KIND_STATE, &record, err);
	if (found != STORE_FOUND)
		return found;
	*value = record.value;
	*expires_ms = record.expires_ms;
	return STORE_FOUND;
}

enum store_found
store_next_state(struct store_txn *txn, struct store_state_key *at, struct str *kind, struct str *key,
    struct str *value, uint64_t *expires_ms, struct error *err)
{
	struct record_state record;
	enum store_found found;
	struct str stored, bytes;
	size_t len;

	found = db_seek(txn, DB_STATE, (struct str){ at->bytes, at->len }, &stored, &bytes, err);
	if (found != STORE_FOUND)
		return found;
	len = (unsigned char)(stored.len > 0 ? stored.ptr[0] : 0);
	if (len == 0 || len >= stored.len || stored.len > sizeof(at->bytes) - 1)
		return db_broken(txn, DB_STATE, stored, "the key is damaged", err);
	memcpy(at->bytes, stored.ptr, stored.len);
	at->bytes[stored.len] = '\0'; /* the first key behind it */
	at->len = stored.len + 1;
	found = db_decode(txn, DB_STATE, stored, bytes, RECORD_KIND_STATE, &record, err);
	*kind = (struct str){ at->bytes + 1, len };
	*key = (struct str){ at->bytes + 1 + len, stored.len - 1 - len };
	*value = found == STORE_FOUND ? record.value : (struct str)STR("");
	*expires_ms = found == STORE_FOUND ? record.expires_ms : 0;
	return found;
}

void
store_delete_state(struct store_txn *txn, struct str kind, struct str key)
{
	struct name_key k;

	if (name_key_state(&k, kind, key))
		(void)db_delete(txn, DB_STATE, name_key_str(&k));
}
