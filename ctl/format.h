/* SPDX-License-Identifier: ISC */
/*
 * Text for people: spans of time, sizes, columns. What came from outside goes through format_put alone, which writes
 * printable ASCII and escapes the rest as \xNN, to a terminal or not (SECURITY U07).
 */
#ifndef CTL_FORMAT_H
#define CTL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/str.h"

#define FORMAT_SPAN_MAX     32
#define FORMAT_SIZE_MAX     32
#define FORMAT_ID_MAX       32
#define FORMAT_DISTANCE_MAX (FORMAT_SPAN_MAX + 4)

/* Writes value, escaped. Returns how many columns it took. */
size_t format_put(FILE *out, struct str value);

/* Likewise, and spaces up to width columns. */
void format_column(FILE *out, struct str value, size_t width);

/* Writes lines of a text as they are, but for bytes that are no printable ASCII, tab or new line; CR before LF is left out. */
void format_put_lines(FILE *out, struct str text);

/* "12s", "5m", "3h20m", "2d4h", from seconds; dst has FORMAT_SPAN_MAX bytes. Returns dst. */
const char *format_span(int64_t seconds, char *dst);

/* "now", "12s ago", "in 3h20m", from milliseconds that are to come; dst has FORMAT_DISTANCE_MAX bytes. Returns dst. */
const char *format_distance(int64_t ms, char *dst);

/* Reads what format_span writes; a number alone is seconds. Returns false when text is no span, or is longer than max_s. */
bool format_read_span(const char *text, uint64_t max_s, uint64_t *out_s);

/* Ends a word that stands behind a number: "s", or nothing behind 1. */
const char *format_plural(uint64_t number);

/* "517", "4.1K", "35M", from bytes; dst has FORMAT_SIZE_MAX bytes. Returns dst. */
const char *format_size(uint64_t bytes, char *dst);

/* Sixteen hexadecimal digits; dst has FORMAT_ID_MAX bytes. Returns dst. */
const char *format_id(uint64_t message, char *dst);

/*
 * Reads what format_id wrote, leading zeros optional, and behind a ":" a recipient's number: *one tells whether there was
 * one. Returns false when text is no id, or 0.
 */
bool format_read_id(const char *text, uint64_t *message, bool *one, uint64_t *number);

#endif
