/* SPDX-License-Identifier: ISC */
/*
 * Bytes of a client become command lines and pieces of a message. A line ends in CR LF; what is pipelined is run in order,
 * but nothing is run ahead of an answer that it depends on: RCPTs are asked together, all else waits for their answers.
 */
#ifndef SMTPD_INPUT_H
#define SMTPD_INPUT_H

#include <stdbool.h>

#include "common/str.h"

struct session;

/* Runs what can be run of *in; what is left has to wait, or is part of a line. */
void input_run(struct session *s, struct str *in);

/* Whether the session cannot take input now, whatever comes. */
bool input_blocked(const struct session *s);

#endif
