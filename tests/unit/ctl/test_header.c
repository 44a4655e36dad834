/* SPDX-License-Identifier: ISC */
/* Promised: Bcc never leaves, missing fields are added, recipients of the header are found each once, all bounded (U03). */
#include "ctl/header.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/limits.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct {
	const char *name;
	const char *input;
	const char *header; /* NULL: refused */
	const char *body;
	const char *to; /* joined by spaces */
} rows[] = {
	{ "a plain header", "To: a@b\nSubject: x\n\nbody\n", "To: a@b\nSubject: x\n", "body\n", "a@b" },
	{ "lines in CRLF", "To: a@b\r\n\r\nbody\r\n", "To: a@b\r\n", "body\r\n", "a@b" },
	{ "Bcc goes", "To: a@b\nBcc: c@d,\n e@f\nSubject: x\n\nbody", "To: a@b\nSubject: x\n", "body", "a@b c@d e@f" },
	{ "Bcc in any case", "bcC: c@d\n\n", "", "", "c@d" },
	{ "Bcc with a space before the colon", "Bcc : c@d\n\n", "", "", "c@d" },
	{ "Bcc as the last line without an end", "To: a@b\nBcc: c@d", "To: a@b\n", "", "a@b c@d" },
	{ "Return-Path goes", "Return-Path: <x@y>\nTo: a@b\n\n", "To: a@b\n", "", "a@b" },
	{ "all three fields, each recipient once", "To: a@b, c@d\nCc: c@d\nBcc: a@b, e@f\n\n", "To: a@b, c@d\nCc: c@d\n", "", "a@b c@d e@f" },
	{ "Resent fields take their place", "To: a@b\nResent-To: c@d\nResent-Bcc: e@f\nBcc: g@h\n\n", "To: a@b\nResent-To: c@d\n", "", "c@d e@f" },
	{ "a group", "To: friends: a@b, c@d;\n\n", "To: friends: a@b, c@d;\n", "", "a@b c@d" },
	{ "no recipients", "Subject: x\n\nTo: a@b\n", "Subject: x\n", "To: a@b\n", "" },
	{ "no header", "hello\nworld\n", "", "hello\nworld\n", "" },
	{ "no header, an empty line first", "\nTo: a@b\n", "", "To: a@b\n", "" },
	{ "nothing", "", "", "", "" },
	{ "a header that ends without an empty line", "To: a@b\nhello world\n", "To: a@b\n", "hello world\n", "a@b" },
	{ "From of an mbox", "From joe Thu Jan  1 00:00:00 1970\nTo: a@b\n\n", "To: a@b\n", "", "a@b" },
	{ "a folded field", "X: a\n\tb\n c\n\n", "X: a\n\tb\n c\n", "", "" },
	{ "a space first is no field", " To: a@b\n", "", " To: a@b\n", "" },
	{ "a list that is none", "To: a@b, <c@d\n\n", NULL, NULL, NULL },
	{ "a Bcc that is none", "Bcc: a b c\n\n", NULL, NULL, NULL },
};
/* clang-format on */

static void
join(const struct recipients *r, char *dst, size_t size)
{
	size_t i;

	dst[0] = '\0';
	for (i = 0; i < r->count; i++) {
		(void)strlcat(dst, i == 0 ? "" : " ", size);
		(void)strlcat(dst, r->list[i], size);
	}
}

static void
test_U03_headers(void **state)
{
	struct recipients to = { 0 };
	struct header h;
	struct error err;
	char joined[512];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		bool ok = header_read(&h, str_of(rows[i].input), &to, &err);
		if (ok != (rows[i].header != NULL))
			row_fail(rows[i].name, "%s", ok ? "was taken" : err.text);
		if (ok) {
			join(&to, joined, sizeof(joined));
			if (!str_equal(buf_str(&h.text), str_of(rows[i].header)))
				row_fail(rows[i].name, "got %.*s", STR_ARG(buf_str(&h.text)));
			if (strcmp(rows[i].input + h.length, rows[i].body) != 0)
				row_fail(rows[i].name, "body %s", rows[i].input + h.length);
			if (strcmp(joined, rows[i].to) != 0)
				row_fail(rows[i].name, "recipients %s", joined);
			header_clear(&h);
		}
		recipients_clear(&to);
	}
}

