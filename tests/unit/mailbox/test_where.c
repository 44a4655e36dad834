/* SPDX-License-Identifier: ISC */
/* Promised: a recipient's mailbox is always below the root, which is the home or a directory that is there. SECURITY L02. */
#include "mailbox/where.h"

#include "tests/unit/mailbox/sandpit.h"

struct row {
	const char *name;
	enum config_method method;
	const char *path;
	const char *root; /* behind the sandpit; "/..." is absolute; NULL: refused */
	const char *mailbox;
};

/* The sandpit holds home/ and vmail/; @ stands for its path. */
static const struct row rows[] = {
	{ "a Maildir is in the home", CONFIG_METHOD_MAILDIR, "", "@/home", "Maildir" },
	{ "deeper in the home", CONFIG_METHOD_MAILDIR, "~/mail/in", "@/home", "mail/in" },
	{ "the home as an absolute path", CONFIG_METHOD_MAILDIR, "@/home/mail", "@/home", "mail" },
	{ "the home by its specifier", CONFIG_METHOD_MAILDIR, "%{user.directory}/m", "@/home", "m" },
	{ "virtual mailboxes", CONFIG_METHOD_MAILDIR, "@/vmail/%{dest.domain}/%{dest.user:strip}", "@/vmail",
	    "d.example/joe" },
	{ "one that is not there yet", CONFIG_METHOD_MAILDIR, "@/vmail/new/%{user.username}/x", "@/vmail",
	    "new/joe/x" },
	{ "a name that begins like the home", CONFIG_METHOD_MAILDIR, "%{user.directory}-mail", "@", "home-mail" },
	{ "the home itself", CONFIG_METHOD_MAILDIR, "~", "@/home", "" },
	{ "an mbox by its path", CONFIG_METHOD_MBOX, "@/vmail/%{user.username}", "@/vmail", "joe" },
	{ "an mbox where all are", CONFIG_METHOD_MBOX, "", "/var/mail", "joe" },
	{ "climbing in the configuration", CONFIG_METHOD_MAILDIR, "~/../x/y", NULL, NULL },
	{ "a method that is none of a mailbox", CONFIG_METHOD_LMTP, "", NULL, NULL },
};

static int
setup(void **state)
{
	if (sandpit_setup(state) != 0)
		return -1;
	return mkdirat(sandpit, "home", 0700) + mkdirat(sandpit, "vmail", 0700);
}

static const char *
with_sandpit(const char *text, char *dst, size_t size)
{
	(void)snprintf(dst, size, "%s%s", text[0] == '@' ? sandpit_path : "", text[0] == '@' ? text + 1 : text);
	return dst;
}

static bool
set(struct where *w, const struct row *row, struct error *err)
{
	static char path[512], home[512];
	struct msg_mailbox_setup setup_message = { .method = row->method, .sub_addr_delim = '+', .user = STR("joe") };

	setup_message.path = str_of(with_sandpit(row->path, path, sizeof(path)));
	setup_message.home = str_of(with_sandpit("@/home", home, sizeof(home)));
	return where_set(w, &setup_message, err);
}

static void
test_roots_and_mailboxes(void **state)
{
	char root[512], mailbox[MAILBOX_PATH_MAX + 1];
	struct outcome o;
	struct error err;
	struct where w;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		bool ok = set(&w, &rows[i], &err) &&
		    where_path(&w, S("a@s.example"), S("joe@d.example"), S("joe+x@d.example"), mailbox, &o);
		if (ok != (rows[i].root != NULL))
			row_fail(rows[i].name, "%s", ok ? "was taken" : err.text);
		if (ok && strcmp(w.root, with_sandpit(rows[i].root, root, sizeof(root))) != 0)
			row_fail(rows[i].name, "root %s, want %s", w.root, root);
		if (ok && strcmp(mailbox, rows[i].mailbox) != 0)
			row_fail(rows[i].name, "mailbox %s, want %s", mailbox, rows[i].mailbox);
	}
}

/* Opens what the first row means. Returns false, with the words of the failure, when it cannot be opened. */
static bool
opens(const struct row *row, struct error *err)
{
	struct where w;
	bool ok;

	assert_true(set(&w, row, err));
	ok = where_open(&w, err);
	where_close(&w);
	if (!ok)
		assert_int_equal(err->kind, ERROR_TEMPORARY);
	return ok;
}

static void
test_a_home_that_is_not_there_is_not_made(void **state)
{
	struct error err;

	(void)state;
	assert_true(opens(&rows[0], &err));
	assert_int_equal(unlinkat(sandpit, "home", AT_REMOVEDIR), 0);
	assert_false(opens(&rows[0], &err));
	assert_string_equal(err.text, "home directory of joe: No such file or directory");
	assert_int_equal(faccessat(sandpit, "home", F_OK, 0), -1);
	sandpit_write("home", "", 0600);
	assert_false(opens(&rows[0], &err));
	assert_string_equal(err.text, "home directory of joe: Not a directory");
}

