/* SPDX-License-Identifier: ISC */
/*
 * The queue as a process: what it opens, whom it serves, which message goes where.
 */
#ifndef QUEUE_SERVICE_H
#define QUEUE_SERVICE_H

#include "common/process.h"

extern const struct process service;

/* When the loop has ended, and nobody can hand over anything any more: commits what is there, closes the store. */
void service_close(void);

#endif
