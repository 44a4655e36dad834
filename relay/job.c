/* SPDX-License-Identifier: ISC */
#include "relay/job.h"

#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/dsn.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/xtext.h"
#include "relay/cause.h"

/* Terminated strings of a job with the most recipients. */
#define TEXT_MAX                                                                                         \
	((size_t)(PROTO_NAME_MAX + PROTO_DESTINATION_MAX + PROTO_ENVID_MAX + 4 + PROTO_ADDRESS_MAX + 1 + \
	    RELAY_RCPTS_MAX * (PROTO_ADDRESS_MAX + PROTO_ORCPT_MAX + 2)))

static int
compare_jobs(const struct job *a, const struct job *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

TREE_STATIC(job_tree, job, in_table, compare_jobs);

void
job_table_init(struct job_table *t, const struct job_calls *calls, void *arg)
{
	*t = (struct job_table){ .calls = calls, .arg = arg };
	RB_INIT(&t->jobs);
}

static void
free_job(struct job *job)
{
	RB_REMOVE(job_tree, &job->table->jobs, job);
	job->table->count--;
	buf_clear(&job->text);
	free(job->first);
	free(job);
}

void
job_table_clear(struct job_table *t)
{
	struct job *job;

	while ((job = RB_MIN(job_tree, &t->jobs)) != NULL)
		free_job(job);
}

static struct job *
find(struct job_table *t, uint64_t id)
{
	struct job key;

	key.id = id;
	return RB_FIND(job_tree, &t->jobs, &key);
}

struct job *
job_next(struct job_table *t, struct job *after)
{
	return after == NULL ? RB_MIN(job_tree, &t->jobs) : RB_NEXT(job_tree, &t->jobs, after);
}

/* Appends a terminated string and returns where it is. The fields' limits keep the sum below TEXT_MAX. */
static size_t
put_string(struct job *job, struct str s)
{
	size_t at = job->text.len;

	if (!buf_append_str(&job->text, s) || !buf_append_byte(&job->text, '\0'))
		fatal("out of memory");
	return at;
}

static const char *
string_at(const struct job *job, size_t at)
{
	return buf_str(&job->text).ptr + at;
}

/*
 * Addresses were checked when they were accepted; that they are again here, by the same parser, is what keeps a command
 * to one line whatever became of the queue.
 */
static const char *
address_fault(struct str s, const char *syntax)
{
	struct address a;

	if (!address_parse(s, ADDRESS_UTF8_ALLOWED, &a, NULL))
		return syntax;
	return a.utf8 ? "5.6.7 the address needs SMTPUTF8, which is not supported" : NULL;
}

bool
job_take(struct job_table *t, uint64_t id, const struct msg_job *msg)
{
	struct job *job;

	if (msg->rcpts == 0 || msg->rcpts > RELAY_RCPTS_MAX || find(t, id) != NULL)
		return false;
	job = calloc(1, sizeof(*job) + msg->rcpts * sizeof(job->rcpts[0]));
	if (job == NULL)
		fatal("out of memory");
	job->table = t;
	job->id = id;
	job->message = msg->message;
	job->body = msg->body;
	job->size = msg->size;
	job->rcpts_expected = msg->rcpts;
	job->deadline_ms = loop_now_ms() + RELAY_ATTEMPT_MS;
	buf_init(&job->text, TEXT_MAX);
	(void)put_string(job, msg->action);
	job->destination_at = put_string(job, msg->destination);
	job->reverse_at = put_string(job, msg->reverse_path);
	job->ret = msg->ret;
	job->envid_at = put_string(job, dsn_is_envid(msg->envid) ? msg->envid : S(""));
	if (msg->reverse_path.len > 0)
		job->bad = address_fault(msg->reverse_path, "5.1.7 the reverse-path is not an address");
	RB_INSERT(job_tree, &t->jobs, job);
	t->count++;
	if (id > t->highest)
		t->highest = id;
	return true;
}

/* A recipient whose address cannot be written has its result at once and takes no part in the transaction. */
static void
refuse_rcpt(struct job *job, const char *fault)
{
	struct reply reply;

	reply_make(&reply, PROTO_CAUSE_HERE, 550, "%s", fault);
	job_answer(job, job->rcpts_count - 1, PROTO_RESULT_FAILED, &reply, "");
	job->rcpts_count--;
	job->rcpts_expected--;
}

static void
check_ready(struct job *job)
{
	if (job->complete || job->rcpts_count < job->rcpts_expected || job->first == NULL)
		return;
	job->complete = true;
	if (job->unanswered == 0)
		job_end(job, false);
	else
		job->table->calls->ready(job);
}

/*
 * The ORCPT to send, if any; returns where it is. A recipient with NOTIFY gets one from here, since the address may have
 * been changed by an alias (RFC 3461 section 5.2.1).
 */
static uint32_t
put_orcpt(struct job *job, const struct msg_job_rcpt *msg)
{
	static const struct str type = STR("rfc822;");
	char text[PROTO_ORCPT_MAX];
	struct str orcpt = msg->orcpt;

	if (orcpt.len == 0 && dsn_is_notify(msg->notify)) {
		size_t len = xtext_encode(msg->forward_path, text + type.len, sizeof(text) - type.len);
		memcpy(text, type.ptr, type.len);
		orcpt = (struct str){ text, type.len + len };
	}
	return (uint32_t)put_string(job, dsn_is_orcpt(orcpt) ? orcpt : S(""));
}

bool
job_take_rcpt(struct job_table *t, uint64_t id, const struct msg_job_rcpt *msg)
{
	struct job *job = find(t, id);
	const char *fault;

	if (job == NULL || job->rcpts_count == job->rcpts_expected)
		return false;
	job->rcpts[job->rcpts_count++] = (struct job_rcpt){
		.number = (uint32_t)msg->number,
		.at = (uint32_t)put_string(job, msg->address),
		.notify = dsn_is_notify(msg->notify) ? (uint8_t)msg->notify : 0,
		.orcpt_at = put_orcpt(job, msg),
	};
	job->unanswered++;
	fault = address_fault(msg->address, "5.1.3 the recipient is not an address");
	if (fault != NULL)
		refuse_rcpt(job, fault);
	check_ready(job);
	return true;
}

static bool
take_first(struct job *job, const struct msg_job_body *msg)
{
	if (job->first != NULL || msg->offset != 0 || msg->bytes.len > job->size)
		return false;
	job->first = malloc(msg->bytes.len + 1);
	if (job->first == NULL)
		fatal("out of memory");
	if (msg->bytes.len > 0)
		memcpy(job->first, msg->bytes.ptr, msg->bytes.len);
	job->first_len = msg->bytes.len;
	check_ready(job);
	return true;
}

bool
job_take_body(struct job_table *t, uint64_t id, const struct msg_job_body *msg, struct job **piece)
{
	struct job *job = find(t, id);

	*piece = NULL;
	/* The job may have ended while the piece was on its way. */
	if (job == NULL)
		return id <= t->highest;
	if (!job->complete)
		return take_first(job, msg);
	if (!job->pulling || msg->offset != job->pull_at || msg->bytes.len == 0 ||
	    msg->bytes.len > job->size - msg->offset)
		return false;
	job->pulling = false;
	*piece = job;
	return true;
}

bool
job_take_cancel(struct job_table *t, uint64_t id, struct job **cancelled)
{
	struct job *job = find(t, id);

	*cancelled = job;
	if (job == NULL)
		return id <= t->highest;
	if (!job->pulling)
		return false;
	job->pulling = false;
	return true;
}

const char *
job_action(const struct job *job)
{
	return string_at(job, 0);
}

const char *
job_destination(const struct job *job)
{
	return string_at(job, job->destination_at);
}

const char *
job_reverse_path(const struct job *job)
{
	return string_at(job, job->reverse_at);
}

const char *
job_envid(const struct job *job)
{
	return string_at(job, job->envid_at);
}

const char *
job_orcpt(const struct job *job, size_t i)
{
	return string_at(job, job->rcpts[i].orcpt_at);
}

const char *
job_address(const struct job *job, size_t i)
{
	return string_at(job, job->rcpts[i].at);
}

static enum proto_cause
cause_of(enum proto_result result, const struct reply *reply)
{
	if (result == PROTO_RESULT_DELIVERED)
		return PROTO_CAUSE_NONE;
	return reply->cause == PROTO_CAUSE_NONE ? cause_of_answer(reply) : reply->cause;
}

void
job_answer(struct job *job, size_t i, enum proto_result result, const struct reply *reply, const char *hop)
{
	struct job_rcpt *rcpt = &job->rcpts[i];
	const struct msg_job_result msg = {
		.number = rcpt->number,
		.result = result,
		.cause = cause_of(result, reply),
		.passed = result == PROTO_RESULT_DELIVERED && job->passed,
		.code = reply->code,
		.enhanced = str_of(reply->enhanced),
		.text = reply_words(reply),
		.hop = str_of(hop),
	};

	invariant(!rcpt->answered);
	rcpt->answered = true;
	job->unanswered--;
	job->table->calls->result(job->table->arg, job->id, &msg);
}

void
job_answer_rest(struct job *job, enum proto_result result, const struct reply *reply, const char *hop)
{
	size_t i;

	for (i = 0; i < job->rcpts_count && job->unanswered > 0; i++)
		if (!job->rcpts[i].answered)
			job_answer(job, i, result, reply, hop);
}

void
job_pull(struct job *job, uint64_t offset)
{
	if (job->pulling)
		return;
	job->pulling = true;
	job->pull_at = offset;
	job->table->calls->pull(job->table->arg, job->id, offset);
}

void
job_drop_first(struct job *job)
{
	free(job->first);
	job->first = NULL;
}

void
job_end(struct job *job, bool host_down)
{
	struct job_table *t = job->table;

	invariant(job->unanswered == 0 && job->client == NULL);
	t->calls->end(t->arg, job->id, host_down);
	free_job(job);
}
