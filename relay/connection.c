/* SPDX-License-Identifier: ISC */
#include "relay/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

static char read_block[RELAY_READ_SIZE]; /* one read at a time, whatever the number of connections */

static void
free_connection(void *object)
{
	struct connection *n = object;

	client_clear(&n->client);
	free(n);
}

static void
finish(struct connection *n)
{
	if (n->closed)
		return;
	n->closed = true;
	loop_fd_stop(&n->readable);
	loop_fd_stop(&n->writable);
	loop_timer_stop(&n->timer);
	loop_hook_cancel(&n->flush);
	(void)close(n->fd);
	n->fd = -1;
	n->calls->closed(n);
	loop_reap(free_connection, n);
}

/* --- deadline --- */

static int64_t
deadline(const struct connection *n)
{
	return n->connecting ? n->connect_by_ms : n->client.deadline_ms;
}

/*
 * A deadline moves with every reply; the timer is only moved when it has to ring earlier than it does, and looks again
 * when it rings.
 */
static void
watch_deadline(struct connection *n)
{
	int64_t at = deadline(n);

	if (n->closed || (n->timer.pending && n->timer_at_ms <= at))
		return;
	n->timer_at_ms = at;
	loop_timer_start(&n->timer, at - loop_now_ms());
}

/* After anything that the client may have changed its mind by. */
static void
settle(struct connection *n)
{
	if (!n->connecting && n->client.state == CLIENT_CLOSED)
		finish(n);
	else
		watch_deadline(n);
}

/* --- writing --- */

static void
write_out(struct connection *n)
{
	struct str out;
	ssize_t written;

	while (!n->closed && n->client.state != CLIENT_CLOSED && n->client.out.len > 0) {
		out = buf_str(&n->client.out);
		written = send(n->fd, out.ptr, out.len, MSG_NOSIGNAL);
		if (written == -1 && errno == EINTR)
			continue;
		if (written == -1 && errno == EAGAIN) {
			loop_fd_start(&n->writable);
			return;
		}
		if (written == -1) {
			/* What the server said before it closed, a reply perhaps, is read first. */
			loop_fd_stop(&n->writable);
			return;
		}
		client_written(&n->client, (size_t)written);
	}
	loop_fd_stop(&n->writable);
}

static void
flush(void *arg)
{
	struct connection *n = arg;

	if (n->closed || n->connecting)
		return;
	write_out(n);
	settle(n);
}

static void
flush_later(struct connection *n)
{
	if (!n->closed)
		loop_at_end(&n->flush);
}

/* --- reading --- */

/*
 * A server that writes the replies to pipelined commands one by one, Nagle's algorithm on, sends the second when we
 * have acknowledged the first: at once then, instead of after the 40 ms for which the kernel hopes for data to go with
 * it.
 */
static void
acknowledge(const struct connection *n)
{
	int on = 1;

	(void)setsockopt(n->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static void
on_readable(int fd, short what, void *arg)
{
	struct connection *n = arg;
	ssize_t got;

	(void)what;
	got = recv(fd, read_block, sizeof(read_block), 0);
	if (got == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0)
		client_input(&n->client, (struct str){ read_block, (size_t)got });
	else
		client_lost(&n->client, got == 0 ? "connection closed by the server" : strerror(errno));
	if (client_is_owed(&n->client))
		acknowledge(n);
	write_out(n);
	settle(n);
}

/* --- connecting --- */

static void
refuse(struct connection *n, const char *error)
{
	struct reply why;

	reply_make(&why, PROTO_CAUSE_CONNECTION, 451, "4.4.1 %s: %s", n->hop, error);
	n->calls->refused(n, &why);
	finish(n);
}

static void
connected(struct connection *n, const struct client_calls *calls)
{
	n->connecting = false;
	client_start(&n->client, n->helo, n->hop, calls, n);
	loop_fd_start(&n->readable);
	watch_deadline(n);
}

static void
call_opened(void *arg)
{
	struct connection *n = arg;

	n->calls->opened(n);
}

static void
call_refused(void *arg, const struct reply *why)
{
	struct connection *n = arg;

	n->calls->refused(n, why);
}

static void
call_over(void *arg, struct job *job)
{
	struct connection *n = arg;

	n->calls->over(n, job);
}

static void
call_again(void *arg, struct job *job)
{
	struct connection *n = arg;

	n->calls->again(n, job);
}

static const struct client_calls client_calls = {
	.opened = call_opened,
	.refused = call_refused,
	.over = call_over,
	.again = call_again,
};

static void
on_writable(int fd, short what, void *arg)
{
	struct connection *n = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)what;
	if (!n->connecting) {
		flush(n);
		return;
	}
	loop_fd_stop(&n->writable);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error != 0)
		refuse(n, strerror(error));
	else
		connected(n, &client_calls);
}

