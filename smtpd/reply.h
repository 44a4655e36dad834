/* SPDX-License-Identifier: ISC */
/*
 * Every reply that smtpd makes by itself: name, code, enhanced status (RFC 3463), text. What the router decides about a
 * recipient comes with its own. "%s" stands for the one detail a row may have.
 */
#ifndef SMTPD_REPLY_H
#define SMTPD_REPLY_H

#include <stdbool.h>

#include "common/buf.h"

/* clang-format off */
#define REPLIES(R) \
	R(GREETING,           220, "",      "%s ESMTP Postern") \
	R(BYE,                221, "2.0.0", "Bye") \
	R(HELO,               250, "",      "%s") \
	R(OK,                 250, "2.0.0", "Ok") \
	R(SENDER_OK,          250, "2.1.0", "Sender ok") \
	R(ACCEPTED,           250, "2.0.0", "%s Message accepted for delivery") \
	R(HELP,               214, "2.0.0", "%s") \
	R(VRFY,               252, "2.5.2", "Cannot verify; send mail to it and see") \
	R(GO_AHEAD,           354, "",      "Go ahead, end with <CRLF>.<CRLF>") \
	R(SHUTTING_DOWN,      421, "4.3.2", "Service is shutting down, try again later") \
	R(OVERLOADED,         421, "4.3.2", "Too many sessions, try again later") \
	R(TOO_MANY_SESSIONS,  421, "4.7.0", "Too many sessions from your address") \
	R(TOO_MANY_NETWORK,   421, "4.7.0", "Too many sessions from your network") \
	R(TOO_FREQUENT,       421, "4.7.0", "Too many connections, try again in a minute") \
	R(TIMEOUT,            421, "4.4.2", "Timeout, closing") \
	R(TOO_SLOW,           421, "4.4.2", "Message comes in too slowly, closing") \
	R(TOO_MANY_ERRORS,    421, "4.7.0", "Too many errors, closing") \
	R(TOO_MANY_UNKNOWN,   421, "4.7.0", "Too many refused recipients, closing") \
	R(TOO_MANY_IDLE,      421, "4.7.0", "Too many commands without a message, closing") \
	R(ENDLESS_LINE,       421, "4.7.0", "Line without end, closing") \
	R(NOT_SMTP,           421, "4.7.0", "This is SMTP, closing") \
	R(TEMPORARY,          451, "4.3.0", "Temporary failure, try again later") \
	R(NO_ROOM,            452, "4.3.1", "Not enough room to store it now, try again later") \
	R(TOO_MANY_MAILS,     452, "4.5.3", "Too many messages in this session, connect again") \
	R(TOO_MANY_RCPTS,     452, "4.5.3", "Too many recipients, send the others in another message") \
	R(UNKNOWN_COMMAND,    500, "5.5.1", "Command not recognized") \
	R(LINE_TOO_LONG,      500, "5.5.2", "Line too long") \
	R(BARE_IN_COMMAND,    500, "5.5.2", "A line ends in CR LF, and has neither of them inside") \
	R(SYNTAX,             501, "5.5.4", "Syntax: %s") \
	R(BAD_BYTES,          501, "5.5.2", "A command is printable ASCII") \
	R(BAD_SENDER,         501, "5.1.7", "Reverse-path: %s") \
	R(BAD_RCPT,           501, "5.1.3", "Forward-path: %s") \
	R(BAD_HELO,           501, "5.5.4", "Expected a host name or an address literal") \
	R(NOT_IMPLEMENTED,    502, "5.5.1", "Command not implemented") \
	R(OUT_OF_ORDER,       503, "5.5.1", "Out of sequence: expected %s") \
	R(NESTED_MAIL,        503, "5.5.1", "Out of sequence: a transaction is open; RSET ends it") \
	R(NO_VALID_RCPT,      554, "5.5.1", "No valid recipients") \
	R(BAD_PARAMETER,      501, "5.5.4", "Bad value of parameter %s") \
	R(TWICE_PARAMETER,    501, "5.5.4", "Parameter given twice: %s") \
	R(UNKNOWN_PARAMETER,  555, "5.5.4", "Parameter not recognized or not implemented: %s") \
	R(NEEDS_UTF8,         553, "5.6.7", "Address has bytes beyond ASCII, SMTPUTF8 is not offered") \
	R(BARE_IN_DATA,       550, "5.6.11", "Message has a CR without LF or LF without CR; lines end in CR LF") \
	R(TOO_BIG,            552, "5.3.4", "Message is larger than %s bytes") \
	R(LOOP,               554, "5.4.6", "Too many hops: the message loops") \
	R(TEXT_LINE_TOO_LONG, 554, "5.6.0", "Message has a line that is too long") \
	R(HEADER_TOO_BIG,     554, "5.6.0", "Header of the message is too large")
/* clang-format on */

enum reply {
#define R(name, code, enhanced, text) REPLY_##name,
	REPLIES(R)
#undef R
	    REPLY_COUNT
};

/*
 * Appends the reply, with its CR LF; detail, which may be NULL, takes the place of "%s" and is printable ASCII by the time
 * it is here. Returns false when out does not hold it.
 */
bool reply_write(enum reply reply, const char *detail, struct buf *out);

unsigned reply_code(enum reply reply);

#endif
