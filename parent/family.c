/* SPDX-License-Identifier: ISC */
#include "parent/family.h"

#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/process.h"
#include "parent/daemon.h"
#include "parent/introduce.h"
#include "parent/limits.h"
#include "parent/listen.h"
#include "parent/logging.h"
#include "parent/requests.h"

/* In the order of starting; the ends of the list serve clients and deliveries, and end first. */
static const struct {
	enum proto_kind kind;
	bool serves; /* is drained first */
} kinds[] = {
	{ PROTO_KIND_QUEUE, true },
	{ PROTO_KIND_ROUTER, false },
	{ PROTO_KIND_USERDB, false },
	{ PROTO_KIND_RESOLVER, false },
	{ PROTO_KIND_CONTROL, true },
	{ PROTO_KIND_RELAY, true },
	{ PROTO_KIND_SMTPD, true },
};

/*
 * When two fall out, the one nearer to the network is restarted: a taken-over smtpd cannot have the queue killed by
 * complaining about it. A higher rank is further inside.
 */
static const int ranks[PROTO_KIND_COUNT] = {
	[PROTO_KIND_PARENT] = 9,
	[PROTO_KIND_QUEUE] = 8,
	[PROTO_KIND_ROUTER] = 7,
	[PROTO_KIND_USERDB] = 6,
	[PROTO_KIND_CONTROL] = 5,
	[PROTO_KIND_RESOLVER] = 4,
	[PROTO_KIND_RELAY] = 3,
	[PROTO_KIND_SMTPD] = 2,
	[PROTO_KIND_MAILBOX] = 1,
	[PROTO_KIND_CLIENT] = 0,
};

enum phase { PHASE_STARTING, PHASE_SERVING, PHASE_DRAINING, PHASE_ENDING };

/* The wait of a child for its restart. */
struct family_timer {
	struct loop_timer timer;
};

static struct {
	struct child *children;
	enum phase phase;
	bool failed;
	void (*on_ready)(void);
	struct loop_timer ping;
	int64_t pinged_ms;
	struct loop_timer deadline;
} family;

static bool start_child(struct child *child, struct error *err);

static bool
serves(const struct child *child)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].kind == child->kind)
			return kinds[i].serves;
	return true; /* a mailbox */
}

struct child *
family_find(enum proto_kind kind, uint64_t instance)
{
	struct child *child;

	for (child = family.children; child != NULL; child = child->next)
		if (child->kind == kind && child->instance == instance && child->pid != -1)
			return child;
	return NULL;
}

size_t
family_mailboxes(void)
{
	const struct child *child;
	size_t n = 0;

	for (child = family.children; child != NULL; child = child->next)
		n += child->kind == PROTO_KIND_MAILBOX;
	return n;
}

static void
tell(enum proto_type type, const void *msg, int fd)
{
	struct child *child;

	for (child = family.children; child != NULL; child = child->next) {
		if (child->channel == NULL || !proto_allowed(type, PROTO_KIND_PARENT, child->kind))
			continue;
		if (fd == -1)
			channel_send(child->channel, type, 0, msg);
		else
			channel_send_fd(child->channel, type, 0, msg, fd);
	}
}

void
family_tell_all(enum proto_type type, const void *msg)
{
	tell(type, msg, -1);
}

void
family_tell_all_fd(enum proto_type type, const void *msg, int fd)
{
	tell(type, msg, fd);
}

/* --- introductions --- */

static void
introduce_to_all(struct child *child)
{
	struct child *other;

	for (other = family.children; other != NULL; other = other->next)
		if (other != child && other->channel != NULL && other->kind != PROTO_KIND_MAILBOX &&
		    proto_edge(child->kind, other->kind))
			introduce(child, other);
}

void
family_introduce_queue(struct child *mailbox)
{
	introduce_to_all(mailbox);
	SEND(mailbox->channel, CONFINE, confine, 0, .nothing = false);
}

/* --- the start of one --- */

static void
send_setup(struct child *child)
{
	bool ticket = child->kind == PROTO_KIND_ROUTER || child->kind == PROTO_KIND_QUEUE;
	bool statement = child->kind == PROTO_KIND_ROUTER;

	SEND(child->channel, SETUP, setup, 0, .kind = child->kind,
	    .instance = child->kind == PROTO_KIND_MAILBOX ? 0 : child->instance, .generation = child->generation,
	    .level = postern.level, .privileged = postern.privileged, .trace_proto = postern.trace_proto,
	    .ticket_key = { postern.ticket_key, ticket ? PROTO_KEY_MAX : 0 },
	    .statement_key = { postern.statement_key, statement ? PROTO_KEY_MAX : 0 });
}

