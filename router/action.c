/* SPDX-License-Identifier: ISC */
#include "router/action.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "router/alias.h"
#include "router/limits.h"
#include "router/table_value.h"

struct actions {
	struct action *list; /* by index */
	size_t count;
};

static bool
open_tables(struct action *action, struct tables *tables, struct error *err)
{
	const struct config_action *c = action->config;
	const struct table *table;

	if (c->alias != NULL) {
		table = table_open(tables, c->alias, TABLE_ALIAS, &c->place, err);
		if (table == NULL)
			return false;
		action->aliases = table_aliases(table);
	}
	if (c->userbase != NULL && !table_is_system_users(c->userbase)) {
		action->userbase = table_open(tables, c->userbase, TABLE_USERINFO, &c->place, err);
		if (action->userbase == NULL)
			return false;
	}
	if (c->host != NULL) {
		table = table_open(tables, c->host, TABLE_HOSTS, &c->place, err);
		if (table == NULL)
			return false;
		action->hosts = table_list(table);
	}
	return true;
}

struct actions *
actions_new(const struct config *config, struct tables *tables, struct error *err)
{
	struct actions *actions = calloc(1, sizeof(*actions));
	const struct config_action *c;

	if (actions == NULL)
		fatal("out of memory");
	STAILQ_FOREACH (c, &config->actions, next)
		if (c->index >= actions->count)
			actions->count = c->index + 1;
	actions->list = calloc(actions->count + 1, sizeof(*actions->list));
	if (actions->list == NULL)
		fatal("out of memory");
	STAILQ_FOREACH (c, &config->actions, next) {
		struct action *action = &actions->list[c->index];
		action->config = c;
		action->ttl_s = c->ttl_s != 0 ? c->ttl_s : config->queue_ttl_s;
		if (!open_tables(action, tables, err)) {
			actions_free(actions);
			return NULL;
		}
	}
	return actions;
}

void
actions_free(struct actions *actions)
{
	if (actions == NULL)
		return;
	free(actions->list);
	free(actions);
}

struct action *
actions_get(struct actions *actions, const struct config_action *config)
{
	invariant(config->index < actions->count);
	return &actions->list[config->index];
}

struct action *
actions_find(struct actions *actions, struct str name)
{
	size_t i;

	for (i = 0; i < actions->count; i++)
		if (actions->list[i].config != NULL && str_equal(str_of(actions->list[i].config->name), name))
			return &actions->list[i];
	return NULL;
}

bool
action_is_local(const struct action *action)
{
	return action->config->method != CONFIG_METHOD_RELAY;
}

/* --- destinations --- */

/*
 * Up to HOSTS_TICKET_MAX hosts, from the next one on: of a table that is no longer than that always the same, so that all
 * its mail is one destination of the queue.
 */
static bool
write_hosts(struct action *action, struct buf *out)
{
	char host[PROTO_DESTINATION_MAX + 1];
	size_t count = action->hosts->count, taken = count < HOSTS_TICKET_MAX ? count : HOSTS_TICKET_MAX;
	size_t i;

	for (i = 0; i < taken; i++) {
		struct str url = entries_key(action->hosts, (action->next_host + i) % count);
		if (!table_value_host(url, host, sizeof(host), NULL))
			return false;
		if (out->len + 1 + strlen(host) > PROTO_DESTINATION_MAX)
			return i > 0;
		if (!buf_printf(out, "%s%s", i > 0 ? "," : "", host))
			return false;
	}
	if (count > HOSTS_TICKET_MAX)
		action->next_host = (action->next_host + 1) % count;
	return count > 0;
}

bool
action_write_destination(struct action *action, struct str domain, struct buf *out)
{
	if (!buf_printf(out, "%s/", action->config->name))
		return false;
	if (action->hosts != NULL)
		return write_hosts(action, out);
	return domain.len > 0 && buf_append_str(out, domain) && out->len <= PROTO_DESTINATION_MAX;
}

/* --- users --- */

const struct user *
action_get_user(const struct action *action, struct users *users, struct str name, bool fresh, struct users_wait *wait,
    struct user *room)
{
	struct table_user found;
	struct str value;

	if (action->userbase == NULL)
		return users_get(users, name, fresh, wait);
	*room = (struct user){ .status = PROTO_ANSWER_NONE };
	if (!alias_is_user(name) || !table_find(action->userbase, name, &value))
		return room;
	room->status = PROTO_ANSWER_TEMPORARY;
	if (!table_value_user(value, &found) || !str_copy(found.home, room->home, sizeof(room->home)))
		return room;
	room->status = PROTO_ANSWER_FOUND;
	room->uid = found.uid;
	room->gid = found.gid;
	return room;
}
