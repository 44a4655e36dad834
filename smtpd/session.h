/* SPDX-License-Identifier: ISC */
/*
 * One client: its connection, what it may say next, the transaction it has open. The bytes come in by input.c, commands
 * are run by command.c, a transaction's conversation with router and queue is transaction.c; all of them change the state
 * by session_enter only.
 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "common/buf.h"
#include "common/loop.h"
#include "common/proto.h"
#include "common/tree.h"
#include "smtpd/client.h"
#include "smtpd/reply.h"

enum session_state {
	STATE_START,   /* greeted, no EHLO or HELO yet */
	STATE_READY,   /* between transactions */
	STATE_MAIL,    /* MAIL accepted */
	STATE_RCPT,    /* at least one RCPT accepted */
	STATE_DATA,    /* after 354 */
	STATE_STORE,   /* the queue is storing it */
	STATE_CLOSING, /* the last reply is on its way */
	STATE_COUNT
};

struct channel_fd;
struct listener;
struct transaction;

struct session {
	uint64_t id;
	RB_ENTRY(session) entry;
	const struct listener *listener;
	int fd;
	struct channel_fd *shared_fd; /* the same, for the router */
	enum session_state state;
	bool local;                 /* a client of this machine: the limits against strangers do not hold */
	bool dsn;                   /* is offered DSN (RFC 3461) */
	bool extended;              /* said EHLO */
	bool ending;                /* close when the output is written */
	bool refused;               /* was never served */
	bool moved;                 /* in this turn, by more than bytes of a command: its time-out starts again */
	bool closed;                /* to be reaped: nothing more happens */
	uint64_t router_generation; /* which router was told of us; 0: none */
	char address[64];           /* "192.0.2.1:1234", "[2001:db8::1]:1234", "local:UID" */
	char client[64];            /* the address alone */
	struct client_place place;  /* where it is counted, of a stranger */
	char helo[ADDRESS_DOMAIN_MAX + 1];
	unsigned errors;
	unsigned unknown_rcpts;
	unsigned idle_commands;
	unsigned mails;
	bool skipping; /* within a line that is too long */
	size_t skipped;
	struct buf in; /* what is not taken yet: part of a line, or commands that have to wait */
	struct buf out;
	struct loop_fd readable;
	struct loop_fd writable;
	struct loop_timer timeout;
	struct loop_timer penalty; /* runs: input waits */
	struct loop_hook at_end;
	struct transaction *transaction; /* NULL outside of one */
};

/* Takes fd, accepted on listener. Greets. Refuses with 421 where a limit is reached. */
void session_new(const struct listener *listener, int fd, const struct sockaddr *peer);

/* The only change of a session's state: starts the state's time-out. */
void session_enter(struct session *s, enum session_state state);

/* Replies; a 4xx or 5xx code counts as an error. detail: see reply_write. */
void session_reply(struct session *s, enum reply reply, const char *detail);

/* Likewise, where what it refuses was told to history already. */
void session_say(struct session *s, enum reply reply, const char *detail);

/* Adds a reply of the router's. */
void session_reply_raw(struct session *s, unsigned code, struct str enhanced, struct str text);

/* Adds bytes that a reply consists of, as they are. */
void session_write(struct session *s, struct str bytes);

/* Replies, and closes when that is written. */
void session_end(struct session *s, enum reply reply);

/* Something that input waited for has come: takes up the input again at the turn's end. */
void session_wake(struct session *s);

/* Closes now. Its transaction is aborted. */
void session_close(struct session *s, const char *reason);

struct session *session_find(uint64_t id);
struct session *session_next(struct session *after); /* NULL begins, and ends */
size_t session_count(void);
size_t session_count_local(void);
uint64_t session_count_connected(void); /* since the start */

/* Draining: idle sessions end, others when their transaction is over; then fn is called. */
void session_drain_all(void (*fn)(void));
bool session_draining(void);

/* True when so many sessions are open that strangers' time-outs are short. */
bool session_stress(void);

/* Before sessions: the worker's number, the server name, how many there may be. Keeps hostname. */
void session_configure(uint64_t instance, const char *hostname, size_t max);
const char *session_hostname(const struct session *s); /* of its listener */

#endif
