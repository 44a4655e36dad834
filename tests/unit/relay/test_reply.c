/* SPDX-License-Identifier: ISC */
/*
 * Promise: a reply is read the same however its bytes arrive; what decides is strict, the text is printable whatever came;
 * nothing is kept beyond the limits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#include "relay/reply.h"

struct row {
	const char *sentence;
	struct str in;
	unsigned code; /* 0: bad */
	const char *enhanced;
	const char *text; /* NULL: not looked at */
	size_t rest;      /* bytes left behind the reply */
};

/* clang-format off */
static const struct row rows[] = {
	{ "one line", STR("250 Ok\r\n"), 250, "", "250 Ok", 0 },
	{ "a code alone", STR("250\r\n"), 250, "", "250", 0 },
	{ "a code and a space", STR("250 \r\n"), 250, "", "250", 0 },
	{ "an enhanced code", STR("250 2.0.0 Ok: queued as X\r\n"), 250, "2.0.0", "250 2.0.0 Ok: queued as X", 0 },
	{ "an enhanced code alone", STR("550 5.7.1\r\n"), 550, "5.7.1", "550 5.7.1", 0 },
	{ "an enhanced code of another class is text", STR("250 5.0.0 hm\r\n"), 250, "", "250 5.0.0 hm", 0 },
	{ "one with three digits each", STR("451 4.999.123 x\r\n"), 451, "4.999.123", NULL, 0 },
	{ "one with four digits is text", STR("451 4.1234.1 x\r\n"), 451, "", NULL, 0 },
	{ "one with two parts is text", STR("451 4.1 x\r\n"), 451, "", NULL, 0 },
	{ "one with a word behind it is text", STR("451 4.1.1x\r\n"), 451, "", NULL, 0 },
	{ "lines are joined", STR("250-a\r\n250-b\r\n250 c\r\n"), 250, "", "250 a b c", 0 },
	{ "the code on every line is told once", STR("550-5.1.1 no\r\n550 5.1.1 such user\r\n"), 550, "5.1.1", "550 5.1.1 no such user", 0 },
	{ "an empty line in the middle", STR("250-a\r\n250-\r\n250 c\r\n"), 250, "", "250 a c", 0 },
	{ "what follows is left", STR("250 a\r\n354 b\r\n"), 250, "", "250 a", 7 },
	{ "ESC and NUL become words", STR("250 a\x1b[1m\0z\r\n"), 250, "", "250 a\\x1b[1m\\x00z", 0 },
	{ "so do bytes above 127", STR("250 \xc3\xa4\r\n"), 250, "", "250 \\xc3\\xa4", 0 },
	{ "a tab too", STR("250 a\tb\r\n"), 250, "", "250 a\\x09b", 0 },
	{ "code 599 is one", STR("599 x\r\n"), 599, "", NULL, 0 },
	{ "a code of four digits", STR("2500 x\r\n"), 0, NULL, NULL, 0 },
	{ "999", STR("999 x\r\n"), 0, NULL, NULL, 0 },
	{ "0", STR("0 x\r\n"), 0, NULL, NULL, 0 },
	{ "25", STR("25\r\n"), 0, NULL, NULL, 0 },
	{ "199", STR("199 x\r\n"), 0, NULL, NULL, 0 },
	{ "600", STR("600 x\r\n"), 0, NULL, NULL, 0 },
	{ "letters", STR("2a0 x\r\n"), 0, NULL, NULL, 0 },
	{ "an empty line", STR("\r\n"), 0, NULL, NULL, 0 },
	{ "a space first", STR(" 250 x\r\n"), 0, NULL, NULL, 0 },
	{ "another separator", STR("250_x\r\n"), 0, NULL, NULL, 0 },
	{ "NUL as separator", STR("250\0x\r\n"), 0, NULL, NULL, 0 },
	{ "the code changes", STR("250-a\r\n251 b\r\n"), 0, NULL, NULL, 0 },
	{ "a line without code in the middle", STR("250-a\r\ntype: mda\r\n250 b\r\n"), 0, NULL, NULL, 0 },
	{ "a bare LF", STR("250 a\n"), 0, NULL, NULL, 0 },
	{ "a bare LF in the text", STR("250-a\n250 b\r\n"), 0, NULL, NULL, 0 },
	{ "a bare CR", STR("250 a\rb\r\n"), 0, NULL, NULL, 0 },
	{ "two CR", STR("250 a\r\r\n"), 0, NULL, NULL, 0 },
	{ "an HTTP server", STR("HTTP/1.0 400 Bad Request\r\n"), 0, NULL, NULL, 0 },
	{ "an SSH server", STR("SSH-2.0-OpenSSH_9.2\r\n"), 0, NULL, NULL, 0 },
};
/* clang-format on */

