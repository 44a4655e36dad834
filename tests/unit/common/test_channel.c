/* SPDX-License-Identifier: ISC */
/*
 * Promised: what is sent arrives, whole, in order, with its descriptor, however the bytes are cut; a peer that breaks the
 * framing or the table is cut off, its owner told once and why; a turn's messages leave in one write. SECURITY rows I01,
 * I02, I06, I11.
 */
#include "common/channel.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { TURNS_MAX = 200, FRAME_MAX = CHANNEL_HEADER + PROTO_PAYLOAD_MAX };

/* One end is a channel, of queue with smtpd (or of router, where descriptors are concerned); the other end is raw bytes. */
struct pair {
	struct channel *channel;
	int raw;
	size_t messages;
	size_t descriptors;
	uint64_t last_id;
	uint64_t sum; /* of all ids and sizes: order and content in one number */
	int closed;
	const char *violation;
	bool refuse;
};

struct wire_header {
	uint32_t length;
	uint16_t type;
	uint16_t flags;
	uint64_t id;
};

static bool
on_message(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	struct pair *p = arg;

	p->messages++;
	p->last_id = id;
	p->sum = p->sum * 31 + id + (type == PROTO_BODY_TYPE ? msg->body.bytes.len : 0);
	if (fd != -1) {
		p->descriptors++;
		assert_int_not_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
		(void)close(fd);
	}
	return !p->refuse;
}

static void
on_closed(void *arg, const char *violation)
{
	struct pair *p = arg;

	p->closed++;
	p->violation = violation;
}

static void
open_pair(struct pair *p, enum proto_kind self, enum proto_kind peer)
{
	int both[2];

	*p = (struct pair){ .raw = -1 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, both), 0);
	p->channel = channel_new(both[0], self, peer, on_message, on_closed, p);
	p->raw = both[1];
}

static void
close_pair(struct pair *p)
{
	channel_free(p->channel);
	if (p->raw != -1)
		(void)close(p->raw);
	loop_turn();
}

static void
turns(const struct pair *p, size_t messages)
{
	int i;

	for (i = 0; i < TURNS_MAX && p->messages < messages && p->closed == 0; i++)
		loop_turn();
}

/* Appends a frame of that type as the other end would. */
static void
put_frame(struct buf *out, enum proto_type type, uint64_t id, const void *msg, uint16_t flags)
{
	struct wire_header header = { 0, (uint16_t)type, flags, id };
	size_t at = out->len;

	assert_true(buf_append(out, &header, sizeof(header)));
	assert_true(proto_encode(type, msg, out));
	header.length = (uint32_t)(out->len - at - sizeof(header));
	memcpy(out->data + out->head + at, &header, sizeof(header));
}

static void
put_body(struct buf *out, uint64_t id, size_t size)
{
	static char bytes[PROTO_CHUNK_MAX];
	struct msg_body body = { { bytes, size } };

	put_frame(out, PROTO_BODY_TYPE, id, &body, 0);
}

static void
send_raw(int fd, struct str bytes)
{
	assert_int_equal(send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), bytes.len);
}

static void
send_with_fds(int fd, struct str bytes, const int *fds, size_t count)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 253)];
	} control = { 0 };
	struct iovec piece = { (char *)(uintptr_t)bytes.ptr, bytes.len };
	struct msghdr message = { .msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = CMSG_SPACE(sizeof(int) * count) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * count);
	assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), bytes.len);
}

/* --- in --- */

static void
test_messages_arrive_however_they_are_cut(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 100, 7 };
	uint64_t want = 0;
	struct buf frames;
	size_t cut, i;

	(void)state;
	buf_init(&frames, FRAME_MAX * COUNT(sizes));
	for (i = 0; i < COUNT(sizes); i++) {
		put_body(&frames, i + 1, sizes[i]);
		want = want * 31 + i + 1 + sizes[i];
	}
	for (cut = 0; cut <= frames.len; cut++) {
		struct pair p;
		open_pair(&p, PROTO_KIND_QUEUE, PROTO_KIND_SMTPD);
		send_raw(p.raw, (struct str){ frames.data, cut });
		loop_turn();
		send_raw(p.raw, (struct str){ frames.data + cut, frames.len - cut });
		turns(&p, COUNT(sizes));
		if (p.messages != COUNT(sizes) || p.sum != want || p.closed != 0)
			fail_msg("cut at %zu: %zu messages, %s", cut, p.messages, p.violation);
		close_pair(&p);
	}
	buf_clear(&frames);
}

