/* SPDX-License-Identifier: ISC */
#include "common/config_url.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/config.h"

struct scheme {
	struct str name;
	enum config_scheme scheme;
	uint16_t port; /* 0: has to be given */
	bool label;    /* may have one; for plain smtp only where the action demands TLS */
};

static const struct scheme schemes[] = {
	{ STR("smtp"), CONFIG_SMTP, 25, true },
	{ STR("smtp+tls"), CONFIG_SMTP_TLS, 25, true },
	{ STR("smtp+notls"), CONFIG_SMTP_NOTLS, 25, false },
	{ STR("smtps"), CONFIG_SMTPS, 465, true },
	{ STR("lmtp"), CONFIG_LMTP, 0, false },
};

static const struct {
	struct str name;
	const char *now;
} old_schemes[] = {
	{ STR("tls"), "smtp+tls" },
	{ STR("tls+auth"), "smtp+tls" },
	{ STR("secure"), "smtp+tls" },
	{ STR("secure+auth"), "smtp+tls" },
	{ STR("smtp+auth"), "smtp+tls" },
	{ STR("smtp+tls+auth"), "smtp+tls" },
	{ STR("smtps+auth"), "smtps" },
	{ STR("ssl"), "smtps" },
	{ STR("ssl+auth"), "smtps" },
};

/* Cuts "scheme://" off. Returns false, *rest the whole, when there is none. */
static bool
cut_scheme(struct str text, struct str *name, struct str *rest)
{
	struct str after;

	if (!str_cut(text, ':', name, &after) || after.len < 2 || after.ptr[0] != '/' || after.ptr[1] != '/') {
		*rest = text;
		return false;
	}
	*rest = (struct str){ after.ptr + 2, after.len - 2 };
	return true;
}

const char *
config_url_current_spelling(struct str text)
{
	struct str name, rest;
	size_t i;

	if (!cut_scheme(text, &name, &rest))
		return NULL;
	for (i = 0; i < sizeof(old_schemes) / sizeof(old_schemes[0]); i++)
		if (str_equal(old_schemes[i].name, name))
			return old_schemes[i].now;
	return NULL;
}

const char *
config_url_without_scheme(const char *text)
{
	struct str name, rest;

	cut_scheme(str_of(text), &name, &rest);
	return rest.ptr;
}

static const struct scheme *
find_scheme(struct str name)
{
	size_t i;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (str_equal(schemes[i].name, name))
			return &schemes[i];
	return NULL;
}

/* "host", "host:port", "[v6]", "[v6]:port". An address of IPv6 without brackets is not told from host and port. */
static bool
cut_host(struct str text, struct str *host, struct str *port, bool *bracketed)
{
	struct str rest;

	*bracketed = text.len > 0 && text.ptr[0] == '[';
	if (!*bracketed)
		return !str_cut(text, ':', host, port) || port->len > 0;
	if (!str_cut((struct str){ text.ptr + 1, text.len - 1 }, ']', host, &rest))
		return false;
	*port = (struct str){ rest.ptr, 0 };
	if (rest.len == 0)
		return true;
	*port = (struct str){ rest.ptr + 1, rest.len - 1 };
	return rest.ptr[0] == ':' && port->len > 0;
}

static bool
is_inet6(const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET6, text, bytes) == 1;
}

/* Letters, digits, "-", "_", and dots between them: a name that DNS can be asked for, or an address of IPv4. */
static bool
is_host(struct str host)
{
	size_t i;

	for (i = 0; i < host.len; i++) {
		char c = host.ptr[i];

		if (c == '.' && (i == 0 || host.ptr[i - 1] == '.'))
			return false;
		if (c != '.' && c != '-' && c != '_' && !ascii_is_alpha(c) && !ascii_is_digit(c))
			return false;
	}
	return host.len > 0;
}

static bool
take_host(struct str text, struct config_url *url, uint64_t *port)
{
	struct str host, digits;
	bool bracketed;

	if (!cut_host(text, &host, &digits, &bracketed) || !str_copy_lower(host, url->host, sizeof(url->host)))
		return false;
	if (bracketed ? !is_inet6(url->host) : !is_host(host))
		return false;
	return digits.len == 0 || (str_to_u64(digits, UINT16_MAX, port) && *port != 0);
}

static bool
take_label(struct str label, struct config_url *url)
{
	size_t i;

	for (i = 0; i < label.len; i++)
		if (!ascii_is_printable(label.ptr[i]) || label.ptr[i] == ' ' || label.ptr[i] == '/')
			return false;
	return label.len > 0 && str_copy(label, url->label, sizeof(url->label));
}

static bool
bad_url(struct str text, struct error *err, const char *why)
{
	return error_set(err, ERROR_PERMANENT,
	    "relay URL \"%.*s\": %s, expected [smtp://|smtp+tls://|smtp+notls://|smtps://|lmtp://][label@]host[:port]",
	    (int)(text.len > 128 ? 128 : text.len), text.ptr, why);
}

bool
config_url_parse(struct str text, struct config_url *out, struct error *err)
{
	const struct scheme *scheme = &schemes[0];
	struct str name, rest, path, label;
	struct config_url url = { .label = "" };
	uint64_t port = 0;

	if (config_url_current_spelling(text) != NULL)
		return error_set(err, ERROR_PERMANENT,
		    "relay URL \"%.*s\": this scheme is of before 6.4 (2018), write %s://",
		    (int)(text.len > 128 ? 128 : text.len), text.ptr, config_url_current_spelling(text));
	if (cut_scheme(text, &name, &rest))
		scheme = find_scheme(name);
	if (scheme == NULL)
		return bad_url(text, err, "unknown scheme");
	str_cut(rest, '/', &rest, &path);
	if (str_cut_last(rest, '@', &label, &path)) {
		rest = path;
		if (!scheme->label)
			return bad_url(text, err, "a label needs smtp+tls or smtps");
		if (!take_label(label, &url))
			return bad_url(text, err, "invalid label");
	}
	if (!take_host(rest, &url, &port))
		return bad_url(text, err, "invalid host or port");
	url.scheme = scheme->scheme;
	url.port = port != 0 ? (uint16_t)port : scheme->port;
	if (url.port == 0)
		return bad_url(text, err, "the port is missing");
	*out = url;
	return true;
}
