/* SPDX-License-Identifier: ISC */
/*
 * Who may say what to whom: every message between processes, declared once. From this come the structs, encoding,
 * decoding, the check of sender and receiver, printing, and the seeds of the fuzzer (proto.h, proto.c).
 *
 * A field is F(kind, name, limit), as fields.h says.
 *
 * A message is T(NAME, name, FROM, TO, descriptor): FROM and TO are sets of kinds, descriptor says whether one file
 * descriptor comes with it. Every message has in its header the 64-bit id of what it speaks about; the comment says of
 * what.
 */
#ifndef COMMON_PROTO_TABLE_H
#define COMMON_PROTO_TABLE_H

#include "common/history_event.h"

/* clang-format off */

/* The kinds of process, and `client`: posternctl, at the other end of the control socket. */
#define PROTO_KINDS(K)   \
	K(PARENT,   posternd) \
	K(SMTPD,    smtpd)    \
	K(ROUTER,   router)   \
	K(USERDB,   userdb)   \
	K(QUEUE,    queue)    \
	K(RELAY,    relay)    \
	K(RESOLVER, resolver) \
	K(MAILBOX,  mailbox)  \
	K(CONTROL,  control)  \
	K(CLIENT,   client)

/* Between which of them a pair of sockets exists, beside the parent's with each. */
#define PROTO_EDGES(E)      \
	E(SMTPD,   ROUTER)   \
	E(SMTPD,   QUEUE)    \
	E(ROUTER,  USERDB)   \
	E(QUEUE,   ROUTER)   \
	E(QUEUE,   RELAY)    \
	E(QUEUE,   MAILBOX)  \
	E(RELAY,   RESOLVER) \
	E(CONTROL, QUEUE)    \
	E(CONTROL, SMTPD)    \
	E(CONTROL, ROUTER)   \
	E(CONTROL, RELAY)    \
	E(CONTROL, RESOLVER) \
	E(CLIENT,  CONTROL)

#define PROTO_ADDRESS_MAX     400
#define PROTO_NAME_MAX        255
#define PROTO_USER_MAX        255
#define PROTO_TEXT_MAX        1023
#define PROTO_REPLY_MAX       1023
#define PROTO_DESTINATION_MAX 1023
#define PROTO_ENHANCED_MAX    15
#define PROTO_ENVID_MAX       100   /* RFC 3461 section 4.4, as it stood in the command */
#define PROTO_ORCPT_MAX       500   /* likewise, section 4.2 */
#define PROTO_NOTIFY_MAX      15    /* all of enum proto_notify */
#define PROTO_CAUSE_MAX       (PROTO_CAUSE_COUNT - 1)
#define PROTO_CHANGE_MAX      (PROTO_CHANGE_COUNT - 1)
#define PROTO_ENTRY_MAX       (PROTO_ENTRY_COUNT - 1)
#define PROTO_EVENT_MAX       (RECORD_EVENT_COUNT - 1) /* of enum record_event */
#define PROTO_MESSAGE_ID_MAX  255
#define PROTO_TLS_MAX         63
#define PROTO_AGES            10    /* classes of age (proto.h) */
#define PROTO_CHUNK_MAX       61440 /* bytes of a body, a configuration or a text in one message */
#define PROTO_TICKET_MAX      4096
#define PROTO_PREAMBLE_MAX    8192
#define PROTO_KEY_MAX         32
#define PROTO_GROUPS_MAX      64    /* supplementary groups of a user */

/* --- the parent, who introduces; id is 0 where nothing else is said --- */

/* The first message: who the process is. ticket_key is for router and queue, statement_key for router, else empty. */
#define PROTO_SETUP(F) \
	F(choice,  kind, PROTO_KIND_COUNT - 1) \
	F(u64,     instance, 255) \
	F(u64,     generation, UINT32_MAX) \
	F(u64,     level, 4) \
	F(boolean, privileged, 1) \
	F(boolean, trace_proto, 1) \
	F(blob,    ticket_key, PROTO_KEY_MAX) \
	F(blob,    statement_key, PROTO_KEY_MAX)

/* The configuration, as config_text_encode made it, in pieces. */
#define PROTO_CONFIG(F) \
	F(blob,    bytes, PROTO_CHUNK_MAX) \
	F(boolean, last, 1)

/* A socket to accept on: id is the listener's index in the configuration, or one of enum proto_socket. */
#define PROTO_LISTENER(F) \
	F(str,     name, PROTO_NAME_MAX)