static void
test_messages_arrive_byte_by_byte(void **state)
{
	struct buf frames;
	struct pair p;
	size_t i;

	(void)state;
	buf_init(&frames, FRAME_MAX);
	put_body(&frames, 1, 50);
	put_body(&frames, 2, 0);
	open_pair(&p, PROTO_KIND_QUEUE, PROTO_KIND_SMTPD);
	for (i = 0; i < frames.len; i++) {
		send_raw(p.raw, (struct str){ frames.data + i, 1 });
		loop_turn();
		assert_int_equal(p.messages, i + 1 == frames.len ? 2 : i + 1 >= frames.len - CHANNEL_HEADER - 4);
	}
	assert_int_equal(p.last_id, 2);
	close_pair(&p);
	buf_clear(&frames);
}

static void
test_the_largest_payload_arrives(void **state)
{
	struct buf frames;
	struct pair p;
	struct str rest;

	(void)state;
	buf_init(&frames, 4 * FRAME_MAX);
	put_body(&frames, 1, PROTO_CHUNK_MAX);
	put_body(&frames, 2, PROTO_CHUNK_MAX);
	put_body(&frames, 3, 1);
	open_pair(&p, PROTO_KIND_QUEUE, PROTO_KIND_SMTPD);
	for (rest = buf_str(&frames); rest.len > 0;) {
		size_t len = rest.len < 30011 ? rest.len : 30011;
		send_raw(p.raw, (struct str){ rest.ptr, len });
		rest = (struct str){ rest.ptr + len, rest.len - len };
		loop_turn();
	}
	turns(&p, 3);
	assert_int_equal(p.messages, 3);
	close_pair(&p);
	buf_clear(&frames);
}

/* clang-format off */
static const struct {
	const char *name;
	struct wire_header header;
	size_t payload; /* bytes of zero behind it */
	bool closes;
} headers[] = {
	{ "an abort", { 1, PROTO_ABORT_TYPE, 0, 1 }, 1, false },
	{ "a type that does not exist", { 1, PROTO_TYPE_COUNT, 0, 1 }, 1, true },
	{ "the largest type", { 1, 0xffff, 0, 1 }, 1, true },
	{ "a type of the other direction", { 1, PROTO_DONE_TYPE, 0, 1 }, 1, true },
	{ "a type of another edge", { 1, PROTO_SESSION_CLOSE_TYPE, 0, 1 }, 1, true },
	{ "a type of the parent", { 1, PROTO_DRAIN_TYPE, 0, 1 }, 1, true },
	{ "a type that is never sent", { 1, PROTO_TICKET_TYPE, 0, 1 }, 1, true },
	{ "no payload where there is one", { 0, PROTO_ABORT_TYPE, 0, 1 }, 0, true },
	{ "one byte too many", { 2, PROTO_ABORT_TYPE, 0, 1 }, 2, true },
	{ "one byte too few", { 3, PROTO_BODY_TYPE, 0, 1 }, 3, true },
	{ "a length over the limit closes before the payload comes", { PROTO_PAYLOAD_MAX + 1, PROTO_BODY_TYPE, 0, 1 }, 0, true },
	{ "a length of 2^31", { 0x80000000, PROTO_BODY_TYPE, 0, 1 }, 0, true },
	{ "a length of 2^32 - 1", { 0xffffffff, PROTO_BODY_TYPE, 0, 1 }, 0, true },
	{ "an unknown flag", { 1, PROTO_ABORT_TYPE, 2, 1 }, 1, true },
	{ "all flags", { 1, PROTO_ABORT_TYPE, 0xffff, 1 }, 1, true },
	{ "a descriptor is said to be there, and is not allowed", { 1, PROTO_ABORT_TYPE, 1, 1 }, 1, true },
	{ "half a header waits", { 0, 0, 0, 0 }, 0, false },
};
/* clang-format on */

