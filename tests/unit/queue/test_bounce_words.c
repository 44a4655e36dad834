/* SPDX-License-Identifier: ISC */
/*
 * Promise: a report speaks the language that is configured, in whole sentences and in ASCII on the wire, names whom to
 * write to, and where the site has a template says what stands there and nothing else.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/utf8.h"
#include "queue/bounce_words.h"
#include "queue/limits.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct bounce_rcpt several[] = {
	{ .action = BOUNCE_FAILED,
	    .forward_path = STR("refused@x"),
	    .code = 550,
	    .text = STR("no"),
	    .hop = STR("mx.x") },
	{ .action = BOUNCE_FAILED, .forward_path = STR("expired@x"), .expired = true, .tries = 3 },
	{ .action = BOUNCE_DELAYED, .forward_path = STR("late@x"), .text = STR("busy"), .expires_ms = 1795900000000 },
	{ .action = BOUNCE_DELIVERED, .forward_path = STR("there@x") },
	{ .action = BOUNCE_RELAYED, .forward_path = STR("gone@x"), .hop = STR("mx.x") },
};

static struct buf text;

static const char *
compose(const struct bounce_words *words, const struct bounce_rcpt *rcpts, size_t count)
{
	const struct bounce b = { .words = words,
		.hostname = STR("mail.example"),
		.to = STR("ann@near.example"),
		.original = 0x1234,
		.accepted_ms = 1795500000000,
		.rcpts = rcpts,
		.count = count,
		.text = STR("Subject: lunch\r\n\r\nbody\r\n") };
	bool eightbit;

	buf_clear(&text);
	buf_init(&text, QUEUE_DSN_BYTES);
	assert_true(bounce_compose(&b, &text, &eightbit));
	assert_false(eightbit);
	assert_false(utf8_is_needed(buf_str(&text)));
	assert_true(buf_append_byte(&text, '\0'));
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

/* --- languages --- */

static const struct {
	enum config_language language;
	const char *code;
	const char *parts[5];
} rows[] = {
	{ CONFIG_LANGUAGE_ENGLISH, "en",
	    { "Subject: What became of your message\r\n", "charset=us-ascii\r\nContent-Language: en\r\n\r\nThis is",
		"write to postmaster@mail.example", "did not reach these recipients",
		"was tried 3 times since 2026-11-24 06:00 +0000,\r\n    and is given up.\r\n" } },
	{ CONFIG_LANGUAGE_GERMAN, "de",
	    { "Subject: Was aus Ihrer Nachricht wurde\r\n", "charset=utf-8\r\nContent-Language: de\r\n",
		"schreiben Sie an postmaster@mail.example", "hat diesen Empf=C3=A4nger noch\r\n",
		"wurde seit 2026-11-24 06:00 +0000 3-mal versucht\r\n    und wird aufgegeben.\r\n" } },
	{ CONFIG_LANGUAGE_FRENCH, "fr",
	    { "Subject: Ce qu'il est advenu de votre message\r\n", "charset=utf-8\r\nContent-Language: fr\r\n",
		"=C3=A9crivez =C3=A0 postmaster@mail.example", "n'est pas parvenu =C3=A0 ces\r\n",
		"3 fois depuis 2026-11-24 06:00 +0000\r\n" } },
	{ CONFIG_LANGUAGE_SPANISH, "es",
	    { "Subject: =?utf-8?Q?Qu=C3=A9_ha_sido_de_su_mensaje?=\r\n", "charset=utf-8\r\nContent-Language: es\r\n",
		"escriba a postmaster@mail.example", "no ha llegado a estos\r\n",
		"3 veces desde 2026-11-24 06:00 +0000\r\n" } },
};

static void
test_languages(void **state)
{
	size_t i, part;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		const struct config config = { .bounce_language = rows[i].language };
		struct error err;
		struct bounce_words *words = bounce_words_new(&config, &err);
		assert_non_null(words);
		for (part = 0; part < COUNT(rows[i].parts); part++)
			expect(rows[i].code, compose(words, several, COUNT(several)), rows[i].parts[part]);
		/* What is for programs, and what was asked for in English, stays so. */
		expect(rows[i].code, buf_str(&text).ptr, "Action: delayed\r\n");
		bounce_words_free(words);
	}
}

