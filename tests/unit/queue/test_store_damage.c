/* SPDX-License-Identifier: ISC */
/*
 * Promise: a file that was damaged gives an error or the end of the process, with the name of the spool, and never
 * another mail than what was stored; what the judge calls right is whole.
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "queue/store_lmdb.h"
#include "tests/unit/queue/spool.h"

enum {
	MAILS = 30,
	FLIPS = 2000,
	SECONDS_MAX = 20, /* for one flip: a damaged tree must not be walked for ever */
	/* what a reader of a damaged store ends with */
	EXIT_NOTICED = 0,
	EXIT_WHOLE = 1,
	EXIT_GARBAGE = 99,
	EXIT_SILENT = 98
};

static struct mail
mail_of(uint64_t id)
{
	return (
	    struct mail){ id, id * 1733 % 20000, 1 + (uint32_t)(id % 2), id % 3 ? "outbound/a.example" : "b.example" };
}

/* The last two commits both have all the mail: a damaged meta page may take LMDB back by one. */
static void
build(struct spool *spool)
{
	struct store_txn *txn;
	struct mail mail;
	uint64_t id;

	spool_new(spool, 0);
	for (id = 1; id <= MAILS; id++) {
		mail = mail_of(id);
		txn = begin(spool);
		put_mail(txn, &mail);
		commit(txn);
	}
	for (id = 0; id < 2; id++) {
		txn = begin(spool);
		store_put_state(txn, S("kind"), S("key"), S("value"), id);
		commit(txn);
	}
}

/* --- SIGBUS --- */

/* Reads beyond the end of the file. */
static void
read_cut_off(struct spool *spool)
{
	struct store_txn *txn = store_read(spool->store, NULL);
	struct mail mail = mail_of(7);

	(void)!ftruncate(spool->store->data_fd, 8192);
	(void)has_mail(txn, &mail, NULL);
}

static void
follow_a_pointer_that_leads_nowhere(struct spool *spool)
{
	volatile char *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)spool;
	(void)nowhere[0];
}

static void
find_it_wrong(struct spool *spool)
{
	store_damaged(spool->store->env, "assertion");
}

static void
expect_last_words(void (*die)(struct spool *spool), const char *words, bool by_signal)
{
	char said[512] = "";
	struct spool spool;
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	build(&spool);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		store_sigbus_install(ends[1], "queue", spool.dir);
		die(&spool);
		_exit(0);
	}
	(void)close(ends[1]);
	n = read(ends[0], said, sizeof(said) - 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (n <= 0 || said[n - 1] != '\n' || strstr(said, spool.dir) == NULL || strstr(said, words) == NULL)
		fail_msg("said \"%s\", expected \"%s\"", said, words);
	assert_true(by_signal ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) != 0);
	(void)close(ends[0]);
	spool_free(&spool);
}

static void
test_a_page_that_cannot_be_read_ends_the_process_and_names_the_spool(void **state)
{
	(void)state;
	expect_last_words(read_cut_off, "event=fatal", false);
	expect_last_words(find_it_wrong, "the store is damaged", false);
#ifndef POSTERN_SANITIZE
	expect_last_words(follow_a_pointer_that_leads_nowhere, "memory fault", true);
#else
	(void)follow_a_pointer_that_leads_nowhere;
#endif
}

/* --- flipped bits --- */

static void
ignore(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

/* In a process of its own, since it may crash: reads all there is. */
static _Noreturn void
read_damaged(struct spool *spool)
{
	bool damaged = false, whole = true;
	struct store_txn *txn;
	struct mail mail;
	uint64_t id, wrong;

	(void)alarm(SECONDS_MAX);
	(void)close(STDERR_FILENO); /* a sanitizer's word on a crash that is allowed */
	spool->store = store_open(spool->dir, &spool->options, NULL);
	if (spool->store == NULL || (txn = store_read(spool->store, NULL)) == NULL)
		_exit(EXIT_NOTICED);
	wrong = store_check(txn, ignore, NULL);
	for (id = 1; id <= MAILS; id++) {
		mail = mail_of(id);
		if (!has_mail(txn, &mail, &damaged))
			whole = false;
	}
	if (wrong == 0 && (!whole || damaged))
		_exit(EXIT_SILENT);
	_exit(wrong == 0 ? EXIT_WHOLE : EXIT_NOTICED);
}

/* Without cmocka's handlers, which would go on with the next test. */
static void
die_of_signals(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)signal(signals[i], SIG_DFL);
}

/* has_mail calls this where what it reads is another than what was stored. */
static void
garbage(void)
{
	_exit(EXIT_GARBAGE);
}

static int
read_in_child(struct spool *spool)
{
	pid_t pid = fork();
	int status;

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		die_of_signals();
		on_another_mail = garbage;
		read_damaged(spool);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		fail_msg("reading took more than %d seconds", SECONDS_MAX);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char *
map_file(struct spool *spool, size_t *size)
{
	char path[128], *bytes;
	struct stat st;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/data.mdb", spool->dir);
	fd = open(path, O_RDWR);
	assert_int_not_equal(fd, -1);
	assert_int_equal(fstat(fd, &st), 0);
	*size = (size_t)st.st_size;
	bytes = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	(void)close(fd);
	return bytes;
}

static void
test_a_flipped_bit_never_becomes_another_mail(void **state)
{
	unsigned seed = (unsigned)time(NULL);
	int noticed = 0, whole = 0, ended = 0;
	char *file, *before;
	struct spool spool;
	size_t used, size, at = 0, bits;
	int i, result;

	(void)state;
	print_message("# seed %u\n", seed);
	build(&spool);
	used = (size_t)atomic_load(&spool.store->used);
	store_close(spool.store);
	file = map_file(&spool, &size);
	before = malloc(size);
	assert_non_null(before);
	memcpy(before, file, size);
	for (i = 0; i < FLIPS; i++) {
		for (bits = 1 + (size_t)(i % 4 == 3) * 20; bits > 0; bits--) { /* sometimes more than one */
			at = (size_t)rand_r(&seed) % (i % 2 == 0 ? used : 200) +
			    (i % 2 == 0 ? 0 : (size_t)rand_r(&seed) % (used / 4096) * 4096);
			if (at < used)
				file[at] ^= (char)(1 << rand_r(&seed) % 8);
		}
		result = read_in_child(&spool);
		noticed += result == EXIT_NOTICED;
		whole += result == EXIT_WHOLE;
		ended += result != EXIT_NOTICED && result != EXIT_WHOLE;
		if (result == EXIT_GARBAGE || result == EXIT_SILENT)
			fail_msg("flip %d, the last at %zu: %s", i, at,
			    result == EXIT_GARBAGE ? "another mail" : "a part is lost and the judge is silent");
		memcpy(file, before, size);
	}
	print_message("# noticed %d, in a free place %d, ended %d\n", noticed, whole, ended);
	assert_true(noticed > FLIPS / 10);
	assert_int_equal(munmap(file, size), 0);
	free(before);
	spool_open(&spool);
	expect_clean(&spool);
	spool_free(&spool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_page_that_cannot_be_read_ends_the_process_and_names_the_spool),
		cmocka_unit_test(test_a_flipped_bit_never_becomes_another_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
