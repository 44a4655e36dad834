/* SPDX-License-Identifier: ISC */
#include "ctl/event.h"

#include <inttypes.h>

#include "common/date.h"
#include "common/history_event.h"
#include "ctl/format.h"

const char *
event_cause_sentence(unsigned cause)
{
	static const char *const sentences[] = {
		[PROTO_CAUSE_NONE] = "",
		[PROTO_CAUSE_ANSWER] = "that is what the other server said of it",
		[PROTO_CAUSE_GREYLIST] = "the other server wants to see us again later",
		[PROTO_CAUSE_THEIR_LIMIT] = "we send more than the other server takes, or it has too little room",
		[PROTO_CAUSE_OUR_LIMIT] = "a limit of ours was reached",
		[PROTO_CAUSE_DNS] = "the name of the destination could not be resolved",
		[PROTO_CAUSE_CONNECTION] = "no server could be reached, or the connection was lost",
		[PROTO_CAUSE_TLS] = "the connection could not be protected as it has to be",
		[PROTO_CAUSE_HERE] = "the trouble is on this machine",
		[PROTO_CAUSE_PAUSE] = "an administrator holds it back",
	};

	return cause < sizeof(sentences) / sizeof(sentences[0]) ? sentences[cause] : "";
}

static void
put_time(FILE *out, uint64_t time_us)
{
	char date[DATE_MAX + 1];

	(void)date_format_iso((int64_t)(time_us / 1000), date);
	(void)fputs(date, out);
}

static void
put_path(FILE *out, const char *before, struct str path)
{
	(void)fputs(before, out);
	(void)putc('<', out);
	(void)format_put(out, path);
	(void)putc('>', out);
}

static bool
has_reply(const struct msg_history_entry *e)
{
	return e->code != 0 || e->text.len > 0;
}

static void
put_reply(FILE *out, const struct msg_history_entry *e)
{
	if (e->code != 0)
		(void)fprintf(out, "%" PRIu64 "%s", e->code, e->enhanced.len + e->text.len > 0 ? " " : "");
	(void)format_put(out, e->enhanced);
	if (e->enhanced.len > 0 && e->text.len > 0)
		(void)putc(' ', out);
	(void)format_put(out, e->text);
}

/* --- a line --- */

static void
put_named(FILE *out, const char *name, struct str value)
{
	if (value.len == 0)
		return;
	(void)fprintf(out, " %s=", name);
	(void)format_put(out, value);
}

void
event_print_line(FILE *out, const struct msg_history_entry *e)
{
	char id[FORMAT_ID_MAX], span[FORMAT_SPAN_MAX];

	put_time(out, e->time_us);
	(void)fprintf(out, " %-9s ", history_event_word(e->event));
	if (e->message == 0)
		(void)fputs("-", out);
	else
		(void)fprintf(out, "%s:%" PRIu64, format_id(e->message, id), e->number);
	if (e->more > 0) {
		(void)fprintf(out, " and %" PRIu64 " more in that second, which are not kept one by one\n", e->more);
		return;
	}
	put_path(out, " ", e->from);
	put_path(out, " ", e->to);
	put_named(out, e->event == EVENT_REMOVED ? "by" : "client", e->origin);
	put_named(out, "helo", e->helo);
	put_named(out, "host", e->hop);
	put_named(out, "tls", e->tls);
	put_named(out, "message-id", e->message_id);
	if (e->cause != PROTO_CAUSE_NONE)
		(void)fprintf(out, " cause=%s", proto_cause_word(e->cause));
	if (e->tries > 0)
		(void)fprintf(
		    out, " tries=%" PRIu64 " delay=%s", e->tries, format_span((int64_t)(e->delay_ms / 1000), span));
	if (has_reply(e)) {
		(void)fputs(" reply: ", out);
		put_reply(out, e);
	}
	(void)putc('\n', out);
}

/* --- a sentence --- */

