/* SPDX-License-Identifier: ISC */
#include "queue/core.h"

#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/process.h"

struct core core;

/* A turn later: those who waited for the commit that failed have been told by then. */
static void
end_process(void *arg)
{
	struct peer *p;

	(void)arg;
	for (p = process_peer_next(PROTO_KIND_SMTPD, NULL); p != NULL; p = process_peer_next(PROTO_KIND_SMTPD, p))
		(void)channel_flush(p->channel);
	log_error("store-failed", log_text(LOG_FIELD_error, "a commit failed; the store is opened anew from disk"));
	log_flush();
	_exit(EX_IOERR);
}

void
core_store_failed(void)
{
	static struct loop_timer timer;
	static bool failed;

	if (failed)
		return;
	failed = true;
	loop_timer_init(&timer, end_process, NULL);
	loop_timer_start(&timer, 0);
}

uint32_t
core_random(void)
{
	return arc4random();
}
