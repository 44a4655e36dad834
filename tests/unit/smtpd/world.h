/* SPDX-License-Identifier: ISC */
/*
 * A world for sessions of smtpd without its other processes: a router and a queue that are the other ends of real
 * channels, played here. The router refuses recipients whose local part begins with "bad" (550) or "later" (451), "list"
 * and a number has so many members, of large tickets; the queue stores everything, and keeps what it was given.
 */
#ifndef TESTS_UNIT_SMTPD_WORLD_H
#define TESTS_UNIT_SMTPD_WORLD_H

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/process.h"
#include "smtpd/command.h"
#include "smtpd/limits.h"
#include "smtpd/listener.h"
#include "smtpd/session.h"
#include "smtpd/transaction.h"

/* A turn in which the client hears nothing may still have moved a chunk: so many of them are silence. */
enum {
	WORLD_TURNS_MAX = 20000,
	WORLD_QUIET = 100,
	WORLD_MESSAGES_MAX = 256,
	WORLD_SESSIONS_MAX = 1000,
	WORLD_TICKET = 4000
};

struct world_message {
	uint64_t id;
	struct buf body;
	size_t uncredited; /* of it */
	unsigned tickets;
	unsigned ret; /* of BEGIN, as is envid */
	char envid[PROTO_ENVID_MAX + 1];
	char rcpts[2048]; /* NOTIFY and ORCPT of each RCPT: "3 rfc822;a|" */
	char message_id[PROTO_MESSAGE_ID_MAX + 1];
	bool committed;
	bool aborted;
};

static struct world {
	struct peer router; /* as smtpd sees them */
	struct peer queue;
	struct channel *router_end; /* as they see smtpd */
	struct channel *queue_end;
	struct config *config;
	struct listener listener;
	int client; /* the client's end of the connection */
	struct buf heard;
	bool hung_up;
	struct world_message messages[WORLD_MESSAGES_MAX];
	size_t messages_count;
	bool queue_silent; /* stores nothing, says nothing */
	unsigned asked;    /* of the router, about recipients */
} world;

/* --- what smtpd asks of its frame --- */

struct peer *
process_peer(enum proto_kind kind, uint64_t instance)
{
	(void)instance;
	if (kind == PROTO_KIND_ROUTER && world.router.channel != NULL)
		return &world.router;
	return kind == PROTO_KIND_QUEUE && world.queue.channel != NULL ? &world.queue : NULL;
}

/* --- smtpd's side of the channels --- */

static bool
world_to_smtpd(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	(void)arg;
	(void)fd;
	switch ((int)type) {
	case PROTO_RCPT_TICKET_TYPE: return transaction_ticket(id, &msg->rcpt_ticket);
	case PROTO_RCPT_VERDICT_TYPE: return transaction_verdict(id, &msg->rcpt_verdict);
	case PROTO_DONE_TYPE: return transaction_done(id);
	case PROTO_CREDIT_TYPE: return transaction_credit(id, msg->credit.bytes);
	case PROTO_REFUSED_TYPE: return transaction_refused(id, (enum proto_refusal)msg->refused.reason);
	default: return false;
	}
}

static void
world_closed(void *arg, const char *violation)
{
	(void)arg;
	if (violation != NULL)
		fatal("a channel of the test's world was closed: %s", violation);
}

/* --- the router --- */

static void
world_verdict(uint64_t id, const struct msg_rcpt_check *check, unsigned code, const char *enhanced, size_t tickets)
{
	SEND(world.router_end, RCPT_VERDICT, rcpt_verdict, id, .transaction = check->transaction,
	    .number = check->number, .code = code, .enhanced = str_of(enhanced), .text = S("verdict"),
	    .tickets = tickets);
}

static void
world_tickets(uint64_t id, const struct msg_rcpt_check *check, size_t count, size_t len)
{
	static char ticket[WORLD_TICKET];
	size_t i;

	for (i = 0; i < count; i++)
		SEND(world.router_end, RCPT_TICKET, rcpt_ticket, id, .transaction = check->transaction,
		    .number = check->number, .ticket = { ticket, len });
	world_verdict(id, check, 250, "2.1.5", count);
}

