/* SPDX-License-Identifier: ISC */
/*
 * Promise: a zone, in, becomes the hosts that RFC 5321 section 5.1 says, in its order, within the limits; and what is
 * wrong with it becomes the status that decides between trying again and giving back. Rows are zones, written as
 * "OWNER TYPE VALUE" lines; MAIL in "want" is what is told, a host a word.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/resolver/wire.h"

#include "common/loop.h"
#include "resolver/limits.h"
#include "resolver/route.h"

struct row {
	const char *sentence;
	const char *zone;
	bool mx;
	enum proto_route status;
	const char *want; /* hosts, or the text of the end */
};

/* clang-format off */
static const struct row rows[] = {
	{ "one MX", "d.example MX 10 mx.d.example|mx.d.example A 192.0.2.1", true, PROTO_ROUTE_FOUND, "mx.d.example=192.0.2.1" },
	{ "by preference", "d.example MX 20 b.example|d.example MX 10 a.example|a.example A 192.0.2.1|b.example A 192.0.2.2", true,
	  PROTO_ROUTE_FOUND, "a.example=192.0.2.1 b.example=192.0.2.2" },
	{ "IPv6 and IPv4 in turn", "d.example MX 10 a.example|a.example A 192.0.2.1|a.example A 192.0.2.2|a.example AAAA 2001:db8::1", true,
	  PROTO_ROUTE_FOUND, "a.example=2001:db8::1 a.example=192.0.2.1 a.example=192.0.2.2" },
	{ "no MX: the domain itself", "d.example A 192.0.2.1", true, PROTO_ROUTE_FOUND, "d.example=192.0.2.1" },
	{ "no MX and no address", "d.example TXT x", true, PROTO_ROUTE_NO_DOMAIN, "5.4.4 no mail host of d.example has an address" },
	{ "no such domain", "", true, PROTO_ROUTE_NO_DOMAIN, "5.1.2 d.example does not exist" },
	{ "an MX without address, the other has one", "d.example MX 10 a.example|d.example MX 20 b.example|b.example A 192.0.2.2", true,
	  PROTO_ROUTE_FOUND, "b.example=192.0.2.2" },
	{ "no MX has an address", "d.example MX 10 a.example|d.example MX 20 b.example", true, PROTO_ROUTE_NO_DOMAIN,
	  "5.4.4 no mail host of d.example has an address" },
	{ "an MX means that the domain itself is not tried", "d.example MX 10 a.example|d.example A 192.0.2.9", true, PROTO_ROUTE_NO_DOMAIN,
	  "5.4.4 no mail host of d.example has an address" },
	{ "D03 null MX", "d.example MX 0 .", true, PROTO_ROUTE_NULL_MX, "5.1.10 d.example does not accept mail" },
	{ "D03 null MX does not lead to the domain itself", "d.example MX 0 .|d.example A 192.0.2.1", true, PROTO_ROUTE_NULL_MX,
	  "5.1.10 d.example does not accept mail" },
	{ "D03 null MX among others is nothing", "d.example MX 0 .|d.example MX 10 a.example|a.example A 192.0.2.1", true, PROTO_ROUTE_FOUND,
	  "a.example=192.0.2.1" },
	{ "D03 an MX that is no host name is nothing", "d.example MX 10 a b.example|d.example MX 20 b.example|b.example A 192.0.2.2", true,
	  PROTO_ROUTE_FOUND, "b.example=192.0.2.2" },
	{ "D03 no MX is a host name", "d.example MX 10 a b.example|d.example A 192.0.2.2", true, PROTO_ROUTE_BROKEN,
	  "5.4.4 no MX of d.example is the name of a host" },
	{ "D01 the domain is an alias", "d.example CNAME e.example|e.example MX 10 a.example|a.example A 192.0.2.1", true, PROTO_ROUTE_FOUND,
	  "a.example=192.0.2.1" },
	{ "D01 an MX is an alias", "d.example MX 10 a.example|a.example CNAME b.example|b.example A 192.0.2.1", true, PROTO_ROUTE_FOUND,
	  "a.example=192.0.2.1" },
	{ "D01 eight aliases", "d.example CNAME c1|c1 CNAME c2|c2 CNAME c3|c3 CNAME c4|c4 CNAME c5|c5 CNAME c6|c6 CNAME c7|c7 CNAME c8|c8 MX 10 a.example|a.example A 192.0.2.1",
	  true, PROTO_ROUTE_FOUND, "a.example=192.0.2.1" },
	{ "D01 nine aliases", "d.example CNAME c1|c1 CNAME c2|c2 CNAME c3|c3 CNAME c4|c4 CNAME c5|c5 CNAME c6|c6 CNAME c7|c7 CNAME c8|c8 CNAME c9|c9 MX 10 a.example|a.example A 192.0.2.1",
	  true, PROTO_ROUTE_TEMPORARY, "4.4.3 d.example: too many aliases" },
	{ "D01 an alias of nothing", "d.example CNAME e.example", true, PROTO_ROUTE_NO_DOMAIN, "5.1.2 d.example does not exist" },
	{ "D02 we are the best", "d.example MX 10 me.example|d.example MX 20 a.example|a.example A 192.0.2.1|me.example A 192.0.2.77", true,
	  PROTO_ROUTE_BROKEN, "5.4.6 mail for d.example loops back to myself" },
	{ "D02 we are the second: the first only", "d.example MX 10 a.example|d.example MX 20 me.example|d.example MX 30 b.example|a.example A 192.0.2.1|b.example A 192.0.2.2|me.example A 192.0.2.77",
	  true, PROTO_ROUTE_FOUND, "a.example=192.0.2.1" },
	{ "D02 equals are cut with us", "d.example MX 10 a.example|d.example MX 10 me.example|a.example A 192.0.2.1|me.example A 192.0.2.77", true,
	  PROTO_ROUTE_BROKEN, "5.4.6 mail for d.example loops back to myself" },
	{ "D02 by our address, under another name", "d.example MX 10 a.example|d.example MX 20 b.example|a.example A 192.0.2.1|b.example AAAA 2001:db8::77|b.example A 192.0.2.2",
	  true, PROTO_ROUTE_FOUND, "a.example=192.0.2.1" },
	{ "D02 without MX, at our address", "d.example A 192.0.2.77", true, PROTO_ROUTE_BROKEN, "5.4.6 mail for d.example loops back to myself" },
	{ "D02 our name in any case", "d.example MX 10 ME.example|me.example A 192.0.2.5", true, PROTO_ROUTE_BROKEN,
	  "5.4.6 mail for d.example loops back to myself" },
	{ "D02 a better one than us that cannot be looked up", "d.example MX 10 a.example|d.example MX 20 me.example|a.example SERVFAIL x", true,
	  PROTO_ROUTE_TEMPORARY, "4.4.3 a.example: no answer" },
	{ "D04 SERVFAIL for the MX", "d.example SERVFAIL x|d.example A 192.0.2.1", true, PROTO_ROUTE_TEMPORARY, "4.4.3 d.example: no answer" },
	{ "D04 SERVFAIL for the only host", "d.example MX 10 a.example|a.example SERVFAIL x", true, PROTO_ROUTE_TEMPORARY, "4.4.3 a.example: no answer" },
	{ "D04 SERVFAIL for one of two", "d.example MX 10 a.example|d.example MX 20 b.example|a.example SERVFAIL x|b.example A 192.0.2.2", true,
	  PROTO_ROUTE_FOUND, "b.example=192.0.2.2" },
	{ "D04 a broken answer", "d.example BROKEN x", true, PROTO_ROUTE_TEMPORARY, "4.4.3 d.example: the answer is broken" },
	{ "a host by its name", "d.example A 192.0.2.1|d.example MX 10 a.example", false, PROTO_ROUTE_FOUND, "d.example=192.0.2.1" },
	{ "a host that does not exist", "", false, PROTO_ROUTE_NO_DOMAIN, "5.1.2 d.example does not exist" },
	{ "a host without address", "d.example TXT x", false, PROTO_ROUTE_NO_DOMAIN, "5.4.4 no mail host of d.example has an address" },
	{ "a host that is us is not a loop: the configuration says so", "d.example A 192.0.2.77", false, PROTO_ROUTE_FOUND, "d.example=192.0.2.77" },
};
/* clang-format on */

