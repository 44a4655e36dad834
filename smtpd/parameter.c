/* SPDX-License-Identifier: ISC */
#include "smtpd/parameter.h"

#include <stddef.h>

#include "common/dsn.h"
#include "smtpd/session.h"

typedef bool parameter_fn(struct str value, struct parameters *out);

static bool
take_size(struct str value, struct parameters *out)
{
	/* RFC 1870 section 4: up to 20 digits; what is larger than any message we take is too large by any number. */
	return value.len <= 20 && str_to_u64(value, UINT64_MAX, &out->size);
}

static bool
take_body(struct str value, struct parameters *out)
{
	if (str_equal_nocase(value, S("8BITMIME")))
		out->body = PROTO_BODY_8BITMIME;
	else
		return str_equal_nocase(value, S("7BIT"));
	return true;
}

static bool
take_ret(struct str value, struct parameters *out)
{
	out->ret = str_equal_nocase(value, S("FULL")) ? PROTO_RET_FULL : PROTO_RET_HDRS;
	return out->ret == PROTO_RET_FULL || str_equal_nocase(value, S("HDRS"));
}

static bool
take_envid(struct str value, struct parameters *out)
{
	out->envid = value;
	return dsn_is_envid(value);
}

/* One of the words of NOTIFY, 0 for others. */
static unsigned
notify_bit(struct str word)
{
	static const struct {
		struct str word;
		enum proto_notify bit;
	} words[] = {
		{ STR("NEVER"), PROTO_NOTIFY_NEVER },
		{ STR("SUCCESS"), PROTO_NOTIFY_SUCCESS },
		{ STR("FAILURE"), PROTO_NOTIFY_FAILURE },
		{ STR("DELAY"), PROTO_NOTIFY_DELAY },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_equal_nocase(words[i].word, word))
			return words[i].bit;
	return 0;
}

static bool
take_notify(struct str value, struct parameters *out)
{
	struct str word;
	bool more;

	do {
		unsigned bit;
		more = str_cut(value, ',', &word, &value);
		bit = notify_bit(word);
		if (bit == 0)
			return false;
		out->notify |= bit;
	} while (more);
	return dsn_is_notify(out->notify);
}

static bool
take_orcpt(struct str value, struct parameters *out)
{
	out->orcpt = value;
	return dsn_is_orcpt(value);
}

static const struct parameter {
	struct str name;
	bool dsn; /* known to those who are offered DSN */
	parameter_fn *take;
} of_mail[] = {
	{ STR("SIZE"), false, take_size },
	{ STR("BODY"), false, take_body },
	{ STR("RET"), true, take_ret },
	{ STR("ENVID"), true, take_envid },
}, of_rcpt[] = {
	{ STR("NOTIFY"), true, take_notify },
	{ STR("ORCPT"), true, take_orcpt },
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
		if (!str_equal_nocase(rows[i].name, name) || (rows[i].dsn && !s->dsn))
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
read_all(struct session *s, const struct parameter *rows, size_t count, struct str text, struct parameters *out)
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
parameter_read_mail(struct session *s, struct str text, struct parameters *out)
{
	return read_all(s, of_mail, sizeof(of_mail) / sizeof(of_mail[0]), text, out);
}

bool
parameter_read_rcpt(struct session *s, struct str text, struct parameters *out)
{
	return read_all(s, of_rcpt, sizeof(of_rcpt) / sizeof(of_rcpt[0]), text, out);
}
