/* SPDX-License-Identifier: ISC */
#include "ctl/format.h"

#include <inttypes.h>
#include <string.h>

size_t
format_put(FILE *out, struct str value)
{
	size_t columns = 0, i;

	for (i = 0; i < value.len; i++) {
		if (ascii_is_printable(value.ptr[i])) {
			(void)putc(value.ptr[i], out);
			columns++;
		} else {
			(void)fprintf(out, "\\x%02x", (unsigned)(unsigned char)value.ptr[i]);
			columns += 4;
		}
	}
	return columns;
}

void
format_column(FILE *out, struct str value, size_t width)
{
	size_t columns = format_put(out, value);

	for (; columns < width; columns++)
		(void)putc(' ', out);
}

void
format_put_lines(FILE *out, struct str text)
{
	size_t i;

	for (i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n')
			continue;
		if (c == '\n' || c == '\t')
			(void)putc(c, out);
		else
			(void)format_put(out, (struct str){ &c, 1 });
	}
}

const char *
format_span(int64_t seconds, char *dst)
{
	static const struct {
		int64_t seconds;
		char name, below;
		int64_t part;
	} units[] = { { 86400, 'd', 'h', 3600 }, { 3600, 'h', 'm', 60 }, { 60, 'm', 's', 1 } };
	size_t i;

	seconds = seconds < 0 ? 0 : seconds;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		int64_t rest = seconds % units[i].seconds / units[i].part;
		if (seconds < units[i].seconds)
			continue;
		if (rest == 0)
			(void)snprintf(
			    dst, FORMAT_SPAN_MAX, "%" PRId64 "%c", seconds / units[i].seconds, units[i].name);
		else
			(void)snprintf(dst, FORMAT_SPAN_MAX, "%" PRId64 "%c%" PRId64 "%c", seconds / units[i].seconds,
			    units[i].name, rest, units[i].below);
		return dst;
	}
	(void)snprintf(dst, FORMAT_SPAN_MAX, "%" PRId64 "s", seconds);
	return dst;
}

const char *
format_distance(int64_t ms, char *dst)
{
	int64_t seconds = ms / 1000;
	char span[FORMAT_SPAN_MAX];

	if (seconds == 0)
		(void)snprintf(dst, FORMAT_DISTANCE_MAX, "now");
	else if (seconds < 0)
		(void)snprintf(dst, FORMAT_DISTANCE_MAX, "%s ago", format_span(-seconds, span));
	else
		(void)snprintf(dst, FORMAT_DISTANCE_MAX, "in %s", format_span(seconds, span));
	return dst;
}

static uint64_t
unit_of(char c)
{
	static const struct {
		char name;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].name == c)
			return units[i].seconds;
	return 0;
}

bool
format_read_span(const char *text, uint64_t max_s, uint64_t *out_s)
{
	uint64_t total = 0, number;

	do {
		size_t len = strspn(text, "0123456789");
		uint64_t unit = text[len] == '\0' ? 1 : unit_of(text[len]);
		if (unit == 0 || !str_to_u64((struct str){ text, len }, (max_s - total) / unit, &number))
			return false;
		total += number * unit;
		text += len + (text[len] != '\0');
	} while (text[0] != '\0');
	*out_s = total;
	return true;
}

const char *
format_plural(uint64_t number)
{
	return number == 1 ? "" : "s";
}

const char *
format_size(uint64_t bytes, char *dst)
{
	static const char units[] = "KMGTPE";
	uint64_t tenths = bytes;
	size_t i = 0;

	if (bytes < 1024) {
		(void)snprintf(dst, FORMAT_SIZE_MAX, "%" PRIu64, bytes);
		return dst;
	}
	while (tenths / 1024 >= 1024) {
		tenths /= 1024;
		i++;
	}
	tenths = tenths * 10 / 1024;
	if (tenths < 100)
		(void)snprintf(dst, FORMAT_SIZE_MAX, "%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10, units[i]);
	else
		(void)snprintf(dst, FORMAT_SIZE_MAX, "%" PRIu64 "%c", tenths / 10, units[i]);
	return dst;
}

const char *
format_id(uint64_t message, char *dst)
{
	(void)snprintf(dst, FORMAT_ID_MAX, "%016" PRIx64, message);
	return dst;
}

static bool
read_digit(char c, uint64_t *digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, ascii_lower(c));

	if (at == NULL)
		return false;
	*digit = (uint64_t)(at - digits);
	return true;
}

bool
format_read_id(const char *text, uint64_t *message, bool *one, uint64_t *number)
{
	struct str id, recipient;
	uint64_t value = 0, digit;
	size_t i;

	*number = 0;
	*one = str_cut(str_of(text), ':', &id, &recipient);
	if (id.len == 0 || id.len > 16 || (*one && !str_to_u64(recipient, UINT32_MAX, number)))
		return false;
	for (i = 0; i < id.len; i++) {
		if (!read_digit(id.ptr[i], &digit))
			return false;
		value = value << 4 | digit;
	}
	*message = value;
	return value != 0;
}
