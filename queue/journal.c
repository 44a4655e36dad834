/* SPDX-License-Identifier: ISC */
#include "queue/journal.h"

#include <sys/stat.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/log.h"
#include "queue/limits.h"

enum {
	BLOCK = 4096,
	FORMAT = 1,
	HALVES = 2,
	SECRET_SIZE = 16,
	FILE_MODE = 0600,
	STAT_BLOCK = 512 /* of st_blocks */
};

static const char file_magic[8] = "PSTNJRNL";
static const char batch_magic[8] = "PSTNBTCH";

/* The first block, and the beginning of each batch, as they are in the file; numbers are little-endian. */
struct file_head {
	char magic[8];
	uint32_t format;
	uint32_t block;
	uint64_t half;
	uint64_t store;
	uint8_t secret[SECRET_SIZE];
	uint32_t checksum; /* of what stands before */
};

struct batch_head {
	char magic[8];
	uint8_t secret[SECRET_SIZE];
	uint64_t first; /* number of its first entry */
	uint32_t count;
	uint32_t bytes;    /* of the entries, each behind its length */
	uint32_t checksum; /* of this head without it, and of the entries */
};

/* A batch that was found. */
struct found {
	uint64_t first;
	uint32_t count;
	struct str entries;
};

struct journal {
	int fd;
	char *dir;
	uint64_t store;
	uint64_t half;
	uint8_t secret[SECRET_SIZE];
	bool known; /* the secret was read */
	_Atomic uint64_t applied;
	/* of the thread that writes */
	uint64_t next;         /* number of the next entry */
	unsigned current;      /* the half that is written */
	uint64_t at;           /* within it */
	uint64_t last[HALVES]; /* the last entry in each */
	struct batch_head head;
	uint32_t lengths[JOURNAL_BATCH_ENTRIES];
	struct iovec iov[JOURNAL_BATCH_PARTS + 2]; /* the head, all parts, what fills the last block */
	size_t iov_count;
	size_t entries;
	size_t bytes; /* of them */
	uint32_t checksum;
};

static uint64_t
start_of(const struct journal *j, unsigned half)
{
	return BLOCK + half * j->half;
}

