/* SPDX-License-Identifier: ISC */
/*
 * Parameters of MAIL and RCPT (RFC 5321 section 4.1.2, esmtp-param): a table of those that are known. What is unknown,
 * given twice or has a bad value is refused by name; after HELO there are none, and those of an extension that the client is
 * not offered are unknown.
 */
#ifndef SMTPD_PARAMETER_H
#define SMTPD_PARAMETER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"
#include "common/str.h"

struct session;

/* What was given, all 0 where it was not; the texts are views into the command. */
struct parameters {
	/* of MAIL */
	uint64_t size;        /* SIZE, RFC 1870 */
	enum proto_body body; /* BODY, RFC 6152 */
	enum proto_ret ret;   /* RET and ENVID, RFC 3461 */
	struct str envid;
	/* of RCPT */
	unsigned notify; /* NOTIFY, a set of enum proto_notify, and ORCPT, RFC 3461 */
	struct str orcpt;
};

/* Reads what follows the path into out, which is all 0 before. Returns false after a reply was made. */
bool parameter_read_mail(struct session *s, struct str text, struct parameters *out);
bool parameter_read_rcpt(struct session *s, struct str text, struct parameters *out);

#endif
