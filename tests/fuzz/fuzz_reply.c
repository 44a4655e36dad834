/* SPDX-License-Identifier: ISC */
/*
 * What a server sends, any bytes with any cuts, while two messages are given to the client: each recipient has at most one
 * result and at the end exactly one; a message is delivered only by a whole 2xx reply whose last byte came after the end
 * of that message had been written; all that a result says is printable; what was written never ends a message early.
 * The first byte says how much is written between reads and how long the pieces are; 0xff in the input is a cut at which
 * all is written, 0xfe a timeout.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "relay/client.h"

enum { INPUT_MAX = 4096, MESSAGES = 2, RCPTS = 3 };

static const char message[] = "Subject: x\r\n\r\n.\r\nRSET\r\n..\r\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct client client;
	struct job_table table;
	struct job *ready;
	struct job *again;
	unsigned results[MESSAGES + 1][RCPTS];
	unsigned ended;
	unsigned begun;
	struct buf wire;   /* all that was written */
	struct buf behind; /* what the server said since the end of the message was written */
	bool dot_written;
} t;

static void
require(bool condition, const char *promise)
{
	if (condition)
		return;
	(void)fprintf(stderr, "broken: %s\n", promise);
	abort();
}

static void
on_ready(struct job *job)
{
	t.ready = job;
}

static void
on_result(void *arg, uint64_t id, const struct msg_job_result *r)
{
	struct str said = buf_str(&t.behind);
	char code[16];
	size_t i;

	(void)arg;
	require(id <= MESSAGES && r->number < RCPTS, "results are of our jobs");
	require(t.results[id][r->number]++ == 0, "one result for a recipient");
	require(r->text.len <= PROTO_REPLY_MAX && r->enhanced.len <= PROTO_ENHANCED_MAX, "bounded");
	for (i = 0; i < r->text.len; i++)
		require(ascii_is_printable(r->text.ptr[i]), "printable");
	if (r->result != PROTO_RESULT_DELIVERED)
		return;
	require(t.dot_written, "delivered only behind the end of the message");
	require(r->code / 100 == 2, "delivered by 2xx");
	(void)snprintf(code, sizeof(code), "%u", (unsigned)r->code);
	require(
	    said.len >= 5 && memmem(said.ptr, said.len, code, 3) != NULL && memchr(said.ptr, '\n', said.len) != NULL,
	    "the reply came behind the end of the message");
}

static void
on_pull(void *arg, uint64_t id, uint64_t offset)
{
	(void)arg;
	(void)id;
	(void)offset;
	require(false, "nothing to pull");
}

static void
on_end(void *arg, uint64_t id, bool host_down)
{
	unsigned i;

	(void)arg;
	(void)host_down;
	t.ended++;
	for (i = 0; i < RCPTS; i++)
		require(t.results[id][i] == 1, "a job ends with all its results");
}

static const struct job_calls job_calls = { on_ready, on_result, on_pull, on_end };

static void
begin_job(void)
{
	struct msg_job job = { .message = 1,
		.action = S("o"),
		.destination = S("o/d"),
		.reverse_path = S(""),
		.size = sizeof(message) - 1,
		.rcpts = RCPTS };
	struct msg_job_body body = { .offset = 0, .bytes = S(message) };
	struct job *piece;
	unsigned i;

	t.begun++;
	require(job_take(&t.table, t.begun, &job), "a job");
	for (i = 0; i < RCPTS; i++) {
		struct msg_job_rcpt rcpt = { .number = i, .address = S("a@d.example") };
		require(job_take_rcpt(&t.table, t.begun, &rcpt), "a recipient");
	}
	require(job_take_body(&t.table, t.begun, &body, &piece), "a body");
	t.dot_written = false;
	client_send(&t.client, t.ready);
}

static void
on_opened(void *arg)
{
	(void)arg;
	if (client_is_usable(&t.client))
		begin_job();
}

