/* SPDX-License-Identifier: ISC */
/*
 * Promised: the control socket answers those it should, in numbers that are bounded, and a request finds its way to the
 * queue and back with the owner that the kernel says. The test plays clients, queue and parent. SECURITY rows U01, U02.
 */
#include "ctl/client.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "ctl/identity.h"
#include "ctl/limits.h"
#include "tests/unit/unit.h"

enum { USER = 4711, TURNS = 50, FILES = 128 };

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static char directory[] = "/tmp/postern-client-XXXXXX";

/* What queue was asked last, and the ends of its channel. */
static struct channel *queue_end;
static struct peer queue_peer = { .kind = PROTO_KIND_QUEUE };
static bool queue_there;
static enum proto_type asked_type;
static uint64_t asked_id;
static union proto_message asked;
static int parent_told;

struct channel *
process_parent(void)
{
	static struct channel *channel;
	int pair[2];

	if (channel == NULL) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		channel = channel_new(pair[0], PROTO_KIND_CONTROL, PROTO_KIND_PARENT, NULL, NULL, NULL);
	}
	parent_told++;
	return channel;
}

struct peer *
process_peer(enum proto_kind kind, uint64_t instance)
{
	return kind == PROTO_KIND_QUEUE && instance == 0 && queue_there ? &queue_peer : NULL;
}

struct peer *
process_peer_next(enum proto_kind kind, struct peer *after)
{
	return after == NULL ? process_peer(kind, 0) : NULL;
}

static bool
queue_hears(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	(void)arg;
	(void)fd;
	asked_type = type;
	asked_id = id;
	asked = *msg;
	return true;
}

static bool
control_hears(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	(void)arg;
	(void)fd;
	return client_answer(&queue_peer, id, type, msg);
}

static void
closed(void *arg, const char *violation)
{
	(void)arg;
	(void)violation;
}

static void
turns(void)
{
	int i;

	for (i = 0; i < TURNS; i++)
		loop_turn();
}

/* --- the client's end, blocking and by hand, since there is one loop --- */

static int
connect_as(uid_t uid)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_not_equal(fd, -1);
	assert_int_equal(seteuid(uid), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(seteuid(0), 0);
	turns();
	return fd;
}

static void
send_request(int fd, enum proto_type type, uint64_t id, const void *msg)
{
	struct {
		uint32_t length;
		uint16_t type, flags;
		uint64_t id;
	} header = { .type = (uint16_t)type, .id = id };
	struct buf payload;

	buf_init(&payload, PROTO_PAYLOAD_MAX);
	assert_true(proto_encode(type, msg, &payload));
	header.length = (uint32_t)payload.len;
	assert_int_equal(write(fd, &header, sizeof(header)), sizeof(header));
	assert_int_equal(write(fd, buf_str(&payload).ptr, payload.len), (ssize_t)payload.len);
	buf_clear(&payload);
	turns();
}

/* Reads one message of the answer. Returns false at the end of the connection, and when nothing has come. */
static bool
receive(int fd, enum proto_type *type, uint64_t *id, union proto_message *msg)
{
	static char payload[PROTO_PAYLOAD_MAX];
	struct {
		uint32_t length;
		uint16_t type, flags;
		uint64_t id;
	} header;

	turns();
	if (recv(fd, &header, sizeof(header), MSG_DONTWAIT) != sizeof(header))
		return false;
	if (header.length > 0)
		assert_int_equal(recv(fd, payload, header.length, MSG_DONTWAIT), header.length);
	*type = (enum proto_type)header.type;
	*id = header.id;
	assert_true(proto_decode(*type, (struct str){ payload, header.length }, msg));
	return true;
}

static bool
is_closed(int fd)
{
	char byte;
	ssize_t n;

	turns();
	n = recv(fd, &byte, 1, MSG_DONTWAIT);
	return n == 0 || (n == -1 && errno == ECONNRESET);
}

