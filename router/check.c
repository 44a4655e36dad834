/* SPDX-License-Identifier: ISC */
#include "router/check.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "router/expansion.h"
#include "router/limits.h"

struct checks {
	struct routing *routing;
	struct seal *seal;
	struct session postmaster; /* of checks_try_postmaster */
	struct buf destination, ticket;
	int64_t postmaster_logged_ms; /* 0: never */
	uint64_t answered, accepted;
	struct check *unused; /* ended ones, for use again */
};

struct check {
	LIST_ENTRY(check) next; /* of the session */
	struct checks *checks;
	struct client *client; /* NULL: nobody is answered */
	struct session *session;
	struct session past;        /* of a message that is in the queue */
	const struct session *from; /* one of the two: whose mail it is */
	uint64_t transaction, number;
	char helo[PROTO_NAME_MAX + 1];
	char reverse_path[PROTO_ADDRESS_MAX + 1], forward_path[PROTO_ADDRESS_MAX + 1];
	struct address reverse;
	struct rule_facts facts;
	struct expansion *expansion;
	struct loop_timer deadline;
	bool waits;
};

/* --- postmaster --- */

static void
log_postmaster(struct checks *checks)
{
	int64_t now = loop_now_ms();

	if (checks->postmaster_logged_ms != 0 && now - checks->postmaster_logged_ms < POSTMASTER_LOG_MS)
		return;
	checks->postmaster_logged_ms = now == 0 ? 1 : now;
	log_warning("no-postmaster", log_text(LOG_FIELD_to, "postmaster"),
	    log_text(LOG_FIELD_error,
		"mail for postmaster has nowhere to go: add an alias for root, or for postmaster, to the table of the "
		"action that delivers to this machine"));
}

/* --- the answer --- */

static void
send_verdict(struct check *c, struct expansion_answer answer, size_t tickets)
{
	if (c->client == NULL)
		return;
	c->checks->answered++;
	c->checks->accepted += answer.code < 400;
	if (answer.text.len > PROTO_REPLY_MAX)
		answer.text.len = PROTO_REPLY_MAX;
	SEND(c->client->peer->channel, RCPT_VERDICT, rcpt_verdict, c->session->id, .transaction = c->transaction,
	    .number = c->number, .code = answer.code, .enhanced = str_of(answer.enhanced), .text = answer.text,
	    .tickets = tickets);
}

static void
send_reply(struct check *c, enum reply reply)
{
	const struct reply_row *row = reply_row(reply);

	send_verdict(c, (struct expansion_answer){ row->code, row->enhanced, str_of(row->text) }, 0);
}

static bool
write_destination(struct checks *checks, const struct delivery *d)
{
	buf_reset(&checks->destination);
	if (d->kind == PROTO_DELIVERY_RELAY)
		return action_write_destination(d->action, str_of(d->recipient.domain), &checks->destination);
	return buf_printf(&checks->destination, "%s/%s", d->action->config->name, d->user) &&
	    checks->destination.len <= PROTO_DESTINATION_MAX;
}

static bool
send_ticket(struct check *c, size_t part)
{
	struct checks *checks = c->checks;
	char recipient[ADDRESS_MAX + 1];
	struct msg_ticket ticket = { .transaction = c->transaction, .number = c->number, .part = part };
	struct delivery d;

	expansion_get(c->expansion, part, &d);
	if (!write_destination(checks, &d))
		return false;
	ticket.expires_ms = (uint64_t)(loop_wall_ms() + TICKET_LIFE_MS);
	ticket.kind = d.kind;
	ticket.origin = str_of(c->from->origin);
	ticket.owner = c->from->owner;
	ticket.reverse_path = str_of(c->reverse_path);
	ticket.forward_path = str_of(c->forward_path);
	ticket.recipient = (struct str){ recipient, address_format(&d.recipient, recipient) };
	ticket.user = str_of(d.user);
	ticket.action = str_of(d.action->config->name);
	ticket.destination = buf_str(&checks->destination);
	ticket.ttl_s = (uint64_t)d.action->ttl_s;
	buf_reset(&checks->ticket);
	if (!seal_make(checks->seal, PROTO_TICKET_TYPE, &ticket, &checks->ticket))
		return false;
	SEND(c->client->peer->channel, RCPT_TICKET, rcpt_ticket, c->session->id, .transaction = c->transaction,
	    .number = c->number, .ticket = buf_str(&checks->ticket));
	return true;
}

