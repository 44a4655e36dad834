/* SPDX-License-Identifier: ISC */
#include "relay/route.h"

#include <netinet/in.h>

#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/config.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/tree.h"
#include "relay/networks.h"

enum { SMTP_PORT = 25 };

/* One host or domain of a search, and what is known of it. */
struct question {
	RB_ENTRY(question) by_id;
	struct route_search *search;
	uint64_t id; /* 0: never asked, its answer is here */
	bool open;
	bool mx;
	bool exempt;
	uint16_t port;
	char domain[PROTO_NAME_MAX + 1];
	enum proto_route status;
	struct reply why; /* when there is no host */
	size_t count;
	size_t max;
	struct route_host *hosts;
};

struct route_search {
	route_done_fn *done;
	void *arg;
	struct loop_timer deadline;
	bool starting;
	size_t count;
	struct question questions[RELAY_URLS_MAX];
};

RB_HEAD(question_tree, question);

static struct {
	void (*ask)(uint64_t id, struct str domain, bool mx);
	uint64_t next_id;
	struct question_tree open;
} routes;

static int
compare_questions(const struct question *a, const struct question *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

TREE_STATIC(question_tree, question, by_id, compare_questions);

void
route_init(void (*ask)(uint64_t id, struct str domain, bool mx))
{
	routes.ask = ask;
	routes.next_id = 1;
	RB_INIT(&routes.open);
}

void
route_put(struct route *route)
{
	if (route != NULL && --route->refs == 0)
		free(route);
}

/* --- the end of a search --- */

static void
free_search(void *object)
{
	struct route_search *s = object;
	size_t i;

	for (i = 0; i < s->count; i++)
		free(s->questions[i].hosts);
	free(s);
}

static void
close_question(struct question *q)
{
	if (q->open)
		RB_REMOVE(question_tree, &routes.open, q);
	q->open = false;
}

void
route_search_cancel(struct route_search *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < s->count; i++)
		close_question(&s->questions[i]);
	loop_timer_stop(&s->deadline);
	loop_reap(free_search, s);
}

static struct route *
collect(const struct route_search *s)
{
	struct route *route = calloc(1, sizeof(*route));
	size_t i, k;

	if (route == NULL)
		fatal("out of memory");
	for (i = 0; i < s->count; i++)
		for (k = 0; k < s->questions[i].count && route->count < RELAY_ATTEMPTS_MAX; k++)
			route->hosts[route->count++] = s->questions[i].hosts[k];
	route->refs = 1;
	route->in_turn = s->count > 1; /* "used in turn", says smtpd.conf(5) of several hosts of a table */
	route->until_ms = loop_now_ms() + RELAY_ROUTE_KEEP_MS;
	return route;
}

/* Failed for good only where nothing may be otherwise tomorrow: the worst that the questions leave room for. */
static const struct question *
decisive(const struct route_search *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (s->questions[i].why.code < 500)
			return &s->questions[i];
	return &s->questions[0];
}

static void
finish(struct route_search *s)
{
	const struct question *q = decisive(s);
	struct route *route = collect(s);

	if (route->count > 0) {
		s->done(s->arg, route, PROTO_RESULT_DELIVERED, NULL);
	} else {
		route_put(route);
		s->done(s->arg, NULL, q->why.code < 500 ? PROTO_RESULT_DEFERRED : PROTO_RESULT_FAILED, &q->why);
	}
	route_search_cancel(s);
}

static void
check_finished(struct route_search *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (s->questions[i].open)
			return;
	if (!s->starting)
		finish(s);
}

/* --- questions --- */

static void
add_host(struct question *q, const char *name, const struct sockaddr_storage *address, socklen_t len)
{
	struct route_host *host = &q->hosts[q->count++];

	(void)strlcpy(host->name, name, sizeof(host->name));
	host->address = *address;
	host->len = len;
	host->exempt = q->exempt;
}