static void
on_refused(void *arg, const struct reply *why)
{
	(void)arg;
	require(why->code >= 400 && why->text_len >= 3, "refused for a reason");
}

static void
on_over(void *arg, struct job *job)
{
	(void)arg;
	job_end(job, false);
	if (t.begun < MESSAGES && client_is_usable(&t.client))
		begin_job();
}

static void
on_again(void *arg, struct job *job)
{
	(void)arg;
	require(t.begun > 1 && job->unanswered == RCPTS, "again only behind another, and unanswered");
	t.again = job;
}

static const struct client_calls calls = { on_opened, on_refused, on_over, on_again };

static void
write_some(size_t most)
{
	size_t n = t.client.out.len < most ? t.client.out.len : most;
	struct str out = { buf_str(&t.client.out).ptr, n };

	if (t.client.state == CLIENT_CLOSED || n == 0)
		return;
	require(buf_append_str(&t.wire, out), "room");
	client_written(&t.client, n);
	if (t.client.state == CLIENT_DOT && t.client.out.len == 0 && !t.dot_written) {
		t.dot_written = true;
		buf_reset(&t.behind);
	}
}

/* In the commands and messages on the wire "CRLF . CRLF" stands only behind a message. */
static void
check_wire(void)
{
	struct str s = buf_str(&t.wire);
	size_t i, ends = 0;

	for (i = 0; i + 3 <= s.len; i++)
		ends += memcmp(s.ptr + i, ".\r\n", 3) == 0 && (i == 0 || s.ptr[i - 1] == '\n');
	require(ends <= MESSAGES, "no end within a message");
	for (i = 0; i < s.len; i++) {
		require(s.ptr[i] != '\r' || i + 1 == s.len || s.ptr[i + 1] == '\n', "no bare CR");
		require(s.ptr[i] != '\n' || (i > 0 && s.ptr[i - 1] == '\r'), "no bare LF");
	}
}

static void
hear(struct str piece)
{
	char *copy = malloc(piece.len + (piece.len == 0));

	require(copy != NULL, "memory");
	memcpy(copy, piece.ptr, piece.len);
	if (t.dot_written)
		require(buf_append_str(&t.behind, piece), "room");
	client_input(&t.client, (struct str){ copy, piece.len });
	free(copy);
}

static size_t
piece_at(const uint8_t *data, size_t size, size_t most)
{
	size_t n = 0;

	while (n < size && n < most && data[n] < 0xfe)
		n++;
	return n;
}

static void
converse(const uint8_t *data, size_t size, size_t piece, size_t written)
{
	size_t n;

	while (size > 0 && t.client.state != CLIENT_CLOSED) {
		if (data[0] >= 0xfe) {
			if (data[0] == 0xfe)
				client_timeout(&t.client);
			else
				write_some(SIZE_MAX);
			data++;
			size--;
			continue;
		}
		n = piece_at(data, size, piece);
		hear((struct str){ (const char *)data, n });
		write_some(written);
		data += n;
		size -= n;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	if (!made)
		loop_init();
	made = true;
	memset(&t, 0, sizeof(t));
	buf_init(&t.wire, 1 << 20);
	buf_init(&t.behind, 1 << 20);
	job_table_init(&t.table, &job_calls, NULL);
	client_start(&t.client, "me.example", "mx.example", &calls, NULL);
	converse(data + 1, size - 1, (size_t)(data[0] & 15) * 4 + 1, data[0] & 16 ? 7 : SIZE_MAX);
	if (t.client.state != CLIENT_CLOSED)
		client_lost(&t.client, "gone");
	require(t.client.state == CLIENT_CLOSED, "lost is the end");
	require(t.client.job == NULL, "no job is left");
	require(t.ended + (t.again != NULL) == t.begun, "each job ended, or is tried again");
	check_wire();
	client_clear(&t.client);
	job_table_clear(&t.table);
	buf_clear(&t.wire);
	buf_clear(&t.behind);
	return 0;
}
