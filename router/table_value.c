/* SPDX-License-Identifier: ISC */
#include "router/table_value.h"

#include <stdio.h>
#include <string.h>

#include "common/config.h"
#include "router/alias.h"
#include "router/limits.h"

static bool
is_home(struct str home)
{
	size_t i;

	for (i = 0; i < home.len; i++)
		if ((unsigned char)home.ptr[i] < 0x20)
			return false;
	return home.len == 0 || (home.ptr[0] == '/' && home.len <= PROTO_TEXT_MAX);
}

bool
table_value_user(struct str value, struct table_user *out)
{
	struct str uid, gid, home, rest;
	uint64_t u, g;

	if (!str_cut(value, ':', &uid, &rest) || !str_cut(rest, ':', &gid, &home))
		return false;
	home = str_trim(home);
	/* The largest number means "no id" to the system's calls. */
	if (!str_to_u64(uid, UINT32_MAX - 1, &u) || !str_to_u64(gid, UINT32_MAX - 1, &g) || !is_home(home))
		return false;
	*out = (struct table_user){ (uint32_t)u, (uint32_t)g, home };
	return true;
}

bool
table_value_check_users(const struct entries *entries, struct error *err)
{
	struct table_user user;
	size_t i;

	for (i = 0; i < entries->count; i++) {
		if (!alias_is_user(entries_key(entries, i)))
			return entries_error(entries, i, err, "expected the name of a user");
		if (!table_value_user(entries_value(entries, i), &user))
			return entries_error(entries, i, err, "expected uid:gid:/home");
	}
	return true;
}

static const char *const schemes[] = { [CONFIG_SMTP] = "smtp",
	[CONFIG_SMTP_TLS] = "smtp+tls",
	[CONFIG_SMTP_NOTLS] = "smtp+notls",
	[CONFIG_SMTPS] = "smtps",
	[CONFIG_LMTP] = "lmtp" };

bool
table_value_host(struct str text, char *out, size_t size, struct error *err)
{
	struct config_url url;
	bool inet6;
	int len;

	if (!config_url_parse(text, &url, err))
		return false;
	inet6 = strchr(url.host, ':') != NULL;
	len = snprintf(out, size, "%s://%s%s%s%s%s:%u", schemes[url.scheme], url.label, url.label[0] != '\0' ? "@" : "",
	    inet6 ? "[" : "", url.host, inet6 ? "]" : "", url.port);
	return (len > 0 && (size_t)len < size) || error_set(err, ERROR_PERMANENT, "the URL is too long");
}

bool
table_value_check_hosts(const struct entries *entries, struct error *err)
{
	char host[PROTO_DESTINATION_MAX + 1];
	struct config_url url;
	struct error why;
	size_t i;

	if (entries->count > HOSTS_MAX)
		return entries_error(entries, HOSTS_MAX, err, "the table has more than 1024 hosts");
	for (i = 0; i < entries->count; i++) {
		struct str key = entries_key(entries, i);
		if (!config_url_parse(key, &url, &why) || !table_value_host(key, host, sizeof(host), &why))
			return entries_error(entries, i, err, why.text);
		if (url.scheme != CONFIG_SMTP && url.scheme != CONFIG_SMTP_NOTLS)
			return entries_error(entries, i, err,
			    "not supported yet: a relay host with a scheme other than smtp and smtp+notls");
	}
	return true;
}
