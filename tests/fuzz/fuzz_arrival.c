/* SPDX-License-Identifier: ISC */
/*
 * Property: whatever entry the journal hands to a start, the store is sound when it was taken, and as it was when it was
 * refused; the start itself never fails for it. An entry holds two kinds of records with checksums, which no input would
 * find by itself: they are put right here, in place, where the lengths around them are. The first byte says whether.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/log.h"
#include "queue/arrival.h"
#include "queue/store_lmdb.h"

enum {
	INPUT_MAX = 65536,
	MAP_BYTES = 64 * 1024 * 1024,
	NEXT_MESSAGE = 4096,
	OTHER = 7, /* a message that is there */
	ENDED = 9, /* one that is swept */
	AS_IT_STANDS = 0x80,
	PART_LENGTH = 4,   /* before each part, and each text within it */
	HEAD_NUMBERS = 16, /* message, due_us */
	RCPT_NUMBERS = 8   /* number */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/postern-fuzz-XXXXXX";
static struct store *store;

static void
require(bool condition, const char *promise)
{
	if (condition)
		return;
	(void)fprintf(stderr, "broken: %s\n", promise);
	abort();
}

/* --- a store that is emptied for each input --- */

static void
remove_store(void)
{
	static const char *const files[] = { "data.mdb", "lock.mdb", "lock" };
	char path[sizeof(dir) + 16];
	size_t i;

	store_close(store);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
}

static void
make_store(void)
{
	const struct store_options options = { .size_max = MAP_BYTES, .prealloc_step = MAP_BYTES };
	struct error err;

	require(mkdtemp(dir) != NULL, "a directory");
	store = store_open(dir, &options, &err);
	require(store != NULL, "a store");
	require(mdb_env_set_flags(store->env, MDB_NOSYNC, 1) == 0, "without syncs");
	(void)atexit(remove_store);
}

static void
put_others(struct store_txn *txn)
{
	const struct arrival other = { .message = OTHER,
		.due_us = 1,
		.record = { .size = 1, .look_ms = 1, .owner = PROTO_OWNER_NONE, .recipients = 1 } };
	const struct arrival_rcpt rcpt = { .destination = STR("out/a.example"), .record = { .due_us = 1 } };

	arrival_put_body(txn, OTHER, 0, S("x"));
	arrival_put(txn, &other);
	(void)arrival_put_rcpt(txn, OTHER, &rcpt);
	arrival_put_body(txn, ENDED, 0, S("x"));
	store_mark_sweep(txn, ENDED);
}

static void
commit(struct store_txn *txn)
{
	enum store_failure failure;
	struct error err;

	if (store_commit(txn, &failure, &err))
		return;
	(void)fprintf(stderr, "%s\n", err.text);
	require(false, "a start gets past every entry");
}

static void
empty_store(void)
{
	struct store_txn *txn = store_begin(store, NULL);
	size_t i;

	require(txn != NULL, "a transaction");
	for (i = 0; i < DB_COUNT; i++)
		require(mdb_drop(txn->txn, store->databases[i], 0) == 0, "it is emptied");
	number_put(txn, NUMBER_STORE, store->number);
	number_put(txn, NUMBER_SCHEMA, RECORD_SCHEMA);
	store_put_meta(txn, STORE_META_NEXT_MESSAGE, NEXT_MESSAGE);
	put_others(txn);
	commit(txn);
}

static void
report(void *arg, const char *text)
{
	(void)arg;
	(void)fprintf(stderr, "%s\n", text);
}

/* How many messages there are; all of it is sound. */
static size_t
judge(void)
{
	struct store_txn *txn = store_read(store, NULL);
	struct record_message record;
	uint64_t id = 0;
	size_t n = 0;

	require(txn != NULL, "a reader");
	require(store_check(txn, report, NULL) == 0, "the store is sound");
	while (store_next_message(txn, id, &id, &record, NULL) == STORE_FOUND)
		n++;
	store_read_end(txn);
	return n;
}

/* --- checksums --- */

static uint32_t
length_at(const char *p)
{
	uint32_t len;

	memcpy(&len, p, sizeof(len));
	return le32toh(len);
}

static void
seal_record(enum record_kind kind, char *bytes, size_t len)
{
	const uint8_t byte = (uint8_t)kind;
	uint32_t crc;

	if (len < 1 + sizeof(crc))
		return;
	bytes[0] = RECORD_FORMAT;
	crc = htole32(crc32c(crc32c(0, &byte, 1), bytes, len - sizeof(crc)));
	memcpy(bytes + len - sizeof(crc), &crc, sizeof(crc));
}

/* A part is numbers, a text, a record; where it ends: NULL when its lengths lead out of it. */
static char *
seal_part(enum record_kind kind, size_t numbers, char *at, const char *end)
{
	char *text, *record, *part_end;

	if (end - at < PART_LENGTH || length_at(at) > (size_t)(end - at) - PART_LENGTH)
		return NULL;
	part_end = at + PART_LENGTH + length_at(at);
	text = at + PART_LENGTH + numbers;
	if (part_end - text < PART_LENGTH || length_at(text) > (size_t)(part_end - text) - PART_LENGTH)
		return NULL;
	record = text + PART_LENGTH + length_at(text);
	if (part_end - record >= PART_LENGTH && length_at(record) <= (size_t)(part_end - record) - PART_LENGTH)
		seal_record(kind, record + PART_LENGTH, length_at(record));
	return part_end;
}

static void
seal_all(char *at, const char *end)
{
	at = seal_part(RECORD_KIND_MESSAGE, HEAD_NUMBERS, at, end);
	while (at != NULL)
		at = seal_part(RECORD_KIND_RECIPIENT, RCPT_NUMBERS, at, end);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_txn *txn;
	bool taken;
	char *entry;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	if (store == NULL)
		make_store();
	entry = malloc(size > 1 ? size - 1 : 1); /* of just its size: a read behind it is seen */
	require(entry != NULL, "memory");
	memcpy(entry, data + 1, size - 1);
	if ((data[0] & AS_IT_STANDS) == 0)
		seal_all(entry, entry + size - 1);
	empty_store();
	txn = store_begin(store, NULL);
	require(txn != NULL, "a transaction");
	taken = arrival_replay(txn, (struct str){ entry, size - 1 });
	commit(txn);
	require(judge() == (taken ? 2 : 1), "a message more when it was taken, else none");
	free(entry);
	return 0;
}