static bool
expect_end(int fd, uint64_t want_id, bool ok)
{
	union proto_message msg;
	enum proto_type type;
	uint64_t id;

	return receive(fd, &type, &id, &msg) && type == PROTO_ANSWER_END_TYPE && id == want_id &&
	    msg.answer_end.ok == ok;
}

/* --- */

static int
setup(void **state)
{
	int pair[2], fd;

	(void)state;
	if (mkdtemp(directory) == NULL || chmod(directory, 0755) == -1)
		return -1;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock", directory);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) == -1 || listen(fd, 64) == -1 ||
	    chmod(address.sun_path, 0666) == -1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	queue_peer.channel = channel_new(pair[0], PROTO_KIND_CONTROL, PROTO_KIND_QUEUE, control_hears, closed, NULL);
	queue_end = channel_new(pair[1], PROTO_KIND_QUEUE, PROTO_KIND_CONTROL, queue_hears, closed, NULL);
	queue_there = true;
	client_listen(fd);
	client_start();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	client_stop();
	channel_free(queue_end);
	channel_free(queue_peer.channel);
	turns();
	(void)unlink(address.sun_path);
	(void)rmdir(directory);
	memcpy(directory + sizeof(directory) - 7, "XXXXXX", 6);
	return 0;
}

static void
test_U02_a_listing_goes_to_queue_with_the_kernels_owner(void **state)
{
	static const uid_t uids[] = { 0, USER };
	struct msg_queue_list list = { .owner = 0, .limit = 256 };
	union proto_message msg;
	enum proto_type type;
	uint64_t id;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		int fd = connect_as(uids[i]);
		send_request(fd, PROTO_QUEUE_LIST_TYPE, 77, &list);
		assert_int_equal(asked_type, PROTO_QUEUE_LIST_TYPE);
		assert_int_equal(asked.queue_list.owner, uids[i] == 0 ? PROTO_OWNER_ANY : USER);
		SEND(queue_end, QUEUE_ENTRY, queue_entry, asked_id, .message = 5, .owner = USER);
		SEND(queue_end, ANSWER_END, answer_end, asked_id, .ok = true, .count = 1);
		assert_true(receive(fd, &type, &id, &msg));
		assert_int_equal(type, PROTO_QUEUE_ENTRY_TYPE);
		assert_int_equal(id, 77);
		assert_int_equal(msg.queue_entry.message, 5);
		assert_true(expect_end(fd, 77, true));
		send_request(fd, PROTO_QUEUE_LIST_TYPE, 78, &list); /* the connection is good for another */
		SEND(queue_end, ANSWER_END, answer_end, asked_id, .ok = true);
		assert_true(expect_end(fd, 78, true));
		(void)close(fd);
	}
}

static void
test_U02_an_entry_of_another_owner_never_reaches_a_user(void **state)
{
	struct msg_queue_list list = { .limit = 256 };
	union proto_message msg;
	enum proto_type type;
	uint64_t id;
	int fd = connect_as(USER);

	(void)state;
	send_request(fd, PROTO_QUEUE_LIST_TYPE, 1, &list);
	SEND(queue_end, QUEUE_ENTRY, queue_entry, asked_id, .message = 5, .owner = USER + 1);
	assert_false(receive(fd, &type, &id, &msg));
	assert_false(channel_is_open(queue_peer.channel)); /* the queue broke the rules */
	(void)close(fd);
}

static void
test_U02_what_is_the_administrators_is_refused_to_users(void **state)
{
	struct msg_set_pause pause = { .what = PROTO_PAUSE_MTA, .paused = true };
	int fd = connect_as(USER), before = parent_told;

	(void)state;
	send_request(fd, PROTO_SET_PAUSE_TYPE, 9, &pause);
	assert_true(expect_end(fd, 9, false));
	assert_int_equal(parent_told, before);
	(void)close(fd);
	fd = connect_as(0);
	send_request(fd, PROTO_SET_PAUSE_TYPE, 9, &pause);
	assert_true(expect_end(fd, 9, true));
	assert_int_equal(parent_told, before + 1);
	(void)close(fd);
}

