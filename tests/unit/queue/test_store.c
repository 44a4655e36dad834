/* SPDX-License-Identifier: ISC */
/*
 * Promise: one daemon, a local disk, a store of our own schema that is whole; everything else is refused with a
 * reason.
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "queue/store_lmdb.h"
#include "tests/unit/queue/spool.h"

static const struct mail sample = { 17, 10000, 2, "outbound/destination.example" };

static void
expect_refused(struct spool *spool, const char *word)
{
	struct error err = { 0 };
	struct store *s = store_open(spool->dir, &spool->options, &err);

	if (s != NULL) {
		store_close(s);
		fail_msg("opened, expected an error with \"%s\"", word);
	}
	if (strstr(err.text, word) == NULL || strstr(err.text, spool->dir) == NULL)
		fail_msg("got \"%s\", expected the directory and \"%s\"", err.text, word);
}

static void
test_what_is_committed_is_there_after_a_reopen(void **state)
{
	struct spool spool;
	struct store_txn *txn;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &sample);
	commit(txn);
	spool_reopen(&spool);
	txn = reading(&spool);
	assert_true(has_mail(txn, &sample, NULL));
	store_read_end(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_what_is_aborted_leaves_nothing(void **state)
{
	struct spool spool;
	struct store_txn *txn;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &sample);
	store_put_meta(txn, STORE_META_ACCEPTED, 5);
	store_abort(txn);
	txn = begin(&spool);
	assert_false(has_mail(txn, &sample, NULL));
	assert_int_equal(store_get_meta(txn, STORE_META_ACCEPTED), 0);
	commit(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_the_first_error_is_kept_and_returned(void **state)
{
	struct record_message message;
	struct spool spool;
	struct store_txn *txn;
	enum store_failure failure = STORE_OK;
	struct error err;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &sample);
	store_fail(txn, STORE_NO_ROOM, "first %d", 1);
	store_fail(txn, STORE_FAILED, "second");
	put_mail(txn, &(struct mail){ 18, 10, 1, "x" });
	assert_int_equal(store_failed(txn), STORE_NO_ROOM);
	assert_true(store_given_up(txn));
	assert_int_equal(store_get_message(txn, 17, &message, &err), STORE_BROKEN);
	assert_string_equal(err.text, "first 1");
	assert_false(store_commit(txn, &failure, &err));
	assert_int_equal(failure, STORE_NO_ROOM);
	assert_string_equal(err.text, "first 1");
	txn = begin(&spool);
	assert_int_equal(store_failed(txn), STORE_OK);
	assert_false(store_given_up(txn));
	store_abort(txn);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_readers_see_the_store_as_it_was(void **state)
{
	struct spool spool;
	struct store_txn *before, *after, *txn;

	(void)state;
	spool_new(&spool, 0);
	before = reading(&spool);
	txn = begin(&spool);
	put_mail(txn, &sample);
	commit(txn);
	after = reading(&spool);
	assert_false(has_mail(before, &sample, NULL));
	assert_true(has_mail(after, &sample, NULL));
	store_read_end(before);
	before = reading(&spool); /* the one ended, begun again */
	assert_true(has_mail(before, &sample, NULL));
	store_read_end(before);
	store_read_end(after);
	store_check_readers(spool.store);
	spool_free(&spool);
}

static void
test_there_are_only_so_many_readers(void **state)
{
	struct store_txn *readers[STORE_READERS_MAX + 1];
	struct spool spool;
	struct error err;
	size_t i, n;

	(void)state;
	spool_new(&spool, 0);
	for (n = 0; n <= STORE_READERS_MAX && (readers[n] = store_read(spool.store, &err)) != NULL; n++)
		continue;
	assert_int_equal(n, STORE_READERS_MAX);
	assert_non_null(strstr(err.text, "cannot begin to read"));
	for (i = 0; i < n; i++)
		store_read_end(readers[i]);
	store_read_end(reading(&spool));
	spool_free(&spool);
}

/* --- who else is there --- */

/* A first daemon: opens the spool, says so, and stays until it is killed. */
static pid_t
first_daemon(struct spool *spool, bool *opened)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		if (store_open(spool->dir, &spool->options, NULL) != NULL)
			(void)!write(ready[1], "x", 1);
		(void)close(ready[1]);
		(void)pause();
		_exit(0);
	}
	(void)close(ready[1]);
	*opened = read(ready[0], &byte, 1) == 1;
	(void)close(ready[0]);
	return pid;
}

