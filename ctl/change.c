/* SPDX-License-Identifier: ISC */
#include "ctl/change.h"

#include <inttypes.h>
#include <string.h>

#include "ctl/answer.h"
#include "ctl/format.h"
#include "ctl/json.h"

/* "3 envelopes removed", and what the daemon has to say beside. done NULL: only that it worked. */
static void
tell(const struct options *options, const struct msg_answer_end *end, const char *done)
{
	struct json j;

	if (options->json) {
		json_init(&j, stdout);
		json_begin_object(&j, NULL);
		json_bool(&j, "ok", true);
		if (done != NULL)
			json_u64(&j, "count", end->count);
		json_str(&j, "text", end->text);
		json_end_object(&j);
		json_end_line(&j);
		return;
	}
	if (done == NULL)
		(void)printf("command succeeded\n");
	else
		(void)printf("%" PRIu64 " envelope%s %s\n", end->count, end->count > 1 ? "s" : "", done);
	if (end->text.len > 0) {
		(void)format_put(stdout, end->text);
		(void)putchar('\n');
	}
}

static int
change(const struct options *options, enum proto_type type, const void *request, const char *done)
{
	struct wire *w = answer_connect(options);
	union proto_message msg;
	struct error err;

	if (w == NULL)
		return COMMAND_NOT_RUNNING;
	if (!wire_ask(w, type, request, &err) || !wire_end(w, &msg, &err))
		return answer_failed(options, w, &err);
	tell(options, &msg.answer_end, done);
	return answer_done(w);
}

/* "all" or a message id; one recipient cannot be told apart here. */
static bool
read_messages(const char *text, uint64_t *message)
{
	uint64_t number;
	bool one;

	*message = 0;
	return strcmp(text, "all") == 0 || (format_read_id(text, message, &one, &number) && !one);
}

int
change_schedule(const struct options *options, const char *const *args)
{
	struct msg_queue_schedule request = { 0 };

	if (!read_messages(args[0], &request.message))
		return answer_no_id(args[0]);
	return change(options, PROTO_QUEUE_SCHEDULE_TYPE, &request, "scheduled");
}

int
change_remove(const struct options *options, const char *const *args)
{
	struct msg_queue_remove request = { 0 };

	if (!read_messages(args[0], &request.message))
		return answer_no_id(args[0]);
	return change(options, PROTO_QUEUE_REMOVE_TYPE, &request, "removed");
}

static int
set_pause(const struct options *options, enum proto_pause what, bool paused)
{
	struct msg_set_pause request = { .what = what, .paused = paused };

	return change(options, PROTO_SET_PAUSE_TYPE, &request, NULL);
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
	return change(options, PROTO_SET_LEVEL_TYPE, &request, NULL);
}

int
change_log_verbose(const struct options *options, const char *const *args)
{
	struct msg_set_level request = { .verbose = true };

	(void)args;
	return change(options, PROTO_SET_LEVEL_TYPE, &request, NULL);
}

int
change_stop(const struct options *options, const char *const *args)
{
	struct msg_stop request = { 0 };

	(void)args;
	return change(options, PROTO_STOP_TYPE, &request, NULL);
}
