/* SPDX-License-Identifier: ISC */
/*
 * What was refused, for history: told to the queue, which keeps so much of it as it likes. Mail and sessions that were
 * refused count, mistakes in the protocol do not.
 */
#ifndef SMTPD_REJECTION_H
#define SMTPD_REJECTION_H

#include "smtpd/session.h"

/* Whether that reply says that mail, or a client who may have some, is not taken. */
bool rejection_is(enum reply reply);

/* Tells of a refusal by router. forward_path may be NULL; the reverse-path is the transaction's. */
void rejection_tell(
    const struct session *s, const char *forward_path, unsigned code, struct str enhanced, struct str text);

/* Tells of one by a reply of our own. Where reverse_path is NULL it is that of the transaction, if there is one. */
void rejection_tell_reply(
    const struct session *s, const char *reverse_path, const char *forward_path, enum reply reply, const char *detail);

#endif