/* What a placeholder needs is there where the text stands; none is missing. */
static void
check_text(const char *row, const char *sentence, bool recipients)
{
	struct str rest = str_of(sentence), literal;
	enum bounce_placeholder which;
	bool named = false;

	if (sentence == NULL || sentence[0] == '\0')
		row_fail(row, "%s", "a text is missing");
	if (!utf8_is_valid(rest))
		row_fail(row, "no UTF-8: %s", sentence);
	while ((which = bounce_placeholder_next(&rest, &literal, NULL)) != BOUNCE_PLACEHOLDER_NONE) {
		if (which == BOUNCE_PLACEHOLDER_UNKNOWN)
			row_fail(row, "an unknown placeholder in %s", sentence);
		named = named || which == BOUNCE_PLACEHOLDER_RECIPIENTS;
	}
	if (named != recipients)
		row_fail(row, "{recipients} in %s", sentence);
}

static void
check_lines(const char *row, const char *sentence)
{
	struct str rest = str_of(sentence), line;
	size_t columns, i;

	do {
		(void)str_cut(rest, '\n', &line, &rest);
		for (columns = 0, i = 0; i < line.len; i++)
			columns += ((unsigned char)line.ptr[i] & 0xc0) != 0x80;
		/* A date is a little longer than its placeholder. */
		if (memmem(line.ptr, line.len, "{arrival}", 9) != NULL)
			columns += strlen("2026-11-24 06:00 +0000") - 9;
		if (columns > 76)
			row_fail(row, "%zu columns: %.*s", columns, STR_ARG(line));
	} while (rest.len > 0);
}

static void
test_no_text_is_missing(void **state)
{
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		const struct bounce_language *l = &bounce_languages[rows[i].language];
		const char *row = rows[i].code;
		assert_string_equal(config_language_code(rows[i].language), row);
		for (n = 0; n < BOUNCE_SUBJECTS; n++)
			check_text(row, l->subjects[n], false);
		for (n = 0; n < BOUNCE_PHRASES; n++)
			check_text(row, l->phrases[n], false);
		for (n = 0; n < 2 * COUNT(l->texts); n++) {
			check_text(row, l->texts[n / 2][n % 2], true);
			check_lines(row, l->texts[n / 2][n % 2]);
		}
		check_text(row, l->intro, false);
		check_text(row, l->more, false);
		check_text(row, l->contact, false);
		check_text(row, l->attached[0], false);
		check_text(row, l->attached[1], false);
	}
}

static void
test_without_words_it_is_english(void **state)
{
	(void)state;
	expect("none", compose(NULL, several, 1), "Subject: Your message could not be delivered\r\n");
	expect("none", buf_str(&text).ptr, "This is the mail server mail.example.\r\n");
	expect("none", buf_str(&text).ptr, "If you need help, write to postmaster@mail.example.\r\n");
}

static void
test_whom_to_write_to(void **state)
{
	struct config config = { .bounce_contact = "help@a.example" };
	struct error err;
	struct bounce_words *words = bounce_words_new(&config, &err);

	(void)state;
	expect("contact", compose(words, several, 1), "write to help@a.example.\r\n");
	expect_not("contact", buf_str(&text).ptr, "postmaster");
	bounce_words_free(words);
	config.bounce_contact = "h\xc3\xbclfe@a.example";
	words = bounce_words_new(&config, &err);
	expect("contact in UTF-8", compose(words, several, 1), "write to h=C3=BClfe@a.example.\r\n");
	bounce_words_free(words);
}

/* --- a template --- */

static char path[] = "/tmp/bounce-words-XXXXXX";

static struct bounce_words *
words_of(const char *template, enum config_language language, struct error *err)
{
	const struct config config = {
		.bounce_template = path, .bounce_contact = "help@a.example", .bounce_language = language
	};
	struct bounce_words *words;
	int fd;

	memcpy(path + strlen(path) - 6, "XXXXXX", 6);
	fd = mkstemp(path);
	assert_true(fd != -1);
	assert_int_equal(write(fd, template, strlen(template)), strlen(template));
	assert_int_equal(close(fd), 0);
	words = bounce_words_new(&config, err);
	assert_int_equal(unlink(path), 0);
	return words;
}

