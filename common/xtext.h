/* SPDX-License-Identifier: ISC */
/*
 * xtext (RFC 3461 section 4): how ENVID and ORCPT write any bytes within one word of a command. "+" and two upper case
 * hexadecimal digits are a byte, "!" to "~" but "+" and "=" are themselves, and nothing else may stand there.
 */
#ifndef COMMON_XTEXT_H
#define COMMON_XTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/str.h"

/* Whether s is xtext. The empty string is; a parameter's value has to be looked at for that. */
bool xtext_is_valid(struct str s);

/*
 * Writes the bytes that in stands for, whatever they are, into out of max bytes; not terminated. Returns how many; 0 when
 * in is not xtext, is empty, or stands for more than max.
 */
size_t xtext_decode(struct str in, char *out, size_t max);

/* Writes in as xtext, three bytes for one at most, into out of max bytes; not terminated. Returns how many; 0 without room. */
size_t xtext_encode(struct str in, char *out, size_t max);

#endif
