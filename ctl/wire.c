/* SPDX-License-Identifier: ISC */
#include "ctl/wire.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/log.h"
#include "common/loop.h"
#include "ctl/limits.h"

struct wire {
	struct channel *channel;
	uint64_t id; /* of the request */
};

/* The loop is never run: a request is sent at once and its answer waited for. */
static bool
on_message(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	(void)arg;
	(void)type;
	(void)id;
	(void)msg;
	(void)fd;
	return false;
}

static void
on_closed(void *arg, const char *violation)
{
	(void)arg;
	(void)violation;
}

static bool
cannot_connect(const char *path, int error, struct error *err)
{
	return error_set(err, ERROR_TEMPORARY, "postern does not seem to be running: cannot connect to %s: %s", path,
	    strerror(error));
}

static int
connect_to(const char *path, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path)) {
		(void)error_set(err, ERROR_PERMANENT, "%s: a socket's path has at most %zu bytes", path,
		    sizeof(address.sun_path) - 1);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1) {
		(void)error_set(err, ERROR_TEMPORARY, "socket: %s", strerror(errno));
		return -1;
	}
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == -1) {
		(void)cannot_connect(path, errno, err);
		(void)close(fd);
		return -1;
	}
	return fd;
}

struct wire *
wire_open(const char *path, struct error *err)
{
	static bool have_loop;
	struct wire *w;
	int fd = connect_to(path, err);

	if (fd == -1)
		return NULL;
	if (!have_loop)
		loop_init();
	have_loop = true;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		fatal("out of memory");
	w->channel = channel_new(fd, PROTO_KIND_CLIENT, PROTO_KIND_CONTROL, on_message, on_closed, NULL);
	return w;
}

void
wire_close(struct wire *w)
{
	if (w == NULL)
		return;
	channel_free(w->channel);
	loop_turn(); /* what was given up is freed */
	free(w);
}

/* A request is small, and the socket is empty when it is sent. One that was turned away shows in the answer. */
bool
wire_ask(struct wire *w, enum proto_type type, const void *msg, struct error *err)
{
	w->id++;
	channel_send(w->channel, type, w->id, msg);
	if (!channel_flush(w->channel) && channel_is_open(w->channel))
		return error_set(err, ERROR_TEMPORARY, "control does not read what is asked");
	return true;
}

bool
wire_next(struct wire *w, enum proto_type *type, union proto_message *msg, struct error *err)
{
	uint64_t id;
	int fd;

	if (!channel_is_open(w->channel))
		return error_set(err, ERROR_TEMPORARY, "control closed the connection");
	do {
		if (!channel_receive(w->channel, CTL_ANSWER_MS, type, &id, msg, &fd, err))
			return false;
	} while ((id != 0 && id != w->id) || *type == PROTO_QUEUE_PROGRESS_TYPE);
	if (*type == PROTO_ANSWER_END_TYPE && !msg->answer_end.ok)
		return error_set(err, ERROR_PERMANENT, "%.*s", STR_ARG(msg->answer_end.text));
	return true;
}

bool
wire_end(struct wire *w, union proto_message *msg, struct error *err)
{
	enum proto_type type;

	return wire_next(w, &type, msg, err) &&
	    (type == PROTO_ANSWER_END_TYPE || error_set(err, ERROR_PEER, "control sent an answer to something else"));
}
