/* SPDX-License-Identifier: ISC */
#include "queue/room.h"

#include "common/log.h"
#include "common/loop.h"
#include "queue/core.h"
#include "queue/limits.h"

static struct {
	uint64_t told; /* largest message */
	int64_t looked_ms;
	struct loop_timer timer;
} room;

static uint64_t
largest_message(void)
{
	uint64_t half = store_room(core.store) / 2;

	return half < core.config->smtp_max_message_size ? half : core.config->smtp_max_message_size;
}

/* Too little for any message: less than a window, or than the largest that is allowed where that is smaller. */
static bool
is_full(uint64_t bytes)
{
	return bytes < QUEUE_WINDOW_BYTES && bytes < core.config->smtp_max_message_size;
}

/* Below the configured size every eighth is worth a word; above it nothing changes for the clients. */
static bool
is_notable(uint64_t before, uint64_t now)
{
	uint64_t step = core.config->smtp_max_message_size / 8 + 1;

	return before / step != now / step || is_full(before) != is_full(now);
}

static void
look(void *arg)
{
	uint64_t now = largest_message();
	bool notable = is_notable(room.told, now);
	struct peer *p;

	(void)arg;
	room.looked_ms = loop_now_ms();
	if (notable) {
		bool full = is_full(now);
		if (full != is_full(room.told))
			LOG_EVENT(full ? LOG_WARNING : LOG_NOTICE, full ? "spool-full" : "spool-has-room",
			    log_u64(LOG_FIELD_bytes, now));
		room.told = now;
		for (p = NULL; (p = process_peer_next(PROTO_KIND_SMTPD, p)) != NULL;)
			room_tell(p);
	}
	if (room.told < core.config->smtp_max_message_size)
		loop_timer_start(&room.timer, QUEUE_ROOM_IDLE_MS);
}

void
room_init(void)
{
	loop_timer_init(&room.timer, look, NULL);
	room.told = largest_message();
	room.looked_ms = loop_now_ms();
	if (room.told < core.config->smtp_max_message_size)
		loop_timer_start(&room.timer, QUEUE_ROOM_IDLE_MS);
}

void
room_tell(struct peer *smtpd)
{
	SEND(smtpd->channel, ROOM, room, 0, .bytes = room.told);
}

void
room_changed(void)
{
	if (loop_now_ms() - room.looked_ms >= QUEUE_ROOM_MS)
		look(NULL);
}

void
room_failed(void)
{
	look(NULL);
}

bool
room_is_left(void)
{
	return !is_full(room.told);
}
