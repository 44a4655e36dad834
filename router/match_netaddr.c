/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "common/siphash.h"
#include "router/match.h"

enum { BITS_MAX = 129 };

/* Networks by family, length and bytes; a question looks once for each length that there is. */
struct matcher {
	struct netaddr *slots; /* bits 255: free */
	size_t slots_count;
	bool lengths[3][BITS_MAX]; /* by family */
	bool any_length[3];
	uint8_t hash_key[SIPHASH_KEY_SIZE];
};

#define FREE 255

static struct netaddr *
slot_of(const struct matcher *m, const struct netaddr *a)
{
	size_t slot = (size_t)siphash24(m->hash_key, a, sizeof(*a)) & (m->slots_count - 1);

	while (m->slots[slot].bits != FREE && !netaddr_equal(&m->slots[slot], a))
		slot = (slot + 1) & (m->slots_count - 1);
	return &m->slots[slot];
}

static void
netaddr_free(void *matcher)
{
	struct matcher *m = matcher;

	if (m == NULL)
		return;
	free(m->slots);
	free(m);
}

static struct matcher *
make_empty(size_t count)
{
	struct matcher *m = calloc(1, sizeof(*m));
	size_t i;

	if (m == NULL)
		return NULL;
	arc4random_buf(m->hash_key, sizeof(m->hash_key));
	m->slots_count = 16;
	while (m->slots_count < 2 * count)
		m->slots_count *= 2;
	m->slots = calloc(m->slots_count, sizeof(*m->slots));
	if (m->slots == NULL) {
		netaddr_free(m);
		return NULL;
	}
	for (i = 0; i < m->slots_count; i++)
		m->slots[i].bits = FREE;
	return m;
}

static void *
netaddr_make(const struct entries *entries, struct error *err)
{
	struct matcher *m = make_empty(entries->count);
	struct netaddr a;
	size_t i;

	if (m == NULL)
		error_set(err, ERROR_TEMPORARY, "%s: out of memory", entries->file);
	for (i = 0; m != NULL && i < entries->count; i++) {
		if (!netaddr_parse(entries_key(entries, i), &a)) {
			entries_error(entries, i, err, "expected an address, a network such as 192.0.2.0/24, or local");
			netaddr_free(m);
			return NULL;
		}
		*slot_of(m, &a) = a;
		m->lengths[a.family][a.bits] = true;
		m->any_length[a.family] = true;
	}
	return m;
}

static bool
netaddr_has(const void *matcher, const struct table_key *key)
{
	const struct matcher *m = matcher;
	const struct netaddr *a = key->address;
	struct netaddr network;
	int bits;

	if (a == NULL || !m->any_length[a->family])
		return false;
	for (bits = a->bits; bits >= 0; bits--) {
		if (!m->lengths[a->family][bits])
			continue;
		network = netaddr_network(a, (unsigned)bits);
		if (slot_of(m, &network)->bits != FREE)
			return true;
	}
	return false;
}

const struct match_kind match_netaddr = { netaddr_make, netaddr_has, netaddr_free };
