/* SPDX-License-Identifier: ISC */
/*
 * simulate [--seed N] [--count N] [--crashes N] [--seconds N] [--jobs N] [--runs N] [--mutant NAME]
 *          [--verbose]
 *
 * The queue, broken off at every write. A seed is a chain of runs (run.h), each of which finds what a crash of the one
 * before has left. At each entry of a run's tape images of the disk are made as a crash there could leave it (image.h), and
 * the store is opened from it and judged (model.h). The same seed does the same.
 *
 * Exit status: 0 nothing was wrong, 1 something was, 2 it could not run.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/str.h"
#include "tests/simulate/image.h"
#include "tests/simulate/model.h"
#include "tests/simulate/run.h"
#include "tests/simulate/strands.h"

enum {
	JOBS_MAX = 64,
	SOME_IMAGES = 3, /* at each entry where writes are open */
	CHILD_SECONDS = 120,
	PATH_BYTES = 96,
	WORDS_MAX = 4096,
	KEPT_BYTES = 1 << 30
};

struct job {
	uint64_t crashes, seeds;
	uint64_t happened[TAPE_KINDS];
	struct model_ends ends;
	bool failed;
};

static struct {
	uint64_t seed, count, crashes, runs;
	int64_t seconds;
	unsigned jobs;
	const char *mutant;
	bool verbose;
} options = { .seed = 1, .runs = 4 };

/* Of this process, a worker. */
static struct {
	struct job *mine; /* shared */
	struct job *all;
	char dir[PATH_BYTES];
	char runs[PATH_BYTES + 8], images[PATH_BYTES + 8];
	struct tape *tape;
	uint64_t seed;
	unsigned number; /* of the run */
	size_t at;       /* the entry behind which it crashes */
	enum image_kind kind;
	int64_t until_ms;
} work;

static const struct {
	const char *name;
	enum disk_mutant disk;
	bool report_apart;
} mutants[] = {
	{ "none", DISK_AS_IT_IS, false },
	{ "store-unsynced", DISK_STORE_UNSYNCED, false },
	{ "journal-unsynced", DISK_JOURNAL_UNSYNCED, false },
	{ "writes-swapped", DISK_WRITES_SWAPPED, false },
	{ "report-apart", DISK_AS_IT_IS, true },
};

enum { MUTANTS = sizeof(mutants) / sizeof(mutants[0]) };

static size_t mutant; /* of these */

/* --- failing --- */

static void
say_where(void)
{
	(void)printf("FAILED seed %" PRIu64 ", run %u, crash behind entry %zu of %zu (%s)\n", work.seed, work.number,
	    work.at, work.tape->count, image_names[work.kind]);
	(void)printf("again: %s --seed %" PRIu64 " --count 1%s%s\n", program_invocation_name, work.seed,
	    mutant == 0 ? "" : " --mutant ", mutant == 0 ? "" : mutants[mutant].name);
	(void)fflush(stdout);
}

static void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void
fail(const char *fmt, ...)
{
	va_list ap;

	say_where();
	va_start(ap, fmt);
	(void)printf("  ");
	(void)vprintf(fmt, ap);
	(void)printf("\n");
	va_end(ap);
	(void)fflush(stdout);
	work.mine->failed = true;
}

/* The store itself runs into what it finds. */
static void
on_crash(int number)
{
	say_where();
	(void)printf("  signal %d while an image was opened\n", number);
	(void)fflush(stdout);
	work.mine->failed = true;
	_exit(1);
}

static void
watch_signals(void)
{
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)signal(numbers[i], on_crash);
}

static void
leave_signals(void)
{
	(void)signal(SIGSEGV, SIG_DFL);
	(void)signal(SIGBUS, SIG_DFL);
	(void)signal(SIGABRT, SIG_DFL);
	(void)signal(SIGFPE, SIG_DFL);
	(void)signal(SIGILL, SIG_DFL);
}

/* --- a run --- */

static void
show_words(int fd)
{
	static char words[WORDS_MAX + 1];
	ssize_t n = pread(fd, words, WORDS_MAX, 0);

	if (n > 0)
		(void)printf("%.*s\n", (int)n, words);
}

static bool
had_fault(void)
{
	size_t i;

	for (i = 0; i < work.tape->count; i++)
		if (work.tape->entries[i].kind == TAPE_FAULT)
			return true;
	return false;
}

/* The run ended as it should: by itself, or because a call failed. */
static bool
ended_well(int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	return WIFEXITED(status) && had_fault();
}

