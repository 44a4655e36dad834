/* SPDX-License-Identifier: ISC */
/*
 * Values of tables: a user of a userbase, and the relay URL. Each is checked when its table is opened, so that a mistake is
 * told with file and line, and read again when it is asked for.
 */
#ifndef ROUTER_TABLE_VALUE_H
#define ROUTER_TABLE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/proto.h"
#include "common/str.h"
#include "router/entries.h"

struct table_user {
	uint32_t uid, gid;
	struct str home; /* a view into the value */
};

/* Reads "uid:gid:home"; home is absolute, or empty. Returns false when value is anything else. */
bool table_value_user(struct str value, struct table_user *out);

/* Writes the URL as destinations have it, "smtp://host:port". Returns false and sets err when text is no relay URL, or does not fit. */
bool table_value_host(struct str text, char *out, size_t size, struct error *err);

/* Checks every entry. Returns false and sets err, with file and line, at the first that is wrong. */
bool table_value_check_users(const struct entries *entries, struct error *err);
bool table_value_check_hosts(const struct entries *entries, struct error *err);

#endif