/* All that is needed was sent: read what is to be read, confine yourself, answer READY. */
#define PROTO_CONFINE(F) \
	F(boolean, nothing, 1)

/* The other end of a new pair; a peer of the same kind and instance is gone. */
#define PROTO_INTRODUCE(F) \
	F(choice,  kind, PROTO_KIND_COUNT - 1) \
	F(u64,     instance, UINT32_MAX) \
	F(u64,     generation, UINT32_MAX)

/* A new descriptor to log to. */
#define PROTO_LOG_TO(F) \
	F(boolean, nothing, 1)

/* All are ready: serve. */
#define PROTO_START(F) \
	F(boolean, nothing, 1)

/* End: begin nothing new, finish what runs, exit 0. */
#define PROTO_DRAIN(F) \
	F(boolean, nothing, 1)

#define PROTO_LEVEL(F) \
	F(u64,     level, 4)

/* What is paused: accepting, deliveries to users, deliveries to other hosts. */
#define PROTO_PAUSE(F) \
	F(boolean, smtp, 1) \
	F(boolean, mda, 1) \
	F(boolean, mta, 1)

/* Are you alive? Answered by PONG in the same turn; who does not answer for PROCESS_SILENT_MS is restarted. */
#define PROTO_PING(F) \
	F(boolean, nothing, 1)

#define PROTO_READY(F) \
	F(boolean, nothing, 1)

#define PROTO_PONG(F) \
	F(boolean, nothing, 1)

/* A peer broke the protocol. The parent restarts the one of the two that is nearer to the network. */
#define PROTO_PEER_BROKE(F) \
	F(choice,  kind, PROTO_KIND_COUNT - 1) \
	F(u64,     instance, UINT32_MAX) \
	F(u64,     generation, UINT32_MAX)

/* queue: start a mailbox process by router's statement. id: the queue's number for it. */
#define PROTO_MAILBOX_START(F) \
	F(blob,    statement, PROTO_TICKET_MAX)

/* It could not be started, or has ended; its jobs are void. id: the queue's number. */
#define PROTO_MAILBOX_ENDED(F) \
	F(boolean, permanent, 1) \
	F(str,     text, PROTO_TEXT_MAX)

/* To the mailbox process, in the place of SETUP's configuration: what it is to do. path may be empty: the default. */
#define PROTO_MAILBOX_SETUP(F) \
	F(choice,  method, 6) \
	F(u64,     sub_addr_delim, 126) /* a character */ \
	F(str,     path, PROTO_TEXT_MAX) \
	F(str,     user, PROTO_USER_MAX) \
	F(str,     home, PROTO_TEXT_MAX) \
	F(str,     action, PROTO_NAME_MAX)

/* End the daemon. */
#define PROTO_STOP(F) \
	F(boolean, nothing, 1)

/* --- smtpd and router; id: the session --- */

/* An accepted connection: router takes the peer's address or uid from the descriptor, and closes it. */
#define PROTO_SESSION_OPEN(F) \
	F(u64,     listener, 255)

#define PROTO_SESSION_CLOSE(F) \
	F(boolean, nothing, 1)

/*
 * Is this recipient ours, and where does it go? number counts the recipients of the transaction. queue asks for its own
 * messages too, and for those that are to be routed again; id is 0 then, and origin, which only queue may send, is what the
 * tickets said once: where the message came from.
 */
#define PROTO_RCPT_CHECK(F) \
	F(u64,     transaction, UINT64_MAX) \
	F(u64,     number, UINT32_MAX) \
	F(str,     origin, PROTO_NAME_MAX) \
	F(str,     helo, PROTO_NAME_MAX) \
	F(str,     reverse_path, PROTO_ADDRESS_MAX) \
	F(str,     forward_path, PROTO_ADDRESS_MAX)

/* One delivery of an accepted recipient: a sealed TICKET. */
#define PROTO_RCPT_TICKET(F) \
	F(u64,     transaction, UINT64_MAX) \
	F(u64,     number, UINT32_MAX) \
	F(blob,    ticket, PROTO_TICKET_MAX)

/* The last word on a recipient: code 250 with so many tickets before it, or a refusal. */
#define PROTO_RCPT_VERDICT(F) \
	F(u64,     transaction, UINT64_MAX) \
	F(u64,     number, UINT32_MAX) \
	F(u64,     code, 599) \
	F(str,     enhanced, PROTO_ENHANCED_MAX) \
	F(str,     text, PROTO_REPLY_MAX) \
	F(u64,     tickets, UINT32_MAX)

