/* SPDX-License-Identifier: ISC */
#include "router/routing.h"

bool
routing_open(struct routing *routing, const struct config *config, struct names *names, struct error *err)
{
	*routing = (struct routing){ .config = config, .names = names };
	routing->tables = tables_new(config, names);
	routing->rules = rules_new(config, routing->tables, names, err);
	if (routing->rules == NULL)
		return false;
	routing->actions = actions_new(config, routing->tables, err);
	if (routing->actions == NULL)
		return false;
	routing->users = users_new();
	return true;
}

void
routing_clear(struct routing *routing)
{
	users_free(routing->users);
	actions_free(routing->actions);
	rules_free(routing->rules);
	tables_free(routing->tables);
	names_free(routing->names);
	*routing = (struct routing){ 0 };
}
