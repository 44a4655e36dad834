/* SPDX-License-Identifier: ISC */
/*
 * Promise: what was said to be written is read again, in its order and once; what was not, is torn, or only looks like
 * an entry, is not; what was damaged is told, and costs nothing else.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/log.h"
#include "queue/journal.h"
#include "queue/limits.h"

enum {
	BLOCK = 4096,
	HALF = 64 * 1024,
	SEEN_MAX = 20000,
	ENTRY_MAX = 3 * BLOCK,
	STORE = 77,
	HALVES_ENTRIES = 2 * HALF / BLOCK + 2
};

/* --- faults --- */

static int sync_errno, write_errno, read_errno, file_sync_errno, directory_sync_errno;
static bool short_writes;
static int writes_left = INT_MAX; /* until they fail with EIO */

int
fdatasync(int fd)
{
	if (sync_errno != 0) {
		errno = sync_errno;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

/* Of a file, and of a directory. */
int
fsync(int fd)
{
	struct stat st;

	errno = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? directory_sync_errno : file_sync_errno;
	return errno != 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

ssize_t
pread(int fd, void *out, size_t len, off_t at)
{
	if (read_errno != 0) {
		errno = read_errno;
		return -1;
	}
	return syscall(SYS_pread64, fd, out, len, at);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
	static bool interrupt;

	if (writes_left-- == 0) {
		errno = EIO;
		return -1;
	}
	if (write_errno != 0) {
		errno = write_errno;
		return -1;
	}
	if (!short_writes)
		return syscall(SYS_pwritev, fd, iov, count, at, 0);
	interrupt = !interrupt;
	if (interrupt) {
		errno = EINTR;
		return -1;
	}
	return pwrite(fd, iov->iov_base, iov->iov_len > 100 ? 100 : iov->iov_len, at);
}

/* --- a journal in a directory of its own --- */

static struct {
	char dir[64];
	int fd;
	int log_fd; /* what was logged */
	struct journal *journal;
	uint64_t next; /* number that the next entry has */
} it;

static struct {
	uint64_t numbers[SEEN_MAX];
	size_t count;
	uint64_t refuse; /* the number that cannot be taken */
} seen;

static char bytes_of[ENTRY_MAX + 64];

/* Every byte of an entry follows from its number. */
static struct str
entry_of(uint64_t number)
{
	return (struct str){ bytes_of + number % 61, (size_t)(number * 977 % ENTRY_MAX) };
}

static bool
see(void *arg, uint64_t number, struct str entry, struct error *err)
{
	(void)arg;
	if (number == seen.refuse)
		return error_set(err, ERROR_TEMPORARY, "not this one");
	if (!str_equal(entry, entry_of(number)))
		fail_msg("entry %llu is not what was written", (unsigned long long)number);
	assert_true(seen.count < SEEN_MAX);
	seen.numbers[seen.count++] = number;
	return true;
}

static struct journal *
open_journal(struct error *err)
{
	return journal_open(it.fd, it.dir, STORE, HALF, err);
}

/* Opens it anew and reads what is above applied. */
static void
read_again(uint64_t applied)
{
	struct error err;

	journal_close(it.journal);
	it.journal = open_journal(&err);
	assert_non_null(it.journal);
	seen.count = 0;
	if (!journal_read(it.journal, applied, see, NULL, &err))
		fail_msg("%s", err.text);
}

static void
begin(uint64_t applied)
{
	struct error err;

	if (!journal_start(it.journal, applied, &err))
		fail_msg("%s", err.text);
	it.next = applied + 1;
}

static void
expect_seen(uint64_t from, uint64_t to)
{
	size_t i;

	assert_int_equal(seen.count, to - from + 1);
	for (i = 0; i < seen.count; i++)
		assert_int_equal(seen.numbers[i], from + i);
}

static enum journal_added
add(void)
{
	struct str entry = entry_of(it.next), parts[2];
	enum journal_added added;
	uint64_t number = 0;

	parts[0] = (struct str){ entry.ptr, entry.len / 3 };
	parts[1] = (struct str){ entry.ptr + parts[0].len, entry.len - parts[0].len };
	added = journal_add(it.journal, parts, 2, &number);
	if (added == JOURNAL_ADDED)
		assert_int_equal(number, it.next++);
	return added;
}

static void
write_batch(size_t entries)
{
	struct error err;

	while (entries-- > 0)
		assert_int_equal(add(), JOURNAL_ADDED);
	if (!journal_write(it.journal, &err))
		fail_msg("%s", err.text);
}

static int
setup(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bytes_of); i++)
		bytes_of[i] = (char)(i * 31 + i / 251);
	memset(&it, 0, sizeof(it));
	memset(&seen, 0, sizeof(seen));
	(void)snprintf(it.dir, sizeof(it.dir), "/tmp/postern-test-journal-XXXXXX");
	assert_non_null(mkdtemp(it.dir));
	it.fd = open(it.dir, O_RDONLY | O_DIRECTORY);
	it.log_fd = openat(it.fd, "log", O_RDWR | O_CREAT, 0600);
	log_init("test", it.log_fd, LOG_TEXT, LOG_ERROR);
	read_again(0);
	begin(0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	journal_close(it.journal);
	(void)unlinkat(it.fd, "journal", 0);
	(void)unlinkat(it.fd, "log", 0);
	(void)close(it.log_fd);
	(void)close(it.fd);
	return rmdir(it.dir);
}

static int
file(void)
{
	return openat(it.fd, "journal", O_RDWR);
}

/* Changes one bit of the file. */
static void
flip(off_t at)
{
	int fd = file();
	char byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte = (char)(byte ^ 4);
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	(void)close(fd);
}

static bool
was_logged(const char *words)
{
	static char text[65536];
	ssize_t n;

	log_flush();
	n = pread(it.log_fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, words) != NULL;
}

/* --- tests --- */

static void
test_what_was_written_is_read_in_its_order(void **state)
{
	(void)state;
	write_batch(3);
	write_batch(1);
	write_batch(2);
	read_again(0);
	expect_seen(1, 6);
	read_again(4);
	expect_seen(5, 6);
	read_again(5); /* within a batch */
	expect_seen(6, 6);
	read_again(6);
	assert_int_equal(seen.count, 0);
	assert_false(was_logged("damaged"));
}

static void
test_what_was_not_written_is_not_there(void **state)
{
	(void)state;
	write_batch(2);
	assert_int_equal(add(), JOURNAL_ADDED);
	read_again(0);
	expect_seen(1, 2);
}

static void
test_a_start_forgets_what_was_there(void **state)
{
	(void)state;
	write_batch(4);
	read_again(0);
	begin(4);
	write_batch(1);
	read_again(4);
	expect_seen(5, 5);
	read_again(0); /* the old ones are gone, and it is noticed */
	expect_seen(5, 5);
	assert_true(was_logged("damaged"));
	assert_true(was_logged("count=4"));
}

static void
test_who_cannot_take_one_ends_the_reading(void **state)
{
	struct error err;

	(void)state;
	write_batch(4);
	read_again(4);
	seen.refuse = 3;
	assert_false(journal_read(it.journal, 0, see, NULL, &err));
	assert_string_equal(err.text, "not this one");
	assert_int_equal(seen.count, 2);
}

static void
test_a_half_is_written_anew_when_the_store_has_it(void **state)
{
	struct str huge[2] = { { bytes_of, sizeof(bytes_of) }, { NULL, 0 } };
	struct str parts[HALF / ENTRY_MAX + 2];
	uint64_t applied = 0, number;
	struct error err;
	size_t round, i;

	(void)state;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		parts[i] = huge[0];
	assert_int_equal(journal_add(it.journal, parts, i, &number), JOURNAL_FULL); /* more than a half */
	for (round = 0; round < 20; round++) {
		while (add() != JOURNAL_FULL) {
			assert_true(journal_write(it.journal, &err));
			assert_true(it.next - applied < HALVES_ENTRIES);
		}
		journal_applied(it.journal, applied = it.next - 1);
		write_batch(1);
	}
	assert_true(it.next > 5 * 2 * HALF / ENTRY_MAX); /* through both halves many times */
	read_again(applied);
	expect_seen(applied + 1, it.next - 1);
}

/* As it is after a crash at any time: what was said to be applied may be less than what is. */
static void
test_at_any_time_all_that_is_not_applied_is_there(void **state)
{
	struct error err;
	uint64_t applied = 0;
	size_t round;

	(void)state;
	for (round = 0; round < 300; round++) {
		struct journal *reader = open_journal(&err);
		while (add() == JOURNAL_FULL)
			journal_applied(it.journal, applied += 1 + round % 5);
		assert_true(journal_write(it.journal, &err));
		assert_non_null(reader);
		seen.count = 0;
		assert_true(journal_read(reader, applied, see, NULL, &err));
		journal_close(reader);
		expect_seen(applied + 1, it.next - 1);
	}
	assert_true(it.next > 5 * 2 * HALF / ENTRY_MAX);
	assert_false(was_logged("damaged"));
}

static void
test_both_halves_are_kept_until_then(void **state)
{
	struct error err;
	uint64_t last;

	(void)state;
	while (add() == JOURNAL_ADDED) {
		assert_true(journal_write(it.journal, &err));
		assert_true(it.next < HALVES_ENTRIES);
	}
	last = it.next - 1;
	journal_applied(it.journal, 1); /* not yet all of the older half */
	assert_int_equal(add(), JOURNAL_FULL);
	read_again(1);
	expect_seen(2, last);
}

static void
test_a_batch_has_limits(void **state)
{
	enum { PARTS = 8, MIB = 1024 * 1024 };
	static const struct {
		const char *row;
		uint64_t half;
		size_t parts, bytes; /* of an entry */
		size_t expected;     /* how many go together */
	} rows[] = {
		{ "so many entries", 4 * MIB, 1, 1, JOURNAL_BATCH_ENTRIES },
		{ "so many parts, with one that says how long an entry is", 4 * MIB, PARTS, 1,
		    (JOURNAL_BATCH_PARTS - 1) / (PARTS + 1) },
		{ "so many bytes", 4 * MIB, 1, JOURNAL_BATCH_BYTES / 4, 3 },
		{ "an entry of more than a batch goes alone", 4 * MIB, 1, JOURNAL_BATCH_BYTES + 1, 1 },
		{ "the end of a half", HALF, 1, HALF / 4, 3 },
		{ "all of a half", HALF, 1, HALF - 52, 1 },
	};
	static char room[JOURNAL_BATCH_BYTES + 1];
	struct str parts[PARTS] = { { NULL, 0 } };
	struct error err;
	uint64_t number, last = 0;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		journal_close(it.journal);
		assert_int_equal(unlinkat(it.fd, "journal", 0), 0);
		it.journal = journal_open(it.fd, it.dir, STORE, rows[i].half, &err);
		begin(last);
		parts[0] = (struct str){ room, rows[i].bytes };
		for (n = 0; journal_add(it.journal, parts, rows[i].parts, &number) == JOURNAL_ADDED; n++)
			assert_int_equal(number, ++last);
		if (n != rows[i].expected)
			row_fail(rows[i].row, "%zu entries, expected %zu", n, rows[i].expected);
		assert_int_equal(journal_add(it.journal, parts, rows[i].parts, &number), JOURNAL_LATER);
		assert_true(journal_write(it.journal, &err));
		if (journal_add(it.journal, parts, rows[i].parts, &number) != JOURNAL_ADDED || number != ++last)
			row_fail(rows[i].row, "%s", "nothing goes behind it");
	}
}

static void
test_more_than_a_half_never_has_room(void **state)
{
	static char room[HALF];
	struct str part = { room, HALF - 51 };
	struct error err;
	uint64_t number;

	(void)state;
	assert_int_equal(journal_add(it.journal, &part, 1, &number), JOURNAL_FULL);
	write_batch(1); /* and the next is not worse off for it */
	part.len--;
	assert_int_equal(journal_add(it.journal, &part, 1, &number), JOURNAL_ADDED);
	assert_int_equal(number, it.next);
	assert_true(journal_write(it.journal, &err));
}

static size_t
batch_bytes(uint64_t first, size_t entries)
{
	size_t bytes = 48;

	while (entries-- > 0)
		bytes += 4 + entry_of(first++).len;
	return bytes;
}

static void
test_a_torn_batch_is_no_batch(void **state)
{
	static const size_t kept[] = { 1, 47, 48, 100, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK, 4 * BLOCK,
		5 * BLOCK, 6 * BLOCK, 7 * BLOCK, 8 * BLOCK, 9 * BLOCK - 1, 9 * BLOCK };
	struct stat st;
	size_t i;
	off_t begin_of_batch;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		const uint64_t first = 5; /* the five behind it have ten blocks */
		char *whole, *zeros;

		begin(first - 1);
		write_batch(1);
		fd = file();
		assert_int_equal(fstat(fd, &st), 0);
		whole = malloc((size_t)st.st_size);
		zeros = calloc(1, 12 * BLOCK);
		assert_int_equal(pread(fd, whole, (size_t)st.st_size, 0), st.st_size);
		write_batch(5);
		assert_true(kept[i] < batch_bytes(first + 1, 5));
		/* What the disk had of the second batch: its first kept[i] bytes. */
		for (begin_of_batch = BLOCK; begin_of_batch < st.st_size; begin_of_batch += BLOCK) {
			char now[BLOCK];
			assert_int_equal(pread(fd, now, BLOCK, begin_of_batch), BLOCK);
			if (memcmp(now, whole + begin_of_batch, BLOCK) != 0)
				break;
		}
		assert_int_equal(
		    pwrite(fd, zeros, 12 * BLOCK - kept[i], begin_of_batch + (off_t)kept[i]), 12 * BLOCK - kept[i]);
		(void)close(fd);
		free(whole);
		free(zeros);
		read_again(first - 1);
		expect_seen(first, first);
	}
}

