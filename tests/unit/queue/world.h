/* SPDX-License-Identifier: ISC */
/*
 * A world for the queue without the other processes: the whole room runs here, on a real store, committer and reader, and
 * its peers are the other ends of real channels, played by the test, which keeps all they hear. Include after unit.h.
 */
#ifndef TESTS_UNIT_QUEUE_WORLD_H
#define TESTS_UNIT_QUEUE_WORLD_H

#include <sys/socket.h>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/process.h"
#include "queue/core.h"
#include "queue/destination.h"
#include "queue/service.h"
#include "queue/upkeep.h"

#define UNUSED __attribute__((unused))

enum { WORLD_ENDS_MAX = 64, WORLD_HEARD_MAX = 40000, WORLD_SECONDS = 20 };

/* A message that an end has heard, with its own copy of the payload. */
struct heard {
	enum proto_type type;
	uint64_t id;
	char *payload;
	union proto_message msg;
	bool taken;
};

/* A process beside the queue: `peer` as the queue sees it, `channel` as it sees the queue. */
struct end {
	struct peer peer;
	struct channel *channel;
	bool broke; /* the queue cut it off for a violation */
	bool gone;
	struct heard *heard;
	size_t heard_count;
	uint64_t next_id; /* of a smtpd: from its last grant */
};

static struct world {
	char dir[64];
	struct config config;
	struct config_action actions[2];
	struct process_setup setup;
	struct end *ends[WORLD_ENDS_MAX];
	size_t ends_count;
	struct end parent;
	uint64_t generation;
	bool done;
} world;

/* --- what the room asks of its frame --- */

struct peer *
process_peer(enum proto_kind kind, uint64_t instance)
{
	size_t i;

	for (i = 0; i < world.ends_count; i++)
		if (!world.ends[i]->gone && world.ends[i]->peer.kind == kind &&
		    world.ends[i]->peer.instance == instance)
			return &world.ends[i]->peer;
	return NULL;
}

struct peer *
process_peer_next(enum proto_kind kind, struct peer *after)
{
	bool found = after == NULL;
	size_t i;

	for (i = 0; i < world.ends_count; i++) {
		if (found && !world.ends[i]->gone && world.ends[i]->peer.kind == kind)
			return &world.ends[i]->peer;
		found = found || &world.ends[i]->peer == after;
	}
	return NULL;
}

struct channel *
process_parent(void)
{
	return world.parent.peer.channel;
}

void
process_done(void)
{
	world.done = true;
}

static struct end *
end_of(struct peer *peer)
{
	return (struct end *)(void *)((char *)peer - offsetof(struct end, peer));
}

static void
remove_end(struct end *end)
{
	if (end->gone)
		return;
	end->gone = true;
	service.peer_gone(&end->peer);
	channel_free(end->peer.channel);
}

void
process_peer_broke(struct peer *peer, const char *violation)
{
	end_of(peer)->broke = violation != NULL;
	remove_end(end_of(peer));
}

/* No test of this room comes here. */
int
process_run(const struct process *process, int argc, char **argv)
{
	(void)process;
	(void)argc;
	(void)argv;
	return 1;
}

/* --- both sides of a channel --- */

static bool
queue_hears(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	struct end *end = arg;

	return service.handlers[type] != NULL && service.handlers[type](&end->peer, id, msg, fd);
}

static void
queue_loses(void *arg, const char *violation)
{
	process_peer_broke(&((struct end *)arg)->peer, violation);
}

static bool
end_hears(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	struct end *end = arg;
	struct heard *h;
	struct buf payload;

	(void)fd;
	if (end->heard_count == WORLD_HEARD_MAX)
		fail_msg("%s hears too much", proto_kind_name(end->peer.kind));
	h = &end->heard[end->heard_count++];
	buf_init(&payload, PROTO_PAYLOAD_MAX);
	assert_true(proto_encode(type, msg, &payload));
	*h = (struct heard){ .type = type, .id = id, .payload = payload.data };
	assert_true(proto_decode(type, buf_str(&payload), &h->msg));
	return true;
}