/* The router alone sees the contents of tables. */
static void
send_config(struct child *child)
{
	struct str rest = buf_str(child->kind == PROTO_KIND_ROUTER ? &postern.config_whole : &postern.config_blanked);

	do {
		size_t piece = rest.len < PROTO_CHUNK_MAX ? rest.len : PROTO_CHUNK_MAX;
		SEND(child->channel, CONFIG, config, 0, .bytes = { rest.ptr, piece }, .last = piece == rest.len);
		rest.ptr += piece;
		rest.len -= piece;
	} while (rest.len > 0);
}

static void
send_listeners(struct child *child)
{
	size_t count, i;
	const struct listen_socket *sockets = listen_sockets(&count);

	for (i = 0; i < count; i++) {
		enum proto_kind whose = sockets[i].id == PROTO_SOCKET_CONTROL ? PROTO_KIND_CONTROL : PROTO_KIND_SMTPD;
		if (child->kind == whose)
			SEND_FD(child->channel, LISTENER, listener, sockets[i].id, sockets[i].fd,
			    .name = str_of(sockets[i].name));
	}
}

static void
all_ready(void)
{
	static const struct msg_start start;

	family.phase = PHASE_SERVING;
	loop_timer_stop(&family.deadline);
	family_tell_all(PROTO_START_TYPE, &start);
	family.on_ready();
}

static void
child_ready(struct child *child)
{
	const struct child *other;

	child->ready = true;
	if (proto_allowed(PROTO_PAUSE_TYPE, PROTO_KIND_PARENT, child->kind))
		channel_send(child->channel, PROTO_PAUSE_TYPE, 0, &postern.paused);
	if (family.phase == PHASE_SERVING)
		SEND(child->channel, START, start, 0, .nothing = false);
	if (family.phase != PHASE_STARTING)
		return;
	for (other = family.children; other != NULL; other = other->next)
		if (!other->ready)
			return;
	all_ready();
}

static void
peer_broke(struct child *reporter, const struct msg_peer_broke *report)
{
	struct child *other = family_find(report->kind, report->instance);
	struct child *guilty;

	if (other == NULL || other->generation != report->generation || !proto_edge(reporter->kind, other->kind))
		return; /* it is gone already */
	guilty = ranks[other->kind] < ranks[reporter->kind] ? other : reporter;
	log_warning("process-cut-off", log_text(LOG_FIELD_process, proto_kind_name(guilty->kind)),
	    log_u64(LOG_FIELD_instance, guilty->instance), log_u64(LOG_FIELD_pid, (uint64_t)guilty->pid),
	    log_text(LOG_FIELD_peer, proto_kind_name(guilty == other ? reporter->kind : other->kind)));
	(void)kill(guilty->pid, SIGKILL);
}

static bool
child_said(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	struct child *child = arg;

	(void)fd;
	pulse_heard(&child->pulse);
	switch ((int)type) {
	case PROTO_READY_TYPE: child_ready(child); return true;
	case PROTO_PONG_TYPE: return true;
	case PROTO_PEER_BROKE_TYPE: peer_broke(child, &msg->peer_broke); return true;
	default: return requests_handle(child, type, id, msg);
	}
}

/* Its death, if that is what it is, comes as SIGCHLD. A process that only closed its channel is of no use any more. */
static void
child_closed(void *arg, const char *violation)
{
	struct child *child = arg;

	if (violation != NULL)
		log_warning("peer-broke", log_text(LOG_FIELD_peer, proto_kind_name(child->kind)),
		    log_u64(LOG_FIELD_instance, child->instance), log_text(LOG_FIELD_reason, violation));
	channel_free(child->channel);
	child->channel = NULL;
	if (child->pid != -1 && (violation != NULL || family.phase < PHASE_DRAINING))
		(void)kill(child->pid, SIGKILL);
}

static bool
start_process(struct child *child, const struct spawn_user *user, struct error *err)
{
	int fd;

	child->pid = spawn(child->kind, child->instance, logging_fd(), user, &fd, err);
	if (child->pid == -1)
		return false;
	child->generation++;
	child->ready = false;
	child->started_ms = loop_now_ms();
	pulse_heard(&child->pulse); /* its predecessor's silence is not its own */
	child->channel = channel_new(fd, PROTO_KIND_PARENT, child->kind, child_said, child_closed, child);
	send_setup(child);
	return true;
}