static void
test_without_t_the_header_names_nobody(void **state)
{
	struct error err;
	struct header h;

	(void)state;
	assert_true(header_read(&h, S("To: this is no list <\nBcc: a b c\n\n"), NULL, &err));
	assert_true(str_equal(buf_str(&h.text), S("To: this is no list <\n"))); /* Bcc goes all the same */
	header_clear(&h);
}

static void
complete(struct str input, const char *full_name, const char *want)
{
	struct header_origin origin = {
		.address = "joe@h.example", .full_name = full_name, .host = "h.example", .random = 7
	};
	struct header h;

	assert_true(header_read(&h, input, NULL, NULL));
	header_complete(&h, &origin);
	if (!str_equal(buf_str(&h.text), str_of(want)))
		fail_msg("got %.*s, want %s", STR_ARG(buf_str(&h.text)), want);
	header_clear(&h);
}

#define REST "Date: Thu, 01 Jan 1970 00:00:00 +0000\nMessage-ID: <0.0000000000000007@h.example>\n"

static void
test_missing_fields_are_added(void **state)
{
	(void)state;
	complete(S(""), "", "From: joe@h.example\n" REST);
	complete(S("\n"), "Joe \"J\" User", "From: \"Joe \\\"J\\\" User\" <joe@h.example>\n" REST);
	complete(S("\n"), "J\xc3\xb6", "From: =?UTF-8?B?SsO2?= <joe@h.example>\n" REST);
	complete(S("date: x\nFROM: y\nMessage-Id: z\n\n"), "", "date: x\nFROM: y\nMessage-Id: z\n");
}

/* 45 bytes would end within the 15th character of three bytes and one before. */
static void
test_encoded_words_are_cut_between_characters(void **state)
{
	(void)state;
	complete(S("Date: x\nMessage-ID: y\n\n"),
	    "x\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
	    "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac",
	    "Date: x\nMessage-ID: y\nFrom: =?UTF-8?B?eOKCrOKCrOKCrOKCrOKCrOKCrOKCrOKCrOKCrOKCrOKCrOKCrOKCrOKCrA==?=\n"
	    " =?UTF-8?B?4oKs?= <joe@h.example>\n");
}

static void
test_U03_a_million_recipients_are_an_error(void **state)
{
	struct recipients to = { 0 };
	struct header h;
	struct error err;
	struct buf text;
	unsigned i;

	(void)state;
	buf_init(&text, 64 << 20);
	assert_true(buf_append_text(&text, "Bcc: x@y"));
	for (i = 0; i < 1000000; i++)
		assert_true(buf_printf(&text, ",\n u%u@d.example", i));
	assert_true(buf_append_text(&text, "\n\n"));
	assert_false(header_read(&h, buf_str(&text), &to, &err));
	assert_non_null(strstr(err.text, "more than"));
	assert_int_equal(to.count, 0);
	recipients_clear(&to);
	buf_clear(&text);
}

static void
test_a_header_has_its_limit(void **state)
{
	struct header h;
	struct error err;
	struct buf text;

	(void)state;
	buf_init(&text, 2 * SENDMAIL_HEADER_MAX);
	while (text.len < SENDMAIL_HEADER_MAX)
		assert_true(buf_append_text(&text, "Bcc: x@y.example\n"));
	assert_false(header_read(&h, buf_str(&text), NULL, &err)); /* also of what is dropped */
	buf_clear(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_U03_headers),
		cmocka_unit_test(test_without_t_the_header_names_nobody),
		cmocka_unit_test(test_missing_fields_are_added),
		cmocka_unit_test(test_encoded_words_are_cut_between_characters),
		cmocka_unit_test(test_U03_a_million_recipients_are_an_error),
		cmocka_unit_test(test_a_header_has_its_limit),
	};

	(void)setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}
