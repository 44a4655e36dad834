/* SPDX-License-Identifier: ISC */
/* Opening and closing: the directory, its lock, the kind of file system, the environment, the schema. */
#include "queue/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "queue/store_lmdb.h"

enum {
	DIR_MODE = 0700,
	FILE_MODE = 0600,
	PID_TEXT_MAX = 16,
	PID_TRIES = 100, /* of a millisecond: between a first daemon's lock and its pid */
	/* in the first two pages of LMDB's file, version 1, where words have 64 bits */
	META_MAGIC = 16,
	META_TRANSACTION = 144,
	META_SIZE = 152
};

const char *const store_db_names[DB_COUNT] = {
#define D(NAME, name) [DB_##NAME] = #name,
	STORE_DATABASES(D)
#undef D
};

/* --- where it lies --- */

/*
 * Locks, shared maps or fsync do not mean there what the store needs them to mean; FUSE is most often a network, and
 * its servers are not known to us. Numbers from statfs(2).
 */
const char *
store_network_name(uint64_t type)
{
	static const struct {
		uint32_t type;
		const char *name;
	} rows[] = {
		{ 0x00006969, "NFS" },
		{ 0x0000517b, "SMB" },
		{ 0xff534d42, "CIFS" },
		{ 0xfe534d42, "SMB2" },
		{ 0x0000564c, "NCP" },
		{ 0x73757245, "Coda" },
		{ 0x5346414f, "AFS" },
		{ 0x6b414653, "AFS" },
		{ 0x00c36400, "Ceph" },
		{ 0x01021997, "9P" },
		{ 0x65735546, "FUSE" },
		{ 0x01161970, "GFS2" },
		{ 0x7461636f, "OCFS2" },
		{ 0x0bd00bd0, "Lustre" },
		{ 0x47504653, "GPFS" },
		{ 0x786f4256, "VirtualBox shared folder" },
		{ 0xbacbacbc, "VMware shared folder" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((uint32_t)type == rows[i].type)
			return rows[i].name;
	return NULL;
}

static bool
sync_directory(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd != -1 && fsync(fd) == 0;

	if (fd != -1)
		(void)close(fd);
	return ok;
}

static bool
open_directory(struct store *s, const char *dir, struct error *err)
{
	struct statfs fs;
	const char *network;
	bool fresh = mkdir(dir, DIR_MODE) == 0;

	if (!fresh && errno != EEXIST)
		return error_set(err, ERROR_PERMANENT, "%s: cannot be made: %s", s->dir, strerror(errno));
	s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd == -1)
		return error_set(
		    err, ERROR_PERMANENT, "%s: cannot be opened as a directory: %s", s->dir, strerror(errno));
	if (fresh && !sync_directory(s->dir_fd, ".."))
		return error_set(
		    err, ERROR_PERMANENT, "%s: cannot sync the directory above: %s", s->dir, strerror(errno));
	if (fstatfs(s->dir_fd, &fs) == -1)
		return error_set(
		    err, ERROR_PERMANENT, "%s: cannot ask for the kind of file system: %s", s->dir, strerror(errno));
	network = store_network_name((uint64_t)fs.f_type);
	if (network != NULL)
		return error_set(err, ERROR_PERMANENT,
		    "%s: is on a network file system (%s); the spool needs a local disk", s->dir, network);
	return true;
}

/* --- the lock --- */

/* The pid that the holder wrote; 0 when there is none that lives. */
static long
read_holder(int fd)
{
	char text[PID_TEXT_MAX + 1];
	ssize_t n = pread(fd, text, PID_TEXT_MAX, 0);
	struct str line, rest;
	uint64_t pid;

	if (n <= 0)
		return 0;
	(void)str_cut((struct str){ text, (size_t)n }, '\n', &line, &rest);
	if (!str_to_u64(line, INT32_MAX, &pid) || pid == 0 || (kill((pid_t)pid, 0) == -1 && errno == ESRCH))
		return 0;
	return (long)pid;
}

static bool
refuse_second(struct store *s, struct error *err)
{
	const struct timespec millisecond = { .tv_nsec = 1000000 };
	long pid;
	int i;

	for (i = 0; (pid = read_holder(s->lock_fd)) == 0 && i < PID_TRIES; i++)
		(void)nanosleep(&millisecond, NULL);
	if (pid == 0)
		return error_set(err, ERROR_PERMANENT, "%s: is in use by another process", s->dir);
	return error_set(err, ERROR_PERMANENT, "%s: is in use by process %ld", s->dir, pid);
}

/*
 * Held on the descriptor for as long as the process lives, however it dies; the pid in the file is only for the
 * message. A pid file alone would be wrong after every crash.
 */
static bool
lock(struct store *s, struct error *err)
{
	char text[PID_TEXT_MAX + 1];
	int len;

	s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (s->lock_fd == -1)
		return error_set(err, ERROR_PERMANENT, "%s/lock: cannot be opened: %s", s->dir, strerror(errno));
	while (flock(s->lock_fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EWOULDBLOCK)
			return refuse_second(s, err);
		if (errno != EINTR)
			return error_set(
			    err, ERROR_PERMANENT, "%s/lock: cannot be locked: %s", s->dir, strerror(errno));
	}
	len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	/* On a full disk the message goes without the number. */
	if (ftruncate(s->lock_fd, 0) == 0)
		(void)!pwrite(s->lock_fd, text, (size_t)len, 0);
	return true;
}

/* --- the environment --- */

static bool
fail_env(struct store *s, int rc, const char *what, struct error *err)
{
	if (rc == MDB_INVALID)
		return error_set(err, ERROR_PERMANENT, "%s/data.mdb: is not a store, or is damaged", s->dir);
	if (rc == MDB_VERSION_MISMATCH)
		return error_set(err, ERROR_PERMANENT, "%s/data.mdb: was written by another version of LMDB", s->dir);
	return error_set(err, ERROR_PERMANENT, "%s/data.mdb: cannot %s: %s", s->dir, what, mdb_strerror(rc));
}

/* LMDB would find out by SIGBUS. */
static bool
check_length(struct store *s, struct error *err)
{
	struct stat st;
	MDB_envinfo info;
	uint64_t need;

	if (fstat(s->data_fd, &st) == -1)
		return error_set(err, ERROR_PERMANENT, "%s/data.mdb: %s", s->dir, strerror(errno));
	(void)mdb_env_info(s->env, &info);
	need = ((uint64_t)info.me_last_pgno + 1) * s->page_size;
	if ((uint64_t)st.st_size < need)
		return error_set(err, ERROR_PERMANENT,
		    "%s/data.mdb: has %llu bytes, expected at least %llu: it was cut off", s->dir,
		    (unsigned long long)st.st_size, (unsigned long long)need);
	return true;
}

/* Whether LMDB has never committed with that first or second page of its file; what is missing of it is zeros. */
static bool
is_unused_meta(const char *page)
{
	static const char zeros[META_SIZE];
	const uint32_t magic = 0xbeefc0de;
	uint64_t transaction;

	memcpy(&transaction, page + META_TRANSACTION, sizeof(transaction));
	return memcmp(page, zeros, sizeof(zeros)) == 0 ||
	    (memcmp(page + META_MAGIC, &magic, sizeof(magic)) == 0 && transaction == 0);
}

/*
 * The power went while the file was made: there are parts of its first two pages, by which nothing was ever committed, and
 * nothing behind them. Then it is emptied, to be made anew.
 */
static void
empty_unfinished(struct store *s)
{
	int fd = openat(s->dir_fd, "data.mdb", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	const long page = sysconf(_SC_PAGESIZE);
	char first[META_SIZE] = { 0 }, second[META_SIZE] = { 0 };
	struct stat st;

	if (fd == -1)
		return;
	if (fstat(fd, &st) == 0 && st.st_size <= 2 * page && pread(fd, first, sizeof(first), 0) != -1 &&
	    pread(fd, second, sizeof(second), page) != -1 && is_unused_meta(first) && is_unused_meta(second))
		(void)!ftruncate(fd, 0);
	(void)close(fd);
}

static bool
open_env(struct store *s, const char *dir, struct error *err)
{
	MDB_stat stat;
	int rc, dead;

	empty_unfinished(s);
	if ((rc = mdb_env_create(&s->env)) != 0 || (rc = mdb_env_set_maxdbs(s->env, DB_COUNT)) != 0 ||
	    (rc = mdb_env_set_maxreaders(s->env, STORE_READERS_MAX)) != 0 ||
	    (rc = mdb_env_set_mapsize(s->env, s->size_max)) != 0)
		return fail_env(s, rc, "prepare", err);
	/* Without read-ahead: pieces are read one by one, and what is deleted should not pull its neighbours in. */
	rc = mdb_env_open(s->env, dir, MDB_NOTLS | MDB_NORDAHEAD, FILE_MODE);
	if (rc != 0)
		return fail_env(s, rc, "open", err);
	if ((rc = mdb_env_get_fd(s->env, &s->data_fd)) != 0 || (rc = mdb_env_stat(s->env, &stat)) != 0)
		return fail_env(s, rc, "use", err);
	s->page_size = stat.ms_psize;
	(void)mdb_env_set_assert(s->env, store_damaged);
	(void)mdb_reader_check(s->env, &dead);
	/* The pages that LMDB makes a new file of, before any others. */
	if (fsync(s->data_fd) == -1 || fsync(s->dir_fd) == -1)
		return error_set(err, ERROR_PERMANENT, "%s: cannot sync: %s", s->dir, strerror(errno));
	return check_length(s, err);
}

/* A newer schema is another program's; migrations of older ones come with the second. */
static bool
check_schema(struct store_txn *txn, struct error *err)
{
	uint64_t schema = number_get(txn, NUMBER_SCHEMA);

	if (txn->failure != STORE_OK)
		return error_set(err, ERROR_PERMANENT, "%s", txn->err.text);
	if (schema > RECORD_SCHEMA)
		return error_set(err, ERROR_PERMANENT,
		    "%s/data.mdb: has schema %llu, this version of Postern knows up to %d", txn->store->dir,
		    (unsigned long long)schema, RECORD_SCHEMA);
	/* From 1 to 2: records have more fields, and those of before are read as they are. */
	if (schema < RECORD_SCHEMA)
		number_put(txn, NUMBER_SCHEMA, RECORD_SCHEMA);
	return true;
}

static void
identify(struct store_txn *txn)
{
	uint64_t *number = &txn->store->number;

	*number = number_get(txn, NUMBER_STORE);
	while (*number == 0) {
		arc4random_buf(number, sizeof(*number));
		number_put(txn, NUMBER_STORE, *number);
	}
}

static bool
open_databases(struct store *s, struct error *err)
{
	struct store_txn *txn = store_begin(s, err);
	enum store_failure failure;
	size_t i;
	int rc;

	if (txn == NULL)
		return false;
	for (i = 0; i < DB_COUNT; i++) {
		rc = mdb_dbi_open(txn->txn, store_db_names[i], MDB_CREATE, &s->databases[i]);
		if (rc != 0) {
			store_abort(txn);
			return fail_env(s, rc, "open a database of it", err);
		}
	}
	if (!check_schema(txn, err)) {
		store_abort(txn);
		return false;
	}
	identify(txn);
	return store_commit(txn, &failure, err);
}

struct store *
store_open(const char *dir, const struct store_options *options, struct error *err)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL || (s->dir = strdup(options->name != NULL ? options->name : dir)) == NULL) {
		error_set(err, ERROR_TEMPORARY, "%s: out of memory", dir);
		free(s);
		return NULL;
	}
	s->dir_fd = s->lock_fd = s->data_fd = -1;
	s->size_max = options->size_max;
	(void)pthread_mutex_init(&s->spare_lock, NULL);
	if (!open_directory(s, dir, err) || !lock(s, err) || !open_env(s, dir, err)) {
		store_close(s);
		return NULL;
	}
	store_room_init(s, options->prealloc_step);
	s->mask = options->mask;
	if (!open_databases(s, err) || (options->replay != NULL && !store_journal_open(s, options->replay, err))) {
		store_close(s);
		return NULL;
	}
	return s;
}

uint64_t
store_number(const struct store *s)
{
	return s->number;
}

void
store_close(struct store *s)
{
	struct store_txn *txn;

	if (s == NULL)
		return;
	invariant(!s->writing);
	while ((txn = s->spare) != NULL) {
		s->spare = txn->next;
		txn_free(txn);
	}
	txn_free(s->writer);
	if (s->env != NULL)
		mdb_env_close(s->env);
	journal_close(s->journal);
	if (s->lock_fd != -1)
		(void)close(s->lock_fd);
	if (s->dir_fd != -1)
		(void)close(s->dir_fd);
	(void)pthread_mutex_destroy(&s->spare_lock);
	free(s->dir);
	free(s);
}

void
store_check_readers(struct store *s)
{
	int dead;

	(void)mdb_reader_check(s->env, &dead);
}