static void
test_a_frame_that_breaks_the_rules_closes(void **state)
{
	static const char zeros[16];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(headers); i++) {
		bool half = headers[i].header.id == 0;
		struct pair p;
		open_pair(&p, PROTO_KIND_QUEUE, PROTO_KIND_SMTPD);
		send_raw(p.raw, (struct str){ (const char *)&headers[i].header, half ? 8 : CHANNEL_HEADER });
		send_raw(p.raw, (struct str){ zeros, headers[i].payload });
		loop_turn();
		loop_turn();
		if (p.closed != headers[i].closes || (p.closed == 1 && (p.violation == NULL || p.messages != 0)))
			row_fail(headers[i].name, "closed %d (%s), %zu messages", p.closed, p.violation, p.messages);
		assert_int_equal(channel_is_open(p.channel), p.closed == 0);
		close_pair(&p);
	}
}

static void
test_nothing_is_handed_over_behind_a_violation(void **state)
{
	struct wire_header bad = { 1, PROTO_DONE_TYPE, 0, 1 };
	struct buf frames;
	struct pair p;

	(void)state;
	buf_init(&frames, FRAME_MAX);
	put_body(&frames, 1, 1);
	assert_true(buf_append(&frames, &bad, sizeof(bad)) && buf_append_byte(&frames, '\0'));
	put_body(&frames, 2, 1);
	open_pair(&p, PROTO_KIND_QUEUE, PROTO_KIND_SMTPD);
	send_raw(p.raw, buf_str(&frames));
	turns(&p, 3);
	assert_int_equal(p.messages, 1);
	assert_int_equal(p.closed, 1);
	close_pair(&p);
	buf_clear(&frames);
}

static void
test_a_handler_that_refuses_closes_once(void **state)
{
	struct buf frames;
	struct pair p;

	(void)state;
	buf_init(&frames, FRAME_MAX);
	put_body(&frames, 1, 1);
	put_body(&frames, 2, 1);
	open_pair(&p, PROTO_KIND_QUEUE, PROTO_KIND_SMTPD);
	p.refuse = true;
	send_raw(p.raw, buf_str(&frames));
	turns(&p, 2);
	loop_turn();
	assert_int_equal(p.messages, 1);
	assert_int_equal(p.closed, 1);
	assert_non_null(p.violation);
	close_pair(&p);
	buf_clear(&frames);
}

static void
test_a_peer_that_goes_breaks_nothing(void **state)
{
	struct buf frames;
	struct pair p;

	(void)state;
	buf_init(&frames, FRAME_MAX);
	put_body(&frames, 1, 1);
	open_pair(&p, PROTO_KIND_QUEUE, PROTO_KIND_SMTPD);
	send_raw(p.raw, buf_str(&frames));
	(void)close(p.raw);
	p.raw = -1;
	turns(&p, 2);
	assert_int_equal(p.messages, 1);
	assert_int_equal(p.closed, 1);
	assert_null(p.violation);
	SEND(p.channel, DONE, done, 1, .nothing = false); /* to nobody: nothing happens */
	loop_turn();
	assert_int_equal(p.closed, 1);
	close_pair(&p);
	buf_clear(&frames);
}

static void
test_a_paused_channel_reads_nothing(void **state)
{
	struct buf frames;
	struct pair p;

	(void)state;
	buf_init(&frames, FRAME_MAX);
	put_body(&frames, 1, 1);
	open_pair(&p, PROTO_KIND_QUEUE, PROTO_KIND_SMTPD);
	channel_pause(p.channel);
	send_raw(p.raw, buf_str(&frames));
	loop_turn();
	assert_int_equal(p.messages, 0);
	channel_resume(p.channel);
	turns(&p, 1);
	assert_int_equal(p.messages, 1);
	close_pair(&p);
	buf_clear(&frames);
}

/* --- descriptors --- */

