/* SPDX-License-Identifier: ISC */
#include "mailbox/path.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "mailbox/limits.h"

static bool no_openat2;

void
path_without_openat2(bool without)
{
	no_openat2 = without;
}

/* --- names --- */

void
path_buffer(struct buf *b, size_t max)
{
	buf_init(b, max);
	if (buf_reserve(b, max) == NULL)
		fatal("out of memory");
}

static bool
stays(char c)
{
	return (c >= 'a' && c <= 'z') || ascii_is_digit(c) || (c != '\0' && strchr("._+-@", c) != NULL);
}

bool
path_append_value(struct buf *out, struct str value)
{
	static const char digits[] = "0123456789abcdef";
	size_t before = out->len, i;
	bool ok = value.len > 0 || buf_append_byte(out, '=');

	for (i = 0; i < value.len && ok; i++) {
		char c = ascii_lower(value.ptr[i]);
		unsigned char byte = (unsigned char)c;
		if (stays(c) && !(c == '.' && i == 0))
			ok = buf_append_byte(out, c);
		else
			ok = buf_append(out, (const char[]){ '=', digits[byte >> 4], digits[byte & 0xf] }, 3);
	}
	if (!ok)
		buf_truncate(out, before);
	return ok;
}

bool
path_normalize(struct str path, char *dst, size_t size)
{
	bool absolute = path.len > 0 && path.ptr[0] == '/';
	size_t len = 0;
	struct str component;

	if (size < 2 || (path.len > 0 && memchr(path.ptr, '\0', path.len) != NULL))
		return false;
	if (absolute)
		dst[len++] = '/';
	while (path.len > 0) {
		(void)str_cut(path, '/', &component, &path);
		if (component.len == 0 || str_equal(component, S(".")))
			continue;
		if (str_equal(component, S("..")) || component.len > MAILBOX_NAME_MAX)
			return false;
		if (len > 0 && dst[len - 1] != '/' && len + 1 < size)
			dst[len++] = '/';
		if (component.len >= size - len)
			return false;
		memcpy(dst + len, component.ptr, component.len);
		len += component.len;
	}
	dst[len] = '\0';
	return true;
}

void
path_existing(const char *path, char *dst, size_t size)
{
	struct stat st;
	char *slash;

	if (!str_copy(str_of(path), dst, size))
		(void)str_copy(S("/"), dst, size);
	while ((stat(dst, &st) == -1 || !S_ISDIR(st.st_mode)) && (slash = strrchr(dst, '/')) != NULL && dst[1] != '\0')
		slash[slash == dst ? 1 : 0] = '\0';
}

const char *
path_below(const char *root, const char *path)
{
	size_t len = strlen(root);

	if (strcmp(root, "/") == 0)
		return path[0] == '/' ? path + 1 : NULL;
	if (strncmp(root, path, len) != 0 || (path[len] != '/' && path[len] != '\0'))
		return NULL;
	return path + len + (path[len] == '/');
}

/* --- opening --- */

/* Without openat2: every component by itself, none of them a link; none is ".." since paths are normalised. */
static int
open_by_steps(int dirfd, const char *path, int flags, mode_t mode)
{
	char name[MAILBOX_NAME_MAX + 1];
	struct str component, rest;
	int at = dirfd, next, saved;

	while (str_cut(str_of(path), '/', &component, &rest)) {
		if (!str_copy(component, name, sizeof(name))) {
			errno = ENAMETOOLONG;
			next = -1;
		} else {
			next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		}
		saved = errno;
		if (at != dirfd)
			(void)close(at);
		if (next == -1) {
			errno = saved;
			return -1;
		}
		at = next;
		path = rest.ptr;
	}
	next = openat(at, path, flags, mode);
	saved = errno;
	if (at != dirfd)
		(void)close(at);
	errno = saved;
	return next;
}

int
path_open(int dirfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = { .flags = (uint64_t)(unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
		.mode = (flags & O_CREAT) != 0 ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	long fd = -1;

	if (!no_openat2) {
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd != -1 || errno != ENOSYS)
			return (int)fd;
		no_openat2 = true;
	}
	return open_by_steps(dirfd, path, flags | O_NOFOLLOW | O_CLOEXEC, mode);
}

/* Where the last component is a link and O_DIRECTORY is asked for, openat(2) says ENOTDIR. */
static bool
say_failure(struct outcome *o, const char *name)
{
	if (errno == ELOOP)
		return outcome_set(o, OUTCOME_UNSAFE, "%s: a symbolic link", name);
	if (errno == ENOTDIR)
		return outcome_set(o, OUTCOME_UNSAFE, "%s: no directory; a symbolic link is none", name);
	return outcome_errno(o, errno, "%s", name);
}

static int
open_or_make(int dirfd, const char *name, struct outcome *o)
{
	int fd = path_open(dirfd, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd != -1 || errno != ENOENT) {
		if (fd == -1)
			(void)say_failure(o, name);
		return fd;
	}
	if (mkdirat(dirfd, name, S_IRWXU) == -1 && errno != EEXIST) {
		(void)outcome_errno(o, errno, "cannot make directory %s", name);
		return -1;
	}
	if (fsync(dirfd) == -1) {
		(void)outcome_errno(o, errno, "cannot sync the directory of %s", name);
		return -1;
	}
	fd = path_open(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd == -1)
		(void)say_failure(o, name);
	return fd;
}

static int
make_by_steps(int dirfd, const char *path, struct outcome *o)
{
	char name[MAILBOX_NAME_MAX + 1];
	struct str component, rest = str_of(path);
	int at = dirfd, next;

	while (rest.len > 0) {
		(void)str_cut(rest, '/', &component, &rest);
		if (!str_copy(component, name, sizeof(name))) {
			(void)outcome_set(o, OUTCOME_NO_PLACE, "a name of more than %d bytes", MAILBOX_NAME_MAX);
			next = -1;
		} else {
			next = open_or_make(at, name, o);
		}
		if (at != dirfd)
			(void)close(at);
		if (next == -1)
			return -1;
		at = next;
	}
	return at;
}

int
path_open_directory(int dirfd, const char *path, bool create, struct outcome *o)
{
	int fd = path_open(dirfd, path[0] == '\0' ? "." : path, O_RDONLY | O_DIRECTORY, 0);

	if (fd == -1 && errno == ENOENT && create && path[0] != '\0')
		return make_by_steps(dirfd, path, o);
	if (fd == -1)
		(void)say_failure(o, path[0] == '\0' ? "." : path);
	return fd;
}
