/* SPDX-License-Identifier: ISC */
#include "relay/destination.h"

#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/tree.h"
#include "relay/connection.h"
#include "relay/networks.h"
#include "relay/route.h"

TAILQ_HEAD(job_list, job);
LIST_HEAD(connection_list, connection);
LIST_HEAD(attempt_list, attempt);
RB_HEAD(destination_tree, destination);

/* Why nobody could be spoken to. */
struct failure {
	bool set;
	enum proto_result result;
	struct reply why;
	char hop[PROTO_NAME_MAX + 1];
};

/* The way to one more connection: through the hosts of the route, until one lets us in. */
struct attempt {
	LIST_ENTRY(attempt) in_destination;
	struct destination *destination;
	struct route *route; /* NULL while it is searched */
	size_t first;        /* host it begins with */
	bool tried[RELAY_ATTEMPTS_MAX];
	struct connection *connection; /* being made */
	int64_t by_ms;
	struct failure failure;
};

struct destination {
	RB_ENTRY(destination) by_name;
	const struct config_action *action;
	const char *name;
	struct str place; /* name without action */
	struct job_list waiting;
	size_t waiting_count;
	struct connection_list connections; /* with a session */
	size_t connections_count;
	struct attempt_list attempts;
	size_t attempts_count;
	size_t limit_max;   /* "mta limit": connections and attempts */
	size_t limit;       /* likewise; lower after a server refused another one */
	uint64_t mails_max; /* over one connection */
	sa_family_t family; /* AF_UNSPEC: either */
	struct route *route;
	struct route_search *search;
	struct failure failure; /* of the last attempt that failed, until run() has looked at it */
	struct loop_hook hook;
	bool starved; /* waits for a connection of somebody else to end */
};

static struct {
	const struct config *config;
	const char *server_name;
	struct destination_tree tree;
	size_t count;
	size_t waiting;
	size_t connections;
	size_t running;
	uint64_t uses;
	bool draining;
	void (*drained)(void);
} all;

static void run(void *arg);
static void next_host(struct attempt *a);

static int
compare_destinations(const struct destination *a, const struct destination *b)
{
	return strcmp(a->name, b->name);
}

TREE_STATIC(destination_tree, destination, by_name, compare_destinations);

/* Whatever happens to a destination is worked out once, at the turn's end. */
static void
touch(struct destination *d)
{
	loop_at_end(&d->hook);
}

/* --- jobs --- */

static void
put_waiting(struct destination *d, struct job *job, bool first)
{
	if (first)
		TAILQ_INSERT_HEAD(&d->waiting, job, waiting);
	else
		TAILQ_INSERT_TAIL(&d->waiting, job, waiting);
	d->waiting_count++;
	all.waiting++;
}

static struct job *
take_waiting(struct destination *d)
{
	struct job *job = TAILQ_FIRST(&d->waiting);

	if (job == NULL)
		return NULL;
	TAILQ_REMOVE(&d->waiting, job, waiting);
	d->waiting_count--;
	all.waiting--;
	return job;
}

static void
fail_job(struct job *job, enum proto_result result, const struct reply *why, const char *hop, bool host_down)
{
	job_answer_rest(job, result, why, hop);
	job_end(job, host_down);
}

/*
 * A host that greets with 5xx was not spoken to either: it says nothing about this message, so nobody's mail is given
 * back for it; and it will say the same to the next message, so the destination rests as if the host were down.
 */
static void
fail_waiting(struct destination *d)
{
	struct job *job;

	while ((job = take_waiting(d)) != NULL)
		fail_job(job, d->failure.result, &d->failure.why, d->failure.hop,
		    d->failure.result == PROTO_RESULT_DEFERRED);
}

static void
start_job(struct connection *n, struct job *job)
{
	struct reply why;

	if (loop_now_ms() >= job->deadline_ms) {
		reply_make(&why, PROTO_CAUSE_OUR_LIMIT, 451, "4.4.2 no connection had time for it");
		fail_job(job, PROTO_RESULT_DEFERRED, &why, "", false);
		return;
	}
	if (!client_takes(&n->client, job, &why)) {
		fail_job(job, PROTO_RESULT_FAILED, &why, n->hop, false);
		return;
	}
	n->used_at = ++all.uses;
	all.running++;
	connection_send(n, job);
}

static void
check_drained(void)
{
	if (all.draining && all.running == 0 && all.drained != NULL) {
		void (*done)(void) = all.drained;
		all.drained = NULL;
		done();
	}
}

/* --- connections --- */

