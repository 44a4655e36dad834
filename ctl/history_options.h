/* SPDX-License-Identifier: ISC */
/* The options that only history takes, beside those of a query: --since, --event and so on. */
#ifndef CTL_HISTORY_OPTIONS_H
#define CTL_HISTORY_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/str.h"

enum { HISTORY_OPTION = 512, HISTORY_OPTIONS_MAX = 8 };

/* Zero where an option was not given. */
struct history_options {
	bool given; /* any of them */
	bool reverse;
	bool follow;
	unsigned event; /* enum record_event */
	uint64_t since_us;
	uint64_t until_us;
	struct str message_id;
	struct str host;
};

/* Writes the long options, at most HISTORY_OPTIONS_MAX, whose values are HISTORY_OPTION and on. */
void history_options_put(struct option *out);

/* Writes their names, each behind a space. */
void history_options_help(FILE *out);

/* Takes the option of that value. Returns false, after telling on standard error, when its text is not what it wants. */
bool history_options_take(struct history_options *options, int option, const char *text);

/*
 * A time: "2h" is so long ago, "2026-11-24", "2026-11-24T13:05" and "2026-11-24T13:05:07" are of local time, or with a "Z"
 * of UTC. now_us: the present. Microseconds since 1970.
 */
bool history_options_time(const char *text, uint64_t now_us, uint64_t *out_us);

#endif
