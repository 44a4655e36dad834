/* SPDX-License-Identifier: ISC */
#include "ctl/source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "ctl/limits.h"

enum { READ_SIZE = 65536 };

void
source_init(struct source *s, int fd)
{
	*s = (struct source){ .fd = fd };
	buf_init(&s->kept, SENDMAIL_KEPT_MAX);
}

void
source_clear(struct source *s)
{
	buf_clear(&s->kept);
}

static bool
read_some(struct source *s, char *dst, size_t size, size_t *got, struct error *err)
{
	ssize_t n;

	do
		n = read(s->fd, dst, size);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return error_set(err, ERROR_TEMPORARY, "standard input: %s", strerror(errno));
	s->ended = n == 0;
	*got = (size_t)n;
	return true;
}

bool
source_fill(struct source *s, struct error *err)
{
	while (!s->ended && s->kept.len < s->kept.max) {
		size_t room = s->kept.max - s->kept.len, got;
		char *dst;
		room = room < READ_SIZE ? room : READ_SIZE;
		dst = buf_reserve(&s->kept, room);
		if (dst == NULL)
			fatal("out of memory");
		if (!read_some(s, dst, room, &got, err))
			return false;
		buf_commit(&s->kept, got);
	}
	return true;
}

bool
source_read(struct source *s, char *dst, size_t size, size_t *got, struct error *err)
{
	struct str ahead = source_ahead(s);

	*got = 0;
	if (ahead.len > 0) {
		*got = ahead.len < size ? ahead.len : size;
		memcpy(dst, ahead.ptr, *got);
		s->at += *got;
		return true;
	}
	if (s->ended)
		return true;
	s->passed = true;
	return read_some(s, dst, size, got, err);
}

struct str
source_ahead(const struct source *s)
{
	struct str kept = buf_str(&s->kept);

	return (struct str){ kept.ptr + s->at, kept.len - s->at };
}

void
source_skip(struct source *s, size_t len)
{
	s->at += len;
}

bool
source_rewind(struct source *s, size_t mark)
{
	if (s->passed)
		return false;
	s->at = mark;
	return true;
}
