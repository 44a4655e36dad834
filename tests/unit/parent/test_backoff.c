/* SPDX-License-Identifier: ISC */
/* How long what died waits for its next life. */
#include "tests/unit/unit.h"

#include "parent/backoff.h"
#include "parent/limits.h"

static const struct {
	const char *row;
	unsigned before; /* earlier deaths in a row */
	int64_t lived_ms;
	int64_t wait_ms;
	unsigned after;
} deaths[] = {
	{ "the first is followed by another life at once", 0, 5, 0, 1 },
	{ "so is the last of the first few", PARENT_DEATHS_AT_ONCE - 1, 5, 0, PARENT_DEATHS_AT_ONCE },
	{ "the next waits", PARENT_DEATHS_AT_ONCE, 5, PARENT_BACKOFF_MIN_MS, PARENT_DEATHS_AT_ONCE + 1 },
	{ "the one after it waits twice as long", PARENT_DEATHS_AT_ONCE + 1, 5, 2 * PARENT_BACKOFF_MIN_MS,
	    PARENT_DEATHS_AT_ONCE + 2 },
	{ "a thousand deaths wait no longer than the most", 1000, 5, PARENT_BACKOFF_MAX_MS, 1001 },
	{ "a life of just that length forgets nothing", 1000, PARENT_HEALTHY_MS, PARENT_BACKOFF_MAX_MS, 1001 },
	{ "a long life forgets them", 1000, PARENT_HEALTHY_MS + 1, 0, 1 },
};

static void
test_deaths(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
		struct backoff b = { .deaths = deaths[i].before };
		int64_t wait = backoff_after_death(&b, deaths[i].lived_ms);
		if (wait != deaths[i].wait_ms || b.deaths != deaths[i].after)
			row_fail(deaths[i].row, "waits %lld ms after %u deaths", (long long)wait, b.deaths);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deaths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
