/* SPDX-License-Identifier: ISC */
#include "queue/anonymity.h"

#include <arpa/inet.h>
#include <string.h>

/* Of the one entry that is being written. */
static char from_text[PROTO_ADDRESS_MAX + 1], to_text[PROTO_ADDRESS_MAX + 1], origin_text[PROTO_NAME_MAX + 1];

/* The null reverse-path is nobody's. */
static struct str
mask_address(struct str address, char *dst, size_t size)
{
	struct str local, domain;

	if (address.len == 0)
		return address;
	dst[0] = '*';
	dst[1] = '@';
	if (!str_cut_last(address, '@', &local, &domain) || !str_copy(domain, dst + 2, size - 2))
		return S("*");
	return str_of(dst);
}

/* The network that a client is in: a /24 of IPv4, a /48 of IPv6, as is customary. */
static struct str
mask_network(struct str text, char *dst, size_t size)
{
	enum { IPV4_KEPT = 3, IPV6_KEPT = 6 };
	unsigned char bytes[sizeof(struct in6_addr)] = { 0 };
	char address[INET6_ADDRSTRLEN];

	if (!str_copy(text, address, sizeof(address)))
		return S("");
	if (inet_pton(AF_INET, address, bytes) == 1) {
		memset(bytes + IPV4_KEPT, 0, sizeof(struct in_addr) - IPV4_KEPT);
		(void)inet_ntop(AF_INET, bytes, dst, (socklen_t)size);
	} else if (inet_pton(AF_INET6, address, bytes) == 1) {
		memset(bytes + IPV6_KEPT, 0, sizeof(bytes) - IPV6_KEPT);
		(void)inet_ntop(AF_INET6, bytes, dst, (socklen_t)size);
	} else {
		return S("");
	}
	return str_of(dst);
}

/* "192.0.2.1:1234", "[2001:db8::1]:1234", either without its port, "local:UID", "dsn". */
static struct str
mask_origin(struct str origin, char *dst, size_t size)
{
	struct str address, rest;

	if (str_starts_nocase(origin, S("local:")))
		return S("local");
	if (str_equal(origin, S("dsn")))
		return origin;
	if (origin.len > 0 && origin.ptr[0] == '[') {
		(void)str_cut((struct str){ origin.ptr + 1, origin.len - 1 }, ']', &address, &rest);
		return mask_network(address, dst, size);
	}
	if (memchr(origin.ptr, '.', origin.len) != NULL) {
		(void)str_cut(origin, ':', &address, &rest);
		return mask_network(address, dst, size);
	}
	return mask_network(origin, dst, size);
}

void
anonymity_mask(uint64_t time_us, enum record_event event, struct record_history *record)
{
	struct str user;

	(void)time_us;
	record->from = mask_address(record->from, from_text, sizeof(from_text));
	record->to = mask_address(record->to, to_text, sizeof(to_text));
	if (event != EVENT_REMOVED)
		record->origin = mask_origin(record->origin, origin_text, sizeof(origin_text));
	/* Behind the action's name is a user's, or a domain that stands in the address as well. */
	(void)str_cut(record->destination, '/', &record->destination, &user);
	/* What a server or we said may name anybody in any form. */
	record->text = record->helo = record->message_id = S("");
	record->owner = PROTO_OWNER_NONE;
}
