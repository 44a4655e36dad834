/* SPDX-License-Identifier: ISC */
/* A file that did not exist before, of its owner alone, which is there whole or not at all; "-" is standard output. */
#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include <stdbool.h>

#include "common/error.h"
#include "common/str.h"

struct output {
	const char *name;
	int fd;
	bool made; /* by us: taken away where it does not become whole */
};

/* name has to last. False with err set: it is there already, or cannot be made; and where mail would go to a terminal. */
bool output_open(struct output *o, const char *name, struct error *err);

bool output_write(struct output *o, struct str bytes, struct error *err);

/* Syncs and closes it. False with err set where it is not on disk; it is taken away then. */
bool output_finish(struct output *o, struct error *err);

/* Takes it away. */
void output_discard(struct output *o);

#endif
