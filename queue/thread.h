/* SPDX-License-Identifier: ISC */
/* Threads of the queue: signals are the loop's, but for those that say that this very thread has gone wrong. */
#ifndef QUEUE_THREAD_H
#define QUEUE_THREAD_H

#include <pthread.h>

/*
 * Starts run(arg); fatal where that fails. What a thread calls while it begins is not in the filter of confinement: the
 * caller waits for a sign of it before it goes on.
 */
void thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);

#endif
