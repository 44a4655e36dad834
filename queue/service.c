/* SPDX-License-Identifier: ISC */
#include "queue/service.h"

#include <malloc.h>

#include "common/hostname.h"
#include "common/log.h"
#include "common/loop.h"
#include "queue/again.h"
#include "queue/allowance.h"
#include "queue/anonymity.h"
#include "queue/arrival.h"
#include "queue/backup.h"
#include "queue/change.h"
#include "queue/clock.h"
#include "queue/control.h"
#include "queue/core.h"
#include "queue/destinations.h"
#include "queue/dispatch.h"
#include "queue/history.h"
#include "queue/ids.h"
#include "queue/job.h"
#include "queue/limits.h"
#include "queue/listing.h"
#include "queue/load.h"
#include "queue/mailboxes.h"
#include "queue/rejection.h"
#include "queue/request.h"
#include "queue/reroute.h"
#include "queue/room.h"
#include "queue/transaction.h"
#include "queue/upkeep.h"

enum { DRAIN_LOOK_MS = 20, ARENAS = 1, TRIM_BYTES = 1024 * 1024, MMAP_BYTES = 256 * 1024 };

static struct loop_timer drain_timer;

/* --- start --- */

static void
place(const struct process_setup *setup, struct sandbox_place *out)
{
	const char *spool = setup->config->spool;

	out->root = setup->privileged ? spool : NULL;
	out->account = "_posternq";
	out->beneath = setup->privileged ? "/" : spool; /* Landlock looks from within the chroot */
	out->writes_files = true;
}

static bool
open_all(const struct process_setup *setup, struct error *err)
{
	core.config = setup->config;
	if (setup->ticket_key.len != PROTO_KEY_MAX)
		return error_set(err, ERROR_PERMANENT, "no key for tickets");
	core.tickets = seal_new(setup->ticket_key);
	if (!hostname_get(core.hostname, sizeof(core.hostname)))
		(void)str_copy(S("localhost"), core.hostname, sizeof(core.hostname));
	core.bounce_words = bounce_words_new(core.config, err);
	if (core.bounce_words == NULL)
		return false;
	store_sigbus_install(PROCESS_LOG_FD, "queue", setup->config->spool);
	return true;
}

/* Actions of the mail that waits may be gone from the configuration; it is kept, and `show queue` says so. */
static bool
is_held(unsigned kind, struct str name)
{
	size_t i;

	if (kind == RECIPIENT_UNROUTED)
		return false;
	/* A destination begins with the action's name and a slash; the name may have slashes of its own. */
	for (i = 0; i < name.len; i++)
		if (name.ptr[i] == '/' && config_action_find(core.config, (struct str){ name.ptr, i }) != NULL)
			return false;
	return true;
}

static int64_t
seconds_to_us(int64_t seconds)
{
	const int64_t year = 366LL * 24 * 3600;

	return (seconds < year ? seconds : year) * 1000000;
}

static bool
read_next_id(uint64_t *out, struct error *err)
{
	struct store_txn *txn = store_read(core.store, err);

	if (txn == NULL)
		return false;
	*out = store_get_meta(txn, STORE_META_NEXT_MESSAGE);
	store_read_end(txn);
	return true;
}

