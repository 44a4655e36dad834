/* SPDX-License-Identifier: ISC */
/*
 * Where the log goes. In the foreground: a pipe of ours to a pump, a process that can do nothing but read it and write
 * stderr, so that no process holds a file and a slow terminal stops no mail. Else: syslog's socket. The parent gives the
 * descriptor to each process, and a new one when it breaks.
 */
#ifndef PARENT_LOGGING_H
#define PARENT_LOGGING_H

#include <sys/types.h>

#include <stdbool.h>

#include "common/error.h"

/* Opens the log and starts the parent's own. Returns false and sets err when there is nowhere to log to. */
bool logging_open(bool foreground, const char *pump_account, struct error *err);

/* The descriptor the processes write to. */
int logging_fd(void);

/* Once there is a loop: from here on changed is called whenever there is a new descriptor. */
void logging_watch(void (*changed)(void));

/* Called now and then: opens the log again when syslog was restarted. */
void logging_check(void);

/* A process ended that is nobody else's. If it was the pump, another is started, later when it dies often (backoff.h). */
void logging_died(pid_t pid);

/* Closes the parent's end and waits until the pump has written all. */
void logging_close(void);

#endif
