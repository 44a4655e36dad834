/* SPDX-License-Identifier: ISC */
#include "common/process.h"

#include <sys/prctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"

enum { KEY_SIZE = PROTO_KEY_MAX };

static struct {
	const struct process *kind;
	struct peer parent;
	struct peer *peers[PROCESS_PEERS_MAX];
	size_t peers_count;
	bool settled; /* the room is ready to hear of its peers */
	struct process_setup setup;
	char ticket_key[KEY_SIZE];
	char statement_key[KEY_SIZE];
	struct buf config_bytes;
	struct config *config;
} self;

/* --- peers --- */

struct peer *
process_peer(enum proto_kind kind, uint64_t instance)
{
	size_t i;

	for (i = 0; i < self.peers_count; i++)
		if (self.peers[i]->kind == kind && self.peers[i]->instance == instance)
			return self.peers[i];
	return NULL;
}

struct peer *
process_peer_next(enum proto_kind kind, struct peer *after)
{
	size_t i = 0;

	while (after != NULL && i < self.peers_count && self.peers[i] != after)
		i++;
	for (i += after != NULL; i < self.peers_count; i++)
		if (self.peers[i]->kind == kind)
			return self.peers[i];
	return NULL;
}

struct channel *
process_parent(void)
{
	return self.parent.channel;
}

static void
free_peer(void *object)
{
	free(object);
}

static void
remove_peer(struct peer *peer)
{
	size_t i = 0;

	while (i < self.peers_count && self.peers[i] != peer)
		i++;
	if (i == self.peers_count)
		return;
	self.peers[i] = self.peers[--self.peers_count];
	if (self.settled && self.kind->peer_gone != NULL)
		self.kind->peer_gone(peer);
	channel_free(peer->channel);
	loop_reap(free_peer, peer);
}

static void
peer_closed(void *arg, const char *violation)
{
	struct peer *peer = arg;

	if (violation != NULL) {
		log_warning("peer-broke", log_text(LOG_FIELD_peer, proto_kind_name(peer->kind)),
		    log_u64(LOG_FIELD_instance, peer->instance), log_text(LOG_FIELD_reason, violation));
		SEND(self.parent.channel, PEER_BROKE, peer_broke, 0, .kind = peer->kind, .instance = peer->instance,
		    .generation = peer->generation);
	}
	remove_peer(peer);
}

void
process_peer_broke(struct peer *peer, const char *violation)
{
	peer_closed(peer, violation);
}

static bool
peer_message(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	struct peer *peer = arg;
	process_handler *handler = self.kind->handlers[type];

	if (handler != NULL)
		return handler(peer, id, msg, fd);
	if (fd != -1)
		(void)close(fd);
	return false;
}

static void
introduce(const struct msg_introduce *who, int fd)
{
	struct peer *old = process_peer(who->kind, who->instance);
	struct peer *peer;

	if (old != NULL)
		remove_peer(old);
	if (self.peers_count == PROCESS_PEERS_MAX)
		fatal("more than %d peers", PROCESS_PEERS_MAX);
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		fatal("out of memory");
	peer->kind = who->kind;
	peer->instance = who->instance;
	peer->generation = who->generation;
	peer->channel = channel_new(fd, self.kind->kind, who->kind, peer_message, peer_closed, peer);
	self.peers[self.peers_count++] = peer;
	if (self.settled && self.kind->peer_new != NULL)
		self.kind->peer_new(peer);
}

/* --- the parent, while serving --- */

static void
set_level(uint64_t level)
{
	log_set_level((enum log_level)level);
}

/* The new descriptor stays where it is: to move it to the old one's number is a call that the filter refuses. */
static void
change_log(int fd)
{
	static int log_fd = PROCESS_LOG_FD;

	log_set_fd(fd);
	sandbox_log_to(fd, self.kind->name);
	(void)close(log_fd);
	log_fd = fd;
}

static void
drain(void)
{
	if (self.kind->drain != NULL)
		self.kind->drain();
	else
		process_done();
}

static bool
parent_message(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	struct peer *parent = arg;

	switch ((int)type) {
	case PROTO_PING_TYPE: SEND(parent->channel, PONG, pong, 0, .nothing = false); return true;
	case PROTO_INTRODUCE_TYPE: introduce(&msg->introduce, fd); return true;
	case PROTO_LOG_TO_TYPE: change_log(fd); return true;
	case PROTO_LEVEL_TYPE: set_level(msg->level.level); return true;
	case PROTO_DRAIN_TYPE: drain(); return true;
	case PROTO_START_TYPE:
		if (self.kind->start != NULL)
			self.kind->start();
		return true;
	case PROTO_PAUSE_TYPE:
		if (self.kind->pause != NULL)
			self.kind->pause(&msg->pause);
		return true;
	default: return peer_message(parent, type, id, msg, fd);
	}
}

/* Without its parent a process has no business: nothing acknowledged is lost by going. */
static void
parent_closed(void *arg, const char *violation)
{
	(void)arg;
	if (violation != NULL)
		log_error("parent-broke", log_text(LOG_FIELD_reason, violation));
	log_flush();
	_exit(violation == NULL ? EX_OK : EX_SOFTWARE);
}

/* --- being told who we are --- */

