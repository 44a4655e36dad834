/* SPDX-License-Identifier: ISC */
/*
 * Characters of UTF-8 (RFC 3629 section 4): shortest form only, no surrogates, nothing above U+10FFFF. And which of them
 * may be shown to people: those that neither control a terminal nor make a text look like another.
 */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"

/* The character at the start of s: returns its bytes and sets *out; 0 when s is empty or no UTF-8 stands there. */
size_t utf8_read(struct str s, uint32_t *out);

/* No control of C0 or C1, no separator of lines, no change of the text's direction, and a character at all. */
bool utf8_is_printable(uint32_t point);

/* All of s is UTF-8. */
bool utf8_is_valid(struct str s);

/* s has a byte above 0x7f. */
bool utf8_is_needed(struct str s);

#endif
