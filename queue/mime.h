/* SPDX-License-Identifier: ISC */
/*
 * Writes what is not ours into a message of ours: cleaned, folded and encoded, so that no byte of it can end a line, make
 * one over 998 bytes, or begin a field. A writer that found no room stays so, and writes nothing more.
 */
#ifndef QUEUE_MIME_H
#define QUEUE_MIME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/str.h"

#define MIME_LINE_MAX 998 /* bytes of a line without its CRLF, RFC 5322 section 2.1.1 */

struct mime_writer {
	struct buf *out;
	bool ok;
	bool utf8; /* mime_put_clean and mime_put_folded keep what is UTF-8 and printable */
};

/* Our own words as they are. */
void mime_put(struct mime_writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void mime_put_str(struct mime_writer *w, struct str s);

/* Bytes from outside: what is not printable becomes a question mark. */
void mime_put_clean(struct mime_writer *w, struct str s);

/*
 * Likewise in as many lines as it takes, each with its CRLF and begun with indent; the first follows what stands on its
 * line already.
 */
void mime_put_folded(struct mime_writer *w, const char *indent, struct str s);

/* "field: " and the date of a calendar time in milliseconds (RFC 5322 section 3.3). */
void mime_put_date(struct mime_writer *w, const char *field, int64_t ms);

/* The value of an unstructured field of ours, to its CRLF; in encoded words where it is not ASCII (RFC 2047). */
void mime_put_subject(struct mime_writer *w, struct str text);

/* Lines that end with CRLF, in quoted-printable (RFC 2045 section 6.7). */
void mime_put_quoted_printable(struct mime_writer *w, struct str text);

/* s has a printable character above ASCII, in UTF-8. */
bool mime_holds_utf8(struct str s);

/* Whether every line ends with CRLF, has at most MIME_LINE_MAX bytes, and no NUL, CR or LF within. */
bool mime_has_plain_lines(struct str s);

#endif
