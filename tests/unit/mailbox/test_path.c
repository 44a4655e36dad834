/* SPDX-License-Identifier: ISC */
/*
 * Promised: whatever an address holds becomes one harmless name, and nothing is opened but what lies below the root, with
 * openat2(2) and without. SECURITY rows L02, L03.
 */
#include "mailbox/path.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mailbox/limits.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct value_row {
	const char *name;
	struct str value;
	const char *want;
};

/* clang-format off */
static const struct value_row values[] = {
	{ "letters, digits and plain signs stay", STR("joe.b_c+tag-1@d.example"), "joe.b_c+tag-1@d.example" },
	{ "capitals are the twin of small letters", STR("Joe"), "joe" },
	{ "the empty value has a name of its own", STR(""), "=" },
	{ "a slash is no directory", STR("a/b"), "a=2fb" },
	{ "climbing is spelt out", STR("../../etc/passwd"), "=2e.=2f..=2fetc=2fpasswd" },
	{ "the own directory is no name", STR("."), "=2e" },
	{ "the one above is no name", STR(".."), "=2e." },
	{ "a dot at the front does not hide", STR(".ssh"), "=2essh" },
	{ "a dot inside stays", STR("a..b"), "a..b" },
	{ "NUL ends nothing", STR("a\0b"), "a=00b" },
	{ "the escape is escaped, so that values stay apart", STR("a=2fb"), "a=3d2fb" },
	{ "the home is no home here", STR("~root"), "=7eroot" },
	{ "what shells like is spelt out", STR("$`*?;|& \n"), "=24=60=2a=3f=3b=7c=26=20=0a" },
	{ "a colon, which Maildir flags begin with", STR("a:2,S"), "a=3a2=2cs" },
	{ "bytes above ASCII", STR("\xc3\xbc"), "=c3=bc" },
};

static const struct {
	const char *name;
	struct str path;
	const char *want; /* NULL: refused */
} normal[] = {
	{ "a plain path stays", STR("/a/b"), "/a/b" },
	{ "a relative one stays relative", STR("a/b"), "a/b" },
	{ "slashes are squeezed", STR("//a///b//"), "/a/b" },
	{ "dots that mean nothing go", STR("/./a/./b/."), "/a/b" },
	{ "the root stays", STR("/"), "/" },
	{ "nothing is nothing", STR(""), "" },
	{ "climbing is refused", STR("/a/../b"), NULL },
	{ "climbing at the end is refused", STR("a/.."), NULL },
	{ "three dots are a name", STR("/a/..."), "/a/..." },
	{ "NUL is refused", STR("/a\0/b"), NULL },
	{ "a path over the room is refused", STR("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), NULL },
};
/* clang-format on */

static char root[] = "/tmp/postern-path-XXXXXX";

static void
test_L02_values_become_names(void **state)
{
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(values); i++) {
		buf_init(&out, MAILBOX_NAME_MAX);
		assert_true(path_append_value(&out, values[i].value));
		if (!str_equal(buf_str(&out), str_of(values[i].want)))
			row_fail(values[i].name, "got %.*s, want %s", STR_ARG(buf_str(&out)), values[i].want);
		buf_clear(&out);
	}
}

/* Any bytes at all: the result is one component of the small alphabet, neither hidden nor special. */
static void
test_L02_property_of_random_values(void **state)
{
	char value[64];
	struct buf out;
	size_t round, i;

	(void)state;
	for (round = 0; round < 20000; round++) {
		size_t len = round % sizeof(value);
		arc4random_buf(value, len);
		buf_init(&out, MAILBOX_NAME_MAX);
		assert_true(path_append_value(&out, (struct str){ value, len }));
		assert_true(out.len > 0 && buf_str(&out).ptr[0] != '.');
		for (i = 0; i < out.len; i++)
			assert_non_null(strchr("abcdefghijklmnopqrstuvwxyz0123456789._+=-@", buf_str(&out).ptr[i]));
		buf_clear(&out);
	}
}

static void
test_a_value_that_does_not_fit_changes_nothing(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4);
	assert_true(buf_append_text(&out, "ab"));
	assert_false(path_append_value(&out, S("/")));
	assert_true(str_equal(buf_str(&out), S("ab")));
	buf_clear(&out);
}

static void
test_L02_paths_are_normalised(void **state)
{
	char dst[32], long_name[MAILBOX_NAME_MAX + 2], big[1024];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(normal); i++) {
		bool ok = path_normalize(normal[i].path, dst, sizeof(dst));
		if (ok != (normal[i].want != NULL) || (ok && strcmp(dst, normal[i].want) != 0))
			row_fail(normal[i].name, "got %s", ok ? dst : "refused");
	}
	memset(long_name, 'a', sizeof(long_name));
	assert_true(path_normalize((struct str){ long_name, MAILBOX_NAME_MAX }, big, sizeof(big)));
	assert_false(path_normalize((struct str){ long_name, MAILBOX_NAME_MAX + 1 }, big, sizeof(big)));
}

