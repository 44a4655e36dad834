/* SPDX-License-Identifier: ISC */
/*
 * Every limit of control, posternctl and sendmail, once: its value and what it bounds. A test compares them with the
 * manuals.
 */
#ifndef CTL_LIMITS_H
#define CTL_LIMITS_H

/* clang-format off */
#define CONTROL_LIMITS(L) \
	L(CONTROL_CLIENTS_MAX,     32,        "connections to the control socket") \
	L(CONTROL_RESERVED,        1,         "of them that only root may take") \
	L(CONTROL_CLIENTS_UID_MAX, 4,         "connections of one user; root has no such limit") \
	L(CONTROL_REQUEST_MS,      10 * 1000, "milliseconds for a request to come, to be answered, and for the answer to be read") \
	L(CONTROL_BACKUP_MS,       60 * 1000, "likewise where a backup is being written") \
	L(CONTROL_ACCEPTS_MAX,     16,        "connections accepted in one turn") \
	L(CONTROL_ACCEPT_BACKOFF_MS, 1000,    "milliseconds without accepting when descriptors have run out") \
	L(CONTROL_PEERS_MAX,       64,        "processes asked for one status") \
	L(CONTROL_ANSWERS_MAX,     256,       "entries or values of one process in an answer") \
	L(CONTROL_QUERY_MAX,       2560,      "bytes of a query in the log") \
	L(CONTROL_GROUPS_MAX,      65536,     "supplementary groups of a client that are looked at") \
	L(CONTROL_LOG_MS,          1000,      "milliseconds between log lines about refused connections")

#define CTL_LIMITS(L) \
	L(CTL_ANSWER_MS,           15 * 1000, "milliseconds that posternctl waits for each part of an answer") \
	L(CTL_VALUES_MAX,          1024,      "different values of a status that posternctl keeps") \
	L(CTL_DESTINATIONS_MAX,    1000000,   "destinations that posternctl puts in an order") \
	L(CTL_PAGE,                256,       "envelopes asked for at once") \
	L(CTL_HISTORY_MAX,         100000,    "events that -n keeps, to print the newest last") \
	L(CTL_HISTORY_IDS_MAX,     64,        "messages with one Message-ID that history looks at") \
	L(CTL_FOLLOW_MS,           1000,      "milliseconds between looks of history --follow") \
	L(CTL_MONITOR_HEADER,      25,        "lines of the monitor between two headers")

#define SENDMAIL_LIMITS(L) \
	L(SENDMAIL_WAIT_S,         5 * 60,    "seconds to wait for the daemon (-w)") \
	L(SENDMAIL_WAIT_MAX_S,     86400,     "seconds that -w may ask for") \
	L(SENDMAIL_RETRY_MIN_MS,   100,       "milliseconds before the first new attempt to reach the daemon") \
	L(SENDMAIL_RETRY_MAX_MS,   5 * 1000,  "milliseconds between attempts at the most") \
	L(SENDMAIL_REPLY_MS,       10 * 60 * 1000, "milliseconds to wait for a reply of the daemon") \
	L(SENDMAIL_LINGER_MS,      60 * 1000, "milliseconds that -bs waits for a word of the daemon when its input is over") \
	L(SENDMAIL_REPLY_LINE_MAX, 2048,      "bytes of a line of a reply") \
	L(SENDMAIL_REPLY_LINES_MAX, 100,      "lines of one reply") \
	L(SENDMAIL_HEADER_MAX,     1024 * 1024, "bytes of a header") \
	L(SENDMAIL_LINE_MAX,       65000,     "bytes of a line; longer ones are broken, since the daemon takes none over 65,536") \
	L(SENDMAIL_RCPTS_MAX,      10000,     "recipients of a message") \
	L(SENDMAIL_KEPT_MAX,       8 * 1024 * 1024, "bytes of a message kept in memory, to begin again when the daemon restarts") \
	L(SENDMAIL_REFUSED_SHOWN,  20,        "refused recipients that are told one by one")
/* clang-format on */

enum {
#define L(name, value, meaning) name = (value),
	CONTROL_LIMITS(L) CTL_LIMITS(L) SENDMAIL_LIMITS(L)
#undef L
};

#endif
