/* SPDX-License-Identifier: ISC */
/*
 * The frame of every process but the parent: started by it with a channel on descriptor 3 and the log on 4, it is told
 * who it is and what is configured, opens what it needs, gives up everything else, says READY, and then serves its peers
 * through a table of handlers. A file main() of a process is one `struct process` and a call of process_run.
 */
#ifndef COMMON_PROCESS_H
#define COMMON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/channel.h"
#include "common/config.h"
#include "common/error.h"
#include "common/proto.h"
#include "common/sandbox.h"

#define PROCESS_PARENT_FD 3
#define PROCESS_LOG_FD    4
#define PROCESS_SETUP_MS  20000 /* to be told all, at start */
#define PROCESS_DRAIN_MS  10000 /* to end after DRAIN; the parent kills what takes longer */
#define PROCESS_SILENT_MS 30000 /* without PONG: dead */
#define PROCESS_PEERS_MAX 128

/* A process at the other end of a channel. */
struct peer {
	enum proto_kind kind;
	uint64_t instance;
	uint64_t generation;
	struct channel *channel;
	void *data; /* the room's own; set by peer_new, given up by peer_gone */
};

/*
 * Handles one message. The descriptor, where the type has one, is taken. Returns false when the peer breaks the rules of the
 * conversation (an id it does not own, a message out of state): it is then cut off and restarted.
 */
typedef bool process_handler(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);

struct process_setup {
	const struct config *config;
	uint64_t instance;
	uint64_t generation;
	bool privileged;          /* started as root: chroot and accounts are on */
	struct str ticket_key;    /* empty where the kind has none; wiped after `open` */
	struct str statement_key; /* likewise */
};

struct process {
	enum proto_kind kind;
	const char *name;
	/* What it may keep; called once the configuration is known. */
	void (*place)(const struct process_setup *setup, struct sandbox_place *out);
	/* Opens what needs rights: still root, nothing given up. NULL: nothing. */
	bool (*open)(const struct process_setup *setup, struct error *err);
	/* After chroot and account, before the filter: threads, the store. NULL: nothing. The loop exists. */
	bool (*settle)(const struct process_setup *setup, struct error *err);
	void (*start)(void);                                    /* all are ready: serve. NULL: nothing to do */
	void (*drain)(void);                                    /* end soon, then call process_done; NULL: at once */
	void (*pause)(const struct msg_pause *pause);           /* NULL: not concerned */
	void (*listener)(uint64_t id, struct str name, int fd); /* takes fd; before `settle`. NULL: none expected */
	void (*peer_new)(struct peer *peer);                    /* may come before `start`. NULL: nothing to do */
	void (*peer_gone)(
	    struct peer *peer); /* its conversations are void; freed after the call. NULL: nothing to do */
	process_handler *handlers[PROTO_TYPE_COUNT]; /* by type; what has none is a violation */
};

/* Runs the process from start to end; returns main's exit code. argv only names it. */
int process_run(const struct process *process, int argc, char **argv);

/* The work that was running has ended: leave the loop, exit 0. */
void process_done(void);

/* The peer of that kind and instance, NULL when there is none at the moment. */
struct peer *process_peer(enum proto_kind kind, uint64_t instance);

/* Goes through the peers of one kind: NULL begins, and ends. */
struct peer *process_peer_next(enum proto_kind kind, struct peer *after);

/* A message to the parent. */
struct channel *process_parent(void);

/* The peer broke the rules: as if a handler had returned false. For work done outside a handler. */
void process_peer_broke(struct peer *peer, const char *violation);

#endif
