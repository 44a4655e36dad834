/* SPDX-License-Identifier: ISC */
/*
 * Promise (SECURITY X02): a stranger has no more sessions, by address and by network, and no more connections in a minute,
 * than the limits say; what it gives back it may have again, and what is remembered of those who went is bounded.
 */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "smtpd/client.h"
#include "smtpd/limits.h"

enum { MINUTE_MS = 60000, PLACES = 200 };

static struct client_place places[PLACES];
static size_t places_count;
static int64_t now_ms = 1000;

static enum reply
enter(const char *address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct client_place *place = &places[places_count];
	enum reply reply;

	if (inet_pton(AF_INET, address, &in.sin_addr) == 1) {
		reply = client_enter(place, (const struct sockaddr *)&in, now_ms);
	} else {
		assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
		reply = client_enter(place, (const struct sockaddr *)&in6, now_ms);
	}
	assert_int_equal(place->address != NULL, reply == REPLY_GREETING);
	places_count += reply == REPLY_GREETING;
	return reply;
}

static void
leave_all(void)
{
	while (places_count > 0)
		client_leave(&places[--places_count], now_ms);
}

/* All are gone, and so is their minute. */
static void
forget_all(void)
{
	leave_all();
	now_ms += MINUTE_MS;
	(void)enter("203.0.113.1");
	leave_all();
	now_ms += MINUTE_MS;
	(void)enter("203.0.113.1");
	leave_all();
	assert_int_equal(client_count(), 2);
}

/* Clients, one after the other from first to last between before and after, each with so many sessions; then one more of another. */
static const struct {
	const char *row;
	const char *before, *after;
	unsigned first, last, each;
	const char *one_more;
	enum reply reply;
} rows[] = {
	{ "one address has its sessions", "192.0.2.", "", 1, 1, 19, "192.0.2.1", REPLY_GREETING },
	{ "and no more", "192.0.2.", "", 1, 1, 20, "192.0.2.1", REPLY_TOO_MANY_SESSIONS },
	{ "its neighbour has its own", "192.0.2.", "", 1, 1, 20, "192.0.2.2", REPLY_GREETING },
	{ "so has IPv6", "2001:db8::", "", 1, 1, 20, "2001:db8::1", REPLY_TOO_MANY_SESSIONS },
	{ "a /24 has its sessions", "192.0.2.", "", 1, 49, 1, "192.0.2.255", REPLY_GREETING },
	{ "and no more", "192.0.2.", "", 1, 50, 1, "192.0.2.255", REPLY_TOO_MANY_NETWORK },
	{ "the next /24 has its own", "192.0.2.", "", 1, 50, 1, "192.0.3.1", REPLY_GREETING },
	{ "a /64 has its sessions", "2001:db8::", ":0:0:1", 1, 49, 1, "2001:db8::ffff:ffff:ffff:ffff", REPLY_GREETING },
	{ "and no more", "2001:db8::", ":0:0:1", 1, 50, 1, "2001:db8::ffff:ffff:ffff:ffff", REPLY_TOO_MANY_NETWORK },
	{ "the next /64 has its own", "2001:db8::", ":0:0:1", 1, 50, 1, "2001:db8:0:1::1", REPLY_GREETING },
	{ "IPv4 within IPv6 is IPv4", "::ffff:192.0.2.", "", 1, 1, 20, "192.0.2.1", REPLY_TOO_MANY_SESSIONS },
	{ "and is counted by its /24", "::ffff:192.0.2.", "", 1, 50, 1, "::ffff:192.0.3.1", REPLY_GREETING },
};

static void
test_sessions(void **state)
{
	char address[64];
	unsigned i, n, k;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum reply got;
		for (n = rows[i].first; n <= rows[i].last; n++) {
			(void)snprintf(address, sizeof(address), "%s%u%s", rows[i].before, n, rows[i].after);
			for (k = 0; k < rows[i].each; k++)
				assert_int_equal(enter(address), REPLY_GREETING);
		}
		got = enter(rows[i].one_more);
		if (got != rows[i].reply)
			row_fail(rows[i].row, "got %u, wanted %u", reply_code(got), reply_code(rows[i].reply));
		client_leave(&places[0], now_ms);
		places[0] = places[--places_count];
		(void)snprintf(address, sizeof(address), "%s%u%s", rows[i].before, rows[i].first, rows[i].after);
		if (enter(address) != REPLY_GREETING)
			row_fail(rows[i].row, "%s had one session less, and got no other", address);
		forget_all();
	}
}

/* Sixty are served, the others refused until the minute is over, whether they stayed or not. */
static void
connect_for_a_minute(const char *address, const char *same, const char *another)
{
	unsigned i;

	for (i = 0; i < SMTPD_CONNECTIONS_MINUTE_MAX; i++) {
		assert_int_equal(enter(i % 2 == 0 ? address : same), REPLY_GREETING);
		leave_all();
		now_ms += 100;
	}
	assert_int_equal(enter(address), REPLY_TOO_FREQUENT);
	assert_int_equal(enter(same), REPLY_TOO_FREQUENT);
	assert_int_equal(enter(another), REPLY_GREETING);
	leave_all();
	now_ms += MINUTE_MS - 100 * SMTPD_CONNECTIONS_MINUTE_MAX - 1;
	assert_int_equal(enter(address), REPLY_TOO_FREQUENT);
	now_ms += 1;
	assert_int_equal(enter(address), REPLY_GREETING);
	forget_all();
}

static void
test_connections_in_a_minute(void **state)
{
	(void)state;
	connect_for_a_minute("192.0.2.1", "192.0.2.1", "192.0.2.2");
	connect_for_a_minute("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1");
}

static void
test_the_memory_of_those_who_went_is_bounded(void **state)
{
	char address[64];
	unsigned i;

	(void)state;
	for (i = 0; i < SMTPD_CLIENTS_GONE_MAX + 1000; i++) {
		(void)snprintf(address, sizeof(address), "10.%u.%u.1", i / 256 % 256, i % 256);
		assert_int_equal(enter(address), REPLY_GREETING);
		leave_all();
	}
	assert_true(client_count() <= SMTPD_CLIENTS_GONE_MAX);
	forget_all();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_connections_in_a_minute),
		cmocka_unit_test(test_the_memory_of_those_who_went_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
