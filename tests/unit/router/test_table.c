/* SPDX-License-Identifier: ISC */
/*
 * Promised: a table fits where smtpd.conf(5) says it fits; what does not is refused at start, with the place that uses it and the
 * entry that is wrong; a file of a million lines is open within two seconds, and found in it is at once. SECURITY rows X04, X10.
 */
#include "router/table.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/unit/router/fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct {
	const char *name;
	const char *file; /* DIR/t */
	const char *config;
	const char *want; /* part of the error, NULL: it opens */
} rows[] = {
	{ "a list for domains", "", "match for domain { \"a.example\" } reject\n", NULL },
	{ "a file for domains", "a.example\n", "table t \"DIR/t\"\nmatch for domain <t> reject\n", NULL },
	{ "an empty file for domains", "", "table t \"DIR/t\"\nmatch for domain <t> reject\n", NULL },
	{ "an empty file for aliases", "", "table t \"DIR/t\"\naction a maildir alias <t>\n", NULL },
	{ "a mapping file for domains", "a.example: x\n", "table t \"DIR/t\"\nmatch for domain <t> reject\n",
	    "postern.conf:2:7: table \"t\": DIR/t:1: expected a domain" },
	{ "networks", "10.0.0.0/8\n", "table t \"DIR/t\"\nmatch from src <t> reject\n", NULL },
	{ "IPv6 networks without brackets", "2001:db8::/32\n", "table t \"DIR/t\"\nmatch from src <t> reject\n", NULL },
	{ "a host name for addresses", "a.example\n", "table t \"DIR/t\"\nmatch from src <t> reject\n", "DIR/t:1: expected an address" },
	{ "a mapping for mail-from, whose keys count", "joe@a.example: x\n", "table t \"DIR/t\"\nmatch mail-from <t> reject\n", NULL },
	{ "a list for mail-from", "joe@a.example\n", "table t \"DIR/t\"\nmatch mail-from <t> reject\n", NULL },
	{ "a mapping of the text for mail-from", "", "match mail-from { \"a\" = \"b\" } reject\n", NULL },
	{ "regular expressions", "^a:b c$\n", "table t \"DIR/t\"\nmatch mail-from regex <t> reject\n", NULL },
	{ "a bad regular expression", "(\n", "table t \"DIR/t\"\nmatch mail-from regex <t> reject\n", "DIR/t:1: regular expression" },
	{ "a bad regular expression of the text", "", "match mail-from regex \"(\" reject\n", "postern.conf:1: regular expression" },
	{ "aliases", "root: joe\n", "table t \"DIR/t\"\naction a maildir alias <t>\n", NULL },
	{ "a mistake in aliases is only told", "root: a b\n", "table t \"DIR/t\"\naction a maildir alias <t>\n", NULL },
	{ "commands and files in aliases are only told", "root: |x, /y\n", "table t \"DIR/t\"\naction a maildir alias <t>\n", NULL },
	{ "an included file that is missing", "x: joe\nroot: :include:/nonexistent/list\n", "table t \"DIR/t\"\naction a maildir alias <t>\n",
	    "DIR/t:2: /nonexistent/list: No such file" },
	{ "a list for aliases", "root\n", "table t \"DIR/t\"\naction a maildir alias <t>\n", "DIR/t:1: expected a key and a value" },
	{ "a userbase", "joe: 1000:1000:/home/joe\n", "table t \"DIR/t\"\naction a maildir userbase <t>\n", NULL },
	{ "a userbase without a home", "joe: 1000:1000:\n", "table t \"DIR/t\"\naction a maildir userbase <t>\n", NULL },
	{ "a user without a group", "joe: 1000\n", "table t \"DIR/t\"\naction a maildir userbase <t>\n", "DIR/t:1: expected uid:gid:/home" },
	{ "a user with a home that is not absolute", "joe: 1:1:home\n", "table t \"DIR/t\"\naction a maildir userbase <t>\n", "expected uid:gid:/home" },
	{ "a user with the number of nobody", "joe: 4294967295:1:/\n", "table t \"DIR/t\"\naction a maildir userbase <t>\n", "expected uid:gid:/home" },
	{ "users of the system", "", "action a maildir userbase <\"<getpwnam>\">\n", NULL },
	{ "hosts", "smtp://a.example\nsmtp://[2001:db8::1]:587\n", "table t \"DIR/t\"\naction a relay host <t>\n", NULL },
	{ "hosts of an old scheme", "tls+auth://x@a.example\n", "table t \"DIR/t\"\naction a relay host <t>\n", "DIR/t:1: " },
	{ "hosts over TLS are for later", "smtps://a.example\n", "table t \"DIR/t\"\naction a relay host <t>\n", "DIR/t:1: not supported yet" },
	{ "a file that is missing", "", "table t \"/nonexistent/t\"\nmatch for domain <t> reject\n",
	    "postern.conf:2:7: table \"t\": /nonexistent/t: No such file" },
	{ "a file that is missing and not used", "", "table t \"/nonexistent/t\"\nmatch for any reject\n", NULL },
	{ "one file for two uses", "a.example\n", "table t \"DIR/t\"\nmatch for domain <t> reject\nmatch mail-from <t> reject\nmatch helo <t> reject\n", NULL },
	{ "built-in tables", "", "match from src <\"<anyhost>\"> for domain <\"<anydestination>\"> reject\nmatch from src <\"<localhost>\"> for domain <\"<localnames>\"> reject\n", NULL },
};
/* clang-format on */

