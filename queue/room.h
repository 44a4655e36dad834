/* SPDX-License-Identifier: ISC */
/*
 * The room for new mail: what the store says there is, told to each smtpd as the largest message that can be taken now, so
 * that a client hears 452 4.3.1 at MAIL already. A message needs its size twice: once more while pages are rewritten.
 */
#ifndef QUEUE_ROOM_H
#define QUEUE_ROOM_H

#include <stdbool.h>

#include "common/process.h"

/* Takes the first look. */
void room_init(void);

/* Says it to a peer that is new. */
void room_tell(struct peer *smtpd);

/* Something was written: looks again, if the last look is old. */
void room_changed(void);

/* A commit failed for want of room: looks at once. */
void room_failed(void);

/* Whether any message may begin. */
bool room_is_left(void);

#endif
