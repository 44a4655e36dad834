/* SPDX-License-Identifier: ISC */
/* Promised: this machine knows its names and addresses, and the tables that are built in hold them in every form. */
#include "router/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/netaddr.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct netaddr addresses[] = { { NETADDR_INET4, 32, { 192, 0, 2, 10 } },
	{ NETADDR_INET6, 128, { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x10 } }, { NETADDR_INET4, 32, { 127, 0, 0, 1 } } };

static const struct {
	const char *table;
	const char *want; /* NULL: there is none */
} rows[] = {
	{ "<localnames>",
	    "localhost\nmx.example.org\n127.0.0.1\n[127.0.0.1]\n::1\n[::1]\n[ipv6:::1]\n192.0.2.10\n[192.0.2.10]\n"
	    "2001:db8::10\n[2001:db8::10]\n[ipv6:2001:db8::10]\n127.0.0.1\n[127.0.0.1]\n" },
	{ "<localhost>", "local\n127.0.0.0/8\n127.0.0.1\n[::1]\n192.0.2.10\n[2001:db8::10]\n127.0.0.1\n" },
	{ "<anyhost>", "local\n0.0.0.0/0\n::/0\n" },
	{ "<anydestination>", "*\n" },
	{ "<getpwnam>", NULL },
	{ "localnames", NULL },
};

static void
test_built_in_tables(void **state)
{
	struct names *names = names_new("MX.example.org", addresses, COUNT(addresses));
	char *got;
	size_t i;

	(void)state;
	assert_non_null(names);
	for (i = 0; i < COUNT(rows); i++) {
		got = names_table(names, rows[i].table);
		if ((got == NULL) != (rows[i].want == NULL) || (got != NULL && strcmp(got, rows[i].want) != 0))
			row_fail(rows[i].table, "got %s", got);
		free(got);
	}
	names_free(names);
}

static void
test_own_addresses(void **state)
{
	static const struct {
		const char *address;
		bool want;
	} own[] = { { "192.0.2.10", true }, { "192.0.2.11", false }, { "2001:db8::10", true }, { "127.5.5.5", true },
		{ "::1", true }, { "local", true } };
	struct names *names = names_new("mx.example.org", addresses, COUNT(addresses));
	struct netaddr a;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(own); i++) {
		assert_true(netaddr_parse(str_of(own[i].address), &a));
		if (names_is_own_address(names, &a) != own[i].want)
			row_fail(own[i].address, "got %d", !own[i].want);
	}
	names_free(names);
}

/* Whatever this machine is called, it has a loopback interface. */
static void
test_the_system_is_asked(void **state)
{
	struct error err;
	struct names *names = names_gather(&err);
	char *table;

	(void)state;
	if (names == NULL)
		fail_msg("%s", err.text);
	assert_true(names_server(names)[0] != '\0');
	table = names_table(names, "<localnames>");
	assert_non_null(strstr(table, "[127.0.0.1]"));
	free(table);
	names_free(names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_built_in_tables),
		cmocka_unit_test(test_own_addresses),
		cmocka_unit_test(test_the_system_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
