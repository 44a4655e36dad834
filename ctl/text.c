/* SPDX-License-Identifier: ISC */
#include "ctl/text.h"

#include "common/log.h"
#include "ctl/limits.h"

void
text_init(struct text *t, bool dot_ends)
{
	*t = (struct text){ .dot_ends = dot_ends };
}

static void
put(struct buf *out, const char *bytes)
{
	invariant(buf_append_text(out, bytes));
}

static void
end_line(struct text *t, struct buf *out)
{
	if (t->held_dot && t->dot_ends) {
		t->ended = true;
		t->held_dot = false;
		t->column = 0;
		return;
	}
	put(out, t->held_dot ? "..\r\n" : "\r\n");
	t->held_dot = false;
	t->column = 0;
}

static void
take_byte(struct text *t, char c, struct buf *out)
{
	if (t->column == SENDMAIL_LINE_MAX) {
		put(out, "\r\n");
		t->column = 0;
	}
	if (t->held_dot)
		put(out, "..");
	t->held_dot = t->column == 0 && c == '.';
	t->column++;
	if (!t->held_dot)
		invariant(buf_append_byte(out, c));
}

void
text_take(struct text *t, struct str bytes, struct buf *out)
{
	size_t i;

	for (i = 0; i < bytes.len && !t->ended; i++) {
		char c = bytes.ptr[i];
		if (t->held_cr) {
			t->held_cr = false;
			end_line(t, out);
			if (c == '\n' || t->ended)
				continue;
		}
		if (c == '\r')
			t->held_cr = true;
		else if (c == '\n')
			end_line(t, out);
		else
			take_byte(t, c, out);
	}
}

void
text_finish(struct text *t, struct buf *out)
{
	if (!t->ended && (t->held_cr || t->column > 0))
		end_line(t, out);
	t->held_cr = false;
}
