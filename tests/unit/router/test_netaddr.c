/* SPDX-License-Identifier: ISC */
/* Promised: addresses and networks are read in every form that conditions know, and nothing else is. */
#include "router/netaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct {
	const char *name;
	const char *text;
	const char *want; /* as formatted, "/", bits; NULL: refused */
} rows[] = {
	{ "an address of IPv4", "192.0.2.1", "192.0.2.1/32" },
	{ "a network of IPv4", "192.0.2.0/24", "192.0.2.0/24" },
	{ "bits behind the prefix are cleared", "192.0.2.77/24", "192.0.2.0/24" },
	{ "a prefix within a byte", "192.0.2.77/28", "192.0.2.64/28" },
	{ "a network by its first number", "10/8", "10.0.0.0/8" },
	{ "a network by its first two numbers", "192.168/16", "192.168.0.0/16" },
	{ "everything", "0.0.0.0/0", "0.0.0.0/0" },
	{ "an address of IPv6", "2001:db8::1", "[2001:db8::1]/128" },
	{ "an address of IPv6 in brackets", "[2001:db8::1]", "[2001:db8::1]/128" },
	{ "a network of IPv6", "2001:db8::/32", "[2001:db8::]/32" },
	{ "a network of IPv6 in brackets", "[2001:db8::/32]", "[2001:db8::]/32" },
	{ "with a tag", "IPv6:2001:db8::1", "[2001:db8::1]/128" },
	{ "everything of IPv6", "::/0", "[::]/0" },
	{ "a mapped address is of IPv4", "::ffff:192.0.2.1", "192.0.2.1/32" },
	{ "a mapped network is of IPv4", "::ffff:192.0.2.0/120", "192.0.2.0/24" },
	{ "local", "local", "local/0" },
	{ "local in any case", "LOCAL", "local/0" },
	{ "nothing", "", NULL },
	{ "a host name", "mail.example.org", NULL },
	{ "part of an address without prefix", "10", NULL },
	{ "five numbers", "1.2.3.4.5", NULL },
	{ "a number over 255", "192.0.2.256", NULL },
	{ "a number of four digits", "0192.0.2.1", NULL },
	{ "an empty number", "192..2.1", NULL },
	{ "a dot at the end", "192.0.2.", NULL },
	{ "a prefix over 32", "192.0.2.0/33", NULL },
	{ "a prefix over 128", "2001:db8::/129", NULL },
	{ "an empty prefix", "192.0.2.0/", NULL },
	{ "a prefix behind the bracket", "[2001:db8::]/32", NULL },
	{ "brackets that do not close", "[2001:db8::1", NULL },
	{ "a blank", "192.0.2.1 ", NULL },
	{ "a mask", "192.0.2.0/255.255.255.0", NULL },
};
/* clang-format on */

static void
test_forms(void **state)
{
	char text[NETADDR_TEXT_MAX], got[NETADDR_TEXT_MAX + 8];
	struct netaddr a;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		(void)snprintf(got, sizeof(got), "refused");
		if (netaddr_parse(str_of(rows[i].text), &a)) {
			netaddr_format(&a, text);
			(void)snprintf(got, sizeof(got), "%s/%u", text, a.bits);
		}
		if (strcmp(got, rows[i].want == NULL ? "refused" : rows[i].want) != 0)
			row_fail(rows[i].name, "got %s, want %s", got, rows[i].want);
	}
}

static void
test_sockets(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr other = { .sa_family = AF_NETLINK };
	struct netaddr a, b;

	(void)state;
	in.sin_addr.s_addr = htonl(0xc0000201);
	assert_true(netaddr_of((struct sockaddr *)&in, &a));
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr), 1);
	assert_true(netaddr_of((struct sockaddr *)&in6, &b));
	assert_true(netaddr_equal(&a, &b));
	assert_false(netaddr_of(&other, &a));
}

static void
test_loopback(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} own[] = { { "127.0.0.1", true }, { "127.9.9.9", true }, { "::1", true }, { "local", true },
		{ "::ffff:127.0.0.1", true }, { "128.0.0.1", false }, { "::2", false } };
	struct netaddr a;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(own); i++) {
		assert_true(netaddr_parse(str_of(own[i].text), &a));
		if (netaddr_is_loopback(&a) != own[i].want)
			row_fail(own[i].text, "got %d", !own[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
