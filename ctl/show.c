/* SPDX-License-Identifier: ISC */
#include "ctl/show.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "common/date.h"
#include "ctl/answer.h"
#include "ctl/destinations.h"
#include "ctl/entry.h"
#include "ctl/format.h"
#include "ctl/json.h"
#include "ctl/status.h"
#include "ctl/utf8.h"

/* --- status and stats --- */

/* What queue has counted since its spool was made, and its name among the values. */
static const struct {
	const char *word;
	const char *name;
} totals[] = {
	{ "accepted", "queue.total.accepted" },
	{ "delivered", "queue.total.delivered" },
	{ "deferred", "queue.total.deferred" },
	{ "bounced", "queue.total.bounced" },
	{ "removed", "queue.total.removed" },
};

enum { TOTALS = sizeof(totals) / sizeof(totals[0]) };

static const char *const services[][2] = { { "SMTP", "paused.smtp" }, { "MDA", "paused.mda" },
	{ "MTA", "paused.mta" } };

static void
totals_json(struct json *j, const struct status *s)
{
	size_t i;

	if (!status_has(s, totals[0].name))
		return;
	json_begin_object(j, "totals");
	for (i = 0; i < TOTALS; i++)
		json_u64(j, totals[i].word, status_value(s, totals[i].name));
	json_end_object(j);
}

static void
totals_print(const struct status *s)
{
	size_t i;

	if (!status_has(s, totals[0].name))
		return;
	(void)printf("since the spool was made:");
	for (i = 0; i < TOTALS; i++)
		(void)printf("%s %s %" PRIu64, i == 0 ? "" : ",", totals[i].word, status_value(s, totals[i].name));
	(void)putchar('\n');
}

static void
status_json(const struct status *s)
{
	struct json j;

	json_init(&j, stdout);
	json_begin_object(&j, NULL);
	json_text(&j, "version", s->version);
	json_u64(&j, "uptime", status_value(s, "uptime"));
	json_text(&j, "smtp", status_value(s, "paused.smtp") != 0 ? "paused" : "running");
	json_text(&j, "mda", status_value(s, "paused.mda") != 0 ? "paused" : "running");
	json_text(&j, "mta", status_value(s, "paused.mta") != 0 ? "paused" : "running");
	json_u64(&j, "sessions", status_value(s, "smtp.session"));
	if (status_has(s, "scheduler.envelope"))
		json_u64(&j, "envelopes", status_value(s, "scheduler.envelope"));
	json_u64(&j, "inflight", status_value(s, "scheduler.envelope.inflight"));
	totals_json(&j, s);
	json_bool(&j, "soft_bounce", status_value(s, "soft-bounce") != 0);
	json_bool(&j, "complete", status_value(s, "incomplete") == 0);
	json_end_object(&j);
	json_end_line(&j);
}