static void
test_damage_is_told_and_costs_nothing_else(void **state)
{
	(void)state;
	write_batch(2); /* each batch begins at a block of its own */
	it.next = 3;
	write_batch(1);
	write_batch(2);
	flip(BLOCK + 20); /* the secret in the first batch's head */
	read_again(0);
	expect_seen(3, 5);
	assert_true(was_logged("count=2"));
}

static void
test_every_bit_of_a_batch_counts(void **state)
{
	off_t at;

	(void)state;
	write_batch(1);
	for (at = BLOCK; at < BLOCK + 44 + 4 + (off_t)entry_of(1).len; at += 13) {
		if (at >= BLOCK + 44 && at < BLOCK + 48)
			continue; /* nothing stands there */
		flip(at);
		read_again(0);
		assert_int_equal(seen.count, 0);
		flip(at);
	}
	read_again(0);
	expect_seen(1, 1);
}

static void
forget_log(void)
{
	log_flush();
	assert_int_equal(ftruncate(it.log_fd, 0), 0);
	assert_int_equal(lseek(it.log_fd, 0, SEEK_SET), 0);
}

static void
test_a_damaged_first_block_is_told(void **state)
{
	off_t at;

	(void)state;
	for (at = 0; at < 52; at++) {
		write_batch(1);
		forget_log();
		flip(at);
		read_again(0);
		if (seen.count != 0 || !was_logged("first block is damaged"))
			fail_msg("byte %d is not missed", (int)at);
		begin(it.next - 1);
		write_batch(1);
		read_again(it.next - 2);
		expect_seen(it.next - 1, it.next - 1);
		begin(it.next - 1);
	}
}

