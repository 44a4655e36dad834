/* SPDX-License-Identifier: ISC */
/*
 * The only door to the storage: nothing above it knows LMDB. One environment, one writer, full durability: a write
 * transaction that store_commit says true of is on disk. The functions over struct store_txn are typed reads and
 * writes of the records of records.h; they run wherever the transaction runs (write transactions on the committer's
 * thread, read transactions on any), take time and randomness from their callers, and do no other I/O, so a
 * simulation can drive them.
 *
 * Failures: a read returns STORE_FOUND, STORE_NONE or STORE_BROKEN (a record that is damaged; err says which). A
 * write that fails leaves the transaction useless: the first error is kept in it, all later calls do nothing, and
 * store_commit returns it. So a sequence of writes needs no check between.
 */
#ifndef QUEUE_STORE_H
#define QUEUE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/str.h"
#include "queue/limits.h"
#include "queue/records.h"

struct store;
struct store_txn;

enum store_found { STORE_FOUND, STORE_NONE, STORE_BROKEN };

/* Why a commit failed, which decides what the clients hear. */
enum store_failure {
	STORE_OK,
	STORE_NO_ROOM, /* disk or map full: 452 4.3.1; nothing changed; goes on */
	STORE_FAILED   /* a sync or write failed, or the store is damaged: 451, and the process ends; never retried */
};

/*
 * Puts an entry of the journal into the trees, at the start; false when it makes no sense. See arrival.h, and journal.h
 * for what the journal is.
 */
typedef bool store_replay_fn(struct store_txn *txn, struct str entry);

/*
 * Has an entry of history lose what may not be kept, before it is written. What it puts into the record lasts until its
 * next call; it is called by whoever writes, one at a time.
 */
typedef void store_mask_fn(uint64_t time_us, enum record_event event, struct record_history *record);

struct store_options {
	uint64_t size_max;       /* of the map, and so of the file; bytes */
	uint64_t prealloc_step;  /* bytes the file grows by at once; 0: default 16 MiB, less on a small file system */
	store_replay_fn *replay; /* NULL: without a journal */
	store_mask_fn *mask;     /* NULL: history is kept as it is */
	const char *name;        /* of the directory in messages, where it is another after chroot; NULL: the same */
};

/*
 * Opens the store in directory dir, making it where there is none, checks schema version, lock (a second daemon),
 * kind of file system (a network file system is refused), and clears stale readers. Returns fresh; NULL with err set:
 * what, where, and what was expected.
 */
struct store *store_open(const char *dir, const struct store_options *options, struct error *err);
void store_close(struct store *s);

/* What was opened with it and is written by intake.h; NULL where there is no room for one. */
struct journal *store_journal(const struct store *s);

/* The store's own number, by chance: tells it from every other. */
uint64_t store_number(const struct store *s);

/* Bytes that can still be stored, by the file system's and the map's free room, less the reserve for deliveries. */
uint64_t store_room(struct store *s);

/*
 * Before a transaction that will add about so many bytes, on the thread that will begin it: grows the file where it
 * may. False when store_room is less. (store_begin sees to the room that deletes need by itself.)
 */
bool store_prepare(struct store *s, uint64_t bytes);

/* Frees the slots of readers that died; each minute. */
void store_check_readers(struct store *s);

/*
 * A page of the map that cannot be read is SIGBUS: from now on it, and damage that LMDB runs into (an assertion,
 * SIGSEGV), writes one line that names the spool to the descriptor log_fd and ends the process. name is the process';
 * both are copied.
 */
void store_sigbus_install(int log_fd, const char *name, const char *dir);

/* --- transactions --- */

/* The one write transaction, on the thread that will commit it. NULL with err set when it cannot begin. */
struct store_txn *store_begin(struct store *s, struct error *err);

/* Ends txn: true only when everything in it is on disk. Else nothing of it is, *failure says why, err is set. */
bool store_commit(struct store_txn *txn, enum store_failure *failure, struct error *err);
void store_abort(struct store_txn *txn);

/*
 * A read transaction: a consistent view until store_read_end, within a turn or a reader's request (short: it pins
 * pages).
 */
struct store_txn *store_read(struct store *s, struct error *err);
void store_read_end(struct store_txn *txn);

/* The first error of this transaction, STORE_OK while there is none. */
enum store_failure store_failed(const struct store_txn *txn);

/* Whether it was store_fail that ended it, and not disk, map or memory. */
bool store_given_up(const struct store_txn *txn);