static void
test_a_status_is_gathered(void **state)
{
	struct msg_status_ask ask = { .nothing = false };
	union proto_message msg;
	enum proto_type type = PROTO_TYPE_COUNT;
	int fd = connect_as(0), values = 0;
	bool paused = false;
	uint64_t id;

	(void)state;
	send_request(fd, PROTO_STATUS_ASK_TYPE, 3, &ask);
	assert_int_equal(asked_type, PROTO_STATUS_ASK_TYPE);
	SEND(queue_end, STATUS_VALUE, status_value, asked_id, .name = S("queue.x"), .value = 12);
	SEND(queue_end, ANSWER_END, answer_end, asked_id, .ok = true);
	while (receive(fd, &type, &id, &msg) && type == PROTO_STATUS_VALUE_TYPE) {
		values++;
		paused = paused || (str_equal(msg.status_value.name, S("paused.mta")) && msg.status_value.value == 1);
	}
	assert_int_equal(type, PROTO_ANSWER_END_TYPE);
	assert_true(msg.answer_end.ok && msg.answer_end.text.len > 0);
	assert_true(values > 5 && paused); /* by the test before */
	(void)close(fd);
}

static void
test_without_a_queue_there_is_an_answer(void **state)
{
	struct msg_queue_list list = { .limit = 256 };
	int fd = connect_as(0);

	(void)state;
	queue_there = false;
	send_request(fd, PROTO_QUEUE_LIST_TYPE, 4, &list);
	assert_true(expect_end(fd, 4, false));
	queue_there = true;
	send_request(fd, PROTO_QUEUE_LIST_TYPE, 5, &list);
	client_peer_gone(&queue_peer);
	assert_true(expect_end(fd, 5, false));
	(void)close(fd);
}

static void
test_an_answer_whose_client_left_is_ignored(void **state)
{
	struct msg_queue_list list = { .limit = 256 };
	int fd = connect_as(0);

	(void)state;
	send_request(fd, PROTO_QUEUE_LIST_TYPE, 4, &list);
	(void)close(fd);
	turns();
	SEND(queue_end, ANSWER_END, answer_end, asked_id, .ok = true);
	turns();
	assert_true(channel_is_open(queue_peer.channel));
}

static void
test_I01_an_answer_to_nothing_is_a_violation(void **state)
{
	struct msg_queue_list list = { .limit = 256 };
	int fd = connect_as(0);

	(void)state;
	send_request(fd, PROTO_QUEUE_LIST_TYPE, 4, &list);
	SEND(queue_end, ANSWER_END, answer_end, asked_id, .ok = true);
	assert_true(expect_end(fd, 4, true));
	SEND(queue_end, ANSWER_END, answer_end, asked_id, .ok = true);
	turns();
	assert_true(channel_is_open(queue_peer.channel)); /* of one that is over: it may be late */
	SEND(queue_end, ANSWER_END, answer_end, asked_id + 1, .ok = true);
	turns();
	assert_false(channel_is_open(queue_peer.channel));
	(void)close(fd);
}

static void
test_I01_only_who_was_asked_may_answer(void **state)
{
	struct msg_queue_list list = { .limit = 256 };
	union proto_message msg = { .answer_end = { .ok = true } };
	struct peer other = { .kind = PROTO_KIND_SMTPD };
	int fd = connect_as(0);

	(void)state;
	send_request(fd, PROTO_QUEUE_LIST_TYPE, 4, &list);
	assert_false(client_answer(&other, asked_id, PROTO_ANSWER_END_TYPE, &msg));
	SEND(queue_end, ANSWER_END, answer_end, asked_id, .ok = true);
	assert_true(expect_end(fd, 4, true));
	(void)close(fd);
}