static void
on_timer(void *arg)
{
	struct connection *n = arg;

	if (loop_now_ms() < deadline(n)) {
		watch_deadline(n);
		return;
	}
	if (n->connecting) {
		refuse(n, "timed out while connecting");
		return;
	}
	client_timeout(&n->client);
	write_out(n);
	settle(n);
}

static struct connection *
new_connection(int fd, const char *hop, const char *helo, const struct connection_calls *calls)
{
	struct connection *n = malloc(sizeof(*n));

	if (n == NULL)
		fatal("out of memory");
	/* Most of it is buffers, which need no clearing. */
	memset(n, 0, offsetof(struct connection, client));
	client_start(&n->client, n->helo, n->hop, &client_calls, n);
	n->fd = fd;
	n->calls = calls;
	(void)strlcpy(n->hop, hop, sizeof(n->hop));
	(void)strlcpy(n->helo, helo, sizeof(n->helo));
	n->flush = (struct loop_hook){ .fn = flush, .arg = n };
	loop_fd_init(&n->readable, fd, LOOP_READ, on_readable, n);
	loop_fd_init(&n->writable, fd, LOOP_WRITE, on_writable, n);
	loop_timer_init(&n->timer, on_timer, n);
	return n;
}

struct connection *
connection_adopt(int fd, const char *hop, const char *helo, const struct connection_calls *calls)
{
	struct connection *n = new_connection(fd, hop, helo, calls);

	connected(n, &client_calls);
	return n;
}

struct connection *
connection_open(const struct sockaddr *address, socklen_t len, const char *hop, const char *helo,
    const struct connection_calls *calls, struct reply *why)
{
	struct connection *n;
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd == -1) {
		reply_make(why, PROTO_CAUSE_OUR_LIMIT, 451, "4.3.2 %s: %s", hop, strerror(errno));
		return NULL;
	}
	/* A command waits for its reply: there is never anything to gather. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, address, len) == -1 && errno != EINPROGRESS) {
		reply_make(why, PROTO_CAUSE_CONNECTION, 451, "4.4.1 %s: %s", hop, strerror(errno));
		(void)close(fd);
		return NULL;
	}
	n = new_connection(fd, hop, helo, calls);
	memcpy(&n->address, address, len);
	n->address_len = len;
	n->connecting = true;
	n->connect_by_ms = loop_now_ms() + RELAY_CONNECT_MS;
	loop_fd_start(&n->writable);
	watch_deadline(n);
	return n;
}

/* --- the owner's side --- */

bool
connection_is_usable(struct connection *n)
{
	char c;

	return !n->closed && !n->connecting && client_is_usable(&n->client) &&
	    recv(n->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == -1 && errno == EAGAIN;
}

void
connection_send(struct connection *n, struct job *job)
{
	client_send(&n->client, job);
	flush_later(n);
}

void
connection_piece(struct connection *n, struct str bytes)
{
	client_piece(&n->client, bytes);
	flush_later(n);
}

void
connection_cancel(struct connection *n, const struct reply *why)
{
	client_cancel(&n->client, why);
	flush_later(n);
}

void
connection_quit(struct connection *n)
{
	if (n->closed)
		return;
	if (n->connecting) {
		finish(n);
		return;
	}
	client_quit(&n->client);
	flush_later(n);
}

void
connection_abort(struct connection *n)
{
	if (n->closed)
		return;
	if (n->client.job != NULL) {
		n->client.job->client = NULL;
		n->client.job = NULL;
	}
	finish(n);
}
