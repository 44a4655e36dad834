/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/config_build.h"
#include "common/config_text.h"

enum { DELAY_MAX_S = INT32_MAX, DAY_S = 86400, ENCRYPTION_KEY_BYTES = 32 };

/* --- delays and sizes --- */

static int64_t
delay_unit(char c)
{
	switch (c) {
	case 's': return 1;
	case 'm': return 60;
	case 'h': return 3600;
	case 'd': return DAY_S;
	default: return 0;
	}
}

bool
config_build_delay(struct config_build *build, const struct config_token *token, int64_t *out_s)
{
	struct str text = str_of(token->text);
	uint64_t count;
	int64_t unit;

	unit = text.len == 0 ? 0 : delay_unit(text.ptr[text.len - 1]);
	if (unit == 0 || !str_to_u64((struct str){ text.ptr, text.len - 1 }, (uint64_t)(DELAY_MAX_S / unit), &count) ||
	    count == 0)
		return config_error(&build->errors, &token->place,
		    "invalid delay: \"%.64s\", expected a number from 1 and one of s, m, h, d, as in \"4d\"",
		    token->text);
	*out_s = (int64_t)count * unit;
	return true;
}

/* The power of 1024 a letter stands for, as the number of bits. */
static bool
size_unit(char c, unsigned *out_shift)
{
	static const char units[] = "bkmgtpe";
	const char *found = c == '\0' ? NULL : strchr(units, ascii_lower(c));

	if (found == NULL)
		return false;
	*out_shift = (unsigned)(found - units) * 10;
	return true;
}

/*
 * Fraction digits times a power of two, rounded down, without floating point: doubled bit by bit, what passes the
 * decimal point is the next bit.
 */
static bool
scale_fraction(struct str digits, unsigned shift, uint64_t *out)
{
	enum { DIGITS_MAX = 18 };
	uint64_t value, one = 1, result = 0;
	size_t i;

	if (digits.len == 0 || digits.len > DIGITS_MAX || !str_to_u64(digits, UINT64_MAX, &value))
		return false;
	for (i = 0; i < digits.len; i++)
		one *= 10;
	for (; shift > 0; shift--) {
		value *= 2;
		result = result << 1 | (value >= one);
		if (value >= one)
			value -= one;
	}
	*out = result;
	return true;
}

/* "35", "35M", "1.5M". */
static bool
parse_size(struct str text, uint64_t *out)
{
	struct str whole, fraction;
	uint64_t count, part = 0;
	unsigned shift = 0;
	bool has_point;

	if (text.len > 0 && size_unit(text.ptr[text.len - 1], &shift))
		text.len--;
	else if (text.len == 0)
		return false;
	has_point = str_cut(text, '.', &whole, &fraction);
	if (has_point && !scale_fraction(fraction, shift, &part))
		return false;
	if (!str_to_u64(whole, (uint64_t)INT64_MAX >> shift, &count))
		return false;
	*out = (count << shift) + part;
	return true;
}

bool
config_build_size(struct config_build *build, const struct config_token *token, uint64_t *out)
{
	uint64_t size;

	if (!parse_size(str_of(token->text), &size) || size > INT64_MAX)
		return config_error(&build->errors, &token->place,
		    "invalid size: \"%.64s\", expected a number and none or one of B, K, M, G, T, P, E, as in \"35M\"",
		    token->text);
	*out = size;
	return true;
}

/* --- limits --- */

struct limit_key {
	const char *of;
	const char *key;
};

