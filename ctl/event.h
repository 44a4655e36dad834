/* SPDX-License-Identifier: ISC */
/* One event of history, for people and as JSON. */
#ifndef CTL_EVENT_H
#define CTL_EVENT_H

#include <stdio.h>

#include "common/proto.h"
#include "ctl/json.h"

/* A line of a listing: when, what, which message, from whom to whom, and what was said. */
void event_print_line(FILE *out, const struct msg_history_entry *e);

/* A sentence: what happened to one recipient, and why. */
void event_print_sentence(FILE *out, const struct msg_history_entry *e);

void event_json(struct json *j, const struct msg_history_entry *e);

/* What a cause means, for people; "" for none. */
const char *event_cause_sentence(unsigned cause);

#endif
