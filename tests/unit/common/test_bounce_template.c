/* SPDX-License-Identifier: ISC */
/*
 * Promised: a template is taken apart into its sections, or refused with file, line and what was expected; the example of
 * the manual is one. Runs at the top of the tree.
 */
#include "common/bounce_template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define DELAY   "[delay]\nSubject: Late\n\n{recipients}\n"
#define SUCCESS "[success]\nSubject: There\n\n{recipients}\n"
#define FAILURE "[failure]\nSubject: Lost\n\n{recipients}\n"

/* clang-format off */
static const struct {
	const char *name;
	struct str text;
	const char *subject, *body; /* of the failure */
} good[] = {
	{ "three sections", STR(FAILURE DELAY SUCCESS), "Lost", "{recipients}" },
	{ "in any order", STR(SUCCESS DELAY FAILURE), "Lost", "{recipients}" },
	{ "comments before the first", STR("# ours\n\n" FAILURE DELAY SUCCESS), "Lost", "{recipients}" },
	{ "CR LF is one end of line", STR("[failure]\r\nSubject: a\r\nb\r\n{recipients}\r\n" DELAY SUCCESS), "a", "b\n{recipients}" },
	{ "blanks around are none", STR("[failure]\nSubject:  a \n\n \n x\n{recipients}\n\ny\n \n\n" DELAY SUCCESS), "a", "x\n{recipients}\n\ny" },
	{ "text in UTF-8", STR("[failure]\nSubject: \xc3\xbc\n{recipients}\n\xe2\x82\xac\n" DELAY SUCCESS), "\xc3\xbc", "{recipients}\n\xe2\x82\xac" },
	{ "every placeholder", STR("[failure]\nSubject: a\n{hostname} {contact} {arrival}{message}\n{recipients}\n" DELAY SUCCESS), "a",
	    "{hostname} {contact} {arrival}{message}\n{recipients}" },
	{ "braces that are none", STR("[failure]\nSubject: a\n{ {} {x {A}\n{recipients}\n" DELAY SUCCESS), "a", "{ {} {x {A}\n{recipients}" },
	{ "brackets within a line", STR("[failure]\nSubject: a\n[1] x\n{recipients}\n" DELAY SUCCESS), "a", "[1] x\n{recipients}" },
	{ "no end of line at the end", STR(DELAY SUCCESS "[failure]\nSubject: a\n{recipients}"), "a", "{recipients}" },
};

static const struct {
	const char *name;
	struct str text;
	const char *error;
} bad[] = {
	{ "nothing", STR(""), "t:0: the file ends without [failure]" },
	{ "no delay", STR(FAILURE SUCCESS), "t:8: the file ends without [delay]" },
	{ "text before the first section", STR("# a\nhello\n"), "t:2: expected [failure], [delay] or [success] before the first text" },
	{ "a section of another name", STR("[warning]\n"), "t:1: [warning], expected [failure], [delay] or [success]" },
	{ "a section twice", STR(FAILURE FAILURE), "t:5: [failure] a second time, the first is in line 1" },
	{ "no subject", STR("[failure]\nhello\n"), "t:2: expected \"Subject:\" and a text on the first line of [failure]" },
	{ "an empty subject", STR("[failure]\nSubject:\n"), "t:2: subject of 0 bytes, expected 1 to 200" },
	{ "a placeholder in a subject", STR("[failure]\nSubject: {hostname}\n"), "t:2: placeholder in a subject, expected text only" },
	{ "no recipients", STR("[failure]\nSubject: a\n" DELAY SUCCESS), "t:1: [failure] has no {recipients}" },
	{ "no recipients in the last", STR(FAILURE SUCCESS "[delay]\nSubject: a\nb\n"), "t:9: [delay] has no {recipients}" },
	{ "recipients twice", STR(FAILURE "{recipients}\n"), "t:5: {recipients} a second time" },
	{ "recipients within a line", STR("[failure]\nSubject: a\nto {recipients}\n"), "t:3: expected {recipients} alone on its line" },
	{ "an unknown placeholder", STR("[failure]\nSubject: a\n{recipient}\n"), "t:3: {recipient}, expected {hostname}, " },
	{ "one of the built-in texts", STR("[failure]\nSubject: a\n{hop}\n"), "t:3: {hop}, expected {hostname}, " },
	{ "bytes that are no UTF-8", STR("[failure]\nSubject: a\n\n\xe4\n"), "t:4: byte \\xe4, expected text in UTF-8" },
	{ "bytes in the subject that are none", STR("[failure]\nSubject: a\xff\n"), "t:2: byte \\xff, expected text in UTF-8" },
	{ "a control character", STR("[failure]\nSubject: a\n\x1b[m\n"), "t:3: control character U+001B, expected text" },
	{ "NUL", STR("[failure]\nSubject: a\n\0\n"), "t:3: control character U+0000, expected text" },
	{ "CR alone", STR("[failure]\nSubject: a\rb\n"), "t:2: control character U+000D, expected text" },
	{ "a change of direction", STR("[failure]\nSubject: a\n\xe2\x80\xae\n"), "t:3: control character U+202E, expected text" },
};
/* clang-format on */

