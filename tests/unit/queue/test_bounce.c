/* SPDX-License-Identifier: ISC */
/*
 * Promise: a notification says who did not get what and why, in the form of RFC 3464, and nothing that a server answered or
 * that stood in the original can change its form.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "common/proto_table.h"
#include "queue/bounce.h"
#include "queue/limits.h"

static struct bounce_rcpt one = {
	.forward_path = STR("joe@far.example"),
	.code = 550,
	.enhanced = STR("5.1.1"),
	.text = STR("No such user here"),
	.hop = STR("mx.far.example"),
	.tries = 1,
};

static const struct bounce base = {
	.hostname = STR("mail.example"),
	.to = STR("ann@near.example"),
	.original = 0x1234,
	.id = 0x5678,
	.randomness = 0x9abcdef,
	.accepted_ms = 1795500000000,
	.now_ms = 1795500123000,
	.rcpts = &one,
	.count = 1,
	.text = STR("Received: by mail.example\r\nFrom: ann@near.example\r\nSubject: lunch\r\n\r\nbody\r\n"),
};

static struct buf text;

static const char *
compose(const struct bounce *b)
{
	bool eightbit;

	buf_clear(&text);
	buf_init(&text, QUEUE_DSN_BYTES);
	assert_true(bounce_compose(b, &text, &eightbit));
	assert_true(buf_append_byte(&text, '\0'));
	text.len--;
	return buf_str(&text).ptr;
}

static void
expect(const char *row, const char *got, const char *part)
{
	if (strstr(got, part) == NULL)
		row_fail(row, "\"%s\" is missing in:\n%s", part, got);
}

static void
expect_not(const char *row, const char *got, const char *part)
{
	if (strstr(got, part) != NULL)
		row_fail(row, "\"%s\" is in:\n%s", part, got);
}

/* Only CRLF ends lines, none over 998 bytes, printable ASCII and tab in them, an end of line at the end. */
static void
expect_shape(const char *row, struct str s)
{
	size_t line = 0, i;

	for (i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == '\r' && i + 1 < s.len && s.ptr[i + 1] == '\n') {
			i++;
			line = 0;
			continue;
		}
		if ((c < 0x20 && c != '\t') || c > 0x7e)
			row_fail(row, "byte %02x at %zu", c, i);
		if (++line > 998)
			row_fail(row, "a line is over 998 bytes at %zu", i);
	}
	if (s.len < 2 || line != 0)
		row_fail(row, "%s", "no end of line at the end");
}

static void
test_it_says_what_happened(void **state)
{
	static const char *const parts[] = {
		"From: Mail Delivery System <MAILER-DAEMON@mail.example>\r\n",
		"To: <ann@near.example>\r\n",
		"Auto-Submitted: auto-replied\r\n",
		"Message-ID: <0000000000005678.0000000009abcdef@mail.example>\r\n",
		"MIME-Version: 1.0\r\n",
		"Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"=_",
		"Content-Type: text/plain; charset=us-ascii\r\n",
		"<joe@far.example>\r\n    was refused. The server mx.far.example said:\r\n    550 5.1.1 No such user here\r\n",
		"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example\r\n",
		"\r\n\r\nFinal-Recipient: rfc822; joe@far.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
		"Remote-MTA: dns; mx.far.example\r\nDiagnostic-Code: smtp; 550 5.1.1 No such user here\r\n",
		"Content-Type: text/rfc822-headers; charset=us-ascii\r\n\r\nReceived: by mail.example\r\n"
		"From: ann@near.example\r\nSubject: lunch\r\n\r\n--=_",
	};
	const char *got = compose(&base);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		expect("a refusal", got, parts[i]);
	expect_not("a refusal", got, "body");
	expect_shape("a refusal", buf_str(&text));
}

static const struct {
	const char *row;
	struct bounce_rcpt rcpt;
	const char *want;
	const char *want_not;
} rows[] = {
	{ "an expired recipient has status 5.4.7 and its last answer",
	    { .forward_path = STR("a@x"),
		.code = 451,
		.enhanced = STR("4.7.1"),
		.text = STR("later"),
		.tries = 30,
		.expired = true },
	    "Status: 5.4.7\r\nDiagnostic-Code: X-Postern; 451 4.7.1 later\r\n", "Remote-MTA" },
	{ "and says how often it was tried",
	    { .forward_path = STR("a@x"), .text = STR("no route"), .tries = 30, .expired = true },
	    "was tried 30 times since", "was refused" },
	{ "an enhanced code that is none becomes 5.0.0",
	    { .forward_path = STR("a@x"), .code = 550, .enhanced = STR("5.1\r\n"), .text = STR("no") },
	    "Status: 5.0.0\r\n", "5.1\r" },
	{ "so does one that speaks of success", { .forward_path = STR("a@x"), .code = 550, .enhanced = STR("2.0.0") },
	    "Status: 5.0.0\r\n", "Status: 2" },
	{ "an answer with line ends adds no field",
	    { .forward_path = STR("a@x"),
		.code = 550,
		.text = STR("no\r\nAction: delivered\r\n\r\nX: y"),
		.hop = STR("h") },
	    "550 no??Action: delivered????X: y\r\n", "\r\nAction: delivered" },
	{ "a hop with line ends adds none",
	    { .forward_path = STR("a@x"), .code = 550, .text = STR("no"), .hop = STR("h\nBcc: z@x") },
	    "dns; h?Bcc: z@x\r\n", "\nBcc" },
	{ "an address with line ends adds none",
	    { .forward_path = STR("a\r\nBcc: z@x"), .code = 550, .text = STR("no") }, "<a??Bcc: z@x>", "\nBcc" },
	{ "escape sequences and other bytes become question marks",
	    { .forward_path = STR("a@x"), .code = 550, .text = STR("\x1b]0;evil\x07 \xc3\xbc \x7f") },
	    "550 ?]0;evil? ?? ?\r\n", "\x1b" },
	{ "a recipient without any answer is told all the same", { .forward_path = STR("a@x"), .tries = 1 },
	    "Status: 5.0.0\r\n", "Diagnostic-Code" },
};

