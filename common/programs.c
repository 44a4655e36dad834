/* SPDX-License-Identifier: ISC */
#include "common/programs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool
programs_directory(char *out, size_t size, struct error *err)
{
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	char *slash;

	if (n == -1)
		return error_set(err, ERROR_PERMANENT, "/proc/self/exe: %s", strerror(errno));
	out[n] = '\0';
	slash = strrchr(out, '/');
	if (slash != NULL)
		*slash = '\0';
	slash = strrchr(out, '/');
	if (slash == NULL || strcmp(slash, "/sbin") != 0)
		return true;
	*slash = '\0';
	if (strlcat(out, "/libexec/postern", size) >= size)
		return error_set(err, ERROR_PERMANENT, "%s: too long a path", out);
	return true;
}
