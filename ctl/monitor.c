/* SPDX-License-Identifier: ISC */
#include "ctl/monitor.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "ctl/answer.h"
#include "ctl/json.h"
#include "ctl/status.h"

enum { SUMMANDS_MAX = 4 };

/* A column: the sum of these values; what they grew by, or what they are. */
struct column {
	const char *key; /* in JSON */
	int width;
	bool gauge;
	const char *names[SUMMANDS_MAX];
};

/* clang-format off */
static const char header[] =
	"--- client ---  -- envelope --   ---- relay/delivery --- ------- misc -------\n"
	"curr conn disc  curr  enq  deq   ok tmpfail prmfail loop expire remove bounce\n";

static const struct column columns[] = {
	{ "sessions",     4, true,  { "smtp.session" } },
	{ "connected",    5, false, { "smtp.connected" } },
	{ "disconnected", 5, false, { "smtp.disconnected" } },
	{ "envelopes",    6, true,  { "scheduler.envelope" } },
	{ "enqueued",     5, false, { "scheduler.envelope.incoming" } },
	{ "dequeued",     5, false, { "scheduler.delivery.ok", "scheduler.delivery.permfail", "scheduler.envelope.expired",
	                              "scheduler.envelope.removed" } },
	{ "ok",           5, false, { "scheduler.delivery.ok" } },
	{ "tempfail",     8, false, { "scheduler.delivery.tempfail" } },
	{ "permfail",     8, false, { "scheduler.delivery.permfail" } },
	{ "loop",         5, false, { "scheduler.delivery.loop" } },
	{ "expired",      7, false, { "scheduler.envelope.expired" } },
	{ "removed",      7, false, { "scheduler.envelope.removed" } },
	{ "bounces",      7, false, { "queue.bounce" } },
};
/* clang-format on */

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

#define ABSENT UINT64_MAX /* no process counts it */

static void
sum(const struct status *s, uint64_t values[COLUMNS])
{
	size_t i, n;

	for (i = 0; i < COLUMNS; i++) {
		values[i] = status_has(s, columns[i].names[0]) ? 0 : ABSENT;
		for (n = 0; values[i] != ABSENT && n < SUMMANDS_MAX && columns[i].names[n] != NULL; n++)
			values[i] += status_value(s, columns[i].names[n]);
	}
}

/* A counter that became smaller belongs to a process that was started anew. */
static uint64_t
shown(size_t i, uint64_t now, uint64_t before)
{
	return columns[i].gauge ? now : now >= before ? now - before : now;
}

static void
print_line(const struct options *options, const uint64_t now[COLUMNS], const uint64_t before[COLUMNS])
{
	struct json j;
	size_t i;

	json_init(&j, stdout);
	if (options->json)
		json_begin_object(&j, NULL);
	for (i = 0; i < COLUMNS; i++) {
		uint64_t value = shown(i, now[i], before[i]);
		if (now[i] == ABSENT) {
			if (!options->json)
				(void)printf("%*s", columns[i].width, "-");
		} else if (options->json) {
			json_u64(&j, columns[i].key, value);
		} else {
			(void)printf("%*" PRIu64, columns[i].width, value);
		}
	}
	if (options->json)
		json_end_object(&j);
	(void)putchar('\n');
	(void)fflush(stdout);
}

/* Each sample has its own connection: a watch that lasts for days holds none of the few there are. */
static int
sample(const struct options *options, uint64_t values[COLUMNS])
{
	static struct status status;
	struct wire *w = answer_connect(options);
	struct error err;

	if (w == NULL)
		return COMMAND_NOT_RUNNING;
	if (!status_get(w, &status, &err))
		return answer_failed(options, w, &err);
	sum(&status, values);
	wire_close(w);
	return COMMAND_OK;
}

int
monitor(const struct options *options, const char *const *args)
{
	uint64_t now[COLUMNS], before[COLUMNS] = { 0 }, line;
	int code = sample(options, before);

	(void)args;
	for (line = 0; code == COMMAND_OK && (options->count == 0 || line < options->count); line++) {
		if (!options->json && line % CTL_MONITOR_HEADER == 0)
			(void)fputs(header, stdout);
		if (line > 0)
			(void)sleep((unsigned)options->interval_s);
		code = sample(options, now);
		if (code != COMMAND_OK)
			break;
		print_line(options, now, before);
		memcpy(before, now, sizeof(before));
		if (ferror(stdout) != 0)
			return COMMAND_FAILED;
	}
	return code;
}
