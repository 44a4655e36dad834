/* SPDX-License-Identifier: ISC */
#include "smtpd/data.h"

#include <string.h>

#include "common/log.h"
#include "smtpd/limits.h"

/* Fields that are looked for, each with another first letter. */
static const struct str received = STR("received:"), message_id = STR("message-id:");

void
data_init(struct data *d, uint64_t size_max)
{
	*d = (struct data){ .state = DATA_LINE_START, .size_max = size_max, .in_header = true };
}

static void
flaw(struct data *d, enum data_flaw what)
{
	if (d->flaw == DATA_SOUND)
		d->flaw = what;
}

static void
keep_message_id(struct data *d, struct str text)
{
	size_t i;

	for (i = 0; i < text.len && d->message_id_len < sizeof(d->message_id); i++) {
		char c = text.ptr[i] == '\t' ? ' ' : text.ptr[i];
		if (c != ' ' || d->message_id_len > 0)
			d->message_id[d->message_id_len++] = ascii_is_printable(c) ? c : '?';
	}
}

struct str
data_message_id(const struct data *d)
{
	return str_trim((struct str){ d->message_id, d->message_id_len });
}

/* The first byte of a header line: counts fields, and says which of those looked for it may be. */
static void
begin_header_line(struct data *d, char c)
{
	d->name = NULL;
	d->matched = 0;
	if (c == ' ' || c == '\t')
		return;
	d->in_message_id = false;
	if (++d->fields > SMTPD_HEADER_FIELDS_MAX)
		flaw(d, DATA_HEADER_TOO_BIG);
	if (ascii_lower(c) == received.ptr[0])
		d->name = &received;
	else if (ascii_lower(c) == message_id.ptr[0] && !d->has_message_id)
		d->name = &message_id;
}

static void
note_field(struct data *d)
{
	if (d->name == &received && ++d->hops >= SMTPD_HOPS_MAX)
		flaw(d, DATA_TOO_MANY_HOPS);
	if (d->name == &message_id)
		d->has_message_id = d->in_message_id = true;
	d->name = NULL;
}

/* Bytes of a header line: looks for its name, as far as it is known. */
static void
note_header(struct data *d, struct str text)
{
	size_t i;

	if (d->line_len == 0)
		begin_header_line(d, text.ptr[0]);
	for (i = 0; i < text.len && d->name != NULL; i++) {
		if (ascii_lower(text.ptr[i]) != d->name->ptr[d->matched])
			d->name = NULL;
		else if (++d->matched == d->name->len)
			note_field(d);
	}
	if (d->in_message_id)
		keep_message_id(d, (struct str){ text.ptr + i, text.len - i });
}

/* Bytes within a line, neither CR nor LF. */
static void
emit_text(struct data *d, struct str text, struct buf *out)
{
	if (d->in_header && text.len > 0) {
		note_header(d, text);
		d->header_len += text.len;
		if (d->header_len > SMTPD_HEADER_MAX)
			flaw(d, DATA_HEADER_TOO_BIG);
	}
	d->line_len += text.len;
	d->size += text.len;
	if (d->line_len > SMTPD_TEXT_LINE_MAX)
		flaw(d, DATA_LINE_TOO_LONG);
	if (d->size > d->size_max)
		flaw(d, DATA_TOO_BIG);
	if (d->flaw == DATA_SOUND && !buf_append_str(out, text))
		fatal("a message's bytes do not fit the room that was kept for them");
}

static void
emit_line_end(struct data *d, struct buf *out)
{
	if (d->line_len == 0)
		d->in_header = false;
	d->line_len = 0;
	d->size += 2;
	if (d->size > d->size_max)
		flaw(d, DATA_TOO_BIG);
	if (d->flaw == DATA_SOUND && !buf_append(out, "\r\n", 2))
		fatal("a message's bytes do not fit the room that was kept for them");
	d->state = DATA_LINE_START;
}

/* Bytes of in up to the first CR or LF, at most max. */
static struct str
text_run(struct str in, size_t max)
{
	const char *lf, *cr;

	if (in.len > max)
		in.len = max;
	lf = memchr(in.ptr, '\n', in.len);
	if (lf != NULL)
		in.len = (size_t)(lf - in.ptr);
	cr = memchr(in.ptr, '\r', in.len);
	if (cr != NULL)
		in.len = (size_t)(cr - in.ptr);
	return in;
}

/* One byte, where it decides something. Returns true at the end of the message. */
static bool
step(struct data *d, char c, struct buf *out)
{
	switch (d->state) {
	case DATA_LINE_START:
		if (c == '.') {
			d->state = DATA_DOT; /* the dot itself is never part of the message (section 4.5.2) */
			return false;
		}
		break;
	case DATA_DOT:
		if (c == '\r') {
			d->state = DATA_DOT_CR;
			return false;
		}
		break;
	case DATA_DOT_CR:
		if (c == '\n')
			return true;
		flaw(d, DATA_BARE);
		break;
	case DATA_CR:
		if (c == '\n') {
			emit_line_end(d, out);
			return false;
		}
		flaw(d, DATA_BARE);
		break;
	case DATA_TEXT: break;
	}
	if (c == '\n')
		flaw(d, DATA_BARE);
	if (c == '\r') {
		d->state = DATA_CR;
		return false;
	}
	d->state = DATA_TEXT;
	if (c != '\n')
		emit_text(d, (struct str){ &c, 1 }, out);
	return false;
}

bool
data_take(struct data *d, struct str *in, struct buf *out)
{
	while (in->len > 0 && out->max - out->len >= 2) {
		char c = in->ptr[0];
		if (d->state == DATA_TEXT && c != '\r' && c != '\n') {
			struct str run = text_run(*in, out->max - out->len);
			emit_text(d, run, out);
			in->ptr += run.len;
			in->len -= run.len;
			continue;
		}
		in->ptr++;
		in->len--;
		if (step(d, c, out))
			return true;
	}
	return false;
}
