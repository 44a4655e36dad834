/* SPDX-License-Identifier: ISC */
/* The numbers of the daemon: those of all its processes, equal names added up. */
#ifndef CTL_STATUS_H
#define CTL_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/limits.h"
#include "ctl/wire.h"

#define STATUS_NAME_MAX    64
#define STATUS_VERSION_MAX 31

struct status {
	struct status_value {
		char name[STATUS_NAME_MAX + 1];
		uint64_t value;
	} values[CTL_VALUES_MAX];
	size_t count;
	char version[STATUS_VERSION_MAX + 1];
};

/* Asks for them; sorted by name. Returns false with err set. */
bool status_get(struct wire *w, struct status *out, struct error *err);

bool status_has(const struct status *s, const char *name);

/* The value of that name, 0 where there is none. */
uint64_t status_value(const struct status *s, const char *name);

#endif
