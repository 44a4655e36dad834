/* SPDX-License-Identifier: ISC */
#include "ctl/history.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/history_event.h"
#include "common/log.h"
#include "ctl/answer.h"
#include "ctl/event.h"
#include "ctl/format.h"
#include "ctl/json.h"
#include "ctl/limits.h"

/* What is done with an event. Returns false: no more are wanted. */
typedef bool event_fn(void *arg, const struct msg_history_entry *e);

/*
 * Asks for all events of the query, part by part, and gives each to fn. query->at_us is then the time of the last. Returns
 * false with err set.
 */
static bool
walk(struct wire *w, struct msg_history_list *query, event_fn *fn, void *arg, struct error *err)
{
	union proto_message msg;
	enum proto_type type;
	bool wanted = true;

	query->limit = CTL_PAGE;
	query->fresh = true;
	for (;;) {
		if (!wire_ask(w, PROTO_HISTORY_LIST_TYPE, query, err))
			return false;
		for (;;) {
			if (!wire_next(w, &type, &msg, err))
				return false;
			if (type != PROTO_HISTORY_ENTRY_TYPE)
				break;
			query->at_us = msg.history_entry.time_us;
			wanted = wanted && fn(arg, &msg.history_entry);
		}
		if (!wanted || msg.answer_end.count == 0)
			return true;
		query->at_us = msg.answer_end.count;
		query->fresh = false;
	}
}

/* --- history --- */

/* How a listing is written: at once, or, to have the newest of so many last, when all is there. */
struct listing {
	const struct options *options;
	bool one; /* only the recipient of that number */
	uint64_t number;
	uint64_t left; /* of -n */
	struct json json;
	char **kept; /* NULL: nothing is kept */
	size_t count;
};

static void
print(struct listing *l, FILE *out, const struct msg_history_entry *e)
{
	if (l->options->json)
		event_json(&l->json, e);
	else
		event_print_line(out, e);
}

static void
keep(struct listing *l, const struct msg_history_entry *e)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		fatal("out of memory");
	if (l->options->json)
		json_init(&l->json, out);
	print(l, out, e);
	if (fclose(out) != 0)
		fatal("out of memory");
	l->kept[l->count++] = text;
}

static bool
take(void *arg, const struct msg_history_entry *e)
{
	struct listing *l = arg;

	if (l->one && e->number != l->number)
		return true;
	if (l->kept != NULL)
		keep(l, e);
	else
		print(l, stdout, e);
	return l->options->count == 0 || --l->left > 0;
}

static void
print_kept(struct listing *l)
{
	size_t i;

	for (i = l->count; i > 0; i--) {
		(void)printf("%s%s", l->options->json && i < l->count ? "," : "", l->kept[i - 1]);
		free(l->kept[i - 1]);
	}
	free(l->kept);
}

/* Messages that came with a Message-ID: their other events do not have it. */
struct ids {
	uint64_t ids[CTL_HISTORY_IDS_MAX];
	size_t count;
};

static bool
take_id(void *arg, const struct msg_history_entry *e)
{
	struct ids *ids = arg;

	ids->ids[ids->count++] = e->message;
	return ids->count < CTL_HISTORY_IDS_MAX;
}

static bool
walk_ids(struct wire *w, const struct msg_history_list *query, struct listing *l, struct error *err)
{
	struct msg_history_list of = { .end_us = UINT64_MAX, .event = EVENT_ACCEPTED, .message_id = query->message_id };
	struct ids ids = { .count = 0 };
	size_t i;

	if (!walk(w, &of, take_id, &ids, err))
		return false;
	for (i = 0; i < ids.count; i++) {
		struct msg_history_list one = *query;
		one.message_id = S("");
		one.message = ids.ids[query->backward ? ids.count - 1 - i : i];
		if (!walk(w, &one, take, l, err))
			return false;
	}
	return true;
}