static void
test_answers_cannot_change_the_form(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bounce b = base;
		b.rcpts = &rows[i].rcpt;
		expect(rows[i].row, compose(&b), rows[i].want);
		expect_not(rows[i].row, compose(&b), rows[i].want_not);
		expect_shape(rows[i].row, buf_str(&text));
	}
}

static void
test_long_answers_are_folded(void **state)
{
	char words[PROTO_REPLY_MAX], word[PROTO_REPLY_MAX];
	struct bounce_rcpt rcpts[2] = { one, one };
	struct bounce b = base;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(words); i++)
		words[i] = i % 9 == 8 ? ' ' : 'w';
	memset(word, 'x', sizeof(word));
	rcpts[0].text = (struct str){ words, sizeof(words) };
	rcpts[1].text = (struct str){ word, sizeof(word) };
	b.rcpts = rcpts;
	b.count = 2;
	(void)compose(&b);
	expect_shape("long words", buf_str(&text));
	expect("two recipients", buf_str(&text).ptr, "did not reach these recipients");
}

static const struct {
	const char *row;
	struct str header;
	const char *want;
	const char *want_not;
} headers[] = {
	{ "a header without end", STR("A: b\r\nC: d"), "\r\n\r\nA: b\r\nC: d\r\n\r\n--=_", "body" },
	{ "bare LF and CR", STR("A: b\nC: d\re\n\nbody\n"), "A: b\r\nC: d?e\r\n\r\n--=_", "body" },
	{ "NUL and eight bits", STR("A: \0\xff\r\n\r\nbody"), "A: ??\r\n\r\n--=_", "body" },
	{ "folded lines stay folded", STR("A: b\r\n\tc\r\n"), "A: b\r\n c\r\n", "\tc" },
	{ "no header at all", STR(""), "charset=us-ascii\r\n\r\n\r\n--=_", "body" },
};

static void
test_the_header_is_attached_and_nothing_else(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct bounce b = base;
		b.text = headers[i].header;
		expect(headers[i].row, compose(&b), headers[i].want);
		expect_not(headers[i].row, compose(&b), headers[i].want_not);
		expect_shape(headers[i].row, buf_str(&text));
	}
}

/* The limit's promise: the most and the longest of everything fits. */
static void
test_the_largest_fits(void **state)
{
	static struct bounce_rcpt rcpts[QUEUE_JOB_RCPTS_MAX];
	static char long_text[PROTO_REPLY_MAX], address[PROTO_ADDRESS_MAX], hop[PROTO_NAME_MAX];
	static char header[QUEUE_DSN_HEADER_BYTES + 100];
	struct bounce b = base;
	size_t i;

	(void)state;
	memset(long_text, 't', sizeof(long_text));
	memset(address, 'a', sizeof(address));
	memset(hop, 'h', sizeof(hop));
	for (i = 0; i < sizeof(header); i++)
		header[i] = i % 2 == 0 ? ':' : '\n'; /* each two bytes become three */
	for (i = 0; i < QUEUE_JOB_RCPTS_MAX; i++) {
		rcpts[i] = one;
		rcpts[i].text = (struct str){ long_text, sizeof(long_text) };
		rcpts[i].forward_path = (struct str){ address, sizeof(address) };
		rcpts[i].hop = (struct str){ hop, sizeof(hop) };
	}
	b.rcpts = rcpts;
	b.count = QUEUE_JOB_RCPTS_MAX;
	b.text = (struct str){ header, sizeof(header) };
	(void)compose(&b);
	expect_shape("the largest", buf_str(&text));
	assert_true(text.len < QUEUE_DSN_BYTES / 10 * 9);
}

static void
test_no_room_is_told(void **state)
{
	struct buf small;
	bool eightbit;
	size_t max;

	(void)state;
	for (max = 0; max < 1200; max++) {
		buf_init(&small, max);
		assert_false(bounce_compose(&base, &small, &eightbit));
		buf_clear(&small);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_says_what_happened),
		cmocka_unit_test(test_answers_cannot_change_the_form),
		cmocka_unit_test(test_long_answers_are_folded),
		cmocka_unit_test(test_the_header_is_attached_and_nothing_else),
		cmocka_unit_test(test_the_largest_fits),
		cmocka_unit_test(test_no_room_is_told),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf_clear(&text);
	return failed;
}
