/* SPDX-License-Identifier: ISC */
/* What all commands do alike: connect, tell a failure as text or JSON, and end. */
#ifndef CTL_ANSWER_H
#define CTL_ANSWER_H

#include "common/error.h"
#include "ctl/command.h"
#include "ctl/wire.h"

/* Connects; NULL after telling why not. */
struct wire *answer_connect(const struct options *options);

/* Tells a failure: on standard error, with --json also as {"ok":false,"error":...}. Closes w. Returns the exit code. */
int answer_failed(const struct options *options, struct wire *w, const struct error *err);

/*
 * Ends a command that has written to standard output: closes w, and returns COMMAND_OK, or COMMAND_FAILED after telling
 * that the output could not be written.
 */
int answer_done(struct wire *w);

/* Tells that text is no message id. Returns the exit code. */
int answer_no_id(const char *text);

#endif
