/* SPDX-License-Identifier: ISC */
/* smtpd(8): a worker that speaks SMTP with clients, and has nothing but the sessions it serves. */
#include <sys/resource.h>

#include <stdio.h>

#include "common/address.h"
#include "common/hostname.h"
#include "common/process.h"
#include "smtpd/command.h"
#include "smtpd/limits.h"
#include "smtpd/listener.h"
#include "smtpd/session.h"
#include "smtpd/transaction.h"

static char hostname[ADDRESS_DOMAIN_MAX + 1];
static const struct config *config;

static void
place(const struct process_setup *setup, struct sandbox_place *out)
{
	static char root[512];

	(void)snprintf(root, sizeof(root), "%s/empty", setup->config->runtime);
	out->root = root;
	out->account = "_postern";
}

static size_t
sessions_max(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == -1 || files.rlim_cur == RLIM_INFINITY)
		return 10000;
	return files.rlim_cur * SMTPD_SESSIONS_PERCENT / 100;
}

static bool
open_all(const struct process_setup *setup, struct error *err)
{
	if (!hostname_get(hostname, sizeof(hostname)))
		return error_set(
		    err, ERROR_PERMANENT, "this machine's name is no domain name: expected one in /etc/mailname");
	config = setup->config;
	command_configure(config);
	listener_configure(config);
	session_configure(setup->instance, hostname, sessions_max());
	return true;
}

/*
 * Clients are let in once the queue has said which ids may be used and how much room there is: before that, a MAIL could
 * only be put off. When the queue comes back after a restart, the sessions are there already and hear 451.
 */
static struct {
	bool started;
	bool granted;
	bool room;
} told;

static void
serve_when_told(void)
{
	if (told.started && told.granted && told.room)
		listener_start();
}

static void
start(void)
{
	told.started = true;
	serve_when_told();
}

static void
pause_or_resume(const struct msg_pause *pause)
{
	listener_pause(pause->smtp);
}

static void
drain(void)
{
	told.started = false;
	listener_stop();
	session_drain_all(process_done);
}

static void
peer_gone(struct peer *peer)
{
	if (peer->kind == PROTO_KIND_QUEUE)
		transaction_queue_gone();
	else if (peer->kind == PROTO_KIND_ROUTER)
		transaction_router_gone();
}

/* --- handlers --- */

static bool
on_ticket(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)peer;
	(void)fd;
	return transaction_ticket(id, &msg->rcpt_ticket);
}

static bool
on_verdict(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)peer;
	(void)fd;
	return transaction_verdict(id, &msg->rcpt_verdict);
}

static bool
on_grant(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)peer;
	(void)id;
	(void)fd;
	transaction_grant(msg->grant.first, msg->grant.count);
	told.granted = true;
	serve_when_told();
	return true;
}

static bool
on_room(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)peer;
	(void)id;
	(void)fd;
	transaction_set_room(msg->room.bytes);
	told.room = true;
	serve_when_told();
	return true;
}

static bool
on_credit(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)peer;
	(void)fd;
	return transaction_credit(id, msg->credit.bytes);
}

static bool
on_done(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)peer;
	(void)msg;
	(void)fd;
	return transaction_done(id);
}

static bool
on_refused(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)peer;
	(void)fd;
	return transaction_refused(id, (enum proto_refusal)msg->refused.reason);
}

static bool
on_status(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct {
		struct str name;
		uint64_t value;
	} values[] = {
		{ STR("smtp.session"), session_count() },
		{ STR("smtp.session.local"), session_count_local() },
		{ STR("smtp.connected"), session_count_connected() },
		{ STR("smtp.disconnected"), session_count_connected() - session_count() },
		{ STR("smtp.accepted"), transaction_count_accepted() },
	};
	size_t i;

	(void)msg;
	(void)fd;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		SEND(peer->channel, STATUS_VALUE, status_value, id, .name = values[i].name, .value = values[i].value);
	SEND(peer->channel, ANSWER_END, answer_end, id, .ok = true);
	return true;
}

static const struct process smtpd = {
	.kind = PROTO_KIND_SMTPD,
	.name = "smtpd",
	.place = place,
	.open = open_all,
	.start = start,
	.drain = drain,
	.pause = pause_or_resume,
	.listener = listener_add,
	.peer_gone = peer_gone,
	.handlers = {
		[PROTO_RCPT_TICKET_TYPE] = on_ticket,
		[PROTO_RCPT_VERDICT_TYPE] = on_verdict,
		[PROTO_GRANT_TYPE] = on_grant,
		[PROTO_ROOM_TYPE] = on_room,
		[PROTO_CREDIT_TYPE] = on_credit,
		[PROTO_DONE_TYPE] = on_done,
		[PROTO_REFUSED_TYPE] = on_refused,
		[PROTO_STATUS_ASK_TYPE] = on_status,
	},
};

int
main(int argc, char **argv)
{
	return process_run(&smtpd, argc, argv);
}
