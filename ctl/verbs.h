/* SPDX-License-Identifier: ISC */
/* What may be asked over the control socket, by whom, and who answers it: one table, checked before anything is done. */
#ifndef CTL_VERBS_H
#define CTL_VERBS_H

#include <stdbool.h>

#include "common/proto.h"
#include "ctl/identity.h"

enum verb_who { VERB_ANYBODY, VERB_ADMINISTRATOR };
enum verb_to { VERB_TO_QUEUE, VERB_TO_ALL, VERB_TO_PARENT };

struct verb {
	enum proto_type type;
	const char *name; /* for the log */
	enum verb_who who;
	enum verb_to to;
	bool changes;           /* something: it is logged */
	enum proto_type answer; /* what may come before ANSWER_END; ANSWER_END_TYPE: nothing */
};

/* The row of a type, NULL when no client may send it. */
const struct verb *verb_find(enum proto_type type);

bool verb_allowed(const struct verb *verb, const struct identity *who);

/*
 * Puts into the request whose mail it is about, and by whom it is made, whatever the client wrote there. by is kept as a
 * view of dst, of VERB_BY_MAX bytes.
 */
#define VERB_BY_MAX 32
void verb_own(enum proto_type type, const struct identity *who, union proto_message *msg, char *dst);

#endif
