/* SPDX-License-Identifier: ISC */
#include "ctl/history_options.h"

#include <string.h>
#include <time.h>

#include "common/history_event.h"
#include "common/proto.h"
#include "ctl/format.h"

typedef bool take_fn(struct history_options *options, const char *text);

/* --- times --- */

static uint64_t
now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool
read_date(struct str text, uint64_t *out_us)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };
	char copy[sizeof("2026-11-24T13:05:07Z")];
	bool utc = text.len > 0 && text.ptr[text.len - 1] == 'Z';
	size_t i;

	text.len -= utc;
	if (!str_copy(text, copy, sizeof(copy)))
		return false;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = { .tm_isdst = utc ? 0 : -1 };
		const char *end = strptime(copy, forms[i], &tm);
		time_t seconds;
		if (end == NULL || *end != '\0')
			continue;
		seconds = utc ? timegm(&tm) : mktime(&tm);
		if (seconds < 0)
			return false;
		*out_us = (uint64_t)seconds * 1000000;
		return true;
	}
	return false;
}

bool
history_options_time(const char *text, uint64_t now, uint64_t *out_us)
{
	uint64_t ago_s;

	if (text[0] == '\0' || ascii_is_digit(text[strlen(text) - 1]) || !format_read_span(text, now / 1000000, &ago_s))
		return read_date(str_of(text), out_us);
	*out_us = now - ago_s * 1000000;
	return true;
}

/* --- the options --- */

static bool
take_since(struct history_options *options, const char *text)
{
	return history_options_time(text, now_us(), &options->since_us);
}

static bool
take_until(struct history_options *options, const char *text)
{
	return history_options_time(text, now_us(), &options->until_us);
}

static bool
take_event(struct history_options *options, const char *text)
{
	return history_event_find(str_of(text), &options->event);
}

static bool
take_message_id(struct history_options *options, const char *text)
{
	options->message_id = str_of(text);
	return text[0] != '\0' && strlen(text) <= PROTO_MESSAGE_ID_MAX;
}

static bool
take_host(struct history_options *options, const char *text)
{
	options->host = str_of(text);
	return text[0] != '\0' && strlen(text) <= PROTO_NAME_MAX;
}

static bool
take_reverse(struct history_options *options, const char *text)
{
	(void)text;
	return options->reverse = true;
}

static bool
take_follow(struct history_options *options, const char *text)
{
	(void)text;
	return options->follow = true;
}

#define TIME          "so long ago, as in 2h, or a time, as in 2026-11-24 or 2026-11-24T13:05:07Z"
#define E(NAME, word) " " word
static const struct {
	const char *name;
	int argument;
	take_fn *take;
	const char *expected;
} rows[] = {
	{ "since", required_argument, take_since, TIME },
	{ "until", required_argument, take_until, TIME },
	{ "event", required_argument, take_event, "one of" HISTORY_EVENTS(E) },
	{ "message-id", required_argument, take_message_id, "a Message-ID" },
	{ "host", required_argument, take_host, "the name or the address of a server or a client" },
	{ "reverse", no_argument, take_reverse, "" },
	{ "follow", no_argument, take_follow, "" },
};
#undef E

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

_Static_assert(sizeof(rows) / sizeof(rows[0]) <= HISTORY_OPTIONS_MAX, "HISTORY_OPTIONS_MAX");

void
history_options_put(struct option *out)
{
	int i;

	for (i = 0; i < ROWS; i++)
		out[i] = (struct option){ rows[i].name, rows[i].argument, NULL, HISTORY_OPTION + i };
}

void
history_options_help(FILE *out)
{
	int i;

	for (i = 0; i < ROWS; i++)
		(void)fprintf(out, " --%s", rows[i].name);
}

bool
history_options_take(struct history_options *options, int option, const char *text)
{
	const int i = option - HISTORY_OPTION;

	options->given = true;
	if (rows[i].take(options, text == NULL ? "" : text))
		return true;
	(void)fprintf(stderr, "posternctl: --%s: expected %s\n", rows[i].name, rows[i].expected);
	return false;
}
