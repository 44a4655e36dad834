/* SPDX-License-Identifier: ISC */
#include "ctl/backup.h"

#include <inttypes.h>
#include <string.h>

#include "ctl/answer.h"
#include "ctl/format.h"
#include "ctl/json.h"
#include "ctl/output.h"

/* Takes part after part, until the queue says that this was all: *end is what it says. False with err set. */
static bool
take(struct wire *w, struct output *out, uint64_t *bytes, union proto_message *end, struct error *err)
{
	enum proto_type type;

	for (*bytes = 0;; *bytes += end->queue_text.bytes.len) {
		if (!WIRE_ASK(w, QUEUE_BACKUP, queue_backup, err, .offset = *bytes) || !wire_next(w, &type, end, err))
			return false;
		if (type == PROTO_ANSWER_END_TYPE)
			return true;
		if (type != PROTO_QUEUE_TEXT_TYPE || end->queue_text.offset != *bytes)
			return error_set(err, ERROR_PEER, "control sent an answer to something else");
		if (!output_write(out, end->queue_text.bytes, err))
			return false;
	}
}

/* Beside the backup itself, which may be on standard output. */
static void
tell(const struct options *options, const struct output *out, const struct msg_answer_end *end, uint64_t bytes)
{
	FILE *where = strcmp(out->name, "-") == 0 ? stderr : stdout;
	struct json j;

	if (options->json) {
		json_init(&j, where);
		json_begin_object(&j, NULL);
		json_bool(&j, "ok", end->text.len == 0);
		json_u64(&j, "messages", end->count);
		json_u64(&j, "bytes", bytes);
		json_str(&j, "text", end->text);
		json_end_object(&j);
		json_end_line(&j);
	} else {
		(void)fprintf(
		    where, "%" PRIu64 " message%s, %" PRIu64 " bytes\n", end->count, format_plural(end->count), bytes);
	}
	if (end->text.len > 0) {
		(void)fputs("posternctl: ", stderr);
		(void)format_put(stderr, end->text);
		(void)fputs("\n", stderr);
	}
}

int
backup(const struct options *options, const char *const *args)
{
	union proto_message end;
	struct output out;
	struct error err;
	struct wire *w = answer_connect(options);
	uint64_t bytes;
	int code;

	if (w == NULL)
		return COMMAND_NOT_RUNNING;
	if (!output_open(&out, args[0], &err))
		return answer_failed(options, w, &err);
	if (!take(w, &out, &bytes, &end, &err) || !output_finish(&out, &err)) {
		output_discard(&out);
		return answer_failed(options, w, &err);
	}
	tell(options, &out, &end.answer_end, bytes);
	code = end.answer_end.text.len > 0 ? COMMAND_FAILED : COMMAND_OK;
	return answer_done(w) == COMMAND_OK ? code : COMMAND_FAILED;
}
