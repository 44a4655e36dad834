/* SPDX-License-Identifier: ISC */
/*
 * What data.h promises: only CR LF "." CR LF ends a message, whatever stands for line ends, however the bytes are cut;
 * what is accepted is what was sent, without the doubled dots.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "smtpd/data.h"
#include "smtpd/limits.h"

/* Feeds wire in two pieces cut at `cut`, then reports: at the end? what is left? */
static bool
feed(struct str wire, size_t cut, uint64_t size_max, struct data *d, struct buf *out, struct str *left)
{
	struct str first = { wire.ptr, cut }, second = { wire.ptr + cut, wire.len - cut };
	bool end;

	data_init(d, size_max);
	buf_reset(out);
	end = data_take(d, &first, out);
	*left = first;
	if (end) {
		left->len += second.len;
		return true;
	}
	assert_int_equal(first.len, 0);
	end = data_take(d, &second, out);
	*left = second;
	return end;
}

static const struct {
	const char *row;
	const char *wire;
	bool end;
	enum data_flaw flaw;
	const char *body; /* NULL: not looked at */
	const char *left;
} rows[] = {
	{ "an empty message is a dot at once (4.1.1.4)", ".\r\n", true, DATA_SOUND, "", "" },
	{ "a line and the end", "a\r\n.\r\n", true, DATA_SOUND, "a\r\n", "" },
	{ "what follows the end is left", "a\r\n.\r\nQUIT\r\n", true, DATA_SOUND, "a\r\n", "QUIT\r\n" },
	{ "a doubled dot is one (4.5.2)", "..\r\n.\r\n", true, DATA_SOUND, ".\r\n", "" },
	{ "a dot in front of text goes", ".a\r\n.\r\n", true, DATA_SOUND, "a\r\n", "" },
	{ "a dot within a line stays", "a.b\r\n.\r\n", true, DATA_SOUND, "a.b\r\n", "" },
	{ "a header and a body", "a: b\r\n\r\nc\r\n.\r\n", true, DATA_SOUND, "a: b\r\n\r\nc\r\n", "" },
	{ "LF . LF is no end (S01)", "a\n.\nb\r\n.\r\n", true, DATA_BARE, NULL, "" },
	{ "LF . CRLF is no end (S01)", "a\n.\r\nb\r\n.\r\n", true, DATA_BARE, NULL, "" },
	{ "CRLF . LF is no end (S01)", "a\r\n.\nb\r\n.\r\n", true, DATA_BARE, NULL, "" },
	{ "CR . CR is no end (S01)", "a\r.\rb\r\n.\r\n", true, DATA_BARE, NULL, "" },
	{ "CRLF . CR is no end (S01)", "a\r\n.\rb\r\n.\r\n", true, DATA_BARE, NULL, "" },
	{ ". LF as the first bytes is no end (S02)", ".\nb\r\n.\r\n", true, DATA_BARE, NULL, "" },
	{ "CRLF NUL . CRLF is no end", "a\r\n\\0.\r\nb\r\n.\r\n", true, DATA_SOUND, NULL, "" },
	{ "CR CRLF . CRLF ends behind a bare CR", "a\r\r\n.\r\n", true, DATA_BARE, NULL, "" },
	{ "no end yet", "a\r\n.", false, DATA_SOUND, NULL, "" },
};

static void
test_rows(void **state)
{
	struct data d;
	struct buf out;
	struct str left;
	size_t i, cut;

	(void)state;
	buf_init(&out, SMTPD_CHUNK);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str wire = str_of(rows[i].wire);
		for (cut = 0; cut <= wire.len; cut++) {
			bool end = feed(wire, cut, 1000, &d, &out, &left);
			if (end != rows[i].end || d.flaw != rows[i].flaw)
				row_fail(rows[i].row, "cut at %zu: end %d flaw %d", cut, end, (int)d.flaw);
			if (!str_equal(left, str_of(rows[i].left)))
				row_fail(rows[i].row, "cut at %zu: left \"%.*s\"", cut, STR_ARG(left));
			if (rows[i].body != NULL && !str_equal(buf_str(&out), str_of(rows[i].body)))
				row_fail(rows[i].row, "cut at %zu: body \"%.*s\"", cut, STR_ARG(buf_str(&out)));
		}
	}
	buf_clear(&out);
}

/* S01, S02: every pair of line ends around the dot; only CR LF before (or nothing) and CR LF behind is the end. */
static void
test_only_crlf_dot_crlf_ends(void **state)
{
	static const char *const ends[] = {
		"",
		"\r",
		"\n",
		"\r\n",
		"\n\r",
		"\r\r",
		"\n\n",
		"\r\r\n",
		"\r\n\r",
		"\n\r\n",
		"\r\n\n",
		"\t\r\n",
		" \n",
		"\v",
		"\f\n",
		"\r\n ",
		"\x85",
		"\r \n",
	};
	struct buf out, wire;
	struct str left;
	struct data d;
	size_t before, behind, cut, lead;

	(void)state;
	buf_init(&out, SMTPD_CHUNK);
	buf_init(&wire, 1024);
	for (before = 0; before < sizeof(ends) / sizeof(ends[0]); before++) {
		for (behind = 0; behind < sizeof(ends) / sizeof(ends[0]); behind++) {
			for (lead = 0; lead < 2; lead++) {
				/* The line start is reached by a line end that ends in CR LF, or at the very start. */
				size_t len = strlen(ends[before]), after = strlen(ends[behind]);
				bool line_start =
				    len == 0 ? lead == 0 : len >= 2 && memcmp(ends[before] + len - 2, "\r\n", 2) == 0;
				bool ends_here = line_start && after >= 2 && memcmp(ends[behind], "\r\n", 2) == 0;
				buf_reset(&wire);
				(void)buf_printf(
				    &wire, "%s%s.%sMAIL", lead == 0 ? "" : "x", ends[before], ends[behind]);
				for (cut = 0; cut <= wire.len; cut++)
					if (feed(buf_str(&wire), cut, 1000, &d, &out, &left) != ends_here)
						fail_msg("before %zu behind %zu lead %zu cut %zu: expected end %d",
						    before, behind, lead, cut, ends_here);
			}
		}
	}
	buf_clear(&out);
	buf_clear(&wire);
}

