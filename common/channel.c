/* SPDX-License-Identifier: ISC */
#include "common/channel.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"

enum { FLAG_DESCRIPTOR = 1 };

/* Before every payload, in the byte order of this machine: both ends are on it. */
struct header {
	uint32_t length;
	uint16_t type;
	uint16_t flags;
	uint64_t id;
};
_Static_assert(sizeof(struct header) == CHANNEL_HEADER, "a header without holes");

struct channel_fd {
	int fd;
	unsigned holders;
};

/* A descriptor that leaves with the byte at this offset of the output, counted from the channel's start. */
struct outgoing_fd {
	uint64_t offset;
	struct channel_fd *shared;
};

struct channel {
	int fd; /* -1: closed */
	enum proto_kind self;
	enum proto_kind peer;
	channel_message_fn *on_message;
	channel_closed_fn *on_closed;
	void *arg;

	struct buf in; /* the start of a message whose rest has not come */
	int in_fds[CHANNEL_FDS_MAX];
	size_t in_fds_count;
	bool paused;

	struct buf out;
	uint64_t out_done; /* bytes written since the start */
	struct outgoing_fd out_fds[CHANNEL_FDS_MAX];
	size_t out_fds_count;

	const char *violation;
	bool closing; /* on_closed is due */
	bool freed;
	void (*on_drained)(void *arg);
	void *drained_arg;

	struct loop_fd readable;
	struct loop_fd writable;
	struct loop_hook at_end;
	struct loop_hook close_hook;
};

static bool tracing;
static char read_block[CHANNEL_READ_SIZE]; /* one read at a time, whatever the number of channels */

static void on_readable(int fd, short what, void *arg);
static void on_writable(int fd, short what, void *arg);

void
channel_trace(bool on)
{
	tracing = on;
}

struct channel_fd *
channel_fd_new(int fd)
{
	struct channel_fd *shared = malloc(sizeof(*shared));

	if (shared == NULL)
		fatal("out of memory");
	*shared = (struct channel_fd){ .fd = fd, .holders = 1 };
	return shared;
}

void
channel_fd_free(struct channel_fd *shared)
{
	if (shared == NULL || --shared->holders > 0)
		return;
	(void)close(shared->fd);
	free(shared);
}

static void
flush_at_end(void *arg)
{
	(void)channel_flush(arg);
}

static void
tell_closed(void *arg)
{
	struct channel *c = arg;

	c->on_closed(c->arg, c->violation);
}

/* From here on nothing is read or written; the owner hears of it at the turn's end, once. */
static void
close_down(struct channel *c, const char *violation)
{
	size_t i;

	if (c->fd == -1)
		return;
	loop_fd_stop(&c->readable);
	loop_fd_stop(&c->writable);
	(void)close(c->fd);
	c->fd = -1;
	for (i = 0; i < c->in_fds_count; i++)
		(void)close(c->in_fds[i]);
	for (i = 0; i < c->out_fds_count; i++)
		channel_fd_free(c->out_fds[i].shared);
	c->in_fds_count = 0;
	c->out_fds_count = 0;
	buf_clear(&c->in);
	buf_clear(&c->out);
	if (!c->closing && !c->freed) {
		c->closing = true;
		c->violation = violation;
		loop_at_end(&c->close_hook);
	}
}

struct channel *
channel_new(int fd, enum proto_kind self, enum proto_kind peer, channel_message_fn *on_message,
    channel_closed_fn *on_closed, void *arg)
{
	struct channel *c = calloc(1, sizeof(*c));
	int flags = fcntl(fd, F_GETFL);

	if (c == NULL)
		fatal("out of memory");
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		fatal("channel: descriptor %d: %s", fd, strerror(errno));
	c->fd = fd;
	c->self = self;
	c->peer = peer;
	c->on_message = on_message;
	c->on_closed = on_closed;
	c->arg = arg;
	c->at_end = (struct loop_hook){ .fn = flush_at_end, .arg = c };
	c->close_hook = (struct loop_hook){ .fn = tell_closed, .arg = c };
	buf_init(&c->in, CHANNEL_HEADER + PROTO_PAYLOAD_MAX);
	buf_init(&c->out, CHANNEL_OUT_MAX);
	loop_fd_init(&c->readable, fd, LOOP_READ, on_readable, c);
	loop_fd_init(&c->writable, fd, LOOP_WRITE, on_writable, c);
	loop_fd_start(&c->readable);
	return c;
}

static void
free_now(void *object)
{
	free(object);
}

void
channel_free(struct channel *c)
{
	if (c == NULL || c->freed)
		return;
	c->freed = true;
	close_down(c, NULL);
	loop_hook_cancel(&c->at_end);
	loop_hook_cancel(&c->close_hook);
	loop_reap(free_now, c);
}