static void
end_loses(void *arg, const char *violation)
{
	struct end *end = arg;

	if (violation != NULL)
		fail_msg("the queue breaks the rules towards %s: %s", proto_kind_name(end->peer.kind), violation);
	channel_free(end->channel);
	end->channel = NULL;
}

static void
connect_end(struct end *end, enum proto_kind kind, uint64_t instance)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	end->peer.kind = kind;
	end->peer.instance = instance;
	end->peer.channel = channel_new(fds[0], PROTO_KIND_QUEUE, kind, queue_hears, queue_loses, end);
	end->channel = channel_new(fds[1], kind, PROTO_KIND_QUEUE, end_hears, end_loses, end);
	end->heard = calloc(WORLD_HEARD_MAX, sizeof(*end->heard));
	assert_non_null(end->heard);
}

static UNUSED struct end *
world_join(enum proto_kind kind, uint64_t instance)
{
	struct end *end = calloc(1, sizeof(*end));

	assert_non_null(end);
	assert_true(world.ends_count < WORLD_ENDS_MAX);
	connect_end(end, kind, instance);
	world.ends[world.ends_count++] = end;
	service.peer_new(&end->peer);
	return end;
}

/* The process dies: its channel closes. */
static UNUSED void
world_leave(struct end *end)
{
	channel_free(end->channel);
	end->channel = NULL;
	while (!end->gone)
		loop_turn();
}

static void
free_end(struct end *end)
{
	size_t i;

	channel_free(end->channel);
	for (i = 0; i < end->heard_count; i++)
		free(end->heard[i].payload);
	free(end->heard);
}

/* --- waiting --- */

