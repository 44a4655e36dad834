/* SPDX-License-Identifier: ISC */
/*
 * queue -C restore: puts the mail of a backup (archive.h) into a spool that no daemon uses. Into one that never had any
 * it goes as it was, with its ids and history; into any other one with new ids. What was put is remembered in the spool,
 * by the number of the store it came from and its id there, in the very transaction that puts it, so that nothing is put
 * twice, whoever asks for it, and an interrupted restore can be gone on with.
 */
#ifndef QUEUE_RESTORE_H
#define QUEUE_RESTORE_H

#include "queue/store.h"

struct restore_options {
	bool merge; /* also into a spool that has mail */
	uint64_t now_ms;
};

struct restored {
	uint64_t store; /* that the backup was taken from */
	uint64_t created_ms;
	bool as_it_was;
	uint64_t messages, recipients;
	uint64_t again;   /* messages that were restored before */
	uint64_t queued;  /* messages that are still in the queue: it is the same spool */
	uint64_t ended;   /* recipients that have left it since */
	uint64_t damaged; /* messages that the backup does not have whole */
};

/*
 * Reads the archive from fd, which has to be a file: once to know that it is whole, and again to restore it. Returns false
 * with err set; *out says then what was put nevertheless, which stays.
 */
bool restore_run(
    struct store *store, int fd, const struct restore_options *options, struct restored *out, struct error *err);

#endif