/* Of those that are open and free the one used last before that; the sockets are not looked at. */
static struct connection *
find_free(struct destination *d, uint64_t before)
{
	struct connection *n, *best = NULL;

	LIST_FOREACH (n, &d->connections, in_destination)
		if (n->used_at < before && (best == NULL || n->used_at > best->used_at) && client_is_usable(&n->client))
			best = n;
	return best;
}

/* The one used last: the others get old and close, when fewer are enough. */
static struct connection *
find_idle(struct destination *d)
{
	struct connection *n = find_free(d, UINT64_MAX);

	while (n != NULL && !connection_is_usable(n))
		n = find_free(d, n->used_at);
	return n;
}

static void
link_connection(struct destination *d, struct connection *n)
{
	n->destination = d;
	n->used_at = ++all.uses;
	LIST_INSERT_HEAD(&d->connections, n, in_destination);
	d->connections_count++;
}

static void
unlink_connection(struct connection *n)
{
	struct destination *d = n->destination;

	LIST_REMOVE(n, in_destination);
	d->connections_count--;
	n->destination = NULL;
	touch(d);
}

/* What a connection does when it is free: the next job at once, in the same write as nothing else. */
static void
go_on(struct connection *n)
{
	struct destination *d = n->destination;
	struct job *job;

	if (all.draining || n->client.messages >= d->mails_max) {
		unlink_connection(n);
		connection_quit(n);
		return;
	}
	while (d->waiting_count > 0 && connection_is_usable(n)) {
		job = take_waiting(d);
		start_job(n, job);
	}
}

static void
free_attempt(struct attempt *a)
{
	struct destination *d = a->destination;

	LIST_REMOVE(a, in_destination);
	d->attempts_count--;
	if (a->connection != NULL)
		a->connection->attempt = NULL;
	route_put(a->route);
	free(a);
	touch(d);
}

static void
on_opened(struct connection *n)
{
	struct attempt *a = n->attempt;

	if (a == NULL) {
		connection_quit(n);
		return;
	}
	n->attempt = NULL;
	a->connection = NULL;
	link_connection(a->destination, n);
	free_attempt(a);
	go_on(n);
}

static void
note_failure(struct attempt *a, enum proto_result result, const struct reply *why, const char *hop)
{
	/* A hope for tomorrow outlives what is hopeless. */
	if (a->failure.set && a->failure.result == PROTO_RESULT_DEFERRED && result == PROTO_RESULT_FAILED)
		return;
	a->failure.set = true;
	a->failure.result = result;
	a->failure.why = *why;
	(void)strlcpy(a->failure.hop, hop, sizeof(a->failure.hop));
}

static void
mark_failed(struct attempt *a, const struct connection *n)
{
	size_t i;

	for (i = 0; i < a->route->count; i++)
		if (a->route->hosts[i].len == n->address_len &&
		    memcmp(&a->route->hosts[i].address, &n->address, n->address_len) == 0)
			a->route->hosts[i].failed = true;
}

static void
on_refused(struct connection *n, const struct reply *why)
{
	struct attempt *a = n->attempt;

	log_trace("connection", log_text(LOG_FIELD_hop, n->hop),
	    log_str(LOG_FIELD_reply, (struct str){ why->text, why->text_len }));
	if (a == NULL)
		return;
	n->attempt = NULL;
	a->connection = NULL;
	mark_failed(a, n);
	note_failure(a, PROTO_RESULT_DEFERRED, why, n->hop);
	next_host(a);
}

static void
on_over(struct connection *n, struct job *job)
{
	all.running--;
	job_end(job, false);
	if (n->destination == NULL || n->client.state != CLIENT_READY) {
		check_drained();
		return;
	}
	go_on(n);
	check_drained();
}

static void
on_again(struct connection *n, struct job *job)
{
	all.running--;
	put_waiting(job->destination, job, true);
	touch(job->destination);
	log_trace("connection", log_text(LOG_FIELD_hop, n->hop), log_text(LOG_FIELD_reason, "was closed while idle"));
}

static void
wake_starved(void)
{
	struct destination *d;

	RB_FOREACH (d, destination_tree, &all.tree) {
		if (d->starved)
			touch(d);
		d->starved = false;
	}
}

/* A server that closes, or says more than it was asked, before it had a message would else be called again for ever. */
static void
fail_useless(struct destination *d, const struct connection *n)
{
	d->failure.set = true;
	d->failure.result = PROTO_RESULT_DEFERRED;
	reply_make(&d->failure.why, PROTO_CAUSE_CONNECTION, 451,
	    "4.5.0 %s: the connection was of no use before the first message", n->hop);
	(void)strlcpy(d->failure.hop, n->hop, sizeof(d->failure.hop));
}

