/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/config.h"

/* Whether limit is about key, and its value. */
static bool
says(const struct config_limit *limit, const char *key, int64_t *value)
{
	if (strcmp(key, "family") == 0) {
		bool inet4 = strcmp(limit->key, "inet4") == 0;
		if (!inet4 && strcmp(limit->key, "inet6") != 0)
			return false;
		*value = inet4 ? 4 : 6;
		return true;
	}
	if (strcmp(limit->key, key) != 0)
		return false;
	*value = limit->value;
	return true;
}

int64_t
config_mta_limit(const struct config *config, struct str domain, const char *key)
{
	const struct config_limit *limit;
	int64_t general = 0, own = 0;
	bool has_own = false;

	STAILQ_FOREACH (limit, &config->limits, next) {
		if (strcmp(limit->of, "mta") != 0)
			continue;
		if (limit->domain == NULL) {
			(void)says(limit, key, &general);
			continue;
		}
		if (!str_equal_nocase(str_of(limit->domain), domain))
			continue;
		if (!has_own)
			own = general;
		has_own = true;
		(void)says(limit, key, &own);
	}
	return has_own ? own : general;
}

int64_t
config_mta_connections(const struct config *config, struct str domain)
{
	static const char *const keys[] = { "max-conn-per-host", "max-conn-per-route", "max-conn-per-connector",
		"max-conn-per-relay", "max-conn-per-domain", "max-conn-per-source" };
	int64_t least = 0;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		int64_t value = config_mta_limit(config, domain, keys[i]);
		if (value > 0 && (least == 0 || value < least))
			least = value;
	}
	return least;
}

bool
config_limits_domain(struct str place, char *out)
{
	struct config_url url;
	struct error err;
	struct str first, rest;

	if (place.len == 0 || memchr(place.ptr, '/', place.len) == NULL)
		return place.len > 0 && str_copy_lower(place, out, CONFIG_DOMAIN_MAX);
	(void)str_cut(place, ',', &first, &rest);
	return config_url_parse(first, &url, &err) && str_copy(str_of(url.host), out, CONFIG_DOMAIN_MAX);
}
