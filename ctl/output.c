/* SPDX-License-Identifier: ISC */
#include "ctl/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MODE = 0600 };

bool
output_open(struct output *o, const char *name, struct error *err)
{
	*o = (struct output){ .name = name, .fd = STDOUT_FILENO };
	if (strcmp(name, "-") == 0)
		return isatty(STDOUT_FILENO) == 0 ||
		    error_set(err, ERROR_PERMANENT, "standard output is a terminal: expected a file or a pipe");
	o->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (o->fd == -1)
		return error_set(err, ERROR_PERMANENT, "%s: cannot be made: %s", name, strerror(errno));
	o->made = true;
	return true;
}

static bool
fail(struct output *o, int error, struct error *err)
{
	output_discard(o);
	return error_set(err, ERROR_TEMPORARY, "%s: cannot be written: %s",
	    strcmp(o->name, "-") == 0 ? "standard output" : o->name, strerror(error));
}

bool
output_write(struct output *o, struct str bytes, struct error *err)
{
	while (bytes.len > 0) {
		ssize_t n = write(o->fd, bytes.ptr, bytes.len);
		if (n == -1 && errno != EINTR)
			return fail(o, errno, err);
		if (n > 0)
			bytes = (struct str){ bytes.ptr + n, bytes.len - (size_t)n };
	}
	return true;
}

bool
output_finish(struct output *o, struct error *err)
{
	if (!o->made)
		return true;
	if (fsync(o->fd) == -1)
		return fail(o, errno, err);
	(void)close(o->fd);
	o->made = false;
	return true;
}

void
output_discard(struct output *o)
{
	if (!o->made)
		return;
	(void)close(o->fd);
	(void)unlink(o->name);
	o->made = false;
}