/* What a ticket says, sealed by router, opened by queue (seal.h). Never a message by itself. */
#define PROTO_TICKET(F) \
	F(u64,     transaction, UINT64_MAX) \
	F(u64,     number, UINT32_MAX) \
	F(u64,     part, UINT32_MAX) \
	F(u64,     expires_ms, INT64_MAX) \
	F(choice,  kind, 1) \
	F(str,     origin, PROTO_NAME_MAX) \
	F(u64,     owner, UINT32_MAX) \
	F(str,     reverse_path, PROTO_ADDRESS_MAX) \
	F(str,     forward_path, PROTO_ADDRESS_MAX) \
	F(str,     recipient, PROTO_ADDRESS_MAX) \
	F(str,     user, PROTO_USER_MAX) \
	F(str,     action, PROTO_NAME_MAX) \
	F(str,     destination, PROTO_DESTINATION_MAX) \
	F(u64,     ttl_s, INT32_MAX)

/* --- router and userdb; id: the request --- */

#define PROTO_USER_ASK(F) \
	F(str,     name, PROTO_USER_MAX)

/* groups: 32-bit numbers in the order of this machine. */
#define PROTO_USER_ANSWER(F) \
	F(choice,  status, 2) \
	F(str,     name, PROTO_USER_MAX) \
	F(u64,     uid, UINT32_MAX) \
	F(u64,     gid, UINT32_MAX) \
	F(blob,    groups, PROTO_GROUPS_MAX * 4) \
	F(str,     home, PROTO_TEXT_MAX)

/* --- queue and router: who delivers to this user? id: the request --- */

#define PROTO_STATEMENT_ASK(F) \
	F(str,     action, PROTO_NAME_MAX) \
	F(str,     user, PROTO_USER_MAX)

#define PROTO_STATEMENT_ANSWER(F) \
	F(choice,  status, 2) \
	F(blob,    statement, PROTO_TICKET_MAX) \
	F(str,     text, PROTO_TEXT_MAX)

/* A delivery statement, sealed by router, opened by the parent. Never a message by itself. */
#define PROTO_STATEMENT(F) \
	F(u64,     expires_ms, INT64_MAX) \
	F(u64,     action, 1024) \
	F(str,     user, PROTO_USER_MAX) \
	F(u64,     uid, UINT32_MAX) \
	F(u64,     gid, UINT32_MAX) \
	F(blob,    groups, PROTO_GROUPS_MAX * 4) \
	F(str,     home, PROTO_TEXT_MAX)

/* --- smtpd and queue; id: the transaction, which is the message's id too --- */

/* Ids that this worker may use, in rising order, each once; id is 0. */
#define PROTO_GRANT(F) \
	F(u64,     first, UINT64_MAX) \
	F(u64,     count, UINT32_MAX)

/* The largest message that there is room for now; id is 0. Sent at the introduction, and when it changes. */
#define PROTO_ROOM(F) \
	F(u64,     bytes, UINT64_MAX)

/* ret and envid are parameters of MAIL (RFC 3461), envid still in xtext; empty where none was given. */
#define PROTO_BEGIN(F) \
	F(u64,     session, UINT64_MAX) \
	F(str,     reverse_path, PROTO_ADDRESS_MAX) \
	F(choice,  body, 1) \
	F(choice,  ret, PROTO_RET_HDRS) \
	F(str,     envid, PROTO_ENVID_MAX)

/* notify is a set of enum proto_notify, 0 where the client named none; orcpt as in its command: type ";" xtext. */
#define PROTO_RCPT(F) \
	F(blob,    ticket, PROTO_TICKET_MAX) \
	F(u64,     notify, PROTO_NOTIFY_MAX) \
	F(str,     orcpt, PROTO_ORCPT_MAX)

#define PROTO_BODY(F) \
	F(blob,    bytes, PROTO_CHUNK_MAX)

/* The message is complete: size counts the body's bytes; message_id is its field's value; preamble is what stands above. */
#define PROTO_COMMIT(F) \
	F(u64,     size, UINT64_MAX) \
	F(str,     message_id, PROTO_MESSAGE_ID_MAX) \
	F(blob,    preamble, PROTO_PREAMBLE_MAX)

