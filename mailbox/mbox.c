/* SPDX-License-Identifier: ISC */
#include "mailbox/mbox.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "mailbox/path.h"

enum { TAG_MAX = 255 };

static const char from_word[] = "From ";
static char lock_tag[TAG_MAX + 1] = "postern"; /* what a lock file of ours on this machine holds */

void
mbox_init(const char *host)
{
	(void)snprintf(lock_tag, sizeof(lock_tag), "postern %s\n", host);
}

/* --- opening --- */

/* SECURITY: whatever was put in the place of the file is seen here, before a byte is written. */
static bool
is_safe(const struct stat *st, struct mbox_owner owner, struct outcome *o)
{
	if (!S_ISREG(st->st_mode))
		return outcome_set(o, OUTCOME_UNSAFE, "mbox: not a regular file");
	if (st->st_nlink != 1)
		return outcome_set(o, OUTCOME_UNSAFE, "mbox: has %lu names", (unsigned long)st->st_nlink);
	if (st->st_uid != owner.uid)
		return outcome_set(o, OUTCOME_UNSAFE, "mbox: belongs to another user");
	if ((st->st_mode & S_IWOTH) != 0)
		return outcome_set(o, OUTCOME_UNSAFE, "mbox: everybody may write to it");
	if ((st->st_mode & S_IWGRP) != 0 && st->st_gid != owner.mail_gid)
		return outcome_set(o, OUTCOME_UNSAFE, "mbox: a group other than mail may write to it");
	return true;
}

static bool
open_file(struct mbox *m, const char *name, struct mbox_owner owner, struct outcome *o)
{
	int flags = O_RDWR | O_APPEND | O_NONBLOCK | O_NOCTTY;
	struct stat st;

	m->fd = path_open(m->dir, name, flags, 0);
	if (m->fd == -1 && errno == ENOENT) {
		m->fd = path_open(m->dir, name, flags | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
		m->created = m->fd != -1;
	}
	if (m->fd == -1 && errno == ELOOP)
		return outcome_set(o, OUTCOME_UNSAFE, "mbox: a symbolic link");
	if (m->fd == -1)
		return outcome_errno(o, errno, "cannot open mbox");
	if (fstat(m->fd, &st) == -1)
		return outcome_errno(o, errno, "mbox");
	return is_safe(&st, owner, o);
}

/* A mail reader may have put a new file in its place while we waited. */
static bool
is_still(const struct mbox *m, const char *name, off_t *length)
{
	struct stat there, ours;

	if (fstatat(m->dir, name, &there, AT_SYMLINK_NOFOLLOW) == -1 || fstat(m->fd, &ours) == -1)
		return false;
	*length = ours.st_size;
	return there.st_dev == ours.st_dev && there.st_ino == ours.st_ino;
}

/* --- locks --- */

static bool
lock_file(const struct mbox *m)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(m->fd, F_SETLK, &lock) == 0;
}

/*
 * A lock file that this program made on this machine: whoever made it took the fcntl lock first, which we hold now. So it
 * was killed, and nobody has to wait for the file to become old.
 */
