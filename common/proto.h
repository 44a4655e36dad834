/* SPDX-License-Identifier: ISC */
/*
 * Messages between processes, generated from proto_table.h. A payload becomes a struct only here and a struct a payload
 * only here; the decoder believes nothing: every field there and in range, and all bytes used, or the message is refused.
 */
#ifndef COMMON_PROTO_H
#define COMMON_PROTO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/fields.h"
#include "common/proto_table.h"
#include "common/str.h"

#define PROTO_PAYLOAD_MAX 65536

enum proto_kind {
#define K(NAME, name) PROTO_KIND_##NAME,
	PROTO_KINDS(K)
#undef K
	    PROTO_KIND_COUNT
};

enum proto_type {
#define T(NAME, name, from, to, fd) PROTO_##NAME##_TYPE,
	PROTO_TABLE(T)
#undef T
	    PROTO_TYPE_COUNT
};

/* clang-format off */
#define T(NAME, name, from, to, fd) struct msg_##name { PROTO_##NAME(FIELDS_MEMBER) };
PROTO_TABLE(T)
#undef T

/* Room for any of them, as the decoder fills it. */
union proto_message {
#define T(NAME, name, from, to, fd) struct msg_##name name;
	PROTO_TABLE(T)
#undef T
};
/* clang-format on */

/* Values of choice fields. */
enum proto_body { PROTO_BODY_7BIT, PROTO_BODY_8BITMIME };
enum proto_delivery { PROTO_DELIVERY_RELAY, PROTO_DELIVERY_LOCAL };
enum proto_answer { PROTO_ANSWER_FOUND, PROTO_ANSWER_NONE, PROTO_ANSWER_TEMPORARY };
enum proto_refusal { PROTO_REFUSAL_TEMPORARY, PROTO_REFUSAL_NO_ROOM, PROTO_REFUSAL_TICKET };
enum proto_result { PROTO_RESULT_DELIVERED, PROTO_RESULT_DEFERRED, PROTO_RESULT_FAILED };

/* What the sender wants back of a message that failed (RFC 3461 section 4.3), and when to hear of a recipient (4.1). */
enum proto_ret { PROTO_RET_NONE, PROTO_RET_FULL, PROTO_RET_HDRS };
enum proto_notify {
	PROTO_NOTIFY_NEVER = 1,
	PROTO_NOTIFY_SUCCESS = 2,
	PROTO_NOTIFY_FAILURE = 4,
	PROTO_NOTIFY_DELAY = 8
};

/* clang-format off */

/* Why a recipient still waits, or failed: C(NAME, word), the word being that of the queries and of the answers to them. */
#define PROTO_CAUSES(C) \
	C(NONE,        "none") \
	C(ANSWER,      "answer")      /* what the other server said of this message or recipient */ \
	C(GREYLIST,    "greylist")    /* it wants to see us again later */ \
	C(THEIR_LIMIT, "their-limit") /* we send too much for it, or it has too little room */ \
	C(OUR_LIMIT,   "our-limit")   /* of connections, or a rate */ \
	C(DNS,         "dns")         /* its name could not be resolved */ \
	C(CONNECTION,  "connection")  /* it could not be reached, or was lost */ \
	C(TLS,         "tls")         /* the connection could not be protected as it has to be */ \
	C(HERE,        "here")        /* this machine: a mailbox, a disk, a process */ \
	C(PAUSE,       "pause")       /* the administrator's: paused, suspended, held, or given up */

/* In what state a recipient is. */
#define PROTO_ENTRY_STATES(E) \
	E(WAITING, "waiting") /* for its time */ \
	E(READY,   "ready")   /* due, for its turn */ \
	E(RUNNING, "running") /* handed to relay or mailbox */ \
	E(PAUSED,  "paused")  /* by the administrator */ \
	E(HELD,    "held")    /* likewise; or its action is no longer in the configuration, or its delivery kills processes */

/* What can be done with recipients. */
#define PROTO_CHANGES(C) \
	C(SCHEDULE, "schedule") /* try now */ \
	C(HOLD,     "hold")     /* not before they are released */ \
	C(RELEASE,  "release") \
	C(REQUEUE,  "requeue")  /* ask router again where they go */ \
	C(BOUNCE,   "bounce")   /* give up now, and tell the sender */ \
	C(REMOVE,   "remove")   /* without telling anybody */
/* clang-format on */

enum proto_cause {
#define C(NAME, word) PROTO_CAUSE_##NAME,
	PROTO_CAUSES(C)
#undef C
	    PROTO_CAUSE_COUNT
};

enum proto_entry_state {
#define E(NAME, word) PROTO_ENTRY_##NAME,
	PROTO_ENTRY_STATES(E)
#undef E
	    PROTO_ENTRY_COUNT
};

enum proto_change {
#define C(NAME, word) PROTO_CHANGE_##NAME,
	PROTO_CHANGES(C)
#undef C
	    PROTO_CHANGE_COUNT
};

