/* SPDX-License-Identifier: ISC */
/*
 * A TCP connection to a server and the client that speaks over it: connects without blocking, moves bytes between the
 * socket and the client, one read and one write a step, and keeps the client's deadline. What it is used for, and for
 * how long, its owner decides.
 */
#ifndef RELAY_CONNECTION_H
#define RELAY_CONNECTION_H

#include <sys/queue.h>
#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "common/proto_table.h"
#include "relay/client.h"

struct connection;
struct destination;
struct attempt;

struct connection_calls {
	void (*opened)(struct connection *n);                           /* the session is open, the client READY */
	void (*refused)(struct connection *n, const struct reply *why); /* no connection, or no session */
	void (*over)(struct connection *n, struct job *job);            /* as client_calls says */
	void (*again)(struct connection *n, struct job *job);           /* likewise */
	void (*closed)(struct connection *n); /* the last call, always made: it is freed at the turn's end */
};

struct connection {
	LIST_ENTRY(connection) in_destination;
	struct destination *destination; /* the owner's, as are the next three */
	struct attempt *attempt;         /* that made it and waits for the session; else NULL */
	const void *action;
	uint64_t used_at; /* order of last use */

	int fd;
	bool connecting;
	bool closed;
	struct sockaddr_storage address;
	socklen_t address_len;
	char hop[PROTO_NAME_MAX + 1];
	char helo[PROTO_NAME_MAX + 1];
	int64_t connect_by_ms;
	int64_t timer_at_ms;
	const struct connection_calls *calls;
	struct loop_fd readable;
	struct loop_fd writable;
	struct loop_timer timer;
	struct loop_hook flush;
	struct client client;
};

/*
 * Begins to connect to address. hop names the server in results, helo is what we call ourselves; both are copied and
 * cut. Returns NULL, with a temporary reply in why, when not even that is possible (no descriptor); else calls follow.
 */
struct connection *connection_open(const struct sockaddr *address, socklen_t len, const char *hop, const char *helo,
    const struct connection_calls *calls, struct reply *why);

/* Likewise for a socket that is connected already: for tests. */
struct connection *connection_adopt(int fd, const char *hop, const char *helo, const struct connection_calls *calls);

/*
 * Whether it may be given a job: the session is open, no transaction runs, and the socket holds nothing that was not
 * asked for. Looks at the socket.
 */
bool connection_is_usable(struct connection *n);

/* Begins the transaction of job; connection_is_usable was true in this turn. */
void connection_send(struct connection *n, struct job *job);

/* A piece of the message of the job that its client has. */
void connection_piece(struct connection *n, struct str bytes);

/* There is no piece: closes in the middle of the message; why is for those who have no result yet. */
void connection_cancel(struct connection *n, const struct reply *why);

/* Says QUIT where it can be said, and closes after the answer. No transaction runs. */
void connection_quit(struct connection *n);

/* Gives up at once; a job in transaction is let go of without result. `closed` is called. */
void connection_abort(struct connection *n);

#endif