static size_t
open_descriptors(void)
{
	size_t n = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* clang-format off */
static const struct {
	const char *name;
	uint16_t type;
	uint16_t flags;
	size_t fds;
	size_t messages;
	bool closes;
} gifts[] = {
	{ "one with a type that has one", PROTO_SESSION_OPEN_TYPE, 1, 1, 1, false },
	{ "none with a type that has one", PROTO_SESSION_OPEN_TYPE, 1, 0, 0, true },
	{ "one with a type that has one, not said", PROTO_SESSION_OPEN_TYPE, 0, 1, 0, true },
	{ "one with a type that has none", PROTO_SESSION_CLOSE_TYPE, 0, 1, 1, true },
	{ "one with a type that has none, said", PROTO_SESSION_CLOSE_TYPE, 1, 1, 0, true },
	{ "two with a type that has one", PROTO_SESSION_OPEN_TYPE, 1, 2, 1, true },
	{ "253 with one message", PROTO_SESSION_OPEN_TYPE, 1, 253, 0, true },
};
/* clang-format on */

static void
test_descriptors_come_only_where_they_belong_and_none_is_kept(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < COUNT(gifts); i++) {
		struct msg_session_open open = { .listener = 1 };
		struct msg_session_close closed = { false };
		size_t before = open_descriptors();
		int fds[253];
		struct buf frame;
		struct pair p;

		for (k = 0; k < COUNT(fds); k++)
			fds[k] = STDERR_FILENO;
		buf_init(&frame, FRAME_MAX);
		put_frame(&frame, gifts[i].type, 1, gifts[i].type == PROTO_SESSION_OPEN_TYPE ? (void *)&open : &closed,
		    gifts[i].flags);
		open_pair(&p, PROTO_KIND_ROUTER, PROTO_KIND_SMTPD);
		if (gifts[i].fds == 0)
			send_raw(p.raw, buf_str(&frame));
		else
			send_with_fds(p.raw, buf_str(&frame), fds, gifts[i].fds);
		loop_turn();
		loop_turn();
		if (p.closed != gifts[i].closes || p.messages != gifts[i].messages)
			row_fail(gifts[i].name, "closed %d (%s), %zu messages", p.closed, p.violation, p.messages);
		close_pair(&p);
		if (open_descriptors() != before)
			row_fail(gifts[i].name, "%zd descriptors are left", (ssize_t)(open_descriptors() - before));
		buf_clear(&frame);
	}
}

/* Both ends are channels: messages with and without descriptors keep their order. */
static void
test_descriptors_stay_with_their_messages(void **state)
{
	size_t before = open_descriptors();
	struct pair router = { .raw = -1 }, smtpd = { .raw = -1 };
	int both[2], i;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, both), 0);
	router.channel = channel_new(both[0], PROTO_KIND_ROUTER, PROTO_KIND_SMTPD, on_message, on_closed, &router);
	smtpd.channel = channel_new(both[1], PROTO_KIND_SMTPD, PROTO_KIND_ROUTER, on_message, on_closed, &smtpd);
	for (i = 0; i < 200; i++) {
		if (i % 3 == 0)
			SEND_FD(smtpd.channel, SESSION_OPEN, session_open, (uint64_t)i, STDERR_FILENO, .listener = 0);
		else
			SEND(smtpd.channel, SESSION_CLOSE, session_close, (uint64_t)i, .nothing = false);
		if (i % 17 == 0)
			loop_turn();
	}
	turns(&router, 200);
	assert_int_equal(router.messages, 200);
	assert_int_equal(router.descriptors, 67);
	assert_int_equal(router.last_id, 199);
	assert_int_equal(router.closed + smtpd.closed, 0);
	close_pair(&smtpd);
	close_pair(&router);
	loop_turn();
	assert_int_equal(open_descriptors(), before);
}

/* One read may bring the rest of a message, and the next one with its descriptor. */
static void
test_a_descriptor_may_come_with_the_rest_of_another_message(void **state)
{
	static const struct msg_session_open open = { .listener = 1 };
	static const struct msg_session_close closed = { .nothing = false };
	struct buf first, second;
	struct pair p;
	int fd = STDERR_FILENO;

	(void)state;
	buf_init(&first, FRAME_MAX);
	buf_init(&second, FRAME_MAX);
	put_frame(&first, PROTO_SESSION_CLOSE_TYPE, 1, &closed, 0);
	put_frame(&second, PROTO_SESSION_OPEN_TYPE, 2, &open, 1);
	open_pair(&p, PROTO_KIND_ROUTER, PROTO_KIND_SMTPD);
	send_raw(p.raw, (struct str){ first.data, 5 });
	loop_turn();
	send_raw(p.raw, (struct str){ first.data + 5, first.len - 5 });
	send_with_fds(p.raw, buf_str(&second), &fd, 1);
	loop_turn();
	loop_turn();
	assert_int_equal(p.closed, 0);
	assert_int_equal(p.messages, 2);
	assert_int_equal(p.descriptors, 1);
	close_pair(&p);
	buf_clear(&first);
	buf_clear(&second);
}