static void
test_a_file_that_was_not_begun_is_new(void **state)
{
	static const off_t sizes[] = { 0, 1, 40, BLOCK, 3 * BLOCK };
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fd = file();
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(ftruncate(fd, sizes[i]), 0);
		(void)close(fd);
		read_again(0);
		assert_int_equal(seen.count, 0);
		begin(0);
		write_batch(2);
		read_again(0);
		expect_seen(1, 2);
	}
	assert_false(was_logged("damaged"));
}

/* A disk that cannot be read now may be read later: nothing is begun anew over what stands there. */
static void
test_what_cannot_be_read_is_not_taken_for_nothing(void **state)
{
	struct journal *j;
	struct error err;

	(void)state;
	write_batch(2);
	read_errno = EIO;
	j = open_journal(&err);
	read_errno = 0;
	assert_null(j);
	assert_non_null(strstr(err.text, strerror(EIO)));
	read_again(0);
	expect_seen(1, 2);
	read_errno = EIO;
	assert_false(journal_read(it.journal, 0, see, NULL, &err));
	read_errno = 0;
}

static void
test_what_is_left_of_a_file_cut_off_is_read(void **state)
{
	int fd;

	(void)state;
	write_batch(1);
	fd = file();
	assert_int_equal(ftruncate(fd, BLOCK + BLOCK), 0);
	(void)close(fd);
	read_again(0);
	expect_seen(1, 1);
	begin(1); /* and it is filled again */
	write_batch(1);
	read_again(1);
	expect_seen(2, 2);
}

