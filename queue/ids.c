/* SPDX-License-Identifier: ISC */
#include "queue/ids.h"

#include "common/log.h"
#include "common/loop.h"
#include "queue/clock.h"
#include "queue/core.h"
#include "queue/limits.h"

enum { TIME_SHIFT = 24 }; /* 16 million ids a second before a new store could meet those of an older one */

static struct {
	uint64_t next;
	uint64_t end; /* on disk: at and above it nothing was used */
	uint64_t asked;
	bool raising;
	void (*on_more)(void);
	struct step step;
	struct loop_timer again;
} ids;

static void
run_raise(struct store_txn *txn, struct step *step)
{
	(void)step;
	store_put_meta(txn, STORE_META_NEXT_MESSAGE, ids.asked);
}

static void raise_end(void *arg);

static void
raised(struct step *step, enum store_failure failure)
{
	(void)step;
	ids.raising = false;
	switch (failure) {
	case STORE_OK:
		ids.end = ids.asked;
		ids.on_more();
		break;
	case STORE_NO_ROOM: loop_timer_start(&ids.again, QUEUE_ROOM_IDLE_MS); break;
	case STORE_FAILED: core_store_failed(); break;
	}
}

static void
raise_end(void *arg)
{
	(void)arg;
	if (ids.raising || ids.again.pending)
		return;
	ids.raising = true;
	ids.asked = ids.next + QUEUE_IDS_AHEAD;
	/* Of the kind that may be refused: without room there is no mail to give ids to, and deliveries go on. */
	ids.step = (struct step){ .kind = STEP_ACCEPT, .run = run_raise, .done = raised };
	committer_add(core.committer, &ids.step);
}

void
ids_init(uint64_t remembered, void (*on_more)(void))
{
	ids.next = remembered != 0 ? remembered : (uint64_t)clock_ms() / 1000 << TIME_SHIFT;
	ids.end = ids.next;
	ids.on_more = on_more;
	ids.raising = false;
	loop_timer_init(&ids.again, raise_end, NULL);
	raise_end(NULL);
}

bool
ids_take(uint64_t count, uint64_t *first)
{
	bool enough = ids.end - ids.next >= count;

	if (enough) {
		*first = ids.next;
		ids.next += count;
	}
	if (!enough || ids.end - ids.next < QUEUE_IDS_AHEAD / 2)
		raise_end(NULL);
	return enough;
}
