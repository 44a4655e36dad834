/* SPDX-License-Identifier: ISC */
/*
 * An error is a kind that decides what a mail server does next, and a text that explains it to a person: which file,
 * which value, what was expected. A function sets it only when it fails; it either logs or returns an error, never both.
 */
#ifndef COMMON_ERROR_H
#define COMMON_ERROR_H

#include <stdbool.h>

#define ERROR_TEXT_MAX 511

enum error_kind {
	ERROR_TEMPORARY, /* 4xx: keep, try again */
	ERROR_PERMANENT, /* 5xx: refuse, bounce, stop at start */
	ERROR_PEER,      /* the other side broke the protocol: close it */
};

struct error {
	enum error_kind kind;
	char text[ERROR_TEXT_MAX + 1];
};

/*
 * Fills in err, unless it is NULL; a text that is too long is cut. Returns false, so that a failing function can say
 * "return error_set(...)".
 */
bool error_set(struct error *err, enum error_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
