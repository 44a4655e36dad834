/* SPDX-License-Identifier: ISC */
/*
 * Promise: what was said to be on disk is there after kill -9 and after the power went, what was not is there whole
 * or not at all, and in between nothing stands: the store is always as after some step, and not before the last that
 * was acknowledged. Likewise what was kept by the journal, once.
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
#include "queue/arrival.h"
#include "queue/committer.h"
#include "queue/intake.h"
#include "queue/limits.h"
#include "tests/unit/queue/spool.h"

enum {
	KEPT = 40,      /* mails that are in the queue at a time */
	IN_FLIGHT = 64, /* steps handed over and not done */
	KILLS = 12,
	CUTS = 2,
	ACKS_MAX = 400,
	LETTERS = 10000, /* ids of a round: more than acknowledgements fit into the pipe */
	BODY_MAX = 30000,
	IMAGE_BYTES = 96 * 1024 * 1024
};

static struct mail
mail_of(uint64_t id)
{
	return (struct mail){ id, id * 977 % BODY_MAX, (uint32_t)(1 + id % 3),
		id % 2 ? "outbound/a.example" : "b.example" };
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

/* --- another writer: letters that go through the intake; acknowledged when they are kept --- */

struct letter {
	struct taking taking;
	uint64_t id;
	bool told;
	struct buf envelope;
	char body[BODY_MAX];
};

static struct intake *intake;
static uint64_t end_id;

static struct letter *
letter_of(struct step *step)
{
	return (struct letter *)(void *)step;
}

static struct arrival
arrival_of(const struct mail *mail)
{
	return (struct arrival){ .message = mail->id,
		.due_us = 2000 + mail->id,
		.to = S("someone@destination.example"),
		.record = mail_message(mail) };
}

static struct arrival_rcpt
rcpt_of(const struct mail *mail, uint32_t number)
{
	return (struct arrival_rcpt){
		.number = number, .destination = str_of(mail->destination), .record = mail_recipient(mail, 0)
	};
}

static void
run_letter(struct store_txn *txn, struct step *step)
{
	const struct letter *l = letter_of(step);
	const struct mail mail = mail_of(l->id);
	const struct arrival arrival = arrival_of(&mail);
	struct arrival_rcpt rcpt;
	uint32_t i;

	arrival_put_body(txn, l->id, 0, (struct str){ l->body, mail.size });
	arrival_put(txn, &arrival);
	for (i = 0; i < mail.recipients; i++) {
		rcpt = rcpt_of(&mail, i);
		(void)arrival_put_rcpt(txn, l->id, &rcpt);
	}
}

static size_t
compose_letter(struct taking *taking, struct str parts[INTAKE_PARTS_MAX])
{
	struct letter *l = letter_of(&taking->step);
	const struct mail mail = mail_of(l->id);
	const struct arrival arrival = arrival_of(&mail);
	struct arrival_rcpt rcpt;
	uint32_t i;

	buf_reset(&l->envelope);
	if (!arrival_encode(&arrival, &l->envelope))
		_exit(4);
	for (i = 0; i < mail.recipients; i++) {
		rcpt = rcpt_of(&mail, i);
		if (!arrival_encode_rcpt(&rcpt, &l->envelope))
			_exit(4);
	}
	parts[0] = buf_str(&l->envelope);
	parts[1] = (struct str){ l->body, mail.size };
	return 2;
}

static void
tell_letter(struct taking *taking)
{
	struct letter *l = letter_of(&taking->step);

	if (!l->told && write(acks_fd, &l->id, sizeof(l->id)) != sizeof(l->id))
		_exit(0);
	l->told = true;
}

static void take_next(struct letter *l);

static void
done_letter(struct step *step, enum store_failure failure)
{
	struct letter *l = letter_of(step);

	if (failure != STORE_OK)
		_exit(0);
	tell_letter(&l->taking);
	take_next(l);
}

static void
take_next(struct letter *l)
{
	struct mail mail;
	uint64_t at;

	if (next_id == end_id)
		return;
	l->id = next_id++;
	l->told = false;
	mail = mail_of(l->id);
	for (at = 0; at < mail.size; at++)
		l->body[at] = mail_byte(l->id, at);
	l->taking = (struct taking){
		.step = { .kind = STEP_ACCEPT, .bytes = mail.size, .run = run_letter, .done = done_letter },
		.compose = compose_letter,
		.kept = tell_letter
	};
	intake_take(intake, &l->taking);
}

/* The ids of a round are behind all of the round before. */
static struct {
	uint64_t first_id;
	bool acknowledged[LETTERS];
} letters;

static _Noreturn void
take_letters(struct spool *spool, int acks)
{
	static struct letter room[IN_FLIGHT];
	struct error err;
	size_t i;

	(void)signal(SIGPIPE, SIG_DFL);
	loop_init();
	acks_fd = acks;
	spool->options.replay = arrival_replay;
	spool->store = store_open(spool->dir, &spool->options, &err);
	if (spool->store == NULL || store_journal(spool->store) == NULL)
		_exit(2);
	next_id = letters.first_id;
	end_id = next_id + LETTERS;
	committer = committer_new(spool->store);
	intake = intake_new(spool->store, committer);
	for (i = 0; i < IN_FLIGHT; i++) {
		buf_init(&room[i].envelope, JOURNAL_BATCH_BYTES);
		take_next(&room[i]);
	}
	loop_run();
	_exit(3);
}

/* What does not go through the journal, because it is full, may be acknowledged later than what came behind it. */
static void
hear_letter(uint64_t id)
{
	assert_in_range(id, letters.first_id, letters.first_id + LETTERS - 1);
	assert_false(letters.acknowledged[id - letters.first_id]);
	letters.acknowledged[id - letters.first_id] = true;
}

static void
forget_letters(void)
{
	letters.first_id = letters.first_id == 0 ? 1 : letters.first_id + LETTERS;
	memset(letters.acknowledged, 0, sizeof(letters.acknowledged));
}

static size_t
count_messages(struct store_txn *txn)
{
	struct record_message record;
	uint64_t id = 0;
	size_t n = 0;

	while (store_next_message(txn, id, &id, &record, NULL) == STORE_FOUND)
		n++;
	return n;
}

/* So that the next round finds an empty store, with a journal that is not. */
static void
remove_letters(struct spool *spool, const bool *there)
{
	struct store_txn *txn = begin(spool);
	struct mail mail;
	size_t i;

	for (i = 0; i < LETTERS; i++) {
		mail = mail_of(letters.first_id + i);
		if (there[i])
			delete_mail(txn, &mail);
	}
	store_put_meta(txn, STORE_META_ACCEPTED, 0);
	commit(txn);
}

/* All that was acknowledged is there, and nothing twice, or in part. */
static void
judge_letters(struct spool *spool)
{
	static bool there[LETTERS];
	struct store_txn *txn;
	struct mail mail;
	size_t i, count = 0;

	spool->options.replay = arrival_replay;
	spool_open(spool);
	expect_clean(spool);
	txn = reading(spool);
	for (i = 0; i < LETTERS; i++) {
		mail = mail_of(letters.first_id + i);
		there[i] = has_mail(txn, &mail, NULL);
		count += there[i];
		if (letters.acknowledged[i] && !there[i])
			fail_msg("letter %zu was acknowledged, and is not there", i);
	}
	assert_int_equal(count, count_messages(txn));
	assert_int_equal(count, store_get_meta(txn, STORE_META_ACCEPTED));
	store_read_end(txn);
	remove_letters(spool, there);
	store_close(spool->store);
	spool->store = NULL;
}

/* --- what is promised of both --- */

static uint64_t last_step; /* acknowledged in this round, in order; 0: none yet */

static void
hear_step(uint64_t id)
{
	if (last_step != 0)
		assert_int_equal(id, last_step + 1);
	last_step = id;
}

static void
forget_steps(void)
{
	last_step = 0;
}

static void
judge_steps(struct spool *spool)
{
	assert_true(expect_a_prefix(spool, last_step) >= last_step);
}

struct scenario {
	void (*write)(struct spool *spool, int acks); /* does not come back */
	void (*forget)(void);                         /* a round begins */
	void (*hear)(uint64_t id);                    /* an acknowledgement */
	void (*judge)(struct spool *spool);
};

static const struct scenario steps_of_a_store = { write_for_ever, forget_steps, hear_step, judge_steps };
static const struct scenario letters_of_a_journal = { take_letters, forget_letters, hear_letter, judge_letters };

/* Reads acknowledgements until there are `count` or the writer is gone. */
static void
read_acks(const struct scenario *scenario, int fd, size_t count)
{
	uint64_t id;

	while (count-- > 0 && read(fd, &id, sizeof(id)) == sizeof(id))
		scenario->hear(id);
}

static pid_t
start_writer(const struct scenario *scenario, struct spool *spool, int *acks)
{
	int ends[2];
	pid_t pid;

	scenario->forget();
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		(void)close(ends[0]);
		scenario->write(spool, ends[1]);
	}
	(void)close(ends[1]);
	*acks = ends[0];
	return pid;
}

