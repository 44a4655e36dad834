/* SPDX-License-Identifier: ISC */
/*
 * The SMTP client (RFC 5321 section 3): what is said over one connection, as a table of states and events. It does no
 * I/O: bytes of the server go in, bytes for the server gather in `out`, and whoever owns the connection says what was
 * written. That is how it knows that a reply is to a command which was really sent: one that comes early is never
 * counted, and only a 2xx behind the end of a message delivers it.
 */
#ifndef RELAY_CLIENT_H
#define RELAY_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/str.h"
#include "relay/extensions.h"
#include "relay/job.h"
#include "relay/reply.h"
#include "relay/writer.h"

enum client_state {
	CLIENT_GREETING, /* waits for the greeting */
	CLIENT_EHLO,     /* EHLO was sent */
	CLIENT_HELO,     /* HELO was, after EHLO was refused */
	CLIENT_READY,    /* between transactions */
	CLIENT_RSET,     /* RSET was sent, for a job that waits */
	CLIENT_MAIL,     /* waits for the reply to MAIL */
	CLIENT_RCPT,     /* to the next RCPT */
	CLIENT_DATA,     /* to DATA */
	CLIENT_BODY,     /* writes the message */
	CLIENT_DOT,      /* the end of it was written or waits to be: the reply that counts */
	CLIENT_QUIT,     /* QUIT was sent */
	CLIENT_CLOSED,   /* the connection is of no more use: close it */
	CLIENT_STATE_COUNT
};

struct client;

struct client_calls {
	/* The session is open: the client is READY for its first job. */
	void (*opened)(void *arg);
	/* There will be no session: what the server said or did, as a reply. The client is CLOSED. */
	void (*refused)(void *arg, const struct reply *why);
	/*
	 * The transaction is over and each recipient has its result. The client is READY or CLOSED. The callee ends the
	 * job.
	 */
	void (*over)(void *arg, struct job *job);
	/* A connection that had been used before was gone when the job came; nothing of it was answered. CLOSED. */
	void (*again)(void *arg, struct job *job);
};

struct client {
	enum client_state state;
	const struct client_calls *calls;
	void *arg;
	const char *helo;    /* name we give; lives as long as the client */
	const char *hop;     /* name of the server, for results; likewise */
	int64_t deadline_ms; /* of the state, on loop_now_ms's clock */
	struct buf out;
	uint64_t queued;      /* bytes that were ever put into out */
	uint64_t written;     /* bytes of them that were ever written */
	uint64_t command_end; /* where, on that count, the last single command ends; of MAIL while RCPTs are ahead */
	uint64_t data_end;    /* where DATA ends, 0 while it was not sent */
	struct extensions extensions;
	struct reply_parser parser;
	struct writer writer;
	unsigned messages;     /* transactions that were begun */
	bool left_over;        /* bytes stood behind the last reply: never used again */
	bool open_transaction; /* MAIL was accepted and no message followed: RSET before the next */

	struct job *job; /* in transaction, else NULL */
	size_t sent;     /* RCPTs that were put into out */
	size_t replied;  /* RCPTs that were answered */
	size_t accepted;
	bool mail_refused;
	uint64_t body_at; /* bytes of the message that went into the writer */
};

/* Begins: the connection has just been made. helo and hop are kept as views. */
void client_start(struct client *c, const char *helo, const char *hop, const struct client_calls *calls, void *arg);

/* Frees what it holds; a job in its hands is let go of without a result. */
void client_clear(struct client *c);

/* Whether it may be given a job. */
bool client_is_usable(const struct client *c);

/*
 * Whether the server takes a message of that size (RFC 1870 section 6.1: one that is over what it named is not even
 * offered). Else returns false and sets why.
 */
bool client_takes(const struct client *c, const struct job *job, struct reply *why);

/* Begins the transaction of job, which it holds until `over` or `again`. The client is usable. */
void client_send(struct client *c, struct job *job);

/* Whether the server still has to answer commands that were written, and we have nothing to say before it does. */
bool client_is_owed(const struct client *c);

/* The piece of the message that was asked for has come. */
void client_piece(struct client *c, struct str bytes);

/* The piece cannot be had: the message is broken off, the client CLOSED; who has no result yet is put off as why says. */
void client_cancel(struct client *c, const struct reply *why);

/* Says QUIT, where there is a session to say it in; else it is CLOSED. No transaction runs. */
void client_quit(struct client *c);

/* Bytes from the server. */
void client_input(struct client *c, struct str in);

/* The first n bytes of out were written, and are consumed. */
void client_written(struct client *c, size_t n);

/* The connection has ended: why, in a few words. */
void client_lost(struct client *c, const char *why);

/* The deadline of its state has passed. */
void client_timeout(struct client *c);

/* For tests and the log. */
const char *client_state_name(enum client_state state);

#endif
