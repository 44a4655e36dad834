/* SPDX-License-Identifier: ISC */
/*
 * Promise: a notification says who did not get what and why, in the form of RFC 3464, and nothing that a server answered or
 * that stood in the original can change its form.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "common/proto_table.h"
#include "common/utf8.h"
#include "queue/bounce.h"
#include "queue/bounce_words.h"
#include "queue/limits.h"
#include "queue/records.h"

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

/* clang-format off */
static const struct {
	const char *row;
	struct bounce_rcpt rcpt;
	const char *want[3];
	const char *want_not;
} actions[] = {
	{ "a failure for good keeps its status", { .action = BOUNCE_FAILED, .code = 550, .enhanced = STR("5.7.1") },
	    { "Subject: Your message could not be delivered\r\n", "Action: failed\r\nStatus: 5.7.1\r\n", "was refused:" }, "Will-Retry-Until" },
	{ "one that was for now becomes one for good", { .action = BOUNCE_FAILED, .enhanced = STR("4.7.1") }, { "Status: 5.7.1\r\n" }, "Status: 4" },
	{ "nothing known", { .action = BOUNCE_FAILED }, { "Status: 5.0.0\r\n", "was refused.\r\n" }, "Diagnostic-Code" },
	{ "a single try", { .action = BOUNCE_FAILED, .expired = true, .tries = 1 }, { "Status: 5.4.7\r\n", "was tried 1 time since" }, "The last answer" },
	{ "a delay says until when", { .action = BOUNCE_DELAYED, .code = 451, .enhanced = STR("4.2.2"), .text = STR("full"), .hop = STR("mx"),
	    .tried_ms = 1795500120000, .expires_ms = 1795900000000 },
	    { "Subject: Your message is delayed\r\n",
	      "Action: delayed\r\nStatus: 4.2.2\r\nRemote-MTA: dns; mx\r\nDiagnostic-Code: smtp; 451 4.2.2 full\r\n"
	      "Last-Attempt-Date: Tue, 24 Nov 2026 06:02:00 +0000\r\nWill-Retry-Until: Sat, 28 Nov 2026 21:06:40 +0000\r\n",
	      "    will be tried until 2026-11-28 21:06 +0000.\r\n    The last answer of mx was:\r\n    451 4.2.2 full\r\n" }, "refused" },
	{ "a delay is not for good", { .action = BOUNCE_DELAYED, .code = 550, .enhanced = STR("5.1.1") }, { "Status: 4.1.1\r\n" }, "Status: 5" },
	{ "a delay without an answer, without an end", { .action = BOUNCE_DELAYED }, { "Status: 4.0.0\r\n", "will be tried again.\r\n" }, "Until" },
	{ "a delay that was a success", { .action = BOUNCE_DELAYED, .enhanced = STR("2.1.5") }, { "Status: 4.0.0\r\n" }, "Status: 2" },
	{ "delivered", { .action = BOUNCE_DELIVERED, .code = 250, .enhanced = STR("2.1.5"), .text = STR("ok") },
	    { "Subject: Your message was delivered\r\n", "Action: delivered\r\nStatus: 2.1.5\r\n", "    was delivered.\r\n" }, "refused" },
	{ "delivered without a word", { .action = BOUNCE_DELIVERED }, { "Status: 2.0.0\r\n" }, "The last answer" },
	{ "delivered, with a status that says otherwise", { .action = BOUNCE_DELIVERED, .enhanced = STR("5.1.1") }, { "Status: 2.0.0\r\n" }, "Status: 5" },
	{ "relayed", { .action = BOUNCE_RELAYED, .code = 250, .text = STR("queued"), .hop = STR("mx.far.example") },
	    { "Subject: Your message was passed on\r\n", "Action: relayed\r\nStatus: 2.0.0\r\n",
	      "no\r\nfurther word will come" }, "refused" },
	{ "relayed, and where to", { .action = BOUNCE_RELAYED, .hop = STR("mx.far.example") },
	    { "was passed on to the server mx.far.example.\r\n" }, "The last answer" },
	{ "no try, no date", { .action = BOUNCE_FAILED }, { "Arrival-Date: Tue, 24 Nov 2026 06:00:00 +0000\r\n" }, "Last-Attempt-Date" },
};
/* clang-format on */

static void
test_each_action_has_its_status_and_words(void **state)
{
	size_t i, part;

	(void)state;
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		struct bounce b = base;
		struct bounce_rcpt rcpt = actions[i].rcpt;
		rcpt.forward_path = S("joe@far.example");
		b.rcpts = &rcpt;
		for (part = 0; part < 3 && actions[i].want[part] != NULL; part++)
			expect(actions[i].row, compose(&b), actions[i].want[part]);
		expect_not(actions[i].row, compose(&b), actions[i].want_not);
		expect_shape(actions[i].row, buf_str(&text));
	}
}

