/* SPDX-License-Identifier: ISC */
#include "router/names.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/buf.h"
#include "common/hostname.h"
#include "router/limits.h"

enum { TABLE_TEXT_MAX = NAMES_ADDRESSES_MAX * 3 * NETADDR_TEXT_MAX + 2 * ADDRESS_DOMAIN_MAX };

struct names {
	char server[ADDRESS_DOMAIN_MAX + 1];
	struct netaddr addresses[NAMES_ADDRESSES_MAX];
	size_t count;
};

static void
add_address(struct names *names, const struct netaddr *a)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		if (netaddr_equal(&names->addresses[i], a))
			return;
	if (names->count < NAMES_ADDRESSES_MAX)
		names->addresses[names->count++] = *a;
}

static bool
gather_addresses(struct names *names, struct error *err)
{
	struct ifaddrs *all, *i;
	struct netaddr a;

	if (getifaddrs(&all) == -1)
		return error_set(err, ERROR_TEMPORARY, "addresses of this machine: %s", strerror(errno));
	for (i = all; i != NULL; i = i->ifa_next)
		if (i->ifa_addr != NULL && netaddr_of(i->ifa_addr, &a) && a.family != NETADDR_LOCAL)
			add_address(names, &a);
	freeifaddrs(all);
	return true;
}

struct names *
names_gather(struct error *err)
{
	struct names *names = calloc(1, sizeof(*names));

	if (names == NULL) {
		error_set(err, ERROR_TEMPORARY, "out of memory");
		return NULL;
	}
	if (!hostname_get(names->server, sizeof(names->server))) {
		error_set(err, ERROR_PERMANENT, "the host name is no domain: put the server name into /etc/mailname");
		names_free(names);
		return NULL;
	}
	if (!gather_addresses(names, err)) {
		names_free(names);
		return NULL;
	}
	return names;
}

struct names *
names_new(const char *server, const struct netaddr *addresses, size_t count)
{
	struct names *names = calloc(1, sizeof(*names));
	size_t i;

	if (names == NULL || !str_copy_lower(str_of(server), names->server, sizeof(names->server))) {
		free(names);
		return NULL;
	}
	for (i = 0; i < count; i++)
		add_address(names, &addresses[i]);
	return names;
}

void
names_free(struct names *names)
{
	free(names);
}

const char *
names_server(const struct names *names)
{
	return names->server;
}

bool
names_is_own_address(const struct names *names, const struct netaddr *a)
{
	size_t i;

	if (netaddr_is_loopback(a))
		return true;
	for (i = 0; i < names->count; i++)
		if (netaddr_equal(&names->addresses[i], a))
			return true;
	return false;
}

/* --- built-in tables --- */

/*
 * An address as a domain: bare, as a literal (RFC 5321 section 4.1.3), and, of IPv6, in plain brackets too, which is how
 * conditions write it.
 */
static bool
write_as_domain(const struct netaddr *a, struct buf *out)
{
	char text[NETADDR_TEXT_MAX];

	netaddr_format(a, text);
	if (a->family == NETADDR_INET4)
		return buf_printf(out, "%s\n[%s]\n", text, text);
	return buf_printf(out, "%.*s\n%s\n[ipv6:%s\n", (int)strlen(text) - 2, text + 1, text, text + 1);
}

static bool
write_as_address(const struct netaddr *a, struct buf *out)
{
	char text[NETADDR_TEXT_MAX];

	netaddr_format(a, text);
	return buf_printf(out, "%s\n", text);
}

static bool
write_addresses(const struct names *names, bool (*write)(const struct netaddr *, struct buf *), struct buf *out)
{
	static const struct netaddr loopback[] = { { NETADDR_INET4, 32, { 127, 0, 0, 1 } },
		{ NETADDR_INET6, 128, { [15] = 1 } } };
	bool ok = write(&loopback[0], out) && write(&loopback[1], out);
	size_t i;

	for (i = 0; ok && i < names->count; i++)
		ok = write(&names->addresses[i], out);
	return ok;
}

static bool
write_localnames(const struct names *names, struct buf *out)
{
	return buf_printf(out, "localhost\n%s\n", names->server) && write_addresses(names, write_as_domain, out);
}

static bool
write_localhost(const struct names *names, struct buf *out)
{
	return buf_append_text(out, "local\n127.0.0.0/8\n") && write_addresses(names, write_as_address, out);
}

static bool
write_anyhost(const struct names *names, struct buf *out)
{
	(void)names;
	return buf_append_text(out, "local\n0.0.0.0/0\n::/0\n");
}

static bool
write_anydestination(const struct names *names, struct buf *out)
{
	(void)names;
	return buf_append_text(out, "*\n");
}

static const struct {
	const char *name;
	bool (*write)(const struct names *names, struct buf *out);
} builtin[] = {
	{ "<localnames>", write_localnames },
	{ "<localhost>", write_localhost },
	{ "<anyhost>", write_anyhost },
	{ "<anydestination>", write_anydestination },
};

char *
names_table(const struct names *names, const char *table)
{
	struct buf text;
	size_t i;
	char *out = NULL;

	buf_init(&text, TABLE_TEXT_MAX);
	for (i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++)
		if (strcmp(builtin[i].name, table) == 0 && builtin[i].write(names, &text))
			out = strndup(text.data, text.len);
	buf_clear(&text);
	return out;
}
