/* SPDX-License-Identifier: ISC */
#include "queue/rejection.h"

#include <stdlib.h>

#include "common/log.h"
#include "queue/client.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/limits.h"

enum { SECOND_MS = 1000, CODE_MIN = 400 };

struct rejection {
	struct step step;
	uint64_t time_us;
	uint64_t owner;
	uint64_t more;
	struct buf message; /* REJECTED, encoded; empty where it is only a number */
};

static size_t waiting; /* for company */
static struct step hurry;
static bool hurrying;

static void
run_put(struct store_txn *txn, struct step *step)
{
	const struct rejection *r = (struct rejection *)(void *)step;
	union proto_message msg;
	struct record_history history = { .more = r->more, .owner = r->owner };

	if (r->message.len > 0 && proto_decode(PROTO_REJECTED_TYPE, buf_str(&r->message), &msg)) {
		history.origin = msg.rejected.origin;
		history.helo = msg.rejected.helo;
		history.from = msg.rejected.reverse_path;
		history.to = msg.rejected.forward_path;
		history.code = msg.rejected.code;
		history.enhanced = msg.rejected.enhanced;
		history.text = msg.rejected.text;
	}
	store_put_history(txn, r->time_us, 0, 0, EVENT_REJECTED, &history);
}

/* What found no room on the disk is not told in history: the disk is for mail. */
static void
put_done(struct step *step, enum store_failure failure)
{
	struct rejection *r = (struct rejection *)(void *)step;

	waiting--;
	if (failure == STORE_FAILED)
		core_store_failed();
	buf_clear(&r->message);
	free(r);
}

/* msg NULL: only the number. Without memory it is left out. */
static void
put(const struct msg_rejected *msg, uint64_t owner, uint64_t more)
{
	struct rejection *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return;
	buf_init(&r->message, PROTO_CHUNK_MAX);
	if (msg != NULL && !proto_encode(PROTO_REJECTED_TYPE, msg, &r->message)) {
		buf_clear(&r->message);
		free(r);
		return;
	}
	r->time_us = (uint64_t)clock_us();
	r->owner = owner;
	r->more = more;
	r->step = (struct step){ .kind = core.draining ? STEP_LAZY : STEP_IDLE, .run = run_put, .done = put_done };
	waiting++;
	committer_add(core.committer, &r->step);
}

/* --- the limit --- */

static void
second_over(void *arg)
{
	struct rejections *r = arg;

	if (r->more > 0)
		put(NULL, PROTO_OWNER_NONE, r->more);
	r->kept = r->more = 0;
}

void
rejections_init(struct rejections *r)
{
	loop_timer_init(&r->second, second_over, r);
}

void
rejections_end(struct rejections *r)
{
	loop_timer_stop(&r->second);
	second_over(r);
}

/* "local:UID" is its user's; a client of the network is nobody's. */
static uint64_t
owner_of(struct str origin)
{
	struct str word, uid;
	uint64_t owner;

	if (!str_cut(origin, ':', &word, &uid) || !str_equal(word, S("local")) ||
	    !str_to_u64(uid, PROTO_OWNER_NONE - 1, &owner))
		return PROTO_OWNER_NONE;
	return owner;
}

bool
rejection_take(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct client *c = peer->data;

	(void)id;
	(void)fd;
	if (msg->rejected.code < CODE_MIN)
		return false;
	if (!c->rejections.second.pending)
		loop_timer_start(&c->rejections.second, SECOND_MS);
	if (c->rejections.kept >= QUEUE_REJECTED_SECOND) {
		c->rejections.more += c->rejections.more < UINT32_MAX;
		return true;
	}
	c->rejections.kept++;
	put(&msg->rejected, owner_of(msg->rejected.origin), 0);
	return true;
}

/* --- the end --- */

static void
run_nothing(struct store_txn *txn, struct step *step)
{
	(void)txn;
	(void)step;
}

static void
hurried(struct step *step, enum store_failure failure)
{
	(void)step;
	(void)failure;
	hurrying = false;
}

void
rejections_hurry(void)
{
	if (waiting == 0 || hurrying)
		return;
	hurrying = true;
	hurry = (struct step){ .kind = STEP_URGENT, .run = run_nothing, .done = hurried };
	committer_add(core.committer, &hurry);
}
