/* SPDX-License-Identifier: ISC */
#include "ctl/header.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/date.h"
#include "common/header_address.h"
#include "common/log.h"
#include "ctl/limits.h"
#include "ctl/utf8.h"

enum { ADDED_MAX = 4096, ENCODED_WORD_BYTES = 45 }; /* of a word of RFC 2047: 60 of its at most 75 characters */

enum field_kind {
	FIELD_RCPT = 1,
	FIELD_RESENT = 2,
	FIELD_DROPPED = 4,
	FIELD_HAS_FROM = 8,
	FIELD_HAS_DATE = 16,
	FIELD_HAS_ID = 32
};

/* clang-format off */
static const struct {
	struct str name;
	unsigned kind;
} fields[] = {
	{ STR("From"),        FIELD_HAS_FROM },
	{ STR("Date"),        FIELD_HAS_DATE },
	{ STR("Message-ID"),  FIELD_HAS_ID },
	{ STR("To"),          FIELD_RCPT },
	{ STR("Cc"),          FIELD_RCPT },
	{ STR("Bcc"),         FIELD_RCPT | FIELD_DROPPED },
	{ STR("Resent-To"),   FIELD_RCPT | FIELD_RESENT },
	{ STR("Resent-Cc"),   FIELD_RCPT | FIELD_RESENT },
	{ STR("Resent-Bcc"),  FIELD_RCPT | FIELD_RESENT | FIELD_DROPPED },
	{ STR("Return-Path"), FIELD_DROPPED },
};
/* clang-format on */

/* --- recipients --- */

void
recipients_clear(struct recipients *r)
{
	size_t i;

	for (i = 0; i < r->count; i++)
		free(r->list[i]);
	free(r->list);
	*r = (struct recipients){ 0 };
}

static bool
add_address(void *arg, const struct address *address, struct error *err)
{
	struct recipients *r = arg;
	char text[ADDRESS_MAX + 1];
	size_t i;

	(void)address_format(address, text);
	for (i = 0; i < r->count; i++)
		if (strcmp(r->list[i], text) == 0)
			return true;
	if (r->count == SENDMAIL_RCPTS_MAX)
		return error_set(err, ERROR_PERMANENT, "more than %d recipients; nothing was sent", SENDMAIL_RCPTS_MAX);
	if (r->list == NULL)
		r->list = calloc(SENDMAIL_RCPTS_MAX, sizeof(*r->list));
	if (r->list == NULL || (r->list[r->count] = strdup(text)) == NULL)
		fatal("out of memory");
	r->count++;
	return true;
}

bool
recipients_add(struct recipients *r, struct str list, struct error *err)
{
	return header_address_list(list, ADDRESS_LOCAL_ONLY_ALLOWED, add_address, r, err);
}

/* --- reading --- */

/* The line at the front of text, with its LF; the whole of text where there is none. */
static struct str
line_of(struct str text)
{
	const char *lf = text.len == 0 ? NULL : memchr(text.ptr, '\n', text.len);

	return (struct str){ text.ptr, lf == NULL ? text.len : (size_t)(lf - text.ptr) + 1 };
}

static bool
is_empty_line(struct str line)
{
	return str_equal(line, S("\n")) || str_equal(line, S("\r\n"));
}

/* The length of the field at the front of text with its folded lines, and its name; 0 when it is no field. */
static size_t
field_of(struct str text, struct str *name, struct str *value)
{
	struct str line = line_of(text), next;
	size_t len = line.len, i = 0;

	while (i < line.len && line.ptr[i] > ' ' && line.ptr[i] < 0x7f && line.ptr[i] != ':')
		i++;
	*name = (struct str){ line.ptr, i };
	while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'))
		i++;
	if (name->len == 0 || i == line.len || line.ptr[i] != ':')
		return 0;
	for (;;) {
		next = line_of((struct str){ text.ptr + len, text.len - len });
		if (next.len == 0 || (next.ptr[0] != ' ' && next.ptr[0] != '\t'))
			break;
		len += next.len;
	}
	*value = (struct str){ text.ptr + i + 1, len - i - 1 };
	return len;
}

static unsigned
kind_of(struct str name)
{
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (str_equal_nocase(fields[i].name, name))
			return fields[i].kind;
	return 0;
}

/* The recipients of one field. Those of the Resent- forms take the place of the others. */
struct gathering {
	struct recipients *to;
	struct recipients resent;
	struct recipients plain;
	bool any_resent;
};

static bool
take_field(
    struct header *h, struct gathering *g, struct str field, struct str name, struct str value, struct error *err)
{
	unsigned kind = kind_of(name);
	struct error why;

	h->seen_from = h->seen_from || (kind & FIELD_HAS_FROM) != 0;
	h->seen_date = h->seen_date || (kind & FIELD_HAS_DATE) != 0;
	h->seen_message_id = h->seen_message_id || (kind & FIELD_HAS_ID) != 0;
	g->any_resent = g->any_resent || (kind & FIELD_RESENT) != 0;
	if (g->to != NULL && (kind & FIELD_RCPT) != 0 &&
	    !recipients_add((kind & FIELD_RESENT) != 0 ? &g->resent : &g->plain, value, &why))
		return error_set(err, ERROR_PERMANENT, "%.*s: %s", STR_ARG(name), why.text);
	if ((kind & FIELD_DROPPED) != 0)
		return true;
	if (!buf_append_str(&h->text, field) || (field.ptr[field.len - 1] != '\n' && !buf_append_byte(&h->text, '\n')))
		return error_set(err, ERROR_PERMANENT, "the header is longer than %d bytes", SENDMAIL_HEADER_MAX);
	return true;
}

