/* SPDX-License-Identifier: ISC */
/*
 * The sockets to accept on: made of the configuration's listeners at start, by root, or taken over from whoever started
 * the daemon (systemd's socket activation), and kept open here, so that a connection that comes while a worker is being
 * restarted waits and is not refused.
 */
#ifndef PARENT_LISTEN_H
#define PARENT_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/error.h"

struct listen_socket {
	uint64_t id; /* of LISTENER: index of the listener in the configuration, or enum proto_socket */
	int fd;
	char name[128]; /* "192.0.2.1:25", "[::1]:25", or a path */
};

/*
 * Opens all. Returns false and sets err: which listener, what was expected. Addresses and interfaces that are missing are
 * an error; "all" is 0.0.0.0 and ::, "egress" the addresses of interfaces with a default route.
 */
bool listen_open(const struct config *config, struct error *err);

/* All of them; *count says how many. */
const struct listen_socket *listen_sockets(size_t *count);

/* Removes the paths that we made. */
void listen_close(void);

#endif
