/* SPDX-License-Identifier: ISC */
#include "parent/introduce.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "parent/limits.h"

/* One life of a process; the process that is started in its place is introduced to all anyway. */
struct life {
	enum proto_kind kind;
	uint64_t instance;
	uint64_t generation;
};

struct owed {
	struct life a, b;
	struct owed *next;
};

static struct {
	struct owed *owed;
	struct loop_timer again;
} self;

static struct life
life_of(const struct child *child)
{
	return (struct life){ child->kind, child->instance, child->generation };
}

static struct child *
find(const struct life *life)
{
	struct child *child = family_find(life->kind, life->instance);

	return child != NULL && child->generation == life->generation && child->channel != NULL ? child : NULL;
}

static void
owe(const struct child *a, const struct child *b, int error)
{
	struct owed *owed = calloc(1, sizeof(*owed));

	if (owed == NULL)
		fatal("out of memory");
	*owed = (struct owed){ life_of(a), life_of(b), self.owed };
	self.owed = owed;
	if (self.again.pending)
		return; /* said already */
	log_error("socketpair", log_text(LOG_FIELD_error, strerror(error)));
	loop_timer_start(&self.again, PARENT_INTRODUCE_MS);
}

/* Makes a pair, and sees that there is room for the copies that the channels make of both: they cannot say that there is none. */
static bool
make_pair(int ends[2])
{
	int copies[2], error;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
		return false;
	copies[0] = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
	copies[1] = fcntl(ends[1], F_DUPFD_CLOEXEC, 0);
	error = errno;
	if (copies[0] != -1)
		(void)close(copies[0]);
	if (copies[1] != -1) {
		(void)close(copies[1]);
		return true;
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
	errno = error;
	return false;
}

void
introduce(struct child *a, struct child *b)
{
	int ends[2];

	if (!make_pair(ends)) {
		owe(a, b, errno);
		return;
	}
	SEND_FD(a->channel, INTRODUCE, introduce, 0, ends[0], .kind = b->kind, .instance = b->instance,
	    .generation = b->generation);
	SEND_FD(b->channel, INTRODUCE, introduce, 0, ends[1], .kind = a->kind, .instance = a->instance,
	    .generation = a->generation);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void
try_again(void *arg)
{
	struct owed *owed, *next;

	(void)arg;
	owed = self.owed;
	self.owed = NULL;
	for (; owed != NULL; owed = next) {
		struct child *a = find(&owed->a), *b = find(&owed->b);
		next = owed->next;
		if (a != NULL && b != NULL)
			introduce(a, b);
		free(owed);
	}
}

void
introduce_init(void)
{
	loop_timer_init(&self.again, try_again, NULL);
}