static bool
world_router(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_rcpt_check *check = &msg->rcpt_check;
	struct str local, rest;
	uint64_t members;

	(void)arg;
	if (fd != -1)
		(void)close(fd);
	if (type != PROTO_RCPT_CHECK_TYPE)
		return true;
	world.asked++;
	(void)str_cut(check->forward_path, '@', &local, &rest);
	if (str_starts_nocase(local, S("bad")))
		world_verdict(id, check, 550, "5.1.1", 0);
	else if (str_starts_nocase(local, S("later")))
		world_verdict(id, check, 451, "4.3.0", 0);
	else if (str_starts_nocase(local, S("list")) &&
	    str_to_u64((struct str){ local.ptr + 4, local.len - 4 }, 10000, &members))
		world_tickets(id, check, members, WORLD_TICKET);
	else
		world_tickets(id, check, 1, 6);
	return true;
}

/* --- the queue --- */

static struct world_message *
world_find(uint64_t id)
{
	size_t i;

	for (i = 0; i < world.messages_count; i++)
		if (world.messages[i].id == id)
			return &world.messages[i];
	return NULL;
}

static void
world_credit(struct world_message *m)
{
	SEND(world.queue_end, CREDIT, credit, m->id, .bytes = m->uncredited);
	m->uncredited = 0;
}

static void
world_note_rcpt(struct world_message *m, const struct msg_rcpt *rcpt)
{
	char orcpt[PROTO_ORCPT_MAX + 1], text[sizeof(orcpt) + 8];

	invariant(str_copy(rcpt->orcpt, orcpt, sizeof(orcpt)));
	(void)snprintf(text, sizeof(text), "%u %s|", (unsigned)rcpt->notify % 100, orcpt);
	(void)strlcat(m->rcpts, text, sizeof(m->rcpts));
}

static bool
world_queue(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	struct world_message *m = world_find(id);

	(void)arg;
	(void)fd;
	if (type == PROTO_REJECTED_TYPE) /* id is the session's */
		return msg->rejected.code >= 400;
	if (type == PROTO_BEGIN_TYPE) {
		invariant(m == NULL && world.messages_count < WORLD_MESSAGES_MAX);
		m = &world.messages[world.messages_count++];
		*m = (struct world_message){ .id = id, .ret = msg->begin.ret };
		invariant(str_copy(msg->begin.envid, m->envid, sizeof(m->envid)));
		buf_init(&m->body, 64 * 1024 * 1024);
		return true;
	}
	invariant(m != NULL && !m->committed && !m->aborted);
	switch ((int)type) {
	case PROTO_RCPT_TYPE:
		m->tickets++;
		world_note_rcpt(m, &msg->rcpt);
		break;
	case PROTO_BODY_TYPE:
		invariant(buf_append_str(&m->body, msg->body.bytes));
		m->uncredited += msg->body.bytes.len;
		invariant(m->uncredited <= SMTPD_WINDOW);
		if (!world.queue_silent)
			world_credit(m);
		break;
	case PROTO_COMMIT_TYPE:
		invariant(m->body.len == msg->commit.size && m->tickets > 0);
		invariant(str_copy(msg->commit.message_id, m->message_id, sizeof(m->message_id)));
		m->committed = true;
		if (!world.queue_silent)
			SEND(world.queue_end, DONE, done, id, .nothing = false);
		break;
	case PROTO_ABORT_TYPE: m->aborted = true; break;
	default: return false;
	}
	return true;
}

static struct channel *
world_pair(struct peer *peer, enum proto_kind kind, channel_message_fn *play)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == -1)
		fatal("socketpair");
	peer->kind = kind;
	peer->generation = 1;
	peer->channel = channel_new(ends[0], PROTO_KIND_SMTPD, kind, world_to_smtpd, world_closed, NULL);
	return channel_new(ends[1], kind, PROTO_KIND_SMTPD, play, world_closed, NULL);
}

