/* SPDX-License-Identifier: ISC */
/*
 * Every limit of relay, by name: RFC 5321 section 4.5.3.2 for the time-outs, SECURITY for what a hostile server may
 * make us spend. Times are milliseconds.
 */
#ifndef RELAY_LIMITS_H
#define RELAY_LIMITS_H

/* clang-format off */
#define RELAY_LIMITS(L) \
	L(RELAY_REPLY_LINES_MAX,        100, "lines of one reply; more breaks it off") \
	L(RELAY_REPLY_LINE_KEPT,       4096, "bytes kept of a line of a reply; the rest is skipped") \
	L(RELAY_REPLY_LINE_MAX,       65536, "bytes of a line of a reply; more breaks it off") \
	L(RELAY_READ_SIZE,            16384, "bytes of one read from a server") \
	L(RELAY_OUT_MAX,              98304, "bytes that wait to be written to a server") \
	L(RELAY_PIPELINE_MAX,         32768, "bytes of commands sent ahead of their replies") \
	L(RELAY_URLS_MAX,                 8, "relay hosts of one destination") \
	L(RELAY_ADDRESSES_MAX,            8, "addresses tried of one host") \
	L(RELAY_ATTEMPTS_MAX,            20, "addresses tried for one job") \
	L(RELAY_NETWORKS_MAX,          1024, "networks of mta private-destinations, and own addresses") \
	L(RELAY_RCPTS_MAX,             1000, "recipients of one job") \
	L(RELAY_JOBS_MAX,              1000, "jobs a worker has at once") \
	L(RELAY_CONNECTIONS_MAX,        500, "connections a worker has at once") \
	L(RELAY_DESTINATION_CONNECTIONS_MAX, 20, "connections of one worker to one destination") \
	L(RELAY_CONNECTION_MESSAGES_MAX, 1000, "messages sent over one connection") \
	L(RELAY_IDLE_MS,              10000, "an open connection waits for the next message") \
	L(RELAY_CONNECT_MS,           30000, "connect") \
	L(RELAY_GREETING_MS,         300000, "greeting") \
	L(RELAY_EHLO_MS,             300000, "answer to EHLO, HELO or RSET") \
	L(RELAY_MAIL_MS,             300000, "answer to MAIL") \
	L(RELAY_RCPT_MS,             300000, "answer to RCPT") \
	L(RELAY_DATA_MS,             120000, "answer to DATA") \
	L(RELAY_BLOCK_MS,            180000, "progress of a block of the body") \
	L(RELAY_DOT_MS,              600000, "answer to the end of the body") \
	L(RELAY_QUIT_MS,               5000, "answer to QUIT") \
	L(RELAY_ATTEMPT_MS,         3600000, "a whole delivery attempt, however it trickles") \
	L(RELAY_ROUTE_MS,             40000, "answer of the resolver, its restart included") \
	L(RELAY_ROUTE_KEEP_MS,        60000, "a route is used before it is asked for again")
/* clang-format on */

enum {
#define L(name, value, meaning) name = value,
	RELAY_LIMITS(L)
#undef L
};

#endif
