/* SPDX-License-Identifier: ISC */
/*
 * One message into a Maildir: written to tmp, synced, and then renamed to new, so that whoever reads new finds whole
 * messages only, whatever fails and whenever the process or the machine stops. Success means that the file and its name are
 * on disk.
 */
#ifndef MAILBOX_MAILDIR_H
#define MAILBOX_MAILDIR_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailbox/limits.h"
#include "mailbox/outcome.h"

struct maildir {
	int tmp; /* the directories; -1: not open */
	int new;
	int fd; /* the message in tmp; -1: none */
	char name[MAILBOX_NAME_MAX + 1];
};

/* Learns what the names of this process' files are made of. Before confinement. */
void maildir_init(const char *host);

/*
 * Begins a message in the Maildir at path below root_fd, which is made when it is missing; in its folder ("" or ".ext")
 * where that is there. Every directory must belong to uid. Returns false with o filled, nothing left open.
 */
bool maildir_begin(struct maildir *m, int root_fd, const char *path, const char *folder, uid_t uid, struct outcome *o);

bool maildir_write(struct maildir *m, const char *data, size_t len, struct outcome *o);

/* Syncs and publishes the message. Whatever the outcome, m is closed; on failure nothing is left in tmp or new. */
bool maildir_commit(struct maildir *m, struct outcome *o);

/* Drops the message. Does nothing after commit, and on a failed begin. */
void maildir_abort(struct maildir *m);

/* The unique name of file number counter at this time, to dst of MAILBOX_NAME_MAX + 1 bytes. */
void maildir_name(int64_t time_s, unsigned micro_s, unsigned counter, uint64_t random, char *dst);

#endif
