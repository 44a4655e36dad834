/* SPDX-License-Identifier: ISC */
#include "tests/simulate/disk.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/simulate/strands.h"

enum { FDS_MAX = 1024, MUTANT_ENTRIES = 100 };

const char *const disk_names[DISK_FILES] = { [DISK_DATA] = "data.mdb", [DISK_JOURNAL] = "journal" };

static struct {
	bool recording;
	enum disk_mutant mutant;
	struct tape *tape;
	struct {
		bool known;
		bool is_spool; /* the directory */
		bool synced;   /* O_DSYNC */
		enum disk_file file;
	} fds[FDS_MAX];
	uint64_t sizes[DISK_FILES];
	uint64_t filled;
	uint64_t fail_after;
	bool failed;
	bool holding; /* DISK_WRITES_SWAPPED */
	struct tape_entry held;
	char held_bytes[1 << 20];
	void (*touched)(enum disk_file file, uint64_t offset, uint64_t len);
	char *lent;
	uint64_t lent_len;
} disk;

void
disk_record(struct tape *tape, enum disk_mutant mutant)
{
	disk.recording = true;
	disk.tape = tape;
	disk.mutant = mutant;
	disk.touched = NULL;
}

void
disk_fill(uint64_t bytes)
{
	disk.filled = bytes;
}

void
disk_fail_after(uint64_t calls)
{
	disk.fail_after = calls;
}

bool
disk_has_failed(void)
{
	return disk.failed;
}

void
disk_watch(void (*touched)(enum disk_file file, uint64_t offset, uint64_t len))
{
	disk.recording = false;
	disk.touched = touched;
}

void
disk_lend_map(void *map, uint64_t len)
{
	disk.lent = map;
	disk.lent_len = len;
}

/* Not before there is mail: what is shown is that its loss is found. */
static bool
is_mutant(enum disk_mutant mutant)
{
	return disk.mutant == mutant && disk.tape->count > MUTANT_ENTRIES;
}

/* --- which descriptor is what --- */

static bool
ends_with(const char *path, const char *name)
{
	const char *base = strrchr(path, '/');

	return strcmp(base == NULL ? path : base + 1, name) == 0;
}

static enum disk_file
file_named(const char *path)
{
	enum disk_file file;

	for (file = 0; file < DISK_FILES; file++)
		if (ends_with(path, disk_names[file]))
			return file;
	return DISK_OTHER;
}

static bool
is_logged(int fd)
{
	return fd >= 0 && fd < FDS_MAX && disk.fds[fd].known && disk.fds[fd].file != DISK_OTHER;
}

static uint64_t
size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void
note_open(int fd, const char *path, int flags, bool is_new)
{
	enum disk_file file = file_named(path);

	if (fd < 0 || fd >= FDS_MAX)
		return;
	disk.fds[fd].known = file != DISK_OTHER || (flags & O_DIRECTORY) != 0;
	disk.fds[fd].is_spool = (flags & O_DIRECTORY) != 0 && strcmp(path, "..") != 0;
	disk.fds[fd].file = file;
	disk.fds[fd].synced = (flags & O_DSYNC) != 0;
	if (file == DISK_OTHER)
		return;
	disk.sizes[file] = size_of(fd);
	if (disk.recording && is_new)
		(void)tape_add(disk.tape, &(struct tape_entry){ .kind = TAPE_CREATE, .file = (uint8_t)file }, NULL);
}

static int
open_at(int at, const char *path, int flags, mode_t mode)
{
	bool is_new = file_named(path) != DISK_OTHER && syscall(SYS_faccessat, at, path, F_OK) == -1;
	int fd = (int)syscall(SYS_openat, at, path, flags, mode);

	note_open(fd, path, flags, is_new && (flags & O_CREAT) != 0);
	return fd;
}

#define MODE_OF(flags, mode)                                            \
	do {                                                            \
		va_list ap_;                                            \
		va_start(ap_, flags);                                   \
		(mode) = ((flags)&O_CREAT) != 0 ? va_arg(ap_, int) : 0; \
		va_end(ap_);                                            \
	} while (0)

int
open(const char *path, int flags, ...)
{
	int mode;

	MODE_OF(flags, mode);
	return open_at(AT_FDCWD, path, flags, (mode_t)mode);
}

int
openat(int at, const char *path, int flags, ...)
{
	int mode;

	MODE_OF(flags, mode);
	return open_at(at, path, flags, (mode_t)mode);
}

int
close(int fd)
{
	if (fd >= 0 && fd < FDS_MAX)
		disk.fds[fd].known = false;
	return (int)syscall(SYS_close, fd);
}

/* --- room, and calls that fail --- */

