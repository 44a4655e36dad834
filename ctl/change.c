/* SPDX-License-Identifier: ISC */
#include "ctl/change.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/answer.h"
#include "ctl/entry.h"
#include "ctl/format.h"
#include "ctl/json.h"
#include "ctl/limits.h"

/* --- mail --- */

/* Row of enum proto_change: what was done with the envelopes. */
static const char *const done[] = {
	[PROTO_CHANGE_SCHEDULE] = "scheduled",
	[PROTO_CHANGE_HOLD] = "held",
	[PROTO_CHANGE_RELEASE] = "released",
	[PROTO_CHANGE_REQUEUE] = "requeued",
	[PROTO_CHANGE_BOUNCE] = "bounced",
	[PROTO_CHANGE_REMOVE] = "removed",
};

struct changing {
	const struct options *options;
	struct msg_queue_change request;
	uint64_t shown;
	int64_t now_ms;
	struct json json;
	bool begun;
};

/* Nothing is written before there is an answer: it may be a failure. */
static void
begin_json(struct changing *c)
{
	if (c->begun)
		return;
	c->begun = true;
	json_init(&c->json, stdout);
	json_begin_object(&c->json, NULL);
	if (c->options->dry_run)
		json_begin_array(&c->json, "envelopes");
}

/* With a dry run what would be changed is told one by one, up to a limit, as by show queue. */
static bool
take_answer(struct changing *c, struct wire *w, union proto_message *msg, struct error *err)
{
	enum proto_type type;

	for (;;) {
		if (!wire_next(w, &type, msg, err))
			return false;
		if (type == PROTO_ANSWER_END_TYPE)
			return true;
		if (type != PROTO_QUEUE_ENTRY_TYPE)
			return error_set(err, ERROR_PEER, "control sent an answer to something else");
		if (c->options->json) {
			begin_json(c);
			entry_json(&c->json, &msg->queue_entry);
		} else {
			entry_print_line(stdout, &msg->queue_entry, c->shown == 0, c->now_ms);
		}
		c->shown++;
	}
}

static void
end_json(struct changing *c, const struct msg_answer_end *end)
{
	begin_json(c);
	if (c->options->dry_run)
		json_end_array(&c->json);
	json_bool(&c->json, "ok", true);
	json_bool(&c->json, "dry_run", c->options->dry_run);
	json_u64(&c->json, "count", end->count);
	json_u64(&c->json, "messages", end->messages);
	json_str(&c->json, "text", end->text);
	json_end_object(&c->json);
	json_end_line(&c->json);
}

/* "3 envelopes removed", and what the daemon has to say beside. */
static void
tell(struct changing *c, const struct msg_answer_end *end)
{
	const char *s = end->count > 1 ? "s" : "";

	if (c->options->json) {
		end_json(c, end);
		return;
	}
	if (c->shown < end->count && c->options->dry_run)
		(void)printf("and %" PRIu64 " more\n", end->count - c->shown);
	if (c->options->dry_run)
		(void)printf("%" PRIu64 " envelope%s of %" PRIu64 " message%s would be %s\n", end->count, s,
		    end->messages, format_plural(end->messages), done[c->request.change]);
	else
		(void)printf("%" PRIu64 " envelope%s %s\n", end->count, s, done[c->request.change]);
	if (end->text.len > 0) {
		(void)format_put(stdout, end->text);
		(void)putchar('\n');
	}
}

/* An id, perhaps with the number of a recipient, or "all". Nothing is changed for want of a word that says what. */
static bool
read_messages(const char *text, struct proto_query *query)
{
	bool one;

	if (text == NULL)
		return query->filters != 0;
	if (strcmp(text, "all") == 0)
		return true;
	if (!format_read_id(text, &query->message, &one, &query->number))
		return false;
	query->filters |= one ? PROTO_FILTER_NUMBER : 0;
	return true;
}

