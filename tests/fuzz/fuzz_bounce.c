/* SPDX-License-Identifier: ISC */
/*
 * Property: whatever a server answered, whatever stood in a command and whatever the original is, a report has only CRLF as
 * line ends, no line over 998 bytes, text that can be shown, and just the fields and parts that it has for a harmless
 * answer; a whole original comes back byte for byte or not at all; and what is said to be ASCII is. The input is eight
 * lines: choices, forward-path, hop, enhanced code, text, reverse-path, ORCPT, ENVID; what follows is the original.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto_table.h"
#include "common/utf8.h"
#include "queue/bounce.h"
#include "queue/bounce_words.h"
#include "queue/limits.h"

#define BOUNDARY  "--=_0000000000000001_0123456789abcdef"
#define SEPARATOR "\r\n" BOUNDARY
#define END       "--\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *promise)
{
	if (condition)
		return;
	(void)fprintf(stderr, "broken: %s\n", promise);
	abort();
}

/* --- the input --- */

/* The input's line ends are those of its lines; line ends within are written as bytes 1 and 2. Fresh. */
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
drop(struct str s)
{
	free((void *)(uintptr_t)s.ptr);
}

/* --- the output --- */

static void
check_lines(struct str s)
{
	uint32_t point;
	size_t line = 0, i, n;

	for (i = 0; i < s.len; i += n) {
		n = utf8_read((struct str){ s.ptr + i, s.len - i }, &point);
		require(n > 0, "UTF-8");
		if (point == '\r') {
			require(i + 1 < s.len && s.ptr[i + 1] == '\n', "CR is before LF");
			n = 2;
			line = 0;
			continue;
		}
		require(point == '\t' || utf8_is_printable(point), "text that can be shown");
		line += n;
		require(line <= 998, "a line has at most 998 bytes");
	}
	require(s.len > 0 && line == 0, "the last line ends");
}

/* Takes from the front of *rest the fields up to an empty line; each has to be one of names. */
static void
check_fields(struct str *rest, const char *const *names, size_t count)
{
	struct str line, name, value;
	size_t i;

	while (str_cut(*rest, '\n', &line, rest) && line.len > 1) {
		if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
			continue;
		require(str_cut(line, ':', &name, &value), "a field has a name");
		for (i = 0; i < count && !str_equal(name, str_of(names[i])); i++)
			continue;
		require(i < count, "fields are ours");
	}
}

static void
check_header(struct str *rest)
{
	static const char *const names[] = { "Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted",
		"MIME-Version", "Content-Type", "Content-Transfer-Encoding" };

	check_fields(rest, names, sizeof(names) / sizeof(names[0]));
}

static void
check_part_header(struct str *rest)
{
	static const char *const names[] = { "Content-Type", "Content-Language", "Content-Transfer-Encoding" };

	check_fields(rest, names, sizeof(names) / sizeof(names[0]));
}

static void
check_status(struct str part)
{
	static const char *const of_message[] = { "Original-Envelope-Id", "Reporting-MTA", "Arrival-Date",
		"X-Postern-Message" };
	static const char *const of_rcpt[] = { "Original-Recipient", "Final-Recipient", "Action", "Status",
		"Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date", "Will-Retry-Until" };

	check_part_header(&part);
	check_fields(&part, of_message, sizeof(of_message) / sizeof(of_message[0]));
	check_fields(&part, of_rcpt, sizeof(of_rcpt) / sizeof(of_rcpt[0]));
	require(part.len == 0, "one recipient");
}

/* Takes the text up to the next separator from the front of *rest, with the CRLF before that. */
static struct str
take_part(struct str *rest)
{
	const char *end = memmem(rest->ptr, rest->len, SEPARATOR, strlen(SEPARATOR));
	struct str part;

	require(end != NULL, "parts end");
	part = (struct str){ rest->ptr, (size_t)(end - rest->ptr) + 2 };
	rest->len -= (size_t)(end - rest->ptr) + strlen(SEPARATOR);
	rest->ptr = end + strlen(SEPARATOR);
	if (!str_equal(*rest, S(END))) {
		require(rest->len > 2 && memcmp(rest->ptr, "\r\n", 2) == 0, "a boundary ends its line");
		*rest = (struct str){ rest->ptr + 2, rest->len - 2 };
	}
	return part;
}

