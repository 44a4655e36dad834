/* SPDX-License-Identifier: ISC */
/*
 * What the files of the store share, and nobody else includes: the databases, keys, and the few operations over LMDB
 * that keep its rules in one place. A view into a page ends with the next write of its transaction, so what is read
 * within a write transaction is copied into the transaction's arena first.
 */
#ifndef QUEUE_STORE_LMDB_H
#define QUEUE_STORE_LMDB_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "queue/journal.h"
#include "queue/limits.h"
#include "queue/store.h"

/* clang-format off */
#define STORE_DATABASES(D) \
	D(MESSAGE, message) \
	D(BODY, body) \
	D(RECIPIENT, recipient) \
	D(SCHEDULE, schedule) \
	D(DESTINATION, destination) \
	D(DESTINATION_NAME, destination_name) \
	D(EXPIRY, expiry) \
	D(HISTORY, history) \
	D(STATE, state) \
	D(META, meta) \
	D(SWEEP, sweep)

/* Numbers in `meta`, by name: those of enum store_meta in its order, then the store's own. */
#define STORE_NUMBERS(N) \
	N(NEXT_MESSAGE, "next_message") \
	N(ACCEPTED, "accepted") \
	N(DELIVERED, "delivered") \
	N(DEFERRED, "deferred") \
	N(BOUNCED, "bounced") \
	N(REMOVED, "removed") \
	N(JOURNAL, "journal") \
	N(NEXT_DESTINATION, "next_destination") \
	N(STORE, "store") \
	N(SCHEMA, "schema") \
	N(HISTORY_BYTES, "history_bytes")
/* clang-format on */

enum store_db {
#define D(NAME, name) DB_##NAME,
	STORE_DATABASES(D)
#undef D
	    DB_COUNT
};

enum store_number {
#define N(NAME, name) NUMBER_##NAME,
	STORE_NUMBERS(N)
#undef N
	    NUMBER_COUNT
};

extern const char *const store_db_names[DB_COUNT];
extern const char *const store_number_names[NUMBER_COUNT];

/* --- keys --- */

enum {
	KEY_MESSAGE_SIZE = 8,
	KEY_NUMBERED_SIZE = 12,
	KEY_SCHEDULE_SIZE = 28,
	KEY_DESTINATION_SIZE = 8,
	KEY_EXPIRY_SIZE = 16,
	KEY_HISTORY_SIZE = 21,
	KEY_NUMBERS_MAX = 32,
	KEY_NAME_MAX = 511 /* the longest LMDB takes */
};

/* A key made of numbers. */
struct key {
	size_t len;
	char bytes[KEY_NUMBERS_MAX];
};

/* A key that holds a name. */
struct name_key {
	size_t len;
	char bytes[KEY_NAME_MAX];
};

void key_message(struct key *k, uint64_t message);
void key_numbered(struct key *k, uint64_t message, uint32_t number); /* recipients and pieces */
void key_entry(struct key *k, uint64_t destination, const struct store_entry *entry);
void key_destination(struct key *k, uint64_t id);
void key_expiry(struct key *k, uint64_t expires_ms, uint64_t message);
void key_history(struct key *k, uint64_t time_us, uint64_t message, uint32_t number, unsigned event);
struct str key_str(const struct key *k);

/* id is used where the name is too long to stand in the key; 0: only what stands before it. */
void name_key_destination(struct name_key *k, unsigned kind, struct str name, uint64_t id);
bool name_key_state(struct name_key *k, struct str kind, struct str key);
struct str name_key_str(const struct name_key *k);

/* The number at the place `at` of a key that is long enough. */
uint32_t key_u32(struct str key, size_t at);
uint64_t key_u64(struct str key, size_t at);

/* --- the environment --- */

struct store {
	MDB_env *env;
	MDB_dbi databases[DB_COUNT];
	char *dir; /* its name in messages */
	int dir_fd;
	int lock_fd;
	int data_fd; /* LMDB's */
	struct journal *journal;
	store_mask_fn *mask; /* may be NULL */
	uint64_t number;     /* its own, by chance: what belongs to it knows it by that */
	uint64_t size_max;
	uint64_t page_size;
	uint64_t prealloc_step; /* 0: this file system cannot */
	/* Bytes of the file; written by the thread that commits, read by any. */
	_Atomic uint64_t used;      /* up to the last page in use */
	_Atomic uint64_t allocated; /* up to where the disk has given blocks */
	_Atomic uint64_t unused;    /* pages before `used` that are free; counted only when room is short */
	uint64_t commits;           /* the writer's */
	bool is_short;              /* of room, when it was last looked at. The writer's */
	bool failed;                /* a sync failed: nothing is committed any more. The writer's */
	struct store_txn *writer;   /* the one write transaction, kept for its memory */
	bool writing;
	pthread_mutex_t spare_lock;
	struct store_txn *spare; /* ended read transactions, ready to be begun again */
	size_t spare_count;
};

/*
 * Whether f_type of statfs(2) is a file system on which locks, mmap and fsync cannot be relied on; its name, else
 * NULL.
 */
const char *store_network_name(uint64_t type);

/* Pieces of a body of size bytes. */
uint32_t store_pieces_of(uint64_t size);

/* Opens the journal and takes over what is in it. False with err set: not a store that can be used. */
bool store_journal_open(struct store *s, store_replay_fn *replay, struct error *err);

/* After a commit: how much of the file is in use now. */
void store_room_update(struct store *s);

/* The file's first numbers, and the step it grows by on this file system; step 0: the default. */
void store_room_init(struct store *s, uint64_t step);

