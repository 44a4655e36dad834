/* SPDX-License-Identifier: ISC */
#include "tests/simulate/image.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/simulate/disk.h"

enum { SECTOR = 512, PENDING_MAX = 8192, TOUCHED_MAX = 65536, MODES = 4 };

#define FILE_BYTES ((size_t)DISK_BYTES * 2)

const char *const image_names[IMAGE_KINDS] = {
	[IMAGE_KILLED] = "killed", [IMAGE_NOTHING] = "nothing unsynced", [IMAGE_SOME] = "some of what was unsynced"
};

struct pending {
	size_t entry;
	bool lost; /* a sync failed: a later one does not help it */
};

struct file {
	char path[128];
	char *map;          /* of the file */
	char *read;         /* likewise, for LMDB */
	bool exists, named; /* created; its name is on disk */
	uint64_t size;
	char *durable;
	uint64_t durable_size;
	struct pending pending[PENDING_MAX];
	size_t pending_count;
	size_t touched_count;
	struct {
		uint64_t offset, len;
	} touched[TOUCHED_MAX];
};

static struct {
	const struct tape *tape;
	size_t next;
	char dir[96];
	struct file files[DISK_FILES];
} image;

static void
die(const char *what)
{
	perror(what);
	abort();
}

/* --- files --- */

static void
set_size(struct file *f, uint64_t size)
{
	if (f->size == size)
		return;
	if (truncate(f->path, (off_t)size) == -1)
		die("simulate: truncate");
	f->size = size;
}

static void
map_file(struct file *f)
{
	struct stat st;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1 || fstat(fd, &st) == -1)
		die(f->path);
	f->map = mmap(f->map, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | (f->map == NULL ? 0 : MAP_FIXED), fd, 0);
	if (f->map == MAP_FAILED)
		die("simulate: mmap");
	f->read = mmap(f->read, FILE_BYTES, PROT_READ, MAP_SHARED | (f->read == NULL ? 0 : MAP_FIXED), fd, 0);
	if (f->read == MAP_FAILED)
		die("simulate: mmap");
	if (f == &image.files[DISK_DATA])
		disk_lend_map(f->read, FILE_BYTES);
	f->size = (uint64_t)st.st_size;
	(void)syscall(SYS_close, fd);
}

void
image_open(const char *dir)
{
	enum disk_file i;
	struct file *f;

	(void)snprintf(image.dir, sizeof(image.dir), "%s", dir);
	for (i = 0; i < DISK_FILES; i++) {
		f = &image.files[i];
		(void)snprintf(f->path, sizeof(f->path), "%s/%s", dir, disk_names[i]);
		f->durable =
		    mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (f->durable == MAP_FAILED)
			die("simulate: mmap");
	}
}

void
image_begin(const struct tape *tape)
{
	enum disk_file i;
	struct file *f;

	image.tape = tape;
	image.next = 0;
	for (i = 0; i < DISK_FILES; i++) {
		f = &image.files[i];
		f->exists = f->named = syscall(SYS_faccessat, AT_FDCWD, f->path, F_OK) == 0;
		map_file(f);
		memcpy(f->durable, f->map, f->size);
		f->durable_size = f->size;
		f->pending_count = f->touched_count = 0;
	}
}

/* --- what is on disk --- */

static void
touch(enum disk_file file, uint64_t offset, uint64_t len)
{
	struct file *f = &image.files[file];

	if (f->touched_count == TOUCHED_MAX) {
		f->touched[0].offset = 0; /* all of it */
		f->touched[0].len = FILE_BYTES;
		f->touched_count = 1;
	}
	f->touched[f->touched_count].offset = offset;
	f->touched[f->touched_count++].len = len;
}

static void
make_durable(struct file *f, const struct tape_entry *e)
{
	if (e->kind == TAPE_SIZE) {
		if (e->offset < f->durable_size)
			memset(f->durable + e->offset, 0, f->durable_size - e->offset);
		set_size(f, e->offset);
		f->durable_size = e->offset;
		return;
	}
	if (e->offset + e->len > f->durable_size) {
		f->durable_size = e->offset + e->len;
		set_size(f, f->durable_size);
	}
	memcpy(f->durable + e->offset, image.tape->bytes + e->bytes, e->len);
	memcpy(f->map + e->offset, image.tape->bytes + e->bytes, e->len);
}

/* What a failed sync left behind is gone for good where something newer is on disk. */
static bool
is_covered(const struct file *f, const struct tape_entry *old)
{
	const struct tape_entry *e;
	size_t i;

	for (i = 0; i < f->pending_count; i++) {
		e = &image.tape->entries[f->pending[i].entry];
		if (!f->pending[i].lost && e > old && e->kind == TAPE_WRITE && e->offset < old->offset + old->len &&
		    old->offset < e->offset + e->len)
			return true;
	}
	return false;
}

static void
sync_before(struct file *f, size_t before)
{
	size_t i, kept = 0;

	for (i = 0; i < f->pending_count; i++)
		if (f->pending[i].lost && is_covered(f, &image.tape->entries[f->pending[i].entry]))
			f->pending[i].entry = SIZE_MAX;
	for (i = 0; i < f->pending_count; i++) {
		if (f->pending[i].entry == SIZE_MAX)
			continue;
		if (!f->pending[i].lost && f->pending[i].entry < before)
			make_durable(f, &image.tape->entries[f->pending[i].entry]);
		else
			f->pending[kept++] = f->pending[i];
	}
	f->pending_count = kept;
}

