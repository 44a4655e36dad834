/* SPDX-License-Identifier: ISC */
/*
 * Statements that one process makes and another believes although they pass through the hands of a third: a ticket
 * (router to queue, by smtpd), a delivery statement (router to parent, by queue). The encoded struct and a MAC
 * (HMAC-SHA256) under a key that only the two have; type is covered, so that one kind cannot pass for another.
 */
#ifndef COMMON_SEAL_H
#define COMMON_SEAL_H

#include <stdbool.h>

#include "common/proto.h"

#define SEAL_MAC_SIZE 32

struct seal;

/* Makes ready to seal and open under key, of 32 bytes. Before confinement. Fatal when the library fails. */
struct seal *seal_new(struct str key);

/* Wipes the key. Accepts NULL. */
void seal_free(struct seal *s);

/* Appends the sealed msg of that type to out. Returns false when it is over a limit or out has no room. */
bool seal_make(struct seal *s, enum proto_type type, const void *msg, struct buf *out);

/*
 * Fills msg, views into sealed, when sealed is exactly what seal_make made under the same key and for the same type; the
 * MAC is compared in constant time and before anything is decoded. Else returns false.
 */
bool seal_open(struct seal *s, enum proto_type type, struct str sealed, void *msg);

#endif
