/* SPDX-License-Identifier: ISC */
/*
 * The tree in words, every field with its place, for tests and for whoever wants to see what a configuration was taken
 * for. With the contents of tables and keys in it: not for a log.
 */
#ifndef COMMON_CONFIG_DUMP_H
#define COMMON_CONFIG_DUMP_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/config.h"

/* Appends the tree. Returns false, with a part of it appended, when out does not hold it. */
bool config_dump(const struct config *config, struct buf *out);

#endif