/* The owner's descriptor serves, also when there is no other left; it closes when owner and channel are done with it. */
static void
test_a_shared_descriptor_needs_no_other(void **state)
{
	static const struct msg_session_open open = { .listener = 1 };
	size_t before = open_descriptors();
	struct rlimit limit, none;
	struct pair router = { .raw = -1 }, smtpd = { .raw = -1 };
	struct channel_fd *shared;
	int both[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, both), 0);
	router.channel = channel_new(both[0], PROTO_KIND_ROUTER, PROTO_KIND_SMTPD, on_message, on_closed, &router);
	smtpd.channel = channel_new(both[1], PROTO_KIND_SMTPD, PROTO_KIND_ROUTER, on_message, on_closed, &smtpd);
	shared = channel_fd_new(dup(STDERR_FILENO));
	assert_int_equal(open_descriptors(), before + 3);
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
	(void)setrlimit(RLIMIT_NOFILE, &none);
	channel_send_shared(smtpd.channel, PROTO_SESSION_OPEN_TYPE, 1, &open, shared);
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	channel_send_shared(smtpd.channel, PROTO_SESSION_OPEN_TYPE, 2, &open, shared);
	channel_fd_free(shared);
	assert_int_equal(open_descriptors(), before + 3); /* it waits to leave */
	turns(&router, 2);
	assert_int_equal(router.descriptors, 2);
	assert_int_equal(open_descriptors(), before + 2);

	shared = channel_fd_new(dup(STDERR_FILENO));
	channel_send_shared(smtpd.channel, PROTO_SESSION_OPEN_TYPE, 3, &open, shared);
	close_pair(&smtpd); /* with the message unsent: the owner has it still */
	assert_int_equal(open_descriptors(), before + 1);
	channel_fd_free(shared);
	channel_fd_free(NULL);
	close_pair(&router);
	assert_int_equal(open_descriptors(), before);
}

/* --- out --- */

static void
test_a_turn_is_one_write(void **state)
{
	static char room[1 << 16];
	struct pair p;
	ssize_t n;
	int i;

	(void)state;
	open_pair(&p, PROTO_KIND_QUEUE, PROTO_KIND_SMTPD);
	for (i = 0; i < 100; i++)
		SEND(p.channel, DONE, done, (uint64_t)i, .nothing = false);
	assert_int_equal(channel_pending(p.channel), 100 * (CHANNEL_HEADER + 1));
	assert_int_equal(recv(p.raw, room, sizeof(room), MSG_DONTWAIT), -1);
	loop_turn();
	n = recv(p.raw, room, sizeof(room), MSG_DONTWAIT);
	assert_int_equal(n, 100 * (CHANNEL_HEADER + 1));
	assert_int_equal(channel_pending(p.channel), 0);
	close_pair(&p);
}

static void
count_call(void *arg)
{
	++*(int *)arg;
}

