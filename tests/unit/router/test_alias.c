/* SPDX-License-Identifier: ISC */
/* Promised: every form of aliases(5) is read as what it is, and nothing else is read as anything. SECURITY rows C01, C02. */
#include "router/alias.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct {
	const char *name;
	const char *value;
	const char *want; /* elements, "KIND text", joined by ";" */
} rows[] = {
	{ "a user", "joe", "user joe" },
	{ "a user is in lower case", "Joe", "user joe" },
	{ "two users", "joe, bob", "user joe;user bob" },
	{ "blanks do not matter", "  joe\t,bob  ", "user joe;user bob" },
	{ "empty elements are none", ",joe,,bob,", "user joe;user bob" },
	{ "nothing is nobody", "", "" },
	{ "a user with a sub-address", "joe+lists", "user joe+lists" },
	{ "a backslash before a user is only a backslash", "\\joe", "user joe" },
	{ "an address", "joe@example.org", "address joe@example.org" },
	{ "an address with an apostrophe", "o'brien@example.org, joe", "address o'brien@example.org;user joe" },
	{ "an address keeps the case of its local part", "Joe@Example.ORG", "address Joe@example.org" },
	{ "a quoted address", "\"joe@example.org\"", "address joe@example.org" },
	{ "a comment behind a blank", "joe # me", "user joe" },
	{ "a comment that is all", "# nobody", "" },
	{ "a number sign within a word is no comment", "a#b@example.org", "address a#b@example.org" },
	{ "an error", "error:550 go away", "error 550 go away" },
	{ "an error with a colon before it", ":error:451 later, maybe", "error 451 later;user maybe" },
	{ "an error with commas is quoted", "\"error:550 no, never\"", "error 550 no, never" },
	{ "an include", ":include:/etc/list", "include /etc/list" },
	{ "an include without the first colon", "include:/etc/list", "include /etc/list" },
	{ "an include in quotes", "\":include:/etc/my list\"", "include /etc/my list" },
	{ "a command", "|/bin/x", "command /bin/x" },
	{ "a quoted command keeps its blanks and commas", "\"|/bin/x a, b\"", "command /bin/x a, b" },
	{ "a quoted part of a command", "| \"/bin/x a\"", "command /bin/x a" },
	{ "quotes of the other kind within quotes", "'|sh -c \"a,b\"'", "command sh -c \"a,b\"" },
	{ "an escaped quote", "\"|echo \\\"a\\\"\"", "command echo \"a\"" },
	{ "a file", "/var/mail/x", "file /var/mail/x" },
	{ "commands, files and users", "joe, |x, /y", "user joe;command x;file /y" },

	{ "a shell's words are no user", "joe;id", "bad" },
	{ "a shell's variables are no user", "$HOME", "bad" },
	{ "a format is no user (C02)", "%{user}", "bad" },
	{ "an expansion is no user (C02)", "${run{/bin/id}}", "bad" },
	{ "a blank within a word", "joe bob", "bad" },
	{ "a domain is needed behind @", "joe@", "bad" },
	{ "a user is needed before @", "@example.org", "bad" },
	{ "two @", "a@b@c", "bad" },
	{ "a command that is empty", "|", "bad" },
	{ "an include without a path", ":include:list", "bad" },
	{ "an error without a number", "error:no", "bad" },
	{ "an error that is none", "error:250 ok", "bad" },
	{ "an error without a text", "error:550", "bad" },
	{ "an error with an empty text", "error:550 ", "bad" },
	{ "an error over 599", "error:600 x", "bad" },
	{ "quotes that do not close", "\"joe", "bad" },
	{ "a bad one behind a good one", "joe, a b", "user joe;bad" },
	{ "bytes that are not printable", "j\x01oe", "bad" },
};
/* clang-format on */

static const char *const kinds[] = { [ALIAS_USER] = "user",
	[ALIAS_ADDRESS] = "address",
	[ALIAS_ERROR] = "error",
	[ALIAS_INCLUDE] = "include",
	[ALIAS_COMMAND] = "command",
	[ALIAS_FILE] = "file" };

static void
describe(const char *value, char *text, size_t size)
{
	char address[ADDRESS_MAX + 1];
	struct buf out;
	struct alias_reader reader;
	struct alias_element e;
	struct error err;
	enum alias_found found;

	buf_init(&out, size);
	alias_begin(&reader, str_of(value));
	while ((found = alias_read(&reader, &e, &err)) == ALIAS_ELEMENT) {
		if (e.kind == ALIAS_ADDRESS)
			e.text = (struct str){ address, address_format(&e.address, address) };
		(void)buf_printf(&out, "%s%s ", out.len == 0 ? "" : ";", kinds[e.kind]);
		if (e.kind == ALIAS_ERROR)
			(void)buf_printf(&out, "%u ", e.code);
		(void)buf_append_str(&out, e.text);
	}
	if (found == ALIAS_BAD) {
		assert_true(err.text[0] != '\0');
		(void)buf_append_text(&out, out.len == 0 ? "bad" : ";bad");
	}
	assert_true(str_copy(buf_str(&out), text, size));
	buf_clear(&out);
}

static void
test_values(void **state)
{
	char got[4096];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		describe(rows[i].value, got, sizeof(got));
		if (strcmp(got, rows[i].want) != 0)
			row_fail(rows[i].name, "got \"%s\", want \"%s\"", got, rows[i].want);
	}
}

static void
test_a_long_element_is_refused(void **state)
{
	char value[ALIAS_ELEMENT_MAX + 8], got[4096];

	(void)state;
	memset(value, 'a', sizeof(value));
	value[0] = '/';
	value[ALIAS_ELEMENT_MAX] = '\0';
	describe(value, got, sizeof(got));
	assert_int_equal(strncmp(got, "file /aaa", 9), 0);
	value[ALIAS_ELEMENT_MAX] = 'a';
	value[ALIAS_ELEMENT_MAX + 1] = '\0';
	describe(value, got, sizeof(got));
	assert_string_equal(got, "bad");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_a_long_element_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