static UNUSED double
seconds_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Runs turns while condition, an expression, does not hold; the test fails after WORLD_SECONDS. */
#define WAIT_FOR(condition)                                                                               \
	do {                                                                                              \
		double deadline_ = seconds_now() + WORLD_SECONDS;                                         \
		while (!(condition)) {                                                                    \
			loop_turn();                                                                      \
			(void)sched_yield();                                                              \
			if (seconds_now() > deadline_)                                                    \
				fail_msg("%s:%d: waited in vain for %s", __FILE__, __LINE__, #condition); \
		}                                                                                         \
	} while (0)

/* Turns until all that is under way has come to rest: nothing with the committer, nothing in the channels. */
static UNUSED void
settle_down(void)
{
	int quiet = 0;

	while (quiet < 50) {
		size_t before = 0, after = 0, i;
		for (i = 0; i < world.ends_count; i++)
			before += world.ends[i]->heard_count;
		loop_turn();
		(void)sched_yield();
		for (i = 0; i < world.ends_count; i++)
			after += world.ends[i]->heard_count;
		quiet = before == after && intake_pending(core.intake) + committer_pending(core.committer) == 0
		    ? quiet + 1
		    : 0;
	}
}

static struct heard *
find_heard(struct end *end, enum proto_type type, uint64_t id)
{
	size_t i;

	for (i = 0; i < end->heard_count; i++)
		if (!end->heard[i].taken && end->heard[i].type == type && (id == 0 || end->heard[i].id == id))
			return &end->heard[i];
	return NULL;
}

/* Takes the first message of that type about id (0: any) that end heard and that was not taken; waits for it. */
static UNUSED struct heard *
hear(struct end *end, enum proto_type type, uint64_t id)
{
	double deadline = seconds_now() + WORLD_SECONDS;
	struct heard *h;

	while ((h = find_heard(end, type, id)) == NULL) {
		loop_turn();
		(void)sched_yield();
		if (seconds_now() > deadline)
			fail_msg("%s waits in vain for %s", proto_kind_name(end->peer.kind), proto_type_name(type));
	}
	h->taken = true;
	if (type == PROTO_DONE_TYPE) /* kept in the journal; what the tests look at is the store */
		WAIT_FOR(committer_kept_bytes(core.committer) == 0);
	return h;
}

static UNUSED bool
has_heard(struct end *end, enum proto_type type, uint64_t id)
{
	return find_heard(end, type, id) != NULL;
}

/* --- a smtpd --- */

static UNUSED struct end *
join_smtpd(uint64_t instance)
{
	struct end *smtpd = world_join(PROTO_KIND_SMTPD, instance);

	smtpd->next_id = hear(smtpd, PROTO_GRANT_TYPE, 0)->msg.grant.first;
	return smtpd;
}

static UNUSED struct msg_ticket
ticket_for(uint64_t transaction, uint64_t number, const char *destination)
{
	struct msg_ticket ticket = { .transaction = transaction,
		.number = number,
		.expires_ms = (uint64_t)loop_wall_ms() + 3600000,
		.kind = PROTO_DELIVERY_RELAY,
		.origin = S("192.0.2.1:1234"),
		.owner = PROTO_OWNER_NONE,
		.reverse_path = S("ann@near.example"),
		.forward_path = S("joe@far.example"),
		.recipient = S("joe@far.example"),
		.action = S("out"),
		.destination = str_of(destination),
		.ttl_s = 3600 };

	if (strncmp(destination, "local/", 6) == 0) {
		ticket.kind = PROTO_DELIVERY_LOCAL;
		ticket.action = S("local");
		ticket.user = str_of(destination + 6);
	}
	return ticket;
}

static UNUSED void
send_ticket(struct end *smtpd, uint64_t id, const struct msg_ticket *ticket)
{
	struct buf sealed;

	buf_init(&sealed, PROTO_TICKET_MAX);
	assert_true(seal_make(core.tickets, PROTO_TICKET_TYPE, ticket, &sealed));
	SEND(smtpd->channel, RCPT, rcpt, id, .ticket = buf_str(&sealed));
	buf_clear(&sealed);
}

static UNUSED void
send_begin(struct end *smtpd, uint64_t id)
{
	SEND(smtpd->channel, BEGIN, begin, id, .session = 1, .reverse_path = S("ann@near.example"),
	    .body = PROTO_BODY_8BITMIME);
}

static UNUSED void
send_commit(struct end *smtpd, uint64_t id, size_t size)
{
	SEND(smtpd->channel, COMMIT, commit, id, .size = size, .preamble = S("Received: from near.example\r\n"));
}

/* A small message in one go. Returns its id. */
static UNUSED uint64_t
send_message(struct end *smtpd, const char *destination, unsigned rcpts)
{
	static const struct str body = STR("Subject: x\r\n\r\nhello\r\n");
	uint64_t id = smtpd->next_id++;
	unsigned i;

	send_begin(smtpd, id);
	for (i = 0; i < rcpts; i++) {
		struct msg_ticket ticket = ticket_for(id, i, destination);
		send_ticket(smtpd, id, &ticket);
	}
	SEND(smtpd->channel, BODY, body, id, .bytes = body);
	send_commit(smtpd, id, body.len);
	return id;
}

/* --- the store --- */

static UNUSED void
print_wrong(void *arg, const char *text)
{
	(void)arg;
	print_error("%s\n", text);
}

static UNUSED struct store_txn *
look(void)
{
	struct error err;
	struct store_txn *txn = store_read(core.store, &err);

	if (txn == NULL)
		fail_msg("%s", err.text);
	return txn;
}

static UNUSED unsigned
messages_stored(void)
{
	struct store_txn *txn = look();
	struct record_message record;
	struct error err;
	uint64_t id = 0;
	unsigned n = 0;

	while (store_next_message(txn, id, &id, &record, &err) == STORE_FOUND)
		n++;
	store_read_end(txn);
	return n;
}

static UNUSED bool
is_stored(uint64_t message, uint32_t number, struct record_recipient *out)
{
	struct store_txn *txn = look();
	struct error err;
	bool found = store_get_recipient(txn, message, number, out, &err) == STORE_FOUND;

	store_read_end(txn);
	return found;
}

static UNUSED bool
has_piece_left(uint64_t message)
{
	struct store_txn *txn = look();
	struct error err;
	struct str piece;
	bool found = store_get_piece(txn, message, 0, &piece, &err) == STORE_FOUND;

	store_read_end(txn);
	return found;
}

static UNUSED void
expect_consistent(void)
{
	struct store_txn *txn = look();
	uint64_t wrong = store_check(txn, print_wrong, NULL);

	store_read_end(txn);
	if (wrong != 0)
		fail_msg("the store has %llu findings", (unsigned long long)wrong);
}

static UNUSED struct destination *
destination_named(const char *name)
{
	struct destination *d = NULL;

	while ((d = destination_next(d)) != NULL)
		if (str_equal(destination_name(d), str_of(name)))
			return d;
	return NULL;
}

/* --- beginning and end --- */

static void
remove_spool(void)
{
	DIR *d = opendir(world.dir);
	struct dirent *entry;

	assert_non_null(d);
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(d), entry->d_name, 0), 0);
	assert_int_equal(closedir(d), 0);
	assert_int_equal(rmdir(world.dir), 0);
}

