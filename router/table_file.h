/* SPDX-License-Identifier: ISC */
/*
 * Files of tables: one entry a line, blanks at both ends dropped, empty lines and those that begin with "#" left out. A
 * list has a key a line; in a mapping a blank or ":" ends the key, and the rest of the line is its value. The file is
 * read once, before confinement, whole.
 */
#ifndef ROUTER_TABLE_FILE_H
#define ROUTER_TABLE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/str.h"
#include "router/entries.h"

/*
 * Reads the file path, at most max bytes of it. It has to be a regular file that nobody but root and the user of this process may write to.
 * Returns true and sets *out, whose bytes the caller frees; on failure false, with err: the path and what is wrong.
 */
bool table_file_read(const char *path, size_t max, struct str *out, struct error *err);

enum table_form {
	TABLE_FORM_LIST,
	TABLE_FORM_MAPPING,
	TABLE_FORM_EITHER /* as the first entry, or "# @list" before it, decides */
};

/*
 * Adds the entries of text, which is e's text, in that form. found is the form they had: of an empty text
 * TABLE_FORM_EITHER. Returns false and sets err to "FILE:LINE: ..." when a line is no entry.
 */
bool table_file_entries(
    struct str text, enum table_form form, struct entries *e, enum table_form *found, struct error *err);

#endif
