/* SPDX-License-Identifier: ISC */
/*
 * Promised: a message is at the end of the mbox, whole and quoted, or the mbox is as it was; what was there before is never
 * touched; writers take turns; nothing but the user's own plain file is written to. SECURITY rows L03, L06, F04, F05.
 */
#include "mailbox/mbox.h"

#include <sys/resource.h>

#include <time.h>

#include "tests/unit/mailbox/sandpit.h"

#define FIRST "From a@b.example Thu Jan  1 00:00:00 1970\nSubject: old\n\nold text\n\n"
#define STEPS 30 /* more calls than a delivery makes */
#define NOW   1700000000

static const char from_line[] = "From ann@s.example Tue Nov 14 22:13:20 2023\n";

static bool
deliver_text(const char *path, struct str text, size_t piece, struct outcome *o)
{
	struct mbox_owner owner = { geteuid(), (gid_t)-1 };
	struct mbox m;
	size_t at;
	bool ok;

	if (mbox_begin(&m, sandpit, path, owner, time(NULL), o) != MBOX_OPEN)
		return false;
	ok = mbox_write_from(&m, S("ann@s.example"), NOW, o);
	for (at = 0; at < text.len && ok; at += piece)
		ok = mbox_write(&m, text.ptr + at, text.len - at < piece ? text.len - at : piece, o);
	if (ok)
		return mbox_commit(&m, o);
	mbox_abort(&m);
	return false;
}

static bool
deliver(struct outcome *o)
{
	return deliver_text("joe", S("Subject: new\n\nnew text\n"), SIZE_MAX / 2, o);
}

static void
expect(const char *row, const char *before, const char *body)
{
	char text[4096], want[4096];

	(void)sandpit_read("joe", text, sizeof(text));
	(void)snprintf(want, sizeof(want), "%s%s", before, body);
	if (strcmp(text, want) != 0)
		row_fail(row, "got:\n%s\nwant:\n%s", text, want);
}

/* clang-format off */
static const struct {
	const char *name;
	struct str text;
	const char *want; /* behind the From line */
} bodies[] = {
	{ "a plain message", STR("a: b\n\nc\n"), "a: b\n\nc\n\n" },
	{ "an end of line that is missing is added", STR("a: b\n\nc"), "a: b\n\nc\n\n" },
	{ "an empty message", STR(""), "\n" },
	{ "a line From is quoted", STR("\nFrom me\n"), "\n>From me\n\n" },
	{ "a first line From is quoted", STR("From me\n"), ">From me\n\n" },
	{ "a quoted one gets one more", STR("\n>From me\n>>From\n>> From x\n>>>From \n"), "\n>>From me\n>>From\n>> From x\n>>>>From \n\n" },
	{ "From inside a line stays", STR("x From me\n From me\n"), "x From me\n From me\n\n" },
	{ "From: is no From", STR("From: me\nFro\nFroFrom me\n"), "From: me\nFro\nFroFrom me\n\n" },
	{ "small letters stay", STR("from me\n"), "from me\n\n" },
	{ "the end within the word", STR("\nFro"), "\nFro\n\n" },
	{ "the end at the word", STR("\n>From "), "\n>>From \n\n" },
	{ "NUL and 8 bits pass", STR("\xc3\xbc\n"), "\xc3\xbc\n\n" },
};
/* clang-format on */

static void
test_L06_lines_are_quoted_wherever_they_are_cut(void **state)
{
	char want[512];
	struct outcome o;
	size_t i, piece;

	(void)state;
	for (i = 0; i < COUNT(bodies); i++) {
		for (piece = 1; piece < 12; piece++) {
			(void)unlinkat(sandpit, "joe", 0);
			assert_true(deliver_text("joe", bodies[i].text, piece, &o));
			(void)snprintf(want, sizeof(want), "%s%s", from_line, bodies[i].want);
			expect(bodies[i].name, "", want);
		}
	}
}

