/* SPDX-License-Identifier: ISC */
#include "ctl/verbs.h"

#include <stdio.h>

/* clang-format off */
static const struct verb verbs[] = {
	{ PROTO_STATUS_ASK_TYPE,     "status",   VERB_ADMINISTRATOR, VERB_TO_ALL,    false, PROTO_STATUS_VALUE_TYPE },
	{ PROTO_QUEUE_LIST_TYPE,     "list",     VERB_ANYBODY,       VERB_TO_QUEUE,  false, PROTO_QUEUE_ENTRY_TYPE },
	{ PROTO_HISTORY_LIST_TYPE,   "history",  VERB_ANYBODY,       VERB_TO_QUEUE,  false, PROTO_HISTORY_ENTRY_TYPE },
	{ PROTO_QUEUE_READ_TYPE,     "read",     VERB_ANYBODY,       VERB_TO_QUEUE,  false, PROTO_QUEUE_TEXT_TYPE },
	{ PROTO_QUEUE_BACKUP_TYPE,   "backup",   VERB_ADMINISTRATOR, VERB_TO_QUEUE,  false, PROTO_QUEUE_TEXT_TYPE },
	{ PROTO_QUEUE_CHANGE_TYPE,   "change",   VERB_ANYBODY,       VERB_TO_QUEUE,  true,  PROTO_QUEUE_ENTRY_TYPE },
	{ PROTO_DESTINATION_LIST_TYPE,    "destinations", VERB_ADMINISTRATOR, VERB_TO_QUEUE, false, PROTO_DESTINATION_ENTRY_TYPE },
	{ PROTO_DESTINATION_AGES_TYPE,    "ages",         VERB_ADMINISTRATOR, VERB_TO_QUEUE, false, PROTO_DESTINATION_AGE_TYPE },
	{ PROTO_DESTINATION_SUSPEND_TYPE, "suspend",      VERB_ADMINISTRATOR, VERB_TO_QUEUE, true,  PROTO_ANSWER_END_TYPE },
	{ PROTO_SET_PAUSE_TYPE,      "pause",    VERB_ADMINISTRATOR, VERB_TO_PARENT, true,  PROTO_ANSWER_END_TYPE },
	{ PROTO_SET_LEVEL_TYPE,      "log",      VERB_ADMINISTRATOR, VERB_TO_PARENT, true,  PROTO_ANSWER_END_TYPE },
	{ PROTO_STOP_TYPE,           "stop",     VERB_ADMINISTRATOR, VERB_TO_PARENT, true,  PROTO_ANSWER_END_TYPE },
};
/* clang-format on */

const struct verb *
verb_find(enum proto_type type)
{
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].type == type)
			return &verbs[i];
	return NULL;
}

bool
verb_allowed(const struct verb *verb, const struct identity *who)
{
	return verb->who == VERB_ANYBODY || who->administrator;
}

void
verb_own(enum proto_type type, const struct identity *who, union proto_message *msg, char *dst)
{
	uint64_t owner = identity_owner(who);

	switch ((int)type) {
	case PROTO_QUEUE_LIST_TYPE: msg->queue_list.owner = owner; break;
	case PROTO_HISTORY_LIST_TYPE: msg->history_list.owner = owner; break;
	case PROTO_QUEUE_READ_TYPE: msg->queue_read.owner = owner; break;
	case PROTO_QUEUE_CHANGE_TYPE:
		msg->queue_change.owner = owner;
		(void)snprintf(dst, VERB_BY_MAX, "local:%u", who->uid);
		msg->queue_change.by = str_of(dst);
		break;
	default: break;
	}
}