enum proto_route {
	PROTO_ROUTE_FOUND,
	PROTO_ROUTE_NO_DOMAIN, /* NXDOMAIN, or a name without any address: permanent */
	PROTO_ROUTE_NULL_MX,   /* RFC 7505: permanent, 556 5.1.10 */
	PROTO_ROUTE_TEMPORARY,
	PROTO_ROUTE_BROKEN /* the answer breaks our limits or is no mail route: permanent */
};
/* What of a PROTO_QUERY limits it. */
enum proto_filter {
	PROTO_FILTER_NUMBER = 1,
	PROTO_FILTER_SENDER = 2,
	PROTO_FILTER_RECIPIENT = 4,
	PROTO_FILTER_DOMAIN = 8,
	PROTO_FILTER_DESTINATION = 16,
	PROTO_FILTER_OLDER = 32,
	PROTO_FILTER_NEWER = 64,
	PROTO_FILTER_LARGER = 128,
	PROTO_FILTER_SMALLER = 256,
	PROTO_FILTER_CAUSE = 512,
	PROTO_FILTER_STATE = 1024,
	PROTO_FILTERS_ALL = 2047
};
/* Where a destination stands: the first that holds, from below. */
enum proto_destination_state {
	PROTO_DESTINATION_IDLE,      /* nothing waits */
	PROTO_DESTINATION_WAITING,   /* nothing is due */
	PROTO_DESTINATION_ACTIVE,    /* mail is due, or being delivered */
	PROTO_DESTINATION_LIMITED,   /* by a rate of ours */
	PROTO_DESTINATION_DOWN,      /* no server could be spoken to */
	PROTO_DESTINATION_PAUSED,    /* with all of its kind */
	PROTO_DESTINATION_SUSPENDED, /* by the administrator */
	PROTO_DESTINATION_HELD       /* its action is no longer in the configuration */
};

/* A class of age ends before so many minutes; the last has no end. */
#define PROTO_AGE_MINUTES                                          \
	{                                                          \
		5, 10, 20, 40, 80, 160, 320, 640, 1280, UINT64_MAX \
	}

enum proto_pause { PROTO_PAUSE_SMTP, PROTO_PAUSE_MDA, PROTO_PAUSE_MTA };
/* Ids of LISTENER that are not an index of the configuration. */
enum proto_socket { PROTO_SOCKET_CONTROL = 1000 };

#define PROTO_OWNER_ANY  UINT32_MAX       /* every owner's mail: a request of root */
#define PROTO_OWNER_NONE (UINT32_MAX - 1) /* mail that came from the network belongs to nobody */

/* The query of any request that has one, and how it gets there. Texts stay views. */
struct proto_query {
	PROTO_QUERY(FIELDS_MEMBER)
};
#define PROTO_QUERY_TAKE(kind, name, limit) to_->name = from_->name;
#define PROTO_QUERY_COPY(from, to)                         \
	do {                                               \
		const __typeof__(*(from)) *from_ = (from); \
		__typeof__(*(to)) *to_ = (to);             \
		PROTO_QUERY(PROTO_QUERY_TAKE)              \
	} while (0)

/* The word for a value, "unknown" for one that is none. */
const char *proto_cause_word(unsigned cause);
const char *proto_state_word(unsigned state);
const char *proto_change_word(unsigned change);

/* The value for a word. Returns false when it is none. */
bool proto_cause_find(struct str word, unsigned *out);
bool proto_state_find(struct str word, unsigned *out);

const char *proto_kind_name(enum proto_kind kind);
const char *proto_type_name(enum proto_type type);

/* Whether the table lets kind `from` send this type to kind `to`. type may be any number. */
bool proto_allowed(unsigned type, enum proto_kind from, enum proto_kind to);

/* Whether a pair of sockets exists between the two, in either order; the parent's edges are not in this question. */
bool proto_edge(enum proto_kind a, enum proto_kind b);

/* Whether a descriptor comes with this type. */
bool proto_has_descriptor(enum proto_type type);

/*
 * Appends the payload of a message to out; msg is the struct of that type. Returns false, out as it was, when a field is
 * over its limit (a mistake of the caller's) or out has no room.
 */
bool proto_encode(enum proto_type type, const void *msg, struct buf *out);

/*
 * Fills msg, of union proto_message's size, with views into payload. Returns false when any field is missing, over its
 * limit, not canonical, or bytes are left over.
 */
bool proto_decode(enum proto_type type, struct str payload, void *msg);

/* Appends "name field=value ..." for people; blobs show their length only, so keys and bodies are never printed. */
void proto_print(enum proto_type type, const void *msg, struct buf *out);

/* Fills msg with a valid sample of the type for tests and the fuzzer; texts come from static storage. */
void proto_sample(enum proto_type type, unsigned variant, void *msg);

#endif
