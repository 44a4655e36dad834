/* SPDX-License-Identifier: ISC */
#include "queue/check.h"

#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "queue/arrival.h"
#include "queue/store.h"

static void
report(void *arg, const char *text)
{
	(void)arg;
	(void)printf("%s\n", text);
}

bool
check_is_asked(int argc, char **argv)
{
	return argc > 1 && strcmp(argv[1], "-C") == 0;
}

/*
 * A spool that is not there is not made; and root becomes whoever it belongs to, so that nothing is left behind that the
 * queue could not write. Sets *size to that of the store's file.
 */
static bool
approach(const char *spool, uint64_t *size, struct error *err)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/data.mdb", spool) >= (int)sizeof(path))
		return error_set(err, ERROR_PERMANENT, "%s: too long a path", spool);
	if (stat(path, &st) == -1)
		return error_set(err, ERROR_PERMANENT, "%s: expected the file of a store: %s", path, strerror(errno));
	*size = (uint64_t)st.st_size;
	if (geteuid() != 0 || st.st_uid == 0)
		return true;
	if (setgroups(0, NULL) == -1 || setresgid(st.st_gid, st.st_gid, st.st_gid) == -1 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) == -1)
		return error_set(err, ERROR_PERMANENT, "cannot become uid %u: %s", st.st_uid, strerror(errno));
	return true;
}

static struct store *
open_spool(const char *spool, struct error *err)
{
	struct store_options options = { .size_max = (uint64_t)64 << 30, .replay = arrival_replay };
	uint64_t size = 0;

	if (!approach(spool, &size, err))
		return NULL;
	if (size > options.size_max)
		options.size_max = size;
	return store_open(spool, &options, err);
}

static int
check_spool(const char *spool)
{
	struct store_txn *txn;
	struct error err;
	struct store *store = open_spool(spool, &err);
	uint64_t wrong;

	if (store == NULL) {
		(void)fprintf(stderr, "queue: %s\n", err.text);
		return EX_NOINPUT;
	}
	txn = store_read(store, &err);
	if (txn == NULL) {
		(void)fprintf(stderr, "queue: %s\n", err.text);
		store_close(store);
		return EX_NOINPUT;
	}
	wrong = store_check(txn, report, NULL);
	store_read_end(txn);
	store_close(store);
	(void)printf("%s: %" PRIu64 " %s\n", spool, wrong, wrong == 1 ? "finding" : "findings");
	return wrong == 0 ? EX_OK : 1;
}

int
check_run(int argc, char **argv)
{
	const char *command = NULL, *spool = "/var/spool/postern";
	int option;

	while ((option = getopt(argc, argv, "C:s:")) != -1) {
		switch (option) {
		case 'C': command = optarg; break;
		case 's': spool = optarg; break;
		default: command = NULL; break;
		}
	}
	if (command == NULL || strcmp(command, "check") != 0 || optind != argc) {
		(void)fprintf(stderr, "usage: queue -C check [-s spool]\n");
		return EX_USAGE;
	}
	return check_spool(spool);
}