#define PROTO_ABORT(F) \
	F(boolean, nothing, 1)

/* So many bytes of the body were taken; the window opens by them. */
#define PROTO_CREDIT(F) \
	F(u64,     bytes, UINT32_MAX)

/* On disk. */
#define PROTO_DONE(F) \
	F(boolean, nothing, 1)

/* For history: mail or a client was refused. id: the session. Paths are empty where none was named, or none that is one. */
#define PROTO_REJECTED(F) \
	F(str,     origin, PROTO_NAME_MAX) \
	F(str,     helo, PROTO_NAME_MAX) \
	F(str,     reverse_path, PROTO_ADDRESS_MAX) \
	F(str,     forward_path, PROTO_ADDRESS_MAX) \
	F(u64,     code, 599) \
	F(str,     enhanced, PROTO_ENHANCED_MAX) \
	F(str,     text, PROTO_REPLY_MAX)

/* Nothing was kept. */
#define PROTO_REFUSED(F) \
	F(choice,  reason, 2)

/* --- queue and those who deliver; id: the job --- */

/* A message for recipients of one destination; size is of preamble and body, which follow from offset 0 on. */
#define PROTO_JOB(F) \
	F(u64,     message, UINT64_MAX) \
	F(str,     action, PROTO_NAME_MAX) \
	F(str,     destination, PROTO_DESTINATION_MAX) \
	F(str,     reverse_path, PROTO_ADDRESS_MAX) \
	F(choice,  body, 1) \
	F(choice,  ret, PROTO_RET_HDRS) \
	F(str,     envid, PROTO_ENVID_MAX) \
	F(u64,     size, UINT64_MAX) \
	F(u64,     rcpts, 1000)

#define PROTO_JOB_RCPT(F) \
	F(u64,     number, UINT32_MAX) \
	F(str,     address, PROTO_ADDRESS_MAX) \
	F(str,     forward_path, PROTO_ADDRESS_MAX) \
	F(u64,     notify, PROTO_NOTIFY_MAX) \
	F(str,     orcpt, PROTO_ORCPT_MAX)

/* The first one comes with the job, unasked; each further one answers a JOB_PULL. */
#define PROTO_JOB_BODY(F) \
	F(u64,     offset, UINT64_MAX) \
	F(blob,    bytes, PROTO_CHUNK_MAX)

/* In the place of a piece that was pulled: it cannot be had. The job ends now; who has no result yet is put off. */
#define PROTO_JOB_CANCEL(F) \
	F(str,     text, PROTO_REPLY_MAX)

/* Send the piece that begins at offset: one request at a time. */
#define PROTO_JOB_PULL(F) \
	F(u64,     offset, UINT64_MAX)

/*
 * How one recipient fared. hop: the server that answered, or empty. cause: what kept it, where it was not delivered.
 * passed: that server took over what the sender wants to be told (RFC 3461 section 5.2). tls: what protected the
 * connection, empty where nothing did.
 */
#define PROTO_JOB_RESULT(F) \
	F(u64,     number, UINT32_MAX) \
	F(choice,  result, 2) \
	F(choice,  cause, PROTO_CAUSE_MAX) \
	F(boolean, passed, 1) \
	F(u64,     code, 599) \
	F(str,     enhanced, PROTO_ENHANCED_MAX) \
	F(str,     text, PROTO_REPLY_MAX) \
	F(str,     hop, PROTO_NAME_MAX) \
	F(str,     tls, PROTO_TLS_MAX)

/* The job is over; every recipient has had its result. host_down: no server of the destination could be spoken to. */
#define PROTO_JOB_END(F) \
	F(boolean, host_down, 1)

/* --- relay and resolver; id: the request --- */

/* How is this domain reached? mx false: a host name, by its addresses alone. */
#define PROTO_ROUTE_ASK(F) \
	F(str,     domain, PROTO_NAME_MAX) \
	F(boolean, mx, 1)

/* One address, in the order to try: 4 or 16 bytes. */
#define PROTO_ROUTE_HOST(F) \
	F(u64,     preference, 65535) \
	F(str,     host, PROTO_NAME_MAX) \
	F(blob,    address, 16) \
	F(boolean, secure, 1)

#define PROTO_ROUTE_END(F) \
	F(choice,  status, 4) \
	F(str,     text, PROTO_TEXT_MAX)

/* --- control; id: the request --- */

#define PROTO_STATUS_ASK(F) \
	F(boolean, nothing, 1)