static void
test_sections_are_found(void **state)
{
	struct bounce_template template;
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(good); i++) {
		if (!bounce_template_parse("t", good[i].text, &template, &err))
			row_fail(good[i].name, "%s", err.text);
		if (!str_equal(template.sections[BOUNCE_SECTION_FAILURE].subject, str_of(good[i].subject)))
			row_fail(
			    good[i].name, "subject %.*s", STR_ARG(template.sections[BOUNCE_SECTION_FAILURE].subject));
		if (!str_equal(template.sections[BOUNCE_SECTION_FAILURE].body, str_of(good[i].body)))
			row_fail(good[i].name, "body %.*s", STR_ARG(template.sections[BOUNCE_SECTION_FAILURE].body));
		assert_true(str_equal(template.sections[BOUNCE_SECTION_DELAY].subject, S("Late")));
		assert_true(str_equal(template.sections[BOUNCE_SECTION_SUCCESS].subject, S("There")));
		bounce_template_clear(&template);
	}
}

static void
test_mistakes_are_named(void **state)
{
	struct bounce_template template;
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		if (bounce_template_parse("t", bad[i].text, &template, &err))
			row_fail(bad[i].name, "%s", "was taken");
		if (strncmp(err.text, bad[i].error, strlen(bad[i].error)) != 0)
			row_fail(bad[i].name, "got %s wanted %s", err.text, bad[i].error);
		assert_null(template.text);
	}
}

static void
test_limits_hold(void **state)
{
	struct bounce_template template;
	char text[BOUNCE_TEMPLATE_MAX + 100];
	struct error err;
	size_t start, i, n;

	(void)state;
	start = strlen(DELAY SUCCESS FAILURE);
	memset(text, 'x', sizeof(text));
	memcpy(text, DELAY SUCCESS FAILURE, start);
	assert_true(bounce_template_parse("t", (struct str){ text, BOUNCE_TEMPLATE_MAX }, &template, &err));
	bounce_template_clear(&template);
	assert_false(bounce_template_parse("t", (struct str){ text, BOUNCE_TEMPLATE_MAX + 1 }, &template, &err));
	assert_string_equal(err.text, "t: expected at most 16384 bytes");
	for (i = 0; i < BOUNCE_TEMPLATE_PLACEHOLDERS_MAX; i++)
		memcpy(text + start + i * 10, "{hostname}", 10);
	n = start + 10 * (BOUNCE_TEMPLATE_PLACEHOLDERS_MAX - 1);
	assert_true(bounce_template_parse("t", (struct str){ text, n }, &template, &err));
	bounce_template_clear(&template);
	assert_false(bounce_template_parse("t", (struct str){ text, n + 10 }, &template, &err));
	assert_string_equal(err.text, "t:13: expected at most 20 placeholders in a section");
}

static void
test_files_are_read(void **state)
{
	char path[] = "/tmp/bounce-template-XXXXXX";
	int fd = mkstemp(path);
	struct bounce_template template;
	struct error err;

	(void)state;
	assert_true(fd != -1);
	assert_int_equal(
	    write(fd, FAILURE DELAY SUCCESS, strlen(FAILURE DELAY SUCCESS)), strlen(FAILURE DELAY SUCCESS));
	assert_true(bounce_template_read(path, &template, &err));
	bounce_template_clear(&template);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_false(bounce_template_read(path, &template, &err));
	assert_non_null(strstr(err.text, ":0: the file ends without [failure]"));
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlink(path), 0);
	assert_false(bounce_template_read(path, &template, &err));
	assert_non_null(strstr(err.text, ": No such file or directory"));
	assert_false(bounce_template_read("/tmp", &template, &err));
	assert_string_equal(err.text, "/tmp: expected a file");
}

static void
test_the_example_of_the_manual_is_one(void **state)
{
	FILE *file = fopen("common/postern.conf.5", "r");
	struct bounce_template template;
	char *manual = NULL, *begin, *end;
	struct error err;
	size_t size = 0;

	(void)state;
	assert_non_null(file);
	assert_true(getdelim(&manual, &size, '\0', file) > 0);
	assert_int_equal(fclose(file), 0);
	begin = strstr(manual, ".Sh TEMPLATES");
	assert_non_null(begin);
	begin = strstr(begin, "[failure]\n");
	assert_non_null(begin);
	end = strstr(begin, ".Ed\n");
	assert_non_null(end);
	if (!bounce_template_parse("manual", (struct str){ begin, (size_t)(end - begin) }, &template, &err))
		fail_msg("%s", err.text);
	bounce_template_clear(&template);
	free(manual);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections_are_found),
		cmocka_unit_test(test_mistakes_are_named),
		cmocka_unit_test(test_limits_hold),
		cmocka_unit_test(test_files_are_read),
		cmocka_unit_test(test_the_example_of_the_manual_is_one),
	};

	return cmocka_run_group_tests_name("bounce_template", tests, NULL, NULL);
}
