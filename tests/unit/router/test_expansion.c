/* SPDX-License-Identifier: ISC */
/*
 * Promised: a recipient becomes exactly the deliveries that rules, aliases and users say, each once, or one reply; never
 * half of them. Bounded in depth, number and steps. Postmaster is never refused for good. SECURITY rows C08, L05, X09.
 */
#include "router/expansion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/limits.h"
#include "tests/unit/router/fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char config[] = "table aliases \"DIR/aliases\"\n"
			     "table ours { \"example.org\", \"*.sub.example.org\" }\n"
			     "table people { \"ann\" = \"2001:100:/home/ann\", \"rooty\" = \"0:0:/root\" }\n"
			     "action \"local\" maildir alias <aliases>\n"
			     "action \"people\" maildir userbase <people>\n"
			     "action \"vmail\" maildir user bob\n"
			     "action \"out\" relay\n"
			     "action \"smart\" relay host \"smtp://smart.example:587\"\n"
			     "match from any for domain \"people.example\" action \"people\"\n"
			     "match from any for domain \"vmail.example\" action \"vmail\"\n"
			     "match from any for domain <ours> action \"local\"\n"
			     "match from any for domain \"backup.example\" action \"out\"\n"
			     "match from any for domain \"smart.example\" action \"smart\"\n"
			     "match from src \"203.0.113.0/24\" for any reject\n"
			     "match from local for local action \"local\"\n"
			     "match from local for any action \"out\"\n";

static const char aliases[] = "root: joe\n"
			      "postmaster: root\n"
			      "list: joe, bob, ann@people.example\n"
			      "twice: joe, bob, joe, JOE, list\n"
			      "abroad: x@remote.example, y@backup.example, z@smart.example\n"
			      "joe+special: bob\n"
			      "self: self\n"
			      "bob: bob, joe\n"
			      "ann: list2\n"
			      "list2: ann, joe\n"
			      "loop1: loop2\n"
			      "loop2: loop1\n"
			      "home: joe@example.org\n"
			      "here: here@example.org\n"
			      "bad: joe, b c\n"
			      "half: joe, nobody\n"
			      "gone: error:550 5.1.6 moved away\n"
			      "later: error:451 not now\n"
			      "command: joe, |/bin/cat\n"
			      "file: /tmp/x\n"
			      "inc: :include:DIR/members\n"
			      "d0: d1\nd1: d2\nd2: d3\nd3: d4\nd4: d5\nd5: d6\nd6: d7\nd7: d8\nd8: d9\nd9: joe\n"
			      "e0: d0\n"
			      "reject: spam@203.example\n";

static const char members[] = "# the members\n"
			      "joe\n"
			      "\n"
			      "bob, remote@remote.example # and a friend\n";

