/* SPDX-License-Identifier: ISC */
#include "common/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

enum { CAP_MIN = 256 };

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_clear(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void
buf_reset(struct buf *b)
{
	b->head = 0;
	b->len = 0;
}

struct str
buf_str(const struct buf *b)
{
	return (struct str){ b->data == NULL ? "" : b->data + b->head, b->len };
}

/* Moves the content to the front of the block, or into a larger one, so that need bytes fit from the front on. */
static bool
make_room(struct buf *b, size_t need)
{
	size_t cap = b->cap < CAP_MIN ? CAP_MIN : b->cap;
	char *data;

	if (need <= b->cap) {
		memmove(b->data, b->data + b->head, b->len);
		b->head = 0;
		return true;
	}
	while (cap < need)
		if (__builtin_mul_overflow(cap, 2, &cap))
			return false;
	if (cap > b->max && b->max >= need)
		cap = b->max;
	data = malloc(cap);
	if (data == NULL)
		return false;
	if (b->len > 0)
		memcpy(data, b->data + b->head, b->len);
	free(b->data);
	b->data = data;
	b->head = 0;
	b->cap = cap;
	return true;
}

char *
buf_reserve(struct buf *b, size_t len)
{
	size_t need;

	if (__builtin_add_overflow(b->len, len, &need) || need > b->max)
		return NULL;
	if (b->head + need > b->cap && !make_room(b, need))
		return NULL;
	return b->data + b->head + b->len;
}

void
buf_commit(struct buf *b, size_t len)
{
	invariant(b->head + b->len + len <= b->cap && b->len + len <= b->max);
	b->len += len;
}

bool
buf_append(struct buf *b, const void *data, size_t len)
{
	char *room;

	if (len == 0)
		return true;
	room = buf_reserve(b, len);
	if (room == NULL)
		return false;
	memcpy(room, data, len);
	b->len += len;
	return true;
}

bool
buf_append_str(struct buf *b, struct str s)
{
	return buf_append(b, s.ptr, s.len);
}

bool
buf_append_text(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

bool
buf_append_byte(struct buf *b, char c)
{
	return buf_append(b, &c, 1);
}

bool
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	bool ok;

	va_start(ap, fmt);
	ok = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return ok;
}

bool
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *room;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	/* vsnprintf writes a terminator too: it gets room, and does not count. */
	if (n < 0 || (size_t)n > b->max - b->len)
		return false;
	if (b->head + b->len + (size_t)n + 1 > b->cap && !make_room(b, b->len + (size_t)n + 1))
		return false;
	room = b->data + b->head + b->len;
	(void)vsnprintf(room, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
	return true;
}

void
buf_consume(struct buf *b, size_t len)
{
	invariant(len <= b->len);
	b->len -= len;
	b->head = b->len == 0 ? 0 : b->head + len;
}

void
buf_truncate(struct buf *b, size_t len)
{
	invariant(len <= b->len);
	b->len = len;
}
