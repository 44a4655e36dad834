/* SPDX-License-Identifier: ISC */
/*
 * Prints the system-call filters of a running process, as the kernel holds them: for each filter a line "filter N", then
 * its instructions as "code jt jf k", all in decimal. Needs root, and a kernel with CONFIG_CHECKPOINT_RESTORE.
 */
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INSTRUCTIONS_MAX = 4096, UNSUPPORTED = 77 };

static struct sock_filter instructions[INSTRUCTIONS_MAX];

static int
complain(const char *what)
{
	int number = errno;

	(void)fprintf(stderr, "seccomp_filter: %s: %s\n", what, strerror(number));
	return number == EIO || number == EACCES ? UNSUPPORTED : 2;
}

int
main(int argc, char **argv)
{
	pid_t pid = argc == 2 ? (pid_t)strtoul(argv[1], NULL, 10) : 0;
	unsigned long index;
	int status;

	if (pid <= 0) {
		(void)fprintf(stderr, "usage: seccomp_filter PID\n");
		return 2;
	}
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == -1 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == -1)
		return complain("attach");
	if (waitpid(pid, &status, __WALL) == -1 || !WIFSTOPPED(status))
		return complain("the process does not stop");
	for (index = 0;; index++) {
		long count = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, index, NULL);
		long i;
		if (count == -1 && errno == ENOENT)
			break;
		if (count == -1 || count > INSTRUCTIONS_MAX ||
		    ptrace(PTRACE_SECCOMP_GET_FILTER, pid, index, instructions) == -1)
			return complain("PTRACE_SECCOMP_GET_FILTER");
		(void)printf("filter %lu\n", index);
		for (i = 0; i < count; i++)
			(void)printf("%u %u %u %u\n", instructions[i].code, instructions[i].jt, instructions[i].jf,
			    instructions[i].k);
	}
	(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return 0;
}
