/* SPDX-License-Identifier: ISC */
/*
 * The log: one line an event, event first, then fields that are declared once in log_fields.h. Values from outside are
 * escaped at this one door, so no byte outside printable ASCII is ever written. Lines are gathered and leave with
 * log_flush, once a turn of the event loop, as whole lines of at most LOG_LINE_MAX bytes; when the reader is gone or its
 * pipe full, lines are dropped, counted and told later: mail goes on.
 *
 *	log_info("deferred", LOG_MESSAGE(id), LOG_TO(address), LOG_REPLY(reply));
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log_fields.h"
#include "common/str.h"

#define LOG_LINE_MAX 2048

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_TRACE };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
	enum log_field_name name;
	enum { LOG_VALUE_STR, LOG_VALUE_U64, LOG_VALUE_HEX, LOG_VALUE_MS } kind;
	struct str str;
	uint64_t u64; /* LOG_VALUE_MS: milliseconds, shown as seconds with one decimal */
};

/*
 * Starts the log of process name (kept; e.g. "smtpd"), to be written to the descriptor fd, which stays the caller's: a
 * pipe, terminal or stream socket gets lines with time and process, a datagram socket gets syslog(3)'s form.
 */
void log_init(const char *name, int fd, enum log_format format, enum log_level level);
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);
void log_set_fd(int fd);
enum log_level log_get_level(void);

/* Writes what is gathered. Called by the loop, as log_waiting says, and by fatal. */
void log_flush(void);

#define LOG_DELAY_MS 10 /* how long lines may wait for company, so that a busy process writes many at once */

/* What is gathered: nothing; lines that may wait; or lines that have to go: a warning or error, or a whole write of them. */
enum log_waiting { LOG_NOTHING, LOG_MAY_WAIT, LOG_HAS_TO_GO };
enum log_waiting log_waiting(void);

/* Bounded by LOG_LINE_MAX: a line that is too long loses the ends of its longest values. Safe in one thread only. */
void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t count);

#define LOG_EVENT(level, event, ...)                                           \
	log_event((level), (event), (const struct log_field[]){ __VA_ARGS__ }, \
	    sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field))

#define log_error(event, ...)   LOG_EVENT(LOG_ERROR, event, __VA_ARGS__)
#define log_warning(event, ...) LOG_EVENT(LOG_WARNING, event, __VA_ARGS__)
#define log_notice(event, ...)  LOG_EVENT(LOG_NOTICE, event, __VA_ARGS__)
#define log_info(event, ...)    LOG_EVENT(LOG_INFO, event, __VA_ARGS__)
#define log_trace(event, ...)                                     \
	do {                                                      \
		if (log_get_level() == LOG_TRACE)                 \
			LOG_EVENT(LOG_TRACE, event, __VA_ARGS__); \
	} while (0)

/* Fields: the name of log_fields.h and the kind of its value. */
struct log_field log_str(enum log_field_name name, struct str value);
struct log_field log_text(enum log_field_name name, const char *value);
struct log_field log_u64(enum log_field_name name, uint64_t value);
struct log_field log_hex(enum log_field_name name, uint64_t value); /* ids: 16 hexadecimal digits */
struct log_field log_ms(enum log_field_name name, int64_t value_ms);

/*
 * A broken invariant of our own: logs event=fatal, flushes, and ends the process; the parent starts it anew and nothing
 * acknowledged is lost. Never for anything that came from outside.
 */
_Noreturn void fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Stays on in release builds. */
#define invariant(condition)                                                                  \
	do {                                                                                  \
		if (!(condition))                                                             \
			fatal("%s:%d: invariant failed: %s", __FILE__, __LINE__, #condition); \
	} while (0)

#endif
