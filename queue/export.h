/* SPDX-License-Identifier: ISC */
/*
 * queue -C export: every message of a spool on standard output, as a backup (archive.h) that restore reads, or as files for
 * posternctl, which makes them: for each a line "message ID BYTES BYTES", the text of so many bytes, and its envelope for
 * people; at the end a line "end MESSAGES DAMAGED".
 */
#ifndef QUEUE_EXPORT_H
#define QUEUE_EXPORT_H

#include "queue/archive.h"
#include "queue/offline.h"

struct export_rcpt {
	uint32_t number;
	struct str destination;
	struct record_recipient record;
};

/* A message that is pulled out, wherever it is; views until the next call. */
struct export_mail {
	uint64_t id;
	struct record_message record;
	void *arg;
	bool (*piece)(void *arg, uint64_t id, uint32_t sequence, struct str *data);
	/* The first recipient from that number on; false: there is none. */
	bool (*rcpt)(void *arg, uint64_t id, uint32_t from, struct export_rcpt *out);
};

struct export
{
	const struct offline *offline;
	struct buf out;
	uint64_t count; /* of archive records */
	uint64_t messages, damaged;
	bool failed; /* nobody takes what is written */
};

/* From a store that is whole. Returns main's exit code. */
int export_run(const struct offline *o);

/* Parts of it, for another source: the beginning, each message, and the end with the exit code. */
void export_begin(struct export *e, const struct offline *o, uint64_t store, uint64_t next_message);
void export_mail(struct export *e, const struct export_mail *mail);
int export_end(struct export *e);

/* Something cannot be exported: told on standard error. */
void export_damaged(struct export *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
