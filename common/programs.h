/* SPDX-License-Identifier: ISC */
/*
 * Where the other programs of Postern are: beside this one in the build tree; where this one is in sbin, in
 * libexec/postern beside that.
 */
#ifndef COMMON_PROGRAMS_H
#define COMMON_PROGRAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/* The directory's path, into the array out of size bytes. False with err set where it cannot be told. */
bool programs_directory(char *out, size_t size, struct error *err);

#endif