static int
change(const struct options *options, const char *id, enum proto_change what)
{
	struct changing c = {
		.options = options,
		.request = { .change = what, .dry_run = options->dry_run, .limit = options->dry_run ? CTL_PAGE : 0 },
	};
	struct proto_query query = options->query;
	union proto_message msg;
	struct timespec now;
	struct error err;
	struct wire *w;

	if (!read_messages(id, &query)) {
		if (id != NULL)
			return answer_no_id(id);
		(void)fprintf(stderr, "posternctl: %s what? An ID, a filter such as --sender, or the word all\n",
		    proto_change_word(what));
		return COMMAND_USAGE;
	}
	PROTO_QUERY_COPY(&query, &c.request);
	w = answer_connect(options);
	if (w == NULL)
		return COMMAND_NOT_RUNNING;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	c.now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (!wire_ask(w, PROTO_QUEUE_CHANGE_TYPE, &c.request, &err))
		return answer_failed(options, w, &err);
	if (!take_answer(&c, w, &msg, &err))
		return answer_failed(options, w, &err);
	tell(&c, &msg.answer_end);
	return answer_done(w);
}

#define CHANGE(name, NAME)                                                        \
	int change_##name(const struct options *options, const char *const *args) \
	{                                                                         \
		return change(options, args[0], PROTO_CHANGE_##NAME);             \
	}

CHANGE(schedule, SCHEDULE)
CHANGE(hold, HOLD)
CHANGE(release, RELEASE)
CHANGE(requeue, REQUEUE)
CHANGE(bounce, BOUNCE)
CHANGE(remove, REMOVE)

/* --- the daemon --- */

static void
tell_success(const struct options *options, const struct msg_answer_end *end)
{
	struct json j;

	if (!options->json) {
		(void)printf("command succeeded\n");
		return;
	}
	json_init(&j, stdout);
	json_begin_object(&j, NULL);
	json_bool(&j, "ok", true);
	json_str(&j, "text", end->text);
	json_end_object(&j);
	json_end_line(&j);
}

static int
set(const struct options *options, enum proto_type type, const void *request)
{
	struct wire *w = answer_connect(options);
	union proto_message msg;
	struct error err;

	if (w == NULL)
		return COMMAND_NOT_RUNNING;
	if (!wire_ask(w, type, request, &err) || !wire_end(w, &msg, &err))
		return answer_failed(options, w, &err);
	tell_success(options, &msg.answer_end);
	return answer_done(w);
}

static int
set_pause(const struct options *options, enum proto_pause what, bool paused)
{
	struct msg_set_pause request = { .what = what, .paused = paused };

	return set(options, PROTO_SET_PAUSE_TYPE, &request);
}

int
change_pause_mda(const struct options *options, const char *const *args)
{
	(void)args;
	return set_pause(options, PROTO_PAUSE_MDA, true);
}

int
change_pause_mta(const struct options *options, const char *const *args)
{
	(void)args;
	return set_pause(options, PROTO_PAUSE_MTA, true);
}

int
change_pause_smtp(const struct options *options, const char *const *args)
{
	(void)args;
	return set_pause(options, PROTO_PAUSE_SMTP, true);
}

int
change_resume_mda(const struct options *options, const char *const *args)
{
	(void)args;
	return set_pause(options, PROTO_PAUSE_MDA, false);
}

int
change_resume_mta(const struct options *options, const char *const *args)
{
	(void)args;
	return set_pause(options, PROTO_PAUSE_MTA, false);
}

int
change_resume_smtp(const struct options *options, const char *const *args)
{
	(void)args;
	return set_pause(options, PROTO_PAUSE_SMTP, false);
}

int
change_log_brief(const struct options *options, const char *const *args)
{
	struct msg_set_level request = { .verbose = false };

	(void)args;
	return set(options, PROTO_SET_LEVEL_TYPE, &request);
}

int
change_log_verbose(const struct options *options, const char *const *args)
{
	struct msg_set_level request = { .verbose = true };

	(void)args;
	return set(options, PROTO_SET_LEVEL_TYPE, &request);
}

int
change_stop(const struct options *options, const char *const *args)
{
	struct msg_stop request = { 0 };

	(void)args;
	return set(options, PROTO_STOP_TYPE, &request);
}