#define PROTO_STATUS_VALUE(F) \
	F(str,     name, 64) \
	F(u64,     value, UINT64_MAX)

/* The end of any answer; count is what the request changed or found: recipients, and of how many messages. */
#define PROTO_ANSWER_END(F) \
	F(boolean, ok, 1) \
	F(u64,     count, UINT64_MAX) \
	F(u64,     messages, UINT64_MAX) \
	F(str,     text, PROTO_TEXT_MAX)

/*
 * Which recipients of the queue a request is about: of the mail of owner (a uid, or PROTO_OWNER_ANY), of message (0: of
 * all), those that every filter of `filters` holds for, a set of enum proto_filter; the field of another is not looked at.
 * Addresses and names match in any case; "@domain" is every address there. Ages count from when the message was accepted.
 */
#define PROTO_QUERY(F) \
	F(u64,     owner, UINT32_MAX) \
	F(u64,     message, UINT64_MAX) \
	F(u64,     filters, PROTO_FILTERS_ALL) \
	F(u64,     number, UINT32_MAX)            /* of the recipient within its message */ \
	F(str,     sender, PROTO_ADDRESS_MAX) \
	F(str,     recipient, PROTO_ADDRESS_MAX)  /* as it was given, or what it came to be */ \
	F(str,     domain, PROTO_NAME_MAX)        /* of the recipient */ \
	F(str,     destination, PROTO_DESTINATION_MAX) \
	F(u64,     older_ms, INT64_MAX) \
	F(u64,     newer_ms, INT64_MAX) \
	F(u64,     larger, UINT64_MAX)            /* bytes of the message, at least */ \
	F(u64,     smaller, UINT64_MAX)           /* likewise, less than */ \
	F(choice,  cause, PROTO_CAUSE_MAX) \
	F(choice,  state, PROTO_ENTRY_MAX)

/* A listing goes on behind (after_message, after_number), at most limit entries a request. */
#define PROTO_QUEUE_LIST(F) \
	PROTO_QUERY(F) \
	F(u64,     after_message, UINT64_MAX) \
	F(u64,     after_number, UINT32_MAX) \
	F(u64,     limit, 256)

#define PROTO_QUEUE_ENTRY(F) \
	F(u64,     message, UINT64_MAX) \
	F(u64,     number, UINT32_MAX) \
	F(u64,     owner, UINT32_MAX) \
	F(choice,  kind, 2) \
	F(str,     origin, PROTO_NAME_MAX) \
	F(str,     reverse_path, PROTO_ADDRESS_MAX) \
	F(str,     forward_path, PROTO_ADDRESS_MAX) \
	F(str,     recipient, PROTO_ADDRESS_MAX) \
	F(str,     action, PROTO_NAME_MAX) \
	F(str,     destination, PROTO_DESTINATION_MAX) \
	F(u64,     size, UINT64_MAX) \
	F(u64,     created_ms, INT64_MAX) \
	F(u64,     expires_ms, INT64_MAX) \
	F(u64,     due_ms, INT64_MAX) \
	F(u64,     tried_ms, INT64_MAX) \
	F(u64,     tries, UINT32_MAX) \
	F(choice,  state, PROTO_ENTRY_MAX) \
	F(str,     last_reply, PROTO_REPLY_MAX) \
	F(str,     why, PROTO_TEXT_MAX)

/* The text of a message, preamble and body, from offset on: answered by one QUEUE_TEXT; empty at the end. */
#define PROTO_QUEUE_READ(F) \
	F(u64,     owner, UINT32_MAX) \
	F(u64,     message, UINT64_MAX) \
	F(u64,     offset, UINT64_MAX)

#define PROTO_QUEUE_TEXT(F) \
	F(u64,     offset, UINT64_MAX) \
	F(blob,    bytes, PROTO_CHUNK_MAX)

/*
 * The next part of a backup, an archive of the whole queue (queue/archive.h); offset 0 begins one. client is control's number
 * for who asked. Answered by one QUEUE_TEXT; at the end by ANSWER_END, whose count is the messages in it.
 */
#define PROTO_QUEUE_BACKUP(F) \
	F(u64,     client, UINT64_MAX) \
	F(u64,     offset, UINT64_MAX)

/* That client is gone: nobody waits for its backup. */
#define PROTO_QUEUE_BACKUP_END(F) \
	F(u64,     client, UINT64_MAX)