static bool
start_child(struct child *child, struct error *err)
{
	if (!start_process(child, NULL, err))
		return false;
	send_config(child);
	send_listeners(child);
	introduce_to_all(child);
	SEND(child->channel, CONFINE, confine, 0, .nothing = false);
	return true;
}

static struct child *
new_child(enum proto_kind kind, uint64_t instance)
{
	struct child *child = calloc(1, sizeof(*child));

	if (child == NULL)
		fatal("out of memory");
	child->kind = kind;
	child->instance = instance;
	child->pid = -1;
	child->next = family.children;
	family.children = child;
	return child;
}

static void
free_object(void *object)
{
	free(object);
}

static void
forget_child(struct child *child)
{
	struct child **at;

	for (at = &family.children; *at != child; at = &(*at)->next)
		continue;
	*at = child->next;
	channel_free(child->channel);
	loop_reap(free_object, child);
}

struct child *
family_add_mailbox(uint64_t number, const struct spawn_user *user, struct error *err)
{
	struct child *child = new_child(PROTO_KIND_MAILBOX, number);

	if (start_process(child, user, err))
		return child;
	forget_child(child);
	return NULL;
}

/* --- the end of one --- */

static void
restart(void *arg)
{
	struct child *child = arg;
	struct error err;

	if (family.phase >= PHASE_DRAINING || child->pid != -1)
		return;
	if (!start_child(child, &err)) {
		log_error("cannot-restart", log_text(LOG_FIELD_process, proto_kind_name(child->kind)),
		    log_text(LOG_FIELD_error, err.text));
		loop_timer_start(&child->restart->timer, PARENT_BACKOFF_MAX_MS);
	}
}

static void
restart_later(struct child *child)
{
	int64_t wait = backoff_after_death(&child->backoff, loop_now_ms() - child->started_ms);

	if (child->restart == NULL) {
		child->restart = calloc(1, sizeof(*child->restart));
		if (child->restart == NULL)
			fatal("out of memory");
		loop_timer_init(&child->restart->timer, restart, child);
	}
	loop_timer_start(&child->restart->timer, wait);
}

static void
log_death(const struct child *child, int status)
{
	bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	bool expected = clean && (family.phase >= PHASE_DRAINING || child->kind == PROTO_KIND_MAILBOX);

	if (expected)
		return;
	if (WIFSIGNALED(status))
		log_warning("process-died", log_text(LOG_FIELD_process, proto_kind_name(child->kind)),
		    log_u64(LOG_FIELD_instance, child->instance), log_u64(LOG_FIELD_pid, (uint64_t)child->pid),
		    log_u64(LOG_FIELD_signal, (uint64_t)WTERMSIG(status)),
		    log_text(LOG_FIELD_reason,
			WTERMSIG(status) == SIGSYS ? "refused system call" : strsignal(WTERMSIG(status))));
	else
		log_warning("process-died", log_text(LOG_FIELD_process, proto_kind_name(child->kind)),
		    log_u64(LOG_FIELD_instance, child->instance), log_u64(LOG_FIELD_pid, (uint64_t)child->pid),
		    log_u64(LOG_FIELD_status, (uint64_t)WEXITSTATUS(status)));
}

static bool
any_left(bool serving_only)
{
	const struct child *child;

	for (child = family.children; child != NULL; child = child->next)
		if (child->pid != -1 && (!serving_only || serves(child)))
			return true;
	return false;
}

static void
drain(bool serving)
{
	static const struct msg_drain msg;
	struct child *child;

	for (child = family.children; child != NULL; child = child->next)
		if (child->channel != NULL && serves(child) == serving)
			channel_send(child->channel, PROTO_DRAIN_TYPE, 0, &msg);
}

/* What serves is gone: the rest may go. All are gone: so may we. */
static void
go_on_stopping(void)
{
	if (family.phase == PHASE_DRAINING && !any_left(true)) {
		family.phase = PHASE_ENDING;
		drain(false);
	}
	if (family.phase == PHASE_ENDING && !any_left(false))
		loop_stop();
}