/* clang-format off */
static const struct {
	const char *name;
	const char *client; /* address; "local" */
	const char *recipient;
	const char *want; /* deliveries, "ACTION/user" or "ACTION:address", sorted; or "CODE ENHANCED" */
} rows[] = {
	{ "a user", "192.0.2.99", "joe@example.org", "local/joe" },
	{ "a user in other case", "192.0.2.99", "JOE@example.org", "local/joe" },
	{ "a user with a sub-address", "192.0.2.99", "joe+tag@example.org", "local/joe+tag" },
	{ "an alias of a sub-address", "192.0.2.99", "joe+special@example.org", "local/bob local/joe" },
	{ "nobody", "192.0.2.99", "nobody@example.org", "550 5.1.1" },
	{ "a domain below, one label", "192.0.2.99", "joe@a.sub.example.org", "local/joe" },
	{ "a domain below, two labels", "192.0.2.99", "joe@a.b.sub.example.org", "550 5.7.1" },
	{ "a domain that is not ours", "192.0.2.99", "joe@remote.example", "550 5.7.1" },
	{ "a domain that is not ours, from here", "local", "joe@remote.example", "out:joe@remote.example" },
	{ "from an address of this machine", "192.0.2.10", "joe@remote.example", "out:joe@remote.example" },
	{ "from loopback", "127.0.0.1", "joe@remote.example", "out:joe@remote.example" },
	{ "a client that is rejected, where it matters", "203.0.113.5", "joe@remote.example", "550 5.7.1" },
	{ "the first rule decides", "203.0.113.5", "joe@example.org", "local/joe" },
	{ "a backup", "192.0.2.99", "joe@backup.example", "out:joe@backup.example" },
	{ "a smarthost", "192.0.2.99", "joe@smart.example", "smart:joe@smart.example" },
	{ "this machine's name is local, from here", "local", "joe@mx.example.org", "local/joe" },
	{ "this machine's address is local, from here", "local", "joe@[192.0.2.10]", "local/joe" },
	{ "this machine's IPv6 address is local, from here", "local", "joe@[IPv6:2001:db8::10]", "local/joe" },
	{ "another address is relayed to", "local", "joe@[192.0.2.11]", "out:joe@[192.0.2.11]" },

	{ "an alias", "192.0.2.99", "root@example.org", "local/joe" },
	{ "an alias of an alias", "192.0.2.99", "postmaster@example.org", "local/joe" },
	{ "a list", "192.0.2.99", "list@example.org", "local/bob local/joe people/ann" },
	{ "what comes twice is delivered once", "192.0.2.99", "twice@example.org", "local/bob local/joe people/ann" },
	{ "addresses go through the rules as from here", "192.0.2.99", "abroad@example.org", "out:x@remote.example out:y@backup.example smart:z@smart.example" },
	{ "a name in its own alias is the user", "192.0.2.99", "bob@example.org", "local/bob local/joe" },
	{ "also behind another alias", "192.0.2.99", "ann@example.org", "local/ann local/joe" },
	{ "a name that is its own alias and no user is a loop", "192.0.2.99", "self@example.org", "550 5.4.6" },
	{ "a loop", "192.0.2.99", "loop1@example.org", "550 5.4.6" },
	{ "a loop over an address", "192.0.2.99", "here@example.org", "550 5.4.6" },
	{ "an address that is ours", "192.0.2.99", "home@example.org", "local/joe" },
	{ "a mistake in an alias refuses all of it, for now", "192.0.2.99", "bad@example.org", "451 4.3.5" },
	{ "one bad branch refuses all of it", "192.0.2.99", "half@example.org", "550 5.1.1" },
	{ "an error with an enhanced code", "192.0.2.99", "gone@example.org", "550 5.1.6" },
	{ "an error without one", "192.0.2.99", "later@example.org", "451 4.1.0" },
	{ "a command is for later", "192.0.2.99", "command@example.org", "451 4.3.5" },
	{ "a file is for later", "192.0.2.99", "file@example.org", "451 4.3.5" },
	{ "an included file", "192.0.2.99", "inc@example.org", "local/bob local/joe out:remote@remote.example" },
	{ "ten aliases within each other", "192.0.2.99", "d0@example.org", "local/joe" },
	{ "eleven aliases within each other", "192.0.2.99", "e0@example.org", "550 5.4.6" },

	{ "userbase: a user", "192.0.2.99", "ann@people.example", "people/ann" },
	{ "userbase: nobody", "192.0.2.99", "joe@people.example", "550 5.1.1" },
	{ "userbase: root by another name (L05)", "192.0.2.99", "rooty@people.example", "550 5.2.1" },
	{ "root twin of the system (L05)", "192.0.2.99", "toor@example.org", "550 5.2.1" },
	{ "an action with a user of its own", "192.0.2.99", "joe@vmail.example", "vmail/joe" },
	{ "userdb cannot answer", "192.0.2.99", "slow@example.org", "waits" },
	{ "userdb has no answer", "192.0.2.99", "broken@example.org", "451 4.3.0" },

	{ "routed by the last @ (C08)", "192.0.2.99", "\"a@example.org\"@evil.example", "550 5.7.1" },
	{ "a quoted local part is no user (C08)", "192.0.2.99", "\"joe@remote.example\"@example.org", "550 5.1.1" },
	{ "% means nothing (C08)", "192.0.2.99", "joe%remote.example@example.org", "550 5.1.1" },
	{ "! means nothing (C08)", "192.0.2.99", "remote!joe@example.org", "550 5.1.1" },
	{ "a shell's words are no user", "192.0.2.99", "\";id;\"@example.org", "550 5.1.1" },
	{ "a path is no user", "192.0.2.99", "\"../joe\"@example.org", "550 5.1.1" },
	{ "a local part in quotes that need not be", "192.0.2.99", "\"joe\"@example.org", "local/joe" },

	{ "postmaster without a domain", "192.0.2.99", "postmaster", "local/joe" },
	{ "postmaster in any case", "192.0.2.99", "PostMaster", "local/joe" },
	{ "postmaster at a domain served for others only", "192.0.2.99", "postmaster@mx.example.org", "local/joe" },
	{ "postmaster at the address of this machine", "192.0.2.99", "postmaster@[192.0.2.10]", "local/joe" },
	{ "postmaster where nobody is goes to root of this machine", "192.0.2.99", "postmaster@people.example", "local/joe" },
	{ "postmaster of others is not ours", "192.0.2.99", "postmaster@remote.example", "550 5.7.1" },
	{ "postmaster of a domain that is relayed", "192.0.2.99", "postmaster@backup.example", "out:postmaster@backup.example" },
	{ "postmaster for a client that is blocked", "203.0.113.5", "postmaster@mx.example.org", "550 5.7.1" },
};
/* clang-format on */