static const struct limit_key limit_keys[] = {
	{ "mda", "max-session" },
	{ "mda", "max-session-per-user" },
	{ "mda", "task-hiwat" },
	{ "mda", "task-lowat" },
	{ "mda", "task-release" },
	{ "mta", "max-conn-per-host" },
	{ "mta", "max-conn-per-route" },
	{ "mta", "max-conn-per-source" },
	{ "mta", "max-conn-per-connector" },
	{ "mta", "max-conn-per-relay" },
	{ "mta", "max-conn-per-domain" },
	{ "mta", "conn-delay-host" },
	{ "mta", "conn-delay-route" },
	{ "mta", "conn-delay-source" },
	{ "mta", "conn-delay-connector" },
	{ "mta", "conn-delay-relay" },
	{ "mta", "conn-delay-domain" },
	{ "mta", "reconn-delay-route" },
	{ "mta", "session-mail-max" },
	{ "mta", "session-transaction-delay" },
	{ "mta", "session-keepalive" },
	{ "mta", "max-failures-per-session" },
	{ "mta", "task-hiwat" },
	{ "mta", "task-lowat" },
	{ "mta", "task-release" },
	{ "mta", "messages-per-second" },
	{ "mta", "messages-per-minute" },
	{ "mta", "messages-per-hour" },
	{ "mta", "recipients-per-second" },
	{ "mta", "recipients-per-minute" },
	{ "mta", "recipients-per-hour" },
	{ "scheduler", "max-inflight" },
	{ "scheduler", "max-evp-batch-size" },
	{ "scheduler", "max-msg-batch-size" },
	{ "scheduler", "max-schedule" },
	{ "smtp", "max-mails" },
	{ "smtp", "max-rcpt" },
};

void
config_build_limits(struct config_build *build, const char *of)
{
	build->limits_of = of;
	build->limits_domain = NULL;
}

static bool
is_limit_key(const char *of, const char *key)
{
	size_t i;

	for (i = 0; i < sizeof(limit_keys) / sizeof(limit_keys[0]); i++)
		if (strcmp(limit_keys[i].of, of) == 0 && strcmp(limit_keys[i].key, key) == 0)
			return true;
	return false;
}

static void
add_limit(struct config_build *build, const struct config_token *key, int64_t value)
{
	struct config_limit *limit = config_build_alloc(build, sizeof(*limit));

	limit->place = key->place;
	limit->of = build->limits_of;
	limit->domain = build->limits_domain;
	limit->key = key->text;
	limit->value = value;
	STAILQ_INSERT_TAIL(&build->config->limits, limit, next);
}

static void
set_smtp_limit(struct config_build *build, const struct config_token *key, const struct config_token *value)
{
	if (value->number < 1)
		config_error(&build->errors, &value->place, "smtp limit %s: %s, expected a number from 1", key->text,
		    value->text);
	else if (strcmp(key->text, "max-mails") == 0)
		build->config->smtp_max_mails = (uint64_t)value->number;
	else
		build->config->smtp_max_rcpt = (uint64_t)value->number;
}

void
config_build_limit(struct config_build *build, const struct config_token *key, const struct config_token *value)
{
	if (value == NULL)
		add_limit(build, key, 1);
	else if (!is_limit_key(build->limits_of, key->text))
		config_error(
		    &build->errors, &key->place, "invalid %s limit keyword: \"%.64s\"", build->limits_of, key->text);
	else if (strcmp(build->limits_of, "smtp") == 0)
		set_smtp_limit(build, key, value);
	else if (value->number < 0)
		config_error(&build->errors, &value->place, "%s limit %s: %s, expected a number from 0",
		    build->limits_of, key->text, value->text);
	else
		add_limit(build, key, value->number);
}

void
config_build_max_deferred(struct config_build *build, const struct config_token *number)
{
	if (number->number < 0)
		config_error(
		    &build->errors, &number->place, "mta max-deferred: %s, expected a number from 0", number->text);
	else
		build->config->mta_max_deferred = number->number;
	build->config->mta_max_deferred_place = number->place;
}

/* --- single settings --- */

static bool
is_graphic(const char *text)
{
	const char *c;

	for (c = text; *c != '\0'; c++)
		if (!ascii_is_printable(*c) || *c == ' ')
			return false;
	return c != text;
}

void
config_build_admd(struct config_build *build, const struct config_token *word, const struct config_token *name)
{
	if (!is_graphic(name->text))
		config_error(&build->errors, &name->place,
		    "not a valid admd: \"%.64s\", expected printable characters without blanks", name->text);
	build->config->admd = name->text;
	build->config->admd_place = word->place;
}

void
config_build_warn_intervals(struct config_build *build, const struct config_token *word)
{
	build->config->bounce_warn_count = 0;
	build->config->bounce_warn_place = word->place;
}