static void
test_an_mbox_is_made_for_its_owner_alone(void **state)
{
	struct outcome o;
	struct stat st;

	(void)state;
	assert_true(deliver(&o));
	assert_int_equal(fstatat(sandpit, "joe", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(sandpit_count("."), 1);
	assert_true(deliver(&o));
	assert_int_equal(sandpit_count("."), 1);
}

static void
test_a_message_cut_short_is_kept_apart(void **state)
{
	static const struct {
		const char *name, *before, *between;
	} rows[] = {
		{ "a whole one before", "x\n\n", "" },
		{ "no blank line before", "x\n", "\n" },
		{ "half a line before", "x", "\n\n" },
		{ "an empty line before", "\n", "" },
	};
	char want[512];
	struct outcome o;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		sandpit_write("joe", rows[i].before, 0600);
		assert_true(deliver_text("joe", S("a: b\n\nc\n"), 99, &o));
		(void)snprintf(want, sizeof(want), "%s%sa: b\n\nc\n\n", rows[i].between, from_line);
		expect(rows[i].name, rows[i].before, want);
	}
}

static void
test_a_bounce_and_strange_senders_have_one_word(void **state)
{
	struct mbox_owner owner = { geteuid(), (gid_t)-1 };
	struct outcome o;
	char text[512];
	struct mbox m;

	(void)state;
	assert_int_equal(mbox_begin(&m, sandpit, "joe", owner, NOW, &o), MBOX_OPEN);
	assert_true(mbox_write_from(&m, S(""), NOW, &o));
	assert_true(mbox_write_from(&m, S("\"a b\nFrom c\"@d"), NOW, &o));
	assert_true(mbox_commit(&m, &o));
	(void)sandpit_read("joe", text, sizeof(text));
	assert_string_equal(text,
	    "From MAILER-DAEMON Tue Nov 14 22:13:20 2023\n"
	    "From \"a-b-From-c\"@d Tue Nov 14 22:13:20 2023\n\n");
}

static void
test_F04_each_call_that_fails_restores_the_old_length(void **state)
{
	static const int errors[] = { ENOSPC, EDQUOT, EIO };
	struct outcome o;
	size_t i;
	int step, failed = 0;

	(void)state;
	for (i = 0; i < COUNT(errors); i++) {
		for (step = 1; step < STEPS; step++) {
			bool ok;
			sandpit_write("joe", FIRST, 0600);
			fault_set(step, errors[i]);
			ok = deliver(&o);
			fault_set(0, 0);
			if (!ok)
				expect("a failed delivery", FIRST, "");
			if (!ok && (o.result != PROTO_RESULT_DEFERRED || sandpit_count(".") != 1))
				fail_msg("errno %d at step %d: %s", errors[i], step, o.text);
			failed += !ok;
		}
	}
	assert_true(failed >= 6);
}

static void
deliver_in_child(void)
{
	struct outcome o;

	_exit(deliver(&o) ? 0 : 1);
}

static void
test_L06_killed_at_each_step_the_old_messages_stay_and_the_next_is_whole(void **state)
{
	int step, killed = 0;

	(void)state;
	for (step = 1; step < STEPS; step++) {
		char text[1024];
		const char *again;
		sandpit_write("joe", FIRST, 0600);
		fault_set(step, 0);
		killed += !sandpit_fork(deliver_in_child);
		fault_set(0, 0);
		(void)sandpit_read("joe", text, sizeof(text));
		if (strncmp(text, FIRST, strlen(FIRST)) != 0)
			fail_msg("killed at step %d: %s", step, text);
		/* Killed between the name of the lock file and its content, only age tells that it is left over. */
		if (faccessat(sandpit, "joe.lock", F_OK, 0) == 0 && sandpit_read("joe.lock", text, sizeof(text)) == 0)
			(void)unlinkat(sandpit, "joe.lock", 0);
		if (!sandpit_fork(deliver_in_child))
			fail_msg("no delivery after a kill at step %d", step);
		(void)sandpit_read("joe", text, sizeof(text));
		again = strstr(text + strlen(FIRST) - 1, "\nFrom ann@s.example");
		assert_non_null(again);
		assert_non_null(strstr(again, "Subject: new\n\nnew text\n\n"));
	}
	assert_true(killed >= 3 && killed < STEPS - 2);
}

static void
deliver_over_limit(void)
{
	static char big[256 * 1024];
	struct rlimit small = { 100 * 1024, 100 * 1024 };
	struct outcome o;
	bool ok;

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)setrlimit(RLIMIT_FSIZE, &small);
	memset(big, 'x', sizeof(big));
	ok = deliver_text("joe", (struct str){ big, sizeof(big) }, 50000, &o);
	_exit(!ok && strcmp(o.enhanced, "4.2.2") == 0 ? 0 : 1);
}

static void
test_L06_F05_a_short_write_is_taken_back(void **state)
{
	(void)state;
	sandpit_write("joe", FIRST, 0600);
	assert_true(sandpit_fork(deliver_over_limit));
	expect("a file-size limit half-way", FIRST, "");
	assert_int_equal(sandpit_count("."), 1);
}

static void
test_L03_only_the_users_own_plain_file_is_written_to(void **state)
{
	struct outcome o;

	(void)state;
	sandpit_write("other", FIRST, 0600);
	assert_int_equal(symlinkat("other", sandpit, "joe"), 0);
	assert_false(deliver(&o));
	assert_non_null(strstr(o.text, "symbolic link"));
	(void)unlinkat(sandpit, "joe", 0);

	assert_int_equal(linkat(sandpit, "other", sandpit, "joe", 0), 0);
	assert_false(deliver(&o));
	assert_non_null(strstr(o.text, "2 names"));
	(void)unlinkat(sandpit, "joe", 0);

	assert_int_equal(mkfifoat(sandpit, "joe", 0600), 0);
	assert_false(deliver(&o));
	assert_non_null(strstr(o.text, "not a regular file"));
	(void)unlinkat(sandpit, "joe", 0);

	assert_int_equal(mkdirat(sandpit, "joe", 0700), 0);
	assert_false(deliver(&o));
	(void)unlinkat(sandpit, "joe", AT_REMOVEDIR);

	sandpit_write("joe", FIRST, 0602);
	assert_false(deliver(&o));
	assert_non_null(strstr(o.text, "everybody may write"));
	sandpit_write("joe", FIRST, 0620);
	assert_false(deliver(&o));
	assert_non_null(strstr(o.text, "a group other than mail"));
	expect("a refused mbox", FIRST, "");
	if (geteuid() == 0) {
		sandpit_write("joe", FIRST, 0600);
		assert_int_equal(fchownat(sandpit, "joe", 4711, (gid_t)-1, 0), 0);
		assert_false(deliver(&o));
		assert_non_null(strstr(o.text, "another user"));
	}
	assert_int_equal(o.result, PROTO_RESULT_DEFERRED);
}

