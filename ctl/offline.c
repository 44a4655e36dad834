/* SPDX-License-Identifier: ISC */
#include "ctl/offline.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/programs.h"
#include "ctl/output.h"

enum {
	FAILED_TO_RUN = 127,
	QUEUE_DAMAGED = 70, /* what it ends with when LMDB cannot go on */
	DIR_MODE = 0700,
	LINE_MAX_BYTES = 128,
	BLOCK = 65536,
	ID_DIGITS = 16
};

static int
fail(const struct error *err)
{
	(void)fprintf(stderr, "posternctl: %s\n", err->text);
	return COMMAND_FAILED;
}

static int
refuse(const struct error *err)
{
	(void)fail(err);
	return COMMAND_USAGE;
}

/* --- running queue --- */

/* -1: its own. */
static void
move(int from, int to)
{
	if (from != -1 && dup2(from, to) == -1)
		_exit(FAILED_TO_RUN);
}

static _Noreturn void
become_queue(const char *path, const char *const *argv, int in, int out)
{
	char *const none[] = { NULL };

	move(in, STDIN_FILENO);
	move(out, STDOUT_FILENO);
	(void)execve(path, (char *const *)(uintptr_t)argv, none);
	(void)dprintf(STDERR_FILENO, "posternctl: %s: %s\n", path, strerror(errno));
	_exit(FAILED_TO_RUN);
}

/* Starts `queue -C work`, with in and out for its standard input and output; -1 with err set. */
static pid_t
start(const struct options *options, const char *work, const char *flags, int in, int out, struct error *err)
{
	const char *argv[] = { "queue", "-C", work, "-s", options->spool, flags, NULL };
	char path[PATH_MAX + sizeof("/queue")];
	pid_t pid;

	if (!programs_directory(path, PATH_MAX, err))
		return -1;
	(void)strlcat(path, "/queue", sizeof(path));
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		become_queue(path, argv, in, out);
	if (pid == -1)
		(void)error_set(err, ERROR_TEMPORARY, "cannot start queue: %s", strerror(errno));
	return pid;
}

/* Its exit code, which is ours: 0 all is well, 1 there are findings, 2 it was not done. */
static int
finish(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return COMMAND_FAILED;
	if (WIFEXITED(status) && WEXITSTATUS(status) != QUEUE_DAMAGED)
		return WEXITSTATUS(status) == FAILED_TO_RUN ? COMMAND_USAGE : WEXITSTATUS(status);
	(void)fprintf(stderr,
	    "posternctl: the spool is damaged, it cannot be read further: what is left of it can be had "
	    "with posternctl export --salvage\n");
	return COMMAND_FAILED;
}

static int
run(const struct options *options, const char *work, const char *flags, int in, int out)
{
	struct error err;
	pid_t pid = start(options, work, flags, in, out, &err);

	return pid == -1 ? refuse(&err) : finish(pid);
}

/* --- check-spool, restore --- */

int
offline_check(const struct options *options, const char *const *args)
{
	struct options its = *options;

	its.spool = args[0] != NULL ? args[0] : options->spool;
	return run(&its, "check", NULL, -1, -1);
}

int
offline_restore(const struct options *options, const char *const *args)
{
	int fd = open(args[0], O_RDONLY | O_CLOEXEC), code;
	struct error err;

	if (fd == -1) {
		(void)error_set(&err, ERROR_PERMANENT, "%s: %s", args[0], strerror(errno));
		return refuse(&err);
	}
	code = run(options, "restore", options->merge ? "-m" : NULL, fd, -1);
	(void)close(fd);
	return code;
}

/* --- export into files --- */

/* One of them: so many bytes of what queue writes. */
static bool
copy_file(FILE *from, int dir, const char *name, uint64_t left, struct error *err)
{
	static char block[BLOCK];
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	struct output out = { .name = name, .fd = fd };
	bool ok = true;
	size_t n;

	if (fd == -1)
		return error_set(err, ERROR_PERMANENT, "%s: cannot be made: %s", name, strerror(errno));
	for (; ok && left > 0; left -= n) {
		n = fread(block, 1, left < sizeof(block) ? (size_t)left : sizeof(block), from);
		ok = n > 0 ? output_write(&out, (struct str){ block, n }, err)
			   : error_set(err, ERROR_PEER, "queue ended before it had written all");
	}
	(void)close(fd);
	return ok;
}

