/* SPDX-License-Identifier: ISC */
/*
 * Introducing two processes to each other: each gets one end of a fresh pair of sockets, and is told who has the other.
 * Where descriptors have run out, it is tried again until they are there or one of the two is gone.
 */
#ifndef PARENT_INTRODUCE_H
#define PARENT_INTRODUCE_H

#include "parent/family.h"

/* Once there is a loop. */
void introduce_init(void);

/* Both have a channel. */
void introduce(struct child *a, struct child *b);

#endif