bool
channel_is_open(const struct channel *c)
{
	return c != NULL && c->fd != -1;
}

size_t
channel_pending(const struct channel *c)
{
	return c->out.len;
}

bool
channel_is_behind(struct channel *c, size_t max)
{
	/* A turn's descriptors may be as many with a peer that reads: only what the socket does not take counts. */
	if (c->out_fds_count == CHANNEL_FDS_MAX)
		(void)channel_flush(c);
	return c->out.len > max || c->out_fds_count == CHANNEL_FDS_MAX;
}

void
channel_on_drained(struct channel *c, void (*fn)(void *arg), void *arg)
{
	c->on_drained = fn;
	c->drained_arg = arg;
	loop_at_end(&c->at_end);
}

void
channel_pause(struct channel *c)
{
	c->paused = true;
	loop_fd_stop(&c->readable);
}

void
channel_resume(struct channel *c)
{
	c->paused = false;
	if (c->fd != -1)
		loop_fd_start(&c->readable);
}

/* --- out --- */

static void
trace(const struct channel *c, const char *direction, enum proto_type type, uint64_t id, const void *msg)
{
	struct buf text;

	buf_init(&text, LOG_LINE_MAX / 2);
	(void)buf_printf(&text, "%s %s ", direction, proto_kind_name(c->peer));
	proto_print(type, msg, &text);
	log_trace("message", log_hex(LOG_FIELD_id, id), log_str(LOG_FIELD_type, buf_str(&text)));
	buf_clear(&text);
}

static void
queue_message(struct channel *c, enum proto_type type, uint64_t id, const void *msg, struct channel_fd *shared)
{
	struct header header = { .type = (uint16_t)type, .flags = shared == NULL ? 0 : FLAG_DESCRIPTOR, .id = id };
	size_t before;

	if (c->fd == -1)
		return;
	if (!proto_allowed(type, c->self, c->peer) || proto_has_descriptor(type) != (shared != NULL))
		fatal("%s may not be sent to %s", proto_type_name(type), proto_kind_name(c->peer));
	if (tracing)
		trace(c, "to", type, id, msg);
	if (c->out.len + CHANNEL_HEADER + PROTO_PAYLOAD_MAX > CHANNEL_OUT_MAX ||
	    (shared != NULL && c->out_fds_count == CHANNEL_FDS_MAX && !channel_flush(c) &&
		c->out_fds_count == CHANNEL_FDS_MAX)) {
		close_down(c, "does not read");
		return;
	}
	if (c->fd == -1)
		return;
	before = c->out.len;
	if (!buf_append(&c->out, &header, sizeof(header)))
		fatal("out of memory");
	if (!proto_encode(type, msg, &c->out))
		fatal("%s: a field is over its limit", proto_type_name(type));
	header.length = (uint32_t)(c->out.len - before - sizeof(header));
	memcpy(c->out.data + c->out.head + before, &header, sizeof(header));
	if (shared != NULL) {
		shared->holders++;
		c->out_fds[c->out_fds_count++] = (struct outgoing_fd){ c->out_done + before, shared };
	}
	loop_at_end(&c->at_end);
}

void
channel_send(struct channel *c, enum proto_type type, uint64_t id, const void *msg)
{
	queue_message(c, type, id, msg, NULL);
}

void
channel_send_shared(struct channel *c, enum proto_type type, uint64_t id, const void *msg, struct channel_fd *shared)
{
	queue_message(c, type, id, msg, shared);
}

void
channel_send_fd(struct channel *c, enum proto_type type, uint64_t id, const void *msg, int fd)
{
	struct channel_fd *copy;
	int number = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (number == -1)
		fatal("descriptor %d: %s", fd, strerror(errno));
	copy = channel_fd_new(number);
	queue_message(c, type, id, msg, copy);
	channel_fd_free(copy);
}

/* Bytes that one sendmsg may carry: a descriptor leaves with the first byte of its message, and only one at a time. */
static size_t
next_span(const struct channel *c)
{
	size_t i = 0;

	if (c->out_fds_count > 0 && c->out_fds[0].offset == c->out_done)
		i = 1;
	return i < c->out_fds_count ? (size_t)(c->out_fds[i].offset - c->out_done) : c->out.len;
}

