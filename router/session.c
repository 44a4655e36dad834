/* SPDX-License-Identifier: ISC */
#include "router/session.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/tree.h"

static int
compare(const struct session *a, const struct session *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

TREE_STATIC(session_tree, session, entry, compare);

bool
session_add(struct session_tree *tree, struct session *s)
{
	return RB_INSERT(session_tree, tree, s) == NULL;
}

struct session *
session_find(struct session_tree *tree, uint64_t id)
{
	struct session key = { .id = id };

	return RB_FIND(session_tree, tree, &key);
}

void
session_remove(struct session_tree *tree, struct session *s)
{
	RB_REMOVE(session_tree, tree, s);
}

struct session *
session_first(struct session_tree *tree)
{
	return RB_MIN(session_tree, tree);
}

/* --- the connection --- */

union address_room {
	struct sockaddr sa;
	struct sockaddr_un un;
	struct sockaddr_storage storage;
};

static bool
is_stream_connection(int fd)
{
	int type = 0, listening = 1;
	socklen_t type_len = sizeof(type), listening_len = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_STREAM &&
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &listening_len) == 0 && listening == 0;
}

static uint16_t
port_of(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)sa)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)(const void *)sa)->sin6_port);
}

static void
set_client(struct session *s, const struct netaddr *client)
{
	s->client = *client;
	netaddr_format(&s->client, s->client_text);
}

/*
 * Only the end that was accepted on a bound socket has a name. Without that test a worker could pass its channel to the
 * parent, whose peer is root, and mail would be root's.
 */
static bool
look_local(struct session *s, const struct sockaddr_un *self, socklen_t self_len, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (self_len <= offsetof(struct sockaddr_un, sun_path) || self->sun_path[0] == '\0')
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1 || peer.uid == (uid_t)-1)
		return false;
	s->known = true;
	s->local = true;
	s->owner = peer.uid;
	set_client(s, &(const struct netaddr){ .family = NETADDR_LOCAL });
	(void)snprintf(s->origin, sizeof(s->origin), "local:%u", s->owner);
	return true;
}

/* Who closed at once is known no more: that is no mistake of the worker's. */
static bool
look_inet(struct session *s, const struct sockaddr *self, const struct names *names, int fd)
{
	union address_room peer = { .storage = { 0 } };
	socklen_t len = sizeof(peer);
	struct netaddr own, client;

	s->owner = PROTO_OWNER_NONE;
	(void)snprintf(s->origin, sizeof(s->origin), "unknown");
	if (getpeername(fd, &peer.sa, &len) == -1)
		return errno == ENOTCONN || errno == EINVAL;
	if (peer.sa.sa_family == AF_UNIX || !netaddr_of(&peer.sa, &client) || !netaddr_of(self, &own))
		return false;
	s->known = true;
	set_client(s, &client);
	s->local = netaddr_equal(&client, &own) || names_is_own_address(names, &client);
	(void)snprintf(s->origin, sizeof(s->origin), "%s:%u", s->client_text, port_of(&peer.sa));
	return true;
}

bool
session_look(struct session *s, const struct config_listener *listener, const struct names *names, int fd)
{
	union address_room self = { .storage = { 0 } };
	socklen_t len = sizeof(self);

	s->listener = listener;
	s->socket = listener->socket;
	if (!is_stream_connection(fd) || getsockname(fd, &self.sa, &len) == -1)
		return false;
	if (listener->socket != (self.sa.sa_family == AF_UNIX))
		return false;
	return listener->socket ? look_local(s, &self.un, len, fd) : look_inet(s, &self.sa, names, fd);
}

void
session_be_queue(struct session *s)
{
	s->known = true;
	s->local = true;
	s->owner = PROTO_OWNER_NONE;
	set_client(s, &(const struct netaddr){ .family = NETADDR_LOCAL });
	(void)snprintf(s->origin, sizeof(s->origin), "dsn");
}

static bool
of_user(struct session *s, struct str uid)
{
	uint64_t number;

	if (!str_to_u64(uid, PROTO_OWNER_NONE - 1, &number))
		return false;
	s->local = s->socket = true;
	s->owner = (uint32_t)number;
	set_client(s, &(const struct netaddr){ .family = NETADDR_LOCAL });
	return true;
}

static bool
of_address(struct session *s, const struct names *names, struct str text)
{
	struct netaddr client;

	if (!netaddr_parse(text, &client) || client.family == NETADDR_LOCAL)
		return false;
	set_client(s, &client);
	s->local = names_is_own_address(names, &client);
	return true;
}

void
session_of_origin(struct session *s, const struct names *names, struct str origin)
{
	struct str head, tail;

	*s = (struct session){ .owner = PROTO_OWNER_NONE };
	if (str_equal(origin, S("dsn")))
		session_be_queue(s);
	else if (str_copy(origin, s->origin, sizeof(s->origin)) && str_cut_last(origin, ':', &head, &tail))
		s->known = str_equal(head, S("local")) ? of_user(s, tail) : of_address(s, names, head);
}
