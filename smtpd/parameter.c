/* SPDX-License-Identifier: ISC */
#include "smtpd/parameter.h"

#include <stddef.h>

#include "smtpd/session.h"

typedef bool parameter_fn(struct str value, struct mail_parameters *out);

static bool
take_size(struct str value, struct mail_parameters *out)
{
	/* RFC 1870 section 4: up to 20 digits; what is larger than any message we take is too large by any number. */
	return value.len <= 20 && str_to_u64(value, UINT64_MAX, &out->size);
}

static bool
take_body(struct str value, struct mail_parameters *out)
{
	if (str_equal_nocase(value, S("8BITMIME")))
		out->body = PROTO_BODY_8BITMIME;
	else
		return str_equal_nocase(value, S("7BIT"));
	return true;
}

static const struct parameter {
	struct str name;
	parameter_fn *take;
} of_mail[] = {
	{ STR("SIZE"), take_size },
	{ STR("BODY"), take_body },
};

/* The part of text that a reply may repeat: not long, and printable ASCII. */
static const char *
shown(struct str text, char out[65])
{
	size_t i;

	for (i = 0; i < text.len && i < 64; i++)
		out[i] = ascii_is_printable(text.ptr[i]) ? text.ptr[i] : '?';
	out[i] = '\0';
	return out;
}

/* Returns the row of that name, NULL after a reply when there is none or it was seen before. */
static const struct parameter *
find(struct session *s, const struct parameter *rows, size_t count, struct str name, unsigned *seen)
{
	char text[65];
	size_t i;

	for (i = 0; i < count; i++) {
		if (!str_equal_nocase(rows[i].name, name))
			continue;
		if ((*seen & (1U << i)) != 0) {
			session_reply(s, REPLY_TWICE_PARAMETER, shown(name, text));
			return NULL;
		}
		*seen |= 1U << i;
		return &rows[i];
	}
	session_reply(s, REPLY_UNKNOWN_PARAMETER, shown(name, text));
	return NULL;
}

static bool
read_all(struct session *s, const struct parameter *rows, size_t count, struct str text, struct mail_parameters *out)
{
	unsigned seen = 0;
	char name_text[65];

	text = str_trim(text);
	while (text.len > 0) {
		const struct parameter *row;
		struct str word, name, value;
		(void)str_cut(text, ' ', &word, &text);
		text = str_trim(text);
		(void)str_cut(word, '=', &name, &value);
		row = find(s, rows, s->extended ? count : 0, name, &seen);
		if (row == NULL)
			return false;
		if (!row->take(value, out)) {
			session_reply(s, REPLY_BAD_PARAMETER, shown(name, name_text));
			return false;
		}
	}
	return true;
}

bool
parameter_read_mail(struct session *s, struct str text, struct mail_parameters *out)
{
	return read_all(s, of_mail, sizeof(of_mail) / sizeof(of_mail[0]), text, out);
}

bool
parameter_read_rcpt(struct session *s, struct str text)
{
	return read_all(s, of_mail, 0, text, NULL);
}
