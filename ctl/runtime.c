/* SPDX-License-Identifier: ISC */
#include "ctl/runtime.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
runtime_init(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd != -1 && fd <= STDERR_FILENO);
	if (fd != -1)
		(void)close(fd);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGXFSZ, &ignore, NULL);
}

const char *
runtime_path(const char *name, char *dst)
{
	const char *directory = getenv("POSTERN_RUNTIME");

	if (directory == NULL || directory[0] == '\0')
		directory = "/run/postern";
	(void)snprintf(dst, RUNTIME_PATH_MAX + 1, "%s/%s", directory, name);
	return dst;
}
