/* SPDX-License-Identifier: ISC */
/* The limits of smtpd: name, value, meaning. A test compares them with smtpd(8). */
#ifndef SMTPD_LIMITS_H
#define SMTPD_LIMITS_H

/* clang-format off */
#define SMTPD_LIMITS(L) \
	L(SMTPD_LINE_MAX,              2048,    "bytes of a command line; over it 500 5.5.2 and the whole line is skipped (RFC 5321 section 4.5.3.1.4 asks for 512)") \
	L(SMTPD_LINE_ENDLESS,          65536,   "bytes of a line that has no end; over it 421 and close") \
	L(SMTPD_TEXT_LINE_MAX,         65536,   "bytes of a line of a message; over it 554 5.6.0 (section 4.5.3.1.6 asks for 1,000)") \
	L(SMTPD_HEADER_MAX,            262144,  "bytes of the header section of a message; over it 554 5.6.0") \
	L(SMTPD_HEADER_FIELDS_MAX,     2000,    "fields of the header section; over it 554 5.6.0") \
	L(SMTPD_HOPS_MAX,              100,     "Received fields; at it 554 5.4.6: the message loops (section 6.3)") \
	L(SMTPD_TICKETS_SIZE_MAX,      4194304, "bytes of tickets of one message; over it 452 4.5.3") \
	L(SMTPD_TICKETS_TOTAL_MAX,     33554432, "bytes of tickets of all messages that are coming in by one worker; over it 452 4.3.1") \
	L(SMTPD_RCPT_PENDING_MAX,      200,     "recipients of one session that the router is asked about at once; of a stranger, as many as may still be refused") \
	L(SMTPD_CHUNK,                 32768,   "bytes of a body that are gathered before they go to the queue") \
	L(SMTPD_WINDOW,                65536,   "bytes of a body on their way to the queue") \
	L(SMTPD_PEER_BEHIND,           8388608, "bytes that wait for the router or the queue to read; over it what makes more waits") \
	L(SMTPD_OUTPUT_MAX,            65536,   "bytes of replies that a client has not read; over it reading stops") \
	L(SMTPD_SESSIONS_CLIENT_MAX,   20,      "sessions of one client address in a worker; over it 421 4.7.0; not for clients of this machine") \
	L(SMTPD_SESSIONS_NETWORK_MAX,  50,      "sessions of one /24 of IPv4 or /64 of IPv6 in a worker; over it 421 4.7.0; not for clients of this machine") \
	L(SMTPD_CONNECTIONS_MINUTE_MAX, 60,     "connections in a minute of one IPv4 address or /64 of IPv6 to a worker; over it 421 4.7.0; not for clients of this machine") \
	L(SMTPD_CLIENTS_GONE_MAX,      65536,   "clients without a session whose connections are remembered; over it the first to have gone is forgotten") \
	L(SMTPD_SESSIONS_PERCENT,      80,      "percent of the descriptors that sessions may use; over it 421 4.3.2; the others are for channels and the log") \
	L(SMTPD_ERRORS_MAX,            10,      "errors of a session; over it 421 4.7.0; from the fourth on each costs a second; not for clients of this machine") \
	L(SMTPD_ERRORS_FREE,           3,       "errors of a session that cost no time") \
	L(SMTPD_UNKNOWN_RCPTS_MAX,     10,      "refused recipients of a session; over it 421 4.7.0; not for clients of this machine") \
	L(SMTPD_IDLE_COMMANDS_MAX,     50,      "NOOP, RSET, VRFY, HELP between two messages; over it 421 4.7.0; not for clients of this machine") \
	L(SMTPD_COMMAND_MS,            300000,  "milliseconds to wait for a whole command (section 4.5.3.2.7); then 421 4.4.2") \
	L(SMTPD_FIRST_MAIL_MS,         60000,   "milliseconds to wait for each command before the first MAIL") \
	L(SMTPD_STRESS_MS,             30000,   "milliseconds to wait for a command when SMTPD_STRESS_PERCENT of the sessions are used") \
	L(SMTPD_STRESS_PERCENT,        70,      "percent of the sessions from which on time-outs are short") \
	L(SMTPD_DATA_BLOCK_MS,         180000,  "milliseconds to wait for more of a message") \
	L(SMTPD_MESSAGE_MS,            3600000, "milliseconds for a whole message") \
	L(SMTPD_RATE_MIN,              100,     "bytes a second of a message, on average, under which it is 421 4.4.2; not for clients of this machine") \
	L(SMTPD_RATE_FREE_MS,          120000,  "milliseconds of a message in which it may come as slowly as it likes") \
	L(SMTPD_ROUTER_MS,             60000,   "milliseconds for the router to answer; then 451") \
	L(SMTPD_QUEUE_MS,              300000,  "milliseconds for the queue to store a message; then 451") \
	L(SMTPD_DRAIN_MS,              3000,    "milliseconds for a transaction that runs to end when the daemon stops; then 421") \
	L(SMTPD_ACCEPT_BACKOFF_MS,     100,     "milliseconds without accepting when descriptors have run out")

enum {
#define L(name, value, meaning) name = value,
	SMTPD_LIMITS(L)
#undef L
};
/* clang-format on */

#endif