static void
on_closed(struct connection *n)
{
	bool was_full = all.connections >= RELAY_CONNECTIONS_MAX;
	struct destination *d = n->destination;

	all.connections--;
	if (d != NULL && n->client.messages == 0 && d->waiting_count > 0)
		fail_useless(d, n);
	if (d != NULL)
		unlink_connection(n);
	if (n->attempt != NULL) {
		n->attempt->connection = NULL;
		n->attempt = NULL;
	}
	if (was_full)
		wake_starved();
}

static const struct connection_calls calls = {
	.opened = on_opened,
	.refused = on_refused,
	.over = on_over,
	.again = on_again,
	.closed = on_closed,
};

/* Runs through all idle connections, which is rare (before a connect) and bounded (RELAY_CONNECTIONS_MAX). */
static struct connection *
find_idle_elsewhere(bool (*fits)(const struct connection *n, const void *arg), const void *arg)
{
	struct destination *d;
	struct connection *n, *best = NULL;

	RB_FOREACH (d, destination_tree, &all.tree)
		LIST_FOREACH (n, &d->connections, in_destination)
			if (n->client.state == CLIENT_READY && fits(n, arg) &&
			    (best == NULL || n->used_at < best->used_at))
				best = n;
	return best;
}

struct wanted {
	const struct config_action *action;
	const struct route_host *host;
};

static bool
leads_there(const struct connection *n, const void *arg)
{
	const struct wanted *w = arg;

	return n->action == w->action && n->address_len == w->host->len &&
	    memcmp(&n->address, &w->host->address, n->address_len) == 0;
}

static bool
any(const struct connection *n, const void *arg)
{
	(void)n;
	(void)arg;
	return true;
}

/* Domains that share a server share its open connections. */
static bool
borrow(struct attempt *a, const struct route_host *host)
{
	const struct wanted wanted = { a->destination->action, host };
	struct connection *n = find_idle_elsewhere(leads_there, &wanted);

	if (n == NULL || n->destination == a->destination || !connection_is_usable(n))
		return false;
	unlink_connection(n);
	link_connection(a->destination, n);
	(void)strlcpy(n->hop, host->name, sizeof(n->hop));
	free_attempt(a);
	go_on(n);
	return true;
}

/* --- attempts --- */

/* The next host in order, those that failed lately behind all others; NULL when each was tried. */
static const struct route_host *
choose(struct attempt *a)
{
	size_t i, k, pass;

	for (pass = 0; pass < 2; pass++) {
		for (k = 0; k < a->route->count; k++) {
			i = (a->first + k) % a->route->count;
			if (a->tried[i] || (pass == 0 && a->route->hosts[i].failed))
				continue;
			a->tried[i] = true;
			return &a->route->hosts[i];
		}
	}
	return NULL;
}

static void
give_up(struct attempt *a)
{
	a->destination->failure = a->failure;
	free_attempt(a);
}

/* SECURITY D06: on the very address that connect gets, after the last lookup. */
static bool
is_allowed(struct attempt *a, const struct route_host *host)
{
	const char *what = host->exempt ? NULL : networks_refusal((const struct sockaddr *)&host->address);
	struct reply why;

	if (what == NULL)
		return true;
	reply_make(&why, PROTO_CAUSE_DNS, 550, "5.4.4 %s: its address is not a public address (%s)", host->name, what);
	note_failure(a, PROTO_RESULT_FAILED, &why, host->name);
	return false;
}

static bool
is_of_family(struct attempt *a, const struct route_host *host)
{
	sa_family_t family = a->destination->family;
	struct reply why;

	if (family == AF_UNSPEC || host->address.ss_family == family)
		return true;
	if (!a->failure.set) {
		reply_make(&why, PROTO_CAUSE_OUR_LIMIT, 451, "4.4.4 %s: it has no address that mta limit %s leaves",
		    host->name, family == AF_INET ? "inet4" : "inet6");
		note_failure(a, PROTO_RESULT_DEFERRED, &why, host->name);
	}
	return false;
}

static const char *
helo_of(const struct config_action *action)
{
	return action->helo != NULL && address_is_helo(str_of(action->helo)) ? action->helo : all.server_name;
}

