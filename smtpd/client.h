/* SPDX-License-Identifier: ISC */
/*
 * What strangers have of this worker, by address and by network (/24 of IPv4, /64 of IPv6): the sessions they have open,
 * and the connections they made in the running minute. An IPv6 client has a whole /64 to connect from: its connections
 * count by that. What is kept of a client that has gone is bounded, and for a minute.
 */
#ifndef SMTPD_CLIENT_H
#define SMTPD_CLIENT_H

#include <sys/socket.h>

#include <stddef.h>
#include <stdint.h>

#include "smtpd/reply.h"

struct client;

/* Where a session is counted; all NULL: nowhere. */
struct client_place {
	struct client *address;
	struct client *network;
};

/*
 * A connection of peer, IPv4 or IPv6, at now_ms of a clock that never jumps. Returns REPLY_GREETING, the session counted
 * in *place until client_leave; or, where a limit is reached, the reply that says so, and counts the connection only.
 */
enum reply client_enter(struct client_place *place, const struct sockaddr *peer, int64_t now_ms);
void client_leave(struct client_place *place, int64_t now_ms);

/* Clients that are remembered, with sessions or without. */
size_t client_count(void);

#endif
