/* SPDX-License-Identifier: ISC */
/*
 * The directories that the daemon lives in: the spool, owned by the queue's account; the runtime directory, root's, with
 * the sockets and an empty directory for chroot. What is there already is taken only when nobody else could have put it
 * there. A lock on the runtime directory keeps a second daemon away.
 */
#ifndef PARENT_PLACE_H
#define PARENT_PLACE_H

#include <stdbool.h>

#include "common/error.h"

/* Makes or checks both, and takes the lock. Returns false and sets err: the path, what is wrong with it. */
bool place_prepare(const char *spool, const char *runtime, bool privileged, struct error *err);

/* Writes our process id into the lock, for the message to a second daemon. After the last fork. */
void place_note_pid(void);

/* The empty directory, for chroot. */
const char *place_empty(void);

#endif