static void
test_U01_few_connections_of_one_user_and_a_slot_for_root(void **state)
{
	int fds[CONTROL_CLIENTS_MAX + 1];
	size_t n = 0, i;

	(void)state;
	for (i = 0; i < CONTROL_CLIENTS_UID_MAX; i++)
		fds[n++] = connect_as(USER);
	fds[n] = connect_as(USER);
	assert_true(expect_end(fds[n], 0, false));
	assert_true(is_closed(fds[n]));
	(void)close(fds[n]);
	while (n < CONTROL_CLIENTS_MAX - CONTROL_RESERVED) {
		fds[n] = connect_as(USER + 1 + (uid_t)(n / CONTROL_CLIENTS_UID_MAX));
		n++;
	}
	assert_int_equal(client_count(), CONTROL_CLIENTS_MAX - CONTROL_RESERVED);
	fds[n] = connect_as(USER + 100);
	assert_true(expect_end(fds[n], 0, false));
	(void)close(fds[n]);
	fds[n++] = connect_as(0);
	assert_int_equal(client_count(), CONTROL_CLIENTS_MAX);
	fds[n] = connect_as(0);
	assert_true(expect_end(fds[n], 0, false));
	(void)close(fds[n]);
	while (n > 0)
		(void)close(fds[--n]);
	turns();
	assert_int_equal(client_count(), 0);
}

static void
test_U01_giant_and_senseless_requests_close(void **state)
{
	static const struct {
		const char *name;
		struct {
			uint32_t length;
			uint16_t type, flags;
			uint64_t id;
		} header;
	} rows[] = {
		{ "a length over the limit", { PROTO_PAYLOAD_MAX + 1, PROTO_STOP_TYPE, 0, 1 } },
		{ "a type that does not exist", { 0, 60000, 0, 1 } },
		{ "a type of a process", { 1, PROTO_QUEUE_ENTRY_TYPE, 0, 1 } },
		{ "a descriptor that is none", { 1, PROTO_STOP_TYPE, 1, 1 } },
		{ "an unknown flag", { 1, PROTO_STOP_TYPE, 4, 1 } },
		{ "a payload that is none", { 0, PROTO_STOP_TYPE, 0, 1 } },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = connect_as(USER);
		assert_int_equal(write(fd, &rows[i].header, sizeof(rows[i].header)), 16);
		if (!is_closed(fd))
			row_fail(rows[i].name, "%s", "is still connected");
		(void)close(fd);
	}
}

static void
test_one_request_at_a_time(void **state)
{
	struct msg_queue_list list = { .limit = 256 };
	char both[2][512];
	struct buf payload;
	uint32_t len;
	int fd = connect_as(USER);

	(void)state;
	buf_init(&payload, PROTO_PAYLOAD_MAX);
	assert_true(proto_encode(PROTO_QUEUE_LIST_TYPE, &list, &payload));
	len = (uint32_t)payload.len;
	memset(both, 0, sizeof(both));
	memcpy(both[0], &len, 4);
	both[0][4] = (char)PROTO_QUEUE_LIST_TYPE;
	memcpy(both[0] + 16, buf_str(&payload).ptr, len);
	memcpy(both[0] + 16 + len, both[0], 16 + len);
	assert_int_equal(write(fd, both, 2 * (16 + len)), 2 * (16 + len));
	assert_true(is_closed(fd));
	buf_clear(&payload);
	(void)close(fd);
}

/* Takes every descriptor; returns how many, into fds. */
static int
take_descriptors(int fds[FILES])
{
	int n = 0;

	while (n < FILES && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) != -1)
		n++;
	assert_int_equal(errno, EMFILE);
	return n;
}

static unsigned
count_lines(int fd, const char *word)
{
	char text[8192];
	const char *at = text;
	ssize_t len;
	unsigned n = 0;

	log_flush();
	len = read(fd, text, sizeof(text) - 1);
	text[len > 0 ? len : 0] = '\0';
	while ((at = strstr(at, word)) != NULL) {
		n++;
		at++;
	}
	return n;
}

