/* SPDX-License-Identifier: ISC */
#include "ctl/dialogue.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "ctl/format.h"
#include "ctl/limits.h"

enum { COMMAND_MAX = 2048, READ_SIZE = 4096 };

bool
dialogue_open(struct dialogue *d, const char *socket_path, bool verbose, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = SENDMAIL_REPLY_MS / 1000 };

	*d = (struct dialogue){ .fd = -1, .verbose = verbose };
	buf_init(&d->in, SENDMAIL_REPLY_LINE_MAX + READ_SIZE);
	if (strlcpy(address.sun_path, socket_path, sizeof(address.sun_path)) >= sizeof(address.sun_path))
		return error_set(err, ERROR_TEMPORARY, "%s: a socket's path has at most %zu bytes", socket_path,
		    sizeof(address.sun_path) - 1);
	d->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (d->fd == -1)
		return error_set(err, ERROR_TEMPORARY, "socket: %s", strerror(errno));
	if (setsockopt(d->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == -1 ||
	    setsockopt(d->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == -1 ||
	    connect(d->fd, (const struct sockaddr *)&address, sizeof(address)) == -1) {
		(void)error_set(err, ERROR_TEMPORARY, "cannot connect to %s: %s", socket_path, strerror(errno));
		dialogue_close(d);
		return false;
	}
	return true;
}

void
dialogue_close(struct dialogue *d)
{
	if (d->fd != -1)
		(void)close(d->fd);
	d->fd = -1;
	buf_clear(&d->in);
}

static void
show(const struct dialogue *d, const char *direction, struct str line)
{
	if (!d->verbose)
		return;
	(void)fputs(direction, stderr);
	(void)format_put(stderr, line);
	(void)fputs("\n", stderr);
}

/* One line without its CRLF; a view until the next. */
static bool
read_line(struct dialogue *d, char line[SENDMAIL_REPLY_LINE_MAX + 1], struct error *err)
{
	for (;;) {
		struct str have = buf_str(&d->in), head, tail;
		ssize_t n;
		char *room;
		if (str_cut(have, '\n', &head, &tail)) {
			if (head.len > 0 && head.ptr[head.len - 1] == '\r')
				head.len--;
			if (!str_copy(head, line, SENDMAIL_REPLY_LINE_MAX + 1))
				return error_set(err, ERROR_PEER, "the daemon's reply is too long");
			buf_consume(&d->in, have.len - tail.len);
			return true;
		}
		room = have.len > SENDMAIL_REPLY_LINE_MAX ? NULL : buf_reserve(&d->in, READ_SIZE);
		if (room == NULL)
			return error_set(err, ERROR_PEER, "the daemon's reply is too long");
		do
			n = recv(d->fd, room, READ_SIZE, 0);
		while (n == -1 && errno == EINTR);
		if (n <= 0)
			return error_set(err, ERROR_PEER, "the daemon closed the connection%s%s", n == 0 ? "" : ": ",
			    n == 0 ? "" : strerror(errno));
		buf_commit(&d->in, (size_t)n);
	}
}

bool
dialogue_read(struct dialogue *d, struct reply *out, struct error *err)
{
	char line[SENDMAIL_REPLY_LINE_MAX + 1];
	uint64_t code;
	int lines;

	for (lines = 0; lines < SENDMAIL_REPLY_LINES_MAX; lines++) {
		if (!read_line(d, line, err))
			return false;
		show(d, "<<< ", str_of(line));
		if (strlen(line) < 3 || !str_to_u64((struct str){ line, 3 }, 599, &code) || code < 200)
			return error_set(err, ERROR_PEER, "the daemon sent no SMTP reply");
		if (strcasecmp(line + 3, "-8BITMIME") == 0 || strcasecmp(line + 3, " 8BITMIME") == 0)
			d->offers_8bit = true;
		if (strncasecmp(line + 3, "-SIZE", 5) == 0 || strncasecmp(line + 3, " SIZE", 5) == 0)
			d->offers_size = true;
		if (strcasecmp(line + 3, "-DSN") == 0 || strcasecmp(line + 3, " DSN") == 0)
			d->offers_dsn = true;
		if (line[3] == '-')
			continue;
		out->code = (unsigned)code;
		(void)strlcpy(out->text, line[3] == '\0' ? "" : line + 4, sizeof(out->text));
		return true;
	}
	return error_set(err, ERROR_PEER, "the daemon's reply has too many lines");
}

bool
dialogue_send(struct dialogue *d, struct str bytes, struct error *err)
{
	while (bytes.len > 0) {
		ssize_t n = send(d->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return error_set(err, ERROR_PEER, "the daemon closed the connection: %s", strerror(errno));
		bytes = (struct str){ bytes.ptr + n, bytes.len - (size_t)n };
	}
	return true;
}

bool
dialogue_command(struct dialogue *d, struct reply *out, struct error *err, const char *fmt, ...)
{
	char line[COMMAND_MAX + 3];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, COMMAND_MAX + 1, fmt, ap);
	va_end(ap);
	invariant(len >= 0 && len <= COMMAND_MAX);
	show(d, ">>> ", (struct str){ line, (size_t)len });
	memcpy(line + len, "\r\n", 3);
	return dialogue_send(d, (struct str){ line, (size_t)len + 2 }, err) && dialogue_read(d, out, err);
}
