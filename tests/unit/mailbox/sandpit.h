/* SPDX-License-Identifier: ISC */
/*
 * What the tests of mailboxes share: a directory of their own, and faults. The calls that change something on disk are
 * defined here in libc's place, so that the n-th of them fails, or is where the process is killed. Included by one test
 * program each, which is its own executable.
 */
#ifndef TESTS_UNIT_MAILBOX_SANDPIT_H
#define TESTS_UNIT_MAILBOX_SANDPIT_H

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char sandpit_path[] = "/tmp/postern-mailbox-XXXXXX";
static int sandpit = -1; /* the directory's descriptor */

/* The next of these calls, counted from 1, fails with fault_errno, or kills the process where that is 0. */
static int fault_at;
static int fault_errno;
static int fault_count;

static bool
fault_due(void)
{
	if (fault_at == 0 || ++fault_count != fault_at)
		return false;
	if (fault_errno == 0)
		(void)kill(getpid(), SIGKILL);
	errno = fault_errno;
	return true;
}

ssize_t
write(int fd, const void *data, size_t len)
{
	return fault_due() ? -1 : syscall(SYS_write, fd, data, len);
}

int
fsync(int fd)
{
	return fault_due() ? -1 : (int)syscall(SYS_fsync, fd);
}

int
renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
	return fault_due() ? -1 : (int)syscall(SYS_renameat2, from, a, to, b, flags);
}

int
mkdirat(int fd, const char *name, mode_t mode)
{
	return fault_due() ? -1 : (int)syscall(SYS_mkdirat, fd, name, mode);
}

int
unlinkat(int fd, const char *name, int flags)
{
	return fault_due() && fault_errno == 0 ? -1 : (int)syscall(SYS_unlinkat, fd, name, flags);
}

static void __attribute__((unused)) fault_set(int at, int error)
{
	fault_count = 0;
	fault_at = at;
	fault_errno = error;
}

static int
sandpit_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int
sandpit_setup(void **state)
{
	(void)state;
	memcpy(sandpit_path + sizeof(sandpit_path) - 7, "XXXXXX", 6);
	if (mkdtemp(sandpit_path) == NULL)
		return -1;
	sandpit = open(sandpit_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return sandpit == -1 ? -1 : 0;
}

static int
sandpit_teardown(void **state)
{
	(void)state;
	fault_set(0, 0);
	(void)close(sandpit);
	return nftw(sandpit_path, sandpit_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Names in the directory path of the sandpit, without those that begin with a dot; -1 when it is not there. */
static int __attribute__((unused)) sandpit_count(const char *path)
{
	int fd = openat(sandpit, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
	DIR *directory = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (directory == NULL)
		return -1;
	while ((entry = readdir(directory)) != NULL)
		count += entry->d_name[0] != '.';
	(void)closedir(directory);
	return count;
}

/* The whole of a file, to dst, terminated; "" when it is not there. Returns its length. */
static size_t __attribute__((unused)) sandpit_read(const char *path, char *dst, size_t size)
{
	int fd = openat(sandpit, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? 0 : read(fd, dst, size - 1);

	if (fd != -1)
		(void)close(fd);
	dst[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void __attribute__((unused)) sandpit_write(const char *path, const char *text, mode_t mode)
{
	int fd = openat(sandpit, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

/* Runs fn in a process of its own. Returns whether it lived to the end. */
static bool __attribute__((unused)) sandpit_fork(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif
