/* SPDX-License-Identifier: ISC */
/*
 * Room. The file grows in steps that are allocated and fully synced ahead, so that a commit finds its blocks and a sync
 * need not write where they are. Mail is refused while a reserve is left, of the disk and of the map: deletes write too
 * (LMDB copies every page it changes), and the queue has to empty itself on a disk that others have filled.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/log.h"
#include "queue/store_lmdb.h"

enum { BLOCK_SIZE = 512 /* of st_blocks */ };

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* What is left to deletes and deliveries of so many bytes. */
static uint64_t
reserve_of(uint64_t total)
{
	uint64_t reserve = total / STORE_RESERVE_SHARE;

	if (reserve < STORE_RESERVE_LEAST)
		reserve = STORE_RESERVE_LEAST;
	if (reserve > STORE_RESERVE_MOST)
		reserve = STORE_RESERVE_MOST;
	return min_u64(reserve, total / STORE_RESERVE_PART);
}

/* Of the file system: its size and what is free of it to us. A file system that does not answer has no room. */
static void
ask_disk(const struct store *s, uint64_t *total, uint64_t *available)
{
	struct statvfs fs;

	*total = 0;
	*available = 0;
	if (fstatvfs(s->dir_fd, &fs) == -1)
		return;
	*total = (uint64_t)fs.f_blocks * fs.f_frsize;
	*available = (uint64_t)fs.f_bavail * fs.f_frsize;
}

static uint64_t
room(struct store *s, uint64_t unused)
{
	uint64_t used = atomic_load(&s->used);
	uint64_t tail = less(atomic_load(&s->allocated), used);
	uint64_t total, available, disk, map;

	ask_disk(s, &total, &available);
	disk = less(available + tail + unused, reserve_of(total));
	map = less(less(s->size_max, used) + unused, reserve_of(s->size_max));
	return min_u64(disk, map);
}

uint64_t
store_room(struct store *s)
{
	return room(s, atomic_load(&s->unused));
}

/* --- what is in use --- */

/* Each entry of LMDB's own list (database 0) begins with the number of its pages. */
uint64_t
store_free_pages(struct store_txn *txn)
{
	uint64_t pages = 0;
	MDB_cursor *cursor;
	MDB_val key, value;
	size_t count;

	if (mdb_cursor_open(txn->txn, 0, &cursor) != 0)
		return 0;
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0 && value.mv_size >= sizeof(count)) {
		memcpy(&count, value.mv_data, sizeof(count));
		pages += count;
	}
	mdb_cursor_close(cursor);
	return pages;
}

static uint64_t
count_unused(struct store *s)
{
	struct store_txn *txn = store_read(s, NULL);
	uint64_t pages;

	if (txn == NULL)
		return 0;
	pages = store_free_pages(txn);
	store_read_end(txn);
	return pages * s->page_size;
}

/* Of the last good commit. */
static uint64_t
used_now(struct store *s)
{
	MDB_envinfo info;

	(void)mdb_env_info(s->env, &info);
	return ((uint64_t)info.me_last_pgno + 1) * s->page_size;
}

void
store_room_update(struct store *s)
{
	atomic_store(&s->used, used_now(s));
	if (s->commits++ % STORE_SHORT_COMMITS == 0)
		s->is_short = room(s, 0) < STORE_SHORT_BYTES;
	atomic_store(&s->unused, s->is_short ? count_unused(s) : 0);
}

/* --- growing --- */

static void
choose_step(struct store *s, uint64_t step)
{
	uint64_t total, available;

	ask_disk(s, &total, &available);
	s->prealloc_step = step;
	if (step == 0) {
		s->prealloc_step = min_u64(STORE_PREALLOC_BYTES, total / STORE_PREALLOC_SHARE);
		if (s->prealloc_step < STORE_PREALLOC_LEAST)
			s->prealloc_step = STORE_PREALLOC_LEAST;
	}
}

void
store_room_init(struct store *s, uint64_t step)
{
	uint64_t used = used_now(s);
	struct stat st;

	atomic_store(&s->used, used);
	atomic_store(&s->allocated, used);
	/* A copy may have holes, which have no blocks. */
	if (fstat(s->data_fd, &st) == 0 && (uint64_t)st.st_size > used &&
	    (uint64_t)st.st_blocks * BLOCK_SIZE >= (uint64_t)st.st_size)
		atomic_store(&s->allocated, (uint64_t)st.st_size);
	choose_step(s, step);
	store_room_update(s);
}

/* Allocates len bytes behind what is; 0, or errno. */
static int
allocate(struct store *s, uint64_t from, uint64_t len)
{
	int rc;

	do
		rc = fallocate(s->data_fd, 0, (off_t)from, (off_t)len) == -1 ? errno : 0;
	while (rc == EINTR);
	return rc;
}

/*
 * Blocks that are only reserved cost a journal transaction of the file system when they are first written, with each
 * small commit: seen to halve the rate of single messages. A big batch pays that once for all and would only wait for
 * the zeros.
 */
static void
write_zeros(struct store *s, uint64_t from, uint64_t len)
{
	static const char zeros[STORE_ZEROS_BYTES];
	uint64_t at, n;

	for (at = from; at < from + len; at += n) {
		n = min_u64(sizeof(zeros), from + len - at);
		if (pwrite(s->data_fd, zeros, n, (off_t)at) != (ssize_t)n)
			return; /* the sync that follows tells what is worth telling */
	}
}

/*
 * One step more, or a smaller one where there is little room. Never an error: the commit finds out whether it needs
 * it.
 */
static bool
grow(struct store *s, bool zeros)
{
	uint64_t used = used_now(s), from = atomic_load(&s->allocated), step;
	int rc = ENOSPC;

	invariant(!s->writing);
	if (from < used) /* LMDB went on where the disk had given no blocks ahead */
		from = used;
	step = min_u64(s->prealloc_step, less(s->size_max, from));
	while (step > 0 && (rc = allocate(s, from, step)) == ENOSPC && step / 2 >= STORE_PREALLOC_LEAST)
		step /= 2;
	if (rc == EOPNOTSUPP || rc == ENOSYS || rc == EINVAL)
		s->prealloc_step = 0;
	if (step == 0 || rc != 0)
		return false;
	if (zeros)
		write_zeros(s, from, step);
	if (fsync(s->data_fd) == -1) {
		s->failed = true;
		return false;
	}
	atomic_store(&s->allocated, from + step);
	return true;
}

bool
store_prepare(struct store *s, uint64_t bytes)
{
	uint64_t wanted = bytes + s->prealloc_step / 2;

	if (s->prealloc_step > 0 && !s->failed)
		while (less(atomic_load(&s->allocated), atomic_load(&s->used)) < wanted &&
		    grow(s, bytes < STORE_ZEROS_BATCH_BYTES))
			continue;
	return store_room(s) >= bytes;
}

bool
store_disk_full(struct store *s)
{
	uint64_t total, available;
	int rc = allocate(s, atomic_load(&s->allocated), STORE_PROBE_BYTES);

	if (rc == 0)
		return false;
	ask_disk(s, &total, &available);
	return rc == ENOSPC || rc == EDQUOT || (rc == EOPNOTSUPP && available < STORE_PROBE_BYTES);
}
