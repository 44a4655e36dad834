/* SPDX-License-Identifier: ISC */
/*
 * Tables as rules and actions see them, whatever they are made of: lists and mappings of the configuration, files, and
 * those that are built in. A table is opened for a service, a way of asking, before confinement: it is read whole, and
 * what the service could not use is refused with file and line. Asking costs a few steps of an index.
 */
#ifndef ROUTER_TABLE_H
#define ROUTER_TABLE_H

#include <stdbool.h>

#include "common/config.h"
#include "common/error.h"
#include "common/str.h"
#include "router/alias_table.h"
#include "router/match.h"

enum table_service {
	TABLE_STRING,   /* tag; names of users */
	TABLE_DOMAIN,   /* for domain, helo */
	TABLE_NETADDR,  /* from src */
	TABLE_MAILADDR, /* mail-from, rcpt-to */
	TABLE_REGEX,    /* any of these, with regex */
	TABLE_ALIAS,    /* alias: value is a list, see alias.h */
	TABLE_USERINFO, /* userbase: value is uid:gid:home */
	TABLE_HOSTS,    /* relay host: entries are URLs */
	TABLE_SERVICE_COUNT
};

struct names;
struct table;
struct tables;

/* No table is open yet. Keeps a view of config and names. Returns fresh; fatal when there is no memory. */
struct tables *tables_new(const struct config *config, const struct names *names);
void tables_free(struct tables *tables);

/*
 * The table, made ready for service; opening it again is cheap. NULL with err set when it cannot be read, or its contents
 * do not fit: the file and line of the entry, else those of place, which uses it.
 */
const struct table *table_open(struct tables *tables, const struct config_table *config, enum table_service service,
    const struct config_place *place, struct error *err);

/* The built-in table <localnames>, opened for TABLE_DOMAIN. NULL with err set when that fails. */
const struct table *tables_localnames(struct tables *tables, struct error *err);

/* Whether the table is the built-in <getpwnam>: the users of the system. */
bool table_is_system_users(const struct config_table *config);

/* Asks a table of conditions, of the service it was opened for. */
bool table_has(const struct table *table, enum table_service service, const struct table_key *key);

/* The value of key in a mapping that was opened for TABLE_USERINFO. Returns false when there is none. */
bool table_find(const struct table *table, struct str key, struct str *value);

/* The aliases of a table opened for TABLE_ALIAS. */
const struct alias_table *table_aliases(const struct table *table);

/* The entries of a table opened for TABLE_HOSTS. */
const struct entries *table_list(const struct table *table);

#endif
