/* SPDX-License-Identifier: ISC */
#include "queue/archive.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/log.h"

enum { MAGIC_SIZE = 8, FRAME_SIZE = 5 /* length and kind */, CHECKSUM_SIZE = 4, READ_SIZE = 65536 };

static const char magic[MAGIC_SIZE] = "PSTNMAIL";
static const struct str no_key = STR("");

/* clang-format off */
#define A(NAME, name) FIELDS_FUNCTION(name##_fields, archive_##name, ARCHIVE_##NAME)
ARCHIVE_RECORDS(A)
#undef A
/* clang-format on */

static struct fields
fields_of(enum archive_kind kind)
{
	switch (kind) {
#define A(NAME, name) \
	case ARCHIVE_KIND_##NAME: return name##_fields();
		ARCHIVE_RECORDS(A)
#undef A
	case ARCHIVE_NONE:
	case ARCHIVE_KINDS: break;
	}
	return (struct fields){ NULL, 0, 0 };
}

/* Over the number of the record, and what stands between its length and the checksum. */
static uint32_t
checksum(uint64_t number, struct str bytes)
{
	uint64_t le = htole64(number);

	return htole32(crc32c(crc32c(0, &le, sizeof(le)), bytes.ptr, bytes.len));
}

/* --- writing --- */

static void
must(bool ok)
{
	if (!ok)
		fatal("a record of a backup found no room");
}

void
archive_put(struct buf *out, uint64_t *count, enum archive_kind kind, const void *record)
{
	uint32_t len = 0, crc;
	struct str written;
	size_t at;

	if (*count == 0)
		must(buf_append(out, magic, sizeof(magic)));
	at = out->len;
	must(buf_append(out, &len, sizeof(len)) && buf_append_byte(out, (char)kind) &&
	    fields_encode(fields_of(kind), record, out));
	written = buf_str(out);
	len = htole32((uint32_t)(written.len - at - FRAME_SIZE));
	memcpy(out->data + out->head + at, &len, sizeof(len));
	crc = checksum((*count)++, (struct str){ written.ptr + at, written.len - at });
	must(buf_append(out, &crc, sizeof(crc)));
}

void
archive_encode(enum record_kind kind, const void *record, struct buf *out)
{
	must(record_encode(kind, no_key, record, out));
}

bool
archive_decode(enum record_kind kind, struct str bytes, void *record)
{
	return record_decode(kind, no_key, bytes, record);
}

/* --- reading --- */

void
archive_open(struct archive_reader *r, int fd)
{
	*r = (struct archive_reader){ .fd = fd };
	buf_init(&r->in, ARCHIVE_RECORD_MAX + READ_SIZE);
}

void
archive_close(struct archive_reader *r)
{
	buf_clear(&r->in);
}

static bool
damaged(const struct archive_reader *r, const char *what, struct error *err)
{
	return error_set(err, ERROR_PERMANENT, "the backup %s, behind byte %llu", what, (unsigned long long)r->at);
}

/* Reads until so many bytes are there; *got tells whether they are, false at the end of the file. */
static bool
fill(struct archive_reader *r, size_t wanted, bool *got, struct error *err)
{
	while (r->in.len < wanted) {
		char *room = buf_reserve(&r->in, READ_SIZE);
		ssize_t n = room == NULL ? -1 : read(r->fd, room, READ_SIZE);
		if (n == -1 && room != NULL && errno == EINTR)
			continue;
		if (n == -1)
			return error_set(err, ERROR_TEMPORARY, "the backup cannot be read: %s", strerror(errno));
		if (n == 0)
			break;
		buf_commit(&r->in, (size_t)n);
	}
	*got = r->in.len >= wanted;
	return true;
}

static bool
read_magic(struct archive_reader *r, struct error *err)
{
	bool got;

	if (!fill(r, MAGIC_SIZE, &got, err))
		return false;
	if (!got || memcmp(buf_str(&r->in).ptr, magic, MAGIC_SIZE) != 0)
		return error_set(err, ERROR_PERMANENT, "expected a backup that posternctl wrote, found something else");
	buf_consume(&r->in, MAGIC_SIZE);
	r->at = MAGIC_SIZE;
	return true;
}

/* The whole next frame, without its checksum, which was right. It stays in r->in. */
static bool
read_frame(struct archive_reader *r, struct str *frame, struct error *err)
{
	uint32_t len, crc;
	bool got;

	if (!fill(r, FRAME_SIZE, &got, err))
		return false;
	if (!got)
		return damaged(r, "was cut off", err);
	memcpy(&len, buf_str(&r->in).ptr, sizeof(len));
	len = le32toh(len);
	if (len > ARCHIVE_RECORD_MAX - FRAME_SIZE - CHECKSUM_SIZE)
		return damaged(r, "is damaged", err);
	if (!fill(r, FRAME_SIZE + len + CHECKSUM_SIZE, &got, err))
		return false;
	if (!got)
		return damaged(r, "was cut off", err);
	*frame = (struct str){ buf_str(&r->in).ptr, FRAME_SIZE + len };
	memcpy(&crc, frame->ptr + frame->len, sizeof(crc));
	return crc == checksum(r->count, *frame) || damaged(r, "is damaged", err);
}

/* Looked at before anything else: what follows the number may be another in another format. */
static bool
check_format(struct str head, struct error *err)
{
	uint64_t format = 0;

	if (head.len >= sizeof(format))
		memcpy(&format, head.ptr, sizeof(format));
	format = le64toh(format);
	return format == ARCHIVE_FORMAT ||
	    error_set(err, ERROR_PERMANENT, "the backup has format %llu, this version of Postern knows %d",
		(unsigned long long)format, ARCHIVE_FORMAT);
}

static bool
read_end(struct archive_reader *r, struct error *err)
{
	bool got;

	if (!fill(r, 1, &got, err))
		return false;
	return !got || damaged(r, "has bytes behind its end", err);
}

bool
archive_next(struct archive_reader *r, enum archive_kind *kind, union archive_record *out, struct error *err)
{
	struct str frame = STR(""), content;

	*kind = ARCHIVE_NONE;
	if (r->ended)
		return read_end(r, err);
	if ((r->count == 0 && !read_magic(r, err)) || !read_frame(r, &frame, err))
		return false;
	content = (struct str){ frame.ptr + FRAME_SIZE, frame.len - FRAME_SIZE };
	*kind = (enum archive_kind)(unsigned char)frame.ptr[FRAME_SIZE - 1];
	if (*kind == ARCHIVE_KIND_HEAD && !check_format(content, err))
		return false;
	if (*kind == ARCHIVE_NONE || *kind >= ARCHIVE_KINDS || (r->count == 0) != (*kind == ARCHIVE_KIND_HEAD) ||
	    !fields_decode(fields_of(*kind), content, out))
		return damaged(r, "cannot be understood", err);
	r->ended = *kind == ARCHIVE_KIND_TAIL;
	r->count++;
	r->at += frame.len + CHECKSUM_SIZE;
	buf_consume(&r->in, frame.len + CHECKSUM_SIZE); /* its bytes stay until the next append */
	return true;
}
