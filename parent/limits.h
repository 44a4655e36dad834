/* SPDX-License-Identifier: ISC */
/* The limits of the parent: name, value, meaning. A test compares them with posternd(8). */
#ifndef PARENT_LIMITS_H
#define PARENT_LIMITS_H

/* clang-format off */
#define PARENT_LIMITS(L) \
	L(PARENT_WORKERS_DEFAULT_MAX, 4,     "smtpd and relay workers where the configuration names no number: one a processor, at most so many") \
	L(PARENT_SOCKETS_MAX,         128,   "sockets to accept on") \
	L(PARENT_BACKLOG,             4096,  "connections that wait for accept, a socket") \
	L(PARENT_MAILBOXES_MAX,       64,    "mailbox processes at once") \
	L(PARENT_PING_MS,             10000, "milliseconds between two questions whether a process is alive") \
	L(PARENT_LATE_MS,             5000,  "milliseconds that such a question may come too late; if it comes later, nobody's silence before it counts") \
	L(PARENT_START_MS,            60000, "milliseconds for all processes to become ready") \
	L(PARENT_STOP_MS,             15000, "milliseconds for running transactions to end at a stop") \
	L(PARENT_INTRODUCE_MS,        1000,  "milliseconds before two processes are introduced again for which there were no descriptors") \
	L(PARENT_DEATHS_AT_ONCE,      3,     "deaths of a process within a minute after which it is restarted at once") \
	L(PARENT_BACKOFF_MIN_MS,      100,   "milliseconds before a process that died more often is restarted; doubles") \
	L(PARENT_BACKOFF_MAX_MS,      60000, "milliseconds that the restart of a process waits at most") \
	L(PARENT_HEALTHY_MS,          60000, "milliseconds of life after which earlier deaths are forgotten")

enum {
#define L(name, value, meaning) name = value,
	PARENT_LIMITS(L)
#undef L
};
/* clang-format on */

#endif
