/* SPDX-License-Identifier: ISC */
#include "smtpd/rejection.h"

#include "common/process.h"
#include "smtpd/limits.h"
#include "smtpd/transaction.h"

bool
rejection_is(enum reply reply)
{
	static const bool is[REPLY_COUNT] = {
		[REPLY_OVERLOADED] = true,
		[REPLY_TOO_MANY_SESSIONS] = true,
		[REPLY_TOO_MANY_NETWORK] = true,
		[REPLY_TOO_FREQUENT] = true,
		[REPLY_TOO_SLOW] = true,
		[REPLY_TOO_MANY_ERRORS] = true,
		[REPLY_TOO_MANY_UNKNOWN] = true,
		[REPLY_TOO_MANY_IDLE] = true,
		[REPLY_TEMPORARY] = true,
		[REPLY_NO_ROOM] = true,
		[REPLY_TOO_MANY_MAILS] = true,
		[REPLY_TOO_MANY_RCPTS] = true,
		[REPLY_BAD_SENDER] = true,
		[REPLY_BAD_RCPT] = true,
		[REPLY_UNKNOWN_PARAMETER] = true,
		[REPLY_NEEDS_UTF8] = true,
		[REPLY_BARE_IN_DATA] = true,
		[REPLY_TOO_BIG] = true,
		[REPLY_LOOP] = true,
		[REPLY_TEXT_LINE_TOO_LONG] = true,
		[REPLY_HEADER_TOO_BIG] = true,
	};

	return reply < REPLY_COUNT && is[reply];
}

static void
tell(const struct session *s, const char *reverse_path, const char *forward_path, unsigned code, struct str enhanced,
    struct str text)
{
	struct peer *queue = process_peer(PROTO_KIND_QUEUE, 0);

	if (queue == NULL || channel_is_behind(queue->channel, SMTPD_PEER_BEHIND))
		return;
	if (text.len > PROTO_REPLY_MAX)
		text.len = PROTO_REPLY_MAX;
	SEND(queue->channel, REJECTED, rejected, s->id, .origin = str_of(s->address), .helo = str_of(s->helo),
	    .reverse_path = reverse_path == NULL ? S("") : str_of(reverse_path),
	    .forward_path = forward_path == NULL ? S("") : str_of(forward_path), .code = code, .enhanced = enhanced,
	    .text = text);
}

static const char *
reverse_path_of(const struct session *s)
{
	return s->transaction == NULL ? NULL : s->transaction->reverse_path;
}

void
rejection_tell(const struct session *s, const char *forward_path, unsigned code, struct str enhanced, struct str text)
{
	tell(s, reverse_path_of(s), forward_path, code, enhanced, text);
}

void
rejection_tell_reply(
    const struct session *s, const char *reverse_path, const char *forward_path, enum reply reply, const char *detail)
{
	struct str code, enhanced, text;
	struct buf line;

	buf_init(&line, SMTPD_OUTPUT_MAX);
	if (reply_write(reply, detail, &line)) {
		(void)str_cut(str_trim(buf_str(&line)), ' ', &code, &text);
		(void)str_cut(text, ' ', &enhanced, &text);
		tell(s, reverse_path == NULL ? reverse_path_of(s) : reverse_path, forward_path, reply_code(reply),
		    enhanced, text);
	}
	buf_clear(&line);
}
