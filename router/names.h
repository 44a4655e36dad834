/* SPDX-License-Identifier: ISC */
/*
 * What this machine is called and reached by: the server name, and the addresses of its interfaces, as they are when the
 * router starts. From these come the tables that are built in: <localnames>, <localhost>, <anyhost>, <anydestination>.
 */
#ifndef ROUTER_NAMES_H
#define ROUTER_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "router/netaddr.h"

struct names;

/* Asks the system: before confinement. Returns fresh; NULL with err set when the server name or addresses cannot be had. */
struct names *names_gather(struct error *err);

/* With a given name and addresses: for tests. */
struct names *names_new(const char *server, const struct netaddr *addresses, size_t count);
void names_free(struct names *names);

/* The server name, in lower case. */
const char *names_server(const struct names *names);

/* Whether a is an address of this machine: loopback, local, or of an interface. */
bool names_is_own_address(const struct names *names, const struct netaddr *a);

/*
 * The contents of the built-in table of that name, one entry a line. Returns fresh; NULL when it is none of these, or there
 * is no memory.
 */
char *names_table(const struct names *names, const char *table);

#endif
