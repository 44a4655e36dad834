/* SPDX-License-Identifier: ISC */
/*
 * Who is at the other end of the control socket, by what the kernel says (SO_PEERCRED, SO_PEERGROUPS), never by what the
 * client says.
 */
#ifndef CTL_IDENTITY_H
#define CTL_IDENTITY_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

struct identity {
	uid_t uid;
	bool administrator; /* root, who started the daemon, or of the group _posternadm */
};

/* Looks up the group of administrators, which need not exist, and who we are still. Before confinement. */
void identity_init(void);

/*
 * Who connected fd. Returns false and sets err when the kernel does not say, or when it is a uid that stands for
 * something else in our messages.
 */
bool identity_of_peer(int fd, struct identity *out, struct error *err);

/* The owner of the mail that a client may see and change: PROTO_OWNER_ANY for an administrator, else the uid. */
uint64_t identity_owner(const struct identity *who);

#endif