/*
 * What is to be done with them. dry_run: nothing; they are counted, and limit of them shown as by QUEUE_LIST. by: who asks,
 * for log and history.
 */
#define PROTO_QUEUE_CHANGE(F) \
	PROTO_QUERY(F) \
	F(choice,  change, PROTO_CHANGE_MAX) \
	F(boolean, dry_run, 1) \
	F(u64,     limit, 256) \
	F(str,     by, PROTO_NAME_MAX)

/* A long answer is being worked on; count is what was changed or found so far. */
#define PROTO_QUEUE_PROGRESS(F) \
	F(u64,     count, UINT64_MAX)

/*
 * Destinations behind `after`, by their ids, at most limit in an answer: those with at least `waiting` recipients, or with
 * down only those that are not served.
 */
#define PROTO_DESTINATION_LIST(F) \
	F(u64,     after, UINT64_MAX) \
	F(u64,     limit, 256) \
	F(u64,     waiting, UINT64_MAX) \
	F(boolean, down, 1)

/* next_ms: when something of it is tried next, 0 where no time is known; rate: what it is limited to; text: why it is down. */
#define PROTO_DESTINATION_ENTRY(F) \
	F(u64,     destination, UINT64_MAX) \
	F(choice,  kind, 2) \
	F(str,     name, PROTO_DESTINATION_MAX) \
	F(u64,     waiting, UINT64_MAX) \
	F(u64,     running, UINT32_MAX) \
	F(u64,     window, UINT32_MAX) \
	F(choice,  state, PROTO_DESTINATION_HELD) \
	F(choice,  cause, PROTO_CAUSE_MAX) \
	F(u64,     next_ms, INT64_MAX) \
	F(u64,     failures, UINT32_MAX) \
	F(str,     rate, PROTO_NAME_MAX) \
	F(str,     site, PROTO_NAME_MAX) \
	F(str,     text, PROTO_REPLY_MAX)

/* The ages of what waits, behind a place in the schedule; a part of it in an answer. */
#define PROTO_DESTINATION_AGES(F) \
	F(u64,     destination, UINT64_MAX) \
	F(u64,     due_us, UINT64_MAX) \
	F(u64,     message, UINT64_MAX) \
	F(u64,     number, UINT32_MAX)

/* Up to that place: counts are PROTO_AGES 64-bit numbers in the order of this machine; the bounds are in proto.h. */
#define PROTO_DESTINATION_AGE(F) \
	F(u64,     destination, UINT64_MAX) \
	F(u64,     due_us, UINT64_MAX) \
	F(u64,     message, UINT64_MAX) \
	F(u64,     number, UINT32_MAX) \
	F(choice,  kind, 2) \
	F(str,     name, PROTO_DESTINATION_MAX) \
	F(blob,    counts, PROTO_AGES * 8)

/* Hold back the mail of a destination, for so long (0: until it is resumed), or no longer. A domain means its destinations. */
#define PROTO_DESTINATION_SUSPEND(F) \
	F(str,     name, PROTO_DESTINATION_MAX) \
	F(boolean, suspended, 1) \
	F(u64,     for_s, INT32_MAX)

/*
 * Events behind at_us (backward: before it) up to end_us, that all filters hold for: one that is empty, or 0, holds for all.
 * The end's count is the time to go on from, 0 where there is nothing more. fresh: what happened before the question is to
 * be among them.
 */
#define PROTO_HISTORY_LIST(F) \
	F(u64,     owner, UINT32_MAX) \
	F(boolean, fresh, 1) \
	F(boolean, backward, 1) \
	F(u64,     at_us, UINT64_MAX) \
	F(u64,     end_us, UINT64_MAX) \
	F(u64,     message, UINT64_MAX) \
	F(u64,     filters, PROTO_FILTERS_ALL)        /* of enum proto_filter: SENDER, which may be the null one */ \
	F(choice,  event, PROTO_EVENT_MAX) \
	F(choice,  cause, PROTO_CAUSE_MAX) \
	F(str,     message_id, PROTO_MESSAGE_ID_MAX) \
	F(str,     sender, PROTO_ADDRESS_MAX) \
	F(str,     recipient, PROTO_ADDRESS_MAX) \
	F(str,     domain, PROTO_NAME_MAX)            /* of sender or recipient */ \
	F(str,     host, PROTO_NAME_MAX)              /* the server that answered, or the client, by address or HELO */ \
	F(u64,     limit, 256)

