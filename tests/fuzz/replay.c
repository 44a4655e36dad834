/* SPDX-License-Identifier: ISC */
/*
 * Runs a fuzz target over the files of its corpus, once each: in every build, with any compiler. The file at work is named
 * when the target ends the process.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[PATH_MAX];

static void
name_file(void)
{
	(void)!write(STDERR_FILENO, path, strlen(path));
	(void)!write(STDERR_FILENO, ": the file at work\n", 19);
}

static void
on_abort(int number)
{
	name_file();
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

/* Each input in memory of its own size, so that a sanitizer sees one byte too far. */
static bool
run_file(void)
{
	static uint8_t room[INPUT_MAX];
	uint8_t *data;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return false;
	n = read(fd, room, sizeof(room));
	(void)close(fd);
	if (n == -1)
		return false;
	data = malloc((size_t)n + 1);
	if (data == NULL)
		return false;
	memcpy(data, room, (size_t)n);
	(void)LLVMFuzzerTestOneInput(data, (size_t)n);
	free(data);
	return true;
}

int
main(int argc, char **argv)
{
	struct dirent *entry;
	size_t count = 0;
	DIR *corpus = argc == 2 ? opendir(argv[1]) : NULL;

	if (corpus == NULL) {
		(void)fprintf(stderr, "usage: replay_NAME corpus-directory\n");
		return 2;
	}
	(void)signal(SIGABRT, on_abort);
	(void)signal(SIGSEGV, on_abort);
	while ((entry = readdir(corpus)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name) >= (int)sizeof(path) || !run_file()) {
			(void)fprintf(stderr, "%s: cannot be read\n", path);
			return 1;
		}
		count++;
	}
	(void)closedir(corpus);
	(void)printf("%zu inputs\n", count);
	return count > 0 ? 0 : 1;
}
