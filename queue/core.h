/* SPDX-License-Identifier: ISC */
/*
 * What all files of the queue share: the store, its committer and reader, the configuration, and what was counted since
 * the start.
 */
#ifndef QUEUE_CORE_H
#define QUEUE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/seal.h"
#include "queue/bounce_words.h"
#include "queue/destination.h"
#include "queue/intake.h"
#include "queue/reader.h"
#include "queue/schedule.h"
#include "queue/store.h"

/* clang-format off */

/* What is counted since the start, with its name in `show stats`: OpenSMTPD's where it has one. */
#define COUNTERS(C) \
	C(accepted_messages,   "queue.accepted") \
	C(accepted_envelopes,  "scheduler.envelope.incoming") \
	C(refused,             "queue.refused") \
	C(delivered,           "scheduler.delivery.ok") \
	C(deferred,            "scheduler.delivery.tempfail") \
	C(bounced,             "scheduler.delivery.permfail") \
	C(loops,               "scheduler.delivery.loop") \
	C(expired,             "scheduler.envelope.expired") \
	C(removed,             "scheduler.envelope.removed") \
	C(updated,             "scheduler.envelope.updated") \
	C(notifications,       "queue.bounce") \
	C(hot,                 "queue.evpcache.load.hit") \
	C(cold,                "queue.evpcache.load.missed") \
	C(jobs,                "jobs.started") \
	C(jobs_returned,       "jobs.returned") \
	C(violations,          "queue.violations")
/* clang-format on */

struct counters {
#define C(member, name) uint64_t member;
	COUNTERS(C)
#undef C
};

struct core {
	const struct config *config;
	struct store *store;
	struct committer *committer;
	struct intake *intake;
	struct reader *reader;
	struct seal *tickets;
	struct bounce_words *bounce_words; /* NULL: the default ones */
	struct schedule_rules rules;
	char hostname[256];
	bool serving;                   /* START came */
	bool draining;                  /* DRAIN came: nothing new is handed out */
	bool paused[DESTINATION_KINDS]; /* by the administrator */
	uint64_t running;               /* jobs handed out, of all kinds */
	struct counters counters;
};

extern struct core core;

/*
 * The store is not to be trusted any more: in this turn all who wait are told, then the process ends; its restart opens
 * the store anew from disk.
 */
void core_store_failed(void);

/* Random bits for back-off. */
uint32_t core_random(void);

#endif
