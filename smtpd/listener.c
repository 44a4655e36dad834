/* SPDX-License-Identifier: ISC */
#include "smtpd/listener.h"

#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "smtpd/limits.h"
#include "smtpd/session.h"

static struct {
	struct listener *all;
	bool started;
	bool paused;
	bool resting; /* descriptors had run out */
	struct loop_timer rest;
} self;

static void
update(void)
{
	bool on = self.started && !self.paused && !self.resting;
	struct listener *l;

	for (l = self.all; l != NULL; l = l->next) {
		if (on)
			loop_fd_start(&l->readable);
		else
			loop_fd_stop(&l->readable);
	}
}

static void
rested(void *arg)
{
	(void)arg;
	self.resting = false;
	update();
}

/* Without descriptors accept fails at once and for ever: wait, rather than spin. */
static void
rest(int error)
{
	log_warning("accept", log_text(LOG_FIELD_error, strerror(error)));
	self.resting = true;
	loop_timer_start(&self.rest, SMTPD_ACCEPT_BACKOFF_MS);
	update();
}

static void
on_connection(int fd, short what, void *arg)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	int client = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (client != -1)
		session_new(arg, client, (const struct sockaddr *)&peer);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		rest(errno);
}

void
listener_add(uint64_t index, struct str name, int fd)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL || !str_copy(name, l->name, sizeof(l->name)))
		fatal("listener %llu: out of memory", (unsigned long long)index);
	l->index = index;
	l->fd = fd;
	l->next = self.all;
	self.all = l;
}

void
listener_configure(const struct config *config)
{
	const struct config_listener *c;
	struct listener *l;

	loop_timer_init(&self.rest, rested, NULL);
	for (l = self.all; l != NULL; l = l->next) {
		STAILQ_FOREACH (c, &config->listeners, next)
			if (c->index == l->index)
				l->config = c;
		if (l->config == NULL)
			fatal("listener %llu is not in the configuration", (unsigned long long)l->index);
		loop_fd_init(&l->readable, l->fd, LOOP_READ, on_connection, l);
	}
}

void
listener_start(void)
{
	self.started = true;
	update();
}

void
listener_pause(bool paused)
{
	self.paused = paused;
	update();
}

void
listener_stop(void)
{
	self.started = false;
	update();
}