static void
test_without_descriptors_it_rests(void **state)
{
	struct msg_queue_list list = { .limit = 256 };
	struct rlimit before, few;
	int fds[FILES], fd, taken, tries = 0, log[2];

	(void)state;
	assert_int_equal(pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
	log_set_fd(log[1]);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){ FILES, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	taken = take_descriptors(fds);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	turns();
	assert_int_equal(count_lines(log[0], "event=accept "), 1);
	while (taken > 0)
		(void)close(fds[--taken]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	asked_type = PROTO_TYPE_COUNT;
	send_request(fd, PROTO_QUEUE_LIST_TYPE, 7, &list);
	assert_int_not_equal(asked_type, PROTO_QUEUE_LIST_TYPE);
	while (asked_type != PROTO_QUEUE_LIST_TYPE && tries++ < 500) {
		(void)usleep(10000);
		turns();
	}
	assert_int_equal(asked_type, PROTO_QUEUE_LIST_TYPE);
	log_set_fd(STDERR_FILENO);
	(void)close(fd);
	(void)close(log[0]);
	(void)close(log[1]);
	turns();
}

/* --- identity --- */

static void
test_the_group_of_administrators_counts(void **state)
{
	const struct group *group = getgrnam("_posternadm");
	gid_t groups[3] = { 12345, 0, 54321 }, old[64];
	struct identity who;
	struct error err;
	int pair[2], count = getgroups(64, old);

	(void)state;
	identity_init();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_true(identity_of_peer(pair[0], &who, &err));
	assert_true(who.uid == 0 && who.administrator);
	(void)close(pair[0]);
	(void)close(pair[1]);
	if (group == NULL || count == -1)
		skip();
	groups[1] = group->gr_gid;
	assert_int_equal(setgroups(3, groups), 0);
	assert_int_equal(seteuid(USER), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setgroups((size_t)count, old), 0);
	assert_true(identity_of_peer(pair[0], &who, &err));
	assert_true(who.uid == USER && who.administrator);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

/* A daemon that an ordinary user started, to try it out, is that user's to administer. */
static void
test_who_started_the_daemon_is_its_administrator(void **state)
{
	struct identity who;
	struct error err;
	int pair[2];

	(void)state;
	assert_int_equal(seteuid(USER), 0);
	identity_init();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_true(identity_of_peer(pair[0], &who, &err));
	assert_true(who.uid == USER && who.administrator);
	assert_int_equal(seteuid(0), 0);
	identity_init();
	assert_true(identity_of_peer(pair[0], &who, &err));
	assert_false(who.administrator);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void
test_a_uid_that_means_something_else_is_refused(void **state)
{
	struct identity who;
	struct error err;
	int pair[2];

	(void)state;
	assert_int_equal(seteuid((uid_t)PROTO_OWNER_NONE), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(seteuid(0), 0);
	assert_false(identity_of_peer(pair[0], &who, &err));
	(void)close(pair[0]);
	(void)close(pair[1]);
}

#define WITH_SOCKET(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SOCKET(test_U02_a_listing_goes_to_queue_with_the_kernels_owner),
		WITH_SOCKET(test_U02_an_entry_of_another_owner_never_reaches_a_user),
		WITH_SOCKET(test_U02_what_is_the_administrators_is_refused_to_users),
		WITH_SOCKET(test_a_status_is_gathered),
		WITH_SOCKET(test_without_a_queue_there_is_an_answer),
		WITH_SOCKET(test_an_answer_whose_client_left_is_ignored),
		WITH_SOCKET(test_I01_an_answer_to_nothing_is_a_violation),
		WITH_SOCKET(test_I01_only_who_was_asked_may_answer),
		WITH_SOCKET(test_U01_few_connections_of_one_user_and_a_slot_for_root),
		WITH_SOCKET(test_U01_giant_and_senseless_requests_close),
		WITH_SOCKET(test_one_request_at_a_time),
		WITH_SOCKET(test_without_descriptors_it_rests),
		cmocka_unit_test(test_the_group_of_administrators_counts),
		cmocka_unit_test(test_who_started_the_daemon_is_its_administrator),
		cmocka_unit_test(test_a_uid_that_means_something_else_is_refused),
	};

	if (geteuid() != 0) {
		(void)printf("1..0 # SKIP other users are played by root only\n");
		return 0;
	}
	log_init("test", open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_TEXT, LOG_INFO);
	loop_init();
	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