static ssize_t
send_span(struct channel *c)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec piece = { c->out.data + c->out.head, next_span(c) };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
	bool with_fd = c->out_fds_count > 0 && c->out_fds[0].offset == c->out_done;
	ssize_t n;

	if (with_fd) {
		struct cmsghdr *cmsg;
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		cmsg = CMSG_FIRSTHDR(&message);
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(cmsg), &c->out_fds[0].shared->fd, sizeof(int));
	}
	do
		n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	if (n > 0 && with_fd) {
		channel_fd_free(c->out_fds[0].shared);
		c->out_fds_count--;
		memmove(c->out_fds, c->out_fds + 1, c->out_fds_count * sizeof(c->out_fds[0]));
	}
	return n;
}

/* A burst's block is given back: an idle channel costs its struct. */
static void
shrink(struct buf *b)
{
	if (b->len == 0 && b->cap > PROTO_PAYLOAD_MAX)
		buf_clear(b);
}

bool
channel_flush(struct channel *c)
{
	while (c->fd != -1 && c->out.len > 0) {
		ssize_t n = send_span(c);
		if (n == -1) {
			if (errno == EAGAIN) {
				loop_fd_start(&c->writable);
				return false;
			}
			close_down(c, NULL);
			return false;
		}
		c->out_done += (uint64_t)n;
		buf_consume(&c->out, (size_t)n);
	}
	if (c->fd == -1)
		return false;
	loop_fd_stop(&c->writable);
	shrink(&c->out);
	if (c->on_drained != NULL) {
		void (*fn)(void *) = c->on_drained;
		c->on_drained = NULL;
		fn(c->drained_arg);
	}
	return true;
}

static void
on_writable(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)channel_flush(arg);
}

/* --- in --- */

static const char *
take_descriptors(struct channel *c, struct msghdr *message)
{
	struct cmsghdr *cmsg;
	const char *violation = NULL;

	for (cmsg = CMSG_FIRSTHDR(message); cmsg != NULL; cmsg = CMSG_NXTHDR(message, cmsg)) {
		size_t count, i;
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			if (c->in_fds_count < CHANNEL_FDS_MAX) {
				c->in_fds[c->in_fds_count++] = fd;
			} else {
				(void)close(fd);
				violation = "too many descriptors";
			}
		}
	}
	return (message->msg_flags & MSG_CTRUNC) != 0 ? "too many descriptors at once" : violation;
}

static int
take_fd(struct channel *c)
{
	int fd = c->in_fds[0];

	c->in_fds_count--;
	memmove(c->in_fds, c->in_fds + 1, c->in_fds_count * sizeof(c->in_fds[0]));
	return fd;
}

/* What is wrong with a header, NULL when nothing is. */
static const char *
judge(const struct channel *c, const struct header *header)
{
	if (!proto_allowed(header->type, c->peer, c->self))
		return "a type it may not send";
	if (header->length > PROTO_PAYLOAD_MAX)
		return "a length over the limit";
	if ((header->flags & ~FLAG_DESCRIPTOR) != 0)
		return "an unknown flag";
	if (((header->flags & FLAG_DESCRIPTOR) != 0) != proto_has_descriptor(header->type))
		return "a descriptor where none belongs, or none where one does";
	return NULL;
}

enum taken { TAKEN, NEED_MORE, BROKEN };

/* Takes one message from the front of *bytes, decoded into msg. */
static enum taken
take_message(struct channel *c, struct str *bytes, struct header *header, union proto_message *msg, int *fd,
    const char **violation)
{
	if (bytes->len < sizeof(*header))
		return NEED_MORE;
	memcpy(header, bytes->ptr, sizeof(*header));
	*violation = judge(c, header);
	if (*violation != NULL)
		return BROKEN;
	if (bytes->len - sizeof(*header) < header->length)
		return NEED_MORE;
	*violation = "a payload that does not decode";
	if (!proto_decode(header->type, (struct str){ bytes->ptr + sizeof(*header), header->length }, msg))
		return BROKEN;
	*fd = -1;
	if ((header->flags & FLAG_DESCRIPTOR) != 0) {
		*violation = "no descriptor with a message that has one";
		if (c->in_fds_count == 0)
			return BROKEN;
		*fd = take_fd(c);
	}
	bytes->ptr += sizeof(*header) + header->length;
	bytes->len -= sizeof(*header) + header->length;
	return TAKEN;
}

/* Hands over every whole message of bytes; returns what is left of them. */
static struct str
deliver(struct channel *c, struct str bytes)
{
	union proto_message msg;
	struct header header;
	const char *violation;
	int fd;

	while (c->fd != -1) {
		enum taken taken = take_message(c, &bytes, &header, &msg, &fd, &violation);
		if (taken == NEED_MORE)
			break;
		if (taken == BROKEN) {
			close_down(c, violation);
			break;
		}
		if (tracing)
			trace(c, "from", header.type, header.id, &msg);
		if (!c->on_message(c->arg, header.type, header.id, &msg, fd) && c->fd != -1)
			close_down(c, "a message that breaks the rules of the conversation");
	}
	return bytes;
}

