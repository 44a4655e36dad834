/* SPDX-License-Identifier: ISC */
/*
 * The processes: started, introduced to each other along the edges of proto_table.h, asked whether they live, restarted
 * when they die, ended in order. The parent passes no message on; it only hands out the ends of fresh socket pairs.
 */
#ifndef PARENT_FAMILY_H
#define PARENT_FAMILY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/channel.h"
#include "common/error.h"
#include "parent/backoff.h"
#include "parent/pulse.h"
#include "parent/spawn.h"

struct child {
	enum proto_kind kind;
	uint64_t instance; /* of a mailbox: the queue's number for it */
	uint64_t generation;
	pid_t pid; /* -1: not running */
	struct channel *channel;
	bool ready;
	int64_t started_ms;
	struct pulse pulse;
	struct backoff backoff;
	struct child *next;
	struct family_timer *restart;
};

/*
 * Starts all of them: smtpd and relay in the numbers of the configuration. When all are ready, calls on_ready. When one
 * cannot start, family_stop follows, and family_failed says so.
 */
bool family_start(void (*on_ready)(void), struct error *err);

/* Starts one more, a mailbox; the caller completes its set-up (channel) and then calls family_introduce_queue. */
struct child *family_add_mailbox(uint64_t number, const struct spawn_user *user, struct error *err);
void family_introduce_queue(struct child *mailbox);
size_t family_mailboxes(void);

/* The live child of that kind, NULL when there is none at the moment. */
struct child *family_find(enum proto_kind kind, uint64_t instance);

/* A message to each live process that the table lets have it. */
void family_tell_all(enum proto_type type, const void *msg);
void family_tell_all_fd(enum proto_type type, const void *msg, int fd);

/* SIGCHLD: takes note of all that ended. */
void family_reap(void);

/* Ends all in order: what serves clients and deliveries first, and when it is done the rest; then loop_stop. Called again:
 * at once. */
void family_stop(void);

/* Whether the daemon could not start. */
bool family_failed(void);

/* After the loop: no process is left when it returns. */
void family_kill_all(void);

#endif
