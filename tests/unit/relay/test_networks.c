/* SPDX-License-Identifier: ISC */
/* Promise (SECURITY D06): only addresses of the public Internet are reached by a domain's records, in whatever dress. */
#include <string.h>

#include "tests/unit/unit.h"

#include "relay/networks.h"

struct row {
	const char *address;
	bool open;
};

static const struct row rows[] = {
	{ "8.8.8.8", true },
	{ "1.1.1.1", true },
	{ "0.0.0.0", false },
	{ "0.1.2.3", false },
	{ "9.255.255.255", true },
	{ "10.0.0.0", false },
	{ "10.255.255.255", false },
	{ "11.0.0.0", true },
	{ "100.63.255.255", true },
	{ "100.64.0.1", false },
	{ "100.127.255.255", false },
	{ "100.128.0.0", true },
	{ "127.0.0.1", false },
	{ "127.255.255.254", false },
	{ "169.254.169.254", false },
	{ "172.15.255.255", true },
	{ "172.16.0.1", false },
	{ "172.31.255.255", false },
	{ "172.32.0.0", true },
	{ "192.0.0.8", false },
	{ "192.0.2.1", false },
	{ "192.88.99.1", false },
	{ "192.168.0.1", false },
	{ "192.169.0.1", true },
	{ "198.18.0.1", false },
	{ "198.19.255.255", false },
	{ "198.20.0.0", true },
	{ "198.51.100.7", false },
	{ "203.0.113.7", false },
	{ "223.255.255.255", true },
	{ "224.0.0.1", false },
	{ "239.1.2.3", false },
	{ "240.0.0.1", false },
	{ "255.255.255.255", false },
	{ "2a00:1450:4001::1a", true },
	{ "2606:4700::1111", true },
	{ "::", false },
	{ "::1", false },
	{ "::7f00:1", false },
	{ "::8.8.8.8", false },
	{ "::ffff:127.0.0.1", false },
	{ "::ffff:10.0.0.1", false },
	{ "::ffff:8.8.8.8", false },
	{ "64:ff9b::7f00:1", false },
	{ "64:ff9b::10.1.2.3", false },
	{ "64:ff9b::8.8.8.8", true },
	{ "64:ff9b:1::8.8.8.8", false },
	{ "100::1", false },
	{ "2001::1", false },
	{ "2001:2::1", false },
	{ "2001:10::1", false },
	{ "2001:20::1", false },
	{ "2001:db8::1", false },
	{ "2001:4860:4860::8888", true },
	{ "2002:7f00:1::1", false },
	{ "2002:a00:1::1", false },
	{ "2002:c0a8:1::1", false },
	{ "2002:808:808::1", true },
	{ "3fff::1", false },
	{ "4000::1", false },
	{ "fc00::1", false },
	{ "fd00::1", false },
	{ "fe80::1", false },
	{ "fec0::1", false },
	{ "ff02::1", false },
};

static const char *
refusal(const char *text)
{
	struct sockaddr_storage address;

	assert_true(networks_parse(str_of(text), 25, &address) > 0);
	return networks_refusal((const struct sockaddr *)&address);
}

static void
test_D06_special_networks(void **state)
{
	size_t i;

	(void)state;
	assert_true(networks_set(S(""), NULL));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((refusal(rows[i].address) == NULL) != rows[i].open)
			row_fail(rows[i].address, "got %s, want %s", rows[i].open ? "refused" : "open",
			    rows[i].open ? "open" : "refused");
}

static void
test_exceptions(void **state)
{
	(void)state;
	assert_true(networks_set(S("10.1.0.0/16 127.0.0.1 [fd00:1::]/32 192.168.4.0/22"), NULL));
	assert_null(refusal("10.1.255.1"));
	assert_non_null(refusal("10.2.0.1"));
	assert_null(refusal("127.0.0.1"));
	assert_non_null(refusal("127.0.0.2"));
	assert_null(refusal("fd00:1:2::3"));
	assert_non_null(refusal("fd00:2::3"));
	assert_null(refusal("192.168.7.255"));
	assert_non_null(refusal("192.168.8.0"));
	assert_non_null(refusal("::ffff:127.0.0.1"));
}

static void
test_wrong_exceptions(void **state)
{
	static const char *const wrong[] = { "10.0.0.0/33", "10.0.0", "x", "10.0.0.0/", "10.0.0.0/-1", "fd00::/129",
		"10.0.0.0/8/8" };
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (networks_set(str_of(wrong[i]), &err))
			row_fail(wrong[i], "%s", "was taken");
	assert_true(networks_set(S(""), NULL));
}

static void
test_own_addresses_are_refused(void **state)
{
	(void)state;
	assert_true(networks_open(NULL, NULL));
	assert_non_null(refusal("127.0.0.1"));
	assert_null(refusal("8.8.8.8"));
}

static void
test_an_exception_is_not_made_for_ourselves(void **state)
{
	struct config_entry loopback = { .key = "127.0.0.0/8" };
	struct config_table table = { .name = "excepted", .backend = CONFIG_TABLE_LIST };

	(void)state;
	STAILQ_INIT(&table.entries);
	STAILQ_INSERT_TAIL(&table.entries, &loopback, next);
	assert_true(networks_open(&table, NULL));
	assert_null(refusal("127.254.254.254"));
	assert_string_equal(refusal("127.0.0.1"), "one of our own");
}

static void
test_what_is_no_address(void **state)
{
	struct sockaddr_storage address;

	(void)state;
	assert_int_equal(networks_parse(S("localhost"), 25, &address), 0);
	assert_int_equal(networks_parse(S("127.1"), 25, &address), 0);
	assert_int_equal(networks_parse(S("0x7f.0.0.1"), 25, &address), 0);
	assert_int_equal(networks_parse(S("127.0.0.1\0"), 25, &address), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_D06_special_networks),
		cmocka_unit_test(test_exceptions),
		cmocka_unit_test(test_wrong_exceptions),
		cmocka_unit_test(test_own_addresses_are_refused),
		cmocka_unit_test(test_an_exception_is_not_made_for_ourselves),
		cmocka_unit_test(test_what_is_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
