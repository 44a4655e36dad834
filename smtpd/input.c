/* SPDX-License-Identifier: ISC */
#include "smtpd/input.h"

#include <string.h>

#include "smtpd/command.h"
#include "smtpd/limits.h"
#include "smtpd/session.h"
#include "smtpd/transaction.h"

bool
input_blocked(const struct session *s)
{
	if (s->closed || s->ending || s->penalty.pending || s->out.len > SMTPD_OUTPUT_MAX / 2)
		return true;
	if (s->state == STATE_DATA)
		return !transaction_has_room(s);
	return s->state == STATE_STORE || s->state == STATE_CLOSING || !transaction_router_reads();
}

/* A stranger may not have more unanswered than it may have refused, or the limit of those would be counted too late. */
static unsigned
questions_max(const struct session *s)
{
	if (s->local)
		return SMTPD_RCPT_PENDING_MAX;
	return s->unknown_rcpts < SMTPD_UNKNOWN_RCPTS_MAX ? SMTPD_UNKNOWN_RCPTS_MAX - s->unknown_rcpts : 0;
}

/* While recipients are being asked about, only further RCPTs may be run. */
static bool
has_to_wait(const struct session *s, struct str line)
{
	const struct transaction *t = s->transaction;

	if (t == NULL || t->pending == 0)
		return false;
	return t->pending >= questions_max(s) || !str_starts_nocase(line, S("RCPT"));
}

/* The length of the line at the start of in, with the CR LF that ends it; 0 when its end is not there. */
static size_t
line_length(struct str in)
{
	const char *end = memmem(in.ptr, in.len, "\r\n", 2);

	return end == NULL ? 0 : (size_t)(end - in.ptr) + 2;
}

/* Within a line that is too long: drops it up to its end. Its last byte stays, in case that is half of CR LF. */
static bool
skip_line(struct session *s, struct str *in)
{
	size_t len = line_length(*in);
	size_t n = len > 0 ? len : in->len - 1;

	in->ptr += n;
	in->len -= n;
	s->skipped += n;
	if (len > 0) {
		s->skipping = false;
		session_reply(s, REPLY_LINE_TOO_LONG, NULL);
	} else if (s->skipped > SMTPD_LINE_ENDLESS) {
		session_end(s, REPLY_ENDLESS_LINE);
	}
	return n > 0;
}

/* Runs a line without its CR LF. A CR or LF within it never was an end: all of it is refused, nothing of it is run. */
static void
run_line(struct session *s, struct str line)
{
	if (memchr(line.ptr, '\r', line.len) != NULL || memchr(line.ptr, '\n', line.len) != NULL)
		session_reply(s, REPLY_BARE_IN_COMMAND, NULL);
	else
		command_run(s, line);
}

/* Returns false when nothing more can be done with the input now. */
static bool
run_command(struct session *s, struct str *in)
{
	struct str line = *in;

	line.len = line_length((struct str){ in->ptr, in->len < SMTPD_LINE_MAX ? in->len : SMTPD_LINE_MAX });
	if ((line.len == 0 && in->len < SMTPD_LINE_MAX) || has_to_wait(s, *in))
		return false;
	if (line.len == 0) {
		s->skipping = true;
		s->skipped = 0;
		return true;
	}
	in->ptr += line.len;
	in->len -= line.len;
	line.len -= 2;
	run_line(s, line);
	return true;
}

/* Takes some of the input, in the way of the state. Returns false when nothing more can be done with it now. */
static bool
take_some(struct session *s, struct str *in)
{
	if (s->skipping)
		return skip_line(s, in);
	if (s->state != STATE_DATA)
		return run_command(s, in);
	(void)transaction_take(s, in);
	return true;
}

void
input_run(struct session *s, struct str *in)
{
	while (in->len > 0 && !input_blocked(s) && take_some(s, in))
		continue;
}