static bool
is_left_over(const struct mbox *m)
{
	char text[TAG_MAX + 1];
	int fd = path_open(m->dir, m->lock, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	ssize_t n = fd == -1 ? -1 : read(fd, text, sizeof(text));

	if (fd != -1)
		(void)close(fd);
	return n > 0 && (size_t)n == strlen(lock_tag) && memcmp(text, lock_tag, (size_t)n) == 0;
}

/* Of other programs' lock files only the age tells that their owner is gone. */
static bool
is_stale(const struct mbox *m, int64_t now_s)
{
	struct stat st;

	return fstatat(m->dir, m->lock, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mtime < now_s - MBOX_LOCK_STALE_S || is_left_over(m));
}

static int
create_lock(const struct mbox *m)
{
	int fd = path_open(m->dir, m->lock, O_WRONLY | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);

	if (fd != -1)
		(void)!write(fd, lock_tag, strlen(lock_tag)); /* on a full disk its name alone is the lock */
	return fd;
}

static enum mbox_begun
make_lock(struct mbox *m, int64_t now_s, struct outcome *o)
{
	int fd = create_lock(m);

	if (fd == -1 && errno == EEXIST && is_stale(m, now_s) && unlinkat(m->dir, m->lock, 0) == 0)
		fd = create_lock(m);
	if (fd == -1 && errno == EEXIST) {
		(void)outcome_set(o, OUTCOME_LOCKED, "its lock file is held");
		return MBOX_BUSY;
	}
	if (fd == -1) {
		(void)outcome_errno(o, errno, "cannot make the lock file of mbox");
		return MBOX_FAILED;
	}
	m->locked = true;
	(void)close(fd);
	return MBOX_OPEN;
}

/* The order of Debian's policy (11.6), and one that never waits for the second while it holds the first. */
static enum mbox_begun
lock(struct mbox *m, const char *name, int64_t now_s, struct outcome *o)
{
	enum mbox_begun begun;

	if (!lock_file(m)) {
		if (errno != EAGAIN && errno != EACCES) {
			(void)outcome_errno(o, errno, "cannot lock mbox");
			return MBOX_FAILED;
		}
		(void)outcome_set(o, OUTCOME_LOCKED, "another program writes to it");
		return MBOX_BUSY;
	}
	begun = make_lock(m, now_s, o);
	if (begun == MBOX_OPEN && !is_still(m, name, &m->old_length)) {
		(void)outcome_set(o, OUTCOME_LOCKED, "it is being replaced");
		begun = MBOX_BUSY;
	}
	return begun;
}

/* --- writing --- */

static bool
write_out(struct mbox *m, struct outcome *o)
{
	while (m->out.len > 0) {
		struct str bytes = buf_str(&m->out);
		ssize_t n = write(m->fd, bytes.ptr, bytes.len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return outcome_errno(o, errno, "cannot write to mbox");
		buf_consume(&m->out, (size_t)n);
	}
	return true;
}

static bool
put(struct mbox *m, const char *data, size_t len, struct outcome *o)
{
	while (len > 0) {
		size_t room = m->out.max - m->out.len;
		size_t n = len < room ? len : room;
		if (n == 0) {
			if (!write_out(m, o))
				return false;
			continue;
		}
		if (!buf_append(&m->out, data, n))
			return outcome_errno(o, ENOMEM, "cannot write to mbox");
		m->last = data[n - 1];
		data += n;
		len -= n;
	}
	return true;
}

/* Behind a message whose writer was killed: its last line ended, and a blank line. */
static bool
put_separator(struct mbox *m, struct outcome *o)
{
	char end[2] = "\n\n";

	if (m->old_length == 0)
		return true;
	if (m->old_length == 1 ? pread(m->fd, end + 1, 1, 0) != 1 : pread(m->fd, end, 2, m->old_length - 2) != 2)
		return outcome_errno(o, errno, "cannot read the end of mbox");
	if (end[1] != '\n')
		return put(m, "\n\n", 2, o);
	return end[0] == '\n' || put(m, "\n", 1, o);
}

static bool
open_place(struct mbox *m, int root_fd, const char *path, const char **name, struct outcome *o)
{
	char directory[MAILBOX_PATH_MAX + 1];
	struct str head, tail;

	if (!str_cut_last(str_of(path), '/', &head, &tail)) {
		tail = head;
		head.len = 0;
	}
	*name = tail.ptr;
	if (tail.len == 0 || snprintf(m->lock, sizeof(m->lock), "%s.lock", *name) >= (int)sizeof(m->lock) ||
	    !str_copy(head, directory, sizeof(directory)))
		return outcome_set(o, OUTCOME_NO_PLACE, "mbox: expected a name of 1 to %d bytes", MAILBOX_NAME_MAX - 5);
	m->dir = path_open_directory(root_fd, directory, true, o);
	return m->dir != -1;
}

static void
close_all(struct mbox *m)
{
	if (m->locked)
		(void)unlinkat(m->dir, m->lock, 0);
	m->locked = false;
	if (m->fd != -1)
		(void)close(m->fd); /* which gives up the other lock */
	if (m->dir != -1)
		(void)close(m->dir);
	m->fd = -1;
	m->dir = -1;
	buf_clear(&m->out);
}

enum mbox_begun
mbox_begin(struct mbox *m, int root_fd, const char *path, struct mbox_owner owner, int64_t now_s, struct outcome *o)
{
	enum mbox_begun begun = MBOX_FAILED;
	const char *name;

	*m = (struct mbox){ .dir = -1, .fd = -1, .at_quotes = true, .last = '\n' };
	buf_init(&m->out, MAILBOX_WRITE_SIZE);
	if (open_place(m, root_fd, path, &name, o) && open_file(m, name, owner, o))
		begun = lock(m, name, now_s, o);
	if (begun == MBOX_OPEN && !put_separator(m, o))
		begun = MBOX_FAILED;
	if (begun != MBOX_OPEN)
		close_all(m);
	return begun;
}

/* White space would end the sender in the eyes of a reader. */
static void
put_sender(struct buf *line, struct str sender)
{
	size_t i;

	for (i = 0; i < sender.len; i++)
		(void)buf_append_byte(
		    line, (unsigned char)sender.ptr[i] > ' ' && sender.ptr[i] != 0x7f ? sender.ptr[i] : '-');
}

bool
mbox_write_from(struct mbox *m, struct str reverse_path, int64_t now_s, struct outcome *o)
{
	time_t now = (time_t)now_s;
	char date[64];
	struct buf line;
	struct tm tm;
	bool ok;

	if (gmtime_r(&now, &tm) == NULL || strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm) == 0)
		(void)strlcpy(date, "Thu Jan  1 00:00:00 1970", sizeof(date));
	buf_init(&line, PROTO_ADDRESS_MAX + sizeof(date) + 16);
	if (buf_reserve(&line, line.max) == NULL)
		return outcome_errno(o, ENOMEM, "cannot write to mbox");
	(void)buf_append_text(&line, from_word);
	put_sender(&line, reverse_path.len == 0 ? S("MAILER-DAEMON") : reverse_path);
	ok = buf_printf(&line, " %s\n", date) && put(m, buf_str(&line).ptr, line.len, o);
	buf_clear(&line);
	return ok;
}

/* What was held back of "From " turns out to be the front of some other line, or of one to be quoted. */
static bool
put_held(struct mbox *m, struct outcome *o)
{
	size_t held = m->matched;

	m->matched = 0;
	return put(m, from_word, held, o);
}

/* Takes one byte of the front of a line, while the line may still turn out to be one that is quoted. */
static bool
put_front(struct mbox *m, char c, struct outcome *o)
{
	if (c == '>' && m->matched == 0)
		return put(m, &c, 1, o);
	if (c == from_word[m->matched]) {
		m->matched++;
		if (from_word[m->matched] != '\0')
			return true;
		m->at_quotes = false;
		return put(m, ">", 1, o) && put_held(m, o);
	}
	m->at_quotes = c == '\n';
	return put_held(m, o) && put(m, &c, 1, o);
}

bool
mbox_write(struct mbox *m, const char *data, size_t len, struct outcome *o)
{
	while (len > 0) {
		const char *end;
		size_t n = 1;
		if (m->at_quotes) {
			if (!put_front(m, *data, o))
				return false;
		} else {
			end = memchr(data, '\n', len);
			n = end == NULL ? len : (size_t)(end - data) + 1;
			m->at_quotes = end != NULL;
			if (!put(m, data, n, o))
				return false;
		}
		data += n;
		len -= n;
	}
	return true;
}

/* --- the end --- */

static void
restore(const struct mbox *m)
{
	if (ftruncate(m->fd, m->old_length) == -1 || fsync(m->fd) == -1)
		log_error("mailbox-not-restored", log_text(LOG_FIELD_error, strerror(errno)),
		    log_u64(LOG_FIELD_size, (uint64_t)m->old_length));
}

static bool
finish(struct mbox *m, struct outcome *o)
{
	if (!put_held(m, o) || (m->last != '\n' && !put(m, "\n", 1, o)) || !put(m, "\n", 1, o) || !write_out(m, o))
		return false;
	if (fsync(m->fd) == -1)
		return outcome_errno(o, errno, "cannot sync mbox");
	if (m->created && fsync(m->dir) == -1)
		return outcome_errno(o, errno, "cannot sync the directory of mbox");
	return outcome_set(o, OUTCOME_DELIVERED, "mbox");
}

bool
mbox_commit(struct mbox *m, struct outcome *o)
{
	bool ok = finish(m, o);

	if (!ok)
		restore(m);
	close_all(m);
	return ok;
}

void
mbox_abort(struct mbox *m)
{
	if (m->fd == -1)
		return;
	restore(m);
	close_all(m);
}
