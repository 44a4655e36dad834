/* SPDX-License-Identifier: ISC */
/* Promised: the address lists of RFC 5322 section 3.4 give their addresses in order; all else is an error, in bounded work. */
#include "common/header_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct row {
	const char *name;
	struct str value;
	const char *want; /* the addresses joined by spaces; NULL: refused */
};

/* clang-format off */
static const struct row rows[] = {
	{ "nothing", STR(""), "" },
	{ "blanks", STR(" \r\n\t"), "" },
	{ "one address", STR("a@b.example"), "a@b.example" },
	{ "two", STR("a@b.example, c@d.example"), "a@b.example c@d.example" },
	{ "a user of this machine", STR("root"), "root" },
	{ "several users", STR("root,joe , ann"), "root joe ann" },
	{ "a display name", STR("Joe User <joe@d.example>"), "joe@d.example" },
	{ "a quoted display name with a comma", STR("\"User, Joe\" <joe@d.example>"), "joe@d.example" },
	{ "a quoted display name with an address", STR("\"x@y.example\" <joe@d.example>"), "joe@d.example" },
	{ "a quoted display name with quotes", STR("\"a \\\"b\\\" c\" <joe@d.example>"), "joe@d.example" },
	{ "a display name with dots and 8 bits", STR("J. M\xc3\xbcller <joe@d.example>"), "joe@d.example" },
	{ "a display name of one word", STR("Joe<joe@d.example>"), "joe@d.example" },
	{ "brackets alone", STR("<joe@d.example>"), "joe@d.example" },
	{ "blanks within brackets", STR("< joe@d.example >"), "joe@d.example" },
	{ "a comment behind", STR("joe@d.example (Joe User)"), "joe@d.example" },
	{ "comments everywhere", STR("(a)joe(b)@(c)d(d).(e)example(f)"), "joe@d.example" },
	{ "a comment with a comma and an address", STR("joe@d.example (a, b@c.example)"), "joe@d.example" },
	{ "comments within comments", STR("joe@d.example (a (b \\) c) d)"), "joe@d.example" },
	{ "folded", STR("a@b.example,\r\n c@d.example"), "a@b.example c@d.example" },
	{ "folded with LF", STR("a@b.example,\n\tc@d.example"), "a@b.example c@d.example" },
	{ "empty elements", STR(",a@b.example,,c@d.example,"), "a@b.example c@d.example" },
	{ "a group", STR("friends: a@b.example, Joe <joe@d.example>;"), "a@b.example joe@d.example" },
	{ "an empty group", STR("undisclosed-recipients:;"), "" },
	{ "a group and an address", STR("g: a@b.example;, c@d.example"), "a@b.example c@d.example" },
	{ "a quoted local part", STR("\"a b\"@d.example"), "\"a b\"@d.example" },
	{ "a quoted local part with an at sign", STR("\"a@b\"@d.example"), "\"a@b\"@d.example" },
	{ "an address literal", STR("joe@[192.0.2.1]"), "joe@[192.0.2.1]" },

	{ "two words are no address", STR("joe user"), NULL },
	{ "an address behind another without comma", STR("a@b.example c@d.example"), NULL },
	{ "no domain", STR("a@"), NULL },
	{ "no local part", STR("@b.example"), NULL },
	{ "two at signs", STR("a@b@c"), NULL },
	{ "empty brackets", STR("Joe <>"), NULL },
	{ "a bracket that is not closed", STR("Joe <joe@d.example"), NULL },
	{ "a bracket that was not opened", STR("joe@d.example>"), NULL },
	{ "brackets within brackets", STR("<<joe@d.example>>"), NULL },
	{ "something behind brackets", STR("<joe@d.example> x"), NULL },
	{ "a quote that is not closed", STR("\"Joe <joe@d.example>"), NULL },
	{ "a quote that ends in a backslash", STR("\"Joe\\"), NULL },
	{ "a comment that is not closed", STR("joe@d.example (a"), NULL },
	{ "a comment that ends in a backslash", STR("joe@d.example (a\\"), NULL },
	{ "a comment that was not opened", STR("joe@d.example )"), NULL },
	{ "a literal that is not closed", STR("joe@[192.0.2.1"), NULL },
	{ "a group without an end", STR("g: a@b.example"), NULL },
	{ "a group without a name", STR(": a@b.example;"), NULL },
	{ "a group within a group", STR("g: h: a@b.example;;"), NULL },
	{ "an end without a group", STR("a@b.example;"), NULL },
	{ "something behind a group", STR("g: a@b.example; c@d.example"), NULL },
	{ "NUL", STR("a\0@b.example"), NULL },
	{ "a control byte in an address", STR("a\x01@b.example"), NULL },
	{ "a path as a recipient", STR("/etc/passwd|x y"), NULL },
	{ "8 bits in an address", STR("j\xc3\xbc@d.example"), NULL },
	{ "a route", STR("<@a.example,@b.example:joe@d.example>"), NULL },
};
/* clang-format on */