static void
check_original(struct str part, const struct bounce *b)
{
	struct str type = part;

	check_part_header(&part);
	if (str_starts_nocase(type, S("Content-Type: message/rfc822\r")) ||
	    str_starts_nocase(type, S("Content-Type: message/global\r"))) {
		require(b->whole, "the whole message for who asked for it");
		part.len -= 2;
		require(str_equal(part, b->text), "the message comes back as it was");
	} else {
		check_lines(type);
		require(part.len <= QUEUE_DSN_HEADER_BYTES * (size_t)2, "not more than a header");
	}
}

static void
check(struct str out, const struct bounce *b, bool eightbit)
{
	struct str rest = out, part;

	require(eightbit || !utf8_is_needed(out), "ASCII where that is said");
	check_header(&rest);
	rest = out;
	check_lines(take_part(&rest));
	part = take_part(&rest);
	require(!utf8_is_needed(part), "the text is encoded");
	check_lines(part);
	check_part_header(&part);
	part = take_part(&rest);
	require(!utf8_is_needed(part) || str_starts_nocase(part, S("Content-Type: message/global-delivery-status\r")),
	    "RFC 3464 is ASCII");
	check_lines(part);
	check_status(part);
	check_original(take_part(&rest), b);
	require(str_equal(rest, S(END)), "three parts, and their end");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct bounce_language *const languages = bounce_languages;
	struct str rest = { (const char *)data, size }, choices;
	struct bounce_rcpt rcpt = { .tries = 1, .tried_ms = 1, .expires_ms = 1 };
	struct bounce_words words = bounce_words_default;
	struct bounce b = { .words = &words,
		.hostname = STR("queue.example"),
		.id = 1,
		.randomness = 0x0123456789abcdef,
		.rcpts = &rcpt,
		.count = 1 };
	struct buf out;
	bool eightbit;
	char choice[4] = { 0 };

	choices = take_line(&rest, sizeof(choice));
	if (choices.len > 0)
		memcpy(choice, choices.ptr, choices.len);
	rcpt.action = (enum bounce_action)(choice[0] & 3);
	rcpt.expired = (choice[0] & 4) != 0;
	b.whole = (choice[1] & 1) != 0;
	rcpt.code = (choice[1] & 2) != 0 ? 0 : 550;
	words.language = &languages[choice[2] & 3];
	b.more = (choice[3] & 1) != 0;
	rcpt.forward_path = take_line(&rest, PROTO_ADDRESS_MAX);
	rcpt.hop = take_line(&rest, PROTO_NAME_MAX);
	rcpt.enhanced = take_line(&rest, PROTO_ENHANCED_MAX);
	rcpt.text = take_line(&rest, PROTO_REPLY_MAX);
	b.to = take_line(&rest, PROTO_ADDRESS_MAX);
	rcpt.orcpt = take_line(&rest, PROTO_ORCPT_MAX);
	b.envid = take_line(&rest, PROTO_ENVID_MAX);
	b.text = (struct str){ rest.ptr, rest.len < QUEUE_DSN_ORIGINAL_BYTES ? rest.len : QUEUE_DSN_ORIGINAL_BYTES };
	buf_init(&out, QUEUE_DSN_BYTES);
	require(bounce_compose(&b, &out, &eightbit), "it fits");
	/* A boundary is not to be guessed; the fuzzer finds it. */
	if (memmem(data, size, "0123456789abcdef", 16) == NULL)
		check(buf_str(&out), &b, eightbit);
	buf_clear(&out);
	drop(choices);
	drop(rcpt.forward_path);
	drop(rcpt.hop);
	drop(rcpt.enhanced);
	drop(rcpt.text);
	drop(b.to);
	drop(rcpt.orcpt);
	drop(b.envid);
	return 0;
}