static struct {
	const char *zone;
	char hosts[65536];
	unsigned told;
	unsigned ends;
	enum proto_route status;
	char text[PROTO_TEXT_MAX + 1];
	unsigned asked;
	bool silent; /* nothing is answered */
	bool later;  /* answered in the next turn */
	unsigned cancelled;
	uint32_t dice;
} t;

static const struct {
	const char *name;
	unsigned type;
} types[] = { { "A", PACKET_A }, { "AAAA", PACKET_AAAA }, { "CNAME", PACKET_CNAME }, { "MX", PACKET_MX },
	{ "TXT", 16 } };

static unsigned
type_of(struct str name)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_equal(name, str_of(types[i].name)))
			return types[i].type;
	return 0;
}

/* Adds to b what the zone has of that owner and type; finds out whether the owner exists, and its alias. */
static unsigned
add_records(struct buf *b, const char *owner, unsigned type, bool *exists, char *alias, size_t size)
{
	struct str rest = str_of(t.zone), line, name, word, value;
	unsigned count = 0;
	char text[512];

	*exists = false;
	alias[0] = '\0';
	while (rest.len > 0) {
		(void)str_cut(rest, '|', &line, &rest);
		(void)str_cut(line, ' ', &name, &value);
		(void)str_cut(value, ' ', &word, &value);
		if (!str_equal_nocase(name, str_of(owner)))
			continue;
		*exists = true;
		assert_true(str_copy(value, text, sizeof(text)));
		if (type_of(word) == type || type_of(word) == PACKET_CNAME) {
			wire_value(b, owner, type_of(word), text);
			count++;
		}
		if (type_of(word) == PACKET_CNAME && type != PACKET_CNAME)
			assert_true(str_copy(value, alias, size));
	}
	return count;
}

