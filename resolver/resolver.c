/* SPDX-License-Identifier: ISC */
/* resolver(8): speaks with the DNS, and tells relay which hosts take a domain's mail. */
#include <sys/socket.h>

#include <netinet/in.h>

#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hostname.h"
#include "common/process.h"
#include "resolver/lookup.h"
#include "resolver/route.h"

enum { DNS_PORT = 53, DNS_TLS_PORT = 853, PORT_MAX = 65535 };

static char own_name[PROTO_NAME_MAX + 1];

static void
place(const struct process_setup *setup, struct sandbox_place *out)
{
	static char root[512];
	struct str address, port;
	uint64_t number;

	(void)snprintf(root, sizeof(root), "%s/empty", setup->config->runtime);
	out->root = root;
	out->account = "_postern";
	sandbox_allow_port(out, DNS_PORT);
	sandbox_allow_port(out, DNS_TLS_PORT);
	if (setup->config->dns_server != NULL && str_cut(str_of(setup->config->dns_server), '@', &address, &port) &&
	    str_to_u64(port, PORT_MAX, &number))
		sandbox_allow_port(out, (uint16_t)number);
}

/* --- what routes need --- */

static const struct route_world world = { lookup_start, lookup_cancel, arc4random_uniform };

static void
send_host(void *owner, uint64_t id, const struct msg_route_host *host)
{
	struct peer *relay = owner;

	channel_send(relay->channel, PROTO_ROUTE_HOST_TYPE, id, host);
}

static void
send_end(void *owner, uint64_t id, enum proto_route status, const char *text)
{
	struct peer *relay = owner;

	SEND(relay->channel, ROUTE_END, route_end, id, .status = status, .text = str_of(text));
}

static const struct route_calls calls = { send_host, send_end };

/*
 * Loopback is not among them: relay refuses it anyway, and where the configuration makes it a private destination, it
 * is meant to be one.
 */
static void
add_own(const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		if (ntohl(v4.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
			routes_add_own((struct str){ (const char *)&v4.sin_addr, sizeof(v4.sin_addr) });
	} else if (address->sa_family == AF_INET6) {
		memcpy(&v6, address, sizeof(v6));
		if (!IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr))
			routes_add_own((struct str){ (const char *)&v6.sin6_addr, sizeof(v6.sin6_addr) });
	}
}

static bool
find_own(struct error *err)
{
	struct ifaddrs *list, *i;

	if (getifaddrs(&list) == -1)
		return error_set(err, ERROR_TEMPORARY, "own addresses: %s", strerror(errno));
	for (i = list; i != NULL; i = i->ifa_next)
		if (i->ifa_addr != NULL)
			add_own(i->ifa_addr);
	freeifaddrs(list);
	return true;
}

static bool
open_all(const struct process_setup *setup, struct error *err)
{
	if (!hostname_get(own_name, sizeof(own_name)))
		return error_set(
		    err, ERROR_PERMANENT, "this machine's name is no domain name: expected one in /etc/mailname");
	routes_init(own_name, &world, &calls);
	return find_own(err) && lookup_open(setup->config, err);
}

/* --- peers --- */

static void
peer_gone(struct peer *peer)
{
	routes_forget(peer);
}

static bool
on_route_ask(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)fd;
	return route_ask(peer, id, msg->route_ask.domain, msg->route_ask.mx);
}

static bool
on_status_ask(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)msg;
	(void)fd;
	SEND(peer->channel, STATUS_VALUE, status_value, id, .name = S("dns.routes"), .value = routes_count());
	SEND(peer->channel, STATUS_VALUE, status_value, id, .name = S("dns.queries"), .value = lookup_count());
	SEND(peer->channel, ANSWER_END, answer_end, id, .ok = true, .count = 2);
	return true;
}

static const struct process resolver = {
	.kind = PROTO_KIND_RESOLVER,
	.name = "resolver",
	.place = place,
	.open = open_all,
	.peer_gone = peer_gone,
	.handlers = {
		[PROTO_ROUTE_ASK_TYPE] = on_route_ask,
		[PROTO_STATUS_ASK_TYPE] = on_status_ask,
	},
};

int
main(int argc, char **argv)
{
	return process_run(&resolver, argc, argv);
}