static struct question *
new_question(struct route_search *s, size_t max)
{
	struct question *q = &s->questions[s->count++];

	q->search = s;
	q->max = max;
	q->port = SMTP_PORT;
	q->hosts = calloc(max, sizeof(*q->hosts));
	if (q->hosts == NULL)
		fatal("out of memory");
	return q;
}

static void
open_question(struct question *q)
{
	q->id = routes.next_id++;
	q->open = true;
	RB_INSERT(question_tree, &routes.open, q);
	routes.ask(q->id, str_of(q->domain), q->mx);
}

void
route_ask_again(void)
{
	struct question *q;

	RB_FOREACH (q, question_tree, &routes.open) {
		q->count = 0;
		routes.ask(q->id, str_of(q->domain), q->mx);
	}
}

/*
 * A relay host comes from the configuration: what is wrong with it is for the administrator to mend, and no reason to
 * give mail back.
 */
static void
misconfigured(struct question *q, struct str host, const char *what)
{
	reply_make(&q->why, PROTO_CAUSE_HERE, 451, "4.3.5 relay host %.*s: %s", STR_ARG(host), what);
}

static void
add_url(struct route_search *s, struct str text)
{
	struct question *q = new_question(s, RELAY_ADDRESSES_MAX);
	struct sockaddr_storage address;
	struct config_url url;
	struct error err;
	socklen_t len;

	q->exempt = true;
	if (!config_url_parse(text, &url, &err)) {
		misconfigured(q, text, err.text);
		return;
	}
	if (url.scheme != CONFIG_SMTP && url.scheme != CONFIG_SMTP_NOTLS) {
		misconfigured(q, text, "not supported yet");
		return;
	}
	q->port = url.port;
	(void)strlcpy(q->domain, url.host, sizeof(q->domain));
	len = networks_parse(str_of(url.host), url.port, &address);
	if (len > 0)
		add_host(q, url.host, &address, len);
	else
		open_question(q);
}

static void
add_literal(struct route_search *s, struct str literal)
{
	struct question *q = new_question(s, 1);
	struct str inside = { literal.ptr + 1, literal.len - 2 };
	struct sockaddr_storage address;
	char name[PROTO_NAME_MAX + 1];
	socklen_t len;

	if (str_starts_nocase(inside, S("IPv6:")))
		inside = (struct str){ inside.ptr + 5, inside.len - 5 };
	len = networks_parse(inside, SMTP_PORT, &address);
	if (len > 0 && str_copy(inside, name, sizeof(name)))
		add_host(q, name, &address, len);
	else
		reply_make(&q->why, PROTO_CAUSE_DNS, 550, "5.1.2 %.*s is not an address", STR_ARG(literal));
}

static void
add_domain(struct route_search *s, struct str domain)
{
	struct question *q = new_question(s, RELAY_ATTEMPTS_MAX);

	q->mx = true;
	if (address_is_domain(domain) && str_copy_lower(domain, q->domain, sizeof(q->domain)))
		open_question(q);
	else
		reply_make(&q->why, PROTO_CAUSE_DNS, 550, "5.1.2 \"%.*s\" is not a domain", STR_ARG(domain));
}

static void
add_urls(struct route_search *s, struct str urls)
{
	struct str url;

	while (urls.len > 0 && s->count < RELAY_URLS_MAX) {
		(void)str_cut(urls, ',', &url, &urls);
		add_url(s, url);
	}
}

static void
too_late(void *arg)
{
	struct route_search *s = arg;
	size_t i;

	for (i = 0; i < s->count; i++) {
		struct question *q = &s->questions[i];
		if (q->open)
			reply_make(&q->why, PROTO_CAUSE_DNS, 451, "4.4.3 %s: no answer from the resolver", q->domain);
		close_question(q);
	}
	finish(s);
}

