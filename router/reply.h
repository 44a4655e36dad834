/* SPDX-License-Identifier: ISC */
/*
 * Every reply that the router gives about a recipient, in one table: code, enhanced status code (RFC 3463), and text,
 * which never holds an address. What the aliases of a site say by themselves ("error:NNN text") is not here.
 */
#ifndef ROUTER_REPLY_H
#define ROUTER_REPLY_H

/* clang-format off */
#define REPLIES(R) \
	R(OK,          250, "2.1.5", "Recipient accepted") \
	R(NO_USER,     550, "5.1.1", "No such user") \
	R(REJECTED,    550, "5.7.1", "Recipient refused") \
	R(NO_RELAY,    550, "5.7.1", "Relaying denied") \
	R(ROOT,        550, "5.2.1", "Deliveries as root are refused: give root an alias") \
	R(LOOP,        550, "5.4.6", "Alias loop: nobody to deliver to") \
	R(DEEP,        550, "5.4.6", "Aliases too deep within each other") \
	R(MANY,        550, "5.4.6", "Too many recipients in aliases") \
	R(TEMPORARY,   451, "4.3.0", "Temporary failure, try again later") \
	R(BAD_ALIAS,   451, "4.3.5", "Mistake in an alias") \
	R(NOT_YET,     451, "4.3.5", "Alias to a command or file: not supported yet") \
	R(POSTMASTER,  451, "4.3.5", "No mailbox for postmaster is configured") \
	R(BUSY,        451, "4.3.2", "Too many recipients wait, try again later") \
	R(GONE,        451, "4.4.2", "The connection was gone")
/* clang-format on */

enum reply {
#define R(name, code, enhanced, text) REPLY_##name,
	REPLIES(R)
#undef R
	    REPLY_COUNT
};

struct reply_row {
	unsigned code;
	const char *enhanced;
	const char *text;
};

const struct reply_row *reply_row(enum reply reply);

#endif