static bool
zone_says(const char *owner, const char *what)
{
	char line[512];

	(void)snprintf(line, sizeof(line), "%s %s ", owner, what);
	return strstr(t.zone, line) != NULL;
}

/* What libunbound would answer. */
static void
answer_query(const char *name, enum packet_type type, lookup_done_fn *done, void *arg)
{
	struct lookup_answer answer = { LOOKUP_FAILED, { "", 0 }, "no answer" };
	char owner[512], alias[512];
	struct buf b;
	unsigned count = 0, links = 0;
	bool exists = true;

	buf_init(&b, 1 << 20);
	wire_begin(&b, 0, name, type);
	(void)strlcpy(owner, name, sizeof(owner));
	do {
		count += add_records(&b, owner, type, &exists, alias, sizeof(alias));
		(void)strlcpy(owner, alias, sizeof(owner));
	} while (alias[0] != '\0' && ++links < 12);
	wire_answers(&b, count);
	if (!exists)
		b.data[b.head + 3] = (char)0x83;
	if (!zone_says(name, "SERVFAIL")) {
		answer.status = LOOKUP_ANSWERED;
		answer.packet = buf_str(&b);
		if (zone_says(name, "BROKEN"))
			answer.packet.len--;
	}
	done(arg, &answer);
	buf_clear(&b);
}

struct later {
	char name[PACKET_NAME_MAX + 1];
	enum packet_type type;
	lookup_done_fn *done;
	void *arg;
	struct loop_timer timer;
};

static void
answer_later(void *arg)
{
	struct later *l = arg;

	if (l->done != NULL)
		answer_query(l->name, l->type, l->done, l->arg);
	free(l);
}

static struct lookup *
start(const char *name, enum packet_type type, lookup_done_fn *done, void *arg)
{
	struct later *l;

	t.asked++;
	if (t.silent)
		return (struct lookup *)&t;
	if (!t.later) {
		answer_query(name, type, done, arg);
		return NULL;
	}
	l = calloc(1, sizeof(*l));
	assert_non_null(l);
	(void)strlcpy(l->name, name, sizeof(l->name));
	l->type = type;
	l->done = done;
	l->arg = arg;
	loop_timer_init(&l->timer, answer_later, l);
	loop_timer_start(&l->timer, 0);
	return (struct lookup *)l;
}

static void
cancel(struct lookup *l)
{
	t.cancelled++;
	if (t.later)
		((struct later *)l)->done = NULL;
}

static uint32_t
roll(uint32_t bound)
{
	return t.dice++ % bound;
}

static const struct route_world world = { start, cancel, roll };

static void
on_host(void *owner, uint64_t id, const struct msg_route_host *host)
{
	char address[INET6_ADDRSTRLEN], name[PACKET_NAME_MAX + 1];
	size_t len = strlen(t.hosts);

	(void)owner;
	(void)id;
	assert_non_null(
	    inet_ntop(host->address.len == 4 ? AF_INET : AF_INET6, host->address.ptr, address, sizeof(address)));
	assert_true(str_copy(host->host, name, sizeof(name)));
	(void)snprintf(t.hosts + len, sizeof(t.hosts) - len, "%s%s=%s", len > 0 ? " " : "", name, address);
	t.told++;
}

static void
on_end(void *owner, uint64_t id, enum proto_route status, const char *text)
{
	(void)owner;
	(void)id;
	t.ends++;
	t.status = status;
	(void)strlcpy(t.text, text, sizeof(t.text));
}

static const struct route_calls calls = { on_host, on_end };

static void
begin(const char *zone, bool later)
{
	memset(&t, 0, sizeof(t));
	t.zone = zone;
	t.later = later;
	routes_init("me.example", &world, &calls);
	routes_add_own((struct str){ "\xc0\x00\x02\x4d", 4 }); /* 192.0.2.77 */
	routes_add_own((struct str){ "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x77", 16 });
}

static void
ask(const char *domain, bool mx)
{
	int turns;

	assert_true(route_ask(&t, 1, str_of(domain), mx));
	for (turns = 0; turns < 100 && t.ends == 0; turns++)
		loop_turn();
}

