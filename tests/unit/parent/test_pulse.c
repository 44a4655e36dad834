/* SPDX-License-Identifier: ISC */
/* When a process is given up: an unanswered question of ours, and not time in which we stood still ourselves. */
#include "tests/unit/unit.h"

#include "parent/pulse.h"

enum { PATIENCE_MS = 30000 };

/* What happens, a letter an event: "a" asked, "h" heard, "?" is it lost, "!" is it lost, we being late. */
static const struct {
	const char *row;
	const char *events;
	int64_t at_ms[6];
	bool lost; /* the last answer */
} lives[] = {
	{ "nothing was asked, for an hour", "?", { 3600000 }, false },
	{ "a question is answered", "ah?", { 1000, 1001, 3600000 }, false },
	{ "a question waits for just that long", "a?", { 1000, 31000 }, false },
	{ "a question waits for longer", "a?", { 1000, 31001 }, true },
	{ "the oldest question counts", "aaa?", { 1000, 11000, 21000, 31001 }, true },
	{ "any message is an answer to all of them", "aah?", { 1000, 11000, 12000, 61000 }, false },
	{ "after an answer the next question counts", "aha?", { 1000, 11000, 12000, 42001 }, true },
	{ "we stood still for an hour with a question open", "a!", { 1000, 3600000 }, false },
	{ "and it is silent after that as well", "a!?", { 1000, 3600000, 3630001 }, true },
	{ "and it answers after that", "a!h?", { 1000, 3600000, 3600001, 7200000 }, false },
	{ "we stood still and had asked nothing", "!?", { 3600000, 3630001 }, false },
};

static void
test_lives(void **state)
{
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		struct pulse p = { 0 };
		bool lost = false;
		for (n = 0; lives[i].events[n] != '\0'; n++) {
			int64_t now = lives[i].at_ms[n];
			switch (lives[i].events[n]) {
			case 'a': pulse_asked(&p, now); break;
			case 'h': pulse_heard(&p); break;
			default: lost = pulse_lost(&p, now, PATIENCE_MS, lives[i].events[n] == '!'); break;
			}
		}
		if (lost != lives[i].lost)
			row_fail(lives[i].row, "%s", lost ? "it is given up" : "it is not given up");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
