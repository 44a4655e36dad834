/* SPDX-License-Identifier: ISC */
/*
 * Recipients that peers ask about, RCPT_CHECK, from question to verdict: the session's facts, the expansion, and the answer with
 * its tickets. One that waits for userdb is kept with its session, and is dropped with it. How many of one peer may wait is
 * limited: then its channel is not read until some are answered, which leaves the others their turn.
 */
#ifndef ROUTER_CHECK_H
#define ROUTER_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/process.h"
#include "common/seal.h"
#include "router/routing.h"
#include "router/session.h"

/* A peer that asks about recipients: peer->data. */
struct client {
	struct peer *peer;
	struct session_tree sessions; /* of an smtpd worker */
	size_t sessions_count;
	struct session own; /* of the queue, for mail that it makes itself */
	size_t checks;      /* that wait */
	bool paused;
};

struct checks;

/* Keeps views of both. Returns fresh; fatal when there is no memory. */
struct checks *checks_new(struct routing *routing, struct seal *tickets);
void checks_free(struct checks *checks);

/* Answers, now or later, on the client's channel. Returns false when the peer broke the rules. */
bool check_begin(
    struct checks *checks, struct client *client, struct session *session, const struct msg_rcpt_check *msg);

/* Drops all that wait for the session: nobody is left to hear of them. */
void check_drop_session(struct session *session);

/* Tries mail for postmaster, and logs what the administrator has to do where there is no place for it. */
void checks_try_postmaster(struct checks *checks);

/* How many were answered, and how many of these accepted, since the start. */
void checks_count(const struct checks *checks, uint64_t *answered, uint64_t *accepted);

#endif