static bool
do_run(const struct run *plan)
{
	int words = (int)syscall(SYS_memfd_create, "words", 1), status = 0;
	pid_t pid;
	bool well;

	tape_restart(work.tape);
	(void)fflush(stdout);
	pid = fork();
	if (pid == -1 || words == -1) {
		fail("no process for a run: %s", strerror(errno));
		return false;
	}
	if (pid == 0) {
		leave_signals();
		(void)alarm(CHILD_SECONDS);
		(void)dup2(words, STDERR_FILENO);
		(void)dup2(words, STDOUT_FILENO);
		run_queue(plan, work.tape);
	}
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	well = ended_well(status);
	if (!well) {
		fail("the run ended with status %#x", (unsigned)status);
		show_words(words);
	}
	(void)close(words);
	return well;
}

/* --- its crashes --- */

static int64_t
now_ms(void)
{
	struct timespec ts;

	(void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint64_t
crashes_so_far(void)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < options.jobs; i++)
		n += work.all[i].crashes;
	return n;
}

static bool
is_enough(void)
{
	unsigned i;

	for (i = 0; i < options.jobs; i++)
		if (work.all[i].failed)
			return true;
	return (work.until_ms != 0 && now_ms() >= work.until_ms) ||
	    (options.crashes != 0 && crashes_so_far() >= options.crashes);
}

static uint64_t
image_seed(unsigned n)
{
	return (work.seed * 31 + work.number) * UINT64_C(1000003) + work.at * 64 + (uint64_t)work.kind * 16 + n;
}

static bool
crash(enum image_kind kind, unsigned n, bool settle)
{
	char why[MODEL_WHY_MAX];
	bool well;

	work.kind = kind;
	image_make(kind, image_seed(n));
	strands_seed(image_seed(n));
	well = model_judge(work.images, settle, why);
	image_take_back();
	work.mine->crashes++;
	if (!well)
		fail("%s", why);
	return well;
}

static bool
is_promise(enum tape_kind kind)
{
	return kind == TAPE_TOLD || kind == TAPE_REMOVED || kind == TAPE_REFUSED;
}

/* What can be at this point: where nothing changed but what was said, nothing is tried again. */
static bool
crash_here(const struct tape_entry *before)
{
	bool wrote = before->kind < TAPE_SENT;
	unsigned i;

	if (wrote && !crash(IMAGE_KILLED, 0, false))
		return false;
	if (image_pending() == 0)
		return !is_promise(before->kind) || crash(IMAGE_NOTHING, 0, false);
	if ((is_promise(before->kind) || before->kind == TAPE_SYNC) && !crash(IMAGE_NOTHING, 0, false))
		return false;
	for (i = 0; (wrote || is_promise(before->kind)) && i < SOME_IMAGES; i++)
		if (!crash(IMAGE_SOME, i, false))
			return false;
	return true;
}

/* Crashes at each entry up to the end, of which the next run begins. */
static bool
crash_everywhere(size_t end)
{
	const struct tape_entry *e;

	for (work.at = 0; work.at < end; work.at++) {
		e = &work.tape->entries[work.at];
		image_follow();
		model_follow(e);
		work.mine->happened[e->kind]++;
		if (!crash_here(e))
			return false;
		if (work.at % 64 == 0 && is_enough())
			return false;
	}
	return true;
}

/* --- a seed --- */

static bool
copy_file(const char *name)
{
	static char bytes[1 << 16];
	char from[PATH_BYTES + 32], to[PATH_BYTES + 32];
	int in, out;
	ssize_t n;

	(void)snprintf(from, sizeof(from), "%s/%s", work.images, name);
	(void)snprintf(to, sizeof(to), "%s/%s", work.runs, name);
	(void)syscall(SYS_unlink, to);
	in = (int)syscall(SYS_openat, AT_FDCWD, from, O_RDONLY | O_CLOEXEC);
	if (in == -1)
		return errno == ENOENT;
	out = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		if (syscall(SYS_write, out, bytes, n) != n)
			return false;
	(void)syscall(SYS_close, in);
	(void)syscall(SYS_close, out);
	return true;
}

static void
empty(const char *dir)
{
	static const char *const names[] = { "data.mdb", "journal", "lock", "lock.mdb" };
	char path[PATH_BYTES + 32];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)syscall(SYS_unlink, path);
	}
}

static uint64_t
mixed(uint64_t n)
{
	n = (n ^ (n >> 31)) * UINT64_C(0x9e3779b97f4a7c15);
	return n ^ (n >> 29);
}

