/* SPDX-License-Identifier: ISC */
#include "router/netaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <stdio.h>
#include <string.h>

static void
clear_behind(struct netaddr *a)
{
	size_t i;

	for (i = 0; i < sizeof(a->bytes); i++) {
		unsigned keep = a->bits > 8 * i ? a->bits - (unsigned)(8 * i) : 0;
		if (keep < 8)
			a->bytes[i] &= (uint8_t)(0xff00u >> keep);
	}
}

/* An address mapped into IPv6 (RFC 4291 section 2.5.5.2) is what a dual-stack socket shows of an IPv4 client. */
static void
unmap(struct netaddr *a)
{
	static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	if (a->family != NETADDR_INET6 || a->bits < 96 || memcmp(a->bytes, prefix, sizeof(prefix)) != 0)
		return;
	a->family = NETADDR_INET4;
	a->bits = (uint8_t)(a->bits - 96);
	memmove(a->bytes, a->bytes + 12, 4);
	memset(a->bytes + 4, 0, 12);
}

/* One to four numbers joined by dots; fewer than four are the beginning of a network, which then has to have a prefix. */
static bool
parse_inet4(struct str text, struct netaddr *out, unsigned *numbers)
{
	struct str head = text, rest = text;
	uint64_t value;
	unsigned n = 0;
	bool more = true;

	memset(out, 0, sizeof(*out));
	while (more) {
		more = str_cut(rest, '.', &head, &rest);
		if (n == 4 || head.len > 3 || !str_to_u64(head, 255, &value))
			return false;
		out->bytes[n++] = (uint8_t)value;
	}
	out->family = NETADDR_INET4;
	*numbers = n;
	return true;
}

static bool
parse_inet6(struct str text, struct netaddr *out)
{
	char copy[INET6_ADDRSTRLEN];

	memset(out, 0, sizeof(*out));
	out->family = NETADDR_INET6;
	return str_copy(text, copy, sizeof(copy)) && inet_pton(AF_INET6, copy, out->bytes) == 1;
}

static bool
parse_address(struct str text, struct netaddr *out, unsigned *numbers)
{
	struct str tag = STR("ipv6:");

	*numbers = 4;
	if (memchr(text.ptr, ':', text.len) == NULL)
		return parse_inet4(text, out, numbers);
	if (str_starts_nocase(text, tag)) {
		text.ptr += tag.len;
		text.len -= tag.len;
	}
	return parse_inet6(text, out);
}

bool
netaddr_parse(struct str text, struct netaddr *out)
{
	struct netaddr a;
	struct str address, prefix;
	uint64_t bits, max;
	unsigned numbers;
	bool network;

	if (str_equal_nocase(text, S("local"))) {
		*out = (struct netaddr){ .family = NETADDR_LOCAL };
		return true;
	}
	if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']') {
		text.ptr++;
		text.len -= 2;
	}
	network = str_cut(text, '/', &address, &prefix);
	if (address.len == 0 || !parse_address(address, &a, &numbers))
		return false;
	max = a.family == NETADDR_INET4 ? 32 : 128;
	bits = max;
	if (network ? !str_to_u64(prefix, max, &bits) : numbers != 4)
		return false;
	a.bits = (uint8_t)bits;
	clear_behind(&a);
	unmap(&a);
	*out = a;
	return true;
}

bool
netaddr_of(const struct sockaddr *sa, struct netaddr *out)
{
	struct netaddr a = { 0 };

	switch (sa->sa_family) {
	case AF_UNIX: a.family = NETADDR_LOCAL; break;
	case AF_INET:
		a.family = NETADDR_INET4;
		a.bits = 32;
		memcpy(a.bytes, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
		break;
	case AF_INET6:
		a.family = NETADDR_INET6;
		a.bits = 128;
		memcpy(a.bytes, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
		unmap(&a);
		break;
	default: return false;
	}
	*out = a;
	return true;
}

struct netaddr
netaddr_network(const struct netaddr *a, unsigned bits)
{
	struct netaddr n = *a;

	if (bits < n.bits)
		n.bits = (uint8_t)bits;
	clear_behind(&n);
	return n;
}

bool
netaddr_equal(const struct netaddr *a, const struct netaddr *b)
{
	return a->family == b->family && a->bits == b->bits && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool
netaddr_is_loopback(const struct netaddr *a)
{
	switch ((enum netaddr_family)a->family) {
	case NETADDR_LOCAL: return true;
	case NETADDR_INET4: return a->bytes[0] == 127;
	case NETADDR_INET6: return memcmp(a->bytes, &in6addr_loopback, 16) == 0;
	}
	return false;
}

void
netaddr_format(const struct netaddr *a, char out[NETADDR_TEXT_MAX])
{
	char text[INET6_ADDRSTRLEN] = "";

	switch ((enum netaddr_family)a->family) {
	case NETADDR_LOCAL: (void)snprintf(out, NETADDR_TEXT_MAX, "local"); break;
	case NETADDR_INET4:
		(void)inet_ntop(AF_INET, a->bytes, text, sizeof(text));
		(void)snprintf(out, NETADDR_TEXT_MAX, "%s", text);
		break;
	case NETADDR_INET6:
		(void)inet_ntop(AF_INET6, a->bytes, text, sizeof(text));
		(void)snprintf(out, NETADDR_TEXT_MAX, "[%s]", text);
		break;
	}
}
