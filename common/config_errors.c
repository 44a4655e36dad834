/* SPDX-License-Identifier: ISC */
#include "common/config_errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/str.h"

enum { LINE_MAX_BYTES = 1024 };

/* Values in the message come from the text: a terminal must not get its control bytes. */
static void
make_printable(char *text)
{
	for (; *text != '\0'; text++)
		if (!ascii_is_printable(*text))
			*text = '?';
}

static void __attribute__((format(printf, 4, 0)))
say(struct config_errors *errors, bool warning, const struct config_place *place, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	int used;

	used = snprintf(line, sizeof(line), "%.512s:%u:%u: ", place->file, place->line, place->column);
	if (used > 0 && (size_t)used < sizeof(line))
		(void)vsnprintf(line + used, sizeof(line) - (size_t)used, fmt, ap);
	make_printable(line);
	errors->report(errors->arg, warning, line);
}

bool
config_errors_full(const struct config_errors *errors)
{
	return errors->count >= CONFIG_ERRORS_MAX;
}

static void __attribute__((format(printf, 3, 4)))
give_up(struct config_errors *errors, const struct config_place *place, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(errors, false, place, fmt, ap);
	va_end(ap);
}

bool
config_error(struct config_errors *errors, const struct config_place *place, const char *fmt, ...)
{
	va_list ap;

	if (config_errors_full(errors))
		return false;
	va_start(ap, fmt);
	say(errors, false, place, fmt, ap);
	va_end(ap);
	errors->count++;
	if (config_errors_full(errors))
		give_up(errors, place, "%d errors, giving up", CONFIG_ERRORS_MAX);
	return false;
}

void
config_warning(struct config_errors *errors, const struct config_place *place, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(errors, true, place, fmt, ap);
	va_end(ap);
}
