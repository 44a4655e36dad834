/* SPDX-License-Identifier: ISC */
/*
 * The ways in which a damaged file or a broken disk shows itself within LMDB: a page that cannot be read is SIGBUS, a
 * tree that is wrong an assertion of LMDB's, or a pointer that leads nowhere. There is no way on but a restart, so
 * each says which spool it was and ends the process.
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
	char fault[WORDS_MAX];
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

/* May also be a mistake of ours: it then happens again, as if there were no handler, and leaves its traces. */
static void
on_sigsegv(int number)
{
	(void)number;
	(void)!write(last_words.fd, last_words.fault, strlen(last_words.fault));
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
	const struct sigaction unreadable = { .sa_handler = on_sigbus };
	const struct sigaction fault = { .sa_handler = on_sigsegv, .sa_flags = (int)SA_RESETHAND };

	last_words.fd = log_fd;
	(void)snprintf(last_words.unreadable, sizeof(last_words.unreadable),
	    "%s[%d]: event=fatal file=%s/data.mdb error=\"a page cannot be read: broken disk, or the file was cut off\"\n",
	    name, (int)getpid(), dir);
	(void)snprintf(last_words.damaged, sizeof(last_words.damaged),
	    "%s[%d]: event=fatal file=%s/data.mdb error=\"the store is damaged\"\n", name, (int)getpid(), dir);
	(void)snprintf(last_words.fault, sizeof(last_words.fault),
	    "%s[%d]: event=fatal file=%s/data.mdb error=\"memory fault: the store may be damaged\"\n", name,
	    (int)getpid(), dir);
	if (sigaction(SIGBUS, &unreadable, NULL) == -1)
		fatal("cannot install the handler of SIGBUS");
#ifndef POSTERN_SANITIZE /* its own report says more */
	if (sigaction(SIGSEGV, &fault, NULL) == -1)
		fatal("cannot install the handler of SIGSEGV");
#else
	(void)fault;
#endif
}
