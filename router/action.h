/* SPDX-License-Identifier: ISC */
/*
 * The actions of the configuration with what the router needs of them opened: aliases, userbase, hosts. An action's index is
 * the same in every process.
 */
#ifndef ROUTER_ACTION_H
#define ROUTER_ACTION_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/error.h"
#include "common/str.h"
#include "router/table.h"
#include "router/users.h"

struct action {
	const struct config_action *config;
	const struct alias_table *aliases; /* NULL: none */
	const struct table *userbase;      /* NULL: the users of the system */
	const struct entries *hosts;       /* NULL: by MX */
	size_t next_host;                  /* where the next destination begins, of a table too long for one */
	int64_t ttl_s;                     /* of the action, else of the queue */
};

struct actions;

/* Opens the tables of all actions. Keeps a view of config. Returns fresh; NULL with err set when one cannot be opened. */
struct actions *actions_new(const struct config *config, struct tables *tables, struct error *err);
void actions_free(struct actions *actions);

struct action *actions_get(struct actions *actions, const struct config_action *config);

/* The action of that name, NULL where there is none. */
struct action *actions_find(struct actions *actions, struct str name);

/* Whether the action delivers to users of this machine. */
bool action_is_local(const struct action *action);

/*
 * Appends the destination of mail to domain that this relay action gets: "NAME/domain", or "NAME/" and the URLs of its
 * hosts. Returns false when it does not fit, or there is no host.
 */
bool action_write_destination(struct action *action, struct str domain, struct buf *out);

/*
 * The user of that name in the action's userbase, or of the system: as users_get, whose users and wait these are. An answer
 * from a table goes into *room.
 */
const struct user *action_get_user(const struct action *action, struct users *users, struct str name, bool fresh,
    struct users_wait *wait, struct user *room);

#endif
