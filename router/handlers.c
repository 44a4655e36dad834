/* SPDX-License-Identifier: ISC */
#include "router/handlers.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "router/check.h"
#include "router/limits.h"
#include "router/routing.h"
#include "router/session.h"
#include "router/statement.h"

static struct {
	struct routing routing;
	struct seal *ticket_seal, *statement_seal;
	struct checks *checks;
	struct statements *statements;
	const struct config_listener *listeners[CONFIG_LISTENERS_MAX + 1]; /* by index */
	bool started;
	bool postmaster_tried;
	size_t sessions;
} router;

/* --- before confinement --- */

static void
place(const struct process_setup *setup, struct sandbox_place *out)
{
	static char root[PATH_MAX];

	(void)snprintf(root, sizeof(root), "%s/empty", setup->config->runtime);
	out->root = root;
	out->account = "_posternr";
}

static void
list_listeners(const struct config *config)
{
	const struct config_listener *l;

	STAILQ_FOREACH (l, &config->listeners, next)
		if (l->index <= CONFIG_LISTENERS_MAX)
			router.listeners[l->index] = l;
}

static bool
open_router(const struct process_setup *setup, struct error *err)
{
	struct names *names = names_gather(err);

	if (names == NULL || !routing_open(&router.routing, setup->config, names, err))
		return false;
	list_listeners(setup->config);
	router.ticket_seal = seal_new(setup->ticket_key);
	router.statement_seal = seal_new(setup->statement_key);
	router.checks = checks_new(&router.routing, router.ticket_seal);
	router.statements = statements_new(&router.routing, router.statement_seal);
	return true;
}

/* --- peers --- */

/* Once everybody serves and users can be asked for: a mistake that would show at the first complaint is told now. */
static void
try_postmaster(void)
{
	if (!router.started || router.postmaster_tried || process_peer(PROTO_KIND_USERDB, 0) == NULL)
		return;
	router.postmaster_tried = true;
	checks_try_postmaster(router.checks);
}

static void
start(void)
{
	router.started = true;
	try_postmaster();
}

static void
peer_new(struct peer *peer)
{
	struct client *client;

	if (peer->kind == PROTO_KIND_USERDB) {
		users_set_channel(router.routing.users, peer->channel);
		try_postmaster();
		return;
	}
	if (peer->kind != PROTO_KIND_SMTPD && peer->kind != PROTO_KIND_QUEUE)
		return;
	client = calloc(1, sizeof(*client));
	if (client == NULL)
		fatal("out of memory");
	client->peer = peer;
	RB_INIT(&client->sessions);
	session_be_queue(&client->own);
	peer->data = client;
}

static void
close_session(struct client *client, struct session *s)
{
	check_drop_session(s);
	session_remove(&client->sessions, s);
	client->sessions_count--;
	router.sessions--;
	free(s);
}

static void
peer_gone(struct peer *peer)
{
	struct client *client = peer->data;
	struct session *s;

	if (peer->kind == PROTO_KIND_USERDB)
		users_set_channel(router.routing.users, NULL);
	if (client == NULL)
		return;
	/* Nothing is sent any more, and the channel is not to be woken when the checks end. */
	client->paused = false;
	while ((s = session_first(&client->sessions)) != NULL)
		close_session(client, s);
	check_drop_session(&client->own);
	statement_drop_peer(router.statements, peer);
	peer->data = NULL;
	free(client);
}

/* --- messages --- */

static bool
take_session(struct client *client, uint64_t id, uint64_t listener, int fd)
{
	const struct config_listener *l = listener <= CONFIG_LISTENERS_MAX ? router.listeners[listener] : NULL;
	struct session *s;

	if (l == NULL || client->sessions_count == SESSIONS_MAX)
		return false;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		fatal("out of memory");
	s->id = id;
	if (!session_look(s, l, router.routing.names, fd) || !session_add(&client->sessions, s)) {
		free(s);
		return false;
	}
	client->sessions_count++;
	router.sessions++;
	return true;
}

static bool
on_session_open(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	bool ok = take_session(peer->data, id, msg->session_open.listener, fd);

	(void)close(fd);
	return ok;
}

static bool
on_session_close(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct client *client = peer->data;
	struct session *s = session_find(&client->sessions, id);

	(void)msg;
	(void)fd;
	if (s == NULL)
		return false;
	close_session(client, s);
	return true;
}

static bool
on_rcpt_check(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct client *client = peer->data;
	struct session *s;

	(void)fd;
	if (peer->kind == PROTO_KIND_QUEUE)
		s = id == 0 ? &client->own : NULL;
	else
		s = msg->rcpt_check.origin.len == 0 ? session_find(&client->sessions, id) : NULL;
	return s != NULL && check_begin(router.checks, client, s, &msg->rcpt_check);
}

static bool
on_statement_ask(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)fd;
	return statement_begin(router.statements, peer, id, &msg->statement_ask);
}

static bool
on_user_answer(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)peer;
	(void)fd;
	return users_answer(router.routing.users, id, &msg->user_answer);
}

static bool
on_status_ask(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	uint64_t answered, accepted;

	(void)msg;
	(void)fd;
	checks_count(router.checks, &answered, &accepted);
	const struct {
		const char *name;
		uint64_t value;
	} values[] = {
		{ "router.sessions", router.sessions },
		{ "router.recipients", answered },
		{ "router.recipients.accepted", accepted },
		{ "router.users.pending", users_pending(router.routing.users) },
		{ "router.statements.pending", statements_pending(router.statements) },
	};
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		SEND(peer->channel, STATUS_VALUE, status_value, id, .name = str_of(values[i].name),
		    .value = values[i].value);
	SEND(peer->channel, ANSWER_END, answer_end, id, .ok = true, .count = sizeof(values) / sizeof(values[0]));
	return true;
}

const struct process router_process = {
	.kind = PROTO_KIND_ROUTER,
	.name = "router",
	.place = place,
	.open = open_router,
	.start = start,
	.peer_new = peer_new,
	.peer_gone = peer_gone,
	.handlers = {
		[PROTO_SESSION_OPEN_TYPE] = on_session_open,
		[PROTO_SESSION_CLOSE_TYPE] = on_session_close,
		[PROTO_RCPT_CHECK_TYPE] = on_rcpt_check,
		[PROTO_STATEMENT_ASK_TYPE] = on_statement_ask,
		[PROTO_USER_ANSWER_TYPE] = on_user_answer,
		[PROTO_STATUS_ASK_TYPE] = on_status_ask,
	},
};
