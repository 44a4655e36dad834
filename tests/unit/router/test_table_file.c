/* SPDX-License-Identifier: ISC */
/*
 * Promised: files of tables are read as smtpd.conf(5) says, and refused with file and line where they are not; a file that
 * others may write to is not read at all. SECURITY row U06.
 */
#include "router/table_file.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "tests/unit/router/fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct {
	const char *name;
	const char *text;
	enum table_form form;
	const char *want; /* "key" or "key=value", joined by ";"; or the error */
} rows[] = {
	{ "a list", "one\ntwo\n", TABLE_FORM_EITHER, "one;two" },
	{ "the last line may lack its end", "one\ntwo", TABLE_FORM_EITHER, "one;two" },
	{ "blanks at both ends are dropped", "  one \t\n", TABLE_FORM_EITHER, "one" },
	{ "empty lines are none", "\n\none\n \n", TABLE_FORM_EITHER, "one" },
	{ "a comment begins a line", "# x\n  # y\none\n", TABLE_FORM_EITHER, "one" },
	{ "later in a line it is data", "one#x\n", TABLE_FORM_EITHER, "one#x" },
	{ "lines may end in CR LF", "one\r\ntwo\r\n", TABLE_FORM_EITHER, "one;two" },
	{ "an empty file has any form", "", TABLE_FORM_EITHER, "" },
	{ "also one of comments", "# x\n", TABLE_FORM_EITHER, "" },
	{ "a mapping by a colon", "root: joe\n", TABLE_FORM_EITHER, "root=joe" },
	{ "a mapping by blanks", "root \t joe\n", TABLE_FORM_EITHER, "root=joe" },
	{ "a colon needs no blank", "root:joe\n", TABLE_FORM_EITHER, "root=joe" },
	{ "blanks before the colon", "root : joe\n", TABLE_FORM_EITHER, "root=joe" },
	{ "inner blanks of a value are kept", "root: joe,  bob\n", TABLE_FORM_EITHER, "root=joe,  bob" },
	{ "a value may begin with a colon", "list: :include:/x\n", TABLE_FORM_EITHER, "list=:include:/x" },
	{ "also without a blank", "list::error:550 no\n", TABLE_FORM_EITHER, "list=:error:550 no" },
	{ "a key of IPv6 in brackets", "[2001:db8::1]: mx.example\n", TABLE_FORM_EITHER, "[2001:db8::1]=mx.example" },
	{ "the first entry decides: a mapping", "a b\nc\n", TABLE_FORM_EITHER, "t:2: expected a key and a value" },
	{ "the first entry decides: a list", "c\na b\n", TABLE_FORM_EITHER, "c;a b" },
	{ "@list forces a list", "# @list\na: b\n", TABLE_FORM_EITHER, "a: b" },
	{ "@list behind the first entry is a comment", "a: b\n# @list\nc: d\n", TABLE_FORM_EITHER, "a=b;c=d" },
	{ "where a list is wanted, lines are a list", "smtp://a\nsmtp://b:25\n", TABLE_FORM_LIST, "smtp://a;smtp://b:25" },
	{ "also addresses of IPv6", "2001:db8::1\n", TABLE_FORM_LIST, "2001:db8::1" },
	{ "where a mapping is wanted, a list is refused", "one\n", TABLE_FORM_MAPPING, "t:1: expected a key and a value" },
	{ "a key without a value", "\nroot:\n", TABLE_FORM_MAPPING, "t:2: expected a key and a value" },
	{ "a value without a key", ": joe\n", TABLE_FORM_MAPPING, "t:1: an entry has no key" },
};
/* clang-format on */

static void
describe(const struct entries *e, char *out, size_t size)
{
	struct buf text;
	size_t i;

	buf_init(&text, size);
	for (i = 0; i < e->count; i++) {
		(void)buf_append_text(&text, i == 0 ? "" : ";");
		(void)buf_append_str(&text, entries_key(e, i));
		if (entries_value(e, i).len > 0) {
			(void)buf_append_byte(&text, '=');
			(void)buf_append_str(&text, entries_value(e, i));
		}
	}
	assert_true(str_copy(buf_str(&text), out, size));
	buf_clear(&text);
}

