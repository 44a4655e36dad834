/* SPDX-License-Identifier: ISC */
#include "smtpd/client.h"

#include <sys/queue.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/tree.h"
#include "smtpd/limits.h"

enum { ADDRESS_BYTES = 16, MINUTE_MS = 60000 };

/* IPv4 as IPv6 has it: ::ffff:192.0.2.1. */
enum { IPV4_NETWORK = 120, IPV6_NETWORK = 64, HOST = 128 };

struct key {
	uint8_t bits; /* that count; the others are 0 */
	uint8_t address[ADDRESS_BYTES];
};

struct client {
	RB_ENTRY(client) entry;
	TAILQ_ENTRY(client) next; /* of those without a session */
	struct key key;
	unsigned sessions;
	unsigned connections; /* in the minute that began at */
	int64_t minute_ms;
	int64_t gone_ms; /* without a session since then */
};

static int
compare(struct client *a, struct client *b)
{
	return memcmp(&a->key, &b->key, sizeof(a->key));
}

RB_HEAD(clients, client);
TREE_STATIC(clients, client, entry, compare);

static struct {
	struct clients all;
	TAILQ_HEAD(, client) gone; /* in the order they went */
	size_t count;
	size_t count_gone;
} self = { .all = RB_INITIALIZER(&self.all), .gone = TAILQ_HEAD_INITIALIZER(self.gone) };

size_t
client_count(void)
{
	return self.count;
}

static bool
is_ipv4(const struct key *key)
{
	static const uint8_t mapped[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return memcmp(key->address, mapped, sizeof(mapped)) == 0;
}

static struct key
key_of_address(const struct sockaddr *peer)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;
	struct key key = { .bits = HOST };

	if (peer->sa_family == AF_INET6) {
		memcpy(key.address, &in6->sin6_addr, sizeof(key.address));
		return key;
	}
	memset(key.address + 10, 0xff, 2);
	memcpy(key.address + 12, &in->sin_addr, sizeof(in->sin_addr));
	return key;
}

static struct key
key_of_network(const struct key *address)
{
	struct key key = { .bits = is_ipv4(address) ? IPV4_NETWORK : IPV6_NETWORK };

	memcpy(key.address, address->address, key.bits / 8);
	return key;
}

static void
forget(struct client *c)
{
	TAILQ_REMOVE(&self.gone, c, next);
	(void)RB_REMOVE(clients, &self.all, c);
	self.count--;
	self.count_gone--;
	free(c);
}

/* Those of which nothing is counted any more; and the first to have gone, where they are too many. */
static void
forget_old(int64_t now_ms)
{
	struct client *c;

	while ((c = TAILQ_FIRST(&self.gone)) != NULL &&
	    (now_ms - c->gone_ms >= MINUTE_MS || self.count_gone > SMTPD_CLIENTS_GONE_MAX))
		forget(c);
}

static void
put_last(struct client *c, int64_t now_ms)
{
	c->gone_ms = now_ms;
	TAILQ_INSERT_TAIL(&self.gone, c, next);
}

static struct client *
find_or_make(const struct key *key, int64_t now_ms)
{
	struct client wanted = { .key = *key };
	struct client *c = RB_FIND(clients, &self.all, &wanted);

	if (c != NULL) {
		if (c->sessions == 0) {
			TAILQ_REMOVE(&self.gone, c, next);
			put_last(c, now_ms);
		}
		return c;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		fatal("out of memory");
	c->key = *key;
	(void)RB_INSERT(clients, &self.all, c);
	put_last(c, now_ms); /* until it has a session */
	self.count++;
	self.count_gone++;
	return c;
}

static void
add_session(struct client *c)
{
	if (c->sessions++ > 0)
		return;
	TAILQ_REMOVE(&self.gone, c, next);
	self.count_gone--;
}

static void
remove_session(struct client *c, int64_t now_ms)
{
	if (--c->sessions > 0)
		return;
	put_last(c, now_ms);
	self.count_gone++;
}

/* Counts a connection; returns false when the minute has had enough of them. */
static bool
count_connection(struct client *c, int64_t now_ms)
{
	if (c->connections == 0 || now_ms - c->minute_ms >= MINUTE_MS) {
		c->connections = 0;
		c->minute_ms = now_ms;
	}
	return ++c->connections <= SMTPD_CONNECTIONS_MINUTE_MAX;
}

static enum reply
enter(struct client_place *place, const struct sockaddr *peer, int64_t now_ms)
{
	struct key key = key_of_address(peer), network_key = key_of_network(&key);
	struct client *address, *network;

	if (!count_connection(find_or_make(is_ipv4(&key) ? &key : &network_key, now_ms), now_ms))
		return REPLY_TOO_FREQUENT;
	address = find_or_make(&key, now_ms);
	if (address->sessions >= SMTPD_SESSIONS_CLIENT_MAX)
		return REPLY_TOO_MANY_SESSIONS;
	network = find_or_make(&network_key, now_ms);
	if (network->sessions >= SMTPD_SESSIONS_NETWORK_MAX)
		return REPLY_TOO_MANY_NETWORK;
	add_session(address);
	add_session(network);
	*place = (struct client_place){ address, network };
	return REPLY_GREETING;
}

enum reply
client_enter(struct client_place *place, const struct sockaddr *peer, int64_t now_ms)
{
	enum reply reply = enter(place, peer, now_ms);

	forget_old(now_ms);
	return reply;
}

void
client_leave(struct client_place *place, int64_t now_ms)
{
	if (place->address == NULL)
		return;
	remove_session(place->address, now_ms);
	remove_session(place->network, now_ms);
	*place = (struct client_place){ 0 };
	forget_old(now_ms);
}
