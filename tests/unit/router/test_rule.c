/* SPDX-License-Identifier: ISC */
/* Promised: the first rule whose conditions all hold decides, with the conditions, defaults and negations of smtpd.conf(5). */
#include "router/rule.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/router/fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define YES      "action \"a\"\n"

/* clang-format off */
static const struct {
	const char *name;
	const char *rule; /* the whole of the rules */
	const char *client, *tag, *helo, *from, *to;
	bool internal;
	enum rule_found want;
} rows[] = {
	{ "without from: a local client", "match for any " YES, "127.0.0.1", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "without from: no other client", "match for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_NONE },
	{ "without for: a local domain", "match from any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@localhost", false, RULE_ACTION },
	{ "without for: no other domain", "match from any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_NONE },
	{ "from local: the socket", "match from local for any " YES, "local", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "from local: an own address", "match from local for any " YES, "192.0.2.10", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "from local: the own IPv6 address", "match from local for any " YES, "2001:db8::10", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "not from local", "match !from local for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "not from local, and it is", "match !from local for any " YES, "127.0.0.1", NULL, "h", "a@b.example", "c@d.example", false, RULE_NONE },
	{ "from socket", "match from socket for any " YES, "local", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "from socket is not loopback", "match from socket for any " YES, "127.0.0.1", NULL, "h", "a@b.example", "c@d.example", false, RULE_NONE },
	{ "from src", "match from src \"192.0.2.0/24\" for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "not from src", "match !from src \"192.0.2.0/24\" for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_NONE },
	{ "from src by regex of IPv6", "match from src regex \"^\\[2001:db8:\" for any " YES, "2001:db8::9", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "for domain", "match from any for domain \"d.example\" " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "not for domain", "match from any !for domain \"d.example\" " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_NONE },
	{ "for domain by regex", "match from any for domain regex \"ample$\" " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "not for local", "match from any !for local " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "for local: the name of this machine", "match from any for local " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@mx.example.org", false, RULE_ACTION },
	{ "for rcpt-to goes for any", "match from any for rcpt-to \"c@d.example\" " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "not for rcpt-to", "match from any !for rcpt-to \"c@d.example\" " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_NONE },
	{ "rcpt-to alone is for local", "match from any rcpt-to \"c@d.example\" " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_NONE },
	{ "rcpt-to takes sub-addresses", "match from any for any rcpt-to \"c@d.example\" " YES, "192.0.2.9", NULL, "h", "a@b.example", "c+x@d.example", false, RULE_ACTION },
	{ "mail-from", "match from any for any mail-from \"a@b.example\" " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "from mail-from goes for any client", "match from mail-from \"@b.example\" for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "not mail-from", "match from any for any !mail-from \"@b.example\" " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_NONE },
	{ "the null reverse-path by regex", "match from any for any mail-from regex \"^@$\" " YES, "192.0.2.9", NULL, "h", "", "c@d.example", false, RULE_ACTION },
	{ "the null reverse-path is not @", "match from any for any mail-from \"@\" " YES, "192.0.2.9", NULL, "h", "", "c@d.example", false, RULE_NONE },
	{ "tag", "match tag \"t\" from any for any " YES, "192.0.2.9", "t", "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "another tag", "match tag \"t\" from any for any " YES, "192.0.2.9", "u", "h", "a@b.example", "c@d.example", false, RULE_NONE },
	{ "no tag", "match tag \"t\" from any for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_NONE },
	{ "not that tag: none", "match !tag \"t\" from any for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "helo", "match helo \"*.client.example\" from any for any " YES, "192.0.2.9", NULL, "mx.client.example", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "not helo", "match !helo \"*.client.example\" from any for any " YES, "192.0.2.9", NULL, "mx.client.example", "a@b.example", "c@d.example", false, RULE_NONE },
	{ "all conditions have to hold", "match tag \"t\" from src \"192.0.2.0/24\" for any " YES, "198.51.100.9", "t", "h", "a@b.example", "c@d.example", false, RULE_NONE },
	{ "the first rule decides", "match from any for any reject\nmatch from any for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_REJECT },
	{ "a rule that does not hold is passed", "match from any for domain \"x.example\" reject\nmatch from any for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "a reject of certain clients blocks", "match from src \"192.0.2.9\" for any reject\n", "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_BLOCK },
	{ "a reject of certain senders blocks", "match from any for any mail-from \"@b.example\" reject\n", "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", false, RULE_BLOCK },
	{ "internal: counts as local", "match from local for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", true, RULE_ACTION },
	{ "internal: from any", "match from any for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", true, RULE_ACTION },
	{ "internal: from src sees local", "match from src \"192.0.2.0/24\" for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", true, RULE_NONE },
	{ "internal: from src local", "match from src \"local\" for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", true, RULE_ACTION },
	{ "internal: not from the socket", "match from socket for any " YES, "local", NULL, "h", "a@b.example", "c@d.example", true, RULE_NONE },
	{ "internal: helo is that of the session", "match helo \"h\" for any " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", true, RULE_ACTION },
	{ "internal: mail-from is that of the session", "match for any mail-from \"a@b.example\" " YES, "192.0.2.9", NULL, "h", "a@b.example", "c@d.example", true, RULE_ACTION },
	{ "anyhost takes the socket", "match from src <\"<anyhost>\"> for any " YES, "local", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "anyhost takes IPv6", "match from src <\"<anyhost>\"> for any " YES, "2001:db8::9", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "localhost takes own addresses", "match from src <\"<localhost>\"> for any " YES, "192.0.2.10", NULL, "h", "a@b.example", "c@d.example", false, RULE_ACTION },
	{ "localhost takes no others", "match from src <\"<localhost>\"> for any " YES, "192.0.2.11", NULL, "h", "a@b.example", "c@d.example", false, RULE_NONE },
};

static const struct {
	const char *name;
	const char *rule;
	const char *want;
} later[] = {
	{ "rdns", "match from rdns for any " YES, "not supported yet: match from rdns" },
	{ "auth", "match auth for any " YES, "not supported yet: match auth" },
	{ "tls", "match tls for any " YES, "not supported yet: match tls" },
};
/* clang-format on */

static enum rule_found
ask(struct fixture *f, size_t i)
{
	struct netaddr client;
	char text[NETADDR_TEXT_MAX];
	struct address reverse, recipient;
	struct rule_facts facts = { .client = &client, .client_text = text, .helo = rows[i].helo, .tag = rows[i].tag };
	const struct config_action *action = NULL;
	enum rule_found found;

	assert_true(netaddr_parse(str_of(rows[i].client), &client));
	netaddr_format(&client, text);
	assert_true(address_parse(str_of(rows[i].from), ADDRESS_NULL_ALLOWED, &reverse, NULL));
	assert_true(address_parse(str_of(rows[i].to), 0, &recipient, NULL));
	facts.local = names_is_own_address(f->routing.names, &client);
	facts.socket = client.family == NETADDR_LOCAL;
	facts.reverse = &reverse;
	found = rules_find(f->routing.rules, &facts, &recipient, rows[i].internal, &action);
	assert_true(found != RULE_ACTION || strcmp(action->name, "a") == 0);
	return found;
}

static void
test_rules(void **state)
{
	char config[1024];
	struct fixture f;
	enum rule_found got;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		fixture_begin(&f);
		(void)snprintf(config, sizeof(config), "action \"a\" relay\n%s", rows[i].rule);
		if (!fixture_open(&f, config))
			row_fail(rows[i].name, "%s", f.err.text);
		got = ask(&f, i);
		if (got != rows[i].want)
			row_fail(rows[i].name, "got %u, want %u", got, rows[i].want);
		fixture_end(&f);
	}
}

static void
test_what_is_for_later_is_refused(void **state)
{
	char config[1024];
	struct fixture f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(later); i++) {
		fixture_begin(&f);
		(void)snprintf(config, sizeof(config), "action \"a\" relay\n%s", later[i].rule);
		if (fixture_open(&f, config) || strstr(f.err.text, later[i].want) == NULL)
			row_fail(later[i].name, "\"%s\"", f.err.text);
		fixture_end(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_what_is_for_later_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