static bool
follow(struct wire *w, struct msg_history_list *query, struct listing *l, struct error *err)
{
	const struct timespec pause = { CTL_FOLLOW_MS / 1000, CTL_FOLLOW_MS % 1000 * 1000000L };

	for (;;) {
		if (fflush(stdout) != 0)
			return true;
		(void)nanosleep(&pause, NULL);
		if (!walk(w, query, take, l, err))
			return false;
	}
}

static struct msg_history_list
query_of(const struct options *options, uint64_t message, bool backward)
{
	const struct history_options *h = &options->history;
	uint64_t since = h->since_us > 0 ? h->since_us - 1 : 0, until = h->until_us > 0 ? h->until_us : UINT64_MAX;

	return (struct msg_history_list){
		.backward = backward,
		.at_us = backward ? until : since,
		.end_us = backward ? since : until,
		.message = message,
		.filters = options->query.filters & PROTO_FILTER_SENDER,
		.event = h->event,
		.cause = options->query.cause,
		.message_id = h->message_id,
		.sender = options->query.sender,
		.recipient = options->query.recipient,
		.domain = options->query.domain,
		.host = h->host,
	};
}

/* What makes no sense together, or is not known of what is past; NULL: nothing. */
static const char *
objection(const struct options *options)
{
	const uint64_t known = PROTO_FILTER_SENDER | PROTO_FILTER_RECIPIENT | PROTO_FILTER_DOMAIN | PROTO_FILTER_CAUSE;
	const struct history_options *h = &options->history;

	if ((options->query.filters & ~known) != 0)
		return "of the filters only --sender, --recipient, --domain and --cause are for history";
	if (h->follow && (options->json || h->reverse || h->message_id.len > 0 || options->count > 0))
		return "--follow goes with none of --json, --reverse, --message-id, -n";
	if (!h->reverse && options->count > CTL_HISTORY_MAX)
		return "-n: expected at most 100000; with --reverse more";
	return NULL;
}

static bool
list(struct wire *w, struct listing *l, uint64_t message, struct error *err)
{
	const struct options *options = l->options;
	bool keeps = options->count > 0 && !options->history.reverse;
	struct msg_history_list query = query_of(options, message, keeps || options->history.reverse);
	bool ok;

	if (keeps && (l->kept = calloc(options->count, sizeof(*l->kept))) == NULL)
		return error_set(err, ERROR_TEMPORARY, "out of memory");
	ok = query.message_id.len > 0 ? walk_ids(w, &query, l, err) : walk(w, &query, take, l, err);
	if (ok && options->history.follow)
		ok = follow(w, &query, l, err);
	if (l->kept != NULL)
		print_kept(l);
	return ok;
}

int
history_show(const struct options *options, const char *const *args)
{
	struct listing l = { .options = options, .left = options->count };
	const char *wrong = objection(options);
	uint64_t message = 0;
	struct error err;
	struct wire *w;

	if (wrong != NULL) {
		(void)fprintf(stderr, "posternctl: %s\n", wrong);
		return COMMAND_USAGE;
	}
	if (args[0] != NULL && !format_read_id(args[0], &message, &l.one, &l.number))
		return answer_no_id(args[0]);
	w = answer_connect(options);
	if (w == NULL)
		return COMMAND_NOT_RUNNING;
	json_init(&l.json, stdout);
	if (options->json)
		(void)putchar('[');
	if (!list(w, &l, message, &err))
		return answer_failed(options, w, &err);
	if (options->json)
		(void)fputs("]\n", stdout);
	return answer_done(w);
}

/* --- why --- */

struct why {
	const struct options *options;
	bool one;
	uint64_t number;
	struct str recipient; /* empty: all */
	uint64_t told;
	uint64_t waiting;
	struct json json;
};

