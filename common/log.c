/* SPDX-License-Identifier: ISC */
#include "common/log.h"

#include <sys/socket.h>

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/date.h"

/* Priorities of RFC 5424 section 6.2.1. */
static const struct {
	const char *name;
	int syslog_priority;
} levels[] = {
	{ "error", 3 },
	{ "warning", 4 },
	{ "notice", 5 },
	{ "info", 6 },
	{ "trace", 7 },
};

enum { SYSLOG_FACILITY_MAIL = 2 << 3 };

static const char *const field_names[] = {
#define F(name, meaning) #name,
	LOG_FIELDS(F)
#undef F
};

enum {
	VALUE_MAX = 512,       /* bytes of one value, before escaping; a longer one ends in "..." */
	GATHER_MAX = 4 * 4096, /* bytes of lines kept for one turn */
	WRITE_MAX = PIPE_BUF,  /* a write up to this is never mixed with another process' */
};

static struct {
	const char *name;
	pid_t pid;
	int fd;
	bool datagrams;
	enum log_format format;
	enum log_level level;
	uint64_t lost; /* lines dropped that no line tells of yet */
	uint64_t told; /* lines dropped that the first gathered line tells of */
	bool urgent;   /* a warning or error is among what is gathered */
	size_t len;
	char gathered[GATHER_MAX];
} logger = { "postern", 0, STDERR_FILENO, false, LOG_TEXT, LOG_INFO, 0, 0, false, 0, "" };

/* A line under construction; what does not fit is cut. */
struct line {
	char text[LOG_LINE_MAX];
	size_t len;
};

void
log_init(const char *name, int fd, enum log_format format, enum log_level level)
{
	logger.name = name;
	logger.pid = getpid();
	logger.format = format;
	logger.level = level;
	log_set_fd(fd);
}

void
log_set_level(enum log_level level)
{
	logger.level = level;
}

void
log_set_format(enum log_format format)
{
	logger.format = format;
}

void
log_set_fd(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	logger.fd = fd;
	logger.datagrams = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM;
}

enum log_level
log_get_level(void)
{
	return logger.level;
}

struct log_field
log_str(enum log_field_name name, struct str value)
{
	return (struct log_field){ .name = name, .kind = LOG_VALUE_STR, .str = value };
}

struct log_field
log_text(enum log_field_name name, const char *value)
{
	return log_str(name, str_of(value));
}

struct log_field
log_u64(enum log_field_name name, uint64_t value)
{
	return (struct log_field){ .name = name, .kind = LOG_VALUE_U64, .u64 = value };
}

struct log_field
log_hex(enum log_field_name name, uint64_t value)
{
	return (struct log_field){ .name = name, .kind = LOG_VALUE_HEX, .u64 = value };
}

struct log_field
log_ms(enum log_field_name name, int64_t value_ms)
{
	return (struct log_field){ .name = name, .kind = LOG_VALUE_MS, .u64 = value_ms < 0 ? 0 : (uint64_t)value_ms };
}

static void put(struct line *line, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
put(struct line *line, const char *fmt, ...)
{
	size_t room = sizeof(line->text) - line->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line->text + line->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		line->len += (size_t)n < room ? (size_t)n : room - 1;
}

/*
 * Writes the bytes of s with everything outside printable ASCII, quotes and backslashes escaped, in the way of the format:
 * \xNN in text, \u00NN in JSON (where a byte above 0x7f shows as the character of that number: readers get ASCII).
 */
static void
put_escaped(struct line *line, struct str s)
{
	bool cut = s.len > VALUE_MAX;
	size_t i;

	if (cut)
		s.len = VALUE_MAX;
	for (i = 0; i < s.len && line->len + 16 < sizeof(line->text); i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == '"' || c == '\\') {
			line->text[line->len++] = '\\';
			line->text[line->len++] = (char)c;
		} else if (ascii_is_printable((char)c)) {
			line->text[line->len++] = (char)c;
		} else {
			char escaped[8];
			int n =
			    snprintf(escaped, sizeof(escaped), logger.format == LOG_JSON ? "\\u%04x" : "\\x%02x", c);
			memcpy(line->text + line->len, escaped, (size_t)n);
			line->len += (size_t)n;
		}
	}
	if (cut)
		put(line, "...");
}

static bool
needs_quotes(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (!ascii_is_printable(s.ptr[i]) || s.ptr[i] == ' ' || s.ptr[i] == '"' || s.ptr[i] == '\\')
			return true;
	return s.len == 0;
}

static void
put_number(struct line *line, const struct log_field *field)
{
	bool json = logger.format == LOG_JSON;

	switch (field->kind) {
	case LOG_VALUE_U64: put(line, "%llu", (unsigned long long)field->u64); break;
	case LOG_VALUE_HEX: put(line, json ? "\"%016llx\"" : "%016llx", (unsigned long long)field->u64); break;
	case LOG_VALUE_MS:
		put(line, "%llu.%llu%s", (unsigned long long)(field->u64 / 1000),
		    (unsigned long long)(field->u64 % 1000 / 100), json ? "" : "s");
		break;
	case LOG_VALUE_STR: break;
	}
}