static bool
collect(void *arg, const struct address *address, struct error *err)
{
	char text[ADDRESS_MAX + 1];
	struct buf *out = arg;

	(void)err;
	(void)address_format(address, text);
	return buf_append_text(out, out->len == 0 ? "" : " ") && buf_append_text(out, text);
}

static bool
list(struct str value, struct buf *out, struct error *err)
{
	char *copy = malloc(value.len + (value.len == 0)); /* of just that size: a read behind it is seen */
	bool ok;

	assert_non_null(copy);
	memcpy(copy, value.ptr, value.len);
	ok = header_address_list((struct str){ copy, value.len }, ADDRESS_LOCAL_ONLY_ALLOWED, collect, out, err);
	free(copy);
	return ok;
}

static void
test_lists(void **state)
{
	struct error err;
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		bool ok;
		buf_init(&out, 4096);
		ok = list(rows[i].value, &out, &err);
		if (ok != (rows[i].want != NULL))
			row_fail(rows[i].name, "%s", ok ? "was read" : err.text);
		if (ok && !str_equal(buf_str(&out), str_of(rows[i].want)))
			row_fail(rows[i].name, "got %.*s, want %s", STR_ARG(buf_str(&out)), rows[i].want);
		if (!ok && err.text[0] == '\0')
			row_fail(rows[i].name, "%s", "no reason");
		buf_clear(&out);
	}
}

static bool
stop_at_two(void *arg, const struct address *address, struct error *err)
{
	int *count = arg;

	(void)address;
	return ++*count < 2 || error_set(err, ERROR_PERMANENT, "too many");
}

static void
test_the_callee_ends_the_walk(void **state)
{
	struct error err;
	int count = 0;

	(void)state;
	assert_false(header_address_list(S("a@b,c@d,e@f"), 0, stop_at_two, &count, &err));
	assert_int_equal(count, 2);
	assert_string_equal(err.text, "too many");
}

static void
test_depth_and_length_are_bounded(void **state)
{
	static char text[1 << 20];
	struct error err;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	memset(text, '(', sizeof(text));
	assert_false(header_address_list((struct str){ text, sizeof(text) }, 0, collect, &out, &err));
	memset(text, 'a', sizeof(text));
	assert_false(header_address_list((struct str){ text, sizeof(text) }, 0, collect, &out, &err));
	memset(text, '.', sizeof(text));
	assert_false(header_address_list((struct str){ text, sizeof(text) }, 0, collect, &out, &err));
	memset(text, ',', sizeof(text));
	assert_true(header_address_list((struct str){ text, sizeof(text) }, 0, collect, &out, &err));
	assert_int_equal(out.len, 0);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_the_callee_ends_the_walk),
		cmocka_unit_test(test_depth_and_length_are_bounded),
	};

	return cmocka_run_group_tests_name("header_address", tests, NULL, NULL);
}