/* The calendar at a start: on time, or wrong by much. */
static int64_t
wall_at_start(uint64_t randomness, unsigned number)
{
	static const int64_t off_days[] = { 0, 0, 0, 0, -1, 1, 3650, -3650, 365 };
	const int64_t day_ms = 24 * 3600 * 1000;

	if (randomness % 10 == 9)
		return 1000; /* 1970: no clock keeps time while it is off */
	return INT64_C(1800000000000) + (int64_t)number * day_ms / 4 + off_days[randomness % 10] * day_ms;
}

/* What the crash has left, as the next run finds it. Not opened: that is for the run to do. */
static bool
go_on(enum image_kind kind)
{
	enum disk_file file;

	image_make(kind, image_seed(0));
	for (file = 0; file < DISK_FILES; file++) {
		if (!copy_file(disk_names[file])) {
			fail("cannot copy %s: %s", disk_names[file], strerror(errno));
			return false;
		}
	}
	return true;
}

static bool
one_run(uint64_t seed)
{
	uint64_t randomness = mixed(seed * 1000 + work.number);
	const struct run plan = { .dir = work.runs,
		.seed = randomness,
		.wall_ms = wall_at_start(randomness >> 8, work.number),
		.first_letter = model_letters(),
		.faults = randomness % 4 == 1,
		.mutant = mutants[mutant].disk,
		.report_apart = mutants[mutant].report_apart };
	enum image_kind kind = (enum image_kind)((randomness >> 20) % IMAGE_KINDS);
	size_t end;

	image_begin(work.tape);
	if (!do_run(&plan))
		return false;
	end = work.tape->count - (size_t)((randomness >> 24) % (work.tape->count / 3 + 1));
	if (options.verbose)
		(void)printf("seed %" PRIu64 " run %u: %zu entries (%08" PRIx32 "), crash behind %zu\n", seed,
		    work.number, work.tape->count, tape_checksum(work.tape), end);
	if (!crash_everywhere(end) || !crash(kind, 0, true))
		return false;
	model_count(&work.mine->ends);
	return go_on(kind);
}

static void
one_seed(uint64_t seed)
{
	work.seed = seed;
	model_init();
	empty(work.runs);
	empty(work.images);
	for (work.number = 0; work.number < options.runs; work.number++)
		if (!one_run(seed))
			return;
	work.mine->seeds++;
}

/* --- workers --- */

static void
name_directories(pid_t parent, unsigned job)
{
	(void)snprintf(work.dir, sizeof(work.dir), "/dev/shm/postern-simulate-%d-%u", (int)parent, job);
	(void)snprintf(work.runs, sizeof(work.runs), "%s/run", work.dir);
	(void)snprintf(work.images, sizeof(work.images), "%s/image", work.dir);
}

static bool
make_directories(void)
{
	return mkdir(work.dir, 0700) == 0 && mkdir(work.runs, 0700) == 0 && mkdir(work.images, 0700) == 0;
}

static void
remove_directories(void)
{
	empty(work.runs);
	empty(work.images);
	(void)rmdir(work.runs);
	(void)rmdir(work.images);
	(void)rmdir(work.dir);
}

/* One processor each: a map that goes is told to all that ever saw it. */
static void
stay_here(unsigned job)
{
	cpu_set_t mine, one;
	int cpu, left;

	if (sched_getaffinity(0, sizeof(mine), &mine) == -1 || CPU_COUNT(&mine) == 0)
		return;
	left = (int)job % CPU_COUNT(&mine);
	for (cpu = 0; !CPU_ISSET(cpu, &mine) || left-- > 0; cpu++)
		continue;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
}