static void
put_field(struct line *line, const struct log_field *field)
{
	bool json = logger.format == LOG_JSON;
	bool quoted = json || (field->kind == LOG_VALUE_STR && needs_quotes(field->str));

	if (line->len + 64 > sizeof(line->text))
		return;
	put(line, json ? ",\"%s\":" : " %s=", field_names[field->name]);
	if (field->kind != LOG_VALUE_STR) {
		put_number(line, field);
		return;
	}
	put(line, "%s", quoted ? "\"" : "");
	put_escaped(line, field->str);
	put(line, "%s", quoted ? "\"" : "");
}

static void
put_head(struct line *line, enum log_level level, const char *event)
{
	char stamp[DATE_MAX + 1] = "";
	struct timespec now;

	if (logger.datagrams)
		put(line, "<%d>postern/%s[%d]: ", SYSLOG_FACILITY_MAIL | levels[level].syslog_priority, logger.name,
		    logger.pid);
	if (!logger.datagrams || logger.format == LOG_JSON) {
		(void)clock_gettime(CLOCK_REALTIME, &now);
		(void)date_format_iso((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, stamp);
	}
	if (logger.format == LOG_JSON)
		put(line, "{\"time\":\"%s\",\"process\":\"%s\",\"pid\":%d,\"level\":\"%s\",\"event\":\"%s\"", stamp,
		    logger.name, logger.pid, levels[level].name, event);
	else if (logger.datagrams)
		put(line, "event=%s", event);
	else
		put(line, "%s %s[%d]: event=%s", stamp, logger.name, logger.pid, event);
	if (logger.format == LOG_TEXT && level <= LOG_WARNING)
		put(line, " level=%s", levels[level].name);
}

/* Adds the line to those of this turn. */
static void
gather(const struct line *line)
{
	if (logger.len + line->len > sizeof(logger.gathered))
		log_flush();
	if (logger.len + line->len > sizeof(logger.gathered)) {
		logger.lost++;
		return;
	}
	memcpy(logger.gathered + logger.len, line->text, line->len);
	logger.len += line->len;
}

static void
compose(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
	struct line line = { .len = 0 };
	size_t i;

	put_head(&line, level, event);
	for (i = 0; i < count; i++)
		put_field(&line, &fields[i]);
	if (logger.format == LOG_JSON)
		put(&line, "}");
	line.text[line.len++] = '\n';
	gather(&line);
}

void
log_event(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
	if (level > logger.level)
		return;
	if (logger.lost > 0 && logger.len == 0) {
		struct log_field lost = log_u64(LOG_FIELD_count, logger.lost);
		logger.told = logger.lost;
		logger.lost = 0;
		compose(LOG_WARNING, "log-lines-lost", &lost, 1);
	}
	compose(level, event, fields, count);
	logger.urgent = logger.urgent || level <= LOG_WARNING;
}

/* The length of the whole lines at the start of s that fit into one write; one line for a datagram socket. */
static size_t
next_piece(struct str s)
{
	const char *end;

	if (logger.datagrams)
		end = memchr(s.ptr, '\n', s.len);
	else if (s.len <= WRITE_MAX)
		return s.len;
	else
		end = memrchr(s.ptr, '\n', WRITE_MAX);
	return end == NULL ? s.len : (size_t)(end - s.ptr) + 1;
}

/* A line that tells of earlier ones is no loss of its own, but what it told of is lost again. */
static uint64_t
count_lost(struct str s)
{
	uint64_t n = logger.told > 0 ? logger.told - 1 : 0;
	size_t i;

	for (i = 0; i < s.len; i++)
		n += s.ptr[i] == '\n';
	return n;
}

enum log_waiting
log_waiting(void)
{
	if (logger.len == 0)
		return LOG_NOTHING;
	return logger.urgent || logger.len + LOG_LINE_MAX / 2 >= WRITE_MAX ? LOG_HAS_TO_GO : LOG_MAY_WAIT;
}

void
log_flush(void)
{
	struct str rest = { logger.gathered, logger.len };

	while (rest.len > 0) {
		size_t piece = next_piece(rest);
		size_t send_len = logger.datagrams ? piece - 1 : piece;
		ssize_t n;

		do
			n = write(logger.fd, rest.ptr, send_len);
		while (n == -1 && errno == EINTR);
		if (n == -1)
			logger.lost += count_lost((struct str){ rest.ptr, piece });
		logger.told = 0;
		rest.ptr += piece;
		rest.len -= piece;
	}
	logger.len = 0;
	logger.urgent = false;
}

void
fatal(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("fatal", log_text(LOG_FIELD_error, text));
	log_flush();
#ifdef POSTERN_SANITIZE
	abort(); /* a fuzzer takes an exit for a success */
#else
	_exit(70);
#endif
}
