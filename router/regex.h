/* SPDX-License-Identifier: ISC */
/*
 * Extended regular expressions of POSIX, for one question: does the text match anywhere? A pattern becomes a program of
 * a bounded number of steps, and all ways through it are followed side by side, so that a match costs at most steps times
 * bytes whatever the pattern and the text: there is no text that makes it explode, and none of it needs memory.
 *
 * The case of ASCII letters is ignored. Beyond POSIX: \d \D \s \S \w \W \b \B. Not there: back-references, "(?", collating
 * elements.
 */
#ifndef ROUTER_REGEX_H
#define ROUTER_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/str.h"

struct regex;

/* Compiles pattern; "(?i)" before it is allowed, and means nothing. Returns fresh, NULL with err set: what is wrong, and where. */
struct regex *regex_new(struct str pattern, struct error *err);
void regex_free(struct regex *r);

/* Whether the pattern matches somewhere in text. Not for two threads at once. */
bool regex_match(struct regex *r, struct str text);

/* Steps of the program: the cost of a byte of text, at worst. */
size_t regex_steps(const struct regex *r);

#endif
