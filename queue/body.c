/* SPDX-License-Identifier: ISC */
#include "queue/body.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

enum { BLOCKS_MIN = 1, BLOCK_FIRST_MIN = 512 };

struct block {
	size_t len;
	size_t cap;
	char data[];
};

struct body {
	struct block **blocks; /* NULL: dropped */
	size_t count;
	size_t cap;
	size_t size;
	size_t kept; /* bytes counted as staying */
	bool dropped;
	char *preamble;
	size_t preamble_len;
};

static struct {
	size_t max;
	size_t used;
} memory;

struct body *
body_new(void)
{
	return calloc(1, sizeof(struct body));
}

void
body_free(struct body *b)
{
	size_t i;

	if (b == NULL)
		return;
	memory.used -= b->kept;
	for (i = 0; i < b->count; i++)
		free(b->blocks[i]);
	free(b->blocks);
	free(b->preamble);
	free(b);
}

/* --- growing --- */

static bool
add_block(struct body *b, size_t want)
{
	struct block *block;

	if (b->count == b->cap) {
		size_t cap = b->cap == 0 ? BLOCKS_MIN : b->cap * 2;
		struct block **blocks = reallocarray(b->blocks, cap, sizeof(struct block *));
		if (blocks == NULL)
			return false;
		b->blocks = blocks;
		b->cap = cap;
	}
	if (want < BLOCK_FIRST_MIN)
		want = BLOCK_FIRST_MIN;
	if (want > BODY_BLOCK)
		want = BODY_BLOCK;
	block = malloc(sizeof(*block) + want);
	if (block == NULL)
		return false;
	block->len = 0;
	block->cap = want;
	b->blocks[b->count++] = block;
	return true;
}

/* A small message is one block of just its size; one that goes on gets whole blocks. */
static bool
grow_block(struct block **at, size_t want)
{
	struct block *block = *at;
	size_t cap = want > block->cap * 2 ? want : block->cap * 2;

	if (want <= block->cap)
		return true;
	if (cap > BODY_BLOCK)
		cap = BODY_BLOCK;
	block = realloc(block, sizeof(*block) + cap);
	if (block == NULL)
		return false;
	block->cap = cap;
	*at = block;
	return true;
}

bool
body_append(struct body *b, struct str bytes)
{
	while (bytes.len > 0) {
		struct block *last = b->count == 0 ? NULL : b->blocks[b->count - 1];
		size_t n;
		if ((last == NULL || last->len == BODY_BLOCK) && !add_block(b, bytes.len))
			return false;
		last = b->blocks[b->count - 1];
		n = BODY_BLOCK - last->len < bytes.len ? BODY_BLOCK - last->len : bytes.len;
		if (!grow_block(&b->blocks[b->count - 1], last->len + n))
			return false;
		last = b->blocks[b->count - 1];
		memcpy(last->data + last->len, bytes.ptr, n);
		last->len += n;
		b->size += n;
		bytes.ptr += n;
		bytes.len -= n;
	}
	return true;
}

bool
body_set_preamble(struct body *b, struct str preamble)
{
	char *copy = malloc(preamble.len + 1);

	if (copy == NULL)
		return false;
	memcpy(copy, preamble.ptr, preamble.len);
	free(b->preamble);
	b->preamble = copy;
	b->preamble_len = preamble.len;
	return true;
}

struct str
body_preamble(const struct body *b)
{
	return (struct str){ b->preamble == NULL ? "" : b->preamble, b->preamble_len };
}

size_t
body_size(const struct body *b)
{
	return b->size;
}

size_t
body_text_size(const struct body *b)
{
	return b->preamble_len + b->size;
}

size_t
body_blocks(const struct body *b)
{
	return b->count;
}

struct str
body_block(const struct body *b, size_t index)
{
	invariant(index < b->count && b->blocks[index] != NULL);
	return (struct str){ b->blocks[index]->data, b->blocks[index]->len };
}

void
body_drop_block(struct body *b, size_t index)
{
	invariant(index < b->count);
	free(b->blocks[index]);
	b->blocks[index] = NULL;
	b->dropped = true;
}

bool
body_is_whole(const struct body *b)
{
	return !b->dropped;
}

size_t
body_copy(const struct body *b, uint64_t offset, char *out, size_t max)
{
	size_t done = 0;

	if (offset < b->preamble_len) {
		done = b->preamble_len - (size_t)offset < max ? b->preamble_len - (size_t)offset : max;
		memcpy(out, b->preamble + offset, done);
		offset = b->preamble_len; /* of no matter when out is full */
	}
	offset -= b->preamble_len;
	while (done < max && offset < b->size) {
		const struct block *block = b->blocks[offset / BODY_BLOCK];
		size_t from = (size_t)(offset % BODY_BLOCK);
		size_t n = block->len - from < max - done ? block->len - from : max - done;
		memcpy(out + done, block->data + from, n);
		done += n;
		offset += n;
	}
	return done;
}

/* --- what stays --- */

void
body_set_memory(size_t max_bytes)
{
	memory.max = max_bytes;
}

bool
body_keep(struct body *b)
{
	size_t bytes = body_text_size(b) + sizeof(*b);

	if (b->kept > 0)
		return true;
	if (bytes > memory.max || memory.used > memory.max - bytes)
		return false;
	b->kept = bytes;
	memory.used += bytes;
	return true;
}

size_t
body_kept_bytes(void)
{
	return memory.used;
}
