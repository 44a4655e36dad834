/* SPDX-License-Identifier: ISC */
/*
 * Addresses and networks as conditions see them: IPv4, IPv6, or "local" (mail given in on this machine, without a
 * network). An IPv4 address mapped into IPv6 is the IPv4 address.
 */
#ifndef ROUTER_NETADDR_H
#define ROUTER_NETADDR_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"

enum netaddr_family { NETADDR_LOCAL, NETADDR_INET4, NETADDR_INET6 };

#define NETADDR_TEXT_MAX 48 /* with brackets, and the NUL */

struct netaddr {
	uint8_t family;
	uint8_t bits;      /* of the network; 32 and 128: one address */
	uint8_t bytes[16]; /* in network order, those behind the network's bits 0 */
};

/*
 * Reads "local", an address, or a network with its prefix: "192.0.2.1", "192.0.2.0/24", "10/8", "2001:db8::/32"; IPv6 also
 * in brackets, "[2001:db8::/32]", and with "IPv6:" before it. Bits behind the prefix are cleared. Returns false when text is
 * none of these.
 */
bool netaddr_parse(struct str text, struct netaddr *out);

/* The address of sa, without port; AF_UNIX is local. Returns false for other families. */
bool netaddr_of(const struct sockaddr *sa, struct netaddr *out);

/* The first bits bits of a. */
struct netaddr netaddr_network(const struct netaddr *a, unsigned bits);

bool netaddr_equal(const struct netaddr *a, const struct netaddr *b);

/* 127.0.0.0/8, ::1 and local: this machine, whatever its interfaces. */
bool netaddr_is_loopback(const struct netaddr *a);

/* Writes "192.0.2.1", "[2001:db8::1]" or "local". */
void netaddr_format(const struct netaddr *a, char out[NETADDR_TEXT_MAX]);

#endif
