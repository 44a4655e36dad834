/* SPDX-License-Identifier: ISC */
#include "queue/allowance.h"

#include <stdlib.h>

#include "common/log.h"
#include "common/proto.h"
#include "queue/core.h"
#include "queue/rate.h"

#define SECOND_US 1000000LL

static const struct {
	const char *key;
	enum rate_of of;
	int64_t period_us;
} keys[RATES_MAX] = {
	{ "messages-per-second", RATE_MESSAGES, SECOND_US },
	{ "messages-per-minute", RATE_MESSAGES, 60 * SECOND_US },
	{ "messages-per-hour", RATE_MESSAGES, 3600 * SECOND_US },
	{ "recipients-per-second", RATE_RECIPIENTS, SECOND_US },
	{ "recipients-per-minute", RATE_RECIPIENTS, 60 * SECOND_US },
	{ "recipients-per-hour", RATE_RECIPIENTS, 3600 * SECOND_US },
};

static void
set_rates(struct destination *d, struct str domain)
{
	size_t i;

	for (i = 0; i < RATES_MAX; i++) {
		int64_t count = config_mta_limit(core.config, domain, keys[i].key);
		if (count == 0)
			continue;
		if (d->rates == NULL && (d->rates = calloc(1, sizeof(*d->rates))) == NULL)
			fatal("out of memory");
		rates_add(d->rates, keys[i].of, (uint64_t)count, keys[i].period_us);
	}
}

/* What stands behind the action's name, which may have slashes of its own. */
static struct str
place_of(const struct destination *d)
{
	struct str name = destination_name(d);
	size_t i;

	for (i = 0; i < name.len; i++)
		if (name.ptr[i] == '/' && config_action_find(core.config, (struct str){ name.ptr, i }) != NULL)
			return (struct str){ name.ptr + i + 1, name.len - i - 1 };
	return (struct str){ name.ptr, 0 };
}

void
allowance_set(struct destination *d)
{
	char domain[CONFIG_DOMAIN_MAX];
	int64_t connections;

	if (d->kind != PROTO_DELIVERY_RELAY || STAILQ_EMPTY(&core.config->limits) ||
	    !config_limits_domain(place_of(d), domain))
		return;
	connections = config_mta_connections(core.config, str_of(domain));
	if (connections > 0 && connections < d->window_max)
		d->window_max = (unsigned)connections;
	set_rates(d, str_of(domain));
}
