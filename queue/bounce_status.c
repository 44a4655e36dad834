/* SPDX-License-Identifier: ISC */
#include "queue/bounce_status.h"

#include <inttypes.h>
#include <string.h>

#include "common/proto_table.h"
#include "common/utf8.h"
#include "common/xtext.h"
#include "queue/bounce_text.h"

enum { ADDRESS_TYPE_MAX = 40, POINT_DIGITS_MAX = 6 };

static const struct str utf8_type = STR("utf-8");

/* --- the original recipient --- */

struct original {
	struct str type;
	char bytes[PROTO_ORCPT_MAX];
	size_t len; /* 0: there is none */
};

static bool
is_address_type(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (!ascii_is_alpha(s.ptr[i]) && !ascii_is_digit(s.ptr[i]) && s.ptr[i] != '-')
			return false;
	return s.len > 0 && s.len <= ADDRESS_TYPE_MAX;
}

static int
hex_digit(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * "\x{HEX}" at the start of s, for a character above ASCII: those below are written so because they may not stand there
 * (RFC 6533 section 3). Returns its length, 0 where it is something else.
 */
static size_t
read_embedded(struct str s, uint32_t *point)
{
	size_t i = 3;

	if (!str_starts_nocase(s, S("\\x{")))
		return 0;
	for (*point = 0; i < s.len && i < 3 + POINT_DIGITS_MAX && hex_digit(s.ptr[i]) != -1; i++)
		*point = *point << 4 | (uint32_t)hex_digit(s.ptr[i]);
	return i > 3 && i < s.len && s.ptr[i] == '}' && *point > 0x7f ? i + 1 : 0;
}

/* Returns the bytes of the character, 0 where there is none of that number. */
static size_t
write_character(uint32_t point, char dst[4])
{
	const char bytes[] = { (char)(0xf0 | point >> 18), (char)(0x80 | (point >> 12 & 0x3f)),
		(char)(0x80 | (point >> 6 & 0x3f)), (char)(0x80 | (point & 0x3f)) };
	size_t n = point > 0xffff ? 4 : point > 0x7ff ? 3 : 2;

	if (point > 0x10ffff)
		return 0;
	memcpy(dst, bytes + sizeof(bytes) - n, n);
	if (n < 4)
		dst[0] = (char)(n == 3 ? 0xe0 | point >> 12 : 0xc0 | point >> 6);
	return utf8_is_valid((struct str){ dst, n }) ? n : 0;
}

/* In place: no character is longer than how it is embedded. */
static void
decode_embedded(struct original *o)
{
	size_t at, n, len = 0, written;
	char character[4];
	uint32_t point;

	for (at = 0; at < o->len; at += n) {
		n = read_embedded((struct str){ o->bytes + at, o->len - at }, &point);
		written = n > 0 ? write_character(point, character) : 0;
		if (written == 0) {
			character[0] = o->bytes[at];
			n = written = 1;
		}
		memcpy(o->bytes + len, character, written);
		len += written;
	}
	o->len = len;
}

/* ORCPT as the command had it (RFC 3461 section 4.2): a type and xtext; of type utf-8 also plain characters. */
static void
read_original(struct str orcpt, struct original *o)
{
	struct str value;

	o->len = 0;
	if (!str_cut(orcpt, ';', &o->type, &value) || !is_address_type(o->type))
		return;
	if (!str_equal_nocase(o->type, utf8_type)) {
		o->len = xtext_decode(value, o->bytes, sizeof(o->bytes));
		return;
	}
	if (!utf8_is_needed(value)) {
		o->len = xtext_decode(value, o->bytes, sizeof(o->bytes));
	} else if (value.len <= sizeof(o->bytes)) {
		memcpy(o->bytes, value.ptr, value.len);
		o->len = value.len;
	}
	decode_embedded(o);
}

static bool
original_holds_utf8(struct str orcpt)
{
	struct original o;

	read_original(orcpt, &o);
	return o.len > 0 && str_equal_nocase(o.type, utf8_type) && mime_holds_utf8((struct str){ o.bytes, o.len });
}

bool
bounce_status_needs_utf8(const struct bounce *b)
{
	size_t i;

	for (i = 0; i < b->count; i++)
		if (mime_holds_utf8(b->rcpts[i].forward_path) || original_holds_utf8(b->rcpts[i].orcpt))
			return true;
	return false;
}

/* --- the fields of a recipient --- */

static const struct {
	const char *name;
	char class; /* of its status */
	struct str otherwise;
} actions[] = {
	[BOUNCE_FAILED] = { "failed", '5', STR("5.0.0") },
	[BOUNCE_DELAYED] = { "delayed", '4', STR("4.0.0") },
	[BOUNCE_DELIVERED] = { "delivered", '2', STR("2.0.0") },
	[BOUNCE_RELAYED] = { "relayed", '2', STR("2.0.0") },
};

bool
bounce_status_is(struct str s)
{
	struct str class, subject, detail;
	uint64_t number;

	if (!str_cut(s, '.', &class, &detail) || !str_cut(detail, '.', &subject, &detail))
		return false;
	return class.len == 1 && strchr("245", class.ptr[0]) != NULL && subject.len <= 3 && detail.len <= 3 &&
	    str_to_u64(subject, 999, &number) && str_to_u64(detail, 999, &number);
}

/* A failure for now and one for good differ in the class only, so what else the server said stays. */
static void
put_status_code(struct mime_writer *w, const struct bounce_rcpt *rcpt)
{
	struct str code = rcpt->enhanced;
	char class = actions[rcpt->action].class;

	if (rcpt->action == BOUNCE_FAILED && rcpt->expired)
		code = S("5.4.7"); /* delivery time expired (RFC 3463 section 3.5) */
	else if (!bounce_status_is(code) || (code.ptr[0] == '2') != (class == '2'))
		code = actions[rcpt->action].otherwise;
	mime_put(w, "Status: %c%.*s\r\n", class, (int)code.len - 1, code.ptr + 1);
}

static void
put_original_recipient(struct mime_writer *w, struct str orcpt)
{
	struct original o;
	struct str value;

	read_original(orcpt, &o);
	value = str_trim((struct str){ o.bytes, o.len });
	if (value.len == 0)
		return;
	mime_put(w, "Original-Recipient: %.*s;", STR_ARG(o.type));
	mime_put_clean(w, value);
	mime_put(w, "\r\n");
}

static bool
is_escaped(char c)
{
	return c == ' ' || c == '+' || c == '=' || c == '\\';
}

/* In the form of RFC 6533 section 3 for a place that takes UTF-8. */
static void
put_utf8_address(struct mime_writer *w, struct str address)
{
	struct buf escaped;
	size_t i;

	buf_init(&escaped, (size_t)6 * PROTO_ADDRESS_MAX);
	for (i = 0; i < address.len; i++)
		(void)(is_escaped(address.ptr[i]) ? buf_printf(&escaped, "\\x{%02X}", (unsigned)address.ptr[i])
						  : buf_append_byte(&escaped, address.ptr[i]));
	mime_put_folded(w, " ", buf_str(&escaped));
	buf_clear(&escaped);
}

/* The address is the one the sender used: where an alias led is not told to strangers. */
static void
put_final_recipient(struct mime_writer *w, struct str address)
{
	bool utf8 = w->utf8 && mime_holds_utf8(address);

	mime_put(w, "Final-Recipient: %s; ", utf8 ? "utf-8" : "rfc822");
	if (utf8) {
		put_utf8_address(w, address);
		return;
	}
	mime_put_clean(w, address);
	mime_put(w, "\r\n");
}

static void
put_fields(struct mime_writer *w, const struct bounce_rcpt *rcpt)
{
	mime_put(w, "\r\n");
	put_original_recipient(w, rcpt->orcpt);
	put_final_recipient(w, rcpt->forward_path);
	mime_put(w, "Action: %s\r\n", actions[rcpt->action].name);
	put_status_code(w, rcpt);
	if (rcpt->hop.len > 0) {
		mime_put(w, "Remote-MTA: dns; ");
		mime_put_folded(w, " ", rcpt->hop);
	}
	if (rcpt->code != 0 || rcpt->text.len > 0) {
		mime_put(w, "Diagnostic-Code: %s; ", rcpt->hop.len > 0 ? "smtp" : "X-Postern");
		bounce_text_put_answer(w, " ", rcpt);
	}
	if (rcpt->tried_ms > 0)
		mime_put_date(w, "Last-Attempt-Date", rcpt->tried_ms);
	if (rcpt->action == BOUNCE_DELAYED && rcpt->expires_ms > 0)
		mime_put_date(w, "Will-Retry-Until", rcpt->expires_ms);
}

/* --- the fields of the message --- */

/* What smtpd took is printable; what is not, and came by another way, is left out. */
static void
put_envelope_id(struct mime_writer *w, struct str envid)
{
	char bytes[PROTO_ENVID_MAX];
	size_t decoded = xtext_decode(envid, bytes, sizeof(bytes)), i, len = 0;
	struct str value;

	for (i = 0; i < decoded; i++)
		if (ascii_is_printable(bytes[i]))
			bytes[len++] = bytes[i];
	value = str_trim((struct str){ bytes, len });
	if (value.len > 0)
		mime_put(w, "Original-Envelope-Id: %.*s\r\n", STR_ARG(value));
}

void
bounce_status_put(struct mime_writer *w, const struct bounce *b)
{
	size_t i;

	mime_put(w, "Content-Type: message/%sdelivery-status\r\n%s\r\n", w->utf8 ? "global-" : "",
	    w->utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	put_envelope_id(w, b->envid);
	mime_put(w, "Reporting-MTA: dns; ");
	mime_put_clean(w, b->hostname);
	mime_put(w, "\r\n");
	mime_put_date(w, "Arrival-Date", b->accepted_ms);
	mime_put(w, "X-Postern-Message: %016" PRIx64 "\r\n", b->original);
	for (i = 0; i < b->count; i++)
		put_fields(w, &b->rcpts[i]);
}
