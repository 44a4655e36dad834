/* SPDX-License-Identifier: ISC */
/*
 * The commands (RFC 5321 section 4.1): one table says which verbs there are, in which states each may come and what runs
 * it; 503 is said by the walk over that table and nowhere else, and EHLO and HELP print from it.
 */
#ifndef SMTPD_COMMAND_H
#define SMTPD_COMMAND_H

#include "common/config.h"
#include "common/str.h"

struct session;

/* Runs a line without its CR LF. */
void command_run(struct session *s, struct str line);

/* Before the first command. Keeps config. */
void command_configure(const struct config *config);

#endif