static void
end_daemon(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void
test_a_second_daemon_is_refused_with_the_pid_of_the_first(void **state)
{
	struct spool spool;
	char pid_text[32];
	struct error err;
	bool opened;
	pid_t pid;

	(void)state;
	spool_new(&spool, 0);
	(void)snprintf(pid_text, sizeof(pid_text), "by process %d", (int)getpid());
	expect_refused(&spool, pid_text);
	spool.options.name = "/var/spool/elsewhere"; /* what chroot has made of it is no name for people */
	assert_null(store_open(spool.dir, &spool.options, &err));
	assert_non_null(strstr(err.text, "/var/spool/elsewhere: is in use"));
	spool.options.name = NULL;
	store_close(spool.store);
	pid = first_daemon(&spool, &opened);
	assert_true(opened);
	(void)snprintf(pid_text, sizeof(pid_text), "by process %d", (int)pid);
	expect_refused(&spool, pid_text);
	end_daemon(pid);
	spool_open(&spool); /* a lock of the dead is none, whatever its file says */
	spool_free(&spool);
}

static void
test_of_several_that_start_at_once_one_has_the_spool(void **state)
{
	enum { ROUNDS = 20, DAEMONS = 4 };
	struct spool spool;
	pid_t pids[DAEMONS];
	int round, i, winners, go[2], won[2];
	char byte;

	(void)state;
	spool_new(&spool, 0);
	store_close(spool.store);
	for (round = 0; round < ROUNDS; round++) {
		assert_int_equal(pipe(go), 0);
		assert_int_equal(pipe(won), 0);
		for (i = 0; i < DAEMONS; i++) {
			pids[i] = fork();
			assert_int_not_equal(pids[i], -1);
			if (pids[i] != 0)
				continue;
			(void)close(go[1]);
			(void)!read(go[0], &byte, 1); /* until all are there */
			byte = store_open(spool.dir, &spool.options, NULL) != NULL ? 'w' : 'l';
			(void)!write(won[1], &byte, 1);
			(void)pause();
			_exit(0);
		}
		(void)close(go[0]);
		(void)close(go[1]);
		(void)close(won[1]);
		for (winners = 0, i = 0; i < DAEMONS; i++) {
			assert_int_equal(read(won[0], &byte, 1), 1);
			winners += byte == 'w';
		}
		(void)close(won[0]);
		for (i = 0; i < DAEMONS; i++)
			end_daemon(pids[i]);
		assert_int_equal(winners, 1);
	}
	spool_open(&spool);
	expect_clean(&spool);
	spool_free(&spool);
}

static void
test_network_file_systems_have_names_and_local_ones_none(void **state)
{
	static const struct {
		uint32_t type;
		const char *name;
	} rows[] = {
		{ 0x6969, "NFS" }, { 0xff534d42, "CIFS" }, { 0x65735546, "FUSE" }, { 0xef53, NULL }, /* ext4 */
		{ 0x58465342, NULL },                                                                /* xfs */
		{ 0x9123683e, NULL },                                                                /* btrfs */
		{ 0x01021994, NULL },                                                                /* tmpfs */
		{ 0x794c7630, NULL },                                                                /* overlay */
		{ 0x2fc12fc1, NULL },                                                                /* zfs */
	};
	const char *name;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		name = store_network_name(rows[i].type);
		if ((name == NULL) != (rows[i].name == NULL) || (name != NULL && strcmp(name, rows[i].name) != 0))
			fail_msg("%08x: got %s", rows[i].type, name != NULL ? name : "nothing");
	}
	/* statfs has it as a signed number on some machines */
	assert_string_equal(store_network_name((uint64_t)(int64_t)(int32_t)0xff534d42), "CIFS");
}

/* --- what is no store --- */

static int
open_data(struct spool *spool, int flags)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/data.mdb", spool->dir);
	fd = open(path, flags, 0600);
	assert_int_not_equal(fd, -1);
	return fd;
}

static void
test_a_file_of_another_kind_is_refused(void **state)
{
	struct spool spool;
	char page[4096];
	int fd;

	(void)state;
	spool_new(&spool, 0);
	store_close(spool.store);
	fd = open_data(&spool, O_WRONLY | O_TRUNC);
	memset(page, 'M', sizeof(page));
	assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	(void)close(fd);
	expect_refused(&spool, "is not a store");
	spool_remove(spool.dir);
}

/* As LMDB makes the file: no transaction, and the same page twice but for its number. */
static void
make_unused(struct spool *spool, char pages[8192])
{
	MDB_env *env;
	int fd;

	assert_int_equal(mkdir(spool->dir, 0700), 0);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, spool->dir, 0, 0600), 0);
	mdb_env_close(env);
	fd = open_data(spool, O_RDONLY);
	assert_int_equal(read(fd, pages, 8192), 8192);
	(void)close(fd);
}

