/* SPDX-License-Identifier: ISC */
/* relay(8): a worker that delivers messages to other servers, and has nothing but the messages it is delivering. */
#include <stdio.h>
#include <stdlib.h>

#include "common/hostname.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/process.h"
#include "relay/destination.h"
#include "relay/job.h"
#include "relay/networks.h"
#include "relay/route.h"

enum { DRAIN_MARGIN_MS = 1000 }; /* before the parent's patience ends */

static char server_name[PROTO_NAME_MAX + 1];
static struct loop_timer drain_timer;

/* The ports of a table of smarthosts; what only the router sees may name any port. */
static void
allow_hosts(const struct config_table *hosts, struct sandbox_place *out)
{
	const struct config_entry *entry;
	struct config_url url;

	if (hosts->backend != CONFIG_TABLE_LIST) {
		out->connect_any = true;
		return;
	}
	STAILQ_FOREACH (entry, &hosts->entries, next)
		if (config_url_parse(str_of(entry->key), &url, NULL))
			sandbox_allow_port(out, url.port);
}

static void
place(const struct process_setup *setup, struct sandbox_place *out)
{
	static const uint16_t usual[] = { 25, 465, 587, 24 };
	static char root[512];
	const struct config_action *action;
	size_t i;

	(void)snprintf(root, sizeof(root), "%s/empty", setup->config->runtime);
	out->root = root;
	out->account = "_postern";
	for (i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		sandbox_allow_port(out, usual[i]);
	STAILQ_FOREACH (action, &setup->config->actions, next)
		if (action->host != NULL)
			allow_hosts(action->host, out);
}

static void
ask_resolver(uint64_t id, struct str domain, bool mx)
{
	struct peer *resolver = process_peer(PROTO_KIND_RESOLVER, 0);

	if (resolver != NULL)
		SEND(resolver->channel, ROUTE_ASK, route_ask, id, .domain = domain, .mx = mx);
}

static bool
open_all(const struct process_setup *setup, struct error *err)
{
	if (!hostname_get(server_name, sizeof(server_name)))
		return error_set(
		    err, ERROR_PERMANENT, "this machine's name is no domain name: expected one in /etc/mailname");
	if (!networks_open(setup->config->mta_private, err))
		return false;
	route_init(ask_resolver);
	destinations_init(setup->config, server_name);
	return true;
}

/* --- what jobs say to their queue --- */

static void
send_result(void *arg, uint64_t id, const struct msg_job_result *result)
{
	struct peer *queue = arg;

	channel_send(queue->channel, PROTO_JOB_RESULT_TYPE, id, result);
}

static void
send_pull(void *arg, uint64_t id, uint64_t offset)
{
	struct peer *queue = arg;

	SEND(queue->channel, JOB_PULL, job_pull, id, .offset = offset);
}

static void
send_end(void *arg, uint64_t id, bool host_down)
{
	struct peer *queue = arg;

	SEND(queue->channel, JOB_END, job_end, id, .host_down = host_down);
}

static void
job_ready(struct job *job)
{
	struct reply busy;

	if (job->table->count <= RELAY_JOBS_MAX) {
		destination_submit(job);
		return;
	}
	reply_make(&busy, PROTO_CAUSE_OUR_LIMIT, 451, "4.3.2 more than %d deliveries at once", RELAY_JOBS_MAX);
	job_answer_rest(job, PROTO_RESULT_DEFERRED, &busy, "");
	job_end(job, false);
}

static const struct job_calls job_calls = {
	.ready = job_ready,
	.result = send_result,
	.pull = send_pull,
	.end = send_end,
};

/* --- peers --- */

static void
peer_new(struct peer *peer)
{
	if (peer->kind == PROTO_KIND_QUEUE) {
		struct job_table *jobs = malloc(sizeof(*jobs));
		if (jobs == NULL)
			fatal("out of memory");
		job_table_init(jobs, &job_calls, peer);
		peer->data = jobs;
	} else if (peer->kind == PROTO_KIND_RESOLVER) {
		route_ask_again();
	}
}

/* The queue that comes next knows of none of these jobs: it has them in its store. */
static void
peer_gone(struct peer *peer)
{
	struct job_table *jobs = peer->data;
	struct job *job;

	if (jobs == NULL)
		return;
	for (job = job_next(jobs, NULL); job != NULL; job = job_next(jobs, job))
		destination_abandon(job);
	job_table_clear(jobs);
	free(jobs);
	peer->data = NULL;
}

static void
drain_ends(void *arg)
{
	(void)arg;
	process_done();
}

static void
drain(void)
{
	loop_timer_init(&drain_timer, drain_ends, NULL);
	loop_timer_start(&drain_timer, PROCESS_DRAIN_MS - DRAIN_MARGIN_MS);
	destinations_drain(process_done);
}

/* --- handlers --- */

static bool
on_job(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)fd;
	return job_take(peer->data, id, &msg->job);
}

static bool
on_job_rcpt(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)fd;
	return job_take_rcpt(peer->data, id, &msg->job_rcpt);
}

static bool
on_job_body(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct job *job;

	(void)fd;
	if (!job_take_body(peer->data, id, &msg->job_body, &job))
		return false;
	if (job != NULL)
		destination_piece(job, msg->job_body.bytes);
	return true;
}

static bool
on_job_cancel(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct reply why;
	struct job *job;

	(void)fd;
	if (!job_take_cancel(peer->data, id, &job))
		return false;
	if (job == NULL)
		return true;
	reply_make(&why, PROTO_CAUSE_HERE, 451, "4.3.0 %.*s", STR_ARG(msg->job_cancel.text));
	destination_cancel(job, &why);
	return true;
}

static bool
on_route_host(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)peer;
	(void)fd;
	return route_take_host(id, &msg->route_host);
}

static bool
on_route_end(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)peer;
	(void)fd;
	return route_take_end(id, &msg->route_end);
}

static void
send_value(struct peer *peer, uint64_t id, const char *name, uint64_t value)
{
	SEND(peer->channel, STATUS_VALUE, status_value, id, .name = str_of(name), .value = value);
}

static bool
on_status_ask(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct destinations_count count;

	(void)msg;
	(void)fd;
	destinations_count(&count);
	send_value(peer, id, "mta.domain", count.destinations);
	send_value(peer, id, "mta.session", count.connections);
	send_value(peer, id, "mta.task", count.waiting + count.running);
	send_value(peer, id, "mta.task.running", count.running);
	SEND(peer->channel, ANSWER_END, answer_end, id, .ok = true, .count = 4);
	return true;
}

static const struct process relay = {
	.kind = PROTO_KIND_RELAY,
	.name = "relay",
	.place = place,
	.open = open_all,
	.drain = drain,
	.peer_new = peer_new,
	.peer_gone = peer_gone,
	.handlers = {
		[PROTO_JOB_TYPE] = on_job,
		[PROTO_JOB_RCPT_TYPE] = on_job_rcpt,
		[PROTO_JOB_BODY_TYPE] = on_job_body,
		[PROTO_JOB_CANCEL_TYPE] = on_job_cancel,
		[PROTO_ROUTE_HOST_TYPE] = on_route_host,
		[PROTO_ROUTE_END_TYPE] = on_route_end,
		[PROTO_STATUS_ASK_TYPE] = on_status_ask,
	},
};

int
main(int argc, char **argv)
{
	return process_run(&relay, argc, argv);
}