static uint64_t
whole_blocks(uint64_t bytes)
{
	return (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

static bool
fail(const struct journal *j, const char *what, struct error *err)
{
	return error_set(err, ERROR_TEMPORARY, "%s/journal: cannot %s: %s", j->dir, what, strerror(errno));
}

/* --- reading --- */

static uint32_t
file_checksum(const struct file_head *head)
{
	return crc32c(0, head, offsetof(struct file_head, checksum));
}

static bool
read_all(int fd, char *out, size_t len, uint64_t at)
{
	ssize_t n;

	for (; len > 0; out += n, len -= (size_t)n, at += (uint64_t)n) {
		n = pread(fd, out, len, (off_t)at);
		if (n == 0)
			errno = ENODATA;
		if (n == 0 || (n == -1 && errno != EINTR))
			return false;
		if (n == -1)
			n = 0;
	}
	return true;
}

/* A file without a head is new: zeros fill it first, and the head is written before anything that has to last. */
static bool
read_head(struct journal *j, struct error *err)
{
	static const char none[sizeof(struct file_head)];
	char bytes[sizeof(none)] = { 0 };
	struct file_head head;

	if (!read_all(j->fd, bytes, sizeof(bytes), 0) && errno != ENODATA)
		return fail(j, "be read", err);
	if (memcmp(bytes, none, sizeof(none)) == 0)
		return true;
	memcpy(&head, bytes, sizeof(head));
	if (memcmp(head.magic, file_magic, sizeof(file_magic)) != 0 || le32toh(head.format) != FORMAT ||
	    le32toh(head.block) != BLOCK || le32toh(head.checksum) != file_checksum(&head) ||
	    le64toh(head.half) % BLOCK != 0 || le64toh(head.half) == 0 || le64toh(head.half) > JOURNAL_HALF_MAX) {
		log_error("journal-damaged", log_text(LOG_FIELD_file, j->dir),
		    log_text(LOG_FIELD_error,
			"its first block is damaged: what was accepted in the last moment before "
			"the queue ended may be missing"));
		return true;
	}
	if (j->store == 0)
		j->store = le64toh(head.store);
	if (le64toh(head.store) != j->store)
		return error_set(err, ERROR_PERMANENT,
		    "%s/journal: belongs to another store: expected the data.mdb it was written with, or no journal",
		    j->dir);
	j->half = le64toh(head.half);
	memcpy(j->secret, head.secret, sizeof(j->secret));
	j->known = true;
	return true;
}

struct journal *
journal_open(int dir_fd, const char *dir, uint64_t store, uint64_t half, struct error *err)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (j == NULL || (j->dir = strdup(dir)) == NULL) {
		error_set(err, ERROR_TEMPORARY, "%s: out of memory", dir);
		free(j);
		return NULL;
	}
	j->store = store;
	j->half = whole_blocks(half);
	j->fd = openat(dir_fd, "journal", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (j->fd == -1) {
		(void)fail(j, "be opened", err);
		journal_close(j);
		return NULL;
	}
	if (fsync(dir_fd) == -1) { /* else the name of a new one may be gone after a crash, and with it all in it */
		(void)fail(j, "have its name synced", err);
		journal_close(j);
		return NULL;
	}
	if (!read_head(j, err)) {
		journal_close(j);
		return NULL;
	}
	return j;
}

uint64_t
journal_store(const struct journal *j)
{
	return j->store;
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	if (j->fd != -1)
		(void)close(j->fd);
	free(j->dir);
	free(j);
}

static uint32_t
batch_checksum(const struct batch_head *head, struct str entries)
{
	return crc32c(crc32c(0, head, offsetof(struct batch_head, checksum)), entries.ptr, entries.len);
}

/* Whether a batch begins there. */
static bool
parse_batch(const struct journal *j, struct str bytes, struct found *out)
{
	struct batch_head head;

	if (bytes.len < sizeof(head))
		return false;
	memcpy(&head, bytes.ptr, sizeof(head));
	if (memcmp(head.magic, batch_magic, sizeof(batch_magic)) != 0 ||
	    memcmp(head.secret, j->secret, sizeof(j->secret)) != 0 || le32toh(head.bytes) > bytes.len - sizeof(head))
		return false;
	out->first = le64toh(head.first);
	out->count = le32toh(head.count);
	out->entries = (struct str){ bytes.ptr + sizeof(head), le32toh(head.bytes) };
	return le32toh(head.checksum) == batch_checksum(&head, out->entries);
}

/* All batches of a half, also behind blocks that are damaged. */
static size_t
find_batches(const struct journal *j, struct str half, struct found *out)
{
	size_t n = 0;

	while (half.len > 0) {
		size_t step = BLOCK;
		if (parse_batch(j, half, &out[n]))
			step = whole_blocks(sizeof(struct batch_head) + out[n++].entries.len);
		half.ptr += step;
		half.len -= step < half.len ? step : half.len;
	}
	return n;
}

static int
compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static void
tell_gap(const struct journal *j, uint64_t from, uint64_t to)
{
	log_error("journal-damaged", log_text(LOG_FIELD_file, j->dir), log_u64(LOG_FIELD_count, to - from + 1),
	    log_text(
		LOG_FIELD_error, "messages that were accepted in the last moment before the queue ended are missing"));
}

static bool
take_entries(const struct journal *j, const struct found *batch, uint64_t applied, journal_entry_fn *take, void *arg,
    struct error *err)
{
	struct str rest = batch->entries;
	uint64_t number = batch->first, end = batch->first + batch->count;
	uint32_t len;

	for (; number < end; number++) {
		if (rest.len < sizeof(len))
			break;
		memcpy(&len, rest.ptr, sizeof(len));
		len = le32toh(len);
		rest = (struct str){ rest.ptr + sizeof(len), rest.len - sizeof(len) };
		if (len > rest.len)
			break;
		if (number > applied && !take(arg, number, (struct str){ rest.ptr, len }, err))
			return false;
		rest = (struct str){ rest.ptr + len, rest.len - len };
	}
	if (number < end)
		tell_gap(j, number, end - 1);
	return true;
}

static bool
take_batches(const struct journal *j, const struct found *batches, size_t count, uint64_t applied,
    journal_entry_fn *take, void *arg, struct error *err)
{
	uint64_t expected = applied + 1;
	size_t i;

	for (i = 0; i < count; i++) {
		if (batches[i].first + batches[i].count <= expected)
			continue;
		if (batches[i].first > expected)
			tell_gap(j, expected, batches[i].first - 1);
		if (!take_entries(j, &batches[i], applied, take, arg, err))
			return false;
		expected = batches[i].first + batches[i].count;
	}
	return true;
}

bool
journal_read(struct journal *j, uint64_t applied, journal_entry_fn *take, void *arg, struct error *err)
{
	size_t len = HALVES * j->half, count = 0;
	struct found *batches;
	char *bytes;
	unsigned i;
	bool ok;

	if (!j->known)
		return true;
	bytes = calloc(1, len);
	batches = calloc(len / BLOCK + 1, sizeof(*batches));
	if (bytes == NULL || batches == NULL)
		ok = error_set(err, ERROR_TEMPORARY, "%s: out of memory", j->dir);
	else if (!read_all(j->fd, bytes, len, BLOCK) && errno != ENODATA) /* of a file cut off, what is left */
		ok = fail(j, "be read", err);
	else {
		for (i = 0; i < HALVES; i++)
			count += find_batches(j, (struct str){ bytes + i * j->half, j->half }, batches + count);
		qsort(batches, count, sizeof(*batches), compare_found);
		ok = take_batches(j, batches, count, applied, take, arg, err);
	}
	free(batches);
	free(bytes);
	return ok;
}

/* --- writing --- */

static bool
write_all(struct journal *j, struct iovec *iov, size_t count, uint64_t at)
{
	ssize_t n;

	while (count > 0) {
		n = pwritev(j->fd, iov, (int)count, (off_t)at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return false;
		at += (uint64_t)n;
		for (; count > 0 && (size_t)n >= iov->iov_len; iov++, count--)
			n -= (ssize_t)iov->iov_len;
		if (count > 0) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return true;
}

static char zeros[JOURNAL_ZEROS_BYTES];

/* Written once, so that a sync finds every block in its place and has nothing but data to write. */
static bool
fill(struct journal *j, struct error *err)
{
	uint64_t size = BLOCK + HALVES * j->half, at;
	struct iovec iov;
	struct stat st;

	if (fstat(j->fd, &st) == -1)
		return fail(j, "be looked at", err);
	if ((uint64_t)st.st_size >= size && (uint64_t)st.st_blocks * STAT_BLOCK >= size)
		return true;
	for (at = 0; at < size; at += iov.iov_len) {
		iov = (struct iovec){ zeros, size - at < sizeof(zeros) ? size - at : sizeof(zeros) };
		if (!write_all(j, &(struct iovec){ iov.iov_base, iov.iov_len }, 1, at)) {
			(void)fail(j, "be made", err);
			(void)!ftruncate(j->fd, 0);
			return false;
		}
	}
	return true;
}

static bool
write_head(struct journal *j, struct error *err)
{
	struct file_head head = {
		.format = htole32(FORMAT), .block = htole32(BLOCK), .half = htole64(j->half), .store = htole64(j->store)
	};
	struct iovec iov = { &head, sizeof(head) };

	arc4random_buf(j->secret, sizeof(j->secret));
	memcpy(head.magic, file_magic, sizeof(file_magic));
	memcpy(head.secret, j->secret, sizeof(j->secret));
	head.checksum = htole32(file_checksum(&head));
	return write_all(j, &iov, 1, 0) || fail(j, "be written", err);
}

bool
journal_start(struct journal *j, uint64_t applied, struct error *err)
{
	if (!fill(j, err) || !write_head(j, err))
		return false;
	if (fsync(j->fd) == -1)
		return fail(j, "be synced", err);
	atomic_store(&j->applied, applied);
	j->next = applied + 1;
	j->current = 0;
	j->at = 0;
	memset(j->last, 0, sizeof(j->last));
	j->iov_count = 1;
	return true;
}

/* --- a batch --- */

static void
add_part(struct journal *j, const void *bytes, size_t len)
{
	j->iov[j->iov_count++] = (struct iovec){ (void *)(uintptr_t)bytes, len };
	j->bytes += len;
}

/* Whether so many bytes more fit into the half; a new batch may begin the other one. */
static enum journal_added
look_for_room(struct journal *j, size_t bytes)
{
	const unsigned other = 1 - j->current;
	uint64_t wanted = whole_blocks(sizeof(struct batch_head) + j->bytes + bytes);

	if (j->at + wanted <= j->half)
		return JOURNAL_ADDED;
	if (j->entries > 0)
		return JOURNAL_LATER;
	if (wanted > j->half || j->last[other] > atomic_load(&j->applied))
		return JOURNAL_FULL;
	j->current = other;
	j->at = 0;
	return JOURNAL_ADDED;
}

enum journal_added
journal_add(struct journal *j, const struct str *parts, size_t count, uint64_t *number)
{
	enum journal_added added;
	size_t bytes = 0, i;

	for (i = 0; i < count; i++)
		bytes += parts[i].len;
	if (j->entries > 0 &&
	    (j->entries == JOURNAL_BATCH_ENTRIES || j->iov_count + 1 + count > JOURNAL_BATCH_PARTS ||
		j->bytes + bytes > JOURNAL_BATCH_BYTES))
		return JOURNAL_LATER;
	added = look_for_room(j, sizeof(uint32_t) + bytes);
	if (added != JOURNAL_ADDED)
		return added;
	j->lengths[j->entries] = htole32((uint32_t)bytes);
	add_part(j, &j->lengths[j->entries], sizeof(j->lengths[0]));
	for (i = 0; i < count; i++)
		add_part(j, parts[i].ptr, parts[i].len);
	*number = j->next + j->entries++;
	return JOURNAL_ADDED;
}

static void
seal_batch(struct journal *j)
{
	struct batch_head *head = &j->head;
	uint32_t checksum;
	size_t i, len = sizeof(*head) + j->bytes;

	memset(head, 0, sizeof(*head));
	memcpy(head->magic, batch_magic, sizeof(batch_magic));
	memcpy(head->secret, j->secret, sizeof(j->secret));
	head->first = htole64(j->next);
	head->count = htole32((uint32_t)j->entries);
	head->bytes = htole32((uint32_t)j->bytes);
	checksum = crc32c(0, head, offsetof(struct batch_head, checksum));
	for (i = 1; i < j->iov_count; i++)
		checksum = crc32c(checksum, j->iov[i].iov_base, j->iov[i].iov_len);
	head->checksum = htole32(checksum);
	j->iov[0] = (struct iovec){ head, sizeof(*head) };
	if (whole_blocks(len) > len)
		j->iov[j->iov_count++] = (struct iovec){ zeros, whole_blocks(len) - len };
}

/* Who sent what is in it hears that it was not taken: a start shall not find it, if the disk still lets us say so. */
static void
take_back(struct journal *j)
{
	(void)!pwrite(j->fd, zeros, sizeof(j->head), (off_t)(start_of(j, j->current) + j->at));
}

bool
journal_write(struct journal *j, struct error *err)
{
	bool ok = true;

	if (j->entries == 0)
		return true;
	seal_batch(j);
	if (!write_all(j, j->iov, j->iov_count, start_of(j, j->current) + j->at))
		ok = fail(j, "be written", err);
	else if (fdatasync(j->fd) == -1)
		ok = fail(j, "be synced", err);
	if (!ok) {
		take_back(j);
		return false;
	}
	j->at += whole_blocks(sizeof(j->head) + j->bytes);
	j->next += j->entries;
	j->last[j->current] = j->next - 1;
	j->entries = 0;
	j->bytes = 0;
	j->iov_count = 1;
	return true;
}

void
journal_applied(struct journal *j, uint64_t number)
{
	atomic_store(&j->applied, number);
}
