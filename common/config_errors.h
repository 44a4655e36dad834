/* SPDX-License-Identifier: ISC */
/*
 * Errors and warnings of one parse on their way to the caller: put into words with their place, counted, and no more
 * than CONFIG_ERRORS_MAX of them.
 */
#ifndef COMMON_CONFIG_ERRORS_H
#define COMMON_CONFIG_ERRORS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config.h"

struct config_errors {
	config_report *report;
	void *arg;
	size_t count; /* errors, warnings not counted */
};

/* Reports one; after the last that is allowed it says so and keeps silent. Returns false, like error_set. */
bool config_error(struct config_errors *errors, const struct config_place *place, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

void config_warning(struct config_errors *errors, const struct config_place *place, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* True when as many errors were reported as are allowed: time to give up. */
bool config_errors_full(const struct config_errors *errors);

#endif
