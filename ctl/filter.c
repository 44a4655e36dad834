/* SPDX-License-Identifier: ISC */
#include "ctl/filter.h"

#include <string.h>

#include "common/str.h"
#include "ctl/format.h"

typedef bool take_fn(struct proto_query *query, struct str text);

/* --- the texts --- */

/* "<a@d.example>" and "a@d.example" are the same; "<>" is nobody. */
static bool
take_address(struct str text, struct str *out)
{
	if (text.len >= 2 && text.ptr[0] == '<' && text.ptr[text.len - 1] == '>')
		text = (struct str){ text.ptr + 1, text.len - 2 };
	else if (text.len == 0)
		return false;
	*out = text;
	return text.len <= PROTO_ADDRESS_MAX;
}

/* "4d", "1h30m"; text ends as format_read_span wants it. */
static bool
take_delay(struct str text, uint64_t *out_ms)
{
	uint64_t seconds;

	if (!format_read_span(text.ptr, INT64_MAX / 1000, &seconds))
		return false;
	*out_ms = seconds * 1000;
	return true;
}

/* Bytes, or with K, M or G behind them so many times 1024. */
static bool
take_size(struct str text, uint64_t *out)
{
	static const char units[] = "kmg";
	const char *unit = text.len == 0 ? NULL : strchr(units, ascii_lower(text.ptr[text.len - 1]));
	unsigned shift = unit == NULL ? 0 : 10 * (unsigned)(unit - units + 1);
	uint64_t number;

	text.len -= unit != NULL;
	if (!str_to_u64(text, UINT64_MAX >> shift, &number))
		return false;
	*out = number << shift;
	return true;
}

static bool
take_name(struct str text, size_t max, struct str *out)
{
	*out = text;
	return text.len > 0 && text.len <= max;
}

/* --- the options --- */

static bool
take_sender(struct proto_query *query, struct str text)
{
	return take_address(text, &query->sender);
}

static bool
take_recipient(struct proto_query *query, struct str text)
{
	return take_address(text, &query->recipient);
}

static bool
take_domain(struct proto_query *query, struct str text)
{
	if (text.len > 0 && text.ptr[0] == '@')
		text = (struct str){ text.ptr + 1, text.len - 1 };
	return take_name(text, PROTO_NAME_MAX, &query->domain);
}

static bool
take_destination(struct proto_query *query, struct str text)
{
	return take_name(text, PROTO_DESTINATION_MAX, &query->destination);
}

static bool
take_older(struct proto_query *query, struct str text)
{
	return take_delay(text, &query->older_ms);
}

static bool
take_newer(struct proto_query *query, struct str text)
{
	return take_delay(text, &query->newer_ms);
}

static bool
take_larger(struct proto_query *query, struct str text)
{
	return take_size(text, &query->larger);
}

static bool
take_smaller(struct proto_query *query, struct str text)
{
	return take_size(text, &query->smaller);
}

static bool
take_cause(struct proto_query *query, struct str text)
{
	return proto_cause_find(text, &query->cause);
}

static bool
take_state(struct proto_query *query, struct str text)
{
	return proto_state_find(text, &query->state);
}

#define ADDRESS       "an address, as in a@d.example, or @ and a domain"
#define DELAY         "a time, as in 4h or 1d12h"
#define SIZE          "a number of bytes, or of K, M, G, as in 10M"
#define C(NAME, word) " " word
#define E(NAME, word) " " word
static const struct {
	const char *name;
	enum proto_filter filter;
	take_fn *take;
	const char *expected;
} rows[] = {
	{ "sender", PROTO_FILTER_SENDER, take_sender, ADDRESS ", or <>" },
	{ "recipient", PROTO_FILTER_RECIPIENT, take_recipient, ADDRESS },
	{ "domain", PROTO_FILTER_DOMAIN, take_domain, "a domain" },
	{ "destination", PROTO_FILTER_DESTINATION, take_destination, "a destination, as show envelope prints it" },
	{ "older", PROTO_FILTER_OLDER, take_older, DELAY },
	{ "newer", PROTO_FILTER_NEWER, take_newer, DELAY },
	{ "larger", PROTO_FILTER_LARGER, take_larger, SIZE },
	{ "smaller", PROTO_FILTER_SMALLER, take_smaller, SIZE },
	{ "cause", PROTO_FILTER_CAUSE, take_cause, "one of" PROTO_CAUSES(C) },
	{ "state", PROTO_FILTER_STATE, take_state, "one of" PROTO_ENTRY_STATES(E) },
};
#undef C
#undef E

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

_Static_assert(sizeof(rows) / sizeof(rows[0]) <= FILTERS_MAX, "FILTERS_MAX");

size_t
filter_options(struct option *out)
{
	int i;

	for (i = 0; i < ROWS; i++)
		out[i] = (struct option){ rows[i].name, required_argument, NULL, FILTER_OPTION + i };
	return ROWS;
}

void
filter_help(FILE *out)
{
	int i;

	for (i = 0; i < ROWS; i++)
		(void)fprintf(out, " --%s", rows[i].name);
}

bool
filter_take(struct proto_query *query, int option, const char *text, struct error *err)
{
	const int i = option - FILTER_OPTION;

	if ((query->filters & rows[i].filter) != 0)
		return error_set(err, ERROR_PERMANENT, "--%s is given twice", rows[i].name);
	if (!rows[i].take(query, str_of(text)))
		return error_set(err, ERROR_PERMANENT, "--%s: expected %s", rows[i].name, rows[i].expected);
	query->filters |= rows[i].filter;
	return true;
}

static const struct str *
text_of(const struct proto_query *query, enum proto_filter filter)
{
	switch ((unsigned)filter) {
	case PROTO_FILTER_SENDER: return &query->sender;
	case PROTO_FILTER_RECIPIENT: return &query->recipient;
	case PROTO_FILTER_DOMAIN: return &query->domain;
	case PROTO_FILTER_DESTINATION: return &query->destination;
	default: return NULL;
	}
}

void
filter_print(const struct proto_query *query, struct buf *out)
{
	int i;

	for (i = 0; i < ROWS; i++) {
		const struct str *text = text_of(query, rows[i].filter);
		if ((query->filters & rows[i].filter) == 0)
			continue;
		(void)buf_printf(out, "%s%s", out->len > 0 ? " " : "", rows[i].name);
		if (text != NULL)
			(void)buf_printf(out, "=<%.*s>", STR_ARG(*text));
	}
}
