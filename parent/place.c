/* SPDX-License-Identifier: ISC */
#include "parent/place.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/str.h"

static char empty[PATH_MAX];
static int lock = -1;

const char *
place_empty(void)
{
	return empty;
}

/* Makes the directory and, in the way of mkdir -p, what is above it. */
static bool
make_path(const char *path, struct error *err)
{
	char part[PATH_MAX];
	char *slash;

	if (path[0] != '/' || strlcpy(part, path, sizeof(part)) >= sizeof(part))
		return error_set(err, ERROR_PERMANENT, "%s: expected an absolute path", path);
	for (slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) == -1 && errno != EEXIST)
			return error_set(err, ERROR_PERMANENT, "%s: mkdir: %s", part, strerror(errno));
		*slash = '/';
	}
	if (mkdir(part, 0700) == -1 && errno != EEXIST)
		return error_set(err, ERROR_PERMANENT, "%s: mkdir: %s", part, strerror(errno));
	return true;
}

/* A directory of that owner and mode, made or put right; refused when it is a link, or somebody else's. */
static bool
make_directory(const char *path, uid_t owner, gid_t group, mode_t mode, struct error *err)
{
	struct stat st;
	bool ok;
	int fd;

	if (!make_path(path, err))
		return false;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1) {
		(void)error_set(
		    err, ERROR_PERMANENT, "%s: expected a directory that is no link: %s", path, strerror(errno));
		if (fd != -1)
			(void)close(fd);
		return false;
	}
	if (st.st_uid != owner && st.st_uid != geteuid())
		ok = error_set(err, ERROR_PERMANENT, "%s: belongs to uid %u, expected %u", path, st.st_uid, owner);
	else if (fchown(fd, owner, group) == -1 || fchmod(fd, mode) == -1)
		ok = error_set(err, ERROR_PERMANENT, "%s: cannot set owner and mode: %s", path, strerror(errno));
	else
		ok = true;
	(void)close(fd);
	return ok;
}

/* Held on the descriptor, until the process ends, whatever way it ends. */
static bool
lock_runtime(const char *runtime, struct error *err)
{
	char path[PATH_MAX], pid[32] = "";
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/lock", runtime);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock == -1)
		return error_set(err, ERROR_PERMANENT, "%s: %s", path, strerror(errno));
	if (flock(lock, LOCK_EX | LOCK_NB) == 0)
		return true;
	n = read(lock, pid, sizeof(pid) - 1);
	pid[n > 0 ? n : 0] = '\0';
	return error_set(err, ERROR_PERMANENT, "%s: postern is running already, with process id %s", path,
	    pid[0] != '\0' ? pid : "unknown");
}

void
place_note_pid(void)
{
	char pid[32];
	int n = snprintf(pid, sizeof(pid), "%d", (int)getpid());

	(void)!ftruncate(lock, 0);
	(void)!pwrite(lock, pid, (size_t)n, 0); /* a courtesy to whoever is refused: the lock is what counts */
}

bool
place_prepare(const char *spool, const char *runtime, bool privileged, struct error *err)
{
	const struct passwd *queue = privileged ? getpwnam("_posternq") : NULL;
	uid_t self = geteuid();

	if (privileged && queue == NULL)
		return error_set(err, ERROR_PERMANENT,
		    "account _posternq: not on this machine (\"make deps\" creates the accounts)");
	if (strlen(runtime) + sizeof("/control.sock") > 108)
		return error_set(err, ERROR_PERMANENT, "%s: too long for the path of a socket", runtime);
	(void)snprintf(empty, sizeof(empty), "%s/empty", runtime);
	return make_directory(runtime, self, getegid(), 0755, err) && lock_runtime(runtime, err) &&
	    make_directory(empty, self, getegid(), 0755, err) &&
	    make_directory(
		spool, queue == NULL ? self : queue->pw_uid, queue == NULL ? getegid() : queue->pw_gid, 0700, err);
}