/* DIR in a text that is wanted stands for the directory. */
static bool
contains(const struct fixture *f, const char *text, const char *want)
{
	const char *dir = strstr(want, "DIR");
	struct buf full;
	bool found;

	if (dir == NULL)
		return strstr(text, want) != NULL;
	buf_init(&full, 1024);
	(void)buf_append(&full, want, (size_t)(dir - want));
	(void)buf_printf(&full, "%s%s", f->dir, dir + 3);
	found = strstr(text, buf_append_byte(&full, '\0') ? full.data : "?") != NULL;
	buf_clear(&full);
	return found;
}

static void
test_uses(void **state)
{
	char config[1024];
	struct fixture f;
	size_t i;
	bool ok;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		fixture_begin(&f);
		fixture_file(&f, "t", rows[i].file);
		(void)snprintf(config, sizeof(config), "%smatch for any reject\n", rows[i].config);
		ok = fixture_open(&f, config);
		if (ok != (rows[i].want == NULL) || (!ok && !contains(&f, f.err.text, rows[i].want)))
			row_fail(rows[i].name, "%s: \"%s\"", ok ? "opened" : "refused", f.err.text);
		fixture_end(&f);
	}
}

static void
test_the_last_of_two_values_counts(void **state)
{
	struct fixture f;
	struct str value;
	struct action *action;

	(void)state;
	fixture_begin(&f);
	fixture_file(&f, "t", "Root: one\nx: y\nrOOT: two\n");
	assert_true(fixture_open(&f, "table t \"DIR/t\"\naction a maildir alias <t>\nmatch for any action a\n"));
	action = actions_find(f.routing.actions, S("a"));
	assert_true(alias_table_find(action->aliases, S("root"), &value));
	assert_true(str_equal(value, S("two")));
	assert_false(alias_table_find(action->aliases, S("roo"), &value));
	fixture_end(&f);
}

static void
test_users_are_found_in_a_file(void **state)
{
	struct fixture f;
	struct action *action;
	const struct user *user;
	struct user room;

	(void)state;
	fixture_begin(&f);
	fixture_file(&f, "t", "ann: 2001:100:/home/ann\nBob 2002:100:\n");
	assert_true(fixture_open(&f, "table t \"DIR/t\"\naction a maildir userbase <t>\nmatch for any action a\n"));
	action = actions_find(f.routing.actions, S("a"));
	user = action_get_user(action, f.routing.users, S("ann"), false, NULL, &room);
	assert_int_equal(user->status, PROTO_ANSWER_FOUND);
	assert_int_equal(user->uid, 2001);
	assert_int_equal(user->gid, 100);
	assert_string_equal(user->home, "/home/ann");
	user = action_get_user(action, f.routing.users, S("bob"), false, NULL, &room);
	assert_int_equal(user->uid, 2002);
	assert_string_equal(user->home, "");
	user = action_get_user(action, f.routing.users, S("eve"), false, NULL, &room);
	assert_int_equal(user->status, PROTO_ANSWER_NONE);
	fixture_end(&f);
}

static double
seconds(clockid_t clock)
{
	struct timespec t;

	assert_int_equal(clock_gettime(clock, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The figures are of processor time, since other tests may run beside. */
static void
test_a_million_lines_are_open_in_two_seconds(void **state)
{
	static const char config[] = "table t \"DIR/t\"\ntable u \"DIR/u\"\naction a maildir alias <t>\n"
				     "match for domain <u> action a\n";
	struct fixture f;
	struct action *action;
	struct str value;
	char path[256], key[64];
	double before, after;
	FILE *file, *list;
	unsigned i;

	(void)state;
	fixture_begin(&f);
	(void)snprintf(path, sizeof(path), "%s/t", f.dir);
	file = fopen(path, "w");
	(void)snprintf(path, sizeof(path), "%s/u", f.dir);
	list = fopen(path, "w");
	assert_true(file != NULL && list != NULL);
	for (i = 0; i < 1000000; i++) {
		assert_true(fprintf(file, "user%u: box%u@example.org\n", i, i) > 0);
		assert_true(fprintf(list, "domain%u.example\n", i) > 0);
	}
	assert_int_equal(fclose(file), 0);
	assert_int_equal(fclose(list), 0);
	before = seconds(CLOCK_PROCESS_CPUTIME_ID);
	assert_true(fixture_open(&f, config));
	after = seconds(CLOCK_PROCESS_CPUTIME_ID);
	print_message("two files of 1,000,000 lines: %.2f s\n", after - before);
#ifndef POSTERN_SANITIZE
	assert_true(after - before < 4.0);
#endif
	action = actions_find(f.routing.actions, S("a"));
	before = seconds(CLOCK_PROCESS_CPUTIME_ID);
	for (i = 0; i < 1000000; i++) {
		(void)snprintf(key, sizeof(key), "user%u", i * 7 % 1000000);
		assert_true(alias_table_find(action->aliases, str_of(key), &value));
	}
	after = seconds(CLOCK_PROCESS_CPUTIME_ID);
	print_message("a lookup: %.0f ns\n", (after - before) * 1e3);
	fixture_end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uses),
		cmocka_unit_test(test_the_last_of_two_values_counts),
		cmocka_unit_test(test_users_are_found_in_a_file),
		cmocka_unit_test(test_a_million_lines_are_open_in_two_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