/* Gives up a write transaction from within: what it would have been committed for is refused with the failure. */
void store_fail(struct store_txn *txn, enum store_failure failure, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* --- body --- */

/*
 * Stores a piece of the body; data 1 to RECORD_PIECE_DATA bytes, every piece but the last exactly so many, in their
 * order. Where the piece before is missing (its step was refused for want of room) the transaction is given up with
 * STORE_NO_ROOM, as by store_fail: a message never has holes.
 */
void store_put_piece(struct store_txn *txn, uint64_t message, uint32_t sequence, struct str data);

/* *data is a view that lasts as long as the transaction. */
enum store_found store_get_piece(
    struct store_txn *txn, uint64_t message, uint32_t sequence, struct str *data, struct error *err);

/* Whether the first count pieces are there. A step that continues a body looks before it writes. */
bool store_has_pieces(struct store_txn *txn, uint64_t message, uint32_t count);

/* Marks a message's pieces as nobody's (coming, or done), or takes the mark away. */
void store_mark_sweep(struct store_txn *txn, uint64_t message);
void store_unmark_sweep(struct store_txn *txn, uint64_t message);

/*
 * Deletes at most limit pieces of marked messages, and the marks of those that have none left; skip(arg, id) true:
 * not that one (still coming in); skip may be NULL. Returns true when there may be more.
 */
bool store_sweep(struct store_txn *txn, size_t limit, bool (*skip)(void *arg, uint64_t message), void *arg);

/* --- messages and recipients --- */

/*
 * Puts the record and its expiry entry (moving it where there was another), and takes the sweep mark away. The pieces
 * of record->size have to be there; where one is missing, as in store_put_piece.
 */
void store_put_message(struct store_txn *txn, uint64_t message, const struct record_message *record);
enum store_found store_get_message(
    struct store_txn *txn, uint64_t message, struct record_message *out, struct error *err);

/*
 * Deletes record and expiry entry, and its pieces: at once where they are few, else by a sweep mark. Its recipients
 * have to be gone before.
 */
void store_delete_message(struct store_txn *txn, uint64_t message);

/* The first message with an id above `after`; STORE_NONE at the end. *message is set with STORE_BROKEN too. */
enum store_found store_next_message(
    struct store_txn *txn, uint64_t after, uint64_t *message, struct record_message *out, struct error *err);

/*
 * Puts a recipient and its schedule entry (destination id, due_us), moving the entry where the recipient had another,
 * and keeps the destinations' counts. A recipient is always scheduled: there is no other way to put one.
 */
void store_put_recipient(
    struct store_txn *txn, uint64_t message, uint32_t number, const struct record_recipient *record);
enum store_found store_get_recipient(
    struct store_txn *txn, uint64_t message, uint32_t number, struct record_recipient *out, struct error *err);

/* The first recipient of message with a number of at least from. *number is set with STORE_BROKEN too. */
enum store_found store_next_recipient(struct store_txn *txn, uint64_t message, uint32_t from, uint32_t *number,
    struct record_recipient *out, struct error *err);

/* Deletes a recipient and its schedule entry; says whether the message has any left. */
void store_delete_recipient(struct store_txn *txn, uint64_t message, uint32_t number, bool *last);

/* --- schedule --- */

struct store_entry {
	uint64_t due_us;
	uint64_t message;
	uint32_t number;
};

/* The first entry of the destination behind `after` (all zero: from its start). */
enum store_found store_next_entry(
    struct store_txn *txn, uint64_t destination, const struct store_entry *after, struct store_entry *out);

/* How many recipients wait, of all destinations. */
uint64_t store_waiting(struct store_txn *txn);

/* The first expiry entry at or behind (*look_ms, *message), which it then is. */
enum store_found store_first_expiry(struct store_txn *txn, uint64_t *look_ms, uint64_t *message);

/* A message has one expiry entry, at its record's look_ms: putting another moves it, and changes the record. */
void store_put_expiry(struct store_txn *txn, uint64_t look_ms, uint64_t message);
void store_delete_expiry(struct store_txn *txn, uint64_t look_ms, uint64_t message);

/* --- destinations --- */

/*
 * The destination of that kind (enum proto_delivery, or RECIPIENT_UNROUTED) and name: its id, made where there is
 * none yet. Returns 0 when the transaction has failed.
 */
uint64_t store_destination(struct store_txn *txn, unsigned kind, struct str name);

/* Likewise, 0 where there is none. */
uint64_t store_find_destination(struct store_txn *txn, unsigned kind, struct str name);

/* By id; kind and name are views as long as the transaction. */
enum store_found store_get_destination(struct store_txn *txn, uint64_t id, unsigned *kind, struct str *name,
    struct record_destination *out, struct error *err);

/* Writes down-state, failures and text; id, kind, name and waiting are the store's. One that was dropped stays so. */
void store_put_destination(struct store_txn *txn, uint64_t id, const struct record_destination *record);

/* Deletes a destination that nothing waits for; does nothing where something does. */
void store_drop_destination(struct store_txn *txn, uint64_t id);

/* All destinations by rising id, behind `after` (0: from the start). *id is set with STORE_BROKEN too. */
enum store_found store_next_destination(struct store_txn *txn, uint64_t after, uint64_t *id, unsigned *kind,
    struct str *name, struct record_destination *out, struct error *err);

/* --- history, state, meta --- */

/* No two entries have the same time: one that is not after the last is moved behind it, by microseconds. */
void store_put_history(struct store_txn *txn, uint64_t time_us, uint64_t message, uint32_t number,
    enum record_event event, const struct record_history *record);

/* The first entry later than after_us. *time_us is set with STORE_BROKEN too. */
enum store_found store_next_history(struct store_txn *txn, uint64_t after_us, uint64_t *time_us, uint64_t *message,
    uint32_t *number, enum record_event *event, struct record_history *out, struct error *err);

/* Where an entry of history stands, and what it is about: all that is known of it before its record is read. */
struct store_event {
	uint64_t time_us;
	uint64_t message; /* 0: none, where it was rejected */
	uint32_t number;
	enum record_event event;
};

/*
 * The first entry later than time_us, or, backward, the last before it. *value is its record as it is stored: a walk that
 * looks for one message decodes no other's. out->time_us is set with STORE_BROKEN too, unless its key is damaged: then 0.
 */
enum store_found store_step_history(struct store_txn *txn, uint64_t time_us, bool backward, struct store_event *out,
    struct str *value, struct error *err);
enum store_found store_read_event(struct store_txn *txn, const struct store_event *event, struct str value,
    struct record_history *out, struct error *err);

/* Bytes of all entries, with their keys. */
uint64_t store_history_bytes(struct store_txn *txn);

/*
 * Deletes at most limit entries, the oldest first: those before before_us, and as many as it takes until the others have
 * bytes_max bytes. Returns true when there may be more.
 */
bool store_prune_history(struct store_txn *txn, uint64_t before_us, uint64_t bytes_max, size_t limit);

enum store_meta {
	STORE_META_NEXT_MESSAGE,
	STORE_META_ACCEPTED,
	STORE_META_DELIVERED,
	STORE_META_DEFERRED,
	STORE_META_BOUNCED,
	STORE_META_REMOVED,
	STORE_META_JOURNAL, /* the last entry of the journal that is in the trees */
	STORE_META_COUNT
};
uint64_t store_get_meta(struct store_txn *txn, enum store_meta what);
void store_put_meta(struct store_txn *txn, enum store_meta what, uint64_t value);

/*
 * The small things other processes keep over a restart (database `state`); expires_ms 0: for ever. kind and key have
 * STORE_STATE_KEY_MAX bytes together at most, kind at least one and at most 255; value STORE_STATE_VALUE_MAX.
 */
void store_put_state(struct store_txn *txn, struct str kind, struct str key, struct str value, uint64_t expires_ms);
enum store_found store_get_state(
    struct store_txn *txn, struct str kind, struct str key, struct str *value, uint64_t *expires_ms, struct error *err);

void store_delete_state(struct store_txn *txn, struct str kind, struct str key);

/* Where a walk through all of them stands; zeroed: at the start. */
struct store_state_key {
	size_t len;
	char bytes[STORE_STATE_KEY_MAX + 2];
};

/*
 * The next one, behind *at, which moves on; kind and key are views of it. At a damaged record, STORE_BROKEN, it moves on
 * too, unless nothing behind can be reached.
 */
enum store_found store_next_state(struct store_txn *txn, struct store_state_key *at, struct str *kind, struct str *key,
    struct str *value, uint64_t *expires_ms, struct error *err);

/*
 * Checks every invariant of records.h in one read transaction: each record decodes, each message has its pieces, each
 * recipient its message, schedule entry and destination, each entry its recipient, counts are right, nothing is
 * nobody's. Calls report for each thing that is wrong; returns how many there were.
 */
uint64_t store_check(struct store_txn *txn, void (*report)(void *arg, const char *text), void *arg);

#endif
