/* SPDX-License-Identifier: ISC */
/* The process that delivers to one user's mailbox, as that user: started by the parent, fed by queue, gone when idle. */
#include <sys/stat.h>

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/process.h"
#include "mailbox/delivery.h"
#include "mailbox/maildir.h"
#include "mailbox/mbox.h"
#include "mailbox/where.h"

static struct where where;
static bool told; /* MAILBOX_SETUP has come */
static bool found;
static struct error trouble; /* why no mailbox was found */
static bool draining;
static struct delivery *delivery;

/*
 * A mailbox that cannot be found is no reason to end: then queue would see a process that died, and nobody the reason. It is
 * opened here, where the place to stay in is not yet fixed, since that is nowhere without it.
 */
static bool
take_setup(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)id;
	(void)fd;
	if (peer->kind != PROTO_KIND_PARENT || told)
		return false;
	told = true;
	found = where_set(&where, &msg->mailbox_setup, &trouble) && where_open(&where, &trouble);
	return true;
}

static void
place(const struct process_setup *setup, struct sandbox_place *out)
{
	(void)setup;
	out->beneath = found ? where.root : NULL;
	out->writes_files = true;
}

static bool
open_mailbox(const struct process_setup *setup, struct error *err)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	char host[HOST_NAME_MAX + 1] = "";

	(void)setup;
	if (!told)
		return error_set(err, ERROR_PERMANENT, "no setup of a mailbox came");
	if (geteuid() == 0) /* SECURITY L05; the parent refuses it before */
		return error_set(
		    err, ERROR_PERMANENT, "%s: no mail is delivered as root; give it an alias", where.user);
	(void)umask(S_IRWXG | S_IRWXO);
	if (sigaction(SIGXFSZ, &ignore, NULL) == -1) /* a file-size limit is an error of write(2), and undone as such */
		fatal("SIGXFSZ cannot be ignored");
	(void)gethostname(host, sizeof(host) - 1);
	maildir_init(host[0] == '\0' ? "localhost" : host);
	mbox_init(host);
	return true;
}

static void
job_ended(void *arg)
{
	(void)arg;
	if (draining)
		process_done();
}

static bool
settle(const struct process_setup *setup, struct error *err)
{
	(void)setup;
	(void)err;
	delivery = delivery_new(&where, found ? NULL : &trouble, job_ended, NULL);
	return true;
}

static bool
take_job(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)fd;
	return delivery_take_job(delivery, peer->channel, id, &msg->job);
}

static bool
take_rcpt(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)peer;
	(void)fd;
	return delivery_take_rcpt(delivery, id, &msg->job_rcpt);
}

static bool
take_body(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)peer;
	(void)fd;
	return delivery_take_body(delivery, id, &msg->job_body);
}

static bool
take_cancel(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)peer;
	(void)fd;
	return delivery_take_cancel(delivery, id, &msg->job_cancel);
}

/* queue closes the channel when there is nothing more to do, or has died: either way nobody waits for us. */
static void
peer_gone(struct peer *peer)
{
	(void)peer;
	delivery_stop(delivery);
	process_done();
}

static void
drain(void)
{
	draining = true;
	if (!delivery_busy(delivery))
		process_done();
}

int
main(int argc, char **argv)
{
	static const struct process mailbox = {
		.kind = PROTO_KIND_MAILBOX,
		.name = "mailbox",
		.place = place,
		.open = open_mailbox,
		.settle = settle,
		.drain = drain,
		.peer_gone = peer_gone,
		.handlers = {
			[PROTO_MAILBOX_SETUP_TYPE] = take_setup,
			[PROTO_JOB_TYPE] = take_job,
			[PROTO_JOB_RCPT_TYPE] = take_rcpt,
			[PROTO_JOB_BODY_TYPE] = take_body,
			[PROTO_JOB_CANCEL_TYPE] = take_cancel,
		},
	};

	return process_run(&mailbox, argc, argv);
}