static void
child_died(struct child *child, int status)
{
	bool could_not_start = !child->ready && WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG;

	log_death(child, status);
	child->pid = -1;
	child->ready = false;
	channel_free(child->channel);
	child->channel = NULL;
	if (child->kind == PROTO_KIND_MAILBOX) {
		requests_mailbox_ended(child->instance, status);
		forget_child(child);
	} else if (family.phase == PHASE_STARTING &&
	    (could_not_start || child->backoff.deaths >= PARENT_DEATHS_AT_ONCE)) {
		log_error("cannot-start", log_text(LOG_FIELD_process, proto_kind_name(child->kind)));
		family.failed = true;
		family_stop();
	} else if (family.phase < PHASE_DRAINING) {
		restart_later(child);
	}
}

void
family_reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *child = family.children;
		while (child != NULL && child->pid != pid)
			child = child->next;
		if (child != NULL)
			child_died(child, status);
		else
			logging_died(pid);
	}
	go_on_stopping();
}

/* --- all of them --- */

/* One that is still starting reads nothing yet. */
static void
end_the_silent(bool late)
{
	struct child *child;

	for (child = family.children; child != NULL; child = child->next) {
		int64_t patience = child->ready ? PROCESS_SILENT_MS : PARENT_START_MS;
		if (!pulse_lost(&child->pulse, loop_now_ms(), patience, late) || child->pid == -1)
			continue;
		log_warning("process-silent", log_text(LOG_FIELD_process, proto_kind_name(child->kind)),
		    log_u64(LOG_FIELD_instance, child->instance), log_u64(LOG_FIELD_pid, (uint64_t)child->pid));
		(void)kill(child->pid, SIGKILL);
	}
}

static void
ask_for_life(void *arg)
{
	static const struct msg_ping ping;
	struct child *child;

	(void)arg;
	end_the_silent(loop_now_ms() - family.pinged_ms > PARENT_PING_MS + PARENT_LATE_MS);
	family_tell_all(PROTO_PING_TYPE, &ping);
	for (child = family.children; child != NULL; child = child->next)
		if (child->channel != NULL)
			pulse_asked(&child->pulse, loop_now_ms());
	family.pinged_ms = loop_now_ms();
	logging_check();
	loop_timer_start(&family.ping, PARENT_PING_MS);
}

static void
log_changed(void)
{
	static const struct msg_log_to log_to;

	family_tell_all_fd(PROTO_LOG_TO_TYPE, &log_to, logging_fd());
}

static void
deadline_passed(void *arg)
{
	(void)arg;
	if (family.phase == PHASE_STARTING) {
		log_error("cannot-start", log_text(LOG_FIELD_error, "not all processes became ready in time"));
		family.failed = true;
	}
	family_kill_all();
	loop_stop();
}

static unsigned
workers(unsigned configured)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (configured > 0)
		return configured;
	if (processors < 1)
		return 1;
	return processors < PARENT_WORKERS_DEFAULT_MAX ? (unsigned)processors : PARENT_WORKERS_DEFAULT_MAX;
}

static unsigned
how_many(enum proto_kind kind)
{
	if (kind == PROTO_KIND_SMTPD)
		return workers(postern.config->smtp_workers);
	return kind == PROTO_KIND_RELAY ? workers(postern.config->mta_workers) : 1;
}

bool
family_start(void (*on_ready)(void), struct error *err)
{
	size_t i;

	family.on_ready = on_ready;
	logging_watch(log_changed);
	requests_init();
	introduce_init();
	loop_timer_init(&family.ping, ask_for_life, NULL);
	loop_timer_init(&family.deadline, deadline_passed, NULL);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		unsigned instance;
		for (instance = 0; instance < how_many(kinds[i].kind); instance++)
			if (!start_child(new_child(kinds[i].kind, instance), err))
				return false;
	}
	family.pinged_ms = loop_now_ms();
	loop_timer_start(&family.ping, PARENT_PING_MS);
	loop_timer_start(&family.deadline, PARENT_START_MS);
	return true;
}

void
family_stop(void)
{
	if (family.phase >= PHASE_DRAINING) {
		family_kill_all();
		loop_stop();
		return;
	}
	family.phase = PHASE_DRAINING;
	loop_timer_start(&family.deadline, PARENT_STOP_MS);
	drain(true);
	go_on_stopping();
}

bool
family_failed(void)
{
	return family.failed;
}

void
family_kill_all(void)
{
	struct child *child;

	for (child = family.children; child != NULL; child = child->next)
		if (child->pid != -1)
			(void)kill(child->pid, SIGKILL);
	for (child = family.children; child != NULL; child = child->next) {
		while (child->pid != -1 && waitpid(child->pid, NULL, 0) == -1 && errno == EINTR)
			continue;
		child->pid = -1;
	}
}