static uint64_t
used(void)
{
	return disk.sizes[DISK_DATA] + disk.sizes[DISK_JOURNAL] + disk.filled;
}

static uint64_t
room(void)
{
	return used() < DISK_BYTES ? DISK_BYTES - used() : 0;
}

static bool
must_fail(void)
{
	if (!disk.recording || disk.fail_after == 0 || --disk.fail_after > 0)
		return false;
	disk.failed = true;
	(void)tape_add(disk.tape, &(struct tape_entry){ .kind = TAPE_FAULT }, NULL);
	errno = EIO;
	return true;
}

int
fstatvfs(int fd, struct statvfs *out)
{
	(void)fd;
	memset(out, 0, sizeof(*out));
	out->f_bsize = out->f_frsize = 4096;
	out->f_blocks = DISK_BYTES / 4096;
	out->f_bfree = out->f_bavail = (disk.recording ? room() : DISK_BYTES) / 4096;
	return 0;
}

/* Of len bytes at offset, those that the disk has room for. */
static size_t
that_fits(enum disk_file file, uint64_t offset, size_t len)
{
	uint64_t end = offset + len, more;

	if (end <= disk.sizes[file])
		return len;
	more = end - disk.sizes[file];
	if (more <= room())
		return len;
	return more - room() >= len ? 0 : len - (size_t)(more - room());
}

static void
grown(enum disk_file file, uint64_t end)
{
	if (end > disk.sizes[file])
		disk.sizes[file] = end;
}

/* --- writing --- */

static size_t
add_write(enum disk_file file, uint64_t offset, const char *bytes, size_t len)
{
	const struct tape_entry entry = {
		.kind = TAPE_WRITE, .file = (uint8_t)file, .offset = offset, .len = (uint32_t)len
	};

	return tape_add(disk.tape, &entry, bytes);
}

static void
release_held(void)
{
	if (disk.holding)
		(void)add_write(DISK_DATA, disk.held.offset, disk.held_bytes, disk.held.len);
	disk.holding = false;
}

/* The last write before a sync comes behind the one after it. */
static void
hold_back(uint64_t offset, const char *bytes, size_t len)
{
	release_held();
	disk.holding = true;
	disk.held = (struct tape_entry){ .offset = offset, .len = (uint32_t)len };
	memcpy(disk.held_bytes, bytes, len);
}

static void
log_write(int fd, uint64_t offset, const char *bytes, size_t len)
{
	enum disk_file file = disk.fds[fd].file;
	size_t at;

	if (is_mutant(DISK_WRITES_SWAPPED) && file == DISK_DATA && !disk.fds[fd].synced &&
	    len <= sizeof(disk.held_bytes)) {
		hold_back(offset, bytes, len);
		return;
	}
	at = add_write(file, offset, bytes, len);
	strands_yield();
	if (disk.fds[fd].synced)
		(void)tape_add(disk.tape,
		    &(struct tape_entry){ .kind = TAPE_SYNCED_WRITE, .file = (uint8_t)file, .offset = at }, NULL);
	if (file == DISK_DATA)
		release_held();
}

/* A write that fails may have written a part: half of it. */
static ssize_t
write_part(int fd, uint64_t offset, const char *bytes, size_t len)
{
	enum disk_file file = disk.fds[fd].file;
	size_t fits = len;
	bool broken = must_fail();

	if (disk.recording)
		fits = broken ? len / 2 / 512 * 512 : that_fits(file, offset, len);
	if (fits > 0 && syscall(SYS_pwrite64, fd, bytes, fits, offset) != (ssize_t)fits)
		abort();
	if (disk.recording && fits > 0)
		log_write(fd, offset, bytes, fits);
	else if (disk.touched != NULL && fits > 0)
		disk.touched(file, offset, fits);
	grown(file, offset + fits);
	if (broken || (fits == 0 && len > 0)) {
		errno = broken ? EIO : ENOSPC;
		return -1;
	}
	return (ssize_t)fits;
}

static ssize_t
write_vector(int fd, const struct iovec *iov, int count, uint64_t offset)
{
	ssize_t n, total = 0;
	size_t len = 0;
	char *all, *to;
	int i;

	for (i = 0; i < count; i++)
		len += iov[i].iov_len;
	all = to = malloc(len + 1);
	if (all == NULL)
		abort();
	for (i = 0; i < count; to += iov[i++].iov_len)
		memcpy(to, iov[i].iov_base, iov[i].iov_len);
	strands_yield();
	n = write_part(fd, offset, all, len);
	total = n;
	free(all);
	strands_spend_us(20);
	strands_yield();
	return total;
}

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, len };

	if (!is_logged(fd))
		return syscall(SYS_pwrite64, fd, bytes, len, offset);
	return write_vector(fd, &iov, 1, (uint64_t)offset);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	if (!is_logged(fd))
		return syscall(SYS_pwritev, fd, iov, count, offset, 0L);
	return write_vector(fd, iov, count, (uint64_t)offset);
}

