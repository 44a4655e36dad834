/* SPDX-License-Identifier: ISC */
/*
 * Promise: a map or disk that is full refuses mail and nothing else: what was there stays, deletes go on, and room
 * comes back by itself. A broken disk is told from a full one.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "queue/store_lmdb.h"
#include "tests/unit/queue/spool.h"

enum { MIB = 1024 * 1024, MAIL_BYTES = 5000, MAIL_ROOM = 8192, MAILS_MAX = 4000 };

static const char *const place = "outbound/destination.example";

/* --- faults: LMDB's calls come through here --- */

static int write_errno;  /* of every write, 0: none */
static bool write_short; /* writes end after a page */
static int sync_errno;
static int allocate_errno;

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	if (write_errno != 0) {
		errno = write_errno;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, bytes, write_short && len > 4096 ? 4096 : len, at);
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
	if (write_errno != 0) {
		errno = write_errno;
		return -1;
	}
	return syscall(SYS_writev, fd, parts, write_short ? 1 : count);
}

ssize_t
pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
	if (write_errno != 0) {
		errno = write_errno;
		return -1;
	}
	return syscall(SYS_pwritev, fd, parts, write_short ? 1 : count, at, 0);
}

int
fdatasync(int fd)
{
	if (sync_errno != 0) {
		errno = sync_errno;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

int
fallocate(int fd, int mode, off_t from, off_t len)
{
	if (allocate_errno != 0) {
		errno = allocate_errno;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, from, len);
}

/* --- mail until there is no room --- */

static struct mail
mail_of(uint64_t id)
{
	return (struct mail){ id, MAIL_BYTES, 1, place };
}

/* Accepts as the committer does, asking before; returns how many there was room for. */
static uint64_t
fill(struct spool *spool)
{
	struct store_txn *txn;
	struct mail mail;
	uint64_t n;

	for (n = 0; n < MAILS_MAX && store_prepare(spool->store, MAIL_ROOM); n++) {
		mail = mail_of(n + 1);
		txn = begin(spool);
		put_mail(txn, &mail);
		commit(txn);
	}
	return n;
}

static void
empty(struct spool *spool, uint64_t count)
{
	struct store_txn *txn;
	struct mail mail;
	uint64_t id;

	for (id = 1; id <= count; id++) {
		mail = mail_of(id);
		txn = begin(spool);
		assert_true(has_mail(txn, &mail, NULL));
		delete_mail(txn, &mail);
		commit(txn);
	}
}

static void
test_a_small_map_fills_empties_and_fills_again(void **state)
{
	struct spool spool;
	uint64_t first, n;
	int cycle;

	(void)state;
	spool_new(&spool, MIB);
	first = fill(&spool);
	assert_in_range(first, 20, MIB / MAIL_BYTES);
	expect_clean(&spool);
	empty(&spool, first);
	expect_clean(&spool);
	for (cycle = 0; cycle < 3; cycle++) {
		n = fill(&spool);
		assert_in_range(n, first - first / 4, first + first / 4);
		assert_true(store_room(spool.store) < MAIL_ROOM);
		empty(&spool, n);
		expect_clean(&spool);
	}
	spool_free(&spool);
}

static void
test_a_map_that_is_full_refuses_and_nothing_has_changed(void **state)
{
	enum store_failure failure = STORE_OK;
	struct store_txn *txn;
	struct spool spool;
	struct error err;
	struct mail mail;
	uint64_t id;

	(void)state;
	spool_new(&spool, MIB);
	for (id = 1; id < MAILS_MAX; id++) {
		mail = mail_of(id);
		txn = begin(&spool);
		put_mail(txn, &mail);
		if (!store_commit(txn, &failure, &err))
			break;
	}
	assert_int_equal(failure, STORE_NO_ROOM);
	assert_non_null(strstr(err.text, spool.dir));
	assert_int_equal(store_room(spool.store), 0);
	expect_clean(&spool);
	txn = reading(&spool);
	assert_false(has_mail(txn, &mail, NULL));
	mail = mail_of(id - 1);
	assert_true(has_mail(txn, &mail, NULL));
	store_read_end(txn);
	spool_reopen(&spool);
	expect_clean(&spool);
	spool_free(&spool);
}

/* --- the disk --- */

/* A small file system of our own; false where that is not allowed. */
static bool
mount_small(const char *dir)
{
	if (unshare(CLONE_NEWNS) == -1 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		return false;
	return mount("tmpfs", dir, "tmpfs", 0, "size=6m") == 0;
}

/* Somebody else takes all that is left of the disk. */
static void
take_the_rest(const char *dir)
{
	static const char block[4096];
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/filler", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_not_equal(fd, -1);
	while (write(fd, block, sizeof(block)) > 0)
		continue;
	assert_int_equal(errno, ENOSPC);
	(void)close(fd);
}

static void
give_it_back(const char *dir)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/filler", dir);
	assert_int_equal(unlink(path), 0);
}

static void
test_a_full_disk_refuses_mail_and_lets_go_of_it(void **state)
{
	struct spool spool = { .dir = "/tmp/postern-test-small-XXXXXX" };
	enum store_failure failure = STORE_OK;
	struct store_txn *txn;
	struct mail large = { MAILS_MAX + 1, 4 * MIB, 1, place };
	uint64_t n;
	int cycle;

	(void)state;
	assert_non_null(mkdtemp(spool.dir));
	if (!mount_small(spool.dir)) {
		assert_int_equal(rmdir(spool.dir), 0);
		print_message("# mounting is not allowed here\n");
		skip();
	}
	spool.options.size_max = 64 * MIB; /* the step is chosen by the size of the disk */
	spool_open(&spool);
	for (cycle = 0; cycle < 3; cycle++) {
		n = fill(&spool);
		assert_in_range(n, 100, 6 * MIB / MAIL_BYTES);
		take_the_rest(spool.dir);
		assert_true(store_room(spool.store) < MAIL_ROOM);
		txn = begin(&spool);
		put_mail(txn, &large);
		assert_false(store_commit(txn, &failure, NULL));
		assert_int_equal(failure, STORE_NO_ROOM);
		expect_clean(&spool);
		empty(&spool, n);
		expect_clean(&spool);
		give_it_back(spool.dir);
		assert_true(store_room(spool.store) >= MAIL_ROOM);
	}
	store_close(spool.store);
	spool.store = NULL;
	assert_int_equal(umount2(spool.dir, MNT_DETACH), 0);
	assert_int_equal(rmdir(spool.dir), 0);
}

static void
test_the_file_grows_in_steps_that_are_allocated(void **state)
{
	struct spool spool;
	struct stat st;

	(void)state;
	spool_new(&spool, 64 * MIB);
	assert_int_equal(fstat(spool.store->data_fd, &st), 0);
	assert_true((uint64_t)st.st_blocks * 512 >= SPOOL_STEP);
	assert_true(store_prepare(spool.store, 5 * MIB));
	assert_int_equal(fstat(spool.store->data_fd, &st), 0);
	assert_true(st.st_size >= 5 * MIB && (uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size);
	assert_true(st.st_size <= 8 * MIB);
	assert_false(store_prepare(spool.store, 65 * MIB)); /* more than the map */
	assert_int_equal(fstat(spool.store->data_fd, &st), 0);
	assert_true(st.st_size <= 64 * MIB);
	spool_reopen(&spool);
	expect_clean(&spool);
	spool_free(&spool);
}

/* Where the disk gave no blocks ahead LMDB writes behind them; what is given later must not be taken for empty. */
static void
test_growth_never_writes_over_what_is_there(void **state)
{
	static const int errors[] = { ENOSPC, EDQUOT, EIO, EOPNOTSUPP };
	struct store_txn *txn;
	struct spool spool;
	struct mail mail;
	uint64_t id;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		spool_new(&spool, 64 * MIB);
		allocate_errno = errors[i];
		for (id = 1; id <= 400; id++) {
			allocate_errno = id == 300 ? 0 : errors[i]; /* for a moment there is room */
			mail = mail_of(id);
			txn = begin(&spool);
			put_mail(txn, &mail);
			commit(txn);
		}
		allocate_errno = 0;
		assert_true(atomic_load(&spool.store->used) > 2 * SPOOL_STEP);
		assert_true(store_prepare(spool.store, 8 * MIB));
		expect_clean(&spool);
		spool_reopen(&spool);
		assert_true(store_prepare(spool.store, 8 * MIB));
		expect_clean(&spool);
		empty(&spool, 400);
		spool_free(&spool);
	}
}

/* --- what a failing call means --- */

static const struct {
	const char *row;
	int write_errno;
	bool write_short;
	int sync_errno;
	enum store_failure failure;
} faults[] = {
	{ "a write without room", ENOSPC, false, 0, STORE_NO_ROOM },
	{ "a write over quota", EDQUOT, false, 0, STORE_NO_ROOM },
	{ "a write that fails", EIO, false, 0, STORE_FAILED },
	{ "a file system that became read-only", EROFS, false, 0, STORE_FAILED },
	{ "a write that is cut short on a disk with room", 0, true, 0, STORE_FAILED },
	{ "a sync that fails", 0, false, EIO, STORE_FAILED },
};

static void
test_a_failed_commit_leaves_nothing_and_says_whether_to_go_on(void **state)
{
	const struct mail kept = { 1, 20000, 1, place }, lost = { 2, 20000, 1, place };
	enum store_failure failure;
	struct store_txn *txn;
	struct spool spool;
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		spool_new(&spool, 0);
		txn = begin(&spool);
		put_mail(txn, &kept);
		commit(txn);
		txn = begin(&spool);
		put_mail(txn, &lost);
		write_errno = faults[i].write_errno;
		write_short = faults[i].write_short;
		sync_errno = faults[i].sync_errno;
		failure = STORE_OK;
		if (store_commit(txn, &failure, &err))
			row_fail(faults[i].row, "%s", "is committed");
		write_errno = sync_errno = 0;
		write_short = false;
		if (failure != faults[i].failure)
			row_fail(faults[i].row, "failure %d: %s", (int)failure, err.text);
		txn = store_begin(spool.store, &err);
		if ((txn != NULL) != (faults[i].failure == STORE_NO_ROOM))
			row_fail(faults[i].row, "%s", "goes on, or does not");
		if (txn != NULL) {
			put_mail(txn, &(struct mail){ 3, 20000, 1, place });
			commit(txn);
		}
		spool_reopen(&spool);
		expect_clean(&spool);
		txn = reading(&spool);
		if (!has_mail(txn, &kept, NULL) || has_mail(txn, &lost, NULL))
			row_fail(faults[i].row, "%s", "what was committed is not what is there");
		store_read_end(txn);
		spool_free(&spool);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_small_map_fills_empties_and_fills_again),
		cmocka_unit_test(test_a_map_that_is_full_refuses_and_nothing_has_changed),
		cmocka_unit_test(test_a_full_disk_refuses_mail_and_lets_go_of_it),
		cmocka_unit_test(test_the_file_grows_in_steps_that_are_allocated),
		cmocka_unit_test(test_growth_never_writes_over_what_is_there),
		cmocka_unit_test(test_a_failed_commit_leaves_nothing_and_says_whether_to_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