/* The socket takes less than what is sent: the rest follows as the peer reads, and the owner hears when all is gone. */
static void
test_a_slow_reader_gets_all_of_it(void **state)
{
	static char bytes[PROTO_CHUNK_MAX], room[50000];
	size_t sent = 0, got = 0;
	int drained = 0, i;
	struct pair p;

	(void)state;
	open_pair(&p, PROTO_KIND_QUEUE, PROTO_KIND_RELAY);
	for (i = 0; i < 30; i++)
		SEND(p.channel, JOB_BODY, job_body, 1, .offset = 0, .bytes = { bytes, sizeof(bytes) });
	sent = channel_pending(p.channel);
	channel_on_drained(p.channel, count_call, &drained);
	loop_turn();
	assert_true(channel_pending(p.channel) > 0);
	assert_int_equal(drained, 0);
	for (i = 0; i < 1000 && got < sent; i++) {
		ssize_t n = recv(p.raw, room, sizeof(room), MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
		loop_turn();
	}
	assert_int_equal(got, sent);
	assert_int_equal(channel_pending(p.channel), 0);
	assert_int_equal(drained, 1);
	close_pair(&p);
}

static void
test_a_peer_that_never_reads_is_cut_off(void **state)
{
	static char bytes[PROTO_CHUNK_MAX];
	struct pair p;
	size_t i;

	(void)state;
	open_pair(&p, PROTO_KIND_QUEUE, PROTO_KIND_RELAY);
	for (i = 0; i < 2 * CHANNEL_OUT_MAX / sizeof(bytes) && channel_is_open(p.channel); i++)
		SEND(p.channel, JOB_BODY, job_body, 1, .offset = 0, .bytes = { bytes, sizeof(bytes) });
	assert_true(i < 2 * CHANNEL_OUT_MAX / sizeof(bytes));
	loop_turn();
	assert_int_equal(p.closed, 1);
	assert_string_equal(p.violation, "does not read");
	close_pair(&p);
}

static void
test_our_own_mistakes_are_fatal(void **state)
{
	static const struct {
		const char *name;
		enum proto_type type;
		union proto_message msg;
	} mistakes[] = {
		{ "a type it may not send", PROTO_BEGIN_TYPE, { .begin = { .session = 1 } } },
		{ "a field over its limit", PROTO_REFUSED_TYPE, { .refused = { .reason = 3 } } },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(mistakes); i++) {
		int status = 0;
		pid_t pid = fork();
		assert_int_not_equal(pid, -1);
		if (pid == 0) {
			struct pair p;
			log_set_fd(open("/dev/null", O_WRONLY));
			open_pair(&p, PROTO_KIND_QUEUE, PROTO_KIND_SMTPD);
			channel_send(p.channel, mistakes[i].type, 1, &mistakes[i].msg);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!ended_fatally(status))
			row_fail(mistakes[i].name, "status %x", status);
	}
}

/* --- before there is a loop --- */

static void
test_one_message_is_received_and_no_byte_further(void **state)
{
	union proto_message msg;
	enum proto_type type;
	struct error err;
	struct buf frames;
	struct pair p;
	uint64_t id;
	int fd;

	(void)state;
	buf_init(&frames, FRAME_MAX);
	put_body(&frames, 7, 3);
	put_body(&frames, 8, 3);
	open_pair(&p, PROTO_KIND_QUEUE, PROTO_KIND_SMTPD);
	send_raw(p.raw, buf_str(&frames));
	assert_true(channel_receive(p.channel, 1000, &type, &id, &msg, &fd, &err));
	assert_true(type == PROTO_BODY_TYPE && id == 7 && fd == -1 && msg.body.bytes.len == 3);
	turns(&p, 1);
	assert_int_equal(p.last_id, 8);
	assert_false(channel_receive(p.channel, 10, &type, &id, &msg, &fd, &err));
	assert_int_equal(err.kind, ERROR_PEER);
	(void)close(p.raw);
	p.raw = -1;
	assert_false(channel_receive(p.channel, 1000, &type, &id, &msg, &fd, &err));
	close_pair(&p);
	buf_clear(&frames);
}

static int
set_up(void **state)
{
	(void)state;
	log_init("test_channel", STDERR_FILENO, LOG_TEXT, LOG_ERROR);
	loop_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_arrive_however_they_are_cut),
		cmocka_unit_test(test_messages_arrive_byte_by_byte),
		cmocka_unit_test(test_the_largest_payload_arrives),
		cmocka_unit_test(test_a_frame_that_breaks_the_rules_closes),
		cmocka_unit_test(test_nothing_is_handed_over_behind_a_violation),
		cmocka_unit_test(test_a_handler_that_refuses_closes_once),
		cmocka_unit_test(test_a_peer_that_goes_breaks_nothing),
		cmocka_unit_test(test_a_paused_channel_reads_nothing),
		cmocka_unit_test(test_descriptors_come_only_where_they_belong_and_none_is_kept),
		cmocka_unit_test(test_descriptors_stay_with_their_messages),
		cmocka_unit_test(test_a_descriptor_may_come_with_the_rest_of_another_message),
		cmocka_unit_test(test_a_shared_descriptor_needs_no_other),
		cmocka_unit_test(test_a_turn_is_one_write),
		cmocka_unit_test(test_a_slow_reader_gets_all_of_it),
		cmocka_unit_test(test_a_peer_that_never_reads_is_cut_off),
		cmocka_unit_test(test_our_own_mistakes_are_fatal),
		cmocka_unit_test(test_one_message_is_received_and_no_byte_further),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