static void
test_the_group_mail_may_have_write_access(void **state)
{
	struct mbox_owner owner = { geteuid(), getegid() };
	struct outcome o;
	struct mbox m;

	(void)state;
	sandpit_write("joe", FIRST, 0660);
	assert_int_equal(mbox_begin(&m, sandpit, "joe", owner, NOW, &o), MBOX_OPEN);
	mbox_abort(&m);
	expect("an aborted delivery", FIRST, "");
}

static void
test_a_lock_file_is_respected_until_it_is_old(void **state)
{
	struct timespec old[2] = { { time(NULL) - MBOX_LOCK_STALE_S - 10, 0 },
		{ time(NULL) - MBOX_LOCK_STALE_S - 10, 0 } };
	struct mbox_owner owner = { geteuid(), (gid_t)-1 };
	struct outcome o;
	struct mbox m;

	(void)state;
	sandpit_write("joe.lock", "4711", 0600);
	assert_int_equal(mbox_begin(&m, sandpit, "joe", owner, time(NULL), &o), MBOX_BUSY);
	assert_string_equal(o.enhanced, "4.2.0");
	assert_int_equal(utimensat(sandpit, "joe.lock", old, 0), 0);
	assert_true(deliver(&o));
	assert_int_equal(sandpit_count("."), 1);
}

static void
hold_lock(void)
{
	int fd = openat(sandpit, "joe", O_RDWR | O_CREAT, 0600);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	(void)fcntl(fd, F_SETLK, &lock);
	sandpit_write("held", "", 0600);
	(void)pause();
}

static void
test_the_lock_of_another_process_is_respected(void **state)
{
	struct mbox_owner owner = { geteuid(), (gid_t)-1 };
	struct outcome o;
	struct mbox m;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0)
		hold_lock();
	while (faccessat(sandpit, "held", F_OK, 0) == -1)
		(void)usleep(1000);
	assert_int_equal(mbox_begin(&m, sandpit, "joe", owner, NOW, &o), MBOX_BUSY);
	assert_int_equal(faccessat(sandpit, "joe.lock", F_OK, 0), -1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(deliver(&o));
}

static void
deliver_many(void)
{
	struct outcome o;
	int i = 0;

	while (i < 50)
		i += deliver(&o);
}

static void
test_L06_four_writers_at_once_lose_nothing(void **state)
{
	enum { WRITERS = 4 };
	static char text[1 << 16];
	const char *at = text;
	pid_t pids[WRITERS];
	int count = 0, i;

	(void)state;
	for (i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			deliver_many();
			_exit(0);
		}
	}
	for (i = 0; i < WRITERS; i++)
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	(void)sandpit_read("joe", text, sizeof(text));
	while (*at != '\0') {
		size_t len = strlen(from_line);
		assert_memory_equal(at, from_line, len);
		assert_memory_equal(at + len, "Subject: new\n\nnew text\n\n", 24);
		at += len + 24;
		count++;
	}
	assert_int_equal(count, 50 * WRITERS);
}

#define IN_SANDPIT(test) cmocka_unit_test_setup_teardown(test, sandpit_setup, sandpit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SANDPIT(test_L06_lines_are_quoted_wherever_they_are_cut),
		IN_SANDPIT(test_an_mbox_is_made_for_its_owner_alone),
		IN_SANDPIT(test_a_message_cut_short_is_kept_apart),
		IN_SANDPIT(test_a_bounce_and_strange_senders_have_one_word),
		IN_SANDPIT(test_F04_each_call_that_fails_restores_the_old_length),
		IN_SANDPIT(test_L06_killed_at_each_step_the_old_messages_stay_and_the_next_is_whole),
		IN_SANDPIT(test_L06_F05_a_short_write_is_taken_back),
		IN_SANDPIT(test_L03_only_the_users_own_plain_file_is_written_to),
		IN_SANDPIT(test_the_group_mail_may_have_write_access),
		IN_SANDPIT(test_a_lock_file_is_respected_until_it_is_old),
		IN_SANDPIT(test_the_lock_of_another_process_is_respected),
		IN_SANDPIT(test_L06_four_writers_at_once_lose_nothing),
	};

	mbox_init("test");
	return cmocka_run_group_tests_name("mbox", tests, NULL, NULL);
}
