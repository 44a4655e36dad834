/* SPDX-License-Identifier: ISC */
#include "mailbox/outcome.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct ending {
	enum proto_result result;
	unsigned code;
	const char *enhanced;
	const char *text;
};

/* clang-format off */
static const struct ending endings[OUTCOME_COUNT] = {
	[OUTCOME_DELIVERED] = { PROTO_RESULT_DELIVERED, 250, "2.0.0", "delivered to" },
	[OUTCOME_LOOP]      = { PROTO_RESULT_FAILED,    554, "5.4.6", "mail loop, delivered before to" },
	[OUTCOME_NO_PLACE]  = { PROTO_RESULT_FAILED,    554, "5.3.5", "no mailbox name" },
	[OUTCOME_UNSAFE]    = { PROTO_RESULT_DEFERRED,  451, "4.3.0", "mailbox refused" },
	[OUTCOME_LOCKED]    = { PROTO_RESULT_DEFERRED,  450, "4.2.0", "mailbox locked" },
	[OUTCOME_BROKEN]    = { PROTO_RESULT_DEFERRED,  451, "4.3.0", "message incomplete" },
	[OUTCOME_AWAY]      = { PROTO_RESULT_DEFERRED,  451, "4.3.0", "mailbox not reachable" },
	[OUTCOME_SETUP]     = { PROTO_RESULT_DEFERRED,  451, "4.3.5", "mailbox not configured" },
};

static const struct {
	int error;
	struct ending ending;
} errors[] = {
	{ EDQUOT, { PROTO_RESULT_DEFERRED, 452, "4.2.2", "mailbox full" } },
	{ EFBIG,  { PROTO_RESULT_DEFERRED, 452, "4.2.2", "mailbox full" } },
	{ ENOSPC, { PROTO_RESULT_DEFERRED, 452, "4.3.1", "no space for mailbox" } },
	{ 0,      { PROTO_RESULT_DEFERRED, 451, "4.3.0", "mailbox failed" } },
};
/* clang-format on */

static void
fill(struct outcome *o, const struct ending *ending, const char *more)
{
	const char *separator = ending->result == PROTO_RESULT_DELIVERED ? " " : ": ";

	o->result = ending->result;
	o->code = ending->code;
	o->enhanced = ending->enhanced;
	(void)snprintf(o->text, sizeof(o->text), "%s%s%s", ending->text, more[0] == '\0' ? "" : separator, more);
}

bool
outcome_set(struct outcome *o, enum outcome_kind kind, const char *fmt, ...)
{
	char more[OUTCOME_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(more, sizeof(more), fmt, ap);
	va_end(ap);
	fill(o, &endings[kind], more);
	return kind == OUTCOME_DELIVERED;
}

bool
outcome_errno(struct outcome *o, int error, const char *fmt, ...)
{
	char tried[OUTCOME_TEXT_MAX / 4], more[OUTCOME_TEXT_MAX / 2];
	size_t i = 0;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(tried, sizeof(tried), fmt, ap);
	va_end(ap);
	while (errors[i].error != 0 && errors[i].error != error)
		i++;
	(void)snprintf(more, sizeof(more), "%s: %s", tried, strerror(error));
	fill(o, &errors[i].ending, more);
	return false;
}