static void
next_host(struct attempt *a)
{
	const struct config_action *action = a->destination->action;
	const struct route_host *host;
	struct reply why;

	while (loop_now_ms() < a->by_ms && (host = choose(a)) != NULL) {
		if (!is_of_family(a, host) || !is_allowed(a, host))
			continue;
		if (borrow(a, host))
			return;
		a->connection = connection_open(
		    (const struct sockaddr *)&host->address, host->len, host->name, helo_of(action), &calls, &why);
		if (a->connection != NULL) {
			a->connection->attempt = a;
			a->connection->action = action;
			all.connections++;
			return;
		}
		note_failure(a, PROTO_RESULT_DEFERRED, &why, host->name);
	}
	give_up(a);
}

static void
use_route(struct attempt *a, struct route *route)
{
	a->route = route;
	route->refs++;
	a->first = route->in_turn ? route->turn++ % route->count : 0;
	next_host(a);
}

static void
on_route(void *arg, struct route *route, enum proto_result result, const struct reply *why)
{
	struct destination *d = arg;
	struct attempt *a, *next;

	d->search = NULL;
	d->route = route;
	LIST_FOREACH_SAFE(a, &d->attempts, in_destination, next)
	{
		if (a->route != NULL)
			continue;
		if (route == NULL) {
			note_failure(a, result, why, "");
			give_up(a);
			continue;
		}
		use_route(a, route);
	}
}

static void
forget_old_route(struct destination *d)
{
	if (d->route == NULL || loop_now_ms() < d->route->until_ms)
		return;
	route_put(d->route);
	d->route = NULL;
	d->limit = d->limit_max;
}

static void
start_attempt(struct destination *d)
{
	struct attempt *a = calloc(1, sizeof(*a));

	if (a == NULL)
		fatal("out of memory");
	a->destination = d;
	a->by_ms = loop_now_ms() + RELAY_ATTEMPT_MS;
	LIST_INSERT_HEAD(&d->attempts, a, in_destination);
	d->attempts_count++;
	if (d->route != NULL) {
		use_route(a, d->route);
	} else if (d->search == NULL) {
		d->search = route_search(d->place, on_route, d);
	}
}

/* At the limit the connection that was idle for the longest makes room. */
static bool
has_room(void)
{
	struct connection *oldest;

	if (all.connections < RELAY_CONNECTIONS_MAX)
		return true;
	oldest = find_idle_elsewhere(any, NULL);
	if (oldest != NULL)
		connection_abort(oldest);
	return all.connections < RELAY_CONNECTIONS_MAX;
}

static void
start_attempts(struct destination *d)
{
	forget_old_route(d);
	while (d->attempts_count < d->waiting_count && d->connections_count + d->attempts_count < d->limit &&
	    !d->failure.set) {
		if (!has_room()) {
			d->starved = true;
			return;
		}
		start_attempt(d);
	}
}

/* --- the destination --- */

static void
free_destination(void *object)
{
	struct destination *d = object;

	route_search_cancel(d->search);
	route_put(d->route);
	free(d);
}

static void
settle_failure(struct destination *d)
{
	if (!d->failure.set)
		return;
	d->failure.set = false;
	if (d->connections_count + d->attempts_count == 0)
		fail_waiting(d);
	else
		d->limit = d->connections_count + d->attempts_count;
}

static void
run(void *arg)
{
	struct destination *d = arg;
	struct connection *n;

	while (d->waiting_count > 0 && !all.draining && (n = find_idle(d)) != NULL)
		start_job(n, take_waiting(d));
	settle_failure(d);
	if (!all.draining)
		start_attempts(d);
	if (d->waiting_count + d->connections_count + d->attempts_count > 0 || d->hook.queued)
		return;
	RB_REMOVE(destination_tree, &all.tree, d);
	all.count--;
	loop_reap(free_destination, d);
}

static struct destination *
find_destination(const char *name)
{
	struct destination key;

	key.name = name;
	return RB_FIND(destination_tree, &all.tree, &key);
}

/* The action's name may hold a slash; what is behind it and one more is the place. */
static bool
place_of(const char *name, const char *action, size_t *at)
{
	size_t len = strlen(action);

	*at = len + 1;
	return strncmp(name, action, len) == 0 && name[len] == '/' && name[len + 1] != '\0';
}

static uint64_t
at_most(int64_t limit, uint64_t max)
{
	return limit > 0 && (uint64_t)limit < max ? (uint64_t)limit : max;
}

