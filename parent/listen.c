/* SPDX-License-Identifier: ISC */
#include "parent/listen.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/proto.h"
#include "parent/limits.h"

enum { INHERITED_FIRST = 3 }; /* sd_listen_fds(3) */

static struct {
	struct listen_socket sockets[PARENT_SOCKETS_MAX];
	size_t count;
	bool ours[PARENT_SOCKETS_MAX]; /* a path that we made, and remove */
	int inherited_end;             /* descriptors from INHERITED_FIRST up to here came from who started us */
	bool taken[PARENT_SOCKETS_MAX];
} listening;

static void
name_address(const struct sockaddr *address, char *out, size_t size)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
	char text[INET6_ADDRSTRLEN] = "";

	if (address->sa_family == AF_INET) {
		(void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		(void)snprintf(out, size, "%s:%u", text, ntohs(in->sin_port));
	} else if (address->sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		(void)snprintf(out, size, "[%s]:%u", text, ntohs(in6->sin6_port));
	} else {
		(void)snprintf(out, size, "%s", ((const struct sockaddr_un *)(const void *)address)->sun_path);
	}
}

/* --- sockets that were handed to us --- */

static void
count_inherited(void)
{
	const char *count = getenv("LISTEN_FDS");
	const char *pid = getenv("LISTEN_PID");
	uint64_t n = 0, owner = 0;

	if (count != NULL && pid != NULL && str_to_u64(str_of(count), PARENT_SOCKETS_MAX, &n) &&
	    str_to_u64(str_of(pid), INT32_MAX, &owner) && owner == (uint64_t)getpid())
		listening.inherited_end = INHERITED_FIRST + (int)n;
}

/* The one that is bound to this address already, -1 when there is none. */
static int
take_inherited(const struct sockaddr *address, socklen_t len)
{
	char wanted[128], got[128];
	int fd;

	name_address(address, wanted, sizeof(wanted));
	(void)len;
	for (fd = INHERITED_FIRST; fd < listening.inherited_end; fd++) {
		struct sockaddr_storage bound = { 0 };
		socklen_t bound_len = sizeof(bound);
		if (listening.taken[fd - INHERITED_FIRST] ||
		    getsockname(fd, (struct sockaddr *)&bound, &bound_len) == -1)
			continue;
		name_address((const struct sockaddr *)&bound, got, sizeof(got));
		if (strcmp(wanted, got) != 0)
			continue;
		listening.taken[fd - INHERITED_FIRST] = true;
		return fd;
	}
	return -1;
}

/* --- sockets of our own --- */

/*
 * What connections inherit from the socket they are accepted on costs no call for each: replies leave at once, being whole
 * when they are written, and a client that is gone without a word is noticed in the end.
 */
static bool
set_options(int fd, int family)
{
	int one = 1;

	return family == AF_UNIX ||
	    (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) == 0);
}

static int
bind_address(const struct sockaddr *address, socklen_t len)
{
	int one = 1;
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1)
		return -1;
	if (set_options(fd, address->sa_family) &&
	    (address->sa_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
	    bind(fd, address, len) == 0 && listen(fd, PARENT_BACKLOG) == 0)
		return fd;
	one = errno;
	(void)close(fd);
	errno = one;
	return -1;
}

static bool
add_socket(uint64_t id, const struct sockaddr *address, socklen_t len, struct error *err)
{
	struct listen_socket *s = &listening.sockets[listening.count];
	bool ours = false;
	int fd;

	if (listening.count == PARENT_SOCKETS_MAX)
		return error_set(err, ERROR_PERMANENT, "more than %d sockets to listen on", PARENT_SOCKETS_MAX);
	name_address(address, s->name, sizeof(s->name));
	fd = take_inherited(address, len);
	if (fd == -1) {
		if (address->sa_family == AF_UNIX)
			(void)unlink(s->name); /* of an earlier run: the lock says that it is over */
		fd = bind_address(address, len);
		ours = address->sa_family == AF_UNIX;
	}
	if (fd == -1)
		return error_set(err, ERROR_PERMANENT, "cannot listen on %s: %s", s->name, strerror(errno));
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 || fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		return error_set(err, ERROR_PERMANENT, "%s: %s", s->name, strerror(errno));
	s->id = id;
	s->fd = fd;
	listening.ours[listening.count++] = ours;
	return true;
}

/* A socket that every local user may connect to, in a directory that only root may change. */
static bool
add_path(uint64_t id, const char *runtime, const char *name, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", runtime, name) >=
	    (int)sizeof(address.sun_path))
		return error_set(err, ERROR_PERMANENT, "%s/%s: too long for a socket", runtime, name);
	if (!add_socket(id, (const struct sockaddr *)&address, sizeof(address), err))
		return false;
	if (chmod(address.sun_path, 0666) == -1)
		return error_set(err, ERROR_PERMANENT, "%s: chmod: %s", address.sun_path, strerror(errno));
	return true;
}

/* --- names of listeners --- */