/* LMDB seeks and then writes. */
ssize_t
writev(int fd, const struct iovec *iov, int count)
{
	off_t at;
	ssize_t n;

	if (!is_logged(fd))
		return syscall(SYS_writev, fd, iov, count);
	at = lseek(fd, 0, SEEK_CUR);
	n = write_vector(fd, iov, count, (uint64_t)at);
	if (n > 0)
		(void)lseek(fd, at + n, SEEK_SET);
	return n;
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, len };

	return is_logged(fd) ? writev(fd, &iov, 1) : syscall(SYS_write, fd, bytes, len);
}

/* --- size --- */

static void
log_size(enum disk_file file, uint64_t size)
{
	if (disk.recording)
		(void)tape_add(
		    disk.tape, &(struct tape_entry){ .kind = TAPE_SIZE, .file = (uint8_t)file, .offset = size }, NULL);
	else if (disk.touched != NULL && size < disk.sizes[file])
		disk.touched(file, size, disk.sizes[file] - size);
	disk.sizes[file] = size;
}

int
ftruncate(int fd, off_t size)
{
	int rc = (int)syscall(SYS_ftruncate, fd, size);

	if (rc == 0 && is_logged(fd))
		log_size(disk.fds[fd].file, (uint64_t)size);
	return rc;
}

int
fallocate(int fd, int mode, off_t offset, off_t len)
{
	uint64_t end = (uint64_t)offset + (uint64_t)len;
	enum disk_file file;

	if (!is_logged(fd))
		return (int)syscall(SYS_fallocate, fd, mode, offset, len);
	/* An image is looked at without growing: that is quicker, and there are file systems like that. */
	if (!disk.recording) {
		errno = EOPNOTSUPP;
		return -1;
	}
	file = disk.fds[fd].file;
	if (that_fits(file, (uint64_t)offset, (size_t)len) < (size_t)len) {
		errno = ENOSPC;
		return -1;
	}
	if (syscall(SYS_fallocate, fd, mode, offset, len) == -1)
		abort();
	if (end > disk.sizes[file])
		log_size(file, end);
	return 0;
}

/* --- syncs --- */

static bool
is_dropped(enum disk_file file)
{
	return (is_mutant(DISK_STORE_UNSYNCED) && file == DISK_DATA) ||
	    (is_mutant(DISK_JOURNAL_UNSYNCED) && file == DISK_JOURNAL);
}

static int
sync_file(int fd)
{
	struct tape_entry entry = { .kind = TAPE_SYNC, .file = (uint8_t)disk.fds[fd].file };

	if (!disk.recording)
		return 0;
	entry.offset = disk.tape->count;
	if (must_fail()) {
		entry.kind = TAPE_SYNC_FAILED;
		(void)tape_add(disk.tape, &entry, NULL);
		return -1;
	}
	strands_yield();
	strands_spend_us(300);
	if (!is_dropped(disk.fds[fd].file))
		(void)tape_add(disk.tape, &entry, NULL);
	strands_yield();
	return 0;
}

int
fdatasync(int fd)
{
	return is_logged(fd) ? sync_file(fd) : 0;
}

int
fsync(int fd)
{
	if (is_logged(fd))
		return sync_file(fd);
	if (disk.recording && fd >= 0 && fd < FDS_MAX && disk.fds[fd].known && disk.fds[fd].is_spool)
		(void)tape_add(disk.tape, &(struct tape_entry){ .kind = TAPE_NAMES_SYNCED }, NULL);
	return 0;
}

/* --- the map --- */

void *
mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
	if (disk.touched != NULL && is_logged(fd) && protection == PROT_READ && len <= disk.lent_len)
		return disk.lent;
	return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
}

int
munmap(void *at, size_t len)
{
	return at == disk.lent && disk.lent != NULL ? 0 : (int)syscall(SYS_munmap, at, len);
}

/* --- what a spool is not expected to do: it would be another file layer --- */

static int
unexpected(const char *what)
{
	(void)fprintf(stderr, "simulate: the file layer does not know %s\n", what);
	abort();
}

int
rename(const char *from, const char *to)
{
	(void)from;
	(void)to;
	return unexpected("rename");
}

int
unlink(const char *path)
{
	return file_named(path) == DISK_OTHER ? (int)syscall(SYS_unlink, path) : unexpected("unlink");
}

int
msync(void *at, size_t len, int flags)
{
	(void)at;
	(void)len;
	(void)flags;
	return unexpected("msync");
}
