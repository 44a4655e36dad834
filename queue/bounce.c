/* SPDX-License-Identifier: ISC */
#include "queue/bounce.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/utf8.h"
#include "queue/bounce_status.h"
#include "queue/bounce_text.h"
#include "queue/limits.h"
#include "queue/mime.h"

/* What of the original is returned, and how; and what of the report needs more than ASCII. */
struct plan {
	struct str original;
	bool whole;    /* as it is */
	bool status;   /* addresses of recipients are in UTF-8 */
	bool global;   /* so is the original's header */
	bool eightbit; /* any of it has bytes above 127 */
};

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

/* Up to its first empty line, and without the end of its last. */
static struct str
header_of(struct str text)
{
	struct str rest = text, line;

	text.len = 0;
	while (next_line(&rest, &line) && line.len > 0)
		text.len = (size_t)(line.ptr - text.ptr) + line.len;
	return text;
}

static struct plan
plan_of(const struct bounce *b)
{
	struct str header = header_of(b->text);
	struct plan p = { .original = header, .status = bounce_status_needs_utf8(b) };

	/* Lines that are too long, or do not end as they should, cannot be sent again as they are. */
	p.whole = b->whole && b->text.len > 0 && mime_has_plain_lines(b->text);
	if (p.whole)
		p.original = b->text;
	else if (p.original.len > QUEUE_DSN_HEADER_BYTES)
		p.original.len = QUEUE_DSN_HEADER_BYTES;
	p.global = mime_holds_utf8(p.whole ? header : p.original) && (!p.whole || utf8_is_valid(header));
	p.eightbit = p.status || p.global || mime_holds_utf8(b->to) || (p.whole && utf8_is_needed(b->text));
	return p;
}

/* --- the parts --- */

static void
put_header(struct mime_writer *w, const struct bounce *b, const struct plan *p, const char *boundary)
{
	mime_put_date(w, "Date", b->now_ms);
	mime_put(w, "From: Mail Delivery System <MAILER-DAEMON@");
	mime_put_clean(w, b->hostname);
	mime_put(w, ">\r\nTo: <");
	w->utf8 = true;
	mime_put_clean(w, b->to);
	w->utf8 = p->status;
	mime_put(w, ">\r\nSubject: ");
	mime_put_subject(w, bounce_text_subject(b));
	mime_put(w, "Message-ID: <%016" PRIx64 ".%016" PRIx64 "@", b->id, b->randomness);
	mime_put_clean(w, b->hostname);
	mime_put(w,
	    ">\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%s\"\r\n%s\r\n",
	    boundary, p->eightbit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
}

/* A header's lines, cut at the limit, tabs at their beginning kept as spaces. */
static void
put_original_header(struct mime_writer *w, struct str header)
{
	struct str line;

	while (next_line(&header, &line) && line.len > 0) {
		size_t i = 0;
		if (line.len > MIME_LINE_MAX)
			line.len = MIME_LINE_MAX;
		for (; i < line.len && (line.ptr[i] == '\t' || line.ptr[i] == ' '); i++)
			mime_put(w, " ");
		mime_put_clean(w, (struct str){ line.ptr + i, line.len - i });
		mime_put(w, "\r\n");
	}
}

static void
put_original(struct mime_writer *w, const struct plan *p)
{
	static const char *const types[2][2] = {
		{ "text/rfc822-headers; charset=us-ascii", "message/global-headers" },
		{ "message/rfc822", "message/global" },
	};
	bool eightbit = p->global || (p->whole && utf8_is_needed(p->original));

	mime_put(w, "Content-Type: %s\r\n%s\r\n", types[p->whole][p->global],
	    eightbit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	w->utf8 = p->global;
	if (p->whole)
		mime_put_str(w, p->original);
	else
		put_original_header(w, p->original);
}

bool
bounce_compose(const struct bounce *b, struct buf *out, bool *eightbit)
{
	struct mime_writer w = { .out = out, .ok = true };
	struct plan p = plan_of(b);
	char boundary[64];

	(void)snprintf(boundary, sizeof(boundary), "=_%016" PRIx64 "_%016" PRIx64, b->id, b->randomness);
	put_header(&w, b, &p, boundary);
	mime_put(&w, "This is a report in MIME parts; your mail reader shows it better than this.\r\n");
	mime_put(&w, "\r\n--%s\r\n", boundary);
	bounce_text_put(&w, b, p.whole);
	mime_put(&w, "\r\n--%s\r\n", boundary);
	bounce_status_put(&w, b);
	mime_put(&w, "\r\n--%s\r\n", boundary);
	put_original(&w, &p);
	mime_put(&w, "\r\n--%s--\r\n", boundary);
	*eightbit = p.eightbit;
	return w.ok;
}
