/* SPDX-License-Identifier: ISC */
/*
 * Standard input, kept in memory as far as it is not too large, so that a message can be sent again when the daemon
 * restarts in the middle of it. What is larger passes by once.
 */
#ifndef CTL_SOURCE_H
#define CTL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/str.h"

struct source {
	int fd;
	struct buf kept; /* from the start of the input */
	size_t at;       /* what of it was taken */
	bool ended;      /* fd has no more */
	bool passed;     /* bytes went by that were not kept */
};

void source_init(struct source *s, int fd);
void source_clear(struct source *s);

/* Reads until the end, or until as much is kept as may be. Returns false and sets err when it cannot be read. */
bool source_fill(struct source *s, struct error *err);

/*
 * Copies the next bytes, at most size, to dst. *got is 0 at the end. Returns false and sets err as above.
 */
bool source_read(struct source *s, char *dst, size_t size, size_t *got, struct error *err);

/* What is kept and not taken yet; source_skip takes of it. */
struct str source_ahead(const struct source *s);
void source_skip(struct source *s, size_t len);

/* Goes back to the place where `at` was `mark`. Returns false when something behind it was not kept. */
bool source_rewind(struct source *s, size_t mark);

#endif
