/* SPDX-License-Identifier: ISC */
/* Promised: users of this machine are found with their numbers, groups and home; others are not there, which is no trouble. */
#include "router/passwd.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static void
test_everybody_is_found(void **state)
{
	struct passwd *entry;
	struct passwd_user got;
	unsigned count = 0;

	(void)state;
	setpwent();
	while ((entry = getpwent()) != NULL && count++ < 50) {
		passwd_find(str_of(entry->pw_name), &got);
		assert_int_equal(got.status, PROTO_ANSWER_FOUND);
		assert_int_equal(got.uid, entry->pw_uid);
		assert_int_equal(got.gid, entry->pw_gid);
		assert_string_equal(got.home, entry->pw_dir);
		assert_true(got.groups_count > 0);
		assert_int_equal(got.groups[0], entry->pw_gid);
	}
	endpwent();
	assert_true(count > 0);
}

static void
test_nobody_else_is(void **state)
{
	static const char *const names[] = { "no-such-user-here", "", "root ", "roo" };
	static char long_name[400];
	struct passwd_user got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		passwd_find(str_of(names[i]), &got);
		if (got.status != PROTO_ANSWER_NONE)
			row_fail(names[i], "got %d", (int)got.status);
	}
	memset(long_name, 'a', sizeof(long_name) - 1);
	passwd_find(str_of(long_name), &got);
	assert_int_equal(got.status, PROTO_ANSWER_NONE);
	passwd_find((struct str){ "root\0x", 6 }, &got);
	assert_int_equal(got.status, PROTO_ANSWER_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everybody_is_found),
		cmocka_unit_test(test_nobody_else_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
