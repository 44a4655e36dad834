/* SPDX-License-Identifier: ISC */
/*
 * The time in words: for the header of a message in local time with its offset, for the log in UTC. English whatever
 * the locale. A time before 1900-01-02 or after 9999-12-30 is written as the nearest one between, since no reader of
 * either form takes other years. tzset(3) is called before confinement; nothing here opens a file after that.
 */
#ifndef COMMON_DATE_H
#define COMMON_DATE_H

#include <stddef.h>
#include <stdint.h>

#define DATE_MAX 31 /* bytes of the longer form */

/*
 * "Tue, 24 Nov 2026 14:05:07 +0100" (RFC 5322 section 3.3), from seconds since 1970 UTC. Where the offset of the zone
 * is no whole number of minutes it is cut to one, and the time is that of the offset written. dst has DATE_MAX + 1
 * bytes. Returns the length.
 */
size_t date_format_5322(int64_t unix_time_s, char *dst);

/*
 * "2026-11-24 14:05 +0100", local time as above, for texts of any language. dst has DATE_MAX + 1 bytes. Returns the length.
 */
size_t date_format_short(int64_t unix_time_s, char *dst);

/*
 * "2026-11-24T13:05:07.123Z" (RFC 3339), from milliseconds since 1970 UTC. dst has DATE_MAX + 1 bytes. Returns the
 * length.
 */
size_t date_format_iso(int64_t unix_time_ms, char *dst);

#endif
