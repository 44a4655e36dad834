/* SPDX-License-Identifier: ISC */
/* What a program that a user starts finds: descriptors, signals, and the directory of the daemon's sockets. */
#ifndef CTL_RUNTIME_H
#define CTL_RUNTIME_H

#define RUNTIME_PATH_MAX 4095

/*
 * Opens /dev/null for each of the descriptors 0, 1 and 2 that is closed, so that no socket becomes one of them (SECURITY
 * U03), and has writes to a closed pipe fail instead of killing.
 */
void runtime_init(void);

/*
 * The path of a socket in the runtime directory, POSTERN_RUNTIME or /run/postern, to dst of RUNTIME_PATH_MAX + 1 bytes; cut
 * when it is too long, which no socket's may be. Returns dst.
 */
const char *runtime_path(const char *name, char *dst);

#endif
