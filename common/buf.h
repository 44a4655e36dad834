/* SPDX-License-Identifier: ISC */
/*
 * Bytes of our own that grow up to a maximum given at birth: appended at the end, consumed from the front. Every append
 * that would pass the maximum, or finds no memory, fails and leaves the buffer as it was.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/str.h"

struct buf {
	char *data; /* the block; its first `head` bytes are consumed. NULL while nothing was ever held */
	size_t head;
	size_t len; /* bytes held, from data + head on */
	size_t cap; /* size of the block */
	size_t max; /* len never passes it */
};

/* An empty buffer that will hold at most max bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t max);

/* Frees what b holds; b is then empty, as after buf_init. */
void buf_clear(struct buf *b);

/* Forgets the content and keeps the block, for use again. */
void buf_reset(struct buf *b);

/* The content, valid until the next change. */
struct str buf_str(const struct buf *b);

bool buf_append(struct buf *b, const void *data, size_t len);
bool buf_append_str(struct buf *b, struct str s);
bool buf_append_text(struct buf *b, const char *text);
bool buf_append_byte(struct buf *b, char c);
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/*
 * Makes room for len more bytes and returns where they go, NULL when that would pass the maximum or there is no memory.
 * The caller fills them, then says with buf_commit how many of them there are.
 */
char *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);

/* Drops the first len bytes, which must be there. An emptied buffer keeps its block. */
void buf_consume(struct buf *b, size_t len);

/* Cuts the content to its first len bytes. */
void buf_truncate(struct buf *b, size_t len);

#endif