/* A verdict without all its tickets is a refusal: what the peer has of them it cannot use for anything else. */
static void
answer(struct check *c)
{
	struct expansion_answer a = expansion_answer(c->expansion);
	size_t i, count = expansion_count(c->expansion);

	if (expansion_lacks_postmaster(c->expansion))
		log_postmaster(c->checks);
	if (a.code >= 400 || c->client == NULL) {
		send_verdict(c, a, 0);
		return;
	}
	if (channel_pending(c->client->peer->channel) > OUT_REFUSE_BYTES) {
		send_reply(c, REPLY_BUSY);
		return;
	}
	for (i = 0; i < count; i++) {
		if (!send_ticket(c, i)) {
			send_reply(c, REPLY_TEMPORARY);
			return;
		}
	}
	send_verdict(c, a, count);
}

/* --- waiting --- */

static void
resume(void *arg)
{
	struct client *client = arg;

	client->paused = false;
	channel_resume(client->peer->channel);
}

static void
consider_pause(struct client *client)
{
	struct channel *channel = client->peer->channel;

	if (client->paused)
		return;
	if (client->checks >= CHECKS_MAX) {
		client->paused = true;
		channel_pause(channel);
	} else if (channel_pending(channel) > OUT_PAUSE_BYTES) {
		client->paused = true;
		channel_pause(channel);
		channel_on_drained(channel, resume, client);
	}
}

static void
begin_wait(struct check *c)
{
	c->waits = true;
	LIST_INSERT_HEAD(&c->session->checks, c, next);
	loop_timer_start(&c->deadline, EXPANSION_TIME_MAX_MS);
	if (c->client != NULL)
		c->client->checks++;
}

static void
end_wait(struct check *c)
{
	struct client *client = c->client;

	if (!c->waits)
		return;
	c->waits = false;
	LIST_REMOVE(c, next);
	loop_timer_stop(&c->deadline);
	if (client == NULL)
		return;
	client->checks--;
	if (client->paused && client->checks == CHECKS_MAX / 2)
		resume(client);
}

static void
end(struct check *c)
{
	struct checks *checks = c->checks;

	end_wait(c);
	expansion_end(c->expansion);
	c->expansion = NULL;
	LIST_NEXT(c, next) = checks->unused;
	checks->unused = c;
}

static void
on_done(void *arg)
{
	struct check *c = arg;

	answer(c);
	end(c);
}

static void
on_deadline(void *arg)
{
	struct check *c = arg;

	expansion_give_up(c->expansion);
	on_done(c);
}

void
check_drop_session(struct session *session)
{
	struct check *c;

	while ((c = LIST_FIRST(&session->checks)) != NULL)
		end(c);
}

/* --- the question --- */

