/* SPDX-License-Identifier: ISC */
/*
 * Every limit of the router: its name, its value, what it bounds. What is over one is refused or answered, never cut.
 */
#ifndef ROUTER_LIMITS_H
#define ROUTER_LIMITS_H

/* clang-format off */
#define ROUTER_LIMITS(L) \
	L(TABLE_FILE_MAX,          536870912, "bytes of one table file") \
	L(TABLE_ENTRIES_MAX,         4194304, "entries of one table") \
	L(TABLE_LINE_MAX,              65536, "bytes of one line of a table file") \
	L(TABLE_KEY_MAX,                1024, "bytes of one key") \
	L(TABLE_PATTERNS_MAX,           1000, "patterns of one table that no index can find: regular expressions, \"*\" elsewhere than before the first dot") \
	L(TABLE_WARNINGS_MAX,             20, "warnings of one table that are logged; the rest is counted") \
	L(REGEX_PATTERN_MAX,            1024, "bytes of one regular expression") \
	L(REGEX_STEPS_MAX,              4096, "steps that one regular expression is made of, repetitions counted") \
	L(REGEX_TABLE_STEPS_MAX,       65536, "steps of all regular expressions of one table") \
	L(REGEX_DEPTH_MAX,                32, "parentheses of a regular expression within each other") \
	L(REGEX_REPEAT_MAX,              255, "largest number in the braces of a regular expression") \
	L(ALIAS_ELEMENT_MAX,            1023, "bytes of one element of an alias") \
	L(ALIAS_INCLUDES_MAX,           1000, "files that one table of aliases includes") \
	L(ALIAS_INCLUDE_MAX,         4194304, "bytes of one included file") \
	L(EXPANSION_DEPTH_MAX,            10, "aliases within each other on the way of one recipient") \
	L(EXPANSION_RESULTS_MAX,        1000, "deliveries that one recipient may become") \
	L(EXPANSION_STEPS_MAX,         20000, "elements of aliases read for one recipient") \
	L(EXPANSION_TEXT_MAX,        8388608, "bytes of the names and addresses that one recipient expands to") \
	L(EXPANSION_TIME_MAX_MS,       10000, "milliseconds for one recipient, then 451") \
	L(USERS_CACHE_MAX,             16384, "users remembered") \
	L(USERS_FOUND_MS,              60000, "milliseconds a user is remembered") \
	L(USERS_NONE_MS,               10000, "milliseconds it is remembered that there is no such user") \
	L(USERS_PENDING_MAX,           16384, "questions to userdb without an answer") \
	L(USERS_WAIT_MS,               10000, "milliseconds to wait for userdb") \
	L(SESSIONS_MAX,                65536, "sessions of one smtpd worker") \
	L(CHECKS_MAX,                    512, "recipients of one peer that wait; then it is not read from") \
	L(CHECKS_HARD_MAX,              2048, "recipients of one peer that wait; then 451 at once") \
	L(STATEMENTS_MAX,                256, "delivery statements that wait") \
	L(OUT_PAUSE_BYTES,           4194304, "bytes that wait for a peer; then it is not read from") \
	L(OUT_REFUSE_BYTES,         33554432, "bytes that wait for a peer; then 451 in the place of tickets") \
	L(NAMES_ADDRESSES_MAX,           512, "addresses of this machine") \
	L(HOSTS_MAX,                    1024, "URLs of one host table") \
	L(HOSTS_TICKET_MAX,                8, "URLs in the destination of one ticket") \
	L(TICKET_LIFE_MS,            3600000, "milliseconds a ticket is good for") \
	L(STATEMENT_LIFE_MS,           60000, "milliseconds a delivery statement is good for") \
	L(POSTMASTER_LOG_MS,         3600000, "milliseconds between two errors about mail for postmaster")
/* clang-format on */

enum {
#define L(name, value, meaning) name = value,
	ROUTER_LIMITS(L)
#undef L
};

#endif
