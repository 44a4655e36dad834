/* SPDX-License-Identifier: ISC */
/* Promise: no value of RFC 3461 is taken that could not be written into a command, or into the header of a report. */
#include <string.h>

#include "tests/unit/unit.h"

#include "common/dsn.h"
#include "common/proto.h"

static const struct {
	const char *sentence;
	bool (*is)(struct str value);
	const char *value;
	bool want;
} rows[] = {
	{ "ENVID of the RFC", dsn_is_envid, "QQ314159", true },
	{ "ENVID with a space, encoded", dsn_is_envid, "a+20b", true },
	{ "an empty ENVID", dsn_is_envid, "", false },
	{ "ENVID that is no xtext", dsn_is_envid, "a+2", false },
	{ "ENVID that stands for a line end", dsn_is_envid, "a+0D+0AX", false },
	{ "ENVID that stands for a byte beyond ASCII", dsn_is_envid, "+C3+A4", false },
	{ "ENVID of a client with a tab", dsn_is_envid, "a+09b", false },
	{ "ORCPT of the RFC", dsn_is_orcpt, "rfc822;Bob@Example.COM", true },
	{ "ORCPT of another type", dsn_is_orcpt, "x400;/C=US", false },
	{ "which has to be encoded", dsn_is_orcpt, "x400;/C+3DUS", true },
	{ "ORCPT without a type", dsn_is_orcpt, ";bob@example.com", false },
	{ "ORCPT without an address", dsn_is_orcpt, "rfc822;", false },
	{ "ORCPT with an address alone", dsn_is_orcpt, "bob@example.com", false },
	{ "ORCPT whose type is no atom", dsn_is_orcpt, "rfc 822;bob", false },
	{ "a dot in the type", dsn_is_orcpt, "rfc.822;bob", false },
	{ "utf-8 is an atom (RFC 6533)", dsn_is_orcpt, "utf-8;bob@example.com", true },
	{ "a second semicolon is part of the address", dsn_is_orcpt, "rfc822;a;b", true },
	{ "ORCPT that stands for a line end", dsn_is_orcpt, "rfc822;bob+0AX-Evil:", false },
	{ "nothing", dsn_is_orcpt, "", false },
};

static void
test_values(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].is(str_of(rows[i].value)) != rows[i].want)
			row_fail(rows[i].sentence, "\"%s\" was %s", rows[i].value, rows[i].want ? "refused" : "taken");
}

static void
test_lengths(void **state)
{
	char value[PROTO_ORCPT_MAX + 1];

	(void)state;
	memset(value, 'a', sizeof(value));
	assert_true(dsn_is_envid((struct str){ value, PROTO_ENVID_MAX }));
	assert_false(dsn_is_envid((struct str){ value, PROTO_ENVID_MAX + 1 }));
	memcpy(value, "rfc822;", 7);
	assert_true(dsn_is_orcpt((struct str){ value, PROTO_ORCPT_MAX }));
	assert_false(dsn_is_orcpt((struct str){ value, PROTO_ORCPT_MAX + 1 }));
}

static void
test_never_stands_alone(void **state)
{
	uint64_t set;

	(void)state;
	for (set = 0; set < 64; set++) {
		bool others = (set & PROTO_NOTIFY_NEVER) == 0;
		assert_int_equal(dsn_is_notify(set), set > 0 && set < 16 && (others || set == PROTO_NOTIFY_NEVER));
	}
	assert_false(dsn_is_notify(UINT64_MAX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_never_stands_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
