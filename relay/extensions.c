/* SPDX-License-Identifier: ISC */
#include "relay/extensions.h"

#include <stddef.h>

static void
take_pipelining(struct extensions *e, struct str parameter)
{
	(void)parameter;
	e->pipelining = true;
}

/* A number that cannot be read is as if none were named: the server will say so itself when a message is too large. */
static void
take_size(struct extensions *e, struct str parameter)
{
	e->size = true;
	if (!str_to_u64(parameter, INT64_MAX, &e->size_max))
		e->size_max = 0;
}

static void
take_8bitmime(struct extensions *e, struct str parameter)
{
	(void)parameter;
	e->eightbitmime = true;
}

static void
take_dsn(struct extensions *e, struct str parameter)
{
	(void)parameter;
	e->dsn = true;
}

static const struct {
	struct str keyword;
	void (*take)(struct extensions *e, struct str parameter);
} keywords[] = {
	{ STR("PIPELINING"), take_pipelining },
	{ STR("SIZE"), take_size },
	{ STR("8BITMIME"), take_8bitmime },
	{ STR("DSN"), take_dsn },
};

void
extensions_line(void *arg, unsigned number, struct str text)
{
	struct str keyword, parameter;
	size_t i;

	if (number == 1)
		return;
	(void)str_cut(str_trim(text), ' ', &keyword, &parameter);
	for (i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (str_equal_nocase(keyword, keywords[i].keyword))
			keywords[i].take(arg, str_trim(parameter));
}
