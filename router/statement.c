/* SPDX-License-Identifier: ISC */
#include "router/statement.h"

#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "router/limits.h"

struct request {
	LIST_ENTRY(request) next;
	struct statements *statements;
	struct peer *peer;
	uint64_t id;
	struct action *action;
	char name[PROTO_USER_MAX + 1]; /* whose mail it is */
	char home[PROTO_TEXT_MAX + 1];
	bool found;  /* that user; what is asked for now is the user that the action runs as */
	bool system; /* who is not in the action's userbase, but may be one of the system */
	struct users_wait wait;
};

LIST_HEAD(requests, request);

struct statements {
	struct routing *routing;
	struct seal *seal;
	struct buf sealed;
	struct requests requests;
	size_t count;
};

static void
end(struct request *r)
{
	users_cancel(r->statements->routing->users, &r->wait);
	LIST_REMOVE(r, next);
	r->statements->count--;
	free(r);
}

static void
refuse(struct request *r, enum proto_answer status, const char *text)
{
	SEND(r->peer->channel, STATEMENT_ANSWER, statement_answer, r->id, .status = status, .text = str_of(text));
	end(r);
}

static void
grant(struct request *r, const struct user *user)
{
	struct statements *all = r->statements;
	struct msg_statement s = { .expires_ms = (uint64_t)(loop_wall_ms() + STATEMENT_LIFE_MS) };

	s.action = r->action->config->index;
	s.user = str_of(r->name);
	s.uid = user->uid;
	s.gid = user->gid;
	s.groups = (struct str){ user->groups, user->groups_len };
	s.home = str_of(r->home);
	buf_reset(&all->sealed);
	if (!seal_make(all->seal, PROTO_STATEMENT_TYPE, &s, &all->sealed)) {
		refuse(r, PROTO_ANSWER_TEMPORARY, "the statement does not fit");
		return;
	}
	SEND(r->peer->channel, STATEMENT_ANSWER, statement_answer, r->id, .status = PROTO_ANSWER_FOUND,
	    .statement = buf_str(&all->sealed));
	end(r);
}

static void ask_for_user_of_action(struct request *r);

/* The one who delivers: the recipient, or the user that the action names. */
static void
judge_deliverer(struct request *r, const struct user *user)
{
	switch (user->status) {
	case PROTO_ANSWER_TEMPORARY: refuse(r, PROTO_ANSWER_TEMPORARY, "users cannot be looked up now"); return;
	case PROTO_ANSWER_NONE:
		/* An action that names a user who is not there is a mistake that an administrator can mend. */
		if (r->found)
			refuse(r, PROTO_ANSWER_TEMPORARY, "the user of the action does not exist");
		else
			refuse(r, PROTO_ANSWER_NONE, "no such user");
		return;
	case PROTO_ANSWER_FOUND: break;
	}
	if (user->uid == 0)
		refuse(r, PROTO_ANSWER_NONE, "deliveries as root are refused: give root an alias");
	else
		grant(r, user);
}

static void
ask_system(struct request *r)
{
	const struct user *user;

	r->system = true;
	user = users_get(r->statements->routing->users, str_of(r->action->config->user), true, &r->wait);
	if (user != NULL)
		judge_deliverer(r, user);
}

static void
judge(struct request *r, const struct user *user)
{
	if (r->found && !r->system && r->action->userbase != NULL && user->status == PROTO_ANSWER_NONE) {
		ask_system(r);
		return;
	}
	if (r->found || user->status != PROTO_ANSWER_FOUND) {
		judge_deliverer(r, user);
		return;
	}
	(void)strlcpy(r->home, user->home, sizeof(r->home));
	if (r->action->config->user == NULL)
		judge_deliverer(r, user);
	else
		ask_for_user_of_action(r);
}

static void
on_user(void *arg, const struct user *user)
{
	judge(arg, user);
}

static void
ask_for(struct request *r, struct str name)
{
	struct user room;
	const struct user *user =
	    action_get_user(r->action, r->statements->routing->users, name, true, &r->wait, &room);

	if (user != NULL)
		judge(r, user);
}

/* `user` names one of the action's own userbase, or of the system. */
static void
ask_for_user_of_action(struct request *r)
{
	r->found = true;
	ask_for(r, str_of(r->action->config->user));
}

static struct request *
new_request(struct statements *all, struct peer *peer, uint64_t id)
{
	struct request *r = calloc(1, sizeof(*r));

	if (r == NULL)
		fatal("out of memory");
	r->statements = all;
	r->peer = peer;
	r->id = id;
	r->wait = (struct users_wait){ .fn = on_user, .arg = r };
	LIST_INSERT_HEAD(&all->requests, r, next);
	all->count++;
	return r;
}

bool
statement_begin(struct statements *all, struct peer *peer, uint64_t id, const struct msg_statement_ask *msg)
{
	struct request *r = new_request(all, peer, id);

	if (!str_copy(msg->user, r->name, sizeof(r->name))) {
		end(r);
		return false;
	}
	r->action = actions_find(all->routing->actions, msg->action);
	if (all->count > STATEMENTS_MAX)
		refuse(r, PROTO_ANSWER_TEMPORARY, "too many deliveries wait");
	else if (r->action == NULL || !action_is_local(r->action))
		refuse(r, PROTO_ANSWER_TEMPORARY, "no such action delivers here any more");
	else
		ask_for(r, msg->user);
	return true;
}

void
statement_drop_peer(struct statements *all, const struct peer *peer)
{
	struct request *r = LIST_FIRST(&all->requests), *next;

	for (; r != NULL; r = next) {
		next = LIST_NEXT(r, next);
		if (r->peer == peer)
			end(r);
	}
}

size_t
statements_pending(const struct statements *all)
{
	return all->count;
}

struct statements *
statements_new(struct routing *routing, struct seal *seal)
{
	struct statements *all = calloc(1, sizeof(*all));

	if (all == NULL)
		fatal("out of memory");
	all->routing = routing;
	all->seal = seal;
	buf_init(&all->sealed, PROTO_TICKET_MAX);
	LIST_INIT(&all->requests);
	return all;
}

void
statements_free(struct statements *all)
{
	if (all == NULL)
		return;
	while (!LIST_EMPTY(&all->requests))
		end(LIST_FIRST(&all->requests));
	buf_clear(&all->sealed);
	free(all);
}
