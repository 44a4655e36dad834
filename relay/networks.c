/* SPDX-License-Identifier: ISC */
#include "relay/networks.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <errno.h>
#include <ifaddrs.h>
#include <string.h>

#include "relay/limits.h"

enum { V4_BYTES = 4, V6_BYTES = 16 };

struct network {
	unsigned char bytes[V6_BYTES];
	unsigned len; /* 4 or 16 */
	unsigned bits;
};

static struct {
	struct network excepted[RELAY_NETWORKS_MAX];
	size_t excepted_count;
	struct network own[RELAY_NETWORKS_MAX];
	size_t own_count;
} networks;

struct special {
	unsigned char bytes[V6_BYTES];
	unsigned bits;
	const char *what;
};

/* clang-format off */

/* The IANA registry of special-purpose addresses (RFC 6890 and its updates), and multicast. */
static const struct special special_v4[] = {
	{ { 0 },            8, "this network" },
	{ { 10 },           8, "a private network" },
	{ { 100, 64 },     10, "a shared network" },
	{ { 127 },          8, "loopback" },
	{ { 169, 254 },    16, "link-local" },
	{ { 172, 16 },     12, "a private network" },
	{ { 192, 0, 0 },   24, "reserved for protocols" },
	{ { 192, 0, 2 },   24, "reserved for documentation" },
	{ { 192, 88, 99 }, 24, "a retired anycast network" },
	{ { 192, 168 },    16, "a private network" },
	{ { 198, 18 },     15, "reserved for benchmarks" },
	{ { 198, 51, 100 }, 24, "reserved for documentation" },
	{ { 203, 0, 113 }, 24, "reserved for documentation" },
	{ { 224 },          4, "multicast" },
	{ { 240 },          4, "reserved or broadcast" },
};

/* Of what is inside 2000::/3; outside of it only the addresses that hold an IPv4 address are looked at at all. */
static const struct special special_v6[] = {
	{ { 0x20, 0x01, 0x00, 0x00 },       32, "a Teredo tunnel" },
	{ { 0x20, 0x01, 0x00, 0x02, 0, 0 }, 48, "reserved for benchmarks" },
	{ { 0x20, 0x01, 0x00, 0x10 },       28, "not routable" },
	{ { 0x20, 0x01, 0x00, 0x20 },       28, "not routable" },
	{ { 0x20, 0x01, 0x0d, 0xb8 },       32, "reserved for documentation" },
	{ { 0x3f, 0xff },                   20, "reserved for documentation" },
};

/* Prefixes behind which an IPv4 address stands, and where: what is refused there is refused here. */
static const struct {
	unsigned char bytes[12];
	unsigned bits;
	unsigned at;
} embedding[] = {
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, 12 }, /* NAT64, RFC 6052 */
	{ { 0x20, 0x02 },             16, 2 },  /* 6to4, RFC 3056 */
};
/* clang-format on */

static bool
has_prefix(const unsigned char *address, const unsigned char *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	unsigned mask = rest == 0 ? 0 : 0xffU << (8 - rest) & 0xffU;

	return memcmp(address, prefix, whole) == 0 && (rest == 0 || ((address[whole] ^ prefix[whole]) & mask) == 0);
}

static const char *
find_special(const struct special *table, size_t count, const unsigned char *address)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (has_prefix(address, table[i].bytes, table[i].bits))
			return table[i].what;
	return NULL;
}

static const char *
refuse_v4(const unsigned char *address)
{
	return find_special(special_v4, sizeof(special_v4) / sizeof(special_v4[0]), address);
}

/*
 * All that is handed out for use is in 2000::/3. What holds an IPv4 address is as good as that one, save the mapped and
 * "compatible" forms, which no server has a reason to publish.
 */
static const char *
refuse_v6(const unsigned char *address)
{
	size_t i;

	for (i = 0; i < sizeof(embedding) / sizeof(embedding[0]); i++)
		if (has_prefix(address, embedding[i].bytes, embedding[i].bits))
			return refuse_v4(address + embedding[i].at);
	if ((address[0] & 0xe0) != 0x20)
		return "not a global unicast address";
	return find_special(special_v6, sizeof(special_v6) / sizeof(special_v6[0]), address);
}

static bool
is_in(const struct network *list, size_t count, const unsigned char *address, unsigned len)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (list[i].len == len && has_prefix(address, list[i].bytes, list[i].bits))
			return true;
	return false;
}

