/* SPDX-License-Identifier: ISC */
/*
 * The server name: what this machine calls itself in greetings, in Received lines and in EHLO. The first line of
 * /etc/mailname (or /etc/mail/mailname) where there is one, else the machine's host name, completed from /etc/hosts when
 * it has no dot. DNS is not asked: a start must not wait for a name server that is gone.
 */
#ifndef COMMON_HOSTNAME_H
#define COMMON_HOSTNAME_H

#include <stdbool.h>
#include <stddef.h>

#include "common/str.h"

/*
 * Writes the server name, in lower case and terminated, into out. Reads files: before confinement. Returns false, out
 * empty, when what was found is no domain name (RFC 5321 section 4.1.2) or does not fit.
 */
bool hostname_get(char *out, size_t size);

/* hostname_get for the files in the folder etc, of a machine whose host name is host: for tests. */
bool hostname_find(const char *etc, struct str host, char *out, size_t size);

#endif
