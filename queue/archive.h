/* SPDX-License-Identifier: ISC */
/*
 * The queue as a stream: what `posternctl backup` and `export` write, and `restore` reads on any machine. It begins with
 * a magic, then come records, each once declared here (fields.h), each behind its length and before a CRC-32C of its
 * number in the stream, its kind and itself: so nothing of it can be lost, doubled or changed without notice. Records of
 * the store stand in it in the form they have on disk, under no key.
 *
 * The order: HEAD; for each message BEGIN, its BODY pieces, MESSAGE, its RCPTs, END; then DESTINATIONs that are down or
 * suspended, HISTORY, STATE, NUMBERs; TAIL. A message that cannot be read whole has an END that says so, and counts in
 * the TAIL.
 */
#ifndef QUEUE_ARCHIVE_H
#define QUEUE_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "queue/limits.h"
#include "queue/records.h"

#define ARCHIVE_FORMAT 1

/* clang-format off */

/* store: the number of the store it was taken from; next_message: above all ids in it. */
#define ARCHIVE_HEAD(F) \
	F(u64,     format, UINT32_MAX) \
	F(str,     version, 32) \
	F(u64,     store, UINT64_MAX) \
	F(u64,     created_ms, INT64_MAX) \
	F(u64,     next_message, UINT64_MAX)

#define ARCHIVE_BEGIN(F) \
	F(u64,     message, UINT64_MAX)

#define ARCHIVE_BODY(F) \
	F(blob,    bytes, RECORD_PIECE_DATA)

#define ARCHIVE_MESSAGE(F) \
	F(blob,    record, STORE_RECORD_MAX)

/* destination is a name: ids are a store's own. */
#define ARCHIVE_RCPT(F) \
	F(u64,     number, UINT32_MAX) \
	F(str,     destination, PROTO_DESTINATION_MAX) \
	F(blob,    record, STORE_RECORD_MAX)

#define ARCHIVE_END(F) \
	F(boolean, whole, 1)

#define ARCHIVE_DESTINATION(F) \
	F(blob,    record, STORE_RECORD_MAX)

#define ARCHIVE_HISTORY(F) \
	F(u64,     time_us, UINT64_MAX) \
	F(u64,     message, UINT64_MAX) \
	F(u64,     number, UINT32_MAX) \
	F(u64,     event, 255) \
	F(blob,    record, STORE_RECORD_MAX)

#define ARCHIVE_STATE(F) \
	F(blob,    kind, 255) \
	F(blob,    key, STORE_STATE_KEY_MAX) \
	F(blob,    record, STORE_RECORD_MAX)

/* Of what was counted since the spool was made: one of enum store_meta. */
#define ARCHIVE_NUMBER(F) \
	F(u64,     what, 255) \
	F(u64,     value, UINT64_MAX)

#define ARCHIVE_TAIL(F) \
	F(u64,     messages, UINT64_MAX) \
	F(u64,     damaged, UINT64_MAX)

#define ARCHIVE_RECORDS(A) \
	A(HEAD, head) \
	A(BEGIN, begin) \
	A(BODY, body) \
	A(MESSAGE, message) \
	A(RCPT, rcpt) \
	A(END, end) \
	A(DESTINATION, destination) \
	A(HISTORY, history) \
	A(STATE, state) \
	A(NUMBER, number) \
	A(TAIL, tail)

enum archive_kind {
	ARCHIVE_NONE, /* the end of the stream, behind the TAIL */
#define A(NAME, name) ARCHIVE_KIND_##NAME,
	ARCHIVE_RECORDS(A)
#undef A
	ARCHIVE_KINDS
};

#define A(NAME, name) struct archive_##name { ARCHIVE_##NAME(FIELDS_MEMBER) };
ARCHIVE_RECORDS(A)
#undef A

union archive_record {
#define A(NAME, name) struct archive_##name name;
	ARCHIVE_RECORDS(A)
#undef A
};
/* clang-format on */

/* Bytes of one record in the stream at most; a buffer that is written to needs room for it. */
#define ARCHIVE_RECORD_MAX (STORE_RECORD_MAX + 4096)

/* Appends a record; *count is how many there were before it, 0 for the HEAD, and goes up. Fatal where out has no room. */
void archive_put(struct buf *out, uint64_t *count, enum archive_kind kind, const void *record);

/* archive_put with the struct's type checked. */
#define ARCHIVE_PUT(out, count, NAME, name, ...) \
	archive_put((out), (count), ARCHIVE_KIND_##NAME, &(const struct archive_##name){ __VA_ARGS__ })

/* A record of the store, as it stands in the stream, appended to out. Fatal likewise: it was read from a store. */
void archive_encode(enum record_kind kind, const void *record, struct buf *out);
bool archive_decode(enum record_kind kind, struct str bytes, void *record);

struct archive_reader {
	int fd;
	struct buf in;
	uint64_t count; /* of records, so far */
	uint64_t at;    /* bytes of the stream that were read as records */
	bool ended;     /* the TAIL came */
};

/* Reads from fd, which stays the caller's. */
void archive_open(struct archive_reader *r, int fd);
void archive_close(struct archive_reader *r);

/*
 * The next record: views that end with the next call; ARCHIVE_NONE at the end. False with err set when the stream is not
 * one of ours, of a newer format, damaged, or cut off.
 */
bool archive_next(struct archive_reader *r, enum archive_kind *kind, union archive_record *out, struct error *err);

#endif