/* Once a program. */
static void
world_make(const char *settings)
{
	static struct config_listener listener = { .on = "127.0.0.1", .hostname = "mx.example", .index = 1 };
	char path[] = "/tmp/postern-world.XXXXXX";
	int fd = mkstemp(path);
	struct config_text *text;

	if (fd == -1 ||
	    dprintf(fd, "%s\nlisten on 127.0.0.1\naction a mbox\nmatch for local action a\n", settings) == -1)
		fatal("cannot write a configuration");
	(void)close(fd);
	log_init("world", STDERR_FILENO, LOG_TEXT, LOG_ERROR);
	loop_init();
	text = config_text_new(path);
	world.config = config_parse(text, NULL, NULL);
	config_text_free(text);
	(void)unlink(path);
	if (world.config == NULL)
		fatal("the test's configuration does not parse");
	world.listener = (struct listener){ .config = &listener, .index = 1, .name = "127.0.0.1:25", .fd = -1 };
	command_configure(world.config);
	session_configure(3, "mx.example", WORLD_SESSIONS_MAX);
	world.router_end = world_pair(&world.router, PROTO_KIND_ROUTER, world_router);
	world.queue_end = world_pair(&world.queue, PROTO_KIND_QUEUE, world_queue);
	transaction_grant(1, 1000000);
	transaction_set_room(1 << 30);
	buf_init(&world.heard, 16 * 1024 * 1024);
}

static void
world_connect(bool local)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(1234) };
	int ends[2];

	peer.sin_addr.s_addr = htonl(local ? 0x7f000001 : 0xc0000201);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == -1)
		fatal("socketpair");
	world.client = ends[0];
	world.hung_up = false;
	world.asked = 0;
	buf_reset(&world.heard);
	session_new(&world.listener, ends[1], (const struct sockaddr *)&peer);
}

/* Turns until nobody has anything to do, gathering what the client hears. */
static void
world_settle(void)
{
	char block[65536];
	unsigned quiet = 0, i;

	for (i = 0; i < WORLD_TURNS_MAX && quiet < WORLD_QUIET; i++) {
		ssize_t n;
		loop_turn();
		quiet++;
		while (!world.hung_up && (n = recv(world.client, block, sizeof(block), 0)) >= 0) {
			quiet = 0;
			world.hung_up = n == 0;
			if (n > 0)
				invariant(buf_append(&world.heard, block, (size_t)n));
		}
	}
}

/* Says bytes in pieces of at most `piece`, as fast as they are taken. */
static void
world_say(struct str bytes, size_t piece)
{
	while (bytes.len > 0 && !world.hung_up) {
		size_t len = bytes.len < piece ? bytes.len : piece;
		ssize_t n = send(world.client, bytes.ptr, len, MSG_NOSIGNAL);
		if (n > 0) {
			bytes.ptr += n;
			bytes.len -= (size_t)n;
		}
		if (n <= 0 || piece < 4096)
			loop_turn();
		if (n == -1 && errno != EAGAIN)
			break;
	}
	world_settle();
}

/* A second that an error costs is over. */
static void __attribute__((unused)) world_forgive(void)
{
	loop_timer_start(&session_next(NULL)->penalty, 0);
	world_settle();
}

static void
world_disconnect(void)
{
	size_t i;

	(void)close(world.client);
	world.hung_up = true;
	for (i = 0; i < 8; i++)
		loop_turn();
	for (i = 0; i < world.messages_count; i++)
		buf_clear(&world.messages[i].body);
	world.messages_count = 0;
}

static unsigned
world_committed(void)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < world.messages_count; i++)
		n += world.messages[i].committed;
	return n;
}

/* The code of reply number i of what was heard (0: the greeting), 0 when there are not so many. */
static int
world_code(size_t i)
{
	struct str rest = buf_str(&world.heard), line;

	while (rest.len > 0) {
		(void)str_cut(rest, '\n', &line, &rest);
		if (line.len < 4 || line.ptr[3] == '-')
			continue;
		if (i-- == 0)
			return (line.ptr[0] - 48) * 100 + (line.ptr[1] - 48) * 10 + line.ptr[2] - 48;
	}
	return 0;
}

static size_t __attribute__((unused)) /* by the fuzzer */
world_replies(void)
{
	size_t n = 0;

	while (world_code(n) != 0)
		n++;
	return n;
}

#endif