/* LMDB wants megabytes for each store it opens, and to have them from the kernel each time takes longer than the rest. */
static void
keep_memory(void)
{
	(void)mallopt(M_MMAP_MAX, 0);
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

static void
run_job(unsigned job)
{
	uint64_t n;

	work.mine = &work.all[job];
	stay_here(job);
	keep_memory();
	name_directories(getppid(), job);
	if (!make_directories()) {
		perror(work.dir);
		_exit(2);
	}
	work.tape = tape_share();
	image_open(work.images);
	watch_signals();
	log_init("simulate", -1, LOG_TEXT, LOG_ERROR);
	for (n = job; (options.count == 0 || n < options.count) && !is_enough(); n += options.jobs)
		one_seed(options.seed + n);
	(void)fflush(stdout);
	_exit(work.mine->failed);
}

static void
say_what_happened(int64_t took_ms)
{
	struct job all = { 0 };
	size_t kind, end;
	unsigned i;

	for (i = 0; i < options.jobs; i++) {
		all.crashes += work.all[i].crashes;
		all.seeds += work.all[i].seeds;
		for (kind = 0; kind < TAPE_KINDS; kind++)
			all.happened[kind] += work.all[i].happened[kind];
		for (end = 0; end < MODEL_ENDS; end++)
			all.ends.count[end] += work.all[i].ends.count[end];
	}
	(void)printf("%" PRIu64 " crashes in %" PRId64 ".%" PRId64 " s, %" PRId64 " a second and job; %" PRIu64
		     " whole seeds from %" PRIu64 " on\n",
	    all.crashes, took_ms / 1000, took_ms / 100 % 10, (int64_t)all.crashes * 1000 / took_ms / options.jobs,
	    all.seeds, options.seed);
	for (kind = TAPE_CREATE; kind < TAPE_KINDS; kind++)
		(void)printf("%s%s %" PRIu64, kind == 0 ? "" : ", ", tape_names[kind], all.happened[kind]);
	(void)printf("\nends:");
	for (end = 0; end < MODEL_ENDS; end++)
		(void)printf("%s %s %" PRIu64, end == 0 ? "" : ",", model_end_names[end], all.ends.count[end]);
	(void)printf("\n");
}

static int
run_jobs(void)
{
	int64_t begin = now_ms();
	int status, worst = 0;
	unsigned i;

	work.until_ms = options.seconds == 0 ? 0 : begin + options.seconds * 1000;
	for (i = 0; i < options.jobs; i++)
		if (fork() == 0)
			run_job(i);
	while (wait(&status) != -1)
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			worst = WIFEXITED(status) && WEXITSTATUS(status) == 2 ? 2 : 1;
	for (i = 0; i < options.jobs; i++) {
		name_directories(getpid(), i);
		remove_directories();
	}
	say_what_happened(now_ms() - begin + 1);
	return worst;
}

/* --- options --- */

static _Noreturn void
usage(void)
{
	size_t i;

	(void)fprintf(stderr,
	    "usage: simulate [--seed N] [--count SEEDS] [--crashes N] [--seconds N] [--jobs N] [--runs N] [--verbose]\n"
	    "                [--mutant NAME]: ");
	for (i = 0; i < MUTANTS; i++)
		(void)fprintf(stderr, "%s%s", mutants[i].name, i + 1 < MUTANTS ? ", " : "\n");
	exit(2);
}

static uint64_t
number_of(const char *text)
{
	uint64_t n;

	if (!str_to_u64(str_of(text), INT64_MAX, &n))
		usage();
	return n;
}

static void
choose_mutant(const char *name)
{
	for (mutant = 0; mutant < MUTANTS; mutant++)
		if (strcmp(mutants[mutant].name, name) == 0)
			return;
	usage();
}

static void
take_options(int argc, char **argv)
{
	static const struct option words[] = { { "seed", 1, NULL, 's' }, { "count", 1, NULL, 'n' },
		{ "crashes", 1, NULL, 'c' }, { "seconds", 1, NULL, 't' }, { "jobs", 1, NULL, 'j' },
		{ "runs", 1, NULL, 'r' }, { "mutant", 1, NULL, 'm' }, { "verbose", 0, NULL, 'v' }, { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", words, NULL)) != -1) {
		switch (c) {
		case 's': options.seed = number_of(optarg); break;
		case 'n': options.count = number_of(optarg); break;
		case 'c': options.crashes = number_of(optarg); break;
		case 't': options.seconds = (int64_t)number_of(optarg); break;
		case 'r': options.runs = number_of(optarg); break;
		case 'j': options.jobs = (unsigned)number_of(optarg); break;
		case 'm': choose_mutant(optarg); break;
		case 'v': options.verbose = true; break;
		default: usage();
		}
	}
	if (optind != argc)
		usage();
	if (options.jobs == 0)
		options.jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	if (options.jobs > JOBS_MAX)
		options.jobs = JOBS_MAX;
	if (options.count != 0 && options.count < options.jobs)
		options.jobs = (unsigned)options.count;
	if (options.crashes == 0 && options.seconds == 0 && options.count == 0)
		options.crashes = 1000000;
}

int
main(int argc, char **argv)
{
	take_options(argc, argv);
	work.all = mmap(NULL, JOBS_MAX * sizeof(*work.all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (work.all == MAP_FAILED) {
		perror("simulate");
		return 2;
	}
	return run_jobs();
}