static void
test_the_journal_of_another_store_is_refused(void **state)
{
	struct error err;

	(void)state;
	write_batch(1);
	assert_null(journal_open(it.fd, it.dir, STORE + 1, HALF, &err));
	assert_non_null(strstr(err.text, "belongs to another store"));
}

/* A message may contain what was a batch once, but not the secret of today. */
static void
test_a_batch_within_a_message_is_only_text(void **state)
{
	static char forged[3 * BLOCK];
	struct str part = { forged, sizeof(forged) };
	struct error err;
	uint64_t number;
	int fd;

	(void)state;
	write_batch(2);
	fd = file();
	/* At the places where blocks begin within the entry that is written next. */
	assert_int_equal(pread(fd, forged + BLOCK - 48 - 4, BLOCK, BLOCK), BLOCK);
	assert_int_equal(pread(fd, forged + 2 * BLOCK - 48 - 4, BLOCK, BLOCK), BLOCK);
	(void)close(fd);
	read_again(2);
	begin(0); /* the numbers of the forged batch would be new again */
	assert_int_equal(journal_add(it.journal, &part, 1, &number), JOURNAL_ADDED);
	assert_true(journal_write(it.journal, &err));
	flip(BLOCK + 8); /* the batch around it is damaged: what is within is looked at */
	read_again(0);
	assert_int_equal(seen.count, 0);
}