/* Cuts a word off *rest, up to a space or the end. */
static struct str
next_word(struct str *rest)
{
	struct str word;

	(void)str_cut(*rest, ' ', &word, rest);
	return word;
}

static bool
is_id(struct str word)
{
	return word.len == ID_DIGITS && strspn(word.ptr, "0123456789abcdef") >= ID_DIGITS;
}

/* "message ID BYTES BYTES": *ended at the line "end ...". */
static bool
copy_message(FILE *from, int dir, bool *ended, struct error *err)
{
	char line[LINE_MAX_BYTES], name[ID_DIGITS + sizeof(".envelope")];
	struct str rest, verb, id;
	uint64_t text, envelope;

	*ended = false;
	if (fgets(line, sizeof(line), from) == NULL)
		return error_set(err, ERROR_PEER, "queue ended before it had written all");
	(void)str_cut(str_of(line), '\n', &rest, &(struct str){ NULL, 0 });
	verb = next_word(&rest);
	*ended = str_equal(verb, S("end"));
	if (*ended)
		return true;
	id = next_word(&rest);
	if (!str_equal(verb, S("message")) || !is_id(id) || !str_to_u64(next_word(&rest), INT64_MAX, &text) ||
	    !str_to_u64(next_word(&rest), INT64_MAX, &envelope))
		return error_set(err, ERROR_PEER, "queue wrote something that is no message");
	(void)snprintf(name, sizeof(name), "%.*s.eml", STR_ARG(id));
	if (!copy_file(from, dir, name, text, err))
		return false;
	(void)snprintf(name, sizeof(name), "%.*s.envelope", STR_ARG(id));
	return copy_file(from, dir, name, envelope, err);
}

static bool
copy_messages(int fd, int dir, struct error *err)
{
	FILE *from = fdopen(fd, "r");
	bool ok = from != NULL || error_set(err, ERROR_TEMPORARY, "out of memory"), ended = false;

	while (ok && !ended)
		ok = copy_message(from, dir, &ended, err);
	if (from != NULL)
		(void)fclose(from);
	return ok;
}

static int
export_to_directory(const struct options *options, const char *name)
{
	struct error err;
	int ends[2], dir, code;
	pid_t pid;
	bool ok;

	if (mkdir(name, DIR_MODE) == -1 && errno != EEXIST) {
		(void)error_set(&err, ERROR_PERMANENT, "%s: cannot be made: %s", name, strerror(errno));
		return refuse(&err);
	}
	dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1 || pipe2(ends, O_CLOEXEC) == -1) {
		(void)error_set(&err, ERROR_PERMANENT, "%s: %s", name, strerror(errno));
		return refuse(&err);
	}
	pid = start(options, "export", options->salvage ? "-dS" : "-d", -1, ends[1], &err);
	(void)close(ends[1]);
	if (pid == -1)
		return refuse(&err);
	ok = copy_messages(ends[0], dir, &err);
	(void)close(dir);
	code = finish(pid);
	if (!ok && code != COMMAND_USAGE) /* else queue has said why */
		return fail(&err);
	return code;
}

/* --- export into one file --- */

static int
export_to_file(const struct options *options, const char *name)
{
	struct output out;
	struct error err;
	int code;

	if (!output_open(&out, name, &err))
		return refuse(&err);
	code = run(options, "export", options->salvage ? "-S" : NULL, -1, out.fd);
	if (code == COMMAND_USAGE)
		output_discard(&out);
	else if (!output_finish(&out, &err))
		return fail(&err);
	return code;
}

static bool
is_directory(const char *name)
{
	const size_t len = strlen(name);
	struct stat st;

	return (len > 0 && name[len - 1] == '/') || (stat(name, &st) == 0 && S_ISDIR(st.st_mode));
}

int
offline_export(const struct options *options, const char *const *args)
{
	return is_directory(args[0]) ? export_to_directory(options, args[0]) : export_to_file(options, args[0]);
}
