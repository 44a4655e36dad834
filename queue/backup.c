/* SPDX-License-Identifier: ISC */
#include "queue/backup.h"

#include <stdio.h>

#include "common/log.h"
#include "common/loop.h"
#include "queue/archive_walk.h"
#include "queue/barrier.h"
#include "queue/clock.h"
#include "queue/core.h"

enum state {
	STATE_NONE,
	STATE_BARRIER, /* what was kept in the journal is on its way to the store */
	STATE_WORKING, /* the reader thread has it */
	STATE_WAITING  /* for the next question */
};

static struct {
	enum state state;
	bool unwanted; /* to be ended when the thread has done with it */
	struct peer *peer;
	uint64_t id; /* of the request that waits for its part */
	uint64_t client;
	struct store_txn *txn;
	struct archive_walk walk;
	struct buf out;
	uint64_t offset; /* bytes that were sent */
	struct barrier barrier;
	struct loop_timer idle;
	struct error err;
} backup;

static void
refuse(struct peer *peer, uint64_t id, const char *text)
{
	SEND(peer->channel, ANSWER_END, answer_end, id, .ok = false, .count = 0, .text = str_of(text));
}

static void
forget(void)
{
	store_read_end(backup.txn);
	backup.txn = NULL;
	buf_clear(&backup.out);
	loop_timer_stop(&backup.idle);
	backup.state = STATE_NONE;
}

static void
log_end(const char *error)
{
	if (error != NULL)
		log_warning("backup-not-whole", log_u64(LOG_FIELD_count, backup.walk.messages),
		    log_u64(LOG_FIELD_bytes, backup.offset), log_text(LOG_FIELD_error, error));
	else
		log_notice(
		    "backup", log_u64(LOG_FIELD_count, backup.walk.messages), log_u64(LOG_FIELD_bytes, backup.offset));
}

static void
finish(void)
{
	char text[PROTO_TEXT_MAX] = "";

	if (backup.walk.damaged > 0)
		(void)snprintf(text, sizeof(text),
		    "%llu damaged records are not in the backup: stop the daemon, and see posternctl check-spool",
		    (unsigned long long)backup.walk.damaged);
	SEND(backup.peer->channel, ANSWER_END, answer_end, backup.id, .ok = true, .count = backup.walk.messages,
	    .text = str_of(text));
	log_end(backup.walk.damaged > 0 ? text : NULL);
	forget();
}

static void
give_up(const char *error)
{
	log_end(error);
	forget();
}

static void
too_long_idle(void *arg)
{
	(void)arg;
	give_up("nobody read on");
}

/* --- on the reader thread --- */

static void
work(void *arg)
{
	(void)arg;
	if (backup.txn == NULL)
		backup.txn = store_read(core.store, &backup.err);
	if (backup.txn != NULL)
		(void)archive_walk_step(&backup.walk, core.store, backup.txn, PROTO_CHUNK_MAX, &backup.out);
}

/* --- in the loop --- */

/* Sends what there is, a whole message at most; what is left is the beginning of the next. */
static void
worked(void *arg)
{
	struct str bytes = buf_str(&backup.out);

	(void)arg;
	if (backup.unwanted) {
		give_up("who asked for it is gone");
		return;
	}
	if (backup.txn == NULL) {
		refuse(backup.peer, backup.id, backup.err.text);
		forget();
		return;
	}
	if (bytes.len == 0) {
		finish();
		return;
	}
	bytes.len = bytes.len < PROTO_CHUNK_MAX ? bytes.len : PROTO_CHUNK_MAX;
	SEND(backup.peer->channel, QUEUE_TEXT, queue_text, backup.id, .offset = backup.offset, .bytes = bytes);
	backup.offset += bytes.len;
	buf_consume(&backup.out, bytes.len);
	backup.state = STATE_WAITING;
	loop_timer_start(&backup.idle, QUEUE_BACKUP_IDLE_MS);
}

static void
go_on(void *arg)
{
	(void)arg;
	loop_timer_stop(&backup.idle);
	if (backup.unwanted) {
		forget();
		return;
	}
	backup.state = STATE_WORKING;
	reader_call(core.reader, work, worked, NULL);
}

static void
report(void *arg, const char *text)
{
	(void)arg;
	log_error("store-damaged", log_text(LOG_FIELD_error, text));
}

static void
start(uint64_t client)
{
	backup.client = client;
	backup.offset = 0;
	backup.unwanted = false;
	backup.state = STATE_BARRIER;
	buf_init(&backup.out, PROTO_CHUNK_MAX + ARCHIVE_RECORD_MAX);
	archive_walk_start(&backup.walk, (uint64_t)clock_us() / 1000, report, NULL);
	loop_timer_init(&backup.idle, too_long_idle, NULL);
	barrier_pass(&backup.barrier, go_on, NULL);
}

bool
backup_next(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	const struct msg_queue_backup *next = &msg->queue_backup;
	const bool own = backup.state == STATE_WAITING && backup.peer == peer && backup.client == next->client;

	(void)fd;
	if (next->offset == 0 && own) /* the same client begins anew */
		give_up("who asked for it began another");
	else if (next->offset != 0 && (!own || next->offset != backup.offset)) {
		refuse(peer, id, "the backup was given up; begin it again");
		return true;
	}
	if (next->offset == 0 && backup.state != STATE_NONE) {
		refuse(peer, id, "another backup is being taken");
		return true;
	}
	backup.peer = peer;
	backup.id = id;
	if (next->offset == 0)
		start(next->client);
	else
		go_on(NULL);
	return true;
}

static void
stop_reading(void)
{
	if (backup.state == STATE_WAITING)
		give_up("who asked for it is gone");
	else
		backup.unwanted = backup.state != STATE_NONE;
}

bool
backup_end(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	(void)id;
	(void)fd;
	if (backup.peer == peer && backup.client == msg->queue_backup_end.client)
		stop_reading();
	return true;
}

void
backup_peer_gone(const struct peer *peer)
{
	if (backup.peer == peer)
		stop_reading();
}

void
backup_stop(void)
{
	if (backup.state != STATE_NONE)
		forget();
}
