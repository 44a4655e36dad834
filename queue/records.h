/* SPDX-License-Identifier: ISC */
/*
 * What is on disk: every record, declared once (fields.h), with the states it can be in. On disk a record is a format
 * byte, the encoded fields, and a CRC-32C of its kind, of the key it stands under and of both, since LMDB 0.9 checks
 * nothing: a record that was damaged or has strayed is noticed when it is read.
 *
 * A message on disk is in one of these states, and nothing else can exist:
 *	coming     pieces and a sweep mark; no message record. Nobody was told 250; swept after the next start
 *	kept       an entry in the journal that is above the number in meta, and nothing else. It was told 250; taken over
 *	           into the state queued before anybody looks, or, on a full store, by the first start that finds room
 *	queued     a message record, all its pieces, at least one recipient; each recipient has exactly one schedule
 *	           entry and is counted in its destination's record; an expiry entry
 *	done       a sweep mark and some pieces; no message record, no recipient. Swept in bounded steps
 */
#ifndef QUEUE_RECORDS_H
#define QUEUE_RECORDS_H

#include "common/fields.h"
#include "common/history_event.h"
#include "common/proto.h"

#define RECORD_FORMAT     2    /* of new records; 1 is read too: it has less fields */
#define RECORD_PIECE_MAX  4080 /* bytes of a body piece with its format byte and checksum: one overflow page of LMDB */
#define RECORD_PIECE_DATA (RECORD_PIECE_MAX - 5)
#define RECORD_SCHEMA     2 /* version of the whole store, in meta */

/* clang-format off */

/* message: key is the message id (big-endian, as in all keys). */
#define RECORD_MESSAGE(F) \
	F(str,    reverse_path, PROTO_ADDRESS_MAX) \
	F(u64,    size, UINT64_MAX)                   /* of the body, without preamble */ \
	F(u64,    created_ms, INT64_MAX)              /* calendar, since 1970 */ \
	F(u64,    look_ms, INT64_MAX)                 /* when its age is looked at: to tell of a delay, or to give up */ \
	F(choice, body, 1) \
	F(str,    origin, PROTO_NAME_MAX)             /* client address, local:UID, or "dsn" */ \
	F(u64,    owner, UINT32_MAX)                  /* uid, or PROTO_OWNER_NONE */ \
	F(u64,    recipients, UINT32_MAX)             /* as many as were accepted, numbered from 0 */ \
	F(boolean, unrouted, 1)                       /* a DSN that has no ticket yet */ \
	F(blob,   preamble, PROTO_PREAMBLE_MAX) \
	/* since format 2 */ \
	F(choice, ret, PROTO_RET_HDRS) \
	F(str,    envid, PROTO_ENVID_MAX) \
	F(u64,    warned, UINT32_MAX)                 /* how often its sender was told of a delay */ \
	F(str,    message_id, PROTO_MESSAGE_ID_MAX)

/* recipient: key is message id, number. */
#define RECORD_RECIPIENT(F) \
	F(choice, kind, 2)                            /* enum proto_delivery; 2: not routed yet */ \
	F(str,    forward_path, PROTO_ADDRESS_MAX) \
	F(str,    recipient, PROTO_ADDRESS_MAX) \
	F(str,    user, PROTO_USER_MAX) \
	F(str,    action, PROTO_NAME_MAX) \
	F(u64,    destination, UINT64_MAX)            /* id */ \
	F(u64,    due_us, INT64_MAX)                  /* of its schedule entry */ \
	F(u64,    expires_ms, INT64_MAX) \
	F(u64,    tries, UINT32_MAX) \
	F(u64,    tried_ms, INT64_MAX) \
	F(u64,    code, 599)                          /* of the last answer, 0 before the first */ \
	F(str,    enhanced, PROTO_ENHANCED_MAX) \
	F(str,    text, PROTO_REPLY_MAX) \
	F(str,    hop, PROTO_NAME_MAX) \
	/* since format 2 */ \
	F(u64,    notify, PROTO_NOTIFY_MAX) \
	F(str,    orcpt, PROTO_ORCPT_MAX) \
	F(choice, cause, PROTO_CAUSE_MAX)             /* of the last answer */ \
	F(str,    tls, PROTO_TLS_MAX)                 /* likewise */ \
	F(boolean, held, 1)                           /* by an administrator: due_us is RECORD_HELD_US */