static bool
take_setup(const struct msg_setup *setup, struct error *err)
{
	if (setup->kind != self.kind->kind)
		return error_set(err, ERROR_PEER, "started as %s", proto_kind_name(setup->kind));
	self.setup.instance = setup->instance;
	self.setup.generation = setup->generation;
	self.setup.privileged = setup->privileged;
	memcpy(self.ticket_key, setup->ticket_key.ptr, setup->ticket_key.len);
	memcpy(self.statement_key, setup->statement_key.ptr, setup->statement_key.len);
	self.setup.ticket_key = (struct str){ self.ticket_key, setup->ticket_key.len };
	self.setup.statement_key = (struct str){ self.statement_key, setup->statement_key.len };
	set_level(setup->level);
	channel_trace(setup->trace_proto);
	return true;
}

static void
report_config(void *arg, bool warning, const char *text)
{
	(void)arg;
	if (!warning)
		log_error("configuration", log_text(LOG_FIELD_error, text));
}

/* The parent has parsed the same text: what fails here is a mistake of ours. */
static bool
take_config(const struct msg_config *part, struct error *err)
{
	struct config_text *text;

	if (!buf_append_str(&self.config_bytes, part->bytes))
		return error_set(err, ERROR_TEMPORARY, "configuration: larger than %zu bytes", self.config_bytes.max);
	if (!part->last)
		return true;
	text = config_text_decode(buf_str(&self.config_bytes), err);
	if (text == NULL)
		return false;
	self.config = config_parse(text, report_config, NULL);
	config_text_free(text);
	buf_clear(&self.config_bytes);
	if (self.config == NULL)
		return error_set(err, ERROR_PERMANENT, "configuration: cannot be parsed again");
	self.setup.config = self.config;
	log_set_format(self.config->log_json ? LOG_JSON : LOG_TEXT);
	return true;
}

static bool
take_other(enum proto_type type, uint64_t id, const union proto_message *msg, int fd, struct error *err)
{
	if (type == PROTO_LISTENER_TYPE && self.kind->listener != NULL) {
		self.kind->listener(id, msg->listener.name, fd);
		return true;
	}
	if (self.kind->handlers[type] == NULL || !self.kind->handlers[type](&self.parent, id, msg, fd))
		return error_set(err, ERROR_PEER, "the parent sent %s at start", proto_type_name(type));
	return true;
}

/* Reads what the parent says until it says that this is all. */
static bool
be_told(struct error *err)
{
	union proto_message msg;
	enum proto_type type;
	uint64_t id;
	int fd;

	while (channel_receive(self.parent.channel, PROCESS_SETUP_MS, &type, &id, &msg, &fd, err)) {
		bool ok = true;
		switch ((int)type) {
		case PROTO_CONFINE_TYPE: return true;
		case PROTO_SETUP_TYPE: ok = take_setup(&msg.setup, err); break;
		case PROTO_CONFIG_TYPE: ok = take_config(&msg.config, err); break;
		case PROTO_INTRODUCE_TYPE: introduce(&msg.introduce, fd); break;
		default: ok = take_other(type, id, &msg, fd, err); break;
		}
		if (!ok)
			return false;
	}
	return false;
}

static bool
become_confined(struct error *err)
{
	struct sandbox_place place = { 0 };
	size_t i;

	if (self.kind->place != NULL)
		self.kind->place(&self.setup, &place);
	if (self.kind->open != NULL && !self.kind->open(&self.setup, err))
		return false;
	explicit_bzero(self.ticket_key, sizeof(self.ticket_key));
	explicit_bzero(self.statement_key, sizeof(self.statement_key));
	sandbox_log_to(PROCESS_LOG_FD, self.kind->name);
	if (!sandbox_drop(&place, self.setup.privileged, err))
		return false;
	if (self.kind->settle != NULL && !self.kind->settle(&self.setup, err))
		return false;
	if (!sandbox_filter(self.kind->kind, err))
		return false;
	self.settled = true;
	for (i = 0; self.kind->peer_new != NULL && i < self.peers_count; i++)
		self.kind->peer_new(self.peers[i]);
	return true;
}

/* Signals are the parent's affair; a terminal's interrupt reaches the whole group. */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (sigaction(ignored[i], &ignore, NULL) == -1)
			fatal("signal %d: %s", ignored[i], strerror(errno));
}

static bool
started_by_parent(void)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(PROCESS_PARENT_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

#ifdef POSTERN_SANITIZE
/* Looking for leaks takes ptrace, which the filter kills for, and the environment that could say so is cleared. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

int
process_run(const struct process *process, int argc, char **argv)
{
	struct error err;

	if (!started_by_parent()) {
		(void)fprintf(stderr, "%s: a part of postern that posternd starts; see posternd(8)\n",
		    argc > 0 ? argv[0] : process->name);
		return EX_USAGE;
	}
	self.kind = process;
	self.parent.kind = PROTO_KIND_PARENT;
	log_init(process->name, PROCESS_LOG_FD, LOG_TEXT, LOG_INFO);
	(void)prctl(PR_SET_NAME, process->name, 0, 0, 0);
	ignore_signals();
	tzset();
	loop_init();
	buf_init(&self.config_bytes, 2 * CONFIG_TEXT_MAX);
	self.parent.channel = channel_new(
	    PROCESS_PARENT_FD, process->kind, PROTO_KIND_PARENT, parent_message, parent_closed, &self.parent);
	if (!be_told(&err) || !become_confined(&err)) {
		log_error("cannot-start", log_text(LOG_FIELD_error, err.text));
		log_flush();
		return EX_CONFIG;
	}
	SEND(self.parent.channel, READY, ready, 0, .nothing = false);
	loop_run();
	(void)channel_flush(self.parent.channel);
	log_flush();
	return EX_OK;
}

void
process_done(void)
{
	loop_stop();
}
