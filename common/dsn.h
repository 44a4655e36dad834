/* SPDX-License-Identifier: ISC */
/*
 * Values of the parameters by which a sender says what it wants to be told (RFC 3461), as they stand in a command. smtpd
 * takes no others from a client, and relay, which believes nobody, writes no others to a server.
 */
#ifndef COMMON_DSN_H
#define COMMON_DSN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"

/* ENVID: xtext of printable ASCII, at most PROTO_ENVID_MAX bytes (section 4.4). */
bool dsn_is_envid(struct str value);

/* ORCPT: an atom, ";" and xtext of printable ASCII, at most PROTO_ORCPT_MAX bytes (section 4.2). */
bool dsn_is_orcpt(struct str value);

/* NOTIFY: a set of enum proto_notify that is not empty; NEVER stands alone (section 4.1). */
bool dsn_is_notify(uint64_t set);

#endif
