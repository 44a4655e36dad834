/* SPDX-License-Identifier: ISC */
/*
 * Mail addresses of the envelope (RFC 5321 section 4.1.2, 4.1.3; RFC 6531 section 3.3 for UTF-8). This is the only
 * parser of addresses in the tree: everything that needs local part or domain gets it from a struct address that was
 * made here. Strict: what is not in the grammar is refused with a reason, nothing is repaired. Quotes that are not
 * needed are removed, so that equal addresses are equal bytes.
 */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/str.h"

#define ADDRESS_LOCAL_MAX  64  /* bytes, RFC 5321 section 4.5.3.1.1; of the decoded local part and of its quoted form */
#define ADDRESS_DOMAIN_MAX 255 /* bytes, section 4.5.3.1.2 */
#define ADDRESS_PATH_MAX   256 /* bytes, section 4.5.3.1.3: on input, with angle brackets and source route */
#define ADDRESS_MAX        (2 * ADDRESS_LOCAL_MAX + 2 + 1 + ADDRESS_DOMAIN_MAX) /* bytes of the written form */

/*
 * local is decoded: without quotes and backslashes; it never holds NUL or control bytes. domain is in lower case
 * (ASCII), "" for the null path and <postmaster>; a literal is in brackets and in canonical form: "[192.0.2.1]",
 * "[ipv6:2001:db8::1]".
 */
struct address {
	char local[ADDRESS_LOCAL_MAX + 1];
	char domain[ADDRESS_DOMAIN_MAX + 1];
	bool null; /* the null reverse-path <> */
	bool utf8; /* has bytes above 0x7f: needs SMTPUTF8 */
};

/*
 * Without ADDRESS_UTF8_ALLOWED bytes above 0x7f are an error. Who has to tell "553 5.6.7" from "501" allows them and
 * looks at utf8 then.
 */
enum address_rules {
	ADDRESS_NULL_ALLOWED = 1,       /* "<>": reverse-paths */
	ADDRESS_POSTMASTER_ALLOWED = 2, /* "<postmaster>" without domain, any case: RCPT (section 4.5.1) */
	ADDRESS_UTF8_ALLOWED = 4,       /* RFC 6531 */
	ADDRESS_LOCAL_ONLY_ALLOWED = 8, /* "<user>" without domain, for the local submission path and sendmail */
};

/*
 * Parses a path at the start of s: "<" [ A-d-l ":" ] Mailbox ">" and, where rules allow, its special forms. A source
 * route is checked, and dropped (section 3.6.1, appendix C). *rest is what follows the ">": it is for the caller to see
 * that nothing or a space stands there. On failure returns false and sets err (ERROR_PERMANENT) with the reason; *out
 * and *rest are untouched.
 */
bool address_parse_path(struct str s, unsigned rules, struct address *out, struct str *rest, struct error *err);

/* Parses a whole Mailbox without angle brackets. Failure as above. */
bool address_parse(struct str s, unsigned rules, struct address *out, struct error *err);

/*
 * Writes the address in its wire form, local part quoted where it has to be, without angle brackets; "" for the null
 * path. dst has at least ADDRESS_MAX + 1 bytes. What is written parses back to the same address. Returns the length.
 */
size_t address_format(const struct address *address, char *dst);

bool address_equal(const struct address *a, const struct address *b); /* local part by bytes, domain in any case */

/* A host name or domain (section 4.1.2): ASCII labels of at most 63 bytes, hyphens only inside, 255 bytes in all. */
bool address_is_domain(struct str s);

/*
 * An address literal in brackets (section 4.1.3): "[192.0.2.1]" or "[IPv6:2001:db8::1]". A general one needs a tag that
 * IANA has registered, and there is none but IPv6.
 */
bool address_is_literal(struct str s);

/* A name as EHLO or HELO may give it: a domain or an address literal; underscores in labels are tolerated there. */
bool address_is_helo(struct str s);

#endif
