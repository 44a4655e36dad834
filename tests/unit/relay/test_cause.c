/* SPDX-License-Identifier: ISC */
/* Promise: what servers in use say when they greylist or have enough is told from a plain answer. */
#include "tests/unit/unit.h"

#include "relay/cause.h"

static const struct {
	const char *sentence;
	unsigned code;
	const char *text;
	enum proto_cause want;
} rows[] = {
	{ "a plain refusal", 550, "5.1.1 no such user", PROTO_CAUSE_ANSWER },
	{ "a plain delay", 451, "4.3.0 local error", PROTO_CAUSE_ANSWER },
	{ "without an enhanced code", 450, "mailbox busy", PROTO_CAUSE_ANSWER },
	{ "postgrey", 450, "4.2.0 <a@b.example>: Recipient address rejected: Greylisted, see http://x",
	    PROTO_CAUSE_GREYLIST },
	{ "milter-greylist", 451, "4.7.1 Greylisting in action, please come back in 00:05:00", PROTO_CAUSE_GREYLIST },
	{ "rspamd", 451, "4.7.1 Try again later", PROTO_CAUSE_GREYLIST },
	{ "451 4.7.1 in other words", 451, "4.7.1 please wait a while", PROTO_CAUSE_GREYLIST },
	{ "450 4.7.1 with the words", 450, "4.7.1 Please try again later", PROTO_CAUSE_GREYLIST },
	{ "but not without them: any policy says it", 450, "4.7.1 Client host rejected: cannot find your hostname",
	    PROTO_CAUSE_ANSWER },
	{ "whoever lists for good is no greylist", 554, "5.7.1 greylisted too often", PROTO_CAUSE_ANSWER },
	{ "421 is a limit", 421, "4.3.2 closing", PROTO_CAUSE_THEIR_LIMIT },
	{ "also without an enhanced code", 421, "busy", PROTO_CAUSE_THEIR_LIMIT },
	{ "452", 452, "4.5.3 too many recipients", PROTO_CAUSE_THEIR_LIMIT },
	{ "a rate", 450, "4.7.1 Error: rate limit exceeded, try again later", PROTO_CAUSE_THEIR_LIMIT },
	{ "a rate under 4.2.1", 450, "4.2.1 The user is receiving mail at an unusual rate", PROTO_CAUSE_THEIR_LIMIT },
	{ "a busy server", 451, "4.7.500 Server busy. Please try again later", PROTO_CAUSE_THEIR_LIMIT },
	{ "a full mailbox, for now", 450, "4.2.2 mailbox full", PROTO_CAUSE_THEIR_LIMIT },
	{ "a full mailbox, for good", 552, "5.2.2 mailbox full", PROTO_CAUSE_THEIR_LIMIT },
	{ "a message too large is an answer", 552, "5.3.4 too large", PROTO_CAUSE_ANSWER },
	{ "congestion", 451, "4.4.5 congested", PROTO_CAUSE_THEIR_LIMIT },
};

static void
test_answers(void **state)
{
	struct reply reply;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reply_make(&reply, PROTO_CAUSE_NONE, rows[i].code, "%s", rows[i].text);
		if (cause_of_answer(&reply) != rows[i].want)
			row_fail(rows[i].sentence, "got %d wanted %d", (int)cause_of_answer(&reply), (int)rows[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