/*
 * destination: key is its id; destination_name: kind and name (of a long one the beginning, and the id), with a
 * number, the id. schedule: key is destination id, due time, message id, number; expiry: look_ms, message id;
 * sweep: message id; these three have no value.
 */
#define RECORD_DESTINATION(F) \
	F(choice, kind, 2)                            /* as in recipient */ \
	F(str,    name, PROTO_DESTINATION_MAX) \
	F(u64,    id, UINT64_MAX) \
	F(boolean, down, 1) \
	F(u64,    until_ms, INT64_MAX)                /* down: next probe */ \
	F(u64,    failures, UINT32_MAX)               /* in a row */ \
	F(str,    text, PROTO_REPLY_MAX)              /* why it is down */ \
	F(u64,    waiting, UINT64_MAX)                /* schedule entries */ \
	/* since format 2 */ \
	F(choice, cause, PROTO_CAUSE_MAX)             /* down: why */ \
	F(boolean, suspended, 1)                      /* by an administrator */ \
	F(u64,    suspended_until_ms, INT64_MAX)      /* 0: until it is resumed */

/* history: key is time (microseconds), message id, number, event. */
#define RECORD_HISTORY(F) \
	F(str,    from, PROTO_ADDRESS_MAX) \
	F(str,    to, PROTO_ADDRESS_MAX) \
	F(str,    destination, PROTO_DESTINATION_MAX) \
	F(str,    hop, PROTO_NAME_MAX) \
	F(u64,    code, 599) \
	F(str,    enhanced, PROTO_ENHANCED_MAX) \
	F(str,    text, PROTO_REPLY_MAX) \
	F(u64,    size, UINT64_MAX) \
	F(str,    origin, PROTO_NAME_MAX)             /* of the client; or who removed it */ \
	/* since format 2 */ \
	F(choice, cause, PROTO_CAUSE_MAX) \
	F(str,    tls, PROTO_TLS_MAX) \
	F(str,    message_id, PROTO_MESSAGE_ID_MAX)   /* with the event accepted */ \
	F(str,    helo, PROTO_NAME_MAX)               /* with the event rejected */ \
	F(u64,    tries, UINT32_MAX) \
	F(u64,    delay_ms, INT64_MAX)                /* since it was accepted */ \
	F(u64,    owner, UINT32_MAX)                  /* as in message: who may see it */ \
	F(u64,    more, UINT32_MAX)                   /* rejected: so many others beside it were not kept one by one */

/* state: key is the length of kind, kind, key. */
#define RECORD_STATE(F) \
	F(u64,    expires_ms, INT64_MAX)              /* 0: for ever */ \
	F(blob,   value, 61440)

/* meta: key is a name. */
#define RECORD_NUMBER(F) \
	F(u64,    value, UINT64_MAX)

#define RECORDS(R) \
	R(MESSAGE, message) \
	R(RECIPIENT, recipient) \
	R(DESTINATION, destination) \
	R(HISTORY, history) \
	R(STATE, state) \
	R(NUMBER, number)

/* Fields that a record of format 1 has: new ones are added at the end, and are zero in an old record. */
#define RECORD_FIELDS_1(C) \
	C(MESSAGE, 10) C(RECIPIENT, 14) C(DESTINATION, 8) C(HISTORY, 9) C(STATE, 2) C(NUMBER, 1)

#define RECORD_HELD_US INT64_MAX /* held entries stand behind all others of their destination */

#define R(NAME, name) struct record_##name { RECORD_##NAME(FIELDS_MEMBER) };
RECORDS(R)
#undef R

enum record_kind {
#define R(NAME, name) RECORD_KIND_##NAME,
	RECORDS(R)
#undef R
};
/* clang-format on */

#define RECIPIENT_UNROUTED 2 /* kind of a recipient of a DSN before its first ticket */

/* Encodes into out, for the record under key, in the newest format: format byte, fields, checksum. False when a field is over its limit. */
bool record_encode(enum record_kind kind, struct str key, const void *record, struct buf *out);

/* Fills record with views into bytes. False when format, checksum or fields are not right. */
bool record_decode(enum record_kind kind, struct str key, struct str bytes, void *record);

/* A body piece likewise: data of 1 to RECORD_PIECE_DATA bytes. *data is a view into bytes. */
size_t record_piece_encode(struct str key, struct str data, char out[RECORD_PIECE_MAX]);
bool record_piece_decode(struct str key, struct str bytes, struct str *data);

#endif
