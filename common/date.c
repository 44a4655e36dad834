/* SPDX-License-Identifier: ISC */
#include "common/date.h"

#include <string.h>
#include <time.h>

/* A day inside the years 1900 and 9999, so that no offset leads out of them. */
#define TIME_MIN_S (-2208988800 + 86400)
#define TIME_MAX_S (253402300799 - 86400)

static int64_t
clamp(int64_t value, int64_t min, int64_t max)
{
	if (value < min)
		return min;
	return value > max ? max : value;
}

static char *
put_text(char *dst, const char *text, size_t len)
{
	memcpy(dst, text, len);
	return dst + len;
}

static char *
put_number(char *dst, int value, int digits)
{
	int i;

	for (i = digits - 1; i >= 0; i--) {
		dst[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return dst + digits;
}

static char *
put_clock(char *dst, const struct tm *tm)
{
	dst = put_number(dst, tm->tm_hour, 2);
	*dst++ = ':';
	dst = put_number(dst, tm->tm_min, 2);
	*dst++ = ':';
	return put_number(dst, tm->tm_sec, 2);
}

/* Minutes east of Greenwich; 0 when the system cannot say. */
static int
offset_minutes(time_t time_s)
{
	struct tm tm;

	return localtime_r(&time_s, &tm) == NULL ? 0 : (int)(tm.tm_gmtoff / 60);
}

static char *
put_offset(char *dst, int minutes)
{
	*dst++ = minutes < 0 ? '-' : '+';
	if (minutes < 0)
		minutes = -minutes;
	dst = put_number(dst, minutes / 60, 2);
	return put_number(dst, minutes % 60, 2);
}

/* Fills in *tm, and returns the offset of its zone in minutes. */
static int
local_time(int64_t unix_time_s, struct tm *tm)
{
	time_t time_s = clamp(unix_time_s, TIME_MIN_S, TIME_MAX_S), local_s;
	int offset = offset_minutes(time_s);

	/* Not localtime_r's fields: with an offset of odd seconds they would disagree with the offset written. */
	local_s = time_s + offset * 60;
	*tm = (struct tm){ 0 };
	(void)gmtime_r(&local_s, tm); /* fails only for years that do not fit an int */
	return offset;
}

static char *
put_day(char *dst, const struct tm *tm)
{
	dst = put_number(dst, tm->tm_year + 1900, 4);
	*dst++ = '-';
	dst = put_number(dst, tm->tm_mon + 1, 2);
	*dst++ = '-';
	return put_number(dst, tm->tm_mday, 2);
}

size_t
date_format_5322(int64_t unix_time_s, char *dst)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;
	int offset = local_time(unix_time_s, &tm);
	char *end = dst;

	end = put_text(end, days + 3 * tm.tm_wday, 3);
	end = put_text(end, ", ", 2);
	end = put_number(end, tm.tm_mday, 2);
	*end++ = ' ';
	end = put_text(end, months + 3 * tm.tm_mon, 3);
	*end++ = ' ';
	end = put_number(end, tm.tm_year + 1900, 4);
	*end++ = ' ';
	end = put_clock(end, &tm);
	*end++ = ' ';
	end = put_offset(end, offset);
	*end = '\0';
	return (size_t)(end - dst);
}

size_t
date_format_short(int64_t unix_time_s, char *dst)
{
	struct tm tm;
	int offset = local_time(unix_time_s, &tm);
	char *end = put_day(dst, &tm);

	*end++ = ' ';
	end = put_number(end, tm.tm_hour, 2);
	*end++ = ':';
	end = put_number(end, tm.tm_min, 2);
	*end++ = ' ';
	end = put_offset(end, offset);
	*end = '\0';
	return (size_t)(end - dst);
}

size_t
date_format_iso(int64_t unix_time_ms, char *dst)
{
	int64_t ms = clamp(unix_time_ms, TIME_MIN_S * INT64_C(1000), TIME_MAX_S * INT64_C(1000) + 999);
	time_t time_s = ms / 1000 - (ms % 1000 < 0);
	struct tm tm = { 0 };
	char *end = dst;

	(void)gmtime_r(&time_s, &tm);
	end = put_day(end, &tm);
	*end++ = 'T';
	end = put_clock(end, &tm);
	*end++ = '.';
	end = put_number(end, (int)(ms - (int64_t)time_s * 1000), 3);
	*end++ = 'Z';
	*end = '\0';
	return (size_t)(end - dst);
}
