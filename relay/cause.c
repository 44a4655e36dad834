/* SPDX-License-Identifier: ISC */
#include "relay/cause.h"

#include <stddef.h>
#include <string.h>

/*
 * The first row that fits decides. A code of 0, an enhanced of NULL and words of NULL fit any; words are looked for in the
 * text without regard to case. Greylisting comes first, for its answers carry codes of limits, too.
 */
/* clang-format off */
static const struct {
	unsigned code;
	const char *enhanced;
	const char *words;
	enum proto_cause cause;
} rows[] = {
	{ 0,   NULL,    "greylist",              PROTO_CAUSE_GREYLIST },    /* postgrey, milter-greylist, rspamd */
	{ 0,   NULL,    "graylist",              PROTO_CAUSE_GREYLIST },
	{ 0,   NULL,    "grey-list",             PROTO_CAUSE_GREYLIST },
	{ 0,   NULL,    "grey list",             PROTO_CAUSE_GREYLIST },
	{ 0,   NULL,    "rate limit",            PROTO_CAUSE_THEIR_LIMIT }, /* of senders, under many enhanced codes */
	{ 0,   NULL,    "ratelimit",             PROTO_CAUSE_THEIR_LIMIT },
	{ 0,   NULL,    "rate-limit",            PROTO_CAUSE_THEIR_LIMIT },
	{ 0,   NULL,    "throttl",               PROTO_CAUSE_THEIR_LIMIT },
	{ 0,   NULL,    "too many",              PROTO_CAUSE_THEIR_LIMIT },
	{ 0,   NULL,    "too much mail",         PROTO_CAUSE_THEIR_LIMIT },
	{ 0,   NULL,    "unusual rate",          PROTO_CAUSE_THEIR_LIMIT },
	{ 450, "4.7.1", "try again later",       PROTO_CAUSE_GREYLIST },
	{ 451, "4.7.1", NULL,                    PROTO_CAUSE_GREYLIST },
	{ 451, "4.7.0", "try again later",       PROTO_CAUSE_GREYLIST },
	{ 450, "4.2.0", "try again later",       PROTO_CAUSE_GREYLIST },
	{ 451, "4.7.500", NULL,                  PROTO_CAUSE_THEIR_LIMIT }, /* Exchange Online: server busy */
	{ 421, NULL,    NULL,                    PROTO_CAUSE_THEIR_LIMIT },
	{ 452, NULL,    NULL,                    PROTO_CAUSE_THEIR_LIMIT },
	{ 0,   "4.2.2", NULL,                    PROTO_CAUSE_THEIR_LIMIT }, /* mailbox full */
	{ 0,   "5.2.2", NULL,                    PROTO_CAUSE_THEIR_LIMIT },
	{ 0,   "4.3.1", NULL,                    PROTO_CAUSE_THEIR_LIMIT }, /* system full */
	{ 0,   "4.3.2", NULL,                    PROTO_CAUSE_THEIR_LIMIT }, /* not accepting messages */
	{ 0,   "4.4.5", NULL,                    PROTO_CAUSE_THEIR_LIMIT }, /* congestion */
	{ 0,   "4.5.3", NULL,                    PROTO_CAUSE_THEIR_LIMIT }, /* too many recipients */
	{ 552, NULL,    "quota",                 PROTO_CAUSE_THEIR_LIMIT },
};
/* clang-format on */

static bool
fits(size_t i, const struct reply *reply)
{
	return (rows[i].code == 0 || rows[i].code == reply->code) &&
	    (rows[i].enhanced == NULL || strcmp(rows[i].enhanced, reply->enhanced) == 0) &&
	    (rows[i].words == NULL || strcasestr(reply->text, rows[i].words) != NULL);
}

enum proto_cause
cause_of_answer(const struct reply *reply)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (reply->code >= 400 && fits(i, reply) &&
		    (rows[i].cause != PROTO_CAUSE_GREYLIST || reply->code < 500))
			return rows[i].cause;
	return PROTO_CAUSE_ANSWER;
}
