/* SPDX-License-Identifier: ISC */
#include "resolver/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/tree.h"
#include "resolver/limits.h"

enum { V4, V6, FAMILIES, ADDRESS_BYTES = 16 };

static const struct {
	enum packet_type type;
	size_t bytes;
} families[FAMILIES] = { [V4] = { PACKET_A, 4 }, [V6] = { PACKET_AAAA, 16 } };

struct host;

/* One question of a route to the DNS. */
struct query {
	struct route *route;
	struct host *host; /* NULL: for the MX */
	struct lookup *lookup;
	bool open;
};

struct host {
	char name[PACKET_NAME_MAX + 1];
	unsigned preference;
	uint32_t order; /* random, among equals */
	bool us;
	bool alias;
	struct query queries[FAMILIES];
	unsigned char addresses[FAMILIES][RESOLVER_ADDRESSES_MAX][ADDRESS_BYTES];
	size_t counts[FAMILIES];
};

struct route {
	RB_ENTRY(route) by_id;
	void *owner;
	uint64_t id;
	char domain[PROTO_NAME_MAX + 1];
	bool mx;
	struct loop_timer deadline;
	struct loop_hook step;
	struct query query;
	size_t open;    /* queries without an answer */
	bool asked;     /* the addresses are being looked up, or are known */
	size_t aliases; /* of the answer that is read at the moment */
	bool no_domain; /* NXDOMAIN */
	bool null_mx;
	bool bad_mx;                      /* an MX that is not the name of a host */
	bool cut;                         /* the list was cut before ourselves */
	char trouble[PROTO_TEXT_MAX + 1]; /* why a lookup gave nothing to rely on; "" */
	size_t count;
	struct host *hosts;
};

RB_HEAD(route_tree, route);

static struct {
	const char *own_name;
	const struct route_world *world;
	const struct route_calls *calls;
	struct route_tree open;
	size_t count;
	struct {
		unsigned char bytes[ADDRESS_BYTES];
		size_t len;
	} own[RESOLVER_OWN_MAX];
	size_t own_count;
} routes;

