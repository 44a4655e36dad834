/* SPDX-License-Identifier: ISC */
/*
 * Promise: when a sync fails, whoever waited for it hears 451, nothing is tried again as if it were good, and the process
 * ends, to be started anew from what is on disk (SECURITY F03).
 */
#include "tests/unit/unit.h"

#include <sys/wait.h>

#include <errno.h>
#include <sysexits.h>

#include "tests/unit/queue/world.h"

static bool disk_fails;

/* Takes the place of libc's for liblmdb, too. */
int
fdatasync(int fd)
{
	if (disk_fails) {
		errno = EIO;
		return -1;
	}
	return fsync(fd);
}

/* A queue whose disk fails at the second message, in a process of its own; what smtpd hears is left in its socket. */
static void
run_queue(int pipe_out)
{
	struct end *smtpd = join_smtpd(0);
	uint64_t good = send_message(smtpd, "out/far.example", 1), bad;

	(void)hear(smtpd, PROTO_DONE_TYPE, good);
	settle_down();
	disk_fails = true;
	bad = send_message(smtpd, "out/far.example", 1);
	while (!has_heard(smtpd, PROTO_REFUSED_TYPE, bad) && !has_heard(smtpd, PROTO_DONE_TYPE, bad))
		loop_turn();
	(void)!write(pipe_out, has_heard(smtpd, PROTO_REFUSED_TYPE, bad) ? "451" : "250", 3);
	for (;;)
		loop_turn();
}

static void
test_a_failed_sync_is_told_and_ends_the_process(void **state)
{
	char heard[4] = "";
	int pipe_fds[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		loop_init();
		world_start();
		run_queue(pipe_fds[1]);
	}
	(void)close(pipe_fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EX_IOERR);
	/* The end may come in the same moment as the word: what was heard was no lie. */
	if (read(pipe_fds[0], heard, 3) > 0)
		assert_string_equal(heard, "451");
	(void)close(pipe_fds[0]);
	loop_init();
	world_start();
	assert_int_equal(messages_stored(), 1);
	expect_consistent();
	world_stop();
}

static int
setup(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	(void)snprintf(world.dir, sizeof(world.dir), "/tmp/postern-test-queue-XXXXXX");
	assert_non_null(mkdtemp(world.dir));
	configure();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	remove_spool();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_failed_sync_is_told_and_ends_the_process, setup, teardown),
	};

	log_init("test", open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_TEXT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
