/* SPDX-License-Identifier: ISC */
/*
 * One message at the end of an mbox: under the two locks that mail readers respect (fcntl(2), then NAME.lock), after the
 * file was seen to be one that may be written to. A failure takes the file back to its old length; a process that is killed
 * half-way leaves a part of a message, which the next delivery keeps apart from its own. Success means synced.
 *
 * Lines that begin with ">"s and "From " get one more ">" (the mboxrd way, which can be undone exactly).
 */
#ifndef MAILBOX_MBOX_H
#define MAILBOX_MBOX_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/str.h"
#include "mailbox/limits.h"
#include "mailbox/outcome.h"

struct mbox_owner {
	uid_t uid;
	gid_t mail_gid; /* the one group that may have write access; (gid_t)-1: none */
};

struct mbox {
	int dir; /* -1: not open */
	int fd;
	off_t old_length;
	bool created;
	bool locked; /* the lock file is ours */
	char lock[MAILBOX_NAME_MAX + 1];
	size_t matched; /* bytes of "From " at the front of this line that are held back */
	bool at_quotes; /* only ">" since the line began */
	char last;      /* byte written last, for the blank line at the end */
	struct buf out;
};

enum mbox_begun { MBOX_OPEN, MBOX_BUSY, MBOX_FAILED };

/* Learns what this machine's lock files say. Before confinement. */
void mbox_init(const char *host);

/*
 * Opens, checks and locks the mbox at path below root_fd. MBOX_BUSY: somebody holds a lock; nothing is left open, try again
 * in MBOX_LOCK_RETRY_MS. MBOX_FAILED: o is filled. Both say in o what they met. now_s is the calendar's time.
 */
enum mbox_begun mbox_begin(
    struct mbox *m, int root_fd, const char *path, struct mbox_owner owner, int64_t now_s, struct outcome *o);

/* The line before the message: the reverse-path ("" for a bounce) and the time in UTC. */
bool mbox_write_from(struct mbox *m, struct str reverse_path, int64_t now_s, struct outcome *o);

/* Appends lines that end in LF, quoted; cut anywhere. */
bool mbox_write(struct mbox *m, const char *data, size_t len, struct outcome *o);

/* Ends the message, syncs, unlocks and closes. On failure the old length is back. */
bool mbox_commit(struct mbox *m, struct outcome *o);

/* Takes the file back to its old length, unlocks and closes. Does nothing after commit, and on a failed begin. */
void mbox_abort(struct mbox *m);

#endif
