/* SPDX-License-Identifier: ISC */
#include "router/table_file.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/limits.h"

/* --- reading --- */

/* Whoever can write a table decides where mail goes, and on whose authority. */
static bool
check_owner(const char *path, const struct stat *st, struct error *err)
{
	if (!S_ISREG(st->st_mode))
		return error_set(err, ERROR_PERMANENT, "%s: is not a regular file", path);
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return error_set(err, ERROR_PERMANENT, "%s: belongs to uid %u, not to root", path, st->st_uid);
	if ((st->st_mode & S_IWOTH) != 0)
		return error_set(err, ERROR_PERMANENT, "%s: everybody may write to it (chmod o-w)", path);
	if ((st->st_mode & S_IWGRP) != 0 && st->st_gid != 0)
		return error_set(
		    err, ERROR_PERMANENT, "%s: the group %u may write to it (chmod g-w)", path, st->st_gid);
	return true;
}

static bool
read_all(const char *path, int fd, size_t size, struct str *out, struct error *err)
{
	char *text = malloc(size + 1);
	size_t len = 0;
	ssize_t n = 1;

	if (text == NULL)
		return error_set(err, ERROR_TEMPORARY, "%s: out of memory", path);
	while (n > 0 && len < size + 1) {
		n = read(fd, text + len, size + 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	if (n == -1 || len > size) {
		free(text);
		return error_set(
		    err, ERROR_TEMPORARY, "%s: %s", path, n == -1 ? strerror(errno) : "grew while it was read");
	}
	*out = (struct str){ text, len };
	return true;
}

bool
table_file_read(const char *path, size_t max, struct str *out, struct error *err)
{
	struct stat st;
	bool ok = false;
	int fd;

	/* Non-blocking: opening a pipe must not wait for its other end. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return error_set(err, ERROR_PERMANENT, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) == -1)
		error_set(err, ERROR_TEMPORARY, "%s: %s", path, strerror(errno));
	else if (!check_owner(path, &st, err))
		ok = false;
	else if (st.st_size < 0 || (uint64_t)st.st_size > max)
		error_set(err, ERROR_PERMANENT, "%s: is larger than %zu bytes", path, max);
	else
		ok = read_all(path, fd, (size_t)st.st_size, out, err);
	(void)close(fd);
	return ok;
}

/* --- lines --- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_list_mark(struct str comment)
{
	comment.ptr++;
	comment.len--;
	return str_equal(str_trim(comment), S("@list"));
}

/* The key ends at a blank or ":"; within brackets, where an IPv6 address stands, ":" belongs to it. */
static size_t
key_length(struct str line)
{
	size_t i = 0;

	if (line.len > 0 && line.ptr[0] == '[')
		while (i < line.len && line.ptr[i] != ']' && !is_blank(line.ptr[i]))
			i++;
	while (i < line.len && line.ptr[i] != ':' && !is_blank(line.ptr[i]))
		i++;
	return i;
}

/* Blanks, one ":", blanks: so a value may begin with ":include:" or ":error:". */
static void
split(struct str line, struct str *key, struct str *value)
{
	size_t i = key_length(line);

	*key = (struct str){ line.ptr, i };
	*value = str_trim((struct str){ line.ptr + i, line.len - i });
	if (value->len > 0 && value->ptr[0] == ':') {
		value->ptr++;
		value->len--;
		*value = str_trim(*value);
	}
}

static bool
add_line(struct entries *e, struct str line, uint32_t number, enum table_form form, struct error *err)
{
	struct str key = line, value = { NULL, 0 };

	if (form == TABLE_FORM_MAPPING) {
		split(line, &key, &value);
		if (value.len == 0)
			return error_set(err, ERROR_PERMANENT, "%s:%u: expected a key and a value", e->file, number);
	}
	return entries_add(e, key, value, number, err);
}

static bool
check_line(struct str line, const char *file, uint32_t number, struct error *err)
{
	if (line.len > TABLE_LINE_MAX)
		return error_set(err, ERROR_PERMANENT, "%s:%u: a line is longer than 65536 bytes", file, number);
	if (line.len > 0 && memchr(line.ptr, '\0', line.len) != NULL)
		return error_set(err, ERROR_PERMANENT, "%s:%u: a NUL byte", file, number);
	return true;
}

static enum table_form
form_of(struct str line)
{
	return key_length(line) < line.len ? TABLE_FORM_MAPPING : TABLE_FORM_LIST;
}

bool
table_file_entries(struct str text, enum table_form form, struct entries *e, enum table_form *found, struct error *err)
{
	struct str rest = text, line;
	uint32_t number = 0;
	bool lines = text.len > 0;

	while (lines) {
		lines = str_cut(rest, '\n', &line, &rest);
		number++;
		if (!check_line(line, e->file, number, err))
			return false;
		if (line.len > 0 && line.ptr[line.len - 1] == '\r')
			line.len--;
		line = str_trim(line);
		if (line.len > 0 && line.ptr[0] == '#') {
			if (form == TABLE_FORM_EITHER && is_list_mark(line))
				form = TABLE_FORM_LIST;
			continue;
		}
		if (line.len == 0)
			continue;
		if (form == TABLE_FORM_EITHER)
			form = form_of(line);
		if (!add_line(e, line, number, form, err))
			return false;
	}
	*found = e->count == 0 ? TABLE_FORM_EITHER : form;
	return true;
}