#define PROTO_HISTORY_ENTRY(F) \
	F(u64,     time_us, UINT64_MAX) \
	F(u64,     message, UINT64_MAX) \
	F(u64,     number, UINT32_MAX) \
	F(choice,  event, PROTO_EVENT_MAX) \
	F(u64,     owner, UINT32_MAX) \
	F(str,     from, PROTO_ADDRESS_MAX) \
	F(str,     to, PROTO_ADDRESS_MAX) \
	F(str,     destination, PROTO_DESTINATION_MAX) \
	F(str,     hop, PROTO_NAME_MAX) \
	F(u64,     code, 599) \
	F(str,     enhanced, PROTO_ENHANCED_MAX) \
	F(str,     text, PROTO_REPLY_MAX) \
	F(u64,     size, UINT64_MAX) \
	F(str,     origin, PROTO_NAME_MAX) \
	F(choice,  cause, PROTO_CAUSE_MAX) \
	F(str,     tls, PROTO_TLS_MAX) \
	F(str,     message_id, PROTO_MESSAGE_ID_MAX) \
	F(str,     helo, PROTO_NAME_MAX) \
	F(u64,     tries, UINT32_MAX) \
	F(u64,     delay_ms, INT64_MAX) \
	F(u64,     more, UINT32_MAX)

/* Of the administrator: pause or resume one kind of work, log more or less. */
#define PROTO_SET_PAUSE(F) \
	F(choice,  what, 2) \
	F(boolean, paused, 1)

#define PROTO_SET_LEVEL(F) \
	F(boolean, verbose, 1)

#define PROTO_CHILD (SMTPD | ROUTER | USERDB | QUEUE | RELAY | RESOLVER | MAILBOX | CONTROL)

