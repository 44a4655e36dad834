/* SPDX-License-Identifier: ISC */
#include "mailbox/loop_scan.h"

void
loop_scan_init(struct loop_scan *s, struct str address)
{
	s->address = address;
	s->done = false;
	s->at_line_start = true;
	s->seen = 0;
	s->len = 0;
}

static bool
is_loop(const struct loop_scan *s)
{
	static const struct str field = STR("Delivered-To");
	struct str name, value;

	if (!str_cut((struct str){ s->line, s->len }, ':', &name, &value))
		return false;
	return str_equal_nocase(str_trim(name), field) && str_equal_nocase(str_trim(value), s->address);
}

/* Takes one byte; a line is judged when the first byte of the next one shows that it is over. */
static bool
take_byte(struct loop_scan *s, char c)
{
	bool found = false;

	if (s->at_line_start && c != ' ' && c != '\t') {
		found = s->len > 0 && is_loop(s);
		s->len = 0;
		s->done = c == '\n';
	}
	s->at_line_start = c == '\n';
	if (c != '\n' && s->len < sizeof(s->line))
		s->line[s->len++] = c;
	return found;
}

bool
loop_scan_take(struct loop_scan *s, const char *data, size_t len)
{
	size_t i;

	for (i = 0; i < len && !s->done; i++) {
		if (take_byte(s, data[i]))
			return true;
		s->done = s->done || ++s->seen >= MAILBOX_LOOP_SCAN_MAX;
	}
	return false;
}