static void
test_several_fates_are_one_report(void **state)
{
	struct bounce_rcpt several[] = { { .action = BOUNCE_RELAYED, .forward_path = STR("r@x") },
		{ .action = BOUNCE_FAILED, .forward_path = STR("f@x") },
		{ .action = BOUNCE_DELAYED, .forward_path = STR("d@x") },
		{ .action = BOUNCE_FAILED, .forward_path = STR("g@x") } };
	struct bounce b = base;
	const char *got;

	(void)state;
	b.rcpts = several;
	b.count = 4;
	got = compose(&b);
	expect("mixed", got, "Subject: What became of your message\r\n");
	expect("mixed", got, "did not reach these recipients");
	expect("mixed", got, "has not reached this recipient yet");
	expect("mixed", got, "was passed on for this recipient");
	expect("mixed", got, "<f@x>\r\n    was refused.\r\n\r\n<g@x>\r\n    was refused.\r\n\r\nYour message");
	expect("mixed", got, "Final-Recipient: rfc822; r@x\r\nAction: relayed\r\n");
	expect_not("mixed", got, "no room here");
	b.more = 12;
	got = compose(&b);
	expect("more", got, "Further recipients, for which there is no room here: 12.\r\n\r\nIf you need help");
	expect("more", got, "was passed on for these recipients");
	expect("more", got, "has not reached this recipient yet");
}

static const struct {
	const char *row;
	struct str orcpt, envid;
	const char *want;
	const char *want_not;
} asked[] = {
	{ "none", STR(""), STR(""), "delivery-status\r\n\r\nReporting-MTA", "Original-" },
	{ "as it was written", STR("rfc822;joe+2Blist@far.example"), STR("QQ+2B31"),
	    "\r\n\r\nOriginal-Recipient: rfc822;joe+list@far.example\r\nFinal-Recipient: rfc822; joe@", "+2B" },
	{ "its envelope id", STR(""), STR("QQ+2B31"), "\r\n\r\nOriginal-Envelope-Id: QQ+31\r\nReporting-MTA",
	    "Original-R" },
	{ "another type", STR("x400;/C+3Dde/"), STR(""), "Original-Recipient: x400;/C=de/\r\n", "rfc822;/" },
	{ "what is no xtext", STR("rfc822;/C=de/"), STR("a=b"), "Reporting-MTA", "Original-" },
	{ "ends of line add no field", STR("rfc822;a+0D+0ABcc: z@x"), STR(""), "Reporting-MTA", "\nBcc" },
	{ "in xtext neither", STR("rfc822;a+0D+0ABcc:z@x"), STR(""), "Original-Recipient: rfc822;a??Bcc:z@x\r\n",
	    "\nBcc" },
	{ "nor in an envelope id", STR(""), STR("a+0D+0ABcc:+00z"), "Original-Envelope-Id: aBcc:z\r\n", "\nBcc" },
	{ "a type that is none", STR("rfc822: x;joe"), STR("+"), "Reporting-MTA", "Original-" },
	{ "no type", STR("joe"), STR("+0D"), "Reporting-MTA", "Original-" },
	{ "nothing behind the type", STR("rfc822;"), STR("+20"), "Reporting-MTA", "Original-" },
	{ "an address in UTF-8 of another type", STR("rfc822;j+C3+BCrg"), STR(""),
	    "Original-Recipient: rfc822;j??rg\r\n", "global" },
};

static void
test_what_was_asked_with_comes_back(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct bounce b = base;
		struct bounce_rcpt rcpt = one;
		rcpt.orcpt = asked[i].orcpt;
		b.rcpts = &rcpt;
		b.envid = asked[i].envid;
		expect(asked[i].row, compose(&b), asked[i].want);
		expect_not(asked[i].row, compose(&b), asked[i].want_not);
		expect_shape(asked[i].row, buf_str(&text));
	}
}

#define FAR "f\xc3\xbcr.example"