static const char *
phrase_of(unsigned event)
{
	static const char *const phrases[RECORD_EVENT_COUNT] = {
		[EVENT_NONE] = "happened",
		[EVENT_ACCEPTED] = "accepted",
		[EVENT_DELIVERED] = "delivered",
		[EVENT_DEFERRED] = "put off",
		[EVENT_BOUNCED] = "given up for good, and the sender was told where that may be",
		[EVENT_EXPIRED] = "given up because its time was over, and the sender was told where that may be",
		[EVENT_REMOVED] = "removed from the queue, and nobody was told",
		[EVENT_RELAYED] = "delivered to a server that reports nothing further",
		[EVENT_DELAYED] = "its sender was told that it still waits",
		[EVENT_REJECTED] = "refused",
	};

	return event < RECORD_EVENT_COUNT ? phrases[event] : phrases[EVENT_NONE];
}

static void
put_accepted(FILE *out, const struct msg_history_entry *e)
{
	char size[FORMAT_SIZE_MAX];

	put_path(out, " from ", e->from);
	if (e->origin.len > 0) {
		(void)fputs(", of ", out);
		(void)format_put(out, e->origin);
	}
	(void)fprintf(out, ", %s bytes", format_size(e->size, size));
	put_named(out, "message-id", e->message_id);
}

static void
put_answer(FILE *out, const struct msg_history_entry *e)
{
	if (e->hop.len > 0) {
		(void)fputs(": ", out);
		(void)format_put(out, e->hop);
		(void)fputs(" answered \"", out);
	} else {
		(void)fputs(": \"", out);
	}
	put_reply(out, e);
	(void)putc('"', out);
}

void
event_print_sentence(FILE *out, const struct msg_history_entry *e)
{
	const char *cause = event_cause_sentence(e->cause);
	char span[FORMAT_SPAN_MAX];

	put_time(out, e->time_us);
	if (e->event != EVENT_ACCEPTED)
		put_path(out, " ", e->to);
	(void)fprintf(out, " %s", phrase_of(e->event));
	if (e->event == EVENT_ACCEPTED)
		put_accepted(out, e);
	if (e->event == EVENT_REMOVED && e->origin.len > 0) {
		(void)fputs(", by ", out);
		(void)format_put(out, e->origin);
	}
	if (e->tries > 0)
		(void)fprintf(out, ", at attempt %" PRIu64 ", %s after it was accepted", e->tries,
		    format_span((int64_t)(e->delay_ms / 1000), span));
	if (e->event != EVENT_REMOVED && has_reply(e))
		put_answer(out, e);
	if (cause[0] != '\0' && e->event != EVENT_DELIVERED && e->event != EVENT_REMOVED)
		(void)fprintf(out, "; %s", cause);
	if (e->tls.len > 0) {
		(void)fputs("; protected by ", out);
		(void)format_put(out, e->tls);
	} else if (e->hop.len > 0) {
		(void)fputs("; without TLS", out);
	}
	(void)putc('\n', out);
}

/* --- JSON --- */

static void
json_given(struct json *j, const char *name, struct str value)
{
	if (value.len > 0)
		json_str(j, name, value);
}

static void
json_counted(struct json *j, const char *name, uint64_t value)
{
	if (value > 0)
		json_u64(j, name, value);
}

void
event_json(struct json *j, const struct msg_history_entry *e)
{
	char date[DATE_MAX + 1], id[FORMAT_ID_MAX];

	(void)date_format_iso((int64_t)(e->time_us / 1000), date);
	json_begin_object(j, NULL);
	json_text(j, "time", date);
	json_text(j, "event", history_event_word(e->event));
	if (e->message != 0) {
		json_text(j, "message", format_id(e->message, id));
		json_u64(j, "number", e->number);
	}
	json_str(j, "from", e->from);
	json_str(j, "to", e->to);
	json_given(j, "destination", e->destination);
	json_given(j, "host", e->hop);
	json_given(j, "tls", e->tls);
	json_counted(j, "code", e->code);
	json_given(j, "enhanced", e->enhanced);
	json_given(j, "text", e->text);
	if (e->cause != PROTO_CAUSE_NONE)
		json_text(j, "cause", proto_cause_word(e->cause));
	json_given(j, e->event == EVENT_REMOVED ? "by" : "client", e->origin);
	json_given(j, "helo", e->helo);
	json_given(j, "message_id", e->message_id);
	json_counted(j, "size", e->size);
	json_counted(j, "tries", e->tries);
	if (e->tries > 0)
		json_u64(j, "delay_ms", e->delay_ms);
	json_counted(j, "more", e->more);
	json_end_object(j);
}
