/* SPDX-License-Identifier: ISC */
/* One recipient of the queue on paper: a line of the listing, the whole of it with why it is still here, or JSON. */
#ifndef CTL_ENTRY_H
#define CTL_ENTRY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/proto.h"
#include "ctl/json.h"

/* first: nothing was printed before. now_ms: the calendar's time. */
typedef void entry_print_fn(FILE *out, const struct msg_queue_entry *entry, bool first, int64_t now_ms);

entry_print_fn entry_print_line;
entry_print_fn entry_print_whole;

void entry_json(struct json *j, const struct msg_queue_entry *entry);

#endif
