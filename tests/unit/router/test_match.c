/* SPDX-License-Identifier: ISC */
/*
 * Promised: each kind of table matches as smtpd.conf(5) does, with its surprises: "*." takes one label, a leading dot means
 * nothing, "@" takes every sender but the null one, an entry without sub-address takes them all.
 */
#include "router/match.h"

#include <stdio.h>
#include <string.h>

#include "router/table_file.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct row {
	const char *name;
	const char *table; /* lines */
	const char *key;
	bool want;
};

/* clang-format off */
static const struct row strings[] = {
	{ "a string is equal", "one\ntwo\n", "two", true },
	{ "but for case", "One\n", "oNE", true },
	{ "a string is not a part", "one\n", "on", false },
	{ "nothing in an empty table", "", "one", false },
	{ "a string may hold blanks", "one two\n", "one two", true },
};

static const struct row domains[] = {
	{ "a domain is equal", "example.org\n", "example.org", true },
	{ "but for case", "Example.ORG\n", "example.org", true },
	{ "a domain does not take those below", "example.org\n", "a.example.org", false },
	{ "*. takes one label", "*.example.org\n", "a.example.org", true },
	{ "*. does not take two labels", "*.example.org\n", "a.b.example.org", false },
	{ "*. does not take none", "*.example.org\n", "example.org", false },
	{ "a leading dot means nothing", ".example.org\n", "a.example.org", false },
	{ "a leading dot is only itself", ".example.org\n", "example.org", false },
	{ "* takes everything", "*\n", "whatever.example", true },
	{ "* takes the empty domain", "*\n", "", true },
	{ "* in the middle", "mx*.example.org\n", "mx12.example.org", true },
	{ "* in the middle ends at the first dot", "mx*.example.org\n", "mx1.a.example.org", false },
	{ "* at the end takes the rest", "mail.*\n", "mail.example.org", true },
	{ "two labels by two stars", "*.*.example.org\n", "a.b.example.org", true },
	{ "not one by two stars", "*.*.example.org\n", "a.example.org", false },
	{ "a literal", "[192.0.2.1]\n", "[192.0.2.1]", true },
	{ "the second of two", "a.example\n*.example\n", "b.example", true },
};

static const struct row addresses[] = {
	{ "an address is equal", "192.0.2.1\n", "192.0.2.1", true },
	{ "another one", "192.0.2.1\n", "192.0.2.2", false },
	{ "a network takes its addresses", "192.0.2.0/24\n", "192.0.2.99", true },
	{ "a network does not take others", "192.0.2.0/24\n", "192.0.3.1", false },
	{ "the larger of two networks", "10.1.0.0/16\n10.0.0.0/8\n", "10.2.3.4", true },
	{ "a network by its first number", "10/8\n", "10.2.3.4", true },
	{ "an IPv6 network", "2001:db8::/32\n", "[2001:db8:1::5]", true },
	{ "an IPv6 network in brackets", "[2001:db8::/32]\n", "[2001:db8:1::5]", true },
	{ "an IPv6 network does not take others", "2001:db8::/32\n", "[2001:db9::5]", false },
	{ "a mapped client is of IPv4", "192.0.2.0/24\n", "::ffff:192.0.2.7", true },
	{ "all of IPv4", "0.0.0.0/0\n", "203.0.113.1", true },
	{ "all of IPv4 is not IPv6", "0.0.0.0/0\n", "[2001:db8::1]", false },
	{ "local", "local\n", "local", true },
	{ "networks are not local", "0.0.0.0/0\n::/0\n", "local", false },
};

static const struct row mail[] = {
	{ "an address is equal", "joe@example.org\n", "joe@example.org", true },
	{ "but for case", "Joe@Example.org\n", "jOE@example.ORG", true },
	{ "another user", "joe@example.org\n", "bob@example.org", false },
	{ "another domain", "joe@example.org\n", "joe@example.net", false },
	{ "a domain takes its users", "@example.org\n", "bob@example.org", true },
	{ "a domain does not take those below", "@example.org\n", "bob@a.example.org", false },
	{ "a domain with *", "@*.example.org\n", "bob@a.example.org", true },
	{ "a domain with * takes one label", "@*.example.org\n", "bob@a.b.example.org", false },
	{ "a user with a domain with *", "joe@*.example.org\n", "joe@a.example.org", true },
	{ "another user with a domain with *", "joe@*.example.org\n", "bob@a.example.org", false },
	{ "a user at every domain", "joe@*\n", "joe@x.example", true },
	{ "a user alone is at every domain", "joe\n", "joe@x.example", true },
	{ "a user alone is no other", "joe\n", "bob@x.example", false },
	{ "an entry without sub-address takes them all", "joe@example.org\n", "joe+tag@example.org", true },
	{ "also a user alone", "joe\n", "joe+tag@example.org", true },
	{ "an entry with a sub-address takes it", "joe+tag@example.org\n", "joe+tag@example.org", true },
	{ "and no other", "joe+tag@example.org\n", "joe+other@example.org", false },
	{ "nor none", "joe+tag@example.org\n", "joe@example.org", false },
	{ "a user alone with a sub-address", "joe+tag\n", "joe+tag@example.org", true },
	{ "@ takes every address", "@\n", "any@where.example", true },
	{ "@ does not take the null reverse-path", "@\n", "@", false },
	{ "nothing but regex takes the null reverse-path", "@*\n*\n", "@", false },
	{ "* elsewhere in a domain", "joe@mx*.example.org\n", "joe+x@mx1.example.org", true },
	{ "* elsewhere in a domain, of another user", "joe@mx*.example.org\n", "bob@mx1.example.org", false },
	{ "a quoted local part is not taken for an address (C08)", "a@evil.example\n", "a@evil.example@d.example", false },
	{ "nor with a sub-address (C08)", "a@evil.example\n", "a@evil.example+x@d.example", false },
	{ "a quoted local part is taken by its domain", "@d.example\n", "a@evil.example@d.example", true },
};