struct route_search *
route_search(struct str place, route_done_fn *done, void *arg)
{
	struct route_search *s = calloc(1, sizeof(*s));
	size_t i;

	if (s == NULL)
		fatal("out of memory");
	s->done = done;
	s->arg = arg;
	s->starting = true;
	loop_timer_init(&s->deadline, too_late, s);
	if (place.len > 2 && place.ptr[0] == '[' && place.ptr[place.len - 1] == ']')
		add_literal(s, place);
	else if (place.len > 0 && memchr(place.ptr, '/', place.len) != NULL)
		add_urls(s, place);
	else
		add_domain(s, place);
	s->starting = false;
	for (i = 0; i < s->count; i++) {
		if (s->questions[i].open) {
			loop_timer_start(&s->deadline, RELAY_ROUTE_MS);
			return s;
		}
	}
	finish(s);
	return NULL;
}

/* --- answers --- */

static struct question *
find(uint64_t id)
{
	struct question key;

	key.id = id;
	return RB_FIND(question_tree, &routes.open, &key);
}

/* An answer to a question that was given up meanwhile is no mistake. */
static bool
was_asked(uint64_t id)
{
	return id > 0 && id < routes.next_id;
}

static socklen_t
make_address(struct str bytes, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (bytes.len == sizeof(v4.sin_addr)) {
		memcpy(&v4.sin_addr, bytes.ptr, bytes.len);
		memcpy(out, &v4, sizeof(v4));
		return sizeof(v4);
	}
	if (bytes.len == sizeof(v6.sin6_addr)) {
		memcpy(&v6.sin6_addr, bytes.ptr, bytes.len);
		memcpy(out, &v6, sizeof(v6));
		return sizeof(v6);
	}
	return 0;
}

bool
route_take_host(uint64_t id, const struct msg_route_host *msg)
{
	struct question *q = find(id);
	struct sockaddr_storage address;
	char name[PROTO_NAME_MAX + 1];
	socklen_t len;

	if (q == NULL)
		return was_asked(id);
	len = make_address(msg->address, q->port, &address);
	if (len == 0 || !str_copy(msg->host, name, sizeof(name)))
		return false;
	if (q->count < q->max)
		add_host(q, name, &address, len);
	return true;
}

/* clang-format off */
static const struct {
	unsigned code;
	const char *text; /* where the resolver gives none */
} outcomes[] = {
	[PROTO_ROUTE_FOUND] =     { 451, "4.4.3 no address was found" },
	[PROTO_ROUTE_NO_DOMAIN] = { 550, "5.1.2 the domain does not exist" },
	[PROTO_ROUTE_NULL_MX] =   { 556, "5.1.10 the domain does not accept mail" },
	[PROTO_ROUTE_TEMPORARY] = { 451, "4.4.3 the domain cannot be looked up now" },
	[PROTO_ROUTE_BROKEN] =    { 554, "5.4.4 the domain has no mail server" },
};
/* clang-format on */

bool
route_take_end(uint64_t id, const struct msg_route_end *msg)
{
	struct question *q = find(id);
	char text[PROTO_TEXT_MAX + 1];
	struct str code, rest;
	unsigned reply;

	if (q == NULL)
		return was_asked(id);
	if (!str_copy(msg->text, text, sizeof(text)) || msg->status >= sizeof(outcomes) / sizeof(outcomes[0]))
		return false;
	if (msg->status != PROTO_ROUTE_FOUND)
		q->count = 0;
	reply = outcomes[msg->status].code;
	if (q->exempt && reply_cut_enhanced(str_of(text), (char)('0' + reply / 100), &code, &rest))
		misconfigured(q, str_of(q->domain), rest.ptr);
	else if (q->exempt)
		misconfigured(q, str_of(q->domain), text);
	else
		reply_make(&q->why, PROTO_CAUSE_DNS, reply, "%s", text[0] != '\0' ? text : outcomes[msg->status].text);
	close_question(q);
	check_finished(q->search);
	return true;
}