static void
sync_one(struct file *f, size_t entry)
{
	size_t i;

	for (i = 0; i < f->pending_count && f->pending[i].entry != entry; i++)
		continue;
	if (i == f->pending_count)
		return;
	make_durable(f, &image.tape->entries[entry]);
	memmove(&f->pending[i], &f->pending[i + 1], (--f->pending_count - i) * sizeof(f->pending[0]));
}

static void
sync_names(void)
{
	enum disk_file i;

	for (i = 0; i < DISK_FILES; i++)
		image.files[i].named = image.files[i].exists;
}

void
image_follow(void)
{
	const struct tape_entry *e = &image.tape->entries[image.next];
	struct file *f = &image.files[e->file < DISK_FILES ? e->file : 0];
	size_t i;

	switch ((enum tape_kind)e->kind) {
	case TAPE_CREATE: f->exists = true; break;
	case TAPE_WRITE:
	case TAPE_SIZE:
		if (f->pending_count == PENDING_MAX)
			abort();
		f->pending[f->pending_count++] = (struct pending){ .entry = image.next };
		break;
	case TAPE_SYNC: sync_before(f, e->offset); break;
	case TAPE_SYNCED_WRITE: sync_one(f, e->offset); break;
	case TAPE_SYNC_FAILED:
		for (i = 0; i < f->pending_count; i++)
			f->pending[i].lost = true;
		break;
	case TAPE_NAMES_SYNCED: sync_names(); break;
	default: break;
	}
	image.next++;
}

size_t
image_pending(void)
{
	size_t n = 0;
	enum disk_file i;

	for (i = 0; i < DISK_FILES; i++)
		n += image.files[i].pending_count + (image.files[i].exists != image.files[i].named);
	return n;
}

/* --- an image --- */

static uint64_t
mix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	return z ^ (z >> 29);
}

static void
put(enum disk_file file, uint64_t offset, const char *bytes, uint64_t len)
{
	struct file *f = &image.files[file];

	if (offset + len > f->size)
		set_size(f, offset + len);
	memcpy(f->map + offset, bytes, len);
	touch(file, offset, len);
}

/* Of a write that is torn each block is there or not. */
static void
put_blocks(enum disk_file file, const struct tape_entry *e, uint64_t *state)
{
	const char *bytes = image.tape->bytes + e->bytes;
	uint64_t at, end;

	for (at = 0; at < e->len; at = end) {
		end = (e->offset + at + SECTOR) / SECTOR * SECTOR - e->offset;
		if (end > e->len)
			end = e->len;
		if (mix(state) >> 63)
			put(file, e->offset + at, bytes + at, end - at);
	}
}

/* In their order: which of two writes of a block is there, if any, is open all the same. */
static void
put_pending(enum disk_file file, enum image_kind kind, uint64_t *state, unsigned share)
{
	struct file *f = &image.files[file];
	const struct tape_entry *e;
	size_t i;

	for (i = 0; i < f->pending_count; i++) {
		unsigned luck = (unsigned)(mix(state) >> 40) % 16;
		e = &image.tape->entries[f->pending[i].entry];
		if (kind == IMAGE_SOME && luck >= share)
			continue;
		if (e->kind == TAPE_SIZE) {
			if (e->offset < f->size)
				touch(file, e->offset, f->size - e->offset);
			set_size(f, e->offset);
		} else if (kind == IMAGE_SOME && luck % 4 == 0) {
			put_blocks(file, e, state);
		} else {
			put(file, e->offset, image.tape->bytes + e->bytes, e->len);
		}
	}
}

/* What makes it again has a map of its own. */
static void
remove_file(struct file *f)
{
	(void)syscall(SYS_unlink, f->path);
	if (f == &image.files[DISK_DATA])
		disk_lend_map(NULL, 0);
}

void
image_make(enum image_kind kind, uint64_t randomness)
{
	static const unsigned shares[MODES] = { 2, 8, 14, 15 }; /* of 16 writes, how many there are about */
	uint64_t state = randomness;
	unsigned share = shares[mix(&state) % MODES];
	enum disk_file i;
	struct file *f;

	for (i = 0; i < DISK_FILES; i++) {
		f = &image.files[i];
		if (kind != IMAGE_NOTHING)
			put_pending(i, kind, &state, share);
		if (!f->exists || (!f->named && kind != IMAGE_KILLED && (kind == IMAGE_NOTHING || mix(&state) >> 63)))
			remove_file(f);
	}
	disk_watch(touch);
}

void
image_take_back(void)
{
	enum disk_file i;
	struct file *f;
	struct stat st;
	uint64_t at, end;

	for (i = 0; i < DISK_FILES; i++) {
		f = &image.files[i];
		if (syscall(SYS_faccessat, AT_FDCWD, f->path, F_OK) == -1 || stat(f->path, &st) == -1 ||
		    (!f->named && f->exists) || !f->exists) {
			/* Its name came or went: made anew. */
			(void)syscall(SYS_unlink, f->path);
			map_file(f);
			set_size(f, f->durable_size);
			memcpy(f->map, f->durable, f->durable_size);
			f->touched_count = 0;
			continue;
		}
		f->size = (uint64_t)st.st_size;
		set_size(f, f->durable_size);
		while (f->touched_count > 0) {
			f->touched_count--;
			at = f->touched[f->touched_count].offset;
			end = at + f->touched[f->touched_count].len;
			if (end > f->durable_size)
				end = f->durable_size;
			if (at < end)
				memcpy(f->map + at, f->durable + at, end - at);
		}
	}
	disk_watch(NULL);
}