struct asked {
	struct rule_facts facts;
	struct netaddr client;
	char client_text[NETADDR_TEXT_MAX];
	struct address reverse, recipient;
	bool told;
};

static void
on_done(void *arg)
{
	struct asked *a = arg;

	a->told = true;
}

static struct expansion *
ask(struct fixture *f, struct asked *a, const char *client, const char *recipient)
{
	memset(a, 0, sizeof(*a));
	assert_true(netaddr_parse(str_of(client), &a->client));
	netaddr_format(&a->client, a->client_text);
	assert_true(address_parse(str_of("from@sender.example"), 0, &a->reverse, NULL));
	if (!address_parse(str_of(recipient), ADDRESS_POSTMASTER_ALLOWED, &a->recipient, NULL))
		fail_msg("%s is no address", recipient);
	if (a->recipient.domain[0] == '\0')
		(void)strlcpy(a->recipient.domain, "mx.example.org", sizeof(a->recipient.domain));
	a->facts = (struct rule_facts){ .client = &a->client, .client_text = a->client_text, .helo = "client.example" };
	a->facts.local = names_is_own_address(f->routing.names, &a->client);
	a->facts.socket = a->client.family == NETADDR_LOCAL;
	a->facts.reverse = &a->reverse;
	return expansion_begin(&f->routing, &a->facts, &a->recipient, on_done, a);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
describe(const struct expansion *e, char *out, size_t size)
{
	char address[ADDRESS_MAX + 1], lines[16][512];
	const char *sorted[16];
	struct expansion_answer answer;
	struct delivery d;
	size_t i;

	if (!expansion_is_done(e)) {
		(void)snprintf(out, size, "waits");
		return;
	}
	answer = expansion_answer(e);
	(void)snprintf(out, size, "%u %s", answer.code, answer.enhanced);
	if (answer.code >= 400)
		return;
	assert_string_equal(out, "250 2.1.5");
	assert_in_range(expansion_count(e), 1, 16);
	for (i = 0; i < expansion_count(e); i++) {
		expansion_get(e, i, &d);
		(void)address_format(&d.recipient, address);
		if (d.kind == PROTO_DELIVERY_LOCAL)
			address[strcspn(address, "@")] = '\0';
		(void)snprintf(lines[i], sizeof(lines[i]), "%.100s%s%.300s", d.action->config->name,
		    d.kind == PROTO_DELIVERY_LOCAL ? "/" : ":", address);
		sorted[i] = lines[i];
	}
	qsort(sorted, expansion_count(e), sizeof(sorted[0]), compare);
	out[0] = '\0';
	for (i = 0; i < expansion_count(e); i++) {
		(void)strlcat(out, i == 0 ? "" : " ", size);
		(void)strlcat(out, sorted[i], size);
	}
}

static void
know_users(struct fixture *f)
{
	static const struct {
		const char *name;
		enum proto_answer status;
		uint32_t uid;
	} users[] = { { "joe", PROTO_ANSWER_FOUND, 1000 }, { "bob", PROTO_ANSWER_FOUND, 1001 },
		{ "ann", PROTO_ANSWER_FOUND, 1002 }, { "root", PROTO_ANSWER_FOUND, 0 },
		{ "toor", PROTO_ANSWER_FOUND, 0 }, { "nobody", PROTO_ANSWER_NONE, 0 },
		{ "postmaster", PROTO_ANSWER_NONE, 0 }, { "self", PROTO_ANSWER_NONE, 0 },
		{ "here", PROTO_ANSWER_NONE, 0 }, { "loop1", PROTO_ANSWER_NONE, 0 },
		{ "loop2", PROTO_ANSWER_NONE, 0 } };
	size_t i;

	for (i = 0; i < COUNT(users); i++)
		fixture_user(f, users[i].name, users[i].status, users[i].uid);
}

static void
test_recipients(void **state)
{
	struct fixture f;
	struct asked a;
	struct expansion *e;
	char got[4096];
	size_t i;

	(void)state;
	fixture_begin(&f);
	fixture_file(&f, "aliases", aliases);
	fixture_file(&f, "members", members);
	if (!fixture_open(&f, config))
		fail_msg("%s", f.err.text);
	know_users(&f);
	for (i = 0; i < COUNT(rows); i++) {
		e = ask(&f, &a, rows[i].client, rows[i].recipient);
		assert_non_null(e);
		if (strcmp(rows[i].recipient, "broken@example.org") == 0) {
			struct msg_user_answer broken = { .status = PROTO_ANSWER_TEMPORARY, .name = STR("broken") };
			assert_true(users_answer(f.routing.users, f.asked + 2, &broken));
			assert_true(a.told);
		}
		describe(e, got, sizeof(got));
		if (strcmp(got, rows[i].want) != 0)
			row_fail(rows[i].name, "got %s, want %s", got, rows[i].want);
		expansion_end(e);
	}
	fixture_end(&f);
}

static void
test_a_user_that_is_asked_for_is_waited_for(void **state)
{
	struct msg_user_answer answer = { .status = PROTO_ANSWER_FOUND, .name = STR("new"), .uid = 7, .gid = 7 };
	struct fixture f;
	struct asked a, b, c;
	struct expansion *e1, *e2, *e3;
	char got[4096];

	(void)state;
	fixture_begin(&f);
	fixture_file(&f, "aliases", "team: new, new2\n");
	assert_true(fixture_open(&f, config));
	e1 = ask(&f, &a, "local", "new@example.org");
	e2 = ask(&f, &b, "local", "team@example.org");
	e3 = ask(&f, &c, "local", "new@example.org");
	assert_int_equal(users_pending(f.routing.users), 1);
	expansion_end(e3);
	assert_true(users_answer(f.routing.users, 1, &answer));
	assert_true(a.told);
	assert_false(b.told);
	assert_false(c.told);
	describe(e1, got, sizeof(got));
	assert_string_equal(got, "local/new");
	answer.name = (struct str)STR("new2");
	assert_true(users_answer(f.routing.users, 2, &answer));
	assert_true(b.told);
	describe(e2, got, sizeof(got));
	assert_string_equal(got, "local/new local/new2");
	expansion_end(e1);
	expansion_end(e2);

	e1 = ask(&f, &a, "local", "other@example.org");
	expansion_give_up(e1);
	describe(e1, got, sizeof(got));
	assert_string_equal(got, "451 4.3.0");
	expansion_end(e1);
	fixture_end(&f);
}

/* levels of lists of ten; the last ones are addresses, of which each list has other ones. */
static void
write_tree(struct fixture *f, unsigned levels)
{
	struct buf text;
	unsigned level, i, j, lists = 1;

	buf_init(&text, 1 << 20);
	for (level = 0; level < levels; level++) {
		for (i = 0; i < lists; i++) {
			assert_true(buf_printf(&text, "l%u-%u:", level, i));
			for (j = 0; j < 10; j++)
				assert_true(buf_printf(&text, "%s l%u-%u%s", j == 0 ? "" : ",", level + 1, 10 * i + j,
				    level + 1 == levels ? "@remote.example" : ""));
			assert_true(buf_append_byte(&text, '\n'));
		}
		lists *= 10;
	}
	assert_true(buf_append_byte(&text, '\0'));
	fixture_file(f, "aliases", text.data);
	buf_clear(&text);
}

static void
test_explosions_are_bounded(void **state)
{
	static const struct {
		unsigned levels;
		unsigned code;
		size_t count;
	} trees[] = { { 1, 250, 10 }, { 2, 250, 100 }, { 3, 250, 1000 }, { 4, 550, 0 } };
	struct fixture f;
	struct asked a;
	struct expansion *e;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(trees); i++) {
		fixture_begin(&f);
		write_tree(&f, trees[i].levels);
		assert_true(fixture_open(&f, config));
		e = ask(&f, &a, "local", "l0-0@example.org");
		assert_true(expansion_is_done(e));
		assert_int_equal(expansion_answer(e).code, trees[i].code);
		if (trees[i].count > 0)
			assert_int_equal(expansion_count(e), trees[i].count);
		else
			assert_string_equal(expansion_answer(e).enhanced, "5.4.6");
		expansion_end(e);
		fixture_end(&f);
	}
}