static void
test_a_directory_that_may_not_be_entered(void **state)
{
	static const mode_t modes[] = { 0, 0400, 0600 };
	struct row vmail = { "virtual mailboxes", CONFIG_METHOD_MAILDIR, "@/vmail/%{dest.user}", NULL, NULL };
	uid_t uid = geteuid();
	struct error err;
	size_t i;

	(void)state;
	if (uid == 0)
		assert_int_equal(fchown(sandpit, 65534, 65534) + fchownat(sandpit, "home", 65534, 65534, 0) +
			fchownat(sandpit, "vmail", 65534, 65534, 0) + setresuid(65534, 65534, 0),
		    0);
	for (i = 0; i < COUNT(modes); i++) {
		assert_int_equal(fchmodat(sandpit, "home", modes[i], 0) + fchmodat(sandpit, "vmail", modes[i], 0), 0);
		assert_false(opens(&rows[0], &err));
		assert_string_equal(err.text, "home directory of joe: Permission denied");
		assert_false(opens(&vmail, &err));
		assert_string_equal(err.text, "directory above the mailbox of joe: Permission denied");
	}
	assert_int_equal(fchmodat(sandpit, "home", 0700, 0) + fchmodat(sandpit, "vmail", 0700, 0), 0);
	assert_true(opens(&rows[0], &err));
	assert_true(opens(&vmail, &err));
	if (uid == 0)
		assert_int_equal(setresuid(0, 0, 0), 0);
}

static void
test_the_delimiter_is_what_the_parent_says(void **state)
{
	struct msg_mailbox_setup message = { .method = CONFIG_METHOD_MAILDIR, .user = STR("joe") };
	char mailbox[MAILBOX_PATH_MAX + 1], folder[MAILBOX_NAME_MAX + 1];
	struct outcome o;
	struct error err;
	struct where w;

	(void)state;
	message.path = S("~/%{rcpt.user:strip}");
	message.home = str_of(sandpit_path);
	message.sub_addr_delim = '-';
	assert_true(where_set(&w, &message, &err));
	assert_true(where_path(&w, S(""), S("joe-x@d.example"), S("joe@d.example"), mailbox, &o));
	assert_string_equal(mailbox, "joe");
	where_folder(&w, S("joe-x@d.example"), S("joe@d.example"), folder);
	assert_string_equal(folder, ".x");
}

static void
test_folders_of_sub_addresses(void **state)
{
	static const struct {
		const char *name;
		char delimiter;
		struct str rcpt, dest;
		const char *want;
	} folders[] = {
		{ "no tag", '+', STR("joe@d.example"), STR("joe@d.example"), "" },
		{ "a tag after expansion", '+', STR("list@d.example"), STR("joe+Lists@d.example"), ".lists" },
		{ "a tag of the user as asked", '+', STR("Joe+box@d.example"), STR("joe@d.example"), ".box" },
		{ "a tag of an alias is not the user's", '+', STR("list+box@d.example"), STR("joe@d.example"), "" },
		{ "a tag that climbs (L02)", '+', STR("joe@d.example"), STR("\"joe+../x\"@d.example"), ".=2e.=2fx" },
		{ "an empty tag", '+', STR("joe@d.example"), STR("joe+@d.example"), "" },
		{ "an empty user", '+', STR("joe@d.example"), STR("+x@d.example"), "" },
		{ "a delimiter of the configuration", '-', STR("joe@d.example"), STR("joe-a-b@d.example"), ".a-b" },
		{ "as asked with that delimiter", '-', STR("joe-box@d.example"), STR("joe@d.example"), ".box" },
		{ "another's delimiter is a character", '-', STR("joe@d.example"), STR("joe+lists@d.example"), "" },
		{ "no delimiter", '\0', STR("joe@d.example"), STR("joe+lists@d.example"), "" },
	};
	char folder[MAILBOX_NAME_MAX + 1];
	struct error err;
	struct where w;
	size_t i;

	(void)state;
	assert_true(set(&w, &rows[0], &err));
	for (i = 0; i < COUNT(folders); i++) {
		w.sub_addr_delim = folders[i].delimiter;
		where_folder(&w, folders[i].rcpt, folders[i].dest, folder);
		if (strcmp(folder, folders[i].want) != 0)
			row_fail(folders[i].name, "got %s, want %s", folder, folders[i].want);
	}
}

#define IN_SANDPIT(test) cmocka_unit_test_setup_teardown(test, setup, sandpit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SANDPIT(test_roots_and_mailboxes),
		IN_SANDPIT(test_a_home_that_is_not_there_is_not_made),
		IN_SANDPIT(test_a_directory_that_may_not_be_entered),
		IN_SANDPIT(test_the_delimiter_is_what_the_parent_says),
		IN_SANDPIT(test_folders_of_sub_addresses),
	};

	return cmocka_run_group_tests_name("where", tests, NULL, NULL);
}
