/* SPDX-License-Identifier: ISC */
#include "relay/writer.h"

#include <string.h>

void
writer_start(struct writer *w)
{
	*w = (struct writer){ .line_start = true };
}

/* Appends a run of bytes of one line, none of which is CR or LF. */
static bool
put_run(struct writer *w, const char *bytes, size_t len, struct buf *out)
{
	if (w->line_start && bytes[0] == '.' && !buf_append_byte(out, '.'))
		return false;
	w->line_start = false;
	return buf_append(out, bytes, len);
}

static size_t
find_run(struct str bytes)
{
	const char *cr = memchr(bytes.ptr, '\r', bytes.len);
	size_t len = cr == NULL ? bytes.len : (size_t)(cr - bytes.ptr);
	const char *lf = memchr(bytes.ptr, '\n', len);

	return lf == NULL ? len : (size_t)(lf - bytes.ptr);
}

/* Takes the CR or LF at the start of bytes. A pair is written when its LF is seen. */
static enum writer_status
put_end(struct writer *w, char c, struct buf *out)
{
	if ((c == '\n') != w->cr)
		return WRITER_BARE;
	w->cr = c == '\r';
	if (w->cr)
		return WRITER_OK;
	w->line_start = true;
	return buf_append(out, "\r\n", 2) ? WRITER_OK : WRITER_FULL;
}

enum writer_status
writer_put(struct writer *w, struct str bytes, struct buf *out)
{
	enum writer_status status;
	size_t len;

	while (bytes.len > 0) {
		len = w->cr ? 0 : find_run(bytes);
		if (len > 0 && !put_run(w, bytes.ptr, len, out))
			return WRITER_FULL;
		bytes = (struct str){ bytes.ptr + len, bytes.len - len };
		if (bytes.len == 0)
			break;
		status = put_end(w, bytes.ptr[0], out);
		if (status != WRITER_OK)
			return status;
		bytes = (struct str){ bytes.ptr + 1, bytes.len - 1 };
	}
	return WRITER_OK;
}

enum writer_status
writer_end(struct writer *w, struct buf *out)
{
	if (w->cr)
		return WRITER_BARE;
	if (!w->line_start && !buf_append(out, "\r\n", 2))
		return WRITER_FULL;
	return buf_append(out, ".\r\n", 3) ? WRITER_OK : WRITER_FULL;
}
