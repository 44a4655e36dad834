/* SPDX-License-Identifier: ISC */
/*
 * Promised: new holds whole messages only, whatever fails and whenever the process is killed; a failure leaves nothing
 * behind; names never meet. SECURITY rows L03, L07, F04, F05.
 */
#include "mailbox/maildir.h"

#include <sys/resource.h>

#include "tests/unit/mailbox/sandpit.h"

#define BODY  "Subject: hello\n\nworld\n"
#define STEPS 40 /* more calls than a delivery makes */

static bool
deliver(const char *folder, struct outcome *o)
{
	struct maildir m;

	if (!maildir_begin(&m, sandpit, "joe/Maildir", folder, geteuid(), o))
		return false;
	if (!maildir_write(&m, BODY, sizeof(BODY) - 1, o)) {
		maildir_abort(&m);
		return false;
	}
	return maildir_commit(&m, o);
}

/* Every file of new is the whole message. Returns how many there are. */
static int
check_new(void)
{
	int fd = openat(sandpit, "joe/Maildir/new", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
	DIR *directory = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char path[512], text[256];

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "joe/Maildir/new/%s", entry->d_name);
		(void)sandpit_read(path, text, sizeof(text));
		assert_string_equal(text, BODY);
		count++;
	}
	if (directory != NULL)
		(void)closedir(directory);
	return count;
}

