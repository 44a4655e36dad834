/* SPDX-License-Identifier: ISC */
#include "ctl/entry.h"

#include <inttypes.h>
#include <string.h>

#include "common/date.h"
#include "ctl/format.h"

enum { NUMBER_MAX = 32 };

static const char *
kind_name(const struct msg_queue_entry *e)
{
	static const char *const names[] = { [PROTO_DELIVERY_RELAY] = "relay", [PROTO_DELIVERY_LOCAL] = "local" };

	if (e->kind < sizeof(names) / sizeof(names[0]))
		return names[e->kind];
	return str_equal(e->origin, S("dsn")) ? "notification" : "unrouted";
}

static void
put_address(FILE *out, struct str address)
{
	(void)putc('<', out);
	(void)format_put(out, address);
	(void)putc('>', out);
}

/* --- a line --- */

static void
column(FILE *out, const char *text, size_t width)
{
	format_column(out, str_of(text), width);
	(void)fputs("  ", out);
}

void
entry_print_line(FILE *out, const struct msg_queue_entry *e, bool first, int64_t now_ms)
{
	char text[FORMAT_SPAN_MAX], number[NUMBER_MAX];

	if (first)
		(void)fputs("message           size   age     state    tries  next    from, to; last reply\n", out);
	column(out, format_id(e->message, text), 16);
	column(out, format_size(e->size, text), 5);
	column(out, format_span((now_ms - (int64_t)e->created_ms) / 1000, text), 6);
	column(out, proto_state_word(e->state), 7);
	(void)snprintf(number, sizeof(number), "%" PRIu64, e->tries);
	column(out, number, 5);
	column(out, e->state == PROTO_ENTRY_WAITING ? format_span(((int64_t)e->due_ms - now_ms) / 1000, text) : "-", 6);
	put_address(out, e->reverse_path);
	(void)putc(' ', out);
	put_address(out, e->forward_path);
	(void)putc('\n', out);
	if (e->last_reply.len > 0) {
		(void)fputs("                  ", out);
		(void)format_put(out, e->last_reply);
		(void)putc('\n', out);
	}
}

/* --- the whole --- */

static void
line(FILE *out, const char *name, struct str value)
{
	(void)fprintf(out, "%s: ", name);
	(void)format_put(out, value);
	(void)putc('\n', out);
}

static void
line_time(FILE *out, const char *name, uint64_t ms, int64_t now_ms)
{
	char date[DATE_MAX + 1], distance[FORMAT_DISTANCE_MAX];

	if (ms == 0)
		return;
	(void)date_format_5322((int64_t)(ms / 1000), date);
	(void)fprintf(out, "%s: %s (%s)\n", name, date, format_distance((int64_t)ms - now_ms, distance));
}

/* What has happened is not to come, though queue's clock, which does not jump with the machine's, may be ahead of ours. */
static void
line_past(FILE *out, const char *name, uint64_t ms, int64_t now_ms)
{
	line_time(out, name, ms, (int64_t)ms > now_ms ? (int64_t)ms : now_ms);
}

static void
line_number(FILE *out, const char *name, uint64_t number)
{
	(void)fprintf(out, "%s: %" PRIu64 "\n", name, number);
}

void
entry_print_whole(FILE *out, const struct msg_queue_entry *e, bool first, int64_t now_ms)
{
	char id[FORMAT_ID_MAX];

	(void)fprintf(out, "%smessage: %s:%" PRIu64 "\n", first ? "" : "\n", format_id(e->message, id), e->number);
	line(out, "from", e->reverse_path.len == 0 ? S("<>") : e->reverse_path);
	line(out, "to", e->forward_path);
	if (!str_equal(e->recipient, e->forward_path))
		line(out, "recipient", e->recipient);
	line(out, "kind", str_of(kind_name(e)));
	line(out, "action", e->action);
	line(out, "destination", e->destination);
	line(out, "origin", e->origin);
	line_number(out, "size", e->size);
	line_past(out, "created", e->created_ms, now_ms);
	line_time(out, "expires", e->expires_ms, now_ms);
	line_past(out, "tried", e->tried_ms, now_ms);
	line_time(out, "due", e->due_ms, now_ms);
	line_number(out, "tries", e->tries);
	if (e->last_reply.len > 0)
		line(out, "last reply", e->last_reply);
	line(out, "state", str_of(proto_state_word(e->state)));
	line(out, "why it is still here", e->why);
}

/* --- JSON --- */

static void
json_time(struct json *j, const char *name, uint64_t ms)
{
	char date[DATE_MAX + 1];

	if (ms == 0)
		return;
	(void)date_format_iso((int64_t)ms, date);
	json_text(j, name, date);
}

static void
json_owner(struct json *j, uint64_t owner)
{
	if (owner < PROTO_OWNER_NONE)
		json_u64(j, "owner", owner);
}

void
entry_json(struct json *j, const struct msg_queue_entry *e)
{
	char id[FORMAT_ID_MAX];

	json_begin_object(j, NULL);
	json_text(j, "message", format_id(e->message, id));
	json_u64(j, "number", e->number);
	json_str(j, "from", e->reverse_path);
	json_str(j, "to", e->forward_path);
	json_str(j, "recipient", e->recipient);
	json_text(j, "kind", kind_name(e));
	json_str(j, "action", e->action);
	json_str(j, "destination", e->destination);
	json_str(j, "origin", e->origin);
	json_owner(j, e->owner);
	json_u64(j, "size", e->size);
	json_time(j, "created", e->created_ms);
	json_time(j, "expires", e->expires_ms);
	json_time(j, "tried", e->tried_ms);
	json_time(j, "due", e->due_ms);
	json_u64(j, "tries", e->tries);
	json_str(j, "last_reply", e->last_reply);
	json_text(j, "state", proto_state_word(e->state));
	json_str(j, "why", e->why);
	json_end_object(j);
}