static const struct row regexes[] = {
	{ "a regular expression", "^a.*\\.example$\n", "abc.example", true },
	{ "the second of two", "^x\n^a\n", "abc", true },
	{ "none of two", "^x\n^y\n", "abc", false },
	{ "\"^@$\" takes the null reverse-path", "^@$\n", "@", true },
	{ "a colon belongs to the expression", "^a:b$\n", "a:b", true },
};

static const struct {
	const char *name;
	const struct match_kind *kind;
	const struct row *rows;
	size_t count;
} kinds[] = {
	{ "string", &match_string, strings, COUNT(strings) },
	{ "domain", &match_domain, domains, COUNT(domains) },
	{ "netaddr", &match_netaddr, addresses, COUNT(addresses) },
	{ "mailaddr", &match_mailaddr, mail, COUNT(mail) },
	{ "regex", &match_regex, regexes, COUNT(regexes) },
};

static const struct {
	const char *name;
	const struct match_kind *kind;
	const char *table;
	const char *want; /* begins the error */
} refused[] = {
	{ "a domain with a blank", &match_domain, "example.org\nexample.net # mine\n", "t:2: expected a domain" },
	{ "an address as a domain", &match_domain, "joe@example.org\n", "t:1: expected a domain" },
	{ "a host name as an address", &match_netaddr, "10.0.0.1\nmail.example.org\n", "t:2: expected an address" },
	{ "an address with something behind", &match_mailaddr, "joe@example.org x\n", "t:1: expected user@domain" },
	{ "an address without a domain", &match_mailaddr, "joe@\n", "t:1: expected a domain behind" },
	{ "a bad expression", &match_regex, "ok\n(a\n", "t:2: regular expression: a \"(\" has no \")\"" },
};
/* clang-format on */

static void
open_entries(struct entries *e, const char *table)
{
	struct error err;
	enum table_form form;

	entries_init(e, "t", table);
	assert_true(table_file_entries(str_of(table), TABLE_FORM_LIST, e, &form, &err));
	assert_true(entries_index(e, &err));
}

static struct table_key
key_of(const char *text, struct netaddr *room)
{
	struct table_key key = { .text = str_of(text), .delimiter = '+' };

	(void)str_cut_last(key.text, '@', &key.local, &key.domain);
	key.null = strcmp(text, "@") == 0;
	if (netaddr_parse(key.text, room))
		key.address = room;
	return key;
}

static void
test_kinds(void **state)
{
	struct entries e;
	struct netaddr room;
	struct table_key key;
	struct error err;
	void *matcher;
	size_t k, i;

	(void)state;
	for (k = 0; k < COUNT(kinds); k++) {
		for (i = 0; i < kinds[k].count; i++) {
			const struct row *row = &kinds[k].rows[i];
			open_entries(&e, row->table);
			matcher = kinds[k].kind->make(&e, &err);
			if (matcher == NULL)
				row_fail(row->name, "%s", err.text);
			key = key_of(row->key, &room);
			if (kinds[k].kind->has(matcher, &key) != row->want)
				row_fail(row->name, "(%s) got %d", kinds[k].name, !row->want);
			kinds[k].kind->free(matcher);
			entries_clear(&e);
		}
	}
}

static void
test_what_could_never_match_is_refused(void **state)
{
	struct entries e;
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(refused); i++) {
		open_entries(&e, refused[i].table);
		if (refused[i].kind->make(&e, &err) != NULL)
			row_fail(refused[i].name, "%s", "taken");
		if (strncmp(err.text, refused[i].want, strlen(refused[i].want)) != 0)
			row_fail(refused[i].name, "got \"%s\"", err.text);
		entries_clear(&e);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_what_could_never_match_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
