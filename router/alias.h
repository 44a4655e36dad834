/* SPDX-License-Identifier: ISC */
/*
 * The language of alias values: a comma-separated list of where mail goes. Quotes and backslashes protect what they
 * enclose; a "#" behind a blank begins a comment. Nothing here is ever expanded, or given to a shell: an element is one of the
 * kinds below or the value is refused.
 */
#ifndef ROUTER_ALIAS_H
#define ROUTER_ALIAS_H

#include <stdbool.h>

#include "common/address.h"
#include "common/error.h"
#include "common/str.h"
#include "router/limits.h"

enum alias_kind {
	ALIAS_USER,    /* text: a name, looked up again under the same rule; in lower case */
	ALIAS_ADDRESS, /* address: goes through all rules */
	ALIAS_ERROR,   /* code and text: the recipient is refused with this reply */
	ALIAS_INCLUDE, /* text: the path of a file of such lists */
	ALIAS_COMMAND, /* text: what follows the "|" */
	ALIAS_FILE     /* text: the path */
};

struct alias_element {
	enum alias_kind kind;
	struct str text; /* a view into the reader, until the next alias_read */
	unsigned code;
	struct address address;
};

struct alias_reader {
	struct str rest;
	char text[ALIAS_ELEMENT_MAX + 1]; /* of the element, without quotes */
};

enum alias_found { ALIAS_ELEMENT, ALIAS_END, ALIAS_BAD };

/* Begins to read value, one line, of which a view is kept. */
void alias_begin(struct alias_reader *r, struct str value);

/* The next element into *out; ALIAS_BAD with err set, without place, when the value is not in the language. */
enum alias_found alias_read(struct alias_reader *r, struct alias_element *out, struct error *err);

/* A name that a local user may have: letters, digits, "_", ".", "+", "-"; at most 64 bytes. */
bool alias_is_user(struct str name);

#endif