static void
test_a_path_is_below_its_root_or_not(void **state)
{
	(void)state;
	assert_string_equal(path_below("/home/joe", "/home/joe/Maildir"), "Maildir");
	assert_string_equal(path_below("/home/joe", "/home/joe"), "");
	assert_string_equal(path_below("/", "/a"), "a");
	assert_null(path_below("/home/joe", "/home/joey/Maildir"));
	assert_null(path_below("/home/joe", "/home"));
}

/* --- opening --- */

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int
teardown(void **state)
{
	(void)state;
	path_without_openat2(false);
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* root/{dir/file, link -> /etc, dir/up -> .., file} */
static int
setup(void **state)
{
	int fd;

	(void)state;
	if (mkdtemp(root) == NULL)
		return -1;
	fd = open(root, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(fd, "dir", 0700), 0);
	assert_int_equal(symlinkat("/etc", fd, "link"), 0);
	assert_int_equal(symlinkat("..", fd, "dir/up"), 0);
	assert_int_equal(close(openat(fd, "dir/file", O_CREAT | O_WRONLY, 0600)), 0);
	return close(fd);
}

static const struct {
	const char *name;
	const char *path;
	int flags;
	int want; /* errno, 0: opened */
} opens[] = {
	{ "a file below", "dir/file", O_RDONLY, 0 },
	{ "a directory below", "dir", O_RDONLY | O_DIRECTORY, 0 },
	{ "what is not there", "dir/none", O_RDONLY, ENOENT },
	{ "what is below what is not there", "none/none", O_RDONLY, ENOENT },
	{ "a link at the end", "link", O_RDONLY, ELOOP },
	{ "a link on the way (L03)", "link/passwd", O_RDONLY, ELOOP },
	{ "a link that climbs", "dir/up/dir/file", O_RDONLY, ELOOP },
	{ "a new file", "dir/new", O_WRONLY | O_CREAT | O_EXCL, 0 },
	{ "a new file through a link", "link/postern-test", O_WRONLY | O_CREAT | O_EXCL, ELOOP },
};

static void
open_all(int fd, bool without)
{
	size_t i;

	path_without_openat2(without);
	for (i = 0; i < COUNT(opens); i++) {
		int got = path_open(fd, opens[i].path, opens[i].flags, 0600);
		int error = got == -1 ? errno : 0;
		bool link = error == ENOTDIR && opens[i].want == ELOOP && without; /* openat(2) says it so */
		if (error != opens[i].want && !link)
			row_fail(opens[i].name, "got errno %d, want %d", error, opens[i].want);
		if (got != -1)
			(void)close(got);
	}
	(void)unlinkat(fd, "dir/new", 0);
}

static void
test_L02_L03_nothing_is_opened_through_a_link(void **state)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY);

	(void)state;
	open_all(fd, false);
	open_all(fd, true);
	path_without_openat2(false);
	if (path_open(fd, "../etc", O_RDONLY, 0) != -1)
		fail_msg("opened what is above the root");
	(void)close(fd);
}

static void
test_directories_are_made_on_the_way(void **state)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY), made;
	struct outcome o;
	struct stat st;

	(void)state;
	made = path_open_directory(fd, "a/b/c", true, &o);
	assert_int_not_equal(made, -1);
	assert_int_equal(fstat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	(void)close(made);
	assert_int_equal(path_open_directory(fd, "x/y", false, &o), -1);
	assert_int_equal(path_open_directory(fd, "dir/file", true, &o), -1);
	assert_int_equal(path_open_directory(fd, "link/x", true, &o), -1);
	assert_string_equal(o.enhanced, "4.3.0");
	assert_int_not_equal(made = path_open_directory(fd, "", false, &o), -1);
	(void)close(made);
	(void)close(fd);
}

static void
test_the_existing_part_of_a_path(void **state)
{
	char path[256], dst[MAILBOX_PATH_MAX + 1];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/none/x", root);
	path_existing(path, dst, sizeof(dst));
	assert_string_equal(dst, root);
	path_existing("/none-of-this/x", dst, sizeof(dst));
	assert_string_equal(dst, "/");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_L02_values_become_names),
		cmocka_unit_test(test_L02_property_of_random_values),
		cmocka_unit_test(test_a_value_that_does_not_fit_changes_nothing),
		cmocka_unit_test(test_L02_paths_are_normalised),
		cmocka_unit_test(test_a_path_is_below_its_root_or_not),
		cmocka_unit_test(test_L02_L03_nothing_is_opened_through_a_link),
		cmocka_unit_test(test_directories_are_made_on_the_way),
		cmocka_unit_test(test_the_existing_part_of_a_path),
	};

	return cmocka_run_group_tests_name("path", tests, setup, teardown);
}