#define TEMPLATE                                                                                             \
	"[failure]\nSubject: Verloren {\n{hostname} {contact} {arrival} {message}\n\n{recipients}\n\nEnde\n" \
	"[delay]\nSubject: Sp\xc3\xa4ter\n--x\n.\n{recipients}\n[success]\nSubject: Da\nJa:\n{recipients}\n"

static void
test_a_template_is_all_that_is_said(void **state)
{
	struct error err;
	struct bounce_words *words = words_of(TEMPLATE, CONFIG_LANGUAGE_ENGLISH, &err);
	const char *got;

	(void)state;
	if (words == NULL)
		fail_msg("%s", err.text);
	got = compose(words, several, 1);
	expect("failure", got, "Subject: Verloren {\r\n");
	expect("failure", got,
	    "Content-Language: en\r\n\r\nmail.example help@a.example 2026-11-24 06:00 +0000 0000000000001234\r\n\r\n"
	    "<refused@x>\r\n    was refused. The server mx.x said:\r\n    550 no\r\n\r\nEnde\r\n\r\n--=_");
	got = compose(words, several + 2, 1);
	expect("delay", got, "Subject: =?utf-8?Q?Sp=C3=A4ter?=\r\n");
	expect("delay", got, "\r\n\r\n--x\r\n.\r\n<late@x>\r\n    will be tried until");
	got = compose(words, several + 3, 2);
	expect("success", got, "Subject: Da\r\n");
	expect("success", got, "\r\n\r\nJa:\r\n<there@x>\r\n    was delivered.\r\n\r\n<gone@x>\r\n    was passed on");
	got = compose(words, several, COUNT(several));
	expect("mixed", got, "Subject: Verloren {\r\n");
	expect("mixed", got, "and is given up.\r\n\r\nEnde\r\n\r\n--x\r\n.\r\n<late@x>\r\n");
	expect("mixed", got, "    busy\r\n\r\nJa:\r\n<there@x>\r\n");
	expect_not("mixed", got, "This is the mail server");
	bounce_words_free(words);
}

static void
test_its_lines_may_be_long(void **state)
{
	char template[4096] = "[delay]\nSubject: a\n{recipients}\n[success]\nSubject: b\n{recipients}\n"
			      "[failure]\nSubject: ";
	struct str rest, line;
	struct bounce_words *words;
	struct error err;
	size_t start = strlen(template);

	(void)state;
	memset(template + start, 'x', BOUNCE_TEMPLATE_SUBJECT_MAX);
	template[start + BOUNCE_TEMPLATE_SUBJECT_MAX] = '\n';
	start = strlen(template);
	memset(template + start, 'y', 2000);
	memcpy(template + start + 2000, "\n{recipients}\n", 14);
	words = words_of(template, CONFIG_LANGUAGE_GERMAN, &err);
	if (words == NULL)
		fail_msg("%s", err.text);
	rest = str_of(compose(words, several, 1));
	expect("long", rest.ptr, "Content-Transfer-Encoding: quoted-printable\r\n");
	while (str_cut(rest, '\n', &line, &rest))
		assert_true(line.len <= 998);
	bounce_words_free(words);
}

static void
test_mistakes_are_told_with_their_place(void **state)
{
	struct error err;
	struct bounce_words *words = words_of("[failure]\nSubject: a\n{nobody}\n", CONFIG_LANGUAGE_ENGLISH, &err);
	const struct config missing = { .bounce_template = "/nonexistent" };

	(void)state;
	assert_null(words);
	assert_memory_equal(err.text, path, strlen(path));
	assert_string_equal(err.text + strlen(path),
	    ":3: {nobody}, expected {hostname}, {contact}, {arrival}, {message} or {recipients}");
	assert_null(bounce_words_new(&missing, &err));
	assert_string_equal(err.text, "/nonexistent: No such file or directory");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_languages),
		cmocka_unit_test(test_no_text_is_missing),
		cmocka_unit_test(test_without_words_it_is_english),
		cmocka_unit_test(test_whom_to_write_to),
		cmocka_unit_test(test_a_template_is_all_that_is_said),
		cmocka_unit_test(test_its_lines_may_be_long),
		cmocka_unit_test(test_mistakes_are_told_with_their_place),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf_clear(&text);
	return failed;
}
