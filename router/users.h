/* SPDX-License-Identifier: ISC */
/*
 * Who a local user is: asked of userdb, and remembered for a while. Several that ask for the same name share one question.
 * An answer that does not come in USERS_WAIT_MS is "try later"; a userdb that was restarted is asked again.
 */
#ifndef ROUTER_USERS_H
#define ROUTER_USERS_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"
#include "common/str.h"
#include "router/limits.h"

struct channel;
struct users;

struct user {
	enum proto_answer status; /* of the others only where FOUND */
	uint32_t uid, gid;
	char groups[PROTO_GROUPS_MAX * 4]; /* as in USER_ANSWER */
	size_t groups_len;
	char home[PROTO_TEXT_MAX + 1];
};

/* Who waits for an answer; a member of the caller's own struct. */
struct users_wait {
	TAILQ_ENTRY(users_wait) next;
	void (*fn)(void *arg, const struct user *user);
	void *arg;
	void *question; /* NULL: does not wait */
};

/* Returns fresh; fatal when there is no memory. The loop exists. */
struct users *users_new(void);
void users_free(struct users *users);

/* The channel to userdb, NULL when it is gone: questions wait for the next. */
void users_set_channel(struct users *users, struct channel *channel);

/*
 * The user of that name. Where the answer is at hand (fresh: never from memory) returns it, valid until the next call
 * of this module; else returns NULL, and wait->fn is called with it later, from the loop.
 */
const struct user *users_get(struct users *users, struct str name, bool fresh, struct users_wait *wait);

/* wait->fn is not called any more. No matter whether it waits. */
void users_cancel(struct users *users, struct users_wait *wait);

/* An answer of userdb. Returns false when nobody ever asked for it. */
bool users_answer(struct users *users, uint64_t id, const struct msg_user_answer *answer);

/* Questions without an answer. */
size_t users_pending(const struct users *users);

#endif