static void
restrain(struct destination *d)
{
	char domain[CONFIG_DOMAIN_MAX] = "";
	int64_t family;

	(void)config_limits_domain(d->place, domain);
	d->limit_max = at_most(config_mta_connections(all.config, str_of(domain)), RELAY_DESTINATION_CONNECTIONS_MAX);
	d->limit = d->limit_max;
	d->mails_max =
	    at_most(config_mta_limit(all.config, str_of(domain), "session-mail-max"), RELAY_CONNECTION_MESSAGES_MAX);
	family = config_mta_limit(all.config, str_of(domain), "family");
	d->family = family == 4 ? AF_INET : family == 6 ? AF_INET6 : AF_UNSPEC;
}

static struct destination *
new_destination(const char *name, size_t place_at, const struct config_action *action)
{
	size_t len = strlen(name);
	struct destination *d = calloc(1, sizeof(*d) + len + 1);
	char *copy;

	if (d == NULL)
		fatal("out of memory");
	copy = (char *)(d + 1);
	memcpy(copy, name, len + 1);
	d->name = copy;
	d->place = (struct str){ copy + place_at, len - place_at };
	d->action = action;
	restrain(d);
	d->hook = (struct loop_hook){ .fn = run, .arg = d };
	TAILQ_INIT(&d->waiting);
	LIST_INIT(&d->connections);
	LIST_INIT(&d->attempts);
	RB_INSERT(destination_tree, &all.tree, d);
	all.count++;
	return d;
}

void
destinations_init(const struct config *config, const char *server_name)
{
	memset(&all, 0, sizeof(all));
	all.config = config;
	all.server_name = server_name;
	RB_INIT(&all.tree);
}

static struct destination *
destination_of(const struct job *job, struct reply *why)
{
	const char *name = job_destination(job);
	const struct config_action *action = config_action_find(all.config, str_of(job_action(job)));
	struct destination *d = find_destination(name);
	size_t at;

	if (d != NULL)
		return d;
	if (action == NULL || action->method != CONFIG_METHOD_RELAY) {
		reply_make(why, PROTO_CAUSE_HERE, 451, "4.3.5 no action \"%s\" for relaying in the configuration",
		    job_action(job));
		return NULL;
	}
	if (!place_of(name, job_action(job), &at)) {
		reply_make(why, PROTO_CAUSE_HERE, 451, "4.3.5 destination \"%s\" is not of action \"%s\"", name,
		    job_action(job));
		return NULL;
	}
	return new_destination(name, at, action);
}

void
destination_submit(struct job *job)
{
	struct destination *d;
	struct connection *n;
	struct reply why;

	if (all.draining)
		return;
	if (job->bad != NULL) {
		reply_make(&why, PROTO_CAUSE_HERE, 550, "%s", job->bad);
		fail_job(job, PROTO_RESULT_FAILED, &why, "", false);
		return;
	}
	d = destination_of(job, &why);
	if (d == NULL) {
		fail_job(job, PROTO_RESULT_DEFERRED, &why, "", false);
		return;
	}
	job->destination = d;
	n = d->waiting_count == 0 ? find_idle(d) : NULL;
	if (n != NULL) {
		start_job(n, job);
		return;
	}
	put_waiting(d, job, false);
	touch(d);
}

void
destination_piece(struct job *job, struct str bytes)
{
	if (job->client != NULL)
		connection_piece(job->client->arg, bytes);
}

void
destination_cancel(struct job *job, const struct reply *why)
{
	if (job->client != NULL)
		connection_cancel(job->client->arg, why);
}

void
destination_abandon(struct job *job)
{
	struct destination *d = job->destination;

	if (d == NULL)
		return;
	if (job->client != NULL) {
		all.running--;
		connection_abort(job->client->arg);
	} else {
		TAILQ_REMOVE(&d->waiting, job, waiting);
		d->waiting_count--;
		all.waiting--;
	}
	touch(d);
	check_drained();
}

void
destinations_drain(void (*done)(void))
{
	struct destination *d;
	struct connection *n, *next;
	struct attempt *a, *next_attempt;

	all.draining = true;
	all.drained = done;
	RB_FOREACH (d, destination_tree, &all.tree) {
		LIST_FOREACH_SAFE(a, &d->attempts, in_destination, next_attempt)
		{
			if (a->connection != NULL)
				connection_abort(a->connection);
			free_attempt(a);
		}
		LIST_FOREACH_SAFE(n, &d->connections, in_destination, next)
		{
			if (n->client.job != NULL)
				continue;
			unlink_connection(n);
			connection_quit(n);
		}
	}
	check_drained();
}

void
destinations_count(struct destinations_count *out)
{
	*out = (struct destinations_count){ all.count, all.waiting, all.connections, all.running };
}
