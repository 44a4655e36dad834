/* SPDX-License-Identifier: ISC */
#include "smtpd/reply.h"

#include <string.h>

/* clang-format off */
static const struct {
	unsigned code;
	const char *enhanced;
	const char *text;
} rows[] = {
#define R(name, code, enhanced, text) { code, enhanced, text },
	REPLIES(R)
#undef R
};
/* clang-format on */

unsigned
reply_code(enum reply reply)
{
	return rows[reply].code;
}

bool
reply_write(enum reply reply, const char *detail, struct buf *out)
{
	const char *status = rows[reply].enhanced;
	struct str before = str_of(rows[reply].text), after = { "", 0 };
	const char *mark = strstr(rows[reply].text, "%s");

	if (mark != NULL) {
		before.len = (size_t)(mark - before.ptr);
		after = str_of(mark + 2);
	}
	return buf_printf(out, "%u %s%s", rows[reply].code, status, *status != '\0' ? " " : "") &&
	    buf_append_str(out, before) && (mark == NULL || detail == NULL || buf_append_text(out, detail)) &&
	    buf_append_str(out, after) && buf_append(out, "\r\n", 2);
}
