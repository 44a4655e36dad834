/* SPDX-License-Identifier: ISC */
/*
 * Parameters of MAIL and RCPT (RFC 5321 section 4.1.2, esmtp-param): a table of those that are known. What is unknown,
 * given twice or has a bad value is refused by name; after HELO there are none.
 */
#ifndef SMTPD_PARAMETER_H
#define SMTPD_PARAMETER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"
#include "common/str.h"

struct session;

struct mail_parameters {
	uint64_t size;        /* SIZE, RFC 1870; 0 where it was not given */
	enum proto_body body; /* BODY, RFC 6152 */
};

/* Reads what follows the path. Returns false after a reply was made. */
bool parameter_read_mail(struct session *s, struct str text, struct mail_parameters *out);
bool parameter_read_rcpt(struct session *s, struct str text);

#endif
