/* SPDX-License-Identifier: ISC */
#include "queue/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

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

static int
check_spool(const char *spool)
{
	struct store_options options = { .size_max = (uint64_t)64 << 30 };
	struct store_txn *txn;
	struct error err;
	struct store *store = store_open(spool, &options, &err);
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
