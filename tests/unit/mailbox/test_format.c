/* SPDX-License-Identifier: ISC */
/* Promised: the specifiers of smtpd.conf(5), each value one part of a name, all else a permanent error. SECURITY L02. */
#include "mailbox/format.h"

#include <string.h>

#include "mailbox/limits.h"
#include "mailbox/path.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct row {
	const char *name;
	struct str format;
	const char *want; /* NULL: refused */
};

/* clang-format off */
static const struct row rows[] = {
	{ "the home", STR("~/Maildir"), "/home/joe/Maildir" },
	{ "the home alone", STR("~"), "/home/joe" },
	{ "a relative path is in the home", STR("Maildir"), "/home/joe/Maildir" },
	{ "nothing is the home", STR(""), "/home/joe/" },
	{ "a tilde elsewhere is a character", STR("/a/~/b"), "/a/~/b" },
	{ "~name is no other's home", STR("~root/x"), "/home/joe/~root/x" },
	{ "an absolute path", STR("/var/vmail/x"), "/var/vmail/x" },
	{ "sender", STR("/%{sender}"), "/ann@s.example" },
	{ "user of the sender", STR("/%{sender.user}"), "/ann" },
	{ "domain of the sender", STR("/%{sender.domain}"), "/s.example" },
	{ "rcpt is what the client asked for", STR("/%{rcpt}"), "/joe+box@r.example" },
	{ "user of rcpt", STR("/%{rcpt.user}"), "/joe+box" },
	{ "domain of rcpt", STR("/%{rcpt.domain}"), "/r.example" },
	{ "dest is what expansion made of it", STR("/%{dest}"), "/a=2fb@example.org" },
	{ "a slash of an address is no directory (L02)", STR("/%{dest.user}"), "/a=2fb" },
	{ "domain of dest", STR("/%{dest.domain}"), "/example.org" },
	{ "the user's name", STR("/%{user.username}"), "/joe" },
	{ "the user's home keeps its slashes", STR("%{user.directory}/x"), "/home/joe/x" },
	{ "a name at the front is in the home", STR("%{user.username}"), "/home/joe/joe" },
	{ "sender of an mbox", STR("/%{mbox.from}"), "/ann@s.example" },
	{ "two percent signs are one", STR("/100%%"), "/100%" },
	{ "names ignore case", STR("/%{RCPT.Domain}"), "/r.example" },
	{ "several in one name", STR("/%{dest.domain}-%{rcpt.user}/y"), "/example.org-joe+box/y" },

	{ "one byte", STR("/%{dest.domain[0]}"), "/e" },
	{ "one byte from the end", STR("/%{dest.domain[-1]}"), "/g" },
	{ "an end counts inclusively", STR("/%{dest.domain[0:6]}"), "/example" },
	{ "an end from the end", STR("/%{dest.domain[0:-4]}"), "/example" },
	{ "a beginning", STR("/%{dest.domain[8:]}"), "/org" },
	{ "a beginning from the end", STR("/%{dest.domain[-3:]}"), "/org" },
	{ "an end alone", STR("/%{dest.domain[:2]}"), "/exa" },
	{ "both open", STR("/%{dest.domain[:]}"), "/example.org" },
	{ "an end behind the value is its end", STR("/%{dest.domain[8:99]}"), "/org" },
	{ "a beginning before the value is its beginning", STR("/%{dest.domain[-99:2]}"), "/exa" },
	{ "a substring is cut before it is made safe", STR("/%{dest.user[1]}"), "/=2f" },
	{ "a beginning behind the end", STR("/%{dest.domain[11]}"), NULL },
	{ "an end before its beginning", STR("/%{dest.domain[5:2]}"), NULL },

	{ "strip cuts the tag", STR("/%{rcpt.user:strip}"), "/joe" },
	{ "strip of a whole address", STR("/%{rcpt:strip}"), "/joe@r.example" },
	{ "several modifiers", STR("/%{rcpt.user:lowercase|strip}"), "/joe" },
	{ "a path is in small letters whatever is asked", STR("/%{rcpt.domain:uppercase}"), "/r.example" },
	{ "raw is as safe as all", STR("/%{dest.user:raw}"), "/a=2fb" },
	{ "a modifier with a substring", STR("/%{rcpt.user[0:2]:strip}"), "/joe" },

	{ "an unknown name", STR("/%{recipient}"), NULL },
	{ "an empty name", STR("/%{}"), NULL },
	{ "the wrapper's own name", STR("/%{mda}"), NULL },
	{ "an unknown modifier", STR("/%{rcpt:rot13}"), NULL },
	{ "no modifier after the colon", STR("/%{rcpt:}"), NULL },
	{ "a brace that is not closed", STR("/%{rcpt"), NULL },
	{ "a bracket that is not closed", STR("/%{rcpt[0}"), NULL },
	{ "something behind the bracket", STR("/%{rcpt[0]x}"), NULL },
	{ "no number", STR("/%{rcpt[a]}"), NULL },
	{ "a number over the limit", STR("/%{rcpt[99999]}"), NULL },
	{ "a percent sign alone", STR("/%rcpt"), NULL },
	{ "a percent sign at the end", STR("/100%"), NULL },
};