static void
configure(void)
{
	size_t i;

	STAILQ_INIT(&world.config.actions);
	world.actions[0] = (struct config_action){ .name = "out", .method = CONFIG_METHOD_RELAY };
	world.actions[1] = (struct config_action){ .name = "local", .method = CONFIG_METHOD_MAILDIR };
	for (i = 0; i < 2; i++)
		STAILQ_INSERT_TAIL(&world.config.actions, &world.actions[i], next);
	world.config.spool = world.dir;
	world.config.queue_size = (uint64_t)1 << 30;
	world.config.queue_memory = 8 * 1024 * 1024;
	world.config.history_keep_s = 7 * 24 * 3600;
	world.config.history_size = (uint64_t)1 << 30;
	world.config.queue_ttl_s = 3600;
	world.config.bounce_ttl_s = 172800;
	world.config.queue_retry_min_s = 600;
	world.config.queue_retry_max_s = 14400;
	world.config.smtp_max_message_size = 35 * 1024 * 1024;
}

/* The queue starts on the spool that is there. */
static UNUSED void
world_start(void)
{
	static const char key[PROTO_KEY_MAX] = "thirty-two bytes that nobody has";
	struct error err;

	memset(&core, 0, sizeof(core));
	core.config = &world.config;
	core.tickets = seal_new((struct str){ key, sizeof(key) });
	(void)snprintf(core.hostname, sizeof(core.hostname), "queue.example");
	world.setup = (struct process_setup){ .config = &world.config, .generation = ++world.generation };
	world.done = false;
	if (!service.settle(&world.setup, &err))
		fail_msg("%s", err.text);
	connect_end(&world.parent, PROTO_KIND_PARENT, 0);
	service.start();
}

/* And ends, as after DRAIN or, where the committer still has something, after a crash that lost nothing of it. */
static UNUSED void
world_stop(void)
{
	size_t i;

	for (i = 0; i < world.ends_count; i++) {
		remove_end(world.ends[i]);
		free_end(world.ends[i]);
		free(world.ends[i]);
	}
	world.ends_count = 0;
	upkeep_stop();
	service_close();
	destinations_free();
	seal_free(core.tickets);
	channel_free(world.parent.peer.channel);
	free_end(&world.parent);
	memset(&world.parent, 0, sizeof(world.parent));
	loop_turn();
}

static UNUSED int
world_setup(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	(void)snprintf(world.dir, sizeof(world.dir), "/tmp/postern-test-queue-XXXXXX");
	assert_non_null(mkdtemp(world.dir));
	configure();
	world_start();
	return 0;
}

static UNUSED int
world_teardown(void **state)
{
	(void)state;
	world_stop();
	remove_spool();
	return 0;
}

static UNUSED void
world_once(void)
{
	log_init("test", open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_TEXT, LOG_ERROR);
	loop_init();
}

#endif
