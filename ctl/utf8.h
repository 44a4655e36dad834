/* SPDX-License-Identifier: ISC */
/* Characters of UTF-8 (RFC 3629), strictly: no overlong form, no surrogate, nothing above U+10FFFF. */
#ifndef CTL_UTF8_H
#define CTL_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "common/str.h"

/* The character at the front of s, which is not empty. Returns its length in bytes, 0 when there is none. */
size_t utf8_take(struct str s, uint32_t *code);

/* The length of the front of s that ends with a whole character, or with bytes that are none: what may be handed on when
 * more is to come. */
size_t utf8_whole(struct str s);

#endif