static void
test_limits(void **state)
{
	struct buf out, wire;
	struct str left;
	struct data d;
	int i;

	(void)state;
	buf_init(&out, 1 << 20);
	buf_init(&wire, 1 << 20);
	(void)buf_append_text(&wire, "0123456789\r\n.\r\n");
	assert_true(feed(buf_str(&wire), 3, 12, &d, &out, &left) && d.flaw == DATA_SOUND);
	assert_true(feed(buf_str(&wire), 3, 11, &d, &out, &left) && d.flaw == DATA_TOO_BIG);

	for (i = 99; i <= 100; i++) { /* RFC 5321 section 6.3 */
		int n;
		buf_reset(&wire);
		for (n = 0; n < i; n++)
			(void)buf_append_text(&wire, n % 2 == 0 ? "Received: x\r\n" : "rEceIved:\r\n\ty\r\n");
		(void)buf_append_text(&wire, "\r\nReceived: in the body\r\n.\r\n");
		assert_true(feed(buf_str(&wire), 7, 1 << 20, &d, &out, &left));
		assert_int_equal(d.flaw, i < 100 ? DATA_SOUND : DATA_TOO_MANY_HOPS);
	}
	for (i = 0; i < 2; i++) {
		buf_reset(&wire);
		(void)buf_append_text(&wire, "\r\n");
		while (wire.len < (size_t)SMTPD_TEXT_LINE_MAX + 2 + (size_t)i)
			(void)buf_append_byte(&wire, 'x');
		(void)buf_append_text(&wire, "\r\n.\r\n");
		assert_true(feed(buf_str(&wire), 100, 1 << 20, &d, &out, &left));
		assert_int_equal(d.flaw, i == 0 ? DATA_SOUND : DATA_LINE_TOO_LONG);
	}
	buf_clear(&out);
	buf_clear(&wire);
}

static const struct {
	const char *row;
	const char *header;
	const char *want;
} ids[] = {
	{ "an ordinary one", "Subject: x\r\nMessage-ID: <a@b.example>\r\nTo: y\r\n", "<a@b.example>" },
	{ "its name ignores case, blanks around go", "mEssage-iD: \t <a@b.example> \t\r\n", "<a@b.example>" },
	{ "no blank is needed", "Message-ID:<a@b.example>\r\n", "<a@b.example>" },
	{ "folded", "Message-ID:\r\n\t<a@\r\n b.example>\r\nTo: y\r\n z\r\n", "<a@ b.example>" },
	{ "the first of two", "Message-ID: <1@x>\r\nMessage-ID: <2@x>\r\n", "<1@x>" },
	{ "an empty one is the first, too", "Message-ID:\r\nMessage-ID: <2@x>\r\n", "" },
	{ "no other field", "Message-IDs: <1@x>\r\nX-Message-ID: <2@x>\r\nMessage-I: <3@x>\r\n", "" },
	{ "not the continuation of another", "Subject: x\r\n message-id: <1@x>\r\n", "" },
	{ "what is not printable", "Message-ID: <\xc3\xa4\x01@x>\r\n", "<???@x>" },
	{ "not in the body", "To: y\r\n\r\nMessage-ID: <1@x>\r\n", "" },
};

static void
test_message_ids(void **state)
{
	struct buf out, wire;
	struct str left;
	struct data d;
	size_t i, cut;

	(void)state;
	buf_init(&out, SMTPD_CHUNK);
	buf_init(&wire, SMTPD_CHUNK);
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		buf_reset(&wire);
		(void)buf_printf(&wire, "%s\r\n.\r\n", ids[i].header);
		for (cut = 0; cut <= wire.len; cut++) {
			assert_true(feed(buf_str(&wire), cut, 10000, &d, &out, &left));
			if (!str_equal(data_message_id(&d), str_of(ids[i].want)))
				row_fail(ids[i].row, "cut at %zu: \"%.*s\"", cut, STR_ARG(data_message_id(&d)));
		}
	}
	buf_reset(&wire);
	(void)buf_printf(&wire, "Message-ID: %0300d\r\n.\r\n", 7);
	assert_true(feed(buf_str(&wire), 0, 10000, &d, &out, &left));
	assert_int_equal(data_message_id(&d).len, PROTO_MESSAGE_ID_MAX);
	buf_clear(&out);
	buf_clear(&wire);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_only_crlf_dot_crlf_ends),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_message_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
