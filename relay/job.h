/* SPDX-License-Identifier: ISC */
/*
 * Jobs of the queue: one message for recipients of one destination, with the first piece of its text; the rest is
 * pulled as it is sent. A job knows which of its recipients have their result; when all have it, it ends and is gone.
 * Each queue process has a table of its own, so an id means something only beside the peer that gave it.
 */
#ifndef RELAY_JOB_H
#define RELAY_JOB_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/proto.h"
#include "common/tree.h"
#include "relay/reply.h"

struct client;
struct destination;
struct job;

struct job_rcpt {
	uint32_t number;      /* the queue's */
	uint32_t at;          /* of the address, terminated, in the job's text */
	uint32_t orcpt_at;    /* likewise, of what ORCPT is to say; empty: none */
	uint8_t notify;       /* what NOTIFY is to say, 0: none */
	bool answered;        /* has its result */
	uint64_t command_end; /* the client's: where its RCPT ends in what is written to the server */
};

/* How a job speaks to whoever gave it. A result's texts are views that end with the call. */
struct job_calls {
	void (*ready)(struct job *job); /* all of it has come */
	void (*result)(void *arg, uint64_t id, const struct msg_job_result *result);
	void (*pull)(void *arg, uint64_t id, uint64_t offset);
	void (*end)(void *arg, uint64_t id, bool host_down);
};

RB_HEAD(job_tree, job);

struct job_table {
	struct job_tree jobs;
	size_t count;
	uint64_t highest; /* id that was ever seen */
	const struct job_calls *calls;
	void *arg;
};

struct job {
	RB_ENTRY(job) in_table;
	TAILQ_ENTRY(job) waiting; /* the destination's */
	struct job_table *table;
	struct destination *destination; /* NULL before it is ready */
	struct client *client;           /* that has it in a transaction; else NULL */
	uint64_t id;
	uint64_t message;
	enum proto_body body;
	enum proto_ret ret;
	bool passed;   /* the server that has it now offers DSN */
	uint64_t size; /* bytes of the whole text */
	int64_t deadline_ms;
	bool again;   /* was given back once by a connection that had died */
	bool pulling; /* a JOB_PULL is out */
	uint64_t pull_at;
	bool complete;
	const char *bad; /* why it cannot be sent at all: enhanced code and text; NULL */
	char *first;     /* the first piece; NULL when it is not needed any more */
	size_t first_len;
	struct buf text; /* terminated strings: action, destination, reverse-path, addresses */
	size_t destination_at;
	size_t reverse_at;
	size_t envid_at;
	size_t rcpts_expected;
	size_t rcpts_count;
	size_t unanswered;
	struct job_rcpt rcpts[];
};

void job_table_init(struct job_table *t, const struct job_calls *calls, void *arg);

/* Frees all jobs without a word to the peer. They must be in nobody's hands any more. */
void job_table_clear(struct job_table *t);

/*
 * The messages of the queue. Each returns false when it breaks the rules: an id twice, more recipients than announced,
 * a piece that was not asked for. The last of them that a job needs makes calls->ready. piece: what came is for the
 * client, whose job it is, at the offset asked for. cancelled: likewise, there is no piece. Both are NULL where the job
 * has ended meanwhile.
 */
bool job_take(struct job_table *t, uint64_t id, const struct msg_job *msg);
bool job_take_rcpt(struct job_table *t, uint64_t id, const struct msg_job_rcpt *msg);
bool job_take_body(struct job_table *t, uint64_t id, const struct msg_job_body *msg, struct job **piece);
bool job_take_cancel(struct job_table *t, uint64_t id, struct job **cancelled);

const char *job_action(const struct job *job);
const char *job_destination(const struct job *job);
const char *job_reverse_path(const struct job *job);
const char *job_envid(
    const struct job *job); /* both are empty where there is none, and may be written into a command */
const char *job_orcpt(const struct job *job, size_t i);
const char *job_address(const struct job *job, size_t i);

/* The result of recipient i, which has none yet. hop: the server that answered, or "". */
void job_answer(struct job *job, size_t i, enum proto_result result, const struct reply *reply, const char *hop);

/* The same result for all that have none yet. */
void job_answer_rest(struct job *job, enum proto_result result, const struct reply *reply, const char *hop);

/* Asks for the piece at offset; one at a time. */
void job_pull(struct job *job, uint64_t offset);

/* Forgets the first piece: the transaction is past the point where it could be begun again. */
void job_drop_first(struct job *job);

/* Says that the job is over, and frees it. Every recipient has its result. */
void job_end(struct job *job, bool host_down);

/* Goes through the jobs of a table; NULL begins, and ends. */
struct job *job_next(struct job_table *t, struct job *after);

#endif