static void
test_kill_at_any_time(void **state)
{
	const struct scenario *scenario = *state;
	unsigned seed = (unsigned)time(NULL);
	struct spool spool;
	int round, acks, status;
	pid_t pid;

	print_message("# seed %u\n", seed);
	spool_new(&spool, 0);
	store_close(spool.store);
	for (round = 0; round < KILLS; round++) {
		pid = start_writer(scenario, &spool, &acks);
		read_acks(scenario, acks, 1 + (size_t)rand_r(&seed) % ACKS_MAX);
		assert_int_equal(kill(pid, SIGKILL), 0);
		read_acks(scenario, acks, SIZE_MAX);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		(void)close(acks);
		scenario->judge(&spool);
	}
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
cut_rounds(const struct scenario *scenario, struct spool *spool, const char *image, const char *mountpoint)
{
	unsigned seed = (unsigned)time(NULL);
	int round, acks, status;
	pid_t pid;

	print_message("# seed %u\n", seed);
	for (round = 0; round < CUTS; round++) {
		pid = start_writer(scenario, spool, &acks);
		read_acks(scenario, acks, ACKS_MAX + (size_t)rand_r(&seed) % ACKS_MAX);
		assert_true(cut_power(mountpoint));
		read_acks(scenario, acks, SIZE_MAX);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true((WIFEXITED(status) && WEXITSTATUS(status) == 0) || WIFSIGNALED(status));
		(void)close(acks);
		assert_int_equal(umount(mountpoint), 0);
		assert_true(COMMAND("mount", "-o", "loop", image, mountpoint));
		scenario->judge(spool);
	}
	assert_int_equal(umount(mountpoint), 0);
}

static void
test_power_cut_at_any_time(void **state)
{
	char dir[] = "/tmp/postern-test-disk-XXXXXX", image[48], mountpoint[48];
	struct spool spool = { .options = { .size_max = (uint64_t)1 << 30 } };
	bool made;

	assert_non_null(mkdtemp(dir));
	(void)snprintf(image, sizeof(image), "%s/image", dir);
	(void)snprintf(mountpoint, sizeof(mountpoint), "%s/disk", dir);
	(void)snprintf(spool.dir, sizeof(spool.dir), "%s/spool", mountpoint);
	made = make_disk(image, mountpoint);
	if (made)
		cut_rounds(*state, &spool, image, mountpoint);
	assert_int_equal(rmdir(mountpoint), 0);
	spool_remove(dir);
	if (!made) {
		print_message("# no loop device or file system of our own here\n");
		skip();
	}
}

static int
with_steps(void **state)
{
	*state = (void *)(uintptr_t)&steps_of_a_store;
	return 0;
}

static int
with_letters(void **state)
{
	*state = (void *)(uintptr_t)&letters_of_a_journal;
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "kill at any time", test_kill_at_any_time, with_steps, NULL, NULL },
		{ "kill at any time, with a journal", test_kill_at_any_time, with_letters, NULL, NULL },
		{ "power cut at any time", test_power_cut_at_any_time, with_steps, NULL, NULL },
		{ "power cut at any time, with a journal", test_power_cut_at_any_time, with_letters, NULL, NULL },
	};

	log_init("test_store_crash", STDERR_FILENO, LOG_TEXT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
