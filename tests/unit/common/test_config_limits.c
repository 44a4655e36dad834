/* SPDX-License-Identifier: ISC */
/* Promised: "for domain" copies what stands before it, as in OpenSMTPD; and a relay host's limits are its host's. */
#include "tests/unit/unit.h"

#include <string.h>

#include "common/config.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct config_limit limits[] = {
	{ .of = "mta", .key = "max-conn-per-host", .value = 7 },
	{ .of = "mta", .key = "inet6", .value = 1 },
	{ .of = "mta", .domain = "a.example", .key = "session-mail-max", .value = 3 },
	{ .of = "mta", .key = "max-conn-per-host", .value = 8 },
	{ .of = "mta", .key = "session-mail-max", .value = 9 },
	{ .of = "mta", .domain = "A.example", .key = "inet4", .value = 1 },
	{ .of = "mta", .domain = "a.example", .key = "max-conn-per-domain", .value = 5 },
	{ .of = "scheduler", .key = "max-schedule", .value = 4 },
};

static const struct {
	const char *row, *domain, *key;
	int64_t want;
} rows[] = {
	{ "the last one counts", "b.example", "max-conn-per-host", 8 },
	{ "for all", "b.example", "session-mail-max", 9 },
	{ "for a domain", "a.example", "session-mail-max", 3 },
	{ "what came before is copied, what comes later is not", "a.example", "max-conn-per-host", 7 },
	{ "a family of all", "b.example", "family", 6 },
	{ "a family of its own", "a.example", "family", 4 },
	{ "nothing is said", "b.example", "messages-per-hour", 0 },
	{ "of something else", "b.example", "max-schedule", 0 },
};

static const struct {
	const char *place, *want; /* NULL: none */
} places[] = {
	{ "Far.Example", "far.example" },
	{ "[192.0.2.1]", "[192.0.2.1]" },
	{ "smtp://Mx.example:2525", "mx.example" },
	{ "smtp://a.example,smtp://b.example", "a.example" },
	{ "", NULL },
	{ "what://a", NULL },
};

static void
test_limits(void **state)
{
	struct config config = { 0 };
	char domain[CONFIG_DOMAIN_MAX];
	size_t i;

	(void)state;
	STAILQ_INIT(&config.limits);
	for (i = 0; i < COUNT(limits); i++)
		STAILQ_INSERT_TAIL(&config.limits, &limits[i], next);
	for (i = 0; i < COUNT(rows); i++)
		if (config_mta_limit(&config, str_of(rows[i].domain), rows[i].key) != rows[i].want)
			row_fail(rows[i].row, "%s", "is not so");
	assert_int_equal(config_mta_connections(&config, S("a.example")), 5);
	assert_int_equal(config_mta_connections(&config, S("b.example")), 8);
	for (i = 0; i < COUNT(places); i++) {
		bool found = config_limits_domain(str_of(places[i].place), domain);
		if (found != (places[i].want != NULL) || (found && strcmp(domain, places[i].want) != 0))
			row_fail(places[i].place, "%s", found ? domain : "none");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("config_limits", tests, NULL, NULL);
}
