/* SPDX-License-Identifier: ISC */
#include "parent/oom.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* proc(5), oom_score_adj: -1000 (never) to 1000 (first). */
enum { RANK_LAST = -1000, RANK_MIDDLE = 0, RANK_FIRST = 500 };

static const int ranks[PROTO_KIND_COUNT] = {
	[PROTO_KIND_PARENT] = RANK_LAST,
	[PROTO_KIND_QUEUE] = RANK_MIDDLE,
	[PROTO_KIND_ROUTER] = RANK_MIDDLE,
	[PROTO_KIND_USERDB] = RANK_FIRST,
	[PROTO_KIND_SMTPD] = RANK_FIRST,
	[PROTO_KIND_RELAY] = RANK_FIRST,
	[PROTO_KIND_RESOLVER] = RANK_FIRST,
	[PROTO_KIND_MAILBOX] = RANK_FIRST,
	[PROTO_KIND_CONTROL] = RANK_FIRST,
};

void
oom_take_rank(enum proto_kind kind)
{
	char text[16];
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	int len = snprintf(text, sizeof(text), "%d\n", ranks[kind]);

	if (fd == -1)
		return;
	(void)!write(fd, text, (size_t)len);
	(void)close(fd);
}