static const struct {
	const char *row;
	struct str address, orcpt, to, original;
	const char *want;
	bool eightbit;
} international[] = {
	{ "ASCII", STR("a@x"), STR("utf-8;b@x"), STR("c@x"), STR("A: b\r\n"), "Original-Recipient: utf-8;b@x\r\n",
	    false },
	{ "an address", STR("j+k@" FAR), STR(""), STR("c@x"), STR(""), "Final-Recipient: utf-8; j\\x{2B}k@" FAR "\r\n",
	    true },
	{ "makes the part another", STR("j@" FAR), STR(""), STR("c@x"), STR(""),
	    "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\nReporting-MTA",
	    true },
	{ "and the text too", STR("j@" FAR), STR(""), STR("c@x"), STR(""),
	    "charset=utf-8\r\nContent-Language: en\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", true },
	{ "in the text", STR("j@" FAR), STR(""), STR("c@x"), STR(""), "<j@f=C3=BCr.example>\r\n", true },
	{ "and the whole message", STR("j@" FAR), STR(""), STR("c@x"), STR(""),
	    "\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\nThis is", true },
	{ "an original address in xtext of RFC 6533", STR("a@x"), STR("utf-8;j\\x{FC}\\x{2B}\\x{20AC}@x"), STR("c@x"),
	    STR(""), "Original-Recipient: utf-8;j\xc3\xbc\\x{2B}\xe2\x82\xac@x\r\nFinal-Recipient: rfc822; a@x\r\n",
	    true },
	{ "an original address as it is", STR("a@x"), STR("UTF-8;\xc3\xbc@x"), STR("c@x"), STR(""),
	    "Original-Recipient: UTF-8;\xc3\xbc@x\r\n", true },
	{ "characters that are none stay embedded", STR("a@x"), STR("utf-8;\\x{D800}\\x{110000}\\x{FFFFFF}\\x{}\\x{FC"),
	    STR("c@x"), STR(""), "Original-Recipient: utf-8;\\x{D800}\\x{110000}\\x{FFFFFF}\\x{}\\x{FC\r\n", false },
	{ "bytes that are none", STR("j\xfc@x"), STR(""), STR("c@x"), STR(""), "Final-Recipient: rfc822; j?@x\r\n",
	    false },
	{ "both", STR("j\xfc@" FAR), STR(""), STR("c@x"), STR(""), "Final-Recipient: utf-8; j?@" FAR "\r\n", true },
	{ "what changes the direction", STR("j\xe2\x80\xae@x"), STR(""), STR("c@x"), STR(""),
	    "Final-Recipient: rfc822; j???@x\r\n", false },
	{ "the sender", STR("a@x"), STR(""), STR("c@" FAR), STR(""), "To: <c@" FAR ">\r\n", true },
	{ "the sender alone leaves the part", STR("a@x"), STR(""), STR("c@" FAR), STR(""),
	    "Content-Type: message/delivery-status\r\n", true },
	{ "a header", STR("a@x"), STR(""), STR("c@x"), STR("A: " FAR "\xff\r\n\r\n\xc3\xbc"),
	    "Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\nA: " FAR "?\r\n\r\n--",
	    true },
	{ "a header of another charset", STR("a@x"), STR(""), STR("c@x"), STR("A: f\xfcr\r\n"),
	    "Content-Type: text/rfc822-headers; charset=us-ascii\r\n\r\nA: f?r\r\n", false },
	{ "a body is not looked at", STR("a@x"), STR(""), STR("c@x"), STR("A: b\r\n\r\n\xc3\xbc\r\n"),
	    "\r\n\r\nA: b\r\n\r\n--", false },
};

static void
test_other_scripts_than_latin(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(international) / sizeof(international[0]); i++) {
		struct bounce b = base;
		struct bounce_rcpt rcpt = one;
		bool eightbit;
		rcpt.forward_path = international[i].address;
		rcpt.orcpt = international[i].orcpt;
		b.rcpts = &rcpt;
		b.to = international[i].to;
		b.text = international[i].original;
		expect(international[i].row, compose(&b), international[i].want);
		buf_reset(&text);
		assert_true(bounce_compose(&b, &text, &eightbit));
		if (eightbit != international[i].eightbit || utf8_is_needed(buf_str(&text)) != eightbit)
			row_fail(international[i].row, "eightbit %d", eightbit);
		if (!eightbit)
			expect_shape(international[i].row, buf_str(&text));
	}
}

static char long_line[999 + 2];

static const struct {
	const char *row;
	struct str original;
	const char *want;
	bool eightbit;
} wholes[] = {
	{ "as it is", STR("A: b\r\n\r\n\tbody\r\n.\r\n--x\r\n"),
	    "Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\n\tbody\r\n.\r\n--x\r\n\r\n--=_", false },
	{ "and the text says so", STR("A: b\r\n\r\nbody\r\n"), "\r\nYour message is attached.\r\n", false },
	{ "eight bits in the body", STR("A: b\r\n\r\nf\xfcr\r\n"),
	    "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nA: b\r\n\r\nf\xfcr\r\n\r\n--=_",
	    true },
	{ "a header in UTF-8", STR("A: \xc3\xbc\r\n\r\nf\xfcr\r\n"),
	    "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\nA: \xc3\xbc\r\n", true },
	{ "a header with other bytes too", STR("A: \xc3\xbc\xff\r\n\r\n"),
	    "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n", true },
	{ "a bare LF cannot be sent", STR("A: b\r\n\r\nbo\ndy\r\n"),
	    "text/rfc822-headers; charset=us-ascii\r\n\r\nA: b\r\n\r\n--=_", false },
	{ "nor a bare CR", STR("A: b\r\n\r\nbo\rdy\r\n"), "\r\nThe header of your message is attached.\r\n", false },
	{ "nor NUL", STR("A: b\r\n\r\nbo\0dy\r\n"), "text/rfc822-headers", false },
	{ "nor what does not end", STR("A: b\r\n\r\nbody"), "text/rfc822-headers", false },
	{ "nor nothing", STR(""), "text/rfc822-headers", false },
	{ "nor a line that is too long", { long_line, 999 + 2 }, "text/rfc822-headers", false },
	{ "but the longest can", { long_line + 1, 998 + 2 }, "message/rfc822", false },
};

