/* SPDX-License-Identifier: ISC */
/*
 * Every limit of resolver, by name: what a domain may make us spend (SECURITY D01, D02, D05), and what the caches may
 * hold.
 */
#ifndef RESOLVER_LIMITS_H
#define RESOLVER_LIMITS_H

/* clang-format off */
#define RESOLVER_LIMITS(L) \
	L(RESOLVER_CNAMES_MAX,        8, "aliases followed from a name") \
	L(RESOLVER_MX_MAX,           20, "MX hosts of a domain, the preferred ones") \
	L(RESOLVER_ADDRESSES_MAX,     8, "addresses of a host") \
	L(RESOLVER_ROUTE_MS,      30000, "milliseconds of a whole lookup, all its queries") \
	L(RESOLVER_ROUTES_MAX,     4000, "lookups at a time") \
	L(RESOLVER_OWN_MAX,        1024, "own addresses, to tell an MX that is us") \
	L(RESOLVER_HOSTS_MAX,      1000, "names taken from /etc/hosts") \
	L(RESOLVER_MSG_CACHE_KIB,  1024, "KiB of answers kept") \
	L(RESOLVER_RRSET_CACHE_KIB, 2048, "KiB of records kept") \
	L(RESOLVER_SERVERS_MAX,    1000, "name servers whose speed is kept") \
	L(RESOLVER_QUERIES_MAX,     256, "queries on the network at a time") \
	L(RESOLVER_TCP_MAX,          20, "of them by TCP")
/* clang-format on */

enum {
#define L(name, value, meaning) name = value,
	RESOLVER_LIMITS(L)
#undef L
};

#endif
