/* SPDX-License-Identifier: ISC */
/* The process that answers local users on the control socket, by who they are. */
#include <stdio.h>

#include "common/log.h"
#include "common/process.h"
#include "ctl/client.h"
#include "ctl/identity.h"

static void
place(const struct process_setup *setup, struct sandbox_place *out)
{
	static char root[PROTO_TEXT_MAX + 1];

	(void)snprintf(root, sizeof(root), "%s/empty", setup->config->runtime);
	out->root = root;
	out->account = "_postern";
}

static bool
open_all(const struct process_setup *setup, struct error *err)
{
	(void)setup;
	(void)err;
	identity_init();
	return true;
}

static void
take_listener(uint64_t id, struct str name, int fd)
{
	(void)name;
	invariant(id == PROTO_SOCKET_CONTROL);
	client_listen(fd);
}

static void
drain(void)
{
	client_stop();
	process_done();
}

static void
peer_gone(struct peer *peer)
{
	client_peer_gone(peer);
}

static bool
take_value(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)fd;
	return client_answer(peer, id, PROTO_STATUS_VALUE_TYPE, msg);
}

static bool
take_entry(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)fd;
	return client_answer(peer, id, PROTO_QUEUE_ENTRY_TYPE, msg);
}

static bool
take_progress(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)fd;
	return client_answer(peer, id, PROTO_QUEUE_PROGRESS_TYPE, msg);
}

static bool
take_event(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)fd;
	return client_answer(peer, id, PROTO_HISTORY_ENTRY_TYPE, msg);
}

static bool
take_text(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)fd;
	return client_answer(peer, id, PROTO_QUEUE_TEXT_TYPE, msg);
}

static bool
take_destination(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)fd;
	return client_answer(peer, id, PROTO_DESTINATION_ENTRY_TYPE, msg);
}

static bool
take_age(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)fd;
	return client_answer(peer, id, PROTO_DESTINATION_AGE_TYPE, msg);
}

static bool
take_end(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)fd;
	return client_answer(peer, id, PROTO_ANSWER_END_TYPE, msg);
}

int
main(int argc, char **argv)
{
	static const struct process control = {
		.kind = PROTO_KIND_CONTROL,
		.name = "control",
		.place = place,
		.open = open_all,
		.start = client_start,
		.drain = drain,
		.pause = client_set_paused,
		.listener = take_listener,
		.peer_gone = peer_gone,
		.handlers = {
			[PROTO_STATUS_VALUE_TYPE] = take_value,
			[PROTO_QUEUE_ENTRY_TYPE] = take_entry,
			[PROTO_QUEUE_PROGRESS_TYPE] = take_progress,
			[PROTO_HISTORY_ENTRY_TYPE] = take_event,
			[PROTO_QUEUE_TEXT_TYPE] = take_text,
			[PROTO_DESTINATION_ENTRY_TYPE] = take_destination,
			[PROTO_DESTINATION_AGE_TYPE] = take_age,
			[PROTO_ANSWER_END_TYPE] = take_end,
		},
	};

	return process_run(&control, argc, argv);
}
