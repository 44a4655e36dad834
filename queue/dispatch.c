/* SPDX-License-Identifier: ISC */
#include "queue/dispatch.h"

#include "common/loop.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/destination.h"
#include "queue/job.h"
#include "queue/limits.h"
#include "queue/load.h"
#include "queue/mailboxes.h"
#include "queue/reroute.h"

static struct {
	struct loop_hook hook;
	struct loop_timer again;
	bool stalled[DESTINATION_KINDS]; /* nobody can take a job of that kind, until dispatch_soon */
} dispatch;

static bool
serve_relay(struct destination *d)
{
	struct worker *w = worker_for(d);

	if (w != NULL)
		job_start(d, w);
	return w != NULL || suspect_waits(d);
}

static bool
serve_local(struct destination *d)
{
	struct worker *w = mailbox_for(d);

	if (w != NULL)
		job_start(d, w);
	return true; /* the user's process is on its way, or has to wait: the others are served */
}

/* Each says whether the line can go on; else no destination of that kind can be served now. */
static bool (*const serve[DESTINATION_KINDS])(struct destination *d) = {
	[PROTO_DELIVERY_RELAY] = serve_relay,
	[PROTO_DELIVERY_LOCAL] = serve_local,
	[RECIPIENT_UNROUTED] = reroute_start,
};

static bool
run_line(unsigned kind, unsigned *left)
{
	struct destination *d;
	bool go_on = true;

	while (go_on && *left > 0 && (d = destination_take(kind)) != NULL) {
		(*left)--;
		if (destination_wants_more(d, clock_us()))
			load_due(d);
		if (d->ready_count > 0)
			go_on = serve[kind](d);
		destination_settle(d);
	}
	dispatch.stalled[kind] = !go_on;
	return *left > 0;
}

static void
run(void *arg)
{
	unsigned kind;

	(void)arg;
	if (!core.serving || core.draining)
		return;
	for (kind = 0; kind < DESTINATION_KINDS; kind++) {
		unsigned left = QUEUE_SERVED_STEP;
		if (!core.paused[kind] && !dispatch.stalled[kind] && !run_line(kind, &left))
			loop_timer_start(&dispatch.again, 0);
	}
}

static void
run_again(void *arg)
{
	(void)arg;
	loop_at_end(&dispatch.hook);
}

/* Somebody stands in line. After a full turn the others' events come first. */
static void
line_changed(void)
{
	if (!dispatch.again.pending)
		loop_at_end(&dispatch.hook);
}

void
dispatch_init(void)
{
	dispatch.hook = (struct loop_hook){ .fn = run };
	loop_timer_init(&dispatch.again, run_again, NULL);
	destinations_on_line(line_changed);
}

void
dispatch_soon(void)
{
	unsigned kind;

	for (kind = 0; kind < DESTINATION_KINDS; kind++)
		dispatch.stalled[kind] = false;
	loop_at_end(&dispatch.hook);
}
