/* SPDX-License-Identifier: ISC */
#include "parent/spawn.h"

#include <sys/socket.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/process.h"
#include "common/programs.h"
#include "parent/oom.h"

static int programs[PROTO_KIND_COUNT];

bool
spawn_prepare(struct error *err)
{
	char directory[PATH_MAX], path[PATH_MAX + 32];
	int kind;

	if (!programs_directory(directory, sizeof(directory), err))
		return false;
	for (kind = 0; kind < PROTO_KIND_COUNT; kind++) {
		if (kind == PROTO_KIND_PARENT || kind == PROTO_KIND_CLIENT)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", directory, proto_kind_name((enum proto_kind)kind));
		programs[kind] = open(path, O_PATH | O_CLOEXEC);
		if (programs[kind] == -1)
			return error_set(err, ERROR_PERMANENT, "%s: %s", path, strerror(errno));
	}
	return true;
}

/* Looks at what it has become: -1 as an id succeeds, and changes nothing. */
static bool
become(const struct spawn_user *user)
{
	uid_t uids[3];
	gid_t gids[3];
	int i;

	if (setgroups(user->groups_count, user->groups) == -1 || setresgid(user->gid, user->gid, user->gid) == -1 ||
	    setresuid(user->uid, user->uid, user->uid) == -1 || (user->uid != 0 && setresuid(0, 0, 0) != -1) ||
	    getresuid(&uids[0], &uids[1], &uids[2]) == -1 || getresgid(&gids[0], &gids[1], &gids[2]) == -1)
		return false;
	for (i = 0; i < 3; i++)
		if (uids[i] != user->uid || gids[i] != user->gid)
			return false;
	return true;
}

static void
reset_signals(void)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;
	int number;

	for (number = 1; number < NSIG; number++)
		(void)sigaction(number, &standard, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Between fork and exec. Descriptors are first moved out of the way of each other. */
static _Noreturn void
execute(enum proto_kind kind, uint64_t instance, int channel_fd, int log_fd, const struct spawn_user *user)
{
	char number[24];
	char name[32];
	char zone[] = "TZ=:/etc/localtime";
	char *const argv[] = { name, number, NULL };
	char *const environment[] = { zone, NULL };
	int channel_copy = fcntl(channel_fd, F_DUPFD_CLOEXEC, 100);
	int log_copy = fcntl(log_fd, F_DUPFD_CLOEXEC, 100);
	int program = fcntl(programs[kind], F_DUPFD_CLOEXEC, 100);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int i;

	(void)setpgid(0, 0);
	oom_take_rank(kind);
	reset_signals();
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)instance);
	(void)strlcpy(name, proto_kind_name(kind), sizeof(name));
	for (i = 0; i < 3; i++)
		if (dup2(null, i) == -1)
			_exit(71);
	if (dup2(channel_copy, PROCESS_PARENT_FD) == -1 || dup2(log_copy, PROCESS_LOG_FD) == -1)
		_exit(71);
	(void)syscall(SYS_close_range, PROCESS_LOG_FD + 1, ~0U, 1 << 2 /* CLOSE_RANGE_CLOEXEC */);
	if (user != NULL && !become(user))
		_exit(77);
	(void)execveat(program, "", argv, environment, AT_EMPTY_PATH);
	_exit(71);
}

pid_t
spawn(enum proto_kind kind, uint64_t instance, int log_fd, const struct spawn_user *user, int *channel_fd,
    struct error *err)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1) {
		(void)error_set(err, ERROR_TEMPORARY, "socketpair: %s", strerror(errno));
		return -1;
	}
	pid = fork();
	if (pid == 0)
		execute(kind, instance, ends[1], log_fd, user);
	(void)close(ends[1]);
	if (pid == -1) {
		(void)error_set(err, ERROR_TEMPORARY, "fork: %s", strerror(errno));
		(void)close(ends[0]);
		return -1;
	}
	*channel_fd = ends[0];
	return pid;
}