void
config_build_warn_interval(struct config_build *build, const struct config_token *delay)
{
	struct config *config = build->config;
	int64_t interval_s;
	size_t at;

	if (!config_build_delay(build, delay, &interval_s))
		return;
	if (config->bounce_warn_count >= CONFIG_WARN_INTERVALS_MAX) {
		config_warning(&build->errors, &delay->place,
		    "bounce warn-interval: only the first %d intervals are used", CONFIG_WARN_INTERVALS_MAX);
		return;
	}
	/* In rising order, whatever the order in the text: the next notice is the next one in time. */
	for (at = config->bounce_warn_count++; at > 0 && config->bounce_warn_s[at - 1] > interval_s; at--)
		config->bounce_warn_s[at] = config->bounce_warn_s[at - 1];
	config->bounce_warn_s[at] = interval_s;
}

void
config_build_wrapper(struct config_build *build, const struct config_token *name, const struct config_token *command)
{
	struct config_wrapper *wrapper;

	if (config_build_find_wrapper(build, name->text) != NULL) {
		config_error(
		    &build->errors, &name->place, "mda wrapper already declared with that name: %.64s", name->text);
		return;
	}
	config_build_check_format(build, command, true);
	config_build_count_declared(build, name);
	wrapper = config_build_alloc(build, sizeof(*wrapper));
	wrapper->place = name->place;
	wrapper->name = name->text;
	wrapper->command = command->text;
	STAILQ_INSERT_TAIL(&build->config->wrappers, wrapper, next);
}

void
config_build_queue_compression(struct config_build *build, const struct config_token *word)
{
	build->config->queue_compression = true;
	build->config->queue_compression_place = word->place;
}

/* The key of another process' view is a mask of the same length, unless it has backslashes. */
void
config_build_queue_encryption(
    struct config_build *build, const struct config_token *word, const struct config_token *key)
{
	build->config->queue_encryption = true;
	build->config->queue_encryption_place = word->place;
	build->config->queue_encryption_key = key == NULL ? NULL : key->text;
	if (key == NULL || config_text_is_blanked(build->text) || strcmp(key->text, "stdin") == 0 ||
	    strcmp(key->text, "-") == 0)
		return;
	if (strlen(key->text) != ENCRYPTION_KEY_BYTES)
		config_error(&build->errors, &key->place,
		    "invalid key for queue encryption: %zu characters, expected %d, \"stdin\" or \"-\"",
		    strlen(key->text), ENCRYPTION_KEY_BYTES);
}

void
config_build_queue_ttl(struct config_build *build, const struct config_token *delay)
{
	config_build_delay(build, delay, &build->config->queue_ttl_s);
}

void
config_build_smtp_ciphers(
    struct config_build *build, const struct config_token *word, const struct config_token *ciphers)
{
	build->config->smtp_ciphers = ciphers->text;
	build->config->smtp_ciphers_place = word->place;
}

void
config_build_max_message_size(struct config_build *build, const struct config_token *size)
{
	config_build_size(build, size, &build->config->smtp_max_message_size);
}

void
config_build_sub_addr_delim(struct config_build *build, const struct config_token *text)
{
	if (strlen(text->text) != 1 || !is_graphic(text->text) || text->text[0] == '@')
		config_error(&build->errors, &text->place,
		    "subaddressing-delimiter must be one character, printable, neither blank nor \"@\": \"%.64s\"",
		    text->text);
	else
		build->config->smtp_sub_addr_delim = text->text[0];
}

void
config_build_srs_key(
    struct config_build *build, const struct config_token *word, const struct config_token *key, bool backup)
{
	struct config *config = build->config;

	if (key->text[0] == '\0')
		config_error(&build->errors, &key->place, "srs key: empty, expected a secret");
	if (backup)
		config->srs_key_backup = key->text;
	else
		config->srs_key = key->text;
	config->srs_place = word->place;
}

void
config_build_srs_ttl(struct config_build *build, const struct config_token *word, const struct config_token *delay)
{
	int64_t ttl_s;

	if (!config_build_delay(build, delay, &ttl_s))
		return;
	if (ttl_s < DAY_S) {
		config_error(&build->errors, &delay->place, "ttl delay \"%.64s\" is too short, expected at least 1d",
		    delay->text);
		return;
	}
	build->config->srs_ttl_s = ttl_s - ttl_s % DAY_S;
	build->config->srs_place = word->place;
}
