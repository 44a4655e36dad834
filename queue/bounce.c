/* SPDX-License-Identifier: ISC */
#include "queue/bounce.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/date.h"
#include "queue/limits.h"

enum {
	FOLD_AT = 72,        /* a line is broken at the last space before this column */
	FOLD_WORD_MAX = 400, /* a word that is longer is broken within */
	LINE_MAX_BYTES = 998 /* RFC 5322 section 2.1.1, without CRLF */
};

struct writer {
	struct buf *out;
	bool ok;
};

static void put(struct writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
put(struct writer *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	w->ok = w->ok && buf_vprintf(w->out, fmt, ap);
	va_end(ap);
}

/* The one door for bytes from outside: what is not printable ASCII becomes a question mark. */
static void
put_clean(struct writer *w, struct str s)
{
	char *room;
	size_t i;

	if (!w->ok || s.len == 0)
		return;
	room = buf_reserve(w->out, s.len);
	if (room == NULL) {
		w->ok = false;
		return;
	}
	for (i = 0; i < s.len; i++)
		room[i] = (char)(ascii_is_printable(s.ptr[i]) ? s.ptr[i] : '?');
	buf_commit(w->out, s.len);
}

/* How many bytes of s go on a line that has room for FOLD_AT. */
static size_t
fold_length(struct str s)
{
	size_t i;

	if (s.len <= FOLD_AT)
		return s.len;
	for (i = FOLD_AT; i > 0; i--)
		if (s.ptr[i] == ' ')
			return i;
	for (i = FOLD_AT; i < s.len && i < FOLD_WORD_MAX; i++)
		if (s.ptr[i] == ' ')
			break;
	return i;
}

/* Text in as many lines as it needs, each begun with indent; the first follows what stands on its line already. */
static void
put_folded(struct writer *w, const char *indent, struct str s)
{
	bool first = true;

	for (s = str_trim(s); s.len > 0; s = str_trim(s)) {
		size_t len = fold_length(s);
		if (!first)
			put(w, "%s", indent);
		first = false;
		put_clean(w, (struct str){ s.ptr, len });
		put(w, "\r\n");
		s.ptr += len;
		s.len -= len;
	}
	if (first)
		put(w, "\r\n");
}

static void
put_date(struct writer *w, const char *field, int64_t ms)
{
	char date[DATE_MAX + 1];

	(void)date_format_5322(ms / 1000, date);
	put(w, "%s: %s\r\n", field, date);
}

/* class "." subject "." detail (RFC 3463 section 2): one digit of 2, 4 or 5, and two numbers of up to three digits. */
static bool
is_status(struct str s)
{
	struct str class, subject, detail;
	uint64_t number;

	if (!str_cut(s, '.', &class, &detail) || !str_cut(detail, '.', &subject, &detail))
		return false;
	return class.len == 1 && strchr("245", class.ptr[0]) != NULL && subject.len <= 3 && detail.len <= 3 &&
	    str_to_u64(subject, 999, &number) && str_to_u64(detail, 999, &number);
}

static struct str
status_of(const struct bounce_rcpt *rcpt)
{
	if (rcpt->expired)
		return S("5.4.7"); /* delivery time expired (RFC 3463 section 3.5) */
	if (is_status(rcpt->enhanced) && rcpt->enhanced.ptr[0] == '5')
		return rcpt->enhanced;
	return S("5.0.0");
}

/* The answer in one line, as it would stand in a session. */
static void
put_answer(struct writer *w, const char *indent, const struct bounce_rcpt *rcpt)
{
	struct buf answer;

	buf_init(&answer, 4096);
	if (rcpt->code != 0)
		(void)buf_printf(&answer, "%u ", rcpt->code);
	if (is_status(rcpt->enhanced))
		(void)buf_printf(&answer, "%.*s ", STR_ARG(rcpt->enhanced));
	(void)buf_append_str(&answer, rcpt->text);
	put_folded(w, indent, buf_str(&answer));
	buf_clear(&answer);
}

/* --- the parts --- */

static void
put_header(struct writer *w, const struct bounce *b, const char *boundary)
{
	put_date(w, "Date", b->now_ms);
	put(w, "From: Mail Delivery System <MAILER-DAEMON@");
	put_clean(w, b->hostname);
	put(w, ">\r\nTo: <");
	put_clean(w, b->to);
	put(w, ">\r\nSubject: Your message could not be delivered\r\nMessage-ID: <%016" PRIx64 ".%016" PRIx64 "@",
	    b->id, b->randomness);
	put_clean(w, b->hostname);
	put(w,
	    ">\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%s\"\r\n\r\n",
	    boundary);
}

static void
put_rcpt_in_words(struct writer *w, const struct bounce *b, const struct bounce_rcpt *rcpt)
{
	char date[DATE_MAX + 1];

	put(w, "<");
	put_clean(w, rcpt->forward_path);
	put(w, ">\r\n");
	if (rcpt->expired) {
		(void)date_format_5322(b->accepted_ms / 1000, date);
		put(w, "    was tried %" PRIu64 " time%s since %s,\r\n    and is given up.", rcpt->tries,
		    rcpt->tries == 1 ? "" : "s", date);
		put(w, rcpt->text.len > 0 ? " The last answer was:\r\n" : "\r\n");
	} else if (rcpt->hop.len > 0) {
		put(w, "    was refused. The server ");
		put_clean(w, rcpt->hop);
		put(w, " said:\r\n");
	} else {
		put(w, "    was refused:\r\n");
	}
	if (rcpt->text.len > 0 || rcpt->code != 0) {
		put(w, "    ");
		put_answer(w, "    ", rcpt);
	}
	put(w, "\r\n");
}

static void
put_words(struct writer *w, const struct bounce *b)
{
	size_t i;

	put(w, "This is the mail server ");
	put_clean(w, b->hostname);
	put(w,
	    ".\r\n\r\nA message you sent did not reach %s.\r\n"
	    "No further attempt will be made. What is known is below; the header of\r\n"
	    "your message is attached.\r\n\r\n",
	    b->count == 1 ? "this recipient" : "these recipients");
	for (i = 0; i < b->count; i++)
		put_rcpt_in_words(w, b, &b->rcpts[i]);
}

/* RFC 3464 section 2.3. The address is the one the sender used: where an alias led is not told to strangers. */
static void
put_rcpt_fields(struct writer *w, const struct bounce *b, const struct bounce_rcpt *rcpt)
{
	put(w, "\r\nFinal-Recipient: rfc822; ");
	put_clean(w, rcpt->forward_path);
	put(w, "\r\nAction: failed\r\nStatus: ");
	put_clean(w, status_of(rcpt));
	put(w, "\r\n");
	if (rcpt->hop.len > 0) {
		put(w, "Remote-MTA: dns; ");
		put_folded(w, " ", rcpt->hop);
	}
	if (rcpt->code != 0 || rcpt->text.len > 0) {
		put(w, "Diagnostic-Code: %s; ", rcpt->hop.len > 0 ? "smtp" : "X-Postern");
		put_answer(w, " ", rcpt);
	}
	put_date(w, "Last-Attempt-Date", b->now_ms);
}

static void
put_status(struct writer *w, const struct bounce *b)
{
	size_t i;

	put(w, "Reporting-MTA: dns; ");
	put_clean(w, b->hostname);
	put(w, "\r\n");
	put_date(w, "Arrival-Date", b->accepted_ms);
	put(w, "X-Postern-Message: %016" PRIx64 "\r\n", b->original);
	for (i = 0; i < b->count; i++)
		put_rcpt_fields(w, b, &b->rcpts[i]);
}

/* Takes a line from the front of *rest, without its end, which is LF with or without CR. False at the end of the text. */
static bool
next_line(struct str *rest, struct str *line)
{
	if (rest->len == 0)
		return false;
	(void)str_cut(*rest, '\n', line, rest);
	if (line->len > 0 && line->ptr[line->len - 1] == '\r')
		line->len--;
	return true;
}

/* The original header up to QUEUE_DSN_HEADER_BYTES, its lines cut at the limit, tabs kept as spaces. */
static void
put_original(struct writer *w, struct str header)
{
	struct str line;

	if (header.len > QUEUE_DSN_HEADER_BYTES)
		header.len = QUEUE_DSN_HEADER_BYTES;
	while (next_line(&header, &line) && line.len > 0) {
		size_t i = 0;
		if (line.len > LINE_MAX_BYTES)
			line.len = LINE_MAX_BYTES;
		for (; i < line.len && (line.ptr[i] == '\t' || line.ptr[i] == ' '); i++)
			put(w, " ");
		put_clean(w, (struct str){ line.ptr + i, line.len - i });
		put(w, "\r\n");
	}
}

static void
put_part(struct writer *w, const char *boundary, const char *type)
{
	put(w, "\r\n--%s\r\nContent-Type: %s\r\n\r\n", boundary, type);
}

bool
bounce_compose(const struct bounce *b, struct buf *out, bool *eightbit)
{
	struct writer w = { out, true };
	char boundary[64];

	(void)snprintf(boundary, sizeof(boundary), "=_%016" PRIx64 "_%016" PRIx64, b->id, b->randomness);
	put_header(&w, b, boundary);
	put(&w, "This is a report in MIME parts; your mail reader shows it better than this.\r\n");
	put_part(&w, boundary, "text/plain; charset=us-ascii");
	put_words(&w, b);
	put_part(&w, boundary, "message/delivery-status");
	put_status(&w, b);
	put_part(&w, boundary, "text/rfc822-headers; charset=us-ascii");
	put_original(&w, b->text);
	put(&w, "\r\n--%s--\r\n", boundary);
	*eightbit = false;
	return w.ok;
}
