/* SPDX-License-Identifier: ISC */
/*
 * What a server offers in its answer to EHLO (RFC 5321 section 4.1.1.1). Only what relay makes use of is kept; whatever
 * else a server says there has no effect.
 */
#ifndef RELAY_EXTENSIONS_H
#define RELAY_EXTENSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"

struct extensions {
	bool pipelining;   /* RFC 2920 */
	bool size;         /* RFC 1870 */
	bool eightbitmime; /* RFC 6152 */
	bool dsn;          /* RFC 3461 */
	uint64_t size_max; /* bytes; 0: the server names none */
};

/*
 * Takes line number (from 1) of the answer to EHLO; the first one is a greeting. A reply_line_fn, arg a struct
 * extensions.
 */
void extensions_line(void *arg, unsigned number, struct str text);

#endif
