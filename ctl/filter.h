/* SPDX-License-Identifier: ISC */
/*
 * The options that say which recipients a command is about: --sender, --recipient and so on, each once, all of which must
 * hold; and their words back, for whoever reads the log.
 */
#ifndef CTL_FILTER_H
#define CTL_FILTER_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/error.h"
#include "common/proto.h"

enum { FILTER_OPTION = 256, FILTERS_MAX = 16 };

/* Writes the long options, whose values are FILTER_OPTION and on. Returns how many, at most FILTERS_MAX. */
size_t filter_options(struct option *out);

/* Writes their names, each behind a space. */
void filter_help(FILE *out);

/* Takes the option of that value. Returns false with err set when its text is not what it wants. */
bool filter_take(struct proto_query *query, int option, const char *text, struct error *err);

/* Names of the filters of a query, and the texts that are no numbers: "sender=<a@d.example> older". */
void filter_print(const struct proto_query *query, struct buf *out);

#endif
