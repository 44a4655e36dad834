/* SPDX-License-Identifier: ISC */
/*
 * Starting a process: its program is opened once, at the daemon's start, and executed by descriptor, so that an upgrade
 * of the files never mixes two versions, and a recipient needs no way to our directory to run the mailbox program.
 */
#ifndef PARENT_SPAWN_H
#define PARENT_SPAWN_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/proto.h"

/* Who a process becomes before it is executed; the others change by themselves. */
struct spawn_user {
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t groups_count;
};

/*
 * Opens the programs: beside this one's executable, or, where that is installed in .../sbin, in ../libexec/postern. Returns
 * false and sets err when one is missing.
 */
bool spawn_prepare(struct error *err);

/*
 * Starts a process of that kind with one end of a new pair on descriptor 3 and log_fd on 4, and nothing else. user NULL: as
 * we are. Returns its id and sets *channel_fd, the other end; -1 with err set when it cannot be started.
 */
pid_t spawn(enum proto_kind kind, uint64_t instance, int log_fd, const struct spawn_user *user, int *channel_fd,
    struct error *err);

#endif
