/* SPDX-License-Identifier: ISC */
/*
 * Property: whatever a server answered and whatever the original began with, a notification has only CRLF as line ends, no
 * line over 998 bytes, printable ASCII and tabs in them, and just the parts and fields that it has for a harmless answer.
 * The input is five lines: forward-path, hop, enhanced code, text, reverse-path; what follows is the original.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto_table.h"
#include "queue/bounce.h"
#include "queue/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *promise)
{
	if (condition)
		return;
	(void)fprintf(stderr, "broken: %s\n", promise);
	abort();
}

/* The input's line ends are those of its lines; line ends within are written as bytes 1 and 2. */
static struct str
take_line(struct str *rest, size_t max)
{
	struct str line;
	char *bytes;
	size_t i;

	(void)str_cut(*rest, '\n', &line, rest);
	line.len = line.len < max ? line.len : max;
	bytes = malloc(line.len + 1);
	require(bytes != NULL, "memory");
	for (i = 0; i < line.len; i++)
		bytes[i] = (char)(line.ptr[i] == 1 ? '\r' : line.ptr[i] == 2 ? '\n' : line.ptr[i]);
	return (struct str){ bytes, line.len };
}

static void
check_lines(struct str s)
{
	size_t line = 0, i;

	for (i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == '\r') {
			require(i + 1 < s.len && s.ptr[i + 1] == '\n', "CR is before LF");
			i++;
			line = 0;
			continue;
		}
		require(c == '\t' || (c >= 0x20 && c <= 0x7e), "printable ASCII");
		require(++line <= 998, "a line has at most 998 bytes");
	}
	require(s.len > 0 && line == 0, "the last line ends");
}

/* How many lines begin with prefix. */
static unsigned
count_lines(struct str s, struct str prefix)
{
	struct str line;
	unsigned n = 0;

	while (s.len > 0) {
		(void)str_cut(s, '\n', &line, &s);
		n += str_starts_nocase(line, prefix);
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size };
	struct bounce_rcpt rcpt = { .code = 550, .tries = 1, .expired = size % 2 == 1 };
	struct bounce b = {
		.hostname = STR("queue.example"), .id = 1, .randomness = 0x0123456789abcdef, .rcpts = &rcpt, .count = 1
	};
	struct buf out;
	bool eightbit;

	rcpt.forward_path = take_line(&rest, PROTO_ADDRESS_MAX);
	rcpt.hop = take_line(&rest, PROTO_NAME_MAX);
	rcpt.enhanced = take_line(&rest, PROTO_ENHANCED_MAX);
	rcpt.text = take_line(&rest, PROTO_REPLY_MAX);
	b.to = take_line(&rest, PROTO_ADDRESS_MAX);
	b.text = rest;
	buf_init(&out, QUEUE_DSN_BYTES);
	require(bounce_compose(&b, &out, &eightbit), "it fits");
	check_lines(buf_str(&out));
	require(count_lines(buf_str(&out), S("--=_0000000000000001_0123456789abcdef")) == 4 ||
		memmem(data, size, "0123456789abcdef", 16) != NULL,
	    "three parts, and their end");
	require(count_lines(buf_str(&out), S("Action: failed\r")) <= 1 + count_lines(rest, S("Action: failed")),
	    "one recipient");
	buf_clear(&out);
	free((void *)(uintptr_t)rcpt.forward_path.ptr);
	free((void *)(uintptr_t)rcpt.hop.ptr);
	free((void *)(uintptr_t)rcpt.enhanced.ptr);
	free((void *)(uintptr_t)rcpt.text.ptr);
	free((void *)(uintptr_t)b.to.ptr);
	return 0;
}