static struct check *
new_check(struct checks *checks)
{
	struct check *c = checks->unused;

	if (c != NULL) {
		checks->unused = LIST_NEXT(c, next);
		return c;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->checks = checks;
	loop_timer_init(&c->deadline, on_deadline, c);
	return c;
}

/* smtpd has parsed the same bytes with the same parser: what does not parse here is not from it. */
static bool
parse_path(const char *text, unsigned rules, struct address *out)
{
	return address_parse(str_of(text), rules | ADDRESS_UTF8_ALLOWED | ADDRESS_LOCAL_ONLY_ALLOWED, out, NULL);
}

/* A bare name is one of the host that was greeted with; <postmaster> is that of the server (RFC 5321 section 4.5.1). */
static void
complete(struct address *a, const struct check *c)
{
	const struct config_listener *listener = c->from->listener;
	const char *domain = names_server(c->checks->routing->names);

	if (a->null || a->domain[0] != '\0')
		return;
	if (listener != NULL && listener->hostname != NULL && !str_equal_nocase(str_of(a->local), S("postmaster")))
		domain = listener->hostname;
	(void)str_copy_lower(str_of(domain), a->domain, sizeof(a->domain));
}

static void
set_facts(struct check *c)
{
	const struct session *s = c->from;

	c->facts = (struct rule_facts){ .client = &s->client,
		.client_text = s->client_text,
		.local = s->local,
		.socket = s->socket,
		.tag = s->listener == NULL ? NULL : s->listener->tag,
		.helo = c->helo,
		.reverse = &c->reverse };
}

static bool
fill_in(struct check *c, const struct msg_rcpt_check *msg, struct address *recipient)
{
	c->transaction = msg->transaction;
	c->number = msg->number;
	c->from = c->session;
	if (msg->origin.len > 0) {
		session_of_origin(&c->past, c->checks->routing->names, msg->origin);
		c->from = &c->past;
	}
	if (!str_copy(msg->helo, c->helo, sizeof(c->helo)) ||
	    !str_copy(msg->reverse_path, c->reverse_path, sizeof(c->reverse_path)) ||
	    !str_copy(msg->forward_path, c->forward_path, sizeof(c->forward_path)))
		return false;
	if (!parse_path(c->reverse_path, ADDRESS_NULL_ALLOWED, &c->reverse) ||
	    !parse_path(c->forward_path, ADDRESS_POSTMASTER_ALLOWED, recipient))
		return false;
	complete(&c->reverse, c);
	complete(recipient, c);
	set_facts(c);
	return true;
}

static void
begin(struct check *c, const struct address *recipient)
{
	c->expansion = expansion_begin(c->checks->routing, &c->facts, recipient, on_done, c);
	if (c->expansion == NULL) {
		send_reply(c, REPLY_TEMPORARY);
		end(c);
	} else if (expansion_is_done(c->expansion))
		on_done(c);
	else
		begin_wait(c);
}

static void
refuse(struct check *c, enum reply reply)
{
	send_reply(c, reply);
	end(c);
}

bool
check_begin(struct checks *checks, struct client *client, struct session *session, const struct msg_rcpt_check *msg)
{
	struct check *c = new_check(checks);
	struct address recipient;

	if (c == NULL)
		fatal("out of memory");
	c->client = client;
	c->session = session;
	c->waits = false;
	if (!fill_in(c, msg, &recipient)) {
		end(c);
		return false;
	}
	if (!c->from->known)
		refuse(c, REPLY_GONE);
	else if (client->checks >= CHECKS_HARD_MAX)
		refuse(c, REPLY_BUSY);
	else
		begin(c, &recipient);
	consider_pause(client);
	return true;
}

void
checks_try_postmaster(struct checks *checks)
{
	struct msg_rcpt_check msg = { .forward_path = S("postmaster"), .reverse_path = S(""), .helo = S("") };
	struct check *c = new_check(checks);
	struct address recipient;

	if (c == NULL)
		fatal("out of memory");
	c->client = NULL;
	c->session = &checks->postmaster;
	c->waits = false;
	if (!fill_in(c, &msg, &recipient))
		fatal("postmaster is no address");
	begin(c, &recipient);
}

/* --- birth and death --- */

struct checks *
checks_new(struct routing *routing, struct seal *tickets)
{
	struct checks *checks = calloc(1, sizeof(*checks));

	if (checks == NULL)
		fatal("out of memory");
	checks->routing = routing;
	checks->seal = tickets;
	session_be_queue(&checks->postmaster);
	buf_init(&checks->destination, 2 * PROTO_DESTINATION_MAX);
	buf_init(&checks->ticket, PROTO_TICKET_MAX);
	return checks;
}

void
checks_free(struct checks *checks)
{
	struct check *c;

	if (checks == NULL)
		return;
	check_drop_session(&checks->postmaster);
	while ((c = checks->unused) != NULL) {
		checks->unused = LIST_NEXT(c, next);
		free(c);
	}
	buf_clear(&checks->destination);
	buf_clear(&checks->ticket);
	free(checks);
}

void
checks_count(const struct checks *checks, uint64_t *answered, uint64_t *accepted)
{
	*answered = checks->answered;
	*accepted = checks->accepted;
}
