/* SPDX-License-Identifier: ISC */
/*
 * What the router knows: names, tables, rules, actions and users, opened together before confinement, and the same for every
 * recipient.
 */
#ifndef ROUTER_ROUTING_H
#define ROUTER_ROUTING_H

#include <stdbool.h>

#include "common/config.h"
#include "common/error.h"
#include "router/action.h"
#include "router/names.h"
#include "router/rule.h"
#include "router/table.h"
#include "router/users.h"

struct routing {
	const struct config *config;
	struct names *names;
	struct tables *tables;
	struct rules *rules;
	struct actions *actions;
	struct users *users;
};

/* Opens all of it. Takes names. Returns false and sets err; routing_clear frees what there is then. */
bool routing_open(struct routing *routing, const struct config *config, struct names *names, struct error *err);
void routing_clear(struct routing *routing);

#endif