static void
check_row(const struct row *row, bool later)
{
	const char *got;

	begin(row->zone, later);
	t.dice = 6;
	ask("d.example", row->mx);
	got = t.status == PROTO_ROUTE_FOUND ? t.hosts : t.text;
	if (t.ends != 1 || t.status != row->status || strcmp(got, row->want) != 0)
		row_fail(row->sentence, "ended %u times with %d \"%s\", want %d \"%s\"", t.ends, (int)t.status, got,
		    (int)row->status, row->want);
	assert_int_equal(routes_count(), 0);
}

static void
test_zones(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(&rows[i], false);
		check_row(&rows[i], true);
	}
}

/* Preferences fall with the number: the preferred ones come last in the answer. */
static void
test_D02_of_a_thousand_mx_twenty_stay(void **state)
{
	static char zone[1 << 20];
	size_t len = 0, i;

	(void)state;
	for (i = 0; i < 1000; i++)
		len += (size_t)snprintf(zone + len, sizeof(zone) - len,
		    "%sd.example MX %zu h%zu.example|h%zu.example A 10.0.%zu.%zu", i > 0 ? "|" : "", 2000 - i, i, i,
		    i / 256, i % 256);
	begin(zone, false);
	ask("d.example", true);
	assert_int_equal(t.status, PROTO_ROUTE_FOUND);
	assert_int_equal(t.told, RESOLVER_MX_MAX);
	assert_int_equal(t.asked, 1 + 2 * RESOLVER_MX_MAX);
	assert_true(strncmp(t.hosts, "h999.example=10.0.3.231 h998.example=", 37) == 0);
	assert_non_null(strstr(t.hosts, "h980.example"));
	assert_null(strstr(t.hosts, "h979.example"));
}

static void
test_D02_of_a_hundred_addresses_eight_stay(void **state)
{
	static char zone[1 << 16];
	size_t len = (size_t)snprintf(zone, sizeof(zone), "d.example MX 10 a.example"), i;

	(void)state;
	for (i = 0; i < 100; i++)
		len += (size_t)snprintf(
		    zone + len, sizeof(zone) - len, "|a.example A 10.0.0.%zu|a.example AAAA fd00::%zu", i, i);
	begin(zone, false);
	ask("d.example", true);
	assert_int_equal(t.told, RESOLVER_ADDRESSES_MAX);
	/* Our own address as the hundredth is noticed all the same. */
	(void)snprintf(zone + len, sizeof(zone) - len, "|a.example A 192.0.2.77");
	begin(zone, false);
	ask("d.example", true);
	assert_string_equal(t.text, "5.4.6 mail for d.example loops back to myself");
}

static void
test_equal_preferences_come_in_any_order(void **state)
{
	unsigned first = 0, tries;

	(void)state;
	for (tries = 0; tries < 200; tries++) {
		begin("d.example MX 10 a.example|d.example MX 10 b.example|a.example A 192.0.2.1|b.example A 192.0.2.2",
		    false);
		t.dice = arc4random_uniform(1000000);
		if (tries % 2 == 1)
			t.dice = UINT32_MAX - 1; /* the second draw is below the first one */
		ask("d.example", true);
		assert_int_equal(t.told, 2);
		first += t.hosts[0] == 'a';
	}
	assert_true(first > 0 && first < 200);
}

static void
test_names_that_are_none(void **state)
{
	static const char *const names[] = { "", ".", "a..b", "a b", "-a.example", "[192.0.2.1]", "a_b.example" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		begin("", false);
		ask(names[i], true);
		if (t.status != PROTO_ROUTE_NO_DOMAIN || t.asked != 0)
			row_fail(names[i], "status %d, asked %u times", (int)t.status, t.asked);
	}
}

static void
test_forgotten_and_repeated(void **state)
{
	int other;

	(void)state;
	begin("", false);
	t.silent = true;
	assert_true(route_ask(&t, 1, S("d.example"), true));
	assert_false(route_ask(&t, 1, S("e.example"), true));
	assert_true(route_ask(&t, 2, S("d.example"), false));
	assert_true(route_ask(&other, 1, S("d.example"), true));
	loop_turn();
	routes_forget(&t);
	assert_int_equal(routes_count(), 1);
	assert_int_equal(t.cancelled, 3);
	routes_forget(&other);
	assert_int_equal(routes_count(), 0);
	loop_turn();
	assert_int_equal(t.ends, 0);
}

static int
start_loop(void **state)
{
	(void)state;
	loop_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_D02_of_a_thousand_mx_twenty_stay),
		cmocka_unit_test(test_D02_of_a_hundred_addresses_eight_stay),
		cmocka_unit_test(test_equal_preferences_come_in_any_order),
		cmocka_unit_test(test_names_that_are_none),
		cmocka_unit_test(test_forgotten_and_repeated),
	};

	return cmocka_run_group_tests(tests, start_loop, NULL);
}
