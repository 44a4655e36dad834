/* SPDX-License-Identifier: ISC */
/*
 * One end of a pair of stream sockets between two processes: frames (type, length, id, descriptor or not), gathered and
 * written once a turn, received and checked against the table of proto_table.h before anybody sees them. A peer that
 * breaks the rules is cut off: its channel closes, and owner is told why, once.
 *
 * Memory is bounded: a frame is at most PROTO_PAYLOAD_MAX, what waits to be written at most CHANNEL_OUT_MAX, which credit
 * (CREDIT, JOB_PULL, one-question-at-a-time) keeps far away; a peer that makes it pass by not reading is cut off too.
 */
#ifndef COMMON_CHANNEL_H
#define COMMON_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/proto.h"

#define CHANNEL_OUT_MAX   (96 * 1024 * 1024) /* bytes: body windows of all sessions (64 MiB), and small messages */
#define CHANNEL_FDS_MAX   64                 /* descriptors that wait for their messages, in either direction */
#define CHANNEL_READ_SIZE (128 * 1024)       /* bytes of one read; shared by all channels of a process */
#define CHANNEL_HEADER    16

struct channel;

/*
 * A message has come, decoded and checked: its texts are views that end with the call. fd is the descriptor of a type
 * that has one (the callee takes it), else -1. Returns false to say that the peer broke the conversation's rules.
 */
typedef bool channel_message_fn(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd);

/*
 * The channel is closed: by the peer (violation NULL), or because of what violation says. Called once, from the loop;
 * the callee frees the channel, then or later. Not called after channel_free.
 */
typedef void channel_closed_fn(void *arg, const char *violation);

/*
 * Takes fd, a connected stream socket, non-blocking from here on. self and peer are the kinds at the two ends. Fatal when
 * there is no memory.
 */
struct channel *channel_new(int fd, enum proto_kind self, enum proto_kind peer, channel_message_fn *on_message,
    channel_closed_fn *on_closed, void *arg);

/* Closes and frees; what waited to be written is lost (channel_flush first, where it matters). Accepts NULL. */
void channel_free(struct channel *c);

/*
 * A descriptor that is to be sent while its owner uses it, without a duplicate of it: it closes when the owner, and every
 * message that it waits to leave with, have let go of it. channel_fd_new takes fd; fatal when there is no memory.
 */
struct channel_fd;
struct channel_fd *channel_fd_new(int fd);
void channel_fd_free(struct channel_fd *shared); /* the owner lets go; accepts NULL */

/*
 * Queues a message for the end of the turn. msg is the struct of the type. With channel_send_fd the descriptor goes with
 * it; it is duplicated, the caller keeps its own (fatal when there is none left). With channel_send_shared it is shared. On
 * a closed channel all do nothing. Sending what the table forbids or what is over a field's limit is our own mistake: fatal.
 */
void channel_send(struct channel *c, enum proto_type type, uint64_t id, const void *msg);
void channel_send_fd(struct channel *c, enum proto_type type, uint64_t id, const void *msg, int fd);
void channel_send_shared(
    struct channel *c, enum proto_type type, uint64_t id, const void *msg, struct channel_fd *shared);

/* channel_send with the struct's type checked: SEND(c, JOB, job, id, .message = m, ...). */
#define SEND(c, NAME, name, id, ...) \
	channel_send((c), PROTO_##NAME##_TYPE, (id), &(const struct msg_##name){ __VA_ARGS__ })
#define SEND_FD(c, NAME, name, id, fd, ...) \
	channel_send_fd((c), PROTO_##NAME##_TYPE, (id), &(const struct msg_##name){ __VA_ARGS__ }, (fd))
#define SEND_SHARED(c, NAME, name, id, shared, ...) \
	channel_send_shared((c), PROTO_##NAME##_TYPE, (id), &(const struct msg_##name){ __VA_ARGS__ }, (shared))

/* Writes what it can now. Returns true when nothing is left. */
bool channel_flush(struct channel *c);

/* Bytes that wait to be written: what a sender of much looks at before it makes more. */
size_t channel_pending(const struct channel *c);

/*
 * Whether a sender of much, or of many descriptors, has to wait for the peer: more than max bytes, or CHANNEL_FDS_MAX
 * descriptors, wait for it to read. Going on without that ends in the peer being cut off.
 */
bool channel_is_behind(struct channel *c, size_t max);

/* Calls fn, once, when everything that waited was written. For senders that paused on channel_pending. */
void channel_on_drained(struct channel *c, void (*fn)(void *arg), void *arg);

bool channel_is_open(const struct channel *c);

/* Stops and resumes reading: back pressure towards the peer. */
void channel_pause(struct channel *c);
void channel_resume(struct channel *c);

/* Prints every message in words to the log at level trace. */
void channel_trace(bool on);

/*
 * Waits for one message, for the start of a process, before there is a loop; timeout in milliseconds. Returns false, err
 * set, when none came or the peer broke the rules. out's views end with the next call.
 */
bool channel_receive(struct channel *c, int timeout_ms, enum proto_type *type, uint64_t *id, union proto_message *out,
    int *fd, struct error *err);

#endif