static const struct row fixed[] = {
	{ "the whole of a plain path", STR("~/Maildir"), "~/Maildir" },
	{ "up to the first specifier", STR("/var/vmail/%{dest.domain}/%{dest.user}"), "/var/vmail/" },
	{ "within a name", STR("/var/vmail/x-%{dest.user}/y"), "/var/vmail/x-" },
	{ "what is the user's is fixed", STR("/v/%{user.username}/x/%{rcpt}"), "/v/%{user.username}/x/" },
	{ "doubled percent signs are fixed", STR("/a%%b/%{sender}"), "/a%%b/" },
	{ "a mistake is left for the expansion", STR("/a/%{bad}/b"), "/a/" },
};
/* clang-format on */

static struct format_values
values(void)
{
	struct format_values v = { .username = STR("joe"), .directory = STR("/home/joe"), .sub_addr_delim = '+' };

	assert_true(address_parse(S("ann@S.example"), 0, &v.sender, NULL));
	assert_true(address_parse(S("Joe+box@r.example"), 0, &v.rcpt, NULL));
	assert_true(address_parse(S("a/b@example.org"), 0, &v.dest, NULL));
	return v;
}

static void
test_L02_formats(void **state)
{
	struct format_values v = values();
	struct error err;
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		bool ok;
		buf_init(&out, MAILBOX_PATH_MAX);
		ok = format_expand(rows[i].format, &v, &out, &err);
		if (ok != (rows[i].want != NULL))
			row_fail(rows[i].name, "%s", ok ? "was read" : err.text);
		if (ok && !str_equal(buf_str(&out), str_of(rows[i].want)))
			row_fail(rows[i].name, "got %.*s, want %s", STR_ARG(buf_str(&out)), rows[i].want);
		if (!ok && (err.kind != ERROR_PERMANENT || err.text[0] == '\0'))
			row_fail(rows[i].name, "kind %d, text \"%s\"", (int)err.kind, err.text);
		buf_clear(&out);
	}
}

static void
test_the_fixed_front(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(fixed); i++) {
		struct str got = format_fixed(fixed[i].format);
		if (!str_equal(got, str_of(fixed[i].want)))
			row_fail(fixed[i].name, "got %.*s, want %s", STR_ARG(got), fixed[i].want);
	}
}

static void
test_a_bounce_has_a_sender_too(void **state)
{
	struct format_values v = values();
	struct buf out;

	(void)state;
	v.sender = (struct address){ .null = true };
	buf_init(&out, MAILBOX_PATH_MAX);
	assert_true(format_expand(S("/%{sender}/%{sender.user}/%{mbox.from}"), &v, &out, NULL));
	assert_true(str_equal(buf_str(&out), S("/=/=/mailer-daemon")));
	buf_clear(&out);
}

static void
test_strip_cuts_where_the_configuration_says(void **state)
{
	static const struct {
		char delimiter;
		struct str rcpt;
		const char *want;
	} delimiters[] = {
		{ '-', STR("joe-a-b@r.example"), "/joe" },
		{ '-', STR("joe+box@r.example"), "/joe+box" },
		{ '-', STR("-joe@r.example"), "/-joe" },
		{ '=', STR("joe=box@r.example"), "/joe" },
		{ '\0', STR("joe+box@r.example"), "/joe+box" },
	};
	struct format_values v = values();
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(delimiters); i++) {
		v.sub_addr_delim = delimiters[i].delimiter;
		assert_true(address_parse(delimiters[i].rcpt, 0, &v.rcpt, NULL));
		buf_init(&out, MAILBOX_PATH_MAX);
		assert_true(format_expand(S("/%{rcpt.user:strip}"), &v, &out, NULL));
		if (!str_equal(buf_str(&out), str_of(delimiters[i].want)))
			row_fail(
			    delimiters[i].rcpt.ptr, "got %.*s, want %s", STR_ARG(buf_str(&out)), delimiters[i].want);
		buf_clear(&out);
	}
}

static void
test_a_path_has_its_limit(void **state)
{
	struct format_values v = values();
	char format[2 * MAILBOX_PATH_MAX];
	struct error err;
	struct buf out;

	(void)state;
	memset(format, 'a', sizeof(format));
	format[0] = '/';
	buf_init(&out, sizeof(format));
	assert_true(format_expand((struct str){ format, MAILBOX_PATH_MAX }, &v, &out, NULL));
	buf_reset(&out);
	assert_false(format_expand((struct str){ format, MAILBOX_PATH_MAX + 1 }, &v, &out, &err));
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_L02_formats),
		cmocka_unit_test(test_the_fixed_front),
		cmocka_unit_test(test_a_bounce_has_a_sender_too),
		cmocka_unit_test(test_strip_cuts_where_the_configuration_says),
		cmocka_unit_test(test_a_path_has_its_limit),
	};

	return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