/* An included file of one name, many times: nothing but work. */
static void
test_steps_are_bounded(void **state)
{
	struct fixture f;
	struct asked a;
	struct expansion *e;
	struct buf text;
	unsigned i;

	(void)state;
	fixture_begin(&f);
	buf_init(&text, 1 << 20);
	for (i = 0; i <= EXPANSION_STEPS_MAX; i++)
		assert_true(buf_append_text(&text, "x@remote.example\n"));
	assert_true(buf_append_byte(&text, '\0'));
	fixture_file(&f, "aliases", "many: :include:DIR/many\n");
	fixture_file(&f, "many", text.data);
	buf_clear(&text);
	assert_true(fixture_open(&f, config));
	e = ask(&f, &a, "local", "many@example.org");
	assert_int_equal(expansion_answer(e).code, 550);
	assert_string_equal(expansion_answer(e).enhanced, "5.4.6");
	expansion_end(e);
	fixture_end(&f);
}

/* Every way in which mail for postmaster can end nowhere is told 451, and is known to have been postmaster's. */
static void
test_postmaster_is_never_refused_for_good(void **state)
{
	static const struct {
		const char *name;
		const char *aliases;
		const char *want;
	} ways[] = {
		{ "no alias, and root is root", "x: joe\n", "451 4.3.5" },
		{ "an alias to nobody, root has one", "postmaster: nobody\nroot: joe\n", "local/joe" },
		{ "an alias that refuses, root has one", "postmaster: error:550 no\nroot: joe\n", "local/joe" },
		{ "a loop, root has an alias", "postmaster: postmaster\nroot: joe\n", "local/joe" },
		{ "half an alias, root has one", "postmaster: bob, nobody\nroot: joe\n", "local/joe" },
		{ "nobody in an included file, root has an alias", "postmaster: :include:DIR/l\nroot: joe\n",
		    "local/joe" },
		{ "no alias, root's is to nobody", "root: nobody\n", "451 4.3.5" },
		{ "an alias to root, whose one is bad", "postmaster: root\nroot: nobody\n", "451 4.3.5" },
		{ "root's is refused", "root: error:550 no\n", "451 4.3.5" },
		{ "root's is to a domain that is not relayed", "root: x@203.example\n", "out:x@203.example" },
	};
	struct fixture f;
	struct asked a;
	struct expansion *e;
	char got[4096];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(ways); i++) {
		fixture_begin(&f);
		fixture_file(&f, "aliases", ways[i].aliases);
		fixture_file(&f, "l", "nobody\nbob\n");
		assert_true(fixture_open(&f, config));
		know_users(&f);
		e = ask(&f, &a, "192.0.2.99", "postmaster");
		describe(e, got, sizeof(got));
		if (strcmp(got, ways[i].want) != 0)
			row_fail(ways[i].name, "got %s, want %s", got, ways[i].want);
		assert_int_equal(expansion_lacks_postmaster(e), strcmp(got, "451 4.3.5") == 0);
		expansion_end(e);
		fixture_end(&f);
	}
}

static void
test_postmaster_without_any_local_action(void **state)
{
	struct fixture f;
	struct asked a;
	struct expansion *e;
	char got[4096];

	(void)state;
	fixture_begin(&f);
	assert_true(fixture_open(&f, "action \"out\" relay\nmatch from any for domain \"a.example\" action \"out\"\n"));
	e = ask(&f, &a, "192.0.2.99", "postmaster");
	describe(e, got, sizeof(got));
	assert_string_equal(got, "451 4.3.5");
	assert_true(expansion_lacks_postmaster(e));
	expansion_end(e);
	fixture_end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_a_user_that_is_asked_for_is_waited_for),
		cmocka_unit_test(test_explosions_are_bounded),
		cmocka_unit_test(test_steps_are_bounded),
		cmocka_unit_test(test_postmaster_is_never_refused_for_good),
		cmocka_unit_test(test_postmaster_without_any_local_action),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
