/* SPDX-License-Identifier: ISC */
/*
 * The sessions of smtpd's workers, as the router knows them: where the client is, taken from the connection itself, and the
 * listener it came by. A session belongs to the worker that opened it; another worker's id is no id.
 */
#ifndef ROUTER_SESSION_H
#define ROUTER_SESSION_H

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/proto.h"
#include "router/names.h"
#include "router/netaddr.h"

struct check;
LIST_HEAD(check_list, check);

struct session {
	RB_ENTRY(session) entry;
	uint64_t id;
	const struct config_listener *listener; /* NULL: the queue's own messages */
	struct netaddr client;
	char client_text[NETADDR_TEXT_MAX];
	char origin[NETADDR_TEXT_MAX + 8]; /* "192.0.2.1:1234", "[2001:db8::1]:25", "local:UID", "dsn" */
	bool local;                        /* the client is this machine */
	bool socket;                       /* it came by a socket in the file system */
	bool known;     /* false: the client had gone before it could be looked at; nothing is decided for it */
	uint32_t owner; /* uid of a local submitter, else PROTO_OWNER_NONE */
	struct check_list checks; /* those that wait */
};

RB_HEAD(session_tree, session);

/*
 * Fills in s from the connection fd, which stays the caller's. Returns false when fd is not a connection as the listener
 * accepts them: the worker lies, or is confused.
 */
bool session_look(struct session *s, const struct config_listener *listener, const struct names *names, int fd);

/* The session of mail that the queue makes itself. */
void session_be_queue(struct session *s);

/*
 * The session of a message that came long ago, from its origin as session_look or session_be_queue wrote it. What is not in
 * there is not known any more: the listener with its tag, the client's name. One that is no such text is of a client that is not known.
 */
void session_of_origin(struct session *s, const struct names *names, struct str origin);

/* Adds s to the tree. Returns false when its id is there already. */
bool session_add(struct session_tree *tree, struct session *s);

/* NULL when there is none. */
struct session *session_find(struct session_tree *tree, uint64_t id);
void session_remove(struct session_tree *tree, struct session *s);
struct session *session_first(struct session_tree *tree);

#endif