static bool
family_fits(const struct config_listener *l, int family)
{
	return (family == AF_INET && l->family != CONFIG_FAMILY_INET6) ||
	    (family == AF_INET6 && l->family != CONFIG_FAMILY_INET4);
}

/* Adds the address with the listener's port; counts what was added. */
static bool
add_inet(const struct config_listener *l, const struct sockaddr *from, size_t *added, struct error *err)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (!family_fits(l, from->sa_family))
		return true;
	(*added)++;
	if (from->sa_family == AF_INET) {
		in = *(const struct sockaddr_in *)(const void *)from;
		in.sin_port = htons(l->port);
		return add_socket(l->index, (const struct sockaddr *)&in, sizeof(in), err);
	}
	in6 = *(const struct sockaddr_in6 *)(const void *)from;
	in6.sin6_port = htons(l->port);
	return add_socket(l->index, (const struct sockaddr *)&in6, sizeof(in6), err);
}

static bool
add_wildcards(const struct config_listener *l, size_t *added, struct error *err)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has_inet6 = probe != -1;

	if (has_inet6)
		(void)close(probe);
	return add_inet(l, (const struct sockaddr *)&in, added, err) &&
	    (!has_inet6 || add_inet(l, (const struct sockaddr *)&in6, added, err));
}

/* Names of interfaces that carry a default route: the first column of a row whose destination is all zero. */
static bool
has_default_route(const char *interface)
{
	char line[512], name[IF_NAMESIZE + 1];
	bool found = false;
	FILE *f = fopen("/proc/net/route", "re");

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		struct str rest = str_of(line), word;
		(void)str_cut(rest, '\t', &word, &rest);
		found = str_copy(word, name, sizeof(name)) && strcmp(name, interface) == 0 && rest.len > 9 &&
		    memcmp(rest.ptr, "00000000\t", 9) == 0;
	}
	if (f != NULL)
		(void)fclose(f);
	return found;
}

static bool
add_interface(const struct config_listener *l, size_t *added, struct error *err)
{
	const char *name = strcmp(l->on, "lo0") == 0 ? "lo" : l->on;
	bool egress = strcmp(name, "egress") == 0;
	struct ifaddrs *all = NULL, *i;
	bool ok = true;

	if (getifaddrs(&all) == -1)
		return error_set(err, ERROR_TEMPORARY, "addresses of this machine: %s", strerror(errno));
	for (i = all; i != NULL && ok; i = i->ifa_next) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)i->ifa_addr;
		if (i->ifa_addr == NULL || (egress ? !has_default_route(i->ifa_name) : strcmp(i->ifa_name, name) != 0))
			continue;
		if (i->ifa_addr->sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) && egress)
			continue;
		ok = add_inet(l, i->ifa_addr, added, err);
	}
	freeifaddrs(all);
	return ok;
}

/* An address, or a host name of this machine with all its addresses. */
static bool
add_host(const struct config_listener *l, size_t *added, struct error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC };
	struct addrinfo *all = NULL, *i;
	bool ok = true;
	int result = getaddrinfo(l->on, NULL, &hints, &all);

	if (result != 0)
		return error_set(err, ERROR_PERMANENT,
		    "%s:%u:%u: listen on %s: expected an interface, an address or a host name of this machine: %s",
		    l->place.file, l->place.line, l->place.column, l->on, gai_strerror(result));
	for (i = all; i != NULL && ok; i = i->ai_next)
		ok = add_inet(l, i->ai_addr, added, err);
	freeaddrinfo(all);
	return ok;
}

static bool
add_listener(const struct config_listener *l, struct error *err)
{
	struct error cause;
	size_t added = 0;
	bool ok;

	if (strcmp(l->on, "all") == 0)
		ok = add_wildcards(l, &added, &cause);
	else
		ok = add_interface(l, &added, &cause) && (added > 0 || add_host(l, &added, &cause));
	if (ok && added == 0)
		ok = error_set(&cause, ERROR_PERMANENT, "listen on %s: no address of that kind", l->on);
	return ok ||
	    error_set(err, cause.kind, "%s:%u:%u: %s", l->place.file, l->place.line, l->place.column, cause.text);
}

bool
listen_open(const struct config *config, struct error *err)
{
	const struct config_listener *l;

	count_inherited();
	if (!add_path(PROTO_SOCKET_CONTROL, config->runtime, "control.sock", err))
		return false;
	STAILQ_FOREACH (l, &config->listeners, next)
		if (!(l->socket ? add_path(l->index, config->runtime, "submit.sock", err) : add_listener(l, err)))
			return false;
	return true;
}

const struct listen_socket *
listen_sockets(size_t *count)
{
	*count = listening.count;
	return listening.sockets;
}

void
listen_close(void)
{
	size_t i;

	for (i = 0; i < listening.count; i++) {
		(void)close(listening.sockets[i].fd);
		if (listening.ours[i])
			(void)unlink(listening.sockets[i].name);
	}
	listening.count = 0;
}