static void
status_print(const struct status *s)
{
	uint64_t sessions = status_value(s, "smtp.session"), envelopes = status_value(s, "scheduler.envelope");
	char span[FORMAT_SPAN_MAX];
	size_t i;

	for (i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		(void)printf("%s %s\n", services[i][0], status_value(s, services[i][1]) != 0 ? "paused" : "running");
	(void)printf("%" PRIu64 " session%s, ", sessions, format_plural(sessions));
	if (status_has(s, "scheduler.envelope"))
		(void)printf("%" PRIu64 " envelope%s in the queue, ", envelopes, format_plural(envelopes));
	(void)printf("%" PRIu64 " being delivered\n", status_value(s, "scheduler.envelope.inflight"));
	totals_print(s);
	(void)printf("postern %s, up %s\n", s->version, format_span((int64_t)status_value(s, "uptime"), span));
	if (status_value(s, "soft-bounce") != 0)
		(void)printf("soft-bounce: what another server refuses for good is tried again\n");
	if (status_value(s, "incomplete") != 0)
		(void)printf("a process did not answer; see the log\n");
}

static int
with_status(
    const struct options *options, void (*print)(const struct status *s), void (*print_json)(const struct status *s))
{
	static struct status status;
	struct wire *w = answer_connect(options);
	struct error err;

	if (w == NULL)
		return COMMAND_NOT_RUNNING;
	if (!status_get(w, &status, &err))
		return answer_failed(options, w, &err);
	(options->json ? print_json : print)(&status);
	return answer_done(w);
}

int
show_status(const struct options *options, const char *const *args)
{
	(void)args;
	return with_status(options, status_print, status_json);
}

static void
stats_print(const struct status *s)
{
	uint64_t uptime = status_value(s, "uptime");
	char span[FORMAT_SPAN_MAX];
	size_t i;

	for (i = 0; i < s->count; i++) {
		if (strcmp(s->values[i].name, "uptime") == 0)
			continue;
		(void)format_put(stdout, str_of(s->values[i].name));
		(void)printf("=%" PRIu64 "\n", s->values[i].value);
	}
	(void)printf("uptime=%" PRIu64 "\nuptime.human=%s\n", uptime, format_span((int64_t)uptime, span));
}

static void
stats_json(const struct status *s)
{
	struct json j;
	size_t i;

	json_init(&j, stdout);
	json_begin_object(&j, NULL);
	for (i = 0; i < s->count; i++)
		json_u64(&j, s->values[i].name, s->values[i].value);
	json_end_object(&j);
	json_end_line(&j);
}

int
show_stats(const struct options *options, const char *const *args)
{
	(void)args;
	return with_status(options, stats_print, stats_json);
}

/* --- queue and envelope --- */

/* How a listing is written. */
struct listing {
	const struct options *options;
	bool one; /* only the recipient of that number */
	uint64_t number;
	entry_print_fn *print;
	uint64_t shown;
	int64_t now_ms;
	struct json json;
};

static void
list_entry(struct listing *l, const struct msg_queue_entry *entry)
{
	if (l->one && entry->number != l->number)
		return;
	if (l->options->json)
		entry_json(&l->json, entry);
	else
		l->print(stdout, entry, l->shown == 0, l->now_ms);
	l->shown++;
}

/* One page, behind *after. Returns false with err set; *more tells whether there may be another. */
static bool
list_page(struct listing *l, struct wire *w, struct msg_queue_list *after, bool *more, struct error *err)
{
	union proto_message msg;
	enum proto_type type;
	uint64_t count = 0;

	if (!wire_ask(w, PROTO_QUEUE_LIST_TYPE, after, err))
		return false;
	for (;;) {
		if (!wire_next(w, &type, &msg, err))
			return false;
		if (type != PROTO_QUEUE_ENTRY_TYPE)
			break;
		list_entry(l, &msg.queue_entry);
		after->after_message = msg.queue_entry.message;
		after->after_number = msg.queue_entry.number;
		count++;
	}
	*more = count == after->limit;
	return true;
}

static int
list(const struct options *options, uint64_t message, struct listing *l)
{
	struct msg_queue_list after = { .limit = CTL_PAGE };
	struct wire *w = answer_connect(options);
	struct timespec now;
	struct error err;
	bool more = true;

	if (w == NULL)
		return COMMAND_NOT_RUNNING;
	PROTO_QUERY_COPY(&options->query, &after);
	after.message = message;
	l->options = options;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	l->now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	json_init(&l->json, stdout);
	if (options->json)
		json_begin_array(&l->json, NULL);
	while (more)
		if (!list_page(l, w, &after, &more, &err))
			return answer_failed(options, w, &err);
	if (message != 0 && l->shown == 0 && !options->json) {
		(void)error_set(&err, ERROR_PERMANENT, "no such message in the queue, or not yours");
		return answer_failed(options, w, &err);
	}
	if (options->json) {
		json_end_array(&l->json);
		json_end_line(&l->json);
	}
	if (answer_done(w) != COMMAND_OK || (message != 0 && l->shown == 0))
		return COMMAND_FAILED;
	return COMMAND_OK;
}

int
show_queue(const struct options *options, const char *const *args)
{
	struct listing l = { .print = entry_print_line };

	if (options->by != NULL && options->query.filters != 0) {
		(void)fputs("posternctl: --by counts the whole queue, and takes no filters\n", stderr);
		return COMMAND_USAGE;
	}
	if (options->by != NULL)
		return show_queue_by(options, args);
	return list(options, 0, &l);
}

int
show_envelope(const struct options *options, const char *const *args)
{
	struct listing l = { .print = entry_print_whole };
	uint64_t message;

	if (!format_read_id(args[0], &message, &l.one, &l.number))
		return answer_no_id(args[0]);
	return list(options, message, &l);
}

/* --- message --- */

/* Writes one piece; of a character that is cut at its end the front is left for the next. Returns how much was taken. */
static size_t
put_piece(const struct options *options, struct json *j, struct str piece)
{
	size_t whole = utf8_whole(piece);

	if (options->raw) {
		(void)fwrite(piece.ptr, 1, piece.len, stdout);
		return piece.len;
	}
	/* A CR whose LF is to come stays, too, so that it can be left out. */
	if (whole > 1 && whole == piece.len && piece.ptr[whole - 1] == '\r')
		whole--;
	piece.len = whole > 0 ? whole : piece.len;
	if (options->json)
		json_string_part(j, piece);
	else
		format_put_lines(stdout, piece);
	return piece.len;
}

static bool
put_message(const struct options *options, struct wire *w, uint64_t message, struct json *j, struct error *err)
{
	union proto_message msg;
	enum proto_type type;
	uint64_t offset = 0;

	for (;;) {
		if (!WIRE_ASK(w, QUEUE_READ, queue_read, err, .message = message, .offset = offset) ||
		    !wire_next(w, &type, &msg, err))
			return false;
		if (type != PROTO_QUEUE_TEXT_TYPE || msg.queue_text.bytes.len == 0)
			return true;
		if (offset == 0 && options->json) {
			json_begin_object(j, NULL);
			json_begin_string(j, "text");
		}
		offset += put_piece(options, j, msg.queue_text.bytes);
	}
}

int
show_message(const struct options *options, const char *const *args)
{
	uint64_t message, number;
	struct error err;
	struct wire *w;
	struct json j;
	bool one;

	if (!format_read_id(args[0], &message, &one, &number))
		return answer_no_id(args[0]);
	w = answer_connect(options);
	if (w == NULL)
		return COMMAND_NOT_RUNNING;
	json_init(&j, stdout);
	if (!put_message(options, w, message, &j, &err))
		return answer_failed(options, w, &err);
	if (options->json && j.comma) {
		json_end_string(&j);
		json_end_object(&j);
		json_end_line(&j);
	}
	return answer_done(w);
}
