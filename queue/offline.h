/* SPDX-License-Identifier: ISC */
/*
 * queue -C WORK: what is done on a spool that no daemon uses, by posternctl(8), which says what is meant on its command
 * line. As confined as the queue of the daemon is: with the spool as its root, as whoever the spool belongs to, with the
 * same list of system calls; what is read or written besides are the descriptors 0 and 1 that it was given.
 */
#ifndef QUEUE_OFFLINE_H
#define QUEUE_OFFLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "queue/store.h"

enum {
	OFFLINE_OK = 0,
	OFFLINE_FINDINGS = 1, /* something is wrong with the spool, or not all could be done */
	OFFLINE_REFUSED = 2   /* nothing was done: the command line, no such spool, in use, not readable */
};

struct offline {
	const char *spool; /* its name in messages */
	char dir[4096];    /* where it is now: another name after chroot */
	uint64_t size_max; /* of its file */
	bool merge;        /* restore: also into a spool with mail */
	bool salvage;      /* export: from a damaged store */
	bool files;        /* export: as files, not as a backup */
};

/* Whether the command line asks for work on a spool rather than for the process of the daemon. */
bool offline_is_asked(int argc, char **argv);

/* Returns main's exit code, one of the above. */
int offline_run(int argc, char **argv);

/* For the works: opens the store, and gives up the last rights. NULL after telling why not. */
struct store *offline_open(const struct offline *o);

/* Says on standard error what failed; returns OFFLINE_REFUSED. */
int offline_refuse(const struct error *err);

#endif
