/* SPDX-License-Identifier: ISC */
/*
 * A site's own words for the reports that senders get: a file of sections [failure], [delay] and [success], each with a
 * subject and a text in UTF-8 that has placeholders (postern.conf(5), TEMPLATES). It is checked whole when it is read:
 * what a struct bounce_template holds can be shown as it is. Placeholders are found by one function, for these texts and
 * for those that are built in.
 */
#ifndef COMMON_BOUNCE_TEMPLATE_H
#define COMMON_BOUNCE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/str.h"

#define BOUNCE_TEMPLATE_MAX              16384 /* bytes of the file */
#define BOUNCE_TEMPLATE_SUBJECT_MAX      200   /* bytes of a subject */
#define BOUNCE_TEMPLATE_PLACEHOLDERS_MAX 20    /* placeholders in a section */

/* clang-format off */
/* P(word, name, in_templates): what may stand in braces; the others are for texts that are built in */
#define BOUNCE_PLACEHOLDERS(P) \
	P("hostname",   HOSTNAME,   true) \
	P("contact",    CONTACT,    true) \
	P("arrival",    ARRIVAL,    true) \
	P("message",    MESSAGE,    true) \
	P("recipients", RECIPIENTS, true) \
	P("hop",        HOP,        false) \
	P("tries",      TRIES,      false) \
	P("until",      UNTIL,      false) \
	P("more",       MORE,       false)
/* clang-format on */

enum bounce_placeholder {
#define P(word, name, in_templates) BOUNCE_PLACEHOLDER_##name,
	BOUNCE_PLACEHOLDERS(P)
#undef P
	    BOUNCE_PLACEHOLDER_NONE, /* the end of the text */
	BOUNCE_PLACEHOLDER_UNKNOWN   /* in braces, and none of these */
};

enum bounce_section { BOUNCE_SECTION_FAILURE, BOUNCE_SECTION_DELAY, BOUNCE_SECTION_SUCCESS, BOUNCE_SECTIONS };

struct bounce_template {
	char *text; /* what the others are views of; its lines end with LF */
	struct {
		struct str subject;
		struct str body;
	} sections[BOUNCE_SECTIONS];
};

/*
 * Takes from the front of *rest the text before its first placeholder, and that. A "{" that no word of small letters and
 * a "}" follow is text. *word, where it is not NULL, becomes what stands in the braces.
 */
enum bounce_placeholder bounce_placeholder_next(struct str *rest, struct str *text, struct str *word);

/*
 * Checks and takes apart the text of the file named name. Returns false, *out empty, with err set (ERROR_PERMANENT): file,
 * line, what is wrong and what was expected. Frees nothing; text is copied.
 */
bool bounce_template_parse(const char *name, struct str text, struct bounce_template *out, struct error *err);

/* Reads the file at path, and parses it. Failure as above; a file that cannot be read is told without a line. */
bool bounce_template_read(const char *path, struct bounce_template *out, struct error *err);

/* Frees what it holds. */
void bounce_template_clear(struct bounce_template *template);

#endif
