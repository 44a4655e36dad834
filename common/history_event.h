/* SPDX-License-Identifier: ISC */
/*
 * What can happen to a message, as history has it: each event once, with its word. The numbers are on disk: new ones come
 * at the end.
 */
#ifndef COMMON_HISTORY_EVENT_H
#define COMMON_HISTORY_EVENT_H

#include <stdbool.h>

#include "common/str.h"

/* clang-format off */
#define HISTORY_EVENTS(E) \
	E(ACCEPTED,  "accepted") \
	E(DELIVERED, "delivered") \
	E(DEFERRED,  "deferred") \
	E(BOUNCED,   "bounced")   /* failed for good; a DSN was made where it may */ \
	E(EXPIRED,   "expired")   /* bounced because its time was up */ \
	E(REMOVED,   "removed")   /* by an administrator, or its owner */ \
	E(RELAYED,   "relayed")   /* delivered to a server that tells its sender nothing: the sender was told so */ \
	E(DELAYED,   "delayed")   /* its sender was told that it still waits */ \
	E(REJECTED,  "rejected")  /* at SMTP: there was no message */

enum record_event {
	EVENT_NONE,
#define E(NAME, word) EVENT_##NAME,
	HISTORY_EVENTS(E)
#undef E
	RECORD_EVENT_COUNT
};
/* clang-format on */

/* "unknown" for a number that is none. */
const char *history_event_word(unsigned event);

/* Returns false when word is none of them. */
bool history_event_find(struct str word, unsigned *out);

#endif