static void
test_the_whole_message_comes_back_as_it_is(void **state)
{
	size_t i;

	(void)state;
	memset(long_line, 'x', sizeof(long_line));
	memcpy(long_line + 999, "\r\n", 2);
	for (i = 0; i < sizeof(wholes) / sizeof(wholes[0]); i++) {
		struct bounce b = base;
		bool eightbit;
		b.text = wholes[i].original;
		b.whole = true;
		expect(wholes[i].row, compose(&b), wholes[i].want);
		buf_reset(&text);
		assert_true(bounce_compose(&b, &text, &eightbit));
		if (eightbit != wholes[i].eightbit)
			row_fail(wholes[i].row, "eightbit %d", eightbit);
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

/* s as often as it fits into size bytes. */
static struct str
repeat(char *room, size_t size, struct str s)
{
	size_t i;

	for (i = 0; i + s.len <= size; i += s.len)
		memcpy(room + i, s.ptr, s.len);
	return (struct str){ room, i };
}

/* The limit's promise: the most and the longest of everything fits, in whatever takes most when it is encoded. */
static void
test_the_largest_fits(void **state)
{
	static struct bounce_rcpt rcpts[QUEUE_JOB_RCPTS_MAX];
	static char reply[PROTO_REPLY_MAX], address[PROTO_ADDRESS_MAX], hop[PROTO_NAME_MAX], orcpt[PROTO_ORCPT_MAX];
	static char original[QUEUE_DSN_ORIGINAL_BYTES + PROTO_PREAMBLE_MAX + RECORD_PIECE_MAX];
	static char body[BOUNCE_TEMPLATE_MAX];
	struct bounce_words words = { .language = &bounce_languages[CONFIG_LANGUAGE_FRENCH], .code = "fr" };
	struct bounce b = base;
	size_t i, size;

	(void)state;
	for (i = 0; i < QUEUE_JOB_RCPTS_MAX; i++)
		rcpts[i] = (struct bounce_rcpt){ .action = BOUNCE_DELAYED,
			.forward_path = repeat(address, sizeof(address), S("\xc3\xbc")),
			.orcpt = repeat(orcpt, sizeof(orcpt), S("utf-8;")),
			.code = 451,
			.enhanced = S("4.999.999"),
			.text = repeat(reply, sizeof(reply), S("\xc3\xbc")),
			.hop = repeat(hop, sizeof(hop), S("=")),
			.tried_ms = INT64_MAX,
			.expires_ms = INT64_MAX };
	b.words = &words;
	b.rcpts = rcpts;
	b.count = QUEUE_JOB_RCPTS_MAX;
	b.text = repeat(original, sizeof(original) / 4 * 4, S("\xc3\xbc\r\n"));
	b.whole = true;
	(void)compose(&b);
	size = text.len;
	/* The same with the longest words of a site. */
	words.has_template = true;
	words.template.sections[BOUNCE_SECTION_DELAY].subject = S("x");
	(void)repeat(body, sizeof(body), S("\xc3\xbc"));
	memcpy(body, "\n{recipients}\n", 14);
	words.template.sections[BOUNCE_SECTION_DELAY].body = (struct str){ body, sizeof(body) };
	(void)compose(&b);
	size = size > text.len ? size : text.len;
	if (size > QUEUE_DSN_BYTES / 10 * 9)
		fail_msg("%zu bytes", size);
	/* And a header that grows, as each two bytes become three. */
	b.whole = false;
	b.text = repeat(original, sizeof(original), S(":\n"));
	(void)compose(&b);
	assert_true(text.len < size);
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
		cmocka_unit_test(test_each_action_has_its_status_and_words),
		cmocka_unit_test(test_several_fates_are_one_report),
		cmocka_unit_test(test_what_was_asked_with_comes_back),
		cmocka_unit_test(test_other_scripts_than_latin),
		cmocka_unit_test(test_the_whole_message_comes_back_as_it_is),
		cmocka_unit_test(test_long_answers_are_folded),
		cmocka_unit_test(test_the_header_is_attached_and_nothing_else),
		cmocka_unit_test(test_the_largest_fits),
		cmocka_unit_test(test_no_room_is_told),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf_clear(&text);
	return failed;
}
