/* SPDX-License-Identifier: ISC */
/*
 * Promised: the time in the forms of RFC 5322 and RFC 3339, whatever zone or year. Zones are POSIX strings, so that the
 * test needs no zone files.
 */
#include "common/date.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct {
	const char *name, *zone;
	int64_t time_s;
	const char *want;
} local_rows[] = {
	{ "the beginning", "UTC0", 0, "Thu, 01 Jan 1970 00:00:00 +0000" },
	{ "today", "UTC0", 1795525507, "Tue, 24 Nov 2026 13:05:07 +0000" },
	{ "east of Greenwich", "CET-1CEST,M3.5.0,M10.5.0/3", 1795525507, "Tue, 24 Nov 2026 14:05:07 +0100" },
	{ "in summer", "CET-1CEST,M3.5.0,M10.5.0/3", 1782907507, "Wed, 01 Jul 2026 14:05:07 +0200" },
	{ "the last second of winter", "CET-1CEST,M3.5.0,M10.5.0/3", 1774745999, "Sun, 29 Mar 2026 01:59:59 +0100" },
	{ "the first second of summer", "CET-1CEST,M3.5.0,M10.5.0/3", 1774746000, "Sun, 29 Mar 2026 03:00:00 +0200" },
	{ "west of Greenwich", "EST5", 1795525507, "Tue, 24 Nov 2026 08:05:07 -0500" },
	{ "the beginning, in the west, is another year", "EST5", 0, "Wed, 31 Dec 1969 19:00:00 -0500" },
	{ "half an hour, west", "NST3:30", 1795525507, "Tue, 24 Nov 2026 09:35:07 -0330" },
	{ "less than an hour, west", "XXX0:44", 1795525507, "Tue, 24 Nov 2026 12:21:07 -0044" },
	{ "three quarters, east", "NPT-5:45", 1795525507, "Tue, 24 Nov 2026 18:50:07 +0545" },
	{ "another day, east", "LINT-14", 1795525507, "Wed, 25 Nov 2026 03:05:07 +1400" },
	{ "odd seconds, east, go from the time too", "AMT-0:19:32", 1795525507, "Tue, 24 Nov 2026 13:24:07 +0019" },
	{ "odd seconds, west", "LMT4:56:02", 1795525507, "Tue, 24 Nov 2026 08:09:07 -0456" },
	{ "a leap day", "UTC0", 1709164800, "Thu, 29 Feb 2024 00:00:00 +0000" },
	{ "a century that leaps", "UTC0", 951782400, "Tue, 29 Feb 2000 00:00:00 +0000" },
	{ "the last second of 32 bits", "UTC0", 2147483647, "Tue, 19 Jan 2038 03:14:07 +0000" },
	{ "the next second", "UTC0", 2147483648, "Tue, 19 Jan 2038 03:14:08 +0000" },
	{ "the year 2106, unsigned 32 bits", "UTC0", 4294967296, "Sun, 07 Feb 2106 06:28:16 +0000" },
	{ "a century that does not leap", "UTC0", 4107542400, "Mon, 01 Mar 2100 00:00:00 +0000" },
	{ "before the beginning", "UTC0", -1, "Wed, 31 Dec 1969 23:59:59 +0000" },
	{ "far in the future", "UTC0", INT64_MAX, "Thu, 30 Dec 9999 23:59:59 +0000" },
	{ "far in the future, east", "LINT-14", INT64_MAX, "Fri, 31 Dec 9999 13:59:59 +1400" },
	{ "far in the past", "UTC0", INT64_MIN, "Tue, 02 Jan 1900 00:00:00 +0000" },
	{ "far in the past, west", "EST5", INT64_MIN, "Mon, 01 Jan 1900 19:00:00 -0500" },
	{ "a zone that is not there is UTC", ":/nonexistent", 0, "Thu, 01 Jan 1970 00:00:00 +0000" },
};

static const struct {
	const char *name;
	int64_t time_ms;
	const char *want;
} iso_rows[] = {
	{ "the beginning", 0, "1970-01-01T00:00:00.000Z" },
	{ "today", 1795525507123, "2026-11-24T13:05:07.123Z" },
	{ "the last millisecond of a second", 1795525507999, "2026-11-24T13:05:07.999Z" },
	{ "a small fraction has its zeros", 1795525507007, "2026-11-24T13:05:07.007Z" },
	{ "before the beginning", -1, "1969-12-31T23:59:59.999Z" },
	{ "a second before the beginning", -1000, "1969-12-31T23:59:59.000Z" },
	{ "the next second after 32 bits", 2147483648000, "2038-01-19T03:14:08.000Z" },
	{ "far in the future", INT64_MAX, "9999-12-30T23:59:59.999Z" },
	{ "far in the past", INT64_MIN, "1900-01-02T00:00:00.000Z" },
};
/* clang-format on */

static void
set_zone(const char *zone)
{
	assert_int_equal(setenv("TZ", zone, 1), 0);
	tzset();
}

static void
test_header_dates(void **state)
{
	char got[DATE_MAX + 1];
	size_t i, len;

	(void)state;
	for (i = 0; i < COUNT(local_rows); i++) {
		set_zone(local_rows[i].zone);
		len = date_format_5322(local_rows[i].time_s, got);
		if (len != strlen(got) || len != DATE_MAX || strcmp(got, local_rows[i].want) != 0)
			row_fail(local_rows[i].name, "got %s, want %s", got, local_rows[i].want);
	}
}

static void
test_log_dates_are_in_utc(void **state)
{
	static const char *const zones[] = { "UTC0", "EST5", "LINT-14" };
	char got[DATE_MAX + 1];
	size_t i, zone, len;

	(void)state;
	for (zone = 0; zone < COUNT(zones); zone++) {
		set_zone(zones[zone]);
		for (i = 0; i < COUNT(iso_rows); i++) {
			len = date_format_iso(iso_rows[i].time_ms, got);
			if (len != strlen(got) || strcmp(got, iso_rows[i].want) != 0)
				row_fail(
				    iso_rows[i].name, "in %s: got %s, want %s", zones[zone], got, iso_rows[i].want);
		}
	}
}

/* Over 8,000 years in odd steps, against strftime in the C locale. */
static void
test_dates_agree_with_strftime(void **state)
{
	char got[DATE_MAX + 1], want[DATE_MAX + 1];
	struct tm tm;
	time_t t;

	(void)state;
	set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
	for (t = -2000000000; t < 250000000000; t += 12345677) {
		assert_non_null(localtime_r(&t, &tm));
		assert_int_equal(strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S %z", &tm), DATE_MAX);
		(void)date_format_5322(t, got);
		assert_string_equal(got, want);
		assert_int_equal(strftime(want, sizeof(want), "%Y-%m-%d %H:%M %z", &tm), 22);
		assert_int_equal(date_format_short(t, got), 22);
		assert_string_equal(got, want);
		assert_non_null(gmtime_r(&t, &tm));
		assert_int_equal(strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.042Z", &tm), 24);
		(void)date_format_iso((int64_t)t * 1000 + 42, got);
		assert_string_equal(got, want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_dates),
		cmocka_unit_test(test_log_dates_are_in_utc),
		cmocka_unit_test(test_dates_agree_with_strftime),
	};

	return cmocka_run_group_tests_name("date", tests, NULL, NULL);
}