static int
compare_routes(const struct route *a, const struct route *b)
{
	if (a->owner != b->owner)
		return (uintptr_t)a->owner < (uintptr_t)b->owner ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

TREE_STATIC(route_tree, route, by_id, compare_routes);

/* --- the end --- */

static void
free_route(void *object)
{
	struct route *r = object;

	free(r->hosts);
	free(r);
}

static void
cancel_query(struct query *q)
{
	if (q->open)
		routes.world->cancel(q->lookup);
	q->open = false;
}

/* Queries point to their hosts: none may be open when these are sorted. */
static void
cancel_all(struct route *r)
{
	size_t i, family;

	cancel_query(&r->query);
	for (i = 0; i < r->count; i++)
		for (family = 0; family < FAMILIES; family++)
			cancel_query(&r->hosts[i].queries[family]);
}

static void
close_route(struct route *r)
{
	RB_REMOVE(route_tree, &routes.open, r);
	routes.count--;
	cancel_all(r);
	loop_timer_stop(&r->deadline);
	loop_hook_cancel(&r->step);
	loop_reap(free_route, r);
}

static void end_route(struct route *r, enum proto_route status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
end_route(struct route *r, enum proto_route status, const char *fmt, ...)
{
	char text[PROTO_TEXT_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	routes.calls->end(r->owner, r->id, status, text);
	close_route(r);
}

/* --- reading answers --- */

static void
note_trouble(struct route *r, const char *name, const char *why)
{
	(void)snprintf(r->trouble, sizeof(r->trouble), "%s: %s", name, why);
}

/* More aliases than the limit are as good as a loop of them, which is what they mostly are. */
static bool
count_alias(struct route *r, const struct packet_record *record)
{
	if (record->type == PACKET_CNAME)
		r->aliases++;
	return record->type == PACKET_CNAME;
}

/* An MX stands for its place in the order: of more than the limit the preferred ones stay. */
static void
add_host(struct route *r, const char *name, unsigned preference)
{
	struct host *host = NULL;
	uint32_t order = routes.world->random_below(UINT32_MAX);
	size_t i;

	if (r->count < RESOLVER_MX_MAX) {
		host = &r->hosts[r->count++];
	} else {
		for (i = 0; i < r->count; i++)
			if (host == NULL || r->hosts[i].preference > host->preference ||
			    (r->hosts[i].preference == host->preference && r->hosts[i].order > host->order))
				host = &r->hosts[i];
		if (preference > host->preference || (preference == host->preference && order > host->order))
			return;
	}
	(void)strlcpy(host->name, name, sizeof(host->name));
	host->preference = preference;
	host->order = order;
	host->us = strcmp(host->name, routes.own_name) == 0;
}

static void
take_mx(void *arg, const struct packet_record *record)
{
	struct route *r = arg;

	if (count_alias(r, record) || record->type != PACKET_MX)
		return;
	if (record->root)
		r->null_mx = true;
	else if (record->host_name)
		add_host(r, record->name, record->preference);
	else
		r->bad_mx = true;
}

static bool
is_own(const unsigned char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < routes.own_count; i++)
		if (routes.own[i].len == len && memcmp(routes.own[i].bytes, bytes, len) == 0)
			return true;
	return false;
}

static void
take_address(void *arg, const struct packet_record *record)
{
	struct query *q = arg;
	struct host *host = q->host;
	size_t family = (size_t)(q - host->queries);

	if (count_alias(q->route, record) || record->type != families[family].type)
		return;
	/* Looked at before the limit is: whoever publishes our address ninth means us all the same. */
	if (is_own((const unsigned char *)record->address.ptr, record->address.len))
		host->us = true;
	if (host->counts[family] < RESOLVER_ADDRESSES_MAX)
		memcpy(host->addresses[family][host->counts[family]++], record->address.ptr, record->address.len);
}

/*
 * Reads the answer to q, named for people. Returns false, the trouble noted, when there is none to rely on; *rcode is
 * set on success.
 */
static bool
read_answer(struct query *q, const char *name, const struct lookup_answer *answer, packet_record_fn *fn, void *arg,
    unsigned *rcode)
{
	struct route *r = q->route;

	r->aliases = 0;
	if (answer->status != LOOKUP_ANSWERED)
		note_trouble(r, name, answer->why);
	else if (!packet_read(answer->packet, rcode, fn, arg))
		note_trouble(r, name, "the answer is broken");
	else if (r->aliases > RESOLVER_CNAMES_MAX)
		note_trouble(r, name, "too many aliases");
	else if (*rcode != PACKET_NOERROR && *rcode != PACKET_NXDOMAIN)
		note_trouble(r, name, "the answer is an error");
	else
		return true;
	return false;
}

/* The next step is made at the turn's end, never from within libunbound. */
static void
query_done(struct query *q)
{
	q->open = false;
	q->route->open--;
	if (q->route->open == 0)
		loop_at_end(&q->route->step);
}

static void
mx_done(void *arg, const struct lookup_answer *answer)
{
	struct query *q = arg;
	unsigned rcode;

	if (!read_answer(q, q->route->domain, answer, take_mx, q->route, &rcode))
		q->route->count = 0;
	else
		q->route->no_domain = rcode == PACKET_NXDOMAIN;
	query_done(q);
}

static void
addresses_done(void *arg, const struct lookup_answer *answer)
{
	struct query *q = arg;
	struct host *host = q->host;
	size_t family = (size_t)(q - host->queries);
	unsigned rcode;

	if (!read_answer(q, host->name, answer, take_address, q, &rcode))
		host->counts[family] = 0;
	else if (rcode == PACKET_NXDOMAIN && !q->route->mx)
		q->route->no_domain = true;
	host->alias = host->alias || q->route->aliases > 0;
	query_done(q);
}

/* --- asking --- */

static void
start_query(struct query *q, const char *name, enum packet_type type, lookup_done_fn *done)
{
	struct route *r = q->route;
	struct lookup *l;

	q->open = true;
	r->open++;
	l = routes.world->start(name, type, done, q);
	if (l != NULL)
		q->lookup = l;
}

static void
ask_addresses(struct route *r)
{
	size_t i, family;

	r->asked = true;
	for (i = 0; i < r->count; i++) {
		struct host *host = &r->hosts[i];
		for (family = 0; family < FAMILIES; family++) {
			host->queries[family] = (struct query){ .route = r, .host = host };
			start_query(&host->queries[family], host->name, families[family].type, addresses_done);
		}
	}
}

/* --- the route --- */

static int
compare_hosts(const void *a, const void *b)
{
	const struct host *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/*
 * RFC 5321 section 5.1: whoever is among the MX hosts of a domain passes mail to better ones only, or it would go in
 * circles.
 */
static void
cut_ourselves(struct route *r)
{
	unsigned limit = UINT32_MAX;
	size_t i;

	for (i = 0; i < r->count; i++)
		if (r->hosts[i].us && r->hosts[i].preference < limit)
			limit = r->hosts[i].preference;
	for (i = 0; i < r->count && r->hosts[i].preference < limit; i++)
		continue;
	r->cut = i < r->count;
	r->count = i;
}

static void
shuffle(struct host *host, size_t family)
{
	unsigned char swap[ADDRESS_BYTES];
	size_t i, k;

	for (i = host->counts[family]; i > 1; i--) {
		k = routes.world->random_below((uint32_t)i);
		memcpy(swap, host->addresses[family][i - 1], sizeof(swap));
		memcpy(host->addresses[family][i - 1], host->addresses[family][k], sizeof(swap));
		memcpy(host->addresses[family][k], swap, sizeof(swap));
	}
}

static void
tell_address(struct route *r, const struct host *host, size_t family, size_t i)
{
	const struct msg_route_host msg = {
		.preference = host->preference,
		.host = str_of(host->name),
		.address = { (const char *)host->addresses[family][i], families[family].bytes },
		.secure = false,
	};

	routes.calls->host(r->owner, r->id, &msg);
}

/* IPv6 and IPv4 in turn, so that a network without one of them costs every second attempt and not the first eight. */
static size_t
tell_host(struct route *r, struct host *host)
{
	size_t i, told = 0;

	if (host->alias && r->mx)
		log_trace(
		    "mx-is-alias", log_text(LOG_FIELD_destination, r->domain), log_text(LOG_FIELD_hop, host->name));
	shuffle(host, V4);
	shuffle(host, V6);
	for (i = 0; i < RESOLVER_ADDRESSES_MAX && told < RESOLVER_ADDRESSES_MAX; i++) {
		if (i < host->counts[V6]) {
			tell_address(r, host, V6, i);
			told++;
		}
		if (i < host->counts[V4] && told < RESOLVER_ADDRESSES_MAX) {
			tell_address(r, host, V4, i);
			told++;
		}
	}
	return told;
}

static void
end_without_host(struct route *r)
{
	if (r->cut && r->count == 0)
		end_route(r, PROTO_ROUTE_BROKEN, "5.4.6 mail for %s loops back to myself", r->domain);
	else if (r->trouble[0] != '\0')
		end_route(r, PROTO_ROUTE_TEMPORARY, "4.4.3 %s", r->trouble);
	else if (r->no_domain)
		end_route(r, PROTO_ROUTE_NO_DOMAIN, "5.1.2 %s does not exist", r->domain);
	else if (r->null_mx)
		end_route(r, PROTO_ROUTE_NULL_MX, "5.1.10 %s does not accept mail", r->domain);
	else if (r->count == 0)
		end_route(r, PROTO_ROUTE_BROKEN, "5.4.4 no MX of %s is the name of a host", r->domain);
	else
		end_route(r, PROTO_ROUTE_NO_DOMAIN, "5.4.4 no mail host of %s has an address", r->domain);
}

/* Tells what is known: all of it, or what the deadline left. */
static void
finish(struct route *r)
{
	size_t i, told = 0;

	qsort(r->hosts, r->count, sizeof(r->hosts[0]), compare_hosts);
	if (r->mx)
		cut_ourselves(r);
	for (i = 0; i < r->count; i++)
		told += tell_host(r, &r->hosts[i]);
	if (told > 0)
		end_route(r, PROTO_ROUTE_FOUND, "%s", "");
	else
		end_without_host(r);
}

static void
too_late(void *arg)
{
	struct route *r = arg;

	cancel_all(r);
	note_trouble(r, r->domain, "no answer in time");
	finish(r);
}

/* Where no query is open, MX are known, or addresses. */
static void
step(void *arg)
{
	struct route *r = arg;

	if (r->open > 0)
		return;
	if (!r->asked && r->count == 0 && !r->no_domain && !r->null_mx && !r->bad_mx && r->trouble[0] == '\0')
		add_host(r, r->domain, 0); /* RFC 5321 section 5.1: no MX at all is an MX to the domain itself */
	if (!r->asked && r->count > 0)
		ask_addresses(r);
	else
		finish(r);
}

static struct route *
new_route(void *owner, uint64_t id, bool mx)
{
	struct route *r = calloc(1, sizeof(*r));

	if (r == NULL || (r->hosts = calloc(RESOLVER_MX_MAX, sizeof(r->hosts[0]))) == NULL)
		fatal("out of memory");
	r->owner = owner;
	r->id = id;
	r->mx = mx;
	r->step = (struct loop_hook){ .fn = step, .arg = r };
	loop_timer_init(&r->deadline, too_late, r);
	r->query.route = r;
	return r;
}

bool
route_ask(void *owner, uint64_t id, struct str domain, bool mx)
{
	struct route *r = new_route(owner, id, mx);

	if (RB_INSERT(route_tree, &routes.open, r) != NULL) {
		free_route(r);
		return false;
	}
	routes.count++;
	if (!address_is_domain(domain) || !str_copy_lower(domain, r->domain, sizeof(r->domain))) {
		end_route(r, PROTO_ROUTE_NO_DOMAIN, "5.1.2 \"%.*s\" is not a domain", STR_ARG(domain));
		return true;
	}
	if (routes.count > RESOLVER_ROUTES_MAX) {
		end_route(
		    r, PROTO_ROUTE_TEMPORARY, "4.3.2 %s: more than %d lookups at once", r->domain, RESOLVER_ROUTES_MAX);
		return true;
	}
	loop_timer_start(&r->deadline, RESOLVER_ROUTE_MS);
	if (mx)
		start_query(&r->query, r->domain, PACKET_MX, mx_done);
	else
		loop_at_end(&r->step);
	return true;
}

void
routes_forget(const void *owner)
{
	struct route *r, *next;

	RB_FOREACH_SAFE (r, route_tree, &routes.open, next)
		if (r->owner == owner)
			close_route(r);
}

size_t
routes_count(void)
{
	return routes.count;
}

void
routes_init(const char *own_name, const struct route_world *world, const struct route_calls *calls)
{
	memset(&routes, 0, sizeof(routes));
	routes.own_name = own_name;
	routes.world = world;
	routes.calls = calls;
	RB_INIT(&routes.open);
}

void
routes_add_own(struct str address)
{
	if (routes.own_count == RESOLVER_OWN_MAX || address.len > ADDRESS_BYTES)
		return;
	memcpy(routes.own[routes.own_count].bytes, address.ptr, address.len);
	routes.own[routes.own_count++].len = address.len;
}