/* The blocks of a batch, copied by hand: of today they are one wherever they stand, of before the start nowhere. */
static void
test_a_batch_of_an_earlier_start_is_none(void **state)
{
	static char old[BLOCK], young[BLOCK];
	int fd;

	(void)state;
	fd = file();
	write_batch(1);
	assert_int_equal(pread(fd, old, BLOCK, BLOCK), BLOCK);
	read_again(1);
	begin(0);
	write_batch(1);
	assert_int_equal(pread(fd, young, BLOCK, BLOCK), BLOCK);
	assert_int_equal(pwrite(fd, old, BLOCK, BLOCK), BLOCK);
	assert_int_equal(pwrite(fd, old, BLOCK, BLOCK + HALF), BLOCK);
	read_again(0);
	assert_int_equal(seen.count, 0);
	assert_int_equal(pwrite(fd, young, BLOCK, 4 * BLOCK + HALF), BLOCK);
	read_again(0);
	expect_seen(1, 1);
	(void)close(fd);
}

static void
test_interrupted_and_short_writes_are_gone_on_with(void **state)
{
	(void)state;
	short_writes = true;
	write_batch(3);
	short_writes = false;
	read_again(0);
	expect_seen(1, 3);
}

static void
test_what_failed_is_not_found_again(void **state)
{
	static const struct {
		const char *row;
		int *fault;
		int error;
	} rows[] = {
		{ "a sync fails", &sync_errno, EIO },
		{ "a sync finds no room", &sync_errno, ENOSPC },
		{ "a write fails", &write_errno, EIO },
		{ "a write finds no room", &write_errno, ENOSPC },
	};
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t last = it.next;
		bool written;
		write_batch(1);
		assert_int_equal(add(), JOURNAL_ADDED);
		*rows[i].fault = rows[i].error;
		written = journal_write(it.journal, &err);
		*rows[i].fault = 0;
		if (written || strstr(err.text, strerror(rows[i].error)) == NULL)
			row_fail(rows[i].row, "%s", written ? "was said to be written" : err.text);
		read_again(last - 1);
		expect_seen(last, last);
		begin(last);
	}
}

