/* SPDX-License-Identifier: ISC */
/*
 * Which addresses a domain's MX or A records may send us to. A stranger chooses those records, so an address that is
 * not of the public Internet would let him reach into our own network through us: it is refused (SECURITY D06), unless
 * the configuration has it among `mta private-destinations`. This machine's own addresses are refused in any case: mail
 * would come back to us. The check is made on the very address that connect is given.
 */
#ifndef RELAY_NETWORKS_H
#define RELAY_NETWORKS_H

#include <sys/socket.h>

#include <stdbool.h>

#include "common/config.h"
#include "common/error.h"
#include "common/str.h"

/*
 * Reads the table, an inline list (NULL: none is excepted), and this machine's own addresses. Before confinement. Returns
 * false, err set, when an entry is no network.
 */
bool networks_open(const struct config_table *excepted, struct error *err);

/* For tests: exceptions from "ADDRESS[/BITS] ...", and no own addresses. */
bool networks_set(struct str list, struct error *err);

/* NULL when mail may go there; else what is wrong with the address, in a few words. */
const char *networks_refusal(const struct sockaddr *address);

/* Reads "192.0.2.1" or "2001:db8::1" and a port. Returns the length of the address, 0 when text is none. */
socklen_t networks_parse(struct str text, uint16_t port, struct sockaddr_storage *out);

#endif