static void
test_a_maildir_is_made_and_filled(void **state)
{
	struct outcome o;
	struct stat st;

	(void)state;
	assert_true(deliver("", &o));
	assert_int_equal(o.result, PROTO_RESULT_DELIVERED);
	assert_int_equal(check_new(), 1);
	assert_int_equal(sandpit_count("joe/Maildir/tmp"), 0);
	assert_int_equal(sandpit_count("joe/Maildir/cur"), 0);
	assert_int_equal(fstatat(sandpit, "joe/Maildir", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(deliver("", &o));
	assert_int_equal(check_new(), 2);
}

static void
test_a_folder_takes_its_sub_address(void **state)
{
	struct outcome o;

	(void)state;
	assert_true(deliver(".lists", &o));
	assert_int_equal(check_new(), 1);
	assert_int_equal(mkdirat(sandpit, "joe/Maildir/.lists", 0700), 0);
	assert_true(deliver(".lists", &o));
	assert_int_equal(check_new(), 1);
	assert_int_equal(sandpit_count("joe/Maildir/.lists/new"), 1);
}

static void
test_F04_each_call_that_fails_leaves_nothing(void **state)
{
	static const int errors[] = { ENOSPC, EDQUOT, EIO };
	struct outcome o;
	size_t i;
	int step, failed = 0;

	(void)state;
	for (i = 0; i < COUNT(errors); i++) {
		for (step = 1; step < STEPS; step++) {
			int before = check_new(), after;
			bool ok;
			fault_set(step, errors[i]);
			ok = deliver("", &o);
			fault_set(0, 0);
			after = check_new();
			if (after != before + ok || sandpit_count("joe/Maildir/tmp") > 0)
				fail_msg("errno %d at step %d: %d messages, then %d", errors[i], step, before, after);
			if (!ok && o.result != PROTO_RESULT_DEFERRED)
				fail_msg("errno %d at step %d: result %d", errors[i], step, (int)o.result);
			failed += !ok;
		}
	}
	assert_true(failed >= 10);
}

static void
deliver_in_child(void)
{
	struct outcome o;

	(void)deliver("", &o);
}

static void
test_L07_killed_at_each_step_new_has_whole_messages_only(void **state)
{
	int step, killed = 0;

	(void)state;
	for (step = 1; step < STEPS; step++) {
		fault_set(step, 0);
		killed += !sandpit_fork(deliver_in_child);
		fault_set(0, 0);
		(void)check_new();
	}
	assert_true(killed >= 5 && killed < STEPS - 2);
	assert_true(sandpit_fork(deliver_in_child));
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, MAILBOX_NAME_MAX + 1);
}

/* Four processes at once, so that the same clock is read by several. */
static void
test_L07_ten_thousand_names_in_four_processes_differ(void **state)
{
	enum { PROCESSES = 4, EACH = 2500 };
	static char names[PROCESSES * EACH][MAILBOX_NAME_MAX + 1];
	size_t i, have = 0;
	int ends[2];

	(void)state;
	for (i = 0; i < PROCESSES; i++) {
		pid_t pid;
		size_t n;
		assert_int_equal(pipe(ends), 0);
		pid = fork();
		if (pid == 0) {
			char name[MAILBOX_NAME_MAX + 1];
			for (n = 0; n < EACH; n++) {
				memset(name, 0, sizeof(name));
				maildir_name(1700000000, 7, (unsigned)n, 42, name);
				(void)!write(ends[1], name, sizeof(name));
			}
			_exit(0);
		}
		(void)close(ends[1]);
		while (have < (i + 1) * EACH * sizeof(names[0])) {
			ssize_t got = read(ends[0], (char *)names + have, (i + 1) * EACH * sizeof(names[0]) - have);
			assert_true(got > 0);
			have += (size_t)got;
		}
		(void)close(ends[0]);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	qsort(names, COUNT(names), sizeof(names[0]), compare);
	for (i = 1; i < COUNT(names); i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			fail_msg("twice: %s", names[i]);
}

static void
test_L07_names_are_safe_whatever_the_host_is_called(void **state)
{
	char name[MAILBOX_NAME_MAX + 1], host[300];

	(void)state;
	maildir_init("ho/st:a\nb\\c");
	maildir_name(1, 2, 3, 4, name);
	assert_non_null(strstr(name, ".ho\\057st\\072a\\012b\\134c"));
	assert_null(strpbrk(name, "/:\n"));
	memset(host, '/', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	maildir_init(host);
	maildir_name(INT64_MAX, 999999, UINT32_MAX, UINT64_MAX, name);
	assert_true(strlen(name) < MAILBOX_NAME_MAX);
	maildir_init("localhost");
}

static void
make_maildir(void)
{
	static const char *const names[] = { "joe", "joe/Maildir", "joe/Maildir/tmp", "joe/Maildir/new",
		"joe/Maildir/cur" };
	size_t i;

	for (i = 0; i < COUNT(names); i++)
		assert_int_equal(mkdirat(sandpit, names[i], 0700), 0);
}

static void
test_L03_what_is_no_directory_of_the_user_is_refused(void **state)
{
	static const char *const names[] = { "joe/Maildir/tmp", "joe/Maildir/new", "joe/Maildir/cur" };
	struct outcome o;
	size_t i;

	(void)state;
	make_maildir();
	assert_int_equal(mkdirat(sandpit, "elsewhere", 0700), 0);
	for (i = 0; i < COUNT(names); i++) {
		assert_int_equal(unlinkat(sandpit, names[i], AT_REMOVEDIR), 0);
		assert_int_equal(symlinkat("../../elsewhere", sandpit, names[i]), 0);
		assert_false(deliver("", &o));
		assert_int_equal(o.result, PROTO_RESULT_DEFERRED);
		assert_int_equal(unlinkat(sandpit, names[i], 0), 0);
		sandpit_write(names[i], "", 0600);
		assert_false(deliver("", &o));
		assert_int_equal(unlinkat(sandpit, names[i], 0), 0);
		assert_int_equal(mkfifoat(sandpit, names[i], 0600), 0);
		assert_false(deliver("", &o));
		assert_int_equal(unlinkat(sandpit, names[i], 0), 0);
		assert_int_equal(mkdirat(sandpit, names[i], 0700), 0);
		assert_int_equal(fchmodat(sandpit, names[i], 0777, 0), 0);
		assert_false(deliver("", &o));
		assert_non_null(strstr(o.text, "everybody may write"));
		assert_int_equal(fchmodat(sandpit, names[i], 0700, 0), 0);
		if (geteuid() == 0) {
			assert_int_equal(fchownat(sandpit, names[i], 4711, 0, 0), 0);
			assert_false(deliver("", &o));
			assert_non_null(strstr(o.text, "another user"));
			assert_int_equal(fchownat(sandpit, names[i], 0, 0, 0), 0);
		}
	}
	assert_true(deliver("", &o));
	assert_int_equal(sandpit_count("elsewhere"), 0);
}

/* Another process swaps new for a link and back while mail is delivered: nothing may ever go through the link. */
static void
swap_for_ever(void)
{
	for (;;) {
		(void)renameat(sandpit, "joe/Maildir/new", sandpit, "joe/Maildir/aside");
		(void)!symlinkat("../../elsewhere", sandpit, "joe/Maildir/new");
		(void)syscall(SYS_unlinkat, sandpit, "joe/Maildir/new", 0);
		(void)renameat(sandpit, "joe/Maildir/aside", sandpit, "joe/Maildir/new");
	}
}

static void
test_L03_a_swap_between_check_and_use_wins_nothing(void **state)
{
	struct outcome o;
	int i, delivered = 0;
	pid_t pid;

	(void)state;
	make_maildir();
	assert_int_equal(mkdirat(sandpit, "elsewhere", 0700), 0);
	pid = fork();
	if (pid == 0)
		swap_for_ever();
	for (i = 0; i < 2000; i++)
		delivered += deliver("", &o);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(sandpit_count("elsewhere"), 0);
	assert_true(delivered > 0);
}

/* A file-size limit stands for a full disk: the write is short, then fails. */
static void
deliver_big(void)
{
	static char big[256 * 1024];
	struct rlimit small = { 100 * 1024, 100 * 1024 };
	struct maildir m;
	struct outcome o;
	bool ok;

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)setrlimit(RLIMIT_FSIZE, &small);
	ok = maildir_begin(&m, sandpit, "joe/Maildir", "", geteuid(), &o) && !maildir_write(&m, big, sizeof(big), &o);
	maildir_abort(&m);
	_exit(ok && strcmp(o.enhanced, "4.2.2") == 0 ? 0 : 1);
}

static void
test_F05_a_short_write_leaves_nothing(void **state)
{
	(void)state;
	assert_true(sandpit_fork(deliver_big));
	assert_int_equal(sandpit_count("joe/Maildir/tmp"), 0);
	assert_int_equal(sandpit_count("joe/Maildir/new"), 0);
}

#define IN_SANDPIT(test) cmocka_unit_test_setup_teardown(test, sandpit_setup, sandpit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SANDPIT(test_a_maildir_is_made_and_filled),
		IN_SANDPIT(test_a_folder_takes_its_sub_address),
		IN_SANDPIT(test_F04_each_call_that_fails_leaves_nothing),
		IN_SANDPIT(test_L07_killed_at_each_step_new_has_whole_messages_only),
		cmocka_unit_test(test_L07_ten_thousand_names_in_four_processes_differ),
		cmocka_unit_test(test_L07_names_are_safe_whatever_the_host_is_called),
		IN_SANDPIT(test_L03_what_is_no_directory_of_the_user_is_refused),
		IN_SANDPIT(test_L03_a_swap_between_check_and_use_wins_nothing),
		IN_SANDPIT(test_F05_a_short_write_leaves_nothing),
	};

	return cmocka_run_group_tests_name("maildir", tests, NULL, NULL);
}
