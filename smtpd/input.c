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
	return s->state == STATE_STORE || s->state == STATE_CLOSING;
}

/* While recipients are being asked about, only further RCPTs may be run. */
static bool
has_to_wait(const struct session *s, struct str line)
{
	const struct transaction *t = s->transaction;

	if (t == NULL || t->pending == 0)
		return false;
	return t->pending >= SMTPD_RCPT_PENDING_MAX || !str_starts_nocase(line, S("RCPT"));
}

/* Within a line that is too long: drops it up to its end. */
static void
skip_line(struct session *s, struct str *in)
{
	const char *lf = memchr(in->ptr, '\n', in->len);
	size_t n = lf == NULL ? in->len : (size_t)(lf - in->ptr) + 1;

	in->ptr += n;
	in->len -= n;
	s->skipped += n;
	if (lf != NULL) {
		s->skipping = false;
		session_reply(s, REPLY_LINE_TOO_LONG, NULL);
	} else if (s->skipped > SMTPD_LINE_ENDLESS) {
		session_end(s, REPLY_ENDLESS_LINE);
	}
}

/* Takes the line off the input and runs it; it is whole, with its LF. */
static void
run_line(struct session *s, struct str line)
{
	if (line.len < 2 || line.ptr[line.len - 2] != '\r' || memchr(line.ptr, '\r', line.len - 2) != NULL) {
		session_reply(s, REPLY_BARE_IN_COMMAND, NULL);
		return;
	}
	line.len -= 2;
	command_run(s, line);
}

/* Returns false when nothing more can be done with the input now. */
static bool
run_command(struct session *s, struct str *in)
{
	const char *lf = memchr(in->ptr, '\n', in->len < SMTPD_LINE_MAX ? in->len : SMTPD_LINE_MAX);
	struct str line = *in;

	if (lf == NULL && in->len < SMTPD_LINE_MAX)
		return false;
	if (lf == NULL) {
		if (has_to_wait(s, line))
			return false;
		s->skipping = true;
		s->skipped = 0;
		return true;
	}
	line.len = (size_t)(lf - in->ptr) + 1;
	if (has_to_wait(s, line))
		return false;
	in->ptr += line.len;
	in->len -= line.len;
	run_line(s, line);
	return true;
}

void
input_run(struct session *s, struct str *in)
{
	while (in->len > 0 && !input_blocked(s)) {
		if (s->skipping)
			skip_line(s, in);
		else if (s->state == STATE_DATA)
			(void)transaction_take(s, in);
		else if (!run_command(s, in))
			return;
	}
}
