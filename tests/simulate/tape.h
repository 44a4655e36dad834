/* SPDX-License-Identifier: ISC */
/*
 * What happened in a run, in its order: every write to a file of the spool, every sync, and what was said to and by the
 * other processes between them. The run is a process of its own; the tape lies in memory that outlives it. Whoever reads
 * it knows at each of its entries what was on disk for certain, what may be, and what had been promised by then.
 */
#ifndef TESTS_SIMULATE_TAPE_H
#define TESTS_SIMULATE_TAPE_H

#include <stddef.h>
#include <stdint.h>

/* The files of a spool that last; all others may vanish at a crash without harm. */
enum disk_file { DISK_DATA, DISK_JOURNAL, DISK_FILES, DISK_OTHER = DISK_FILES };

/* clang-format off */
#define TAPE_TABLE(T) \
	/* of a file */ \
	T(CREATE,       "created")           /* its name is not synced yet */ \
	T(WRITE,        "writes")            /* len bytes at offset */ \
	T(SIZE,         "sizes changed")     /* it has offset bytes now */ \
	T(SYNC,         "syncs")             /* what was written before the entry `offset` is on disk */ \
	T(SYNCED_WRITE, "synced writes")     /* the write in the entry `offset` is (O_DSYNC) */ \
	T(SYNC_FAILED,  "failed syncs")      /* what was written before will not come to be on disk by a later sync */ \
	/* of the directory */ \
	T(NAMES_SYNCED, "names synced") \
	/* between the processes; id and the numbers say about what */ \
	T(SENT,         "sent")              /* COMMIT of a message: a letter */ \
	T(TOLD,         "acknowledged")      /* DONE */ \
	T(REFUSED,      "refused")           /* REFUSED, for a reason that says that nothing was kept */ \
	T(TRIED,        "tried")             /* the relay was given a recipient */ \
	T(SAID,         "answers")           /* and says what came of it: number is the enum proto_result */ \
	T(DOWN,         "servers down")      /* and that a destination, of that number, is down */ \
	T(REPORT,       "told of in DSNs")   /* a DSN with that id tells of a recipient; number is the enum bounce_action */ \
	T(ROUTE_FAILED, "routes refused")    /* the router refuses the address of a DSN for good */ \
	T(REMOVE,       "wanted removed")    /* control wants a message removed */ \
	T(REMOVED,      "removed")           /* it was */ \
	T(FAULT,        "failed calls")      /* a call was made to fail */
/* clang-format on */

enum tape_kind {
#define T(NAME, name) TAPE_##NAME,
	TAPE_TABLE(T)
#undef T
	    TAPE_KINDS
};

extern const char *const tape_names[TAPE_KINDS];

struct tape_entry {
	uint8_t kind;
	uint8_t file;
	uint8_t null_sender, notify; /* TAPE_SENT */
	uint8_t rcpt;                /* number within the letter; TAPE_SENT: how many */
	uint32_t letter;
	uint32_t len;
	uint32_t number;
	uint64_t offset;
	uint64_t id;    /* of a message */
	uint64_t bytes; /* where they stand in the tape's memory */
};

struct tape {
	size_t count;
	size_t bytes_used;
	struct tape_entry *entries;
	char *bytes;
};

/* In memory that is shared with processes forked later. */
struct tape *tape_share(void);
void tape_restart(struct tape *tape);

/* Adds an entry, with a copy of bytes where there are any; its number. Ends the process where there is no room. */
size_t tape_add(struct tape *tape, const struct tape_entry *entry, const void *bytes);

/* Of what happened, but for the bytes of writes, in which memory that was never set may show. */
uint32_t tape_checksum(const struct tape *tape);

#endif