/* The power went at the first start: some of what LMDB writes first came to the disk. */
static void
test_a_file_that_was_being_made_is_made_anew(void **state)
{
	static const struct {
		const char *what;
		size_t from, to, len;
	} rows[] = {
		{ "nothing but its length", 0, 8192, 8192 },
		{ "the first page is missing", 0, 4096, 8192 },
		{ "the second page is missing", 4096, 8192, 8192 },
		{ "it ends behind the first page", 4096, 4096, 4096 },
		{ "it ends within the first page", 4096, 4096, 512 },
		{ "it ends within the second page", 5120, 5120, 5120 },
	};
	struct spool spool, above = { .dir = "/tmp/postern-test-above-XXXXXX" };
	char pages[8192];
	size_t i;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(above.dir));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		spool = above;
		(void)strlcat(spool.dir, "/spool", sizeof(spool.dir));
		spool.options.size_max = 1 << 24;
		make_unused(&spool, pages);
		memset(pages + rows[i].from, 0, rows[i].to - rows[i].from);
		fd = open_data(&spool, O_WRONLY | O_TRUNC);
		assert_int_equal(write(fd, pages, rows[i].len), rows[i].len);
		(void)close(fd);
		spool.store = store_open(spool.dir, &spool.options, NULL);
		if (spool.store == NULL)
			row_fail(rows[i].what, "%s", "it is refused");
		expect_clean(&spool);
		spool_free(&spool);
	}
	assert_int_equal(rmdir(above.dir), 0);
}

static void
test_every_truncated_file_is_refused(void **state)
{
	struct spool spool;
	struct store_txn *txn;
	off_t used, len;
	int fd;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	put_mail(txn, &sample);
	commit(txn);
	used = (off_t)atomic_load(&spool.store->used);
	store_close(spool.store);
	fd = open_data(&spool, O_RDWR);
	for (len = used - 1; len >= 8192; len -= 4096) {
		assert_int_equal(ftruncate(fd, len), 0);
		expect_refused(&spool, "it was cut off");
	}
	assert_int_equal(ftruncate(fd, 4096), 0);
	expect_refused(&spool, "data.mdb"); /* without the second page that says where things are */
	(void)close(fd);
	spool_remove(spool.dir);
}

static void
test_a_newer_schema_is_refused(void **state)
{
	struct spool spool;
	struct store_txn *txn;

	(void)state;
	spool_new(&spool, 0);
	txn = begin(&spool);
	number_put(txn, NUMBER_SCHEMA, RECORD_SCHEMA + 1);
	commit(txn);
	store_close(spool.store);
	expect_refused(&spool, "has schema 3, this version of Postern knows up to 2");
	spool_remove(spool.dir);
}

static void
test_a_directory_that_cannot_be_is_refused(void **state)
{
	struct spool spool = { .dir = "/dev/null", .options = { .size_max = 1 << 20 } };

	(void)state;
	expect_refused(&spool, "cannot be opened as a directory");
	(void)snprintf(spool.dir, sizeof(spool.dir), "/nonexistent-postern/spool");
	expect_refused(&spool, "cannot be made");
}

static void
test_a_missing_directory_is_made_for_its_owner_alone(void **state)
{
	struct spool above = { .dir = "/tmp/postern-test-above-XXXXXX" }, spool;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(above.dir));
	spool = above;
	(void)strlcat(spool.dir, "/spool", sizeof(spool.dir));
	spool.options.size_max = 1 << 20;
	spool_open(&spool);
	assert_int_equal(stat(spool.dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	spool_free(&spool);
	assert_int_equal(rmdir(above.dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_committed_is_there_after_a_reopen),
		cmocka_unit_test(test_what_is_aborted_leaves_nothing),
		cmocka_unit_test(test_the_first_error_is_kept_and_returned),
		cmocka_unit_test(test_readers_see_the_store_as_it_was),
		cmocka_unit_test(test_there_are_only_so_many_readers),
		cmocka_unit_test(test_a_second_daemon_is_refused_with_the_pid_of_the_first),
		cmocka_unit_test(test_of_several_that_start_at_once_one_has_the_spool),
		cmocka_unit_test(test_network_file_systems_have_names_and_local_ones_none),
		cmocka_unit_test(test_a_file_of_another_kind_is_refused),
		cmocka_unit_test(test_a_file_that_was_being_made_is_made_anew),
		cmocka_unit_test(test_every_truncated_file_is_refused),
		cmocka_unit_test(test_a_newer_schema_is_refused),
		cmocka_unit_test(test_a_directory_that_cannot_be_is_refused),
		cmocka_unit_test(test_a_missing_directory_is_made_for_its_owner_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
