/* SPDX-License-Identifier: ISC */
/*
 * Promise: what was said to be on disk is there after kill -9 and after the power went, what was not is there whole
 * or not at all, and in between nothing stands: the store is always as after some step, and not before the last that
 * was acknowledged.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/committer.h"
#include "tests/unit/queue/spool.h"

enum {
	KEPT = 40,      /* mails that are in the queue at a time */
	IN_FLIGHT = 64, /* steps handed over and not done */
	KILLS = 12,
	CUTS = 2,
	ACKS_MAX = 400,
	IMAGE_BYTES = 96 * 1024 * 1024
};

static struct mail
mail_of(uint64_t id)
{
	return (
	    struct mail){ id, id * 977 % 30000, (uint32_t)(1 + id % 3), id % 2 ? "outbound/a.example" : "b.example" };
}

/* --- the writer, a process of its own: step n accepts mail n and delivers mail n - KEPT --- */

struct write_step {
	struct step step;
	uint64_t id;
};

static struct committer *committer;
static uint64_t next_id;
static int acks_fd;

static void
run_write(struct store_txn *txn, struct step *step)
{
	const struct write_step *w = (const struct write_step *)step;
	const struct record_history history = { .to = S("someone@destination.example") };
	struct mail mail = mail_of(w->id);

	put_mail(txn, &mail);
	store_put_history(txn, 1000000 + w->id, w->id, 0, EVENT_ACCEPTED, &history);
	store_put_meta(txn, STORE_META_ACCEPTED, w->id);
	if (w->id <= KEPT)
		return;
	mail = mail_of(w->id - KEPT);
	delete_mail(txn, &mail);
}

static void add_next(struct write_step *w);

static void
done_write(struct step *step, enum store_failure failure)
{
	struct write_step *w = (struct write_step *)step;

	if (failure != STORE_OK || write(acks_fd, &w->id, sizeof(w->id)) != sizeof(w->id))
		_exit(0);
	add_next(w);
}

static void
add_next(struct write_step *w)
{
	*w = (struct write_step){ .step = { .kind = STEP_URGENT, .run = run_write, .done = done_write },
		.id = next_id++ };
	committer_add(committer, &w->step);
}

static _Noreturn void
write_for_ever(struct spool *spool, int acks)
{
	static struct write_step steps[IN_FLIGHT];
	struct error err;
	struct store_txn *txn;
	size_t i;

	(void)signal(SIGPIPE, SIG_DFL);
	loop_init();
	acks_fd = acks;
	spool->store = store_open(spool->dir, &spool->options, &err);
	if (spool->store == NULL)
		_exit(2);
	txn = store_read(spool->store, NULL);
	next_id = store_get_meta(txn, STORE_META_ACCEPTED) + 1;
	store_read_end(txn);
	committer = committer_new(spool->store);
	for (i = 0; i < IN_FLIGHT; i++)
		add_next(&steps[i]);
	loop_run();
	_exit(3);
}

/* --- what is there afterwards --- */

/* The store is as after a step that is not before the last acknowledged; returns which. */
static uint64_t
expect_a_prefix(struct spool *spool, uint64_t acknowledged)
{
	struct store_txn *txn;
	struct mail mail;
	uint64_t last, id;

	spool_open(spool);
	expect_clean(spool);
	txn = reading(spool);
	last = store_get_meta(txn, STORE_META_ACCEPTED);
	if (last < acknowledged)
		fail_msg("acknowledged were %llu, there are %llu", (unsigned long long)acknowledged,
		    (unsigned long long)last);
	for (id = last > 2 * KEPT ? last - 2 * KEPT : 1; id <= last + IN_FLIGHT; id++) {
		mail = mail_of(id);
		if (has_mail(txn, &mail, NULL) != (id + KEPT > last && id <= last))
			fail_msg("after step %llu mail %llu is there, or is not", (unsigned long long)last,
			    (unsigned long long)id);
	}
	store_read_end(txn);
	store_close(spool->store);
	spool->store = NULL;
	return last;
}

/* Reads acknowledgements, which come in order, until there are `count` or the writer is gone. */
static uint64_t
read_acks(int fd, size_t count, uint64_t last)
{
	uint64_t id;

	while (count-- > 0 && read(fd, &id, sizeof(id)) == sizeof(id)) {
		if (last != 0)
			assert_int_equal(id, last + 1);
		last = id;
	}
	return last;
}