static bool
settle(const struct process_setup *setup, struct error *err)
{
	const struct store_options options = {
		.size_max = setup->config->queue_size,
		.name = setup->config->spool,
		.replay = arrival_replay,
		.mask = setup->config->history_anonymise ? anonymity_mask : NULL,
	};
	uint64_t next_id;

	/* Few threads that seldom allocate together: one arena keeps no second heap. Fixed limits: memory goes back. */
	(void)mallopt(M_ARENA_MAX, ARENAS);
	(void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
	(void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
	clock_init();
	core.rules.retry_min_us = seconds_to_us(setup->config->queue_retry_min_s);
	core.rules.retry_max_us = seconds_to_us(setup->config->queue_retry_max_s);
	core.store = store_open(setup->privileged ? "/" : setup->config->spool, &options, err);
	if (core.store == NULL || !read_next_id(&next_id, err))
		return false;
	core.committer = committer_new(core.store);
	core.intake = intake_new(core.store, core.committer);
	core.reader = reader_new(core.store);
	again_init();
	body_set_memory((size_t)setup->config->queue_memory);
	destinations_init(is_held, allowance_set);
	mailboxes_init(setup->generation);
	dispatch_init();
	room_init();
	ids_init(next_id, clients_grant);
	return true;
}

static void
start(void)
{
	core.serving = true;
	if (core.config->soft_bounce)
		log_notice(
		    "soft-bounce", log_text(LOG_FIELD_reason, "what another server refuses for good is tried again"));
	load_destinations();
	upkeep_start();
	dispatch_soon();
}

/* --- the end --- */

/*
 * All that came is on disk, and all that was handed out has its answer there. A smtpd that is still there has sessions whose
 * message is yet to come.
 */
static void
look_whether_drained(void *arg)
{
	(void)arg;
	if (process_peer_next(PROTO_KIND_SMTPD, NULL) != NULL || core.running > 0 || transactions_count() > 0 ||
	    committer_pending(core.committer) + again_count() > 0) {
		mailboxes_close_idle();
		loop_timer_start(&drain_timer, DRAIN_LOOK_MS);
		return;
	}
	process_done();
}

void
service_close(void)
{
	if (core.store != NULL) {
		reader_free(core.reader);
		backup_stop();
		intake_free(core.intake);
		committer_free(core.committer);
		store_close(core.store);
	}
	bounce_words_free(core.bounce_words); /* the committer's thread composed with them */
	core.bounce_words = NULL;
}

static void
drain(void)
{
	core.draining = true;
	rejections_hurry();
	upkeep_stop();
	loop_timer_init(&drain_timer, look_whether_drained, NULL);
	look_whether_drained(NULL);
}

static void
pause_or_resume(const struct msg_pause *pause)
{
	core.paused[PROTO_DELIVERY_RELAY] = pause->mta;
	core.paused[PROTO_DELIVERY_LOCAL] = pause->mda;
	dispatch_soon();
}

/* --- peers --- */

static void
peer_new(struct peer *peer)
{
	switch (peer->kind) {
	case PROTO_KIND_SMTPD: client_new(peer); break;
	case PROTO_KIND_RELAY: peer->data = worker_new(peer); break;
	case PROTO_KIND_MAILBOX: mailbox_peer_new(peer); break;
	case PROTO_KIND_ROUTER: mailboxes_ask_router(); break;
	default: break;
	}
	dispatch_soon();
}

static void
peer_gone(struct peer *peer)
{
	switch (peer->kind) {
	case PROTO_KIND_SMTPD: client_gone(peer); break;
	case PROTO_KIND_RELAY: {
		struct worker *w = peer->data;
		peer->data = NULL;
		worker_free(w);
		break;
	}
	case PROTO_KIND_MAILBOX: mailbox_peer_gone(peer); break;
	case PROTO_KIND_ROUTER: reroute_router_gone(); break;
	case PROTO_KIND_CONTROL:
		requests_gone(peer);
		destinations_gone(peer);
		backup_peer_gone(peer);
		history_gone(peer);
		break;
	default: break;
	}
	dispatch_soon();
}

const struct process service = {
	.kind = PROTO_KIND_QUEUE,
	.name = "queue",
	.place = place,
	.open = open_all,
	.settle = settle,
	.start = start,
	.drain = drain,
	.pause = pause_or_resume,
	.peer_new = peer_new,
	.peer_gone = peer_gone,
	.handlers = {
		[PROTO_BEGIN_TYPE] = transaction_begin,
		[PROTO_RCPT_TYPE] = transaction_rcpt,
		[PROTO_BODY_TYPE] = transaction_body,
		[PROTO_COMMIT_TYPE] = transaction_commit,
		[PROTO_ABORT_TYPE] = transaction_abort,
		[PROTO_REJECTED_TYPE] = rejection_take,
		[PROTO_JOB_PULL_TYPE] = job_pull,
		[PROTO_JOB_RESULT_TYPE] = job_result,
		[PROTO_JOB_END_TYPE] = job_end,
		[PROTO_STATEMENT_ANSWER_TYPE] = mailbox_statement_answer,
		[PROTO_MAILBOX_ENDED_TYPE] = mailbox_ended,
		[PROTO_RCPT_TICKET_TYPE] = reroute_ticket,
		[PROTO_RCPT_VERDICT_TYPE] = reroute_verdict,
		[PROTO_STATUS_ASK_TYPE] = control_status,
		[PROTO_QUEUE_LIST_TYPE] = listing_list,
		[PROTO_HISTORY_LIST_TYPE] = history_list,
		[PROTO_QUEUE_READ_TYPE] = control_read,
		[PROTO_QUEUE_BACKUP_TYPE] = backup_next,
		[PROTO_QUEUE_BACKUP_END_TYPE] = backup_end,
		[PROTO_QUEUE_CHANGE_TYPE] = change_recipients,
		[PROTO_DESTINATION_LIST_TYPE] = destinations_list,
		[PROTO_DESTINATION_AGES_TYPE] = destinations_ages,
		[PROTO_DESTINATION_SUSPEND_TYPE] = destinations_order,
	},
};