/*
 * Completes the message that began earlier with no more bytes of fresh than it needs, so that the rest needs no copy.
 * Returns what is left of fresh.
 */
static struct str
complete_message(struct channel *c, struct str fresh)
{
	while (c->fd != -1 && c->in.len > 0 && fresh.len > 0) {
		struct header header;
		size_t want = CHANNEL_HEADER, take;
		if (c->in.len >= CHANNEL_HEADER) {
			memcpy(&header, c->in.data + c->in.head, sizeof(header));
			want += header.length <= PROTO_PAYLOAD_MAX ? header.length : 0;
		}
		take = want > c->in.len ? want - c->in.len : 0;
		take = take < fresh.len ? take : fresh.len;
		if (!buf_append(&c->in, fresh.ptr, take))
			fatal("out of memory");
		fresh.ptr += take;
		fresh.len -= take;
		struct str left = deliver(c, buf_str(&c->in));
		if (c->fd != -1)
			buf_consume(&c->in, c->in.len - left.len);
	}
	return fresh;
}

/* Bytes are in read_block; what c->in holds of an earlier read stands before them. */
static void
digest(struct channel *c, size_t len)
{
	struct str fresh = complete_message(c, (struct str){ read_block, len });

	if (fresh.len > 0)
		fresh = deliver(c, fresh);
	if (c->fd == -1)
		return;
	if (!buf_append(&c->in, fresh.ptr, fresh.len))
		fatal("out of memory");
	if (c->in.len == 0 && c->in_fds_count > 0)
		close_down(c, "a descriptor without a message");
}

/* Reads at most len bytes to room, and the descriptors that come with them. */
static ssize_t
receive(struct channel *c, char *room, size_t len, const char **violation)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 4)];
	} control;
	struct iovec block = { room, len };
	struct msghdr message = { .msg_iov = &block,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	do
		n = recvmsg(c->fd, &message, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	*violation = n > 0 ? take_descriptors(c, &message) : NULL;
	return n;
}

static void
on_readable(int fd, short what, void *arg)
{
	struct channel *c = arg;
	const char *violation = NULL;
	ssize_t n;

	(void)fd;
	(void)what;
	n = receive(c, read_block, sizeof(read_block), &violation);
	if (n == -1 && (errno == EAGAIN))
		return;
	if (n <= 0)
		close_down(c, NULL);
	else if (violation != NULL)
		close_down(c, violation);
	else
		digest(c, (size_t)n);
	if (c->fd != -1)
		shrink(&c->in);
}

/* Waits for more bytes of a message of which want are known to come, no byte further: the loop finds the next one whole. */
static bool
receive_more(struct channel *c, int timeout_ms, size_t want, struct buf *message, struct error *err)
{
	struct pollfd ready = { .fd = c->fd, .events = POLLIN };
	char *room = buf_reserve(message, want - message->len);
	const char *violation;
	ssize_t n;

	if (room == NULL)
		return error_set(err, ERROR_TEMPORARY, "out of memory");
	if (poll(&ready, 1, timeout_ms) != 1)
		return error_set(err, ERROR_PEER, "%s said nothing in time", proto_kind_name(c->peer));
	n = receive(c, room, want - message->len, &violation);
	if (n <= 0)
		return error_set(err, ERROR_PEER, "%s closed the channel", proto_kind_name(c->peer));
	if (violation != NULL)
		return error_set(err, ERROR_PEER, "%s sent %s", proto_kind_name(c->peer), violation);
	buf_commit(message, (size_t)n);
	return true;
}

bool
channel_receive(struct channel *c, int timeout_ms, enum proto_type *type, uint64_t *id, union proto_message *out,
    int *fd, struct error *err)
{
	static struct buf message; /* stays while the caller has views into it */
	struct header header;
	const char *violation;
	enum taken taken;

	buf_clear(&message);
	buf_init(&message, CHANNEL_HEADER + PROTO_PAYLOAD_MAX);
	for (;;) {
		struct str bytes = buf_str(&message);
		taken = take_message(c, &bytes, &header, out, fd, &violation);
		if (taken != NEED_MORE)
			break;
		if (!receive_more(c, timeout_ms, CHANNEL_HEADER + (message.len < CHANNEL_HEADER ? 0 : header.length),
			&message, err))
			return false;
	}
	if (taken == BROKEN)
		return error_set(err, ERROR_PEER, "%s sent %s", proto_kind_name(c->peer), violation);
	*type = header.type;
	*id = header.id;
	if (tracing)
		trace(c, "from", *type, *id, out);
	return true;
}