/* Whether the file system says that it is full: tells a write cut short for want of room from a broken disk. */
bool store_disk_full(struct store *s);

/* Pages within the file that are free, as a read transaction sees it. */
uint64_t store_free_pages(struct store_txn *txn);

/* LMDB found its own tree wrong: ends the process as store_sigbus_install says. */
_Noreturn void store_damaged(MDB_env *env, const char *what);

/* --- transactions --- */

/* Net changes of destinations' counts, by id: open addressing, at most half full. */
struct store_count {
	uint64_t id; /* 0: empty */
	int64_t delta;
};

struct store_counts {
	struct store_count *slots;
	size_t size; /* a power of two, or 0 */
	size_t used;
};

struct store_chunk {
	struct store_chunk *next;
	size_t size, used;
	char data[];
};

struct store_txn {
	struct store *store;
	MDB_txn *txn;
	bool writes;
	MDB_cursor *cursors[DB_COUNT]; /* opened when first wanted */
	enum store_failure failure;
	bool given_up; /* by store_fail from outside the store */
	struct error err;
	struct store_txn *next; /* among the spare ones */
	/* of the write transaction only */
	struct buf record; /* the one being encoded */
	struct store_chunk *arena;
	struct store_counts counts;
	struct {
		uint64_t value;
		bool loaded, changed;
	} numbers[NUMBER_COUNT];
	struct {
		uint64_t message;
		uint32_t sequence;
		bool known, full;
	} piece; /* the last that was put */
	struct {
		uint64_t id; /* 0: none */
		unsigned kind;
		size_t len;
		char name[PROTO_DESTINATION_MAX];
	} destination; /* the last that was asked for */
	struct {
		uint64_t newest_us;
		uint64_t last_us; /* the last that was put; earlier where the clock was set back */
		bool known;
	} history;
};

/* Fails the transaction for a return code of LMDB that is none of success and not found. */
void db_fail(struct store_txn *txn, int rc, const char *what, enum store_db db);

/* Looks up key. *value is a view as long as the transaction. err may be NULL. */
enum store_found db_get(struct store_txn *txn, enum store_db db, struct str key, struct str *value, struct error *err);

/* The same without a copy: *value is a view until the next write. */
enum store_found db_peek(struct store_txn *txn, enum store_db db, struct str key, struct str *value);

/* The first entry with a key of at least `from`; *key is a view until the next write. value may be NULL. */
enum store_found db_seek(
    struct store_txn *txn, enum store_db db, struct str from, struct str *key, struct str *value, struct error *err);

/* The last entry with a key below `from`, likewise. */
enum store_found db_before(
    struct store_txn *txn, enum store_db db, struct str from, struct str *key, struct str *value, struct error *err);

/* Bytes of all keys and values of a database, by reading all of it. */
uint64_t db_bytes(struct store_txn *txn, enum store_db db);

/* The last entry of the database; *key likewise. */
enum store_found db_last(struct store_txn *txn, enum store_db db, struct str *key, struct error *err);

/* Looks up and decodes; views as long as the transaction. */
enum store_found db_get_record(
    struct store_txn *txn, enum store_db db, struct str key, enum record_kind kind, void *out, struct error *err);

/* Decodes the value that stands under key: STORE_FOUND, or STORE_BROKEN with err set. */
enum store_found db_decode(struct store_txn *txn, enum store_db db, struct str key, struct str value,
    enum record_kind kind, void *out, struct error *err);

void db_put(struct store_txn *txn, enum store_db db, struct str key, struct str value);
void db_put_record(struct store_txn *txn, enum store_db db, struct str key, enum record_kind kind, const void *record);

/*
 * Puts it only where there is none: STORE_NONE, done; STORE_FOUND, there is one and *old is a view of its value;
 * STORE_BROKEN, the transaction has failed.
 */
enum store_found db_insert_record(struct store_txn *txn, enum store_db db, struct str key, enum record_kind kind,
    const void *record, struct str *old);

/* Room of len bytes under a key that is new, to be filled at once; NULL when the transaction has failed. */
char *db_reserve(struct store_txn *txn, enum store_db db, struct str key, size_t len);

/* Deletes key; says whether it was there. */
bool db_delete(struct store_txn *txn, enum store_db db, struct str key);

/*
 * A copy that lasts as long as the transaction; s itself in a read transaction. Fails the transaction without memory.
 */
bool db_keep(struct store_txn *txn, struct str *s);

/* STORE_BROKEN, with err saying that the record under key is damaged. */
enum store_found db_broken(
    struct store_txn *txn, enum store_db db, struct str key, const char *what, struct error *err);

/* The store's own failure, as store_fail is its callers'. */
void db_give_up(struct store_txn *txn, enum store_failure failure, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A number of meta, from the transaction's cache or the disk; 0 where there is none. */
uint64_t number_get(struct store_txn *txn, enum store_number number);
void number_put(struct store_txn *txn, enum store_number number, uint64_t value);

/* Writes what is gathered during a transaction: numbers of meta, counts of destinations. */
void numbers_flush(struct store_txn *txn);
void counts_flush(struct store_txn *txn);

/* A destination's count goes up or down. */
void counts_add(struct store_txn *txn, uint64_t destination, int64_t delta);
int64_t counts_delta(const struct store_txn *txn, uint64_t destination);
void counts_forget(struct store_counts *c);

/* Never below 0: a count that is wrong is for store_check to tell, not for mail to stop. */
uint64_t counts_apply(uint64_t waiting, int64_t delta);

/* Frees a transaction that is not running, with its memory. Accepts NULL. */
void txn_free(struct store_txn *txn);

#endif
