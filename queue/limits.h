/* SPDX-License-Identifier: ISC */
/*
 * Every limit of the queue: what it may hold, how much it does in one step, how long it waits. L(name, value, meaning);
 * memory and the length of a turn are bounded by these and by `queue memory`.
 */
#ifndef QUEUE_LIMITS_H
#define QUEUE_LIMITS_H

/* clang-format off */
#define QUEUE_LIMITS(L) \
	/* the store */ \
	L(STORE_READERS_MAX,           32,       "read transactions open at a time") \
	L(STORE_SPARE_READERS_MAX,     4,        "ended read transactions that are kept for the next") \
	L(STORE_PREALLOC_BYTES,        16777216, "bytes the store's file grows by at once") \
	L(STORE_PREALLOC_LEAST,        262144,   "likewise where there is little room") \
	L(STORE_PREALLOC_SHARE,        16,       "that part of the file system it grows by at most") \
	L(STORE_ZEROS_BYTES,           65536,    "bytes written at once into blocks that were given ahead") \
	L(STORE_ZEROS_BATCH_BYTES,     1048576,  "bytes of a batch from which on they are not written ahead") \
	L(STORE_RESERVE_SHARE,         20,       "that part of the disk is left to deliveries when no mail is accepted any more") \
	L(STORE_RESERVE_LEAST,         8388608,  "likewise at least so many bytes") \
	L(STORE_RESERVE_MOST,          268435456, "likewise at most so many bytes") \
	L(STORE_RESERVE_PART,          4,        "likewise never more than that part of a small disk") \
	L(STORE_SHORT_BYTES,           67108864, "room above the reserve under which the free pages of the file are counted") \
	L(STORE_SHORT_COMMITS,         16,       "transactions between looks at whether room is short") \
	L(STORE_PROBE_BYTES,           4194304,  "bytes for which a disk must have room that is not full") \
	L(STORE_RECORD_MAX,            131072,   "bytes of a record as it is stored") \
	L(STORE_DELETE_PIECES_MAX,     32,       "pieces that are deleted with their message at once") \
	L(STORE_KEY_NAME_BYTES,        480,      "bytes of a name that stand in a key") \
	L(STORE_STATE_KEY_MAX,         400,      "bytes of the kind and of the key of a small thing kept for another process") \
	L(STORE_STATE_VALUE_MAX,       61440,    "bytes of such a thing") \
	L(STORE_ARENA_CHUNK_BYTES,     65536,    "bytes of records copied out of a write transaction, per step of growth") \
	/* the journal */ \
	L(JOURNAL_HALF_BYTES,          16777216, "bytes of each half of the journal") \
	L(JOURNAL_HALF_LEAST,          1048576,  "likewise where there is little room") \
	L(JOURNAL_HALF_MAX,            1073741824, "likewise of a journal that is there already") \
	L(JOURNAL_SHARE,               128,      "that part of the file system is a half at most") \
	L(JOURNAL_BATCH_BYTES,         1048576,  "bytes of the journal that are written and synced at once") \
	L(JOURNAL_BATCH_ENTRIES,       256,      "messages in it") \
	L(JOURNAL_BATCH_PARTS,         1000,     "pieces of memory it is gathered from") \
	L(JOURNAL_ZEROS_BYTES,         65536,    "bytes written at once into a journal that is made") \
	L(JOURNAL_TAKEOVER_BYTES,      4194304,  "bytes of the journal taken over in one transaction at start") \
	L(JOURNAL_MESSAGE_BYTES,       65536,    "size of a message that goes through the journal") \
	L(JOURNAL_RCPTS_MAX,           100,      "likewise its recipients") \
	L(JOURNAL_ROOM_FACTOR,         3,        "room on the disk for each byte of the journal that is not in the store") \
	L(COMMITTER_REFUSALS_MAX,      8,        "steps of a batch that may give up by themselves before all that need room are refused") \
	/* accepting */ \
	L(QUEUE_GRANT_IDS,             1048576,  "message ids granted to a smtpd at once") \
	L(QUEUE_ID_WINDOW,             1048576,  "ids behind the newest of a smtpd that it may still begin a transaction with") \
	L(QUEUE_GRANTS_MAX,            4,        "grants of a smtpd that are remembered") \
	L(QUEUE_IDS_AHEAD,             16777216, "ids that are taken from the store at once") \
	L(QUEUE_WINDOW_BYTES,          65536,    "bytes of a body that may be on their way without credit") \
	L(QUEUE_INCOMING_BYTES,        67108864, "bytes that all messages coming in hold in memory, with their recipients") \
	L(QUEUE_INCOMING_LOCAL_BYTES,  8388608,  "of these, bytes that only users of this machine may take") \
	L(QUEUE_INCOMING_TIGHT_BYTES,  33554432, "of these, bytes above which what is on disk already leaves memory") \
	L(QUEUE_INCOMING_RELIEF,       64,       "messages coming in that are looked at for such bytes in one step") \
	L(QUEUE_STREAM_BYTES,          16777216, "bytes given to the committer and credited before they are on disk") \
	L(QUEUE_RCPTS_MAX,             10000,    "recipients of a message after expansion") \
	L(QUEUE_TRANSACTIONS_MAX,      8192,     "transactions that a smtpd may have open") \
	L(QUEUE_REJECTED_SECOND,       50,       "refusals of a smtpd that history keeps one by one in a second; of more only the number") \
	L(QUEUE_REFUSED_MAX,           4096,     "transactions of a smtpd that were refused and not yet given up by it") \
	/* bodies and what is loaded */ \
	L(QUEUE_HOT_MESSAGE_BYTES,     262144,   "size of a body that is kept in memory for its delivery") \
	L(QUEUE_READY_MAX,             256,      "deliveries of a destination that wait in memory for their turn") \
	L(QUEUE_LOADED_MAX,            16384,    "deliveries in memory of all destinations") \
	L(QUEUE_AHEAD_MAX,             32,       "deliveries of a destination that came ahead of what waits on disk") \
	L(QUEUE_REFILL_ENTRIES,        256,      "schedule entries read in one step") \
	L(QUEUE_REFILL_DELIVERIES,     64,       "deliveries loaded in one step") \
	L(QUEUE_MEND_ENTRIES,          100,      "entries with an absurd time that are put right in one step") \
	L(QUEUE_DESTINATIONS_STEP,     2000,     "destinations loaded in one step at start") \
	L(QUEUE_READER_DONE_MAX,       32,       "pieces that the reader thread has read and nobody took yet") \
	/* handing out */ \
	L(QUEUE_JOB_RCPTS_MAX,         100,      "recipients of one job") \
	L(QUEUE_JOBS_MAX,              500,      "jobs of one relay worker") \
	L(QUEUE_JOBS_BALANCE,          20,       "jobs a worker that knows the destination may have more than the idlest") \
	L(QUEUE_JOBS_PENDING_BYTES,    4194304,  "bytes that wait for a worker to read when it gets no more jobs") \
	L(QUEUE_CONCURRENCY_START,     5,        "jobs of a destination at first") \
	L(QUEUE_CONCURRENCY_MAX,       20,       "jobs of a destination at most") \
	L(QUEUE_RETURNS_MAX,           3,        "deaths of its worker, the last with no other job, after which a delivery is held") \
	L(QUEUE_SUSPECTS_MAX,          16,       "jobs of a relay worker that an earlier worker died over") \
	L(QUEUE_SERVED_STEP,           512,      "jobs handed out in one turn") \
	L(QUEUE_ROUTES_MAX,            32,       "questions to router about our own messages at a time") \
	L(QUEUE_MAILBOXES_MAX,         50,       "mailbox processes at a time") \
	L(QUEUE_MAILBOX_IDLE_MS,       5000,     "time a mailbox process waits for another message to its user") \
	L(QUEUE_MAILBOX_START_MS,      30000,    "time a mailbox process has to come up") \
	/* notifications */ \
	L(QUEUE_DSN_HEADER_BYTES,      16384,    "bytes of the original header in a notification") \
	L(QUEUE_DSN_ORIGINAL_BYTES,    262144,   "size of a message that is returned whole where its sender asked for that") \
	L(QUEUE_DSN_BYTES,             1310720,  "size of a notification") \
	/* upkeep */ \
	L(QUEUE_DESTINATION_IDLE_MS,   300000,   "time a destination without mail is remembered") \
	L(QUEUE_DROP_STEP,             100,      "idle destinations forgotten in one step") \
	L(QUEUE_PRUNE_STEP,            1000,     "entries of history deleted in one step") \
	L(QUEUE_SWEEP_STEP,            500,      "pieces swept in one step") \
	L(QUEUE_EXPIRY_STEP,           100,      "messages looked at for expiry in one step") \
	L(QUEUE_UPKEEP_MS,             60000,    "time between rounds of expiry, pruning and forgetting") \
	L(QUEUE_ROOM_MS,               1000,     "time between looks at the room on the disk, while mail comes in") \
	L(QUEUE_ROOM_IDLE_MS,          5000,     "likewise while there is too little of it") \
	L(QUEUE_AGAIN_MS,              5000,     "time after which a result that found no room on the disk is handed to it again") \
	/* control */ \
	L(QUEUE_REQUESTS_MAX,          64,       "requests of control in work at a time") \
	L(QUEUE_LIST_STEP,             256,      "messages looked at for a listing in one step") \
	L(QUEUE_AGES_STEP,             512,      "recipients whose age is looked at in one step") \
	L(QUEUE_AGES_PART,             16384,    "likewise in one answer") \
	L(QUEUE_AGES_ROWS,             256,      "destinations in such an answer") \
	L(QUEUE_ORDERS_MAX,            64,       "destinations that are suspended or resumed at once") \
	L(QUEUE_CHANGE_STEP,           128,      "messages looked at for a change in one step") \
	L(QUEUE_CHANGE_PENDING,        2048,     "messages of a change that are on their way to disk") \
	L(QUEUE_PROGRESS_MS,           1000,     "time between words to control that a request is in work") \
	L(QUEUE_HISTORY_STEP,          2048,     "entries of history read in one step, for who asks") \
	L(QUEUE_HISTORY_KEYS,          16384,    "entries of history passed over in it, while one message is looked for") \
	/* backup and restore */ \
	L(QUEUE_BACKUP_IDLE_MS,        60000,    "time after which a backup that nobody reads on is given up") \
	L(RESTORE_COMMIT_BYTES,        4194304,  "bytes of mail that are restored in one transaction") \
	L(RESTORE_REMEMBER_S,          7776000,  "time for which a restored message is known, so that it is not restored again") \
	L(RESTORE_ENDED_MAX,           4194304,  "recipients that have left the queue since a backup of the same spool, looked up in memory") \
	L(SALVAGE_RECORDS_MAX,         67108864, "records that are found in a damaged store, kept in memory")
/* clang-format on */

enum {
#define L(name, value, meaning) name = value,
	QUEUE_LIMITS(L)
#undef L
};

#endif
