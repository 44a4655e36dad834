/* SPDX-License-Identifier: ISC */
#include "mailbox/maildir.h"

#include <sys/stat.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/str.h"
#include "mailbox/path.h"

enum { HOST_MAX = 160 }; /* bytes, of the host's name with escapes: leaves room for the rest of a file name */

static char host_name[HOST_MAX + 1] = "localhost";
static unsigned messages; /* begun by this process */

/* --- names --- */

static bool
is_plain(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '.' || c == '-' || c == '_';
}

void
maildir_init(const char *host)
{
	char *end = host_name;

	while (*host != '\0' && end + 4 < host_name + sizeof(host_name)) {
		if (is_plain(*host))
			*end++ = *host;
		else
			end += snprintf(end, 5, "\\%03o", (unsigned)(unsigned char)*host);
		host++;
	}
	*end = '\0';
}

void
maildir_name(int64_t time_s, unsigned micro_s, unsigned counter, uint64_t random, char *dst)
{
	(void)snprintf(dst, MAILBOX_NAME_MAX + 1, "%" PRId64 ".M%06uP%ldQ%uR%016" PRIx64 ".%s", time_s, micro_s,
	    (long)getpid(), counter, random, host_name);
}

static void
next_name(char *dst)
{
	struct timeval now;
	uint64_t random;

	(void)gettimeofday(&now, NULL);
	arc4random_buf(&random, sizeof(random));
	maildir_name(now.tv_sec, (unsigned)now.tv_usec, messages++, random, dst);
}

/* --- directories --- */

static bool
is_ours(int fd, const char *name, uid_t uid, struct outcome *o)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return outcome_errno(o, errno, "%s", name);
	if (st.st_uid != uid)
		return outcome_set(o, OUTCOME_UNSAFE, "%s: belongs to another user", name);
	if ((st.st_mode & S_IWOTH) != 0)
		return outcome_set(o, OUTCOME_UNSAFE, "%s: everybody may write to it", name);
	return true;
}

static int
open_ours(int dirfd, const char *name, uid_t uid, struct outcome *o)
{
	int fd = path_open_directory(dirfd, name, true, o);

	if (fd != -1 && !is_ours(fd, name, uid, o)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* Where there is no such folder the mailbox itself takes the message. */
static int
open_folder(int mailbox, const char *folder, uid_t uid, struct outcome *o)
{
	int fd = path_open(mailbox, folder, O_RDONLY | O_DIRECTORY, 0);

	if (fd == -1)
		return fcntl(mailbox, F_DUPFD_CLOEXEC, 0);
	if (!is_ours(fd, folder, uid, o)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static bool
open_directories(struct maildir *m, int root_fd, const char *path, const char *folder, uid_t uid, struct outcome *o)
{
	int mailbox, cur = -1, place = -1;

	mailbox = open_ours(root_fd, path, uid, o);
	if (mailbox == -1)
		return false;
	place = folder[0] == '\0' ? fcntl(mailbox, F_DUPFD_CLOEXEC, 0) : open_folder(mailbox, folder, uid, o);
	if (place != -1) {
		m->tmp = open_ours(place, "tmp", uid, o);
		m->new = m->tmp == -1 ? -1 : open_ours(place, "new", uid, o);
		cur = m->new == -1 ? -1 : open_ours(place, "cur", uid, o);
		(void)close(place);
	}
	(void)close(mailbox);
	if (cur == -1)
		return false;
	(void)close(cur);
	return true;
}

/* --- a message --- */

static void
close_all(struct maildir *m)
{
	int *const fds[] = { &m->fd, &m->tmp, &m->new };
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] != -1)
			(void)close(*fds[i]);
		*fds[i] = -1;
	}
}

static bool
create_file(struct maildir *m, struct outcome *o)
{
	int tries;

	for (tries = 0; tries < MAILDIR_NAME_TRIES && m->fd == -1; tries++) {
		next_name(m->name);
		m->fd = path_open(m->tmp, m->name, O_WRONLY | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
		if (m->fd == -1 && errno != EEXIST)
			break;
	}
	return m->fd != -1 || outcome_errno(o, errno, "cannot make a file in tmp");
}

bool
maildir_begin(struct maildir *m, int root_fd, const char *path, const char *folder, uid_t uid, struct outcome *o)
{
	*m = (struct maildir){ .tmp = -1, .new = -1, .fd = -1 };
	if (!open_directories(m, root_fd, path, folder, uid, o) || !create_file(m, o)) {
		close_all(m);
		return false;
	}
	return true;
}

bool
maildir_write(struct maildir *m, const char *data, size_t len, struct outcome *o)
{
	while (len > 0) {
		ssize_t n = write(m->fd, data, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return outcome_errno(o, errno, "cannot write to tmp");
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* RENAME_NOREPLACE where the file system knows it; else a link, which never replaces either. */
static bool
publish(const struct maildir *m, struct outcome *o)
{
	if (renameat2(m->tmp, m->name, m->new, m->name, RENAME_NOREPLACE) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS)
		return outcome_errno(o, errno, "cannot rename from tmp to new");
	if (linkat(m->tmp, m->name, m->new, m->name, 0) == -1)
		return outcome_errno(o, errno, "cannot link from tmp to new");
	(void)unlinkat(m->tmp, m->name, 0); /* a second name in tmp does no harm */
	return true;
}

static bool
finish(struct maildir *m, struct outcome *o)
{
	int closed;

	if (fsync(m->fd) == -1)
		return outcome_errno(o, errno, "cannot sync the message");
	closed = close(m->fd);
	m->fd = -1;
	if (closed == -1) /* a network file system may say now that there was no room */
		return outcome_errno(o, errno, "cannot close the message");
	if (!publish(m, o))
		return false;
	if (fsync(m->new) == -1) {
		(void)outcome_errno(o, errno, "cannot sync new");
		(void)unlinkat(m->new, m->name, 0); /* it will come again */
		return false;
	}
	return outcome_set(o, OUTCOME_DELIVERED, "Maildir");
}

bool
maildir_commit(struct maildir *m, struct outcome *o)
{
	bool ok = finish(m, o);

	if (!ok)
		(void)unlinkat(m->tmp, m->name, 0); /* whether or not it is there any more */
	close_all(m);
	return ok;
}

void
maildir_abort(struct maildir *m)
{
	if (m->fd == -1)
		return;
	(void)unlinkat(m->tmp, m->name, 0);
	close_all(m);
}