/* Where the bytes of an address are. Returns their number, 0 for another family. */
static unsigned
bytes_of(const struct sockaddr *address, unsigned char out[V6_BYTES])
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	switch (address->sa_family) {
	case AF_INET:
		memcpy(&v4, address, sizeof(v4));
		memcpy(out, &v4.sin_addr, V4_BYTES);
		return V4_BYTES;
	case AF_INET6:
		memcpy(&v6, address, sizeof(v6));
		memcpy(out, &v6.sin6_addr, V6_BYTES);
		return V6_BYTES;
	default: return 0;
	}
}

const char *
networks_refusal(const struct sockaddr *address)
{
	unsigned char bytes[V6_BYTES] = { 0 };
	unsigned len = bytes_of(address, bytes);
	const char *what;
	bool own;

	if (len == 0)
		return "of an unknown family";
	own = is_in(networks.own, networks.own_count, bytes, len);
	if (is_in(networks.excepted, networks.excepted_count, bytes, len))
		what = NULL;
	else
		what = len == V4_BYTES ? refuse_v4(bytes) : refuse_v6(bytes);
	/* Nobody excepts himself: a message for his address as a literal would go round. */
	return what == NULL && own ? "one of our own" : what;
}

socklen_t
networks_parse(struct str text, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	char copy[INET6_ADDRSTRLEN];

	if (!str_copy(text, copy, sizeof(copy)))
		return 0;
	if (inet_pton(AF_INET, copy, &v4.sin_addr) == 1) {
		memcpy(out, &v4, sizeof(v4));
		return sizeof(v4);
	}
	if (inet_pton(AF_INET6, copy, &v6.sin6_addr) == 1) {
		memcpy(out, &v6, sizeof(v6));
		return sizeof(v6);
	}
	return 0;
}

/* --- reading --- */

static bool
add_network(struct str text, struct error *err)
{
	struct network n = { 0 };
	struct sockaddr_storage address;
	struct str host, bits;
	uint64_t value;
	bool has_bits = str_cut(text, '/', &host, &bits);

	if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = (struct str){ host.ptr + 1, host.len - 2 };
	if (networks_parse(host, 0, &address) == 0)
		return error_set(
		    err, ERROR_PERMANENT, "\"%.*s\": expected a network, as 10.0.0.0/8 or fd00::/8", STR_ARG(text));
	n.len = bytes_of((const struct sockaddr *)&address, n.bytes);
	n.bits = n.len * 8;
	if (has_bits) {
		if (!str_to_u64(bits, n.bits, &value))
			return error_set(err, ERROR_PERMANENT, "\"%.*s\": expected a length up to %u behind the slash",
			    STR_ARG(text), n.bits);
		n.bits = (unsigned)value;
	}
	if (networks.excepted_count == RELAY_NETWORKS_MAX)
		return error_set(err, ERROR_PERMANENT, "more than %d networks", RELAY_NETWORKS_MAX);
	networks.excepted[networks.excepted_count++] = n;
	return true;
}

bool
networks_set(struct str list, struct error *err)
{
	struct str word;

	networks.excepted_count = 0;
	networks.own_count = 0;
	while (list.len > 0) {
		(void)str_cut(list, ' ', &word, &list);
		if (!add_network(word, err))
			return false;
	}
	return true;
}

static bool
read_table(const struct config_table *table, struct error *err)
{
	const struct config_entry *entry;

	if (table->backend != CONFIG_TABLE_LIST)
		return error_set(err, ERROR_PERMANENT,
		    "mta private-destinations: expected a list of networks in table \"%s\"", table->name);
	STAILQ_FOREACH (entry, &table->entries, next)
		if (!add_network(str_of(entry->key), err))
			return false;
	return true;
}

static bool
read_own(struct error *err)
{
	struct ifaddrs *list, *i;

	if (getifaddrs(&list) == -1)
		return error_set(err, ERROR_TEMPORARY, "own addresses: %s", strerror(errno));
	for (i = list; i != NULL && networks.own_count < RELAY_NETWORKS_MAX; i = i->ifa_next) {
		struct network *n = &networks.own[networks.own_count];

		if (i->ifa_addr == NULL)
			continue;
		n->len = bytes_of(i->ifa_addr, n->bytes);
		n->bits = n->len * 8;
		networks.own_count += n->len > 0;
	}
	freeifaddrs(list);
	return true;
}

bool
networks_open(const struct config_table *excepted, struct error *err)
{
	networks.excepted_count = 0;
	networks.own_count = 0;
	return (excepted == NULL || read_table(excepted, err)) && read_own(err);
}