#define PROTO_TABLE(T) \
	T(SETUP,            setup,            PARENT, CHILD, 0) \
	T(CONFIG,           config,           PARENT, CHILD, 0) \
	T(LISTENER,         listener,         PARENT, SMTPD | CONTROL, 1) \
	T(CONFINE,          confine,          PARENT, CHILD, 0) \
	T(INTRODUCE,        introduce,        PARENT, CHILD, 1) \
	T(LOG_TO,           log_to,           PARENT, CHILD, 1) \
	T(START,            start,            PARENT, CHILD, 0) \
	T(DRAIN,            drain,            PARENT, CHILD, 0) \
	T(LEVEL,            level,            PARENT, CHILD, 0) \
	T(PAUSE,            pause,            PARENT, SMTPD | QUEUE | CONTROL, 0) \
	T(PING,             ping,             PARENT, CHILD, 0) \
	T(READY,            ready,            CHILD, PARENT, 0) \
	T(PONG,             pong,             CHILD, PARENT, 0) \
	T(PEER_BROKE,       peer_broke,       CHILD, PARENT, 0) \
	T(MAILBOX_START,    mailbox_start,    QUEUE, PARENT, 0) \
	T(MAILBOX_ENDED,    mailbox_ended,    PARENT, QUEUE, 0) \
	T(MAILBOX_SETUP,    mailbox_setup,    PARENT, MAILBOX, 0) \
	T(STOP,             stop,             CLIENT | CONTROL, CONTROL | PARENT, 0) \
	T(SET_PAUSE,        set_pause,        CLIENT | CONTROL, CONTROL | PARENT, 0) \
	T(SET_LEVEL,        set_level,        CLIENT | CONTROL, CONTROL | PARENT, 0) \
	T(SESSION_OPEN,     session_open,     SMTPD, ROUTER, 1) \
	T(SESSION_CLOSE,    session_close,    SMTPD, ROUTER, 0) \
	T(RCPT_CHECK,       rcpt_check,       SMTPD | QUEUE, ROUTER, 0) \
	T(RCPT_TICKET,      rcpt_ticket,      ROUTER, SMTPD | QUEUE, 0) \
	T(RCPT_VERDICT,     rcpt_verdict,     ROUTER, SMTPD | QUEUE, 0) \
	T(TICKET,           ticket,           NOBODY, NOBODY, 0) \
	T(USER_ASK,         user_ask,         ROUTER, USERDB, 0) \
	T(USER_ANSWER,      user_answer,      USERDB, ROUTER, 0) \
	T(STATEMENT_ASK,    statement_ask,    QUEUE, ROUTER, 0) \
	T(STATEMENT_ANSWER, statement_answer, ROUTER, QUEUE, 0) \
	T(STATEMENT,        statement,        NOBODY, NOBODY, 0) \
	T(GRANT,            grant,            QUEUE, SMTPD, 0) \
	T(ROOM,             room,             QUEUE, SMTPD, 0) \
	T(BEGIN,            begin,            SMTPD, QUEUE, 0) \
	T(RCPT,             rcpt,             SMTPD, QUEUE, 0) \
	T(BODY,             body,             SMTPD, QUEUE, 0) \
	T(COMMIT,           commit,           SMTPD, QUEUE, 0) \
	T(ABORT,            abort,            SMTPD, QUEUE, 0) \
	T(REJECTED,         rejected,         SMTPD, QUEUE, 0) \
	T(CREDIT,           credit,           QUEUE, SMTPD, 0) \
	T(DONE,             done,             QUEUE, SMTPD, 0) \
	T(REFUSED,          refused,          QUEUE, SMTPD, 0) \
	T(JOB,              job,              QUEUE, RELAY | MAILBOX, 0) \
	T(JOB_RCPT,         job_rcpt,         QUEUE, RELAY | MAILBOX, 0) \
	T(JOB_BODY,         job_body,         QUEUE, RELAY | MAILBOX, 0) \
	T(JOB_CANCEL,       job_cancel,       QUEUE, RELAY | MAILBOX, 0) \
	T(JOB_PULL,         job_pull,         RELAY | MAILBOX, QUEUE, 0) \
	T(JOB_RESULT,       job_result,       RELAY | MAILBOX, QUEUE, 0) \
	T(JOB_END,          job_end,          RELAY | MAILBOX, QUEUE, 0) \
	T(ROUTE_ASK,        route_ask,        RELAY, RESOLVER, 0) \
	T(ROUTE_HOST,       route_host,       RESOLVER, RELAY, 0) \
	T(ROUTE_END,        route_end,        RESOLVER, RELAY, 0) \
	T(STATUS_ASK,       status_ask,       CONTROL | CLIENT, CONTROL | SMTPD | ROUTER | QUEUE | RELAY | RESOLVER, 0) \
	T(STATUS_VALUE,     status_value,     SMTPD | ROUTER | QUEUE | RELAY | RESOLVER | CONTROL, CONTROL | CLIENT, 0) \
	T(ANSWER_END,       answer_end,       SMTPD | ROUTER | QUEUE | RELAY | RESOLVER | CONTROL, CONTROL | CLIENT, 0) \
	T(QUEUE_LIST,       queue_list,       CONTROL | CLIENT, QUEUE | CONTROL, 0) \
	T(QUEUE_ENTRY,      queue_entry,      QUEUE | CONTROL, CONTROL | CLIENT, 0) \
	T(HISTORY_LIST,     history_list,     CONTROL | CLIENT, QUEUE | CONTROL, 0) \
	T(HISTORY_ENTRY,    history_entry,    QUEUE | CONTROL, CONTROL | CLIENT, 0) \
	T(QUEUE_READ,       queue_read,       CONTROL | CLIENT, QUEUE | CONTROL, 0) \
	T(QUEUE_TEXT,       queue_text,       QUEUE | CONTROL, CONTROL | CLIENT, 0) \
	T(QUEUE_BACKUP,     queue_backup,     CONTROL | CLIENT, QUEUE | CONTROL, 0) \
	T(QUEUE_BACKUP_END, queue_backup_end, CONTROL, QUEUE, 0) \
	T(QUEUE_CHANGE,     queue_change,     CONTROL | CLIENT, QUEUE | CONTROL, 0) \
	T(QUEUE_PROGRESS,   queue_progress,   QUEUE | CONTROL, CONTROL | CLIENT, 0) \
	T(DESTINATION_LIST,    destination_list,    CONTROL | CLIENT, QUEUE | CONTROL, 0) \
	T(DESTINATION_ENTRY,   destination_entry,   QUEUE | CONTROL, CONTROL | CLIENT, 0) \
	T(DESTINATION_AGES,    destination_ages,    CONTROL | CLIENT, QUEUE | CONTROL, 0) \
	T(DESTINATION_AGE,     destination_age,     QUEUE | CONTROL, CONTROL | CLIENT, 0) \
	T(DESTINATION_SUSPEND, destination_suspend, CONTROL | CLIENT, QUEUE | CONTROL, 0)
/* clang-format on */

#endif
