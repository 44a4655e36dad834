/* SPDX-License-Identifier: ISC */
/*
 * The one encoder of JSON (RFC 8259). Whatever a text holds, what is written is ASCII without control bytes: the rest is
 * escaped, bytes that are no UTF-8 as U+FFFD, so the output may go to a terminal and to any parser (SECURITY U07).
 */
#ifndef CTL_JSON_H
#define CTL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/str.h"

struct json {
	FILE *out;
	bool comma; /* a value stands before the next one */
};

void json_init(struct json *j, FILE *out);

/* Containers; their ends do not check what was begun. name is NULL within an array and at the top. */
void json_begin_object(struct json *j, const char *name);
void json_end_object(struct json *j);
void json_begin_array(struct json *j, const char *name);
void json_end_array(struct json *j);

void json_str(struct json *j, const char *name, struct str value);
void json_text(struct json *j, const char *name, const char *value);
void json_u64(struct json *j, const char *name, uint64_t value);
void json_bool(struct json *j, const char *name, bool value);

/* Parts of one long string: begin, any number of parts that are not cut within a character, end. */
void json_begin_string(struct json *j, const char *name);
void json_string_part(struct json *j, struct str part);
void json_end_string(struct json *j);

/* The end of a document at the top. */
void json_end_line(struct json *j);

#endif
