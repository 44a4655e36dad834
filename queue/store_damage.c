/* SPDX-License-Identifier: ISC */
/*
 * The ways in which a damaged file or a broken disk shows itself within LMDB: a page that cannot be read is SIGBUS, a tree
 * that is wrong an assertion of LMDB's. There is no way on from either but a restart, so both say which spool it was and end
 * the process.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "queue/store_lmdb.h"

enum { WORDS_MAX = 512, EXIT_DAMAGED = 70 };

/* Composed when it is installed: nothing may be formatted within a signal handler. */
static struct {
	int fd;
	char unreadable[WORDS_MAX];
	char damaged[WORDS_MAX];
} last_words = { .fd = STDERR_FILENO, .damaged = "event=fatal error=\"the store is damaged\"\n" };

static _Noreturn void
end_with(const char *line)
{
	(void)!write(last_words.fd, line, strlen(line));
	_exit(EXIT_DAMAGED);
}

static void
on_sigbus(int number)
{
	(void)number;
	end_with(last_words.unreadable);
}

void
store_damaged(MDB_env *env, const char *what)
{
	(void)env;
	(void)what; /* words of LMDB's source, of no use to an administrator */
	end_with(last_words.damaged);
}

void
store_sigbus_install(int log_fd, const char *name, const char *dir)
{
	struct sigaction action = { .sa_handler = on_sigbus };

	last_words.fd = log_fd;
	(void)snprintf(last_words.unreadable, sizeof(last_words.unreadable),
	    "%s[%d]: event=fatal file=%s/data.mdb error=\"a page cannot be read: broken disk, or the file was cut off\"\n",
	    name, (int)getpid(), dir);
	(void)snprintf(last_words.damaged, sizeof(last_words.damaged),
	    "%s[%d]: event=fatal file=%s/data.mdb error=\"the store is damaged\"\n", name, (int)getpid(), dir);
	if (sigaction(SIGBUS, &action, NULL) == -1)
		fatal("cannot install the handler of SIGBUS");
}