static void
test_half_of_a_batch_is_not_found_again(void **state)
{
	struct error err;

	(void)state;
	write_batch(1);
	assert_int_equal(add(), JOURNAL_ADDED);
	short_writes = true;
	writes_left = 5;
	assert_false(journal_write(it.journal, &err));
	short_writes = false;
	writes_left = INT_MAX;
	read_again(0);
	expect_seen(1, 1);
}

static void
test_a_start_that_fails_is_told(void **state)
{
	static const struct {
		const char *row;
		int *fault;
	} rows[] = {
		{ "the first block cannot be written", &write_errno },
		{ "the file cannot be synced", &file_sync_errno },
	};
	struct journal *j;
	struct error err;
	bool ok;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		*rows[i].fault = EIO;
		ok = journal_start(it.journal, 0, &err);
		*rows[i].fault = 0;
		if (ok || strstr(err.text, strerror(EIO)) == NULL)
			row_fail(rows[i].row, "%s", ok ? "is not noticed" : err.text);
	}
	directory_sync_errno = EIO; /* without its name a file is not there after a crash */
	j = open_journal(&err);
	directory_sync_errno = 0;
	assert_null(j);
	assert_non_null(strstr(err.text, strerror(EIO)));
}

static void
test_no_half_of_a_new_one_is_left(void **state)
{
	struct rlimit before, limit;
	struct error err;
	struct stat st;
	bool ok;

	(void)state;
	journal_close(it.journal);
	assert_int_equal(unlinkat(it.fd, "journal", 0), 0);
	it.journal = journal_open(it.fd, it.dir, STORE, 1024 * 1024, &err);
	assert_non_null(it.journal);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = (struct rlimit){ 1024 * 1024, before.rlim_max };
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ok = journal_start(it.journal, 0, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_false(ok);
	assert_non_null(strstr(err.text, strerror(EFBIG)));
	assert_int_equal(fstatat(it.fd, "journal", &st, 0), 0);
	assert_int_equal(st.st_size, 0);
}

static void
test_no_room_for_a_new_one(void **state)
{
	struct error err;
	struct stat st;

	(void)state;
	journal_close(it.journal);
	assert_int_equal(unlinkat(it.fd, "journal", 0), 0);
	it.journal = open_journal(&err);
	assert_non_null(it.journal);
	write_errno = ENOSPC;
	assert_false(journal_start(it.journal, 0, &err));
	write_errno = 0;
	assert_non_null(strstr(err.text, "No space left"));
	assert_int_equal(fstatat(it.fd, "journal", &st, 0), 0);
	assert_int_equal(st.st_size, 0);
	begin(0);
	write_batch(1);
	read_again(0);
	expect_seen(1, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_written_is_read_in_its_order),
		TEST(test_what_was_not_written_is_not_there),
		TEST(test_a_start_forgets_what_was_there),
		TEST(test_who_cannot_take_one_ends_the_reading),
		TEST(test_a_half_is_written_anew_when_the_store_has_it),
		TEST(test_at_any_time_all_that_is_not_applied_is_there),
		TEST(test_both_halves_are_kept_until_then),
		TEST(test_a_batch_has_limits),
		TEST(test_more_than_a_half_never_has_room),
		TEST(test_a_torn_batch_is_no_batch),
		TEST(test_damage_is_told_and_costs_nothing_else),
		TEST(test_every_bit_of_a_batch_counts),
		TEST(test_a_damaged_first_block_is_told),
		TEST(test_a_file_that_was_not_begun_is_new),
		TEST(test_what_cannot_be_read_is_not_taken_for_nothing),
		TEST(test_what_is_left_of_a_file_cut_off_is_read),
		TEST(test_the_journal_of_another_store_is_refused),
		TEST(test_a_batch_within_a_message_is_only_text),
		TEST(test_a_batch_of_an_earlier_start_is_none),
		TEST(test_interrupted_and_short_writes_are_gone_on_with),
		TEST(test_what_failed_is_not_found_again),
		TEST(test_half_of_a_batch_is_not_found_again),
		TEST(test_a_start_that_fails_is_told),
		TEST(test_no_half_of_a_new_one_is_left),
		TEST(test_no_room_for_a_new_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