/* Reads in pieces of n bytes, the last one being all that is left once a reply is done. */
static enum reply_status
read_in_pieces(struct reply_parser *p, struct str in, size_t n, size_t *rest)
{
	enum reply_status status = REPLY_MORE;

	reply_start(p);
	while (status == REPLY_MORE && in.len > 0) {
		struct str piece = { in.ptr, n < in.len ? n : in.len };
		size_t before = piece.len;
		char *copy = malloc(piece.len); /* of just that size: a read behind it is seen */

		assert_non_null(copy);
		memcpy(copy, piece.ptr, piece.len);
		piece.ptr = copy;
		status = reply_read(p, &piece, NULL, NULL);
		in = (struct str){ in.ptr + (before - piece.len), in.len - (before - piece.len) };
		free(copy);
	}
	*rest = in.len;
	return status;
}

static void
check_row(const struct row *row, size_t n)
{
	struct reply_parser p;
	size_t rest;
	enum reply_status status = read_in_pieces(&p, row->in, n, &rest);

	if (row->code == 0) {
		if (status != REPLY_BAD || p.wrong == NULL)
			row_fail(row->sentence, "in pieces of %zu: got status %d, want bad", n, (int)status);
		return;
	}
	if (status != REPLY_DONE || p.reply.code != row->code || strcmp(p.reply.enhanced, row->enhanced) != 0)
		row_fail(row->sentence, "in pieces of %zu: got status %d, %u \"%s\", want %u \"%s\"", n, (int)status,
		    p.reply.code, p.reply.enhanced, row->code, row->enhanced);
	if (row->text != NULL && strcmp(p.reply.text, row->text) != 0)
		row_fail(row->sentence, "got \"%s\", want \"%s\"", p.reply.text, row->text);
	if (rest != row->rest || strlen(p.reply.text) != p.reply.text_len)
		row_fail(row->sentence, "got %zu bytes left, want %zu", rest, row->rest);
}

static void
test_R02_R03_replies(void **state)
{
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (n = 1; n <= rows[i].in.len; n++)
			check_row(&rows[i], n);
}

/* Feeds count times the bytes, then the end; returns what became of it. */
static enum reply_status
flood(struct reply_parser *p, const char *bytes, size_t count, const char *end)
{
	enum reply_status status = REPLY_MORE;
	struct str in;

	reply_start(p);
	while (count-- > 0 && status == REPLY_MORE) {
		in = str_of(bytes);
		status = reply_read(p, &in, NULL, NULL);
	}
	if (status != REPLY_MORE)
		return status;
	in = str_of(end);
	return reply_read(p, &in, NULL, NULL);
}

static void
test_R01_limits(void **state)
{
	static struct reply_parser p;

	(void)state;
	assert_int_equal(flood(&p, "250-x\r\n", RELAY_REPLY_LINES_MAX - 1, "250 x\r\n"), REPLY_DONE);
	assert_int_equal(flood(&p, "250-x\r\n", RELAY_REPLY_LINES_MAX, "250 x\r\n"), REPLY_BAD);
	assert_int_equal(flood(&p, "250 x", RELAY_REPLY_LINE_KEPT / 5 + 1, "\r\n"), REPLY_DONE);
	assert_int_equal(p.reply.text_len, PROTO_REPLY_MAX);
	assert_int_equal(flood(&p, "250 ", RELAY_REPLY_LINE_MAX / 4, "\r\n"), REPLY_DONE);
	assert_int_equal(flood(&p, "250 ", RELAY_REPLY_LINE_MAX / 4, "y\r\n"), REPLY_BAD);
}

static void
test_escapes_are_not_cut(void **state)
{
	static struct reply_parser p;
	size_t filler;

	(void)state;
	for (filler = PROTO_REPLY_MAX - 10; filler < PROTO_REPLY_MAX; filler++) {
		char line[PROTO_REPLY_MAX + 16];
		struct str in = { line, 0 };
		const char *escape;

		in.len = (size_t)snprintf(line, sizeof(line), "250 %0*d\x1b\x1b\r\n", (int)filler - 4, 0);
		reply_start(&p);
		assert_int_equal(reply_read(&p, &in, NULL, NULL), REPLY_DONE);
		assert_true(p.reply.text_len <= PROTO_REPLY_MAX);
		escape = strrchr(p.reply.text, '\\');
		assert_true(escape == NULL || strcmp(escape, "\\x1b") == 0);
	}
}

static void
test_replies_of_our_own(void **state)
{
	struct reply r;

	(void)state;
	reply_make(&r, PROTO_CAUSE_HERE, 451, "4.4.1 %s: %s", "mx.d.example", "refused\n");
	assert_int_equal(r.code, 451);
	assert_string_equal(r.enhanced, "4.4.1");
	assert_string_equal(r.text, "451 4.4.1 mx.d.example: refused\\x0a");
	reply_make(&r, PROTO_CAUSE_HERE, 550, "%s", "");
	assert_string_equal(r.text, "550");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_R02_R03_replies),
		cmocka_unit_test(test_R01_limits),
		cmocka_unit_test(test_escapes_are_not_cut),
		cmocka_unit_test(test_replies_of_our_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