static void
test_lines(void **state)
{
	char got[1024];
	struct entries e;
	struct error err;
	enum table_form found;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		entries_init(&e, "t", rows[i].text);
		if (table_file_entries(str_of(rows[i].text), rows[i].form, &e, &found, &err)) {
			describe(&e, got, sizeof(got));
			assert_int_equal(found == TABLE_FORM_EITHER, e.count == 0);
		} else
			(void)strlcpy(got, err.text, sizeof(got));
		if (strcmp(got, rows[i].want) != 0)
			row_fail(rows[i].name, "got \"%s\", want \"%s\"", got, rows[i].want);
		entries_clear(&e);
	}
}

static void
test_what_is_too_long_or_no_text_is_refused(void **state)
{
	static char text[70000];
	struct entries e;
	struct error err;
	enum table_form found;

	(void)state;
	memset(text, 'a', sizeof(text));
	entries_init(&e, "t", text);
	assert_false(table_file_entries((struct str){ text, sizeof(text) }, TABLE_FORM_LIST, &e, &found, &err));
	assert_string_equal(err.text, "t:1: a line is longer than 65536 bytes");
	assert_false(table_file_entries((struct str){ text, 2000 }, TABLE_FORM_LIST, &e, &found, &err));
	assert_string_equal(err.text, "t:1: a key is longer than 1024 bytes");
	text[1] = '\0';
	assert_false(table_file_entries((struct str){ text, 3 }, TABLE_FORM_LIST, &e, &found, &err));
	assert_string_equal(err.text, "t:1: a NUL byte");
	entries_clear(&e);
}

static void
test_who_may_write_is_looked_at(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
		gid_t gid;
		uid_t uid;
		const char *want; /* part of the error, NULL: it is read */
	} files[] = {
		{ "root's own", 0644, 0, 0, NULL },
		{ "readable by nobody else", 0600, 0, 0, NULL },
		{ "writable by root's group", 0664, 0, 0, NULL },
		{ "writable by another group", 0664, 7, 0, "the group 7 may write to it" },
		{ "readable by another group", 0640, 7, 0, NULL },
		{ "writable by all", 0646, 0, 0, "everybody may write to it" },
		{ "somebody's", 0644, 0, 7, "belongs to uid 7" },
	};
	struct fixture f;
	struct error err;
	struct str text;
	char path[256];
	size_t i;

	(void)state;
	if (geteuid() != 0)
		skip();
	fixture_begin(&f);
	fixture_file(&f, "table", "one\n");
	(void)snprintf(path, sizeof(path), "%s/table", f.dir);
	for (i = 0; i < COUNT(files); i++) {
		assert_int_equal(chown(path, files[i].uid, files[i].gid), 0);
		assert_int_equal(chmod(path, files[i].mode), 0);
		if (table_file_read(path, 100, &text, &err)) {
			assert_true(str_equal(text, S("one\n")));
			free((void *)(uintptr_t)text.ptr);
			if (files[i].want != NULL)
				row_fail(files[i].name, "%s", "it was read");
		} else if (files[i].want == NULL || strstr(err.text, files[i].want) == NULL ||
		    strstr(err.text, path) == NULL)
			row_fail(files[i].name, "got \"%s\"", err.text);
	}
	fixture_end(&f);
}

static void
test_what_is_no_small_file_is_refused(void **state)
{
	struct fixture f;
	struct error err;
	struct str text;
	char path[256];

	(void)state;
	fixture_begin(&f);
	fixture_file(&f, "table", "one\n");
	(void)snprintf(path, sizeof(path), "%s/table", f.dir);
	assert_false(table_file_read(path, 3, &text, &err));
	assert_non_null(strstr(err.text, "larger than 3 bytes"));
	assert_false(table_file_read(f.dir, 100, &text, &err));
	assert_non_null(strstr(err.text, "not a regular file"));
	(void)snprintf(path, sizeof(path), "%s/pipe", f.dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(table_file_read(path, 100, &text, &err));
	assert_non_null(strstr(err.text, "not a regular file"));
	(void)snprintf(path, sizeof(path), "%s/none", f.dir);
	assert_false(table_file_read(path, 100, &text, &err));
	assert_non_null(strstr(err.text, "No such file"));
	fixture_end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_what_is_too_long_or_no_text_is_refused),
		cmocka_unit_test(test_who_may_write_is_looked_at),
		cmocka_unit_test(test_what_is_no_small_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