/* What was accepted is told whoever it was for. */
static bool
tell_event(void *arg, const struct msg_history_entry *e)
{
	struct why *y = arg;

	if (e->event != EVENT_ACCEPTED &&
	    ((y->one && e->number != y->number) || (y->recipient.len > 0 && !str_equal_nocase(e->to, y->recipient))))
		return true;
	if (y->options->json)
		event_json(&y->json, e);
	else
		event_print_sentence(stdout, e);
	y->told++;
	return true;
}

static bool
is_asked(const struct why *y, const struct msg_queue_entry *e)
{
	if (y->one && e->number != y->number)
		return false;
	return y->recipient.len == 0 || str_equal_nocase(e->forward_path, y->recipient) ||
	    str_equal_nocase(e->recipient, y->recipient);
}

static void
tell_waiting(struct why *y, const struct msg_queue_entry *e)
{
	if (!is_asked(y, e))
		return;
	y->waiting++;
	if (y->options->json) {
		json_begin_object(&y->json, NULL);
		json_u64(&y->json, "number", e->number);
		json_str(&y->json, "to", e->forward_path);
		json_text(&y->json, "state", proto_state_word(e->state));
		json_str(&y->json, "why", e->why);
		json_str(&y->json, "last_reply", e->last_reply);
		json_end_object(&y->json);
		return;
	}
	(void)fputs("now: <", stdout);
	(void)format_put(stdout, e->forward_path);
	(void)printf("> is %s: ", proto_state_word(e->state));
	(void)format_put(stdout, e->why);
	(void)putchar('\n');
}

/* Those recipients that are in the queue still. */
static bool
list_waiting(struct wire *w, struct why *y, uint64_t message, struct error *err)
{
	struct msg_queue_list after = { .message = message, .limit = CTL_PAGE };
	union proto_message msg;
	enum proto_type type;
	uint64_t count;

	do {
		count = 0;
		if (!wire_ask(w, PROTO_QUEUE_LIST_TYPE, &after, err))
			return false;
		for (;;) {
			if (!wire_next(w, &type, &msg, err))
				return false;
			if (type != PROTO_QUEUE_ENTRY_TYPE)
				break;
			tell_waiting(y, &msg.queue_entry);
			after.after_message = msg.queue_entry.message;
			after.after_number = msg.queue_entry.number;
			count++;
		}
	} while (count == after.limit);
	return true;
}

static bool
tell(struct wire *w, struct why *y, uint64_t message, struct error *err)
{
	struct msg_history_list query = { .end_us = UINT64_MAX, .message = message };
	char id[FORMAT_ID_MAX];

	json_init(&y->json, stdout);
	if (y->options->json) {
		json_begin_object(&y->json, NULL);
		json_text(&y->json, "message", format_id(message, id));
		json_begin_array(&y->json, "events");
	}
	if (!walk(w, &query, tell_event, y, err))
		return false;
	if (y->options->json) {
		json_end_array(&y->json);
		json_begin_array(&y->json, "waiting");
	}
	if (!list_waiting(w, y, message, err))
		return false;
	if (y->options->json) {
		json_end_array(&y->json);
		json_end_object(&y->json);
		json_end_line(&y->json);
	}
	return true;
}

int
history_why(const struct options *options, const char *const *args)
{
	struct why y = { .options = options, .recipient = args[1] == NULL ? S("") : str_of(args[1]) };
	uint64_t message;
	struct error err;
	struct wire *w;

	if (!format_read_id(args[0], &message, &y.one, &y.number))
		return answer_no_id(args[0]);
	w = answer_connect(options);
	if (w == NULL)
		return COMMAND_NOT_RUNNING;
	if (!tell(w, &y, message, &err))
		return answer_failed(options, w, &err);
	if (y.told + y.waiting == 0) {
		(void)fputs("posternctl: nothing is known of that message, or it is not yours\n", stderr);
		wire_close(w);
		return COMMAND_FAILED;
	}
	if (y.waiting == 0 && !options->json)
		(void)fputs("now: it is not in the queue any more\n", stdout);
	return answer_done(w);
}
