/* SPDX-License-Identifier: ISC */
#include "router/users.h"

#include <stdlib.h>
#include <string.h>

#include "common/channel.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/lru.h"
#include "common/tree.h"
#include "router/alias.h"

TAILQ_HEAD(waits, users_wait);

/* One name asked for. Those that came first end first: the queue is in the order of their deadlines. */
struct question {
	RB_ENTRY(question) by_id;
	RB_ENTRY(question) by_name;
	TAILQ_ENTRY(question) next;
	uint64_t id;
	int64_t deadline_ms;
	char name[PROTO_USER_MAX + 1];
	struct waits waits;
};

static int
compare_ids(const struct question *a, const struct question *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

static int
compare_names(const struct question *a, const struct question *b)
{
	return strcmp(a->name, b->name);
}

RB_HEAD(id_tree, question);
RB_HEAD(name_tree, question);
TREE_STATIC(id_tree, question, by_id, compare_ids);
TREE_STATIC(name_tree, question, by_name, compare_names);
TAILQ_HEAD(questions, question);

/* What is remembered: the part of struct user that is in use. */
struct users {
	struct lru *cache;
	struct channel *channel;
	struct id_tree ids;
	struct name_tree names;
	struct questions queue;
	size_t count;
	uint64_t last_id;
	struct loop_timer deadline;
	struct user answer; /* what users_get returned */
};

static const struct user none = { .status = PROTO_ANSWER_NONE };
static const struct user temporary = { .status = PROTO_ANSWER_TEMPORARY };

/* --- memory: a user as one block, home behind the fixed part --- */

struct remembered {
	bool found;
	uint32_t uid, gid;
	uint16_t groups_len, home_len;
	char bytes[];
};

static void
remember(struct users *users, const char *name, const struct user *user)
{
	size_t home_len = strlen(user->home);
	struct remembered *r;

	if (user->status == PROTO_ANSWER_TEMPORARY)
		return;
	r = malloc(sizeof(*r) + user->groups_len + home_len);
	if (r == NULL)
		return; /* it is only asked for again */
	*r = (struct remembered){ .found = user->status == PROTO_ANSWER_FOUND, .uid = user->uid, .gid = user->gid };
	r->groups_len = (uint16_t)user->groups_len;
	r->home_len = (uint16_t)home_len;
	memcpy(r->bytes, user->groups, user->groups_len);
	memcpy(r->bytes + user->groups_len, user->home, home_len);
	if (!lru_put(users->cache, str_of(name), r, loop_now_ms() + (r->found ? USERS_FOUND_MS : USERS_NONE_MS)))
		free(r);
}

static const struct user *
recall(struct users *users, struct str name)
{
	const struct remembered *r = lru_get(users->cache, name, loop_now_ms());
	struct user *u = &users->answer;

	if (r == NULL)
		return NULL;
	u->status = r->found ? PROTO_ANSWER_FOUND : PROTO_ANSWER_NONE;
	u->uid = r->uid;
	u->gid = r->gid;
	u->groups_len = r->groups_len;
	memcpy(u->groups, r->bytes, r->groups_len);
	memcpy(u->home, r->bytes + r->groups_len, r->home_len);
	u->home[r->home_len] = '\0';
	return u;
}

/* --- questions --- */

static void
take_out(struct users *users, struct question *q)
{
	RB_REMOVE(id_tree, &users->ids, q);
	RB_REMOVE(name_tree, &users->names, q);
	TAILQ_REMOVE(&users->queue, q, next);
	users->count--;
}

/* Whoever waits may ask again from within: so the question is out of the trees before anybody is told. */
static void
finish(struct users *users, struct question *q, const struct user *user)
{
	struct users_wait *wait;

	take_out(users, q);
	while ((wait = TAILQ_FIRST(&q->waits)) != NULL) {
		TAILQ_REMOVE(&q->waits, wait, next);
		wait->question = NULL;
		wait->fn(wait->arg, user);
	}
	free(q);
}

static void
on_deadline(void *arg)
{
	struct users *users = arg;
	struct question *q;

	while ((q = TAILQ_FIRST(&users->queue)) != NULL && q->deadline_ms <= loop_now_ms()) {
		log_warning("userdb-slow", log_text(LOG_FIELD_user, q->name));
		finish(users, q, &temporary);
	}
	if (q != NULL)
		loop_timer_start(&users->deadline, q->deadline_ms - loop_now_ms());
}

static void
ask(struct users *users, const struct question *q)
{
	if (users->channel != NULL)
		SEND(users->channel, USER_ASK, user_ask, q->id, .name = str_of(q->name));
}

static struct question *
new_question(struct users *users, struct str name)
{
	struct question *q;

	if (users->count == USERS_PENDING_MAX)
		return NULL;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return NULL;
	(void)str_copy(name, q->name, sizeof(q->name));
	q->id = ++users->last_id;
	q->deadline_ms = loop_now_ms() + USERS_WAIT_MS;
	TAILQ_INIT(&q->waits);
	RB_INSERT(id_tree, &users->ids, q);
	RB_INSERT(name_tree, &users->names, q);
	if (TAILQ_EMPTY(&users->queue))
		loop_timer_start(&users->deadline, USERS_WAIT_MS);
	TAILQ_INSERT_TAIL(&users->queue, q, next);
	users->count++;
	ask(users, q);
	return q;
}

/* A name that no local user can have is not asked for: it may hold anything. */
static bool
is_askable(struct str name)
{
	return alias_is_user(name) && name.len <= PROTO_USER_MAX;
}

const struct user *
users_get(struct users *users, struct str name, bool fresh, struct users_wait *wait)
{
	const struct user *known = fresh ? NULL : recall(users, name);
	struct question key, *q;

	if (known != NULL)
		return known;
	if (!is_askable(name) || !str_copy(name, key.name, sizeof(key.name)))
		return &none;
	/* A question on its way may be older than what a fresh answer has to be, by less than a round trip. */
	q = RB_FIND(name_tree, &users->names, &key);
	if (q == NULL)
		q = new_question(users, name);
	if (q == NULL)
		return &temporary;
	wait->question = q;
	TAILQ_INSERT_TAIL(&q->waits, wait, next);
	return NULL;
}

/* The question goes on: its answer will be remembered. */
void
users_cancel(struct users *users, struct users_wait *wait)
{
	struct question *q = wait->question;

	(void)users;
	if (q == NULL)
		return;
	TAILQ_REMOVE(&q->waits, wait, next);
	wait->question = NULL;
}

bool
users_answer(struct users *users, uint64_t id, const struct msg_user_answer *answer)
{
	struct question key = { .id = id }, *q = RB_FIND(id_tree, &users->ids, &key);
	struct user user = { .status = (enum proto_answer)answer->status };

	/* It was asked, and nobody waits any more: the answer came late. */
	if (q == NULL && id > 0 && id <= users->last_id)
		return true;
	if (q == NULL || !str_equal(answer->name, str_of(q->name)) || answer->groups.len % 4 != 0)
		return false;
	user.uid = (uint32_t)answer->uid;
	user.gid = (uint32_t)answer->gid;
	user.groups_len = answer->groups.len;
	if (answer->groups.len > 0)
		memcpy(user.groups, answer->groups.ptr, answer->groups.len);
	if (!str_copy(answer->home, user.home, sizeof(user.home)))
		return false;
	remember(users, q->name, &user);
	finish(users, q, &user);
	return true;
}

void
users_set_channel(struct users *users, struct channel *channel)
{
	struct question *q;

	users->channel = channel;
	TAILQ_FOREACH (q, &users->queue, next)
		ask(users, q);
}

size_t
users_pending(const struct users *users)
{
	return users->count;
}

/* --- birth and death --- */

struct users *
users_new(void)
{
	struct users *users = calloc(1, sizeof(*users));
	uint8_t key[SIPHASH_KEY_SIZE];

	arc4random_buf(key, sizeof(key));
	if (users != NULL)
		users->cache = lru_new(USERS_CACHE_MAX, key, free);
	if (users == NULL || users->cache == NULL)
		fatal("out of memory");
	RB_INIT(&users->ids);
	RB_INIT(&users->names);
	TAILQ_INIT(&users->queue);
	loop_timer_init(&users->deadline, on_deadline, users);
	return users;
}

void
users_free(struct users *users)
{
	struct question *q;

	if (users == NULL)
		return;
	while ((q = TAILQ_FIRST(&users->queue)) != NULL) {
		take_out(users, q);
		free(q);
	}
	loop_timer_stop(&users->deadline);
	lru_free(users->cache);
	free(users);
}
