/* SPDX-License-Identifier: ISC */
#include "queue/thread.h"

#include <signal.h>
#include <string.h>

#include "common/log.h"

void
thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	sigset_t all, before;
	int rc;

	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGBUS);
	(void)sigdelset(&all, SIGSEGV);
	(void)sigdelset(&all, SIGSYS);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(thread, NULL, run, arg);
	if (rc != 0)
		fatal("cannot start a thread: %s", strerror(rc));
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}