static bool
take_fields(struct header *h, struct gathering *g, struct str text, struct error *err)
{
	struct str name, value, rest = text;
	size_t len;

	if (rest.len >= 5 && memcmp(rest.ptr, "From ", 5) == 0)
		rest = (struct str){ rest.ptr + line_of(rest).len, rest.len - line_of(rest).len };
	while ((len = field_of(rest, &name, &value)) > 0) {
		if (!take_field(h, g, (struct str){ rest.ptr, len }, name, value, err))
			return false;
		rest = (struct str){ rest.ptr + len, rest.len - len };
	}
	if (is_empty_line(line_of(rest)))
		rest = (struct str){ rest.ptr + line_of(rest).len, rest.len - line_of(rest).len };
	h->length = text.len - rest.len;
	return true;
}

/* Arguments may have named some of them before. */
static bool
merge(struct recipients *to, const struct recipients *from, struct error *err)
{
	size_t i;

	for (i = 0; i < from->count; i++)
		if (!recipients_add(to, str_of(from->list[i]), err))
			return false;
	return true;
}

bool
header_read(struct header *h, struct str text, struct recipients *to, struct error *err)
{
	struct gathering g = { .to = to };
	bool ok;

	*h = (struct header){ 0 };
	buf_init(&h->text, SENDMAIL_HEADER_MAX);
	ok = take_fields(h, &g, text, err);
	if (ok && h->length > SENDMAIL_HEADER_MAX)
		ok = error_set(err, ERROR_PERMANENT, "the header is longer than %d bytes", SENDMAIL_HEADER_MAX);
	if (ok && to != NULL)
		ok = merge(to, g.any_resent ? &g.resent : &g.plain, err);
	recipients_clear(&g.resent);
	recipients_clear(&g.plain);
	if (!ok)
		header_clear(h);
	return ok;
}

void
header_clear(struct header *h)
{
	buf_clear(&h->text);
}

/* --- completing --- */

static bool
is_ascii(const char *text)
{
	while (ascii_is_printable(*text))
		text++;
	return *text == '\0';
}

static void
append_base64(struct buf *out, struct str bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i, n;

	for (i = 0; i < bytes.len; i += 3) {
		uint32_t group = 0;
		for (n = 0; n < 3; n++)
			group = group << 8 | (i + n < bytes.len ? (unsigned char)bytes.ptr[i + n] : 0);
		for (n = 0; n < 4; n++)
			(void)buf_append_byte(out, i + n > bytes.len ? '=' : digits[group >> (18 - 6 * n) & 0x3f]);
	}
}

/* Encoded words of RFC 2047, none cut within a character; what is no UTF-8 is left to the reader. */
static void
append_encoded(struct buf *out, struct str name)
{
	while (name.len > 0) {
		struct str part = { name.ptr, name.len < ENCODED_WORD_BYTES ? name.len : ENCODED_WORD_BYTES };
		size_t whole = utf8_whole(part);
		part.len = whole > 0 ? whole : part.len;
		(void)buf_append_text(out, "=?UTF-8?B?");
		append_base64(out, part);
		(void)buf_append_text(out, "?=");
		name = (struct str){ name.ptr + part.len, name.len - part.len };
		if (name.len > 0)
			(void)buf_append_text(out, "\n ");
	}
}

static void
append_quoted(struct buf *out, const char *name)
{
	(void)buf_append_byte(out, '"');
	for (; *name != '\0'; name++) {
		if (*name == '"' || *name == '\\')
			(void)buf_append_byte(out, '\\');
		(void)buf_append_byte(out, *name);
	}
	(void)buf_append_byte(out, '"');
}

static void
append_from(struct buf *out, const struct header_origin *origin)
{
	(void)buf_append_text(out, "From: ");
	if (origin->full_name[0] == '\0') {
		(void)buf_printf(out, "%s\n", origin->address);
		return;
	}
	if (is_ascii(origin->full_name))
		append_quoted(out, origin->full_name);
	else
		append_encoded(out, str_of(origin->full_name));
	(void)buf_printf(out, " <%s>\n", origin->address);
}

void
header_complete(struct header *h, const struct header_origin *origin)
{
	char date[DATE_MAX + 1];

	h->text.max += ADDED_MAX;
	if (!h->seen_from)
		append_from(&h->text, origin);
	if (!h->seen_date) {
		(void)date_format_5322(origin->now_s, date);
		(void)buf_printf(&h->text, "Date: %s\n", date);
	}
	if (!h->seen_message_id)
		(void)buf_printf(&h->text, "Message-ID: <%" PRIx64 ".%016" PRIx64 "@%s>\n", (uint64_t)origin->now_s,
		    origin->random, origin->host);
}
