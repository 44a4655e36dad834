/* SPDX-License-Identifier: ISC */
/*
 * The text of a message in memory: preamble and body, in blocks that hold whole pieces of the store, so that the committer
 * reads a full block while more comes in behind it. Bodies that stay for their delivery are counted against `queue
 * memory`; what does not fit is read from disk again when its turn comes.
 */
#ifndef QUEUE_BODY_H
#define QUEUE_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"
#include "queue/records.h"

/*
 * A full block is handed over, and credited: with the largest piece that smtpd sends, 48 KiB, it fits into the window, so
 * that a body that comes in never waits for credit that cannot come.
 */
#define BODY_BLOCK_PIECES 4
#define BODY_BLOCK        ((size_t)BODY_BLOCK_PIECES * RECORD_PIECE_DATA)

struct body;

/* Returns fresh and empty; NULL when there is no memory. */
struct body *body_new(void);

/* Accepts NULL. */
void body_free(struct body *b);

/* Appends what came in. Returns false when there is no memory; b is then of no more use. */
bool body_append(struct body *b, struct str bytes);

/* What stands above the body. Returns false when there is no memory. */
bool body_set_preamble(struct body *b, struct str preamble);
struct str body_preamble(const struct body *b);

/* Bytes of the body alone, and of preamble and body. */
size_t body_size(const struct body *b);
size_t body_text_size(const struct body *b);

/* Blocks begun, and the view of one; it moves while the block is the last one and not full. */
size_t body_blocks(const struct body *b);
struct str body_block(const struct body *b, size_t index);

/* Frees a block whose bytes are on disk; the body is no longer whole. */
void body_drop_block(struct body *b, size_t index);
bool body_is_whole(const struct body *b);

/* Copies at most max bytes of preamble and body from offset on. Returns how many: 0 at the end. The body is whole. */
size_t body_copy(const struct body *b, uint64_t offset, char *out, size_t max);

/* --- the memory for bodies that wait for delivery --- */

void body_set_memory(size_t max_bytes);

/* Counts b as staying; false, b as it was, when there is no room for it. body_free gives the room back. */
bool body_keep(struct body *b);

/* Bytes that stay at the moment. */
size_t body_kept_bytes(void);

#endif
