/* SPDX-License-Identifier: ISC */
/*
 * A table used as aliases: every value is read once when it is opened, so that mistakes are told with file and line
 * before mail meets them, and the files it includes are read, before confinement. A mistake does not keep the table from
 * being used: the names concerned are answered 451.
 */
#ifndef ROUTER_ALIAS_TABLE_H
#define ROUTER_ALIAS_TABLE_H

#include <stdbool.h>

#include "common/error.h"
#include "common/str.h"
#include "router/entries.h"

struct alias_table;

/* Returns fresh, keeping a view of entries; NULL with err set when an included file cannot be read. Logs warnings. */
struct alias_table *alias_table_new(const struct entries *entries, struct error *err);
void alias_table_free(struct alias_table *t);

/* The value of key. Returns false when there is none. */
bool alias_table_find(const struct alias_table *t, struct str key, struct str *value);

/* The contents of an included file: lines, each such a value. Returns false when no alias names that path. */
bool alias_table_include(const struct alias_table *t, struct str path, struct str *text);

/* The next line of an included file that is not empty and no comment. Returns false at the end. */
bool alias_table_line(struct str *rest, struct str *line, unsigned *number);

#endif