static pid_t
start_writer(struct spool *spool, int *acks)
{
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		(void)close(ends[0]);
		write_for_ever(spool, ends[1]);
	}
	(void)close(ends[1]);
	*acks = ends[0];
	return pid;
}

static void
test_kill_at_any_time(void **state)
{
	unsigned seed = (unsigned)time(NULL);
	struct spool spool;
	uint64_t last = 0;
	int round, acks, status;
	pid_t pid;

	(void)state;
	print_message("# seed %u\n", seed);
	spool_new(&spool, 0);
	store_close(spool.store);
	for (round = 0; round < KILLS; round++) {
		pid = start_writer(&spool, &acks);
		last = read_acks(acks, 1 + (size_t)rand_r(&seed) % ACKS_MAX, 0);
		assert_int_equal(kill(pid, SIGKILL), 0);
		last = read_acks(acks, SIZE_MAX, last);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		(void)close(acks);
		last = expect_a_prefix(&spool, last);
	}
	assert_true(last > KILLS);
	spool_remove(spool.dir);
}

/* --- power --- */

static bool
command(const char *const argv[])
{
	pid_t pid;
	int status;

	return posix_spawnp(&pid, argv[0], NULL, NULL, (char **)(uintptr_t)argv, environ) == 0 &&
	    waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#define COMMAND(...) command((const char *const[]){ __VA_ARGS__, NULL })

/* A disk of our own with a journal; false where that cannot be. */
static bool
make_disk(const char *image, const char *mountpoint)
{
	int fd = open(image, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
	(void)close(fd);
	assert_int_equal(mkdir(mountpoint, 0700), 0);
	return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    COMMAND("mkfs.ext4", "-q", "-F", "-J", "size=8", image) &&
	    COMMAND("mount", "-o", "loop", image, mountpoint);
}

/* From now on every write fails, and what was not synced is gone at the next mount. */
static bool
cut_power(const char *mountpoint)
{
	static const uint32_t without_log_flush = 2;
	int fd = open(mountpoint, O_RDONLY | O_DIRECTORY);
	bool ok;

	assert_int_not_equal(fd, -1);
	ok = ioctl(fd, _IOR('X', 125, uint32_t), &without_log_flush) == 0;
	(void)close(fd);
	return ok;
}

static void
cut_rounds(struct spool *spool, const char *image, const char *mountpoint)
{
	unsigned seed = (unsigned)time(NULL);
	int round, acks, status;
	uint64_t last, after;
	pid_t pid;

	print_message("# seed %u\n", seed);
	for (round = 0; round < CUTS; round++) {
		pid = start_writer(spool, &acks);
		last = read_acks(acks, ACKS_MAX + (size_t)rand_r(&seed) % ACKS_MAX, 0);
		assert_true(cut_power(mountpoint));
		last = read_acks(acks, SIZE_MAX, last);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true((WIFEXITED(status) && WEXITSTATUS(status) == 0) || WIFSIGNALED(status));
		(void)close(acks);
		assert_int_equal(umount(mountpoint), 0);
		assert_true(COMMAND("mount", "-o", "loop", image, mountpoint));
		after = expect_a_prefix(spool, last);
		print_message("# acknowledged %llu, found %llu\n", (unsigned long long)last, (unsigned long long)after);
	}
	assert_int_equal(umount(mountpoint), 0);
}

static void
test_power_cut_at_any_time(void **state)
{
	char dir[] = "/tmp/postern-test-disk-XXXXXX", image[48], mountpoint[48];
	struct spool spool = { .options = { .size_max = (uint64_t)1 << 30 } };
	bool made;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(image, sizeof(image), "%s/image", dir);
	(void)snprintf(mountpoint, sizeof(mountpoint), "%s/disk", dir);
	(void)snprintf(spool.dir, sizeof(spool.dir), "%s/spool", mountpoint);
	made = make_disk(image, mountpoint);
	if (made)
		cut_rounds(&spool, image, mountpoint);
	assert_int_equal(rmdir(mountpoint), 0);
	spool_remove(dir);
	if (!made) {
		print_message("# no loop device or file system of our own here\n");
		skip();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill_at_any_time),
		cmocka_unit_test(test_power_cut_at_any_time),
	};

	log_init("test_store_crash", STDERR_FILENO, LOG_TEXT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
