/* SPDX-License-Identifier: ISC */
#include "ctl/json.h"

#include <inttypes.h>

#include "ctl/utf8.h"

enum { REPLACEMENT = 0xfffd };

void
json_init(struct json *j, FILE *out)
{
	j->out = out;
	j->comma = false;
}

static void
put_code(FILE *out, uint32_t code)
{
	if (code >= 0x10000) { /* a surrogate pair, section 7 */
		code -= 0x10000;
		(void)fprintf(out, "\\u%04x\\u%04x", 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
	} else if (code == '"' || code == '\\') {
		(void)fprintf(out, "\\%c", (int)code);
	} else if (code == '\n') {
		(void)fputs("\\n", out);
	} else if (code < 0x20 || code > 0x7e) {
		(void)fprintf(out, "\\u%04x", code);
	} else {
		(void)putc((int)code, out);
	}
}

void
json_string_part(struct json *j, struct str part)
{
	uint32_t code;

	while (part.len > 0) {
		size_t len = utf8_take(part, &code);
		put_code(j->out, len == 0 ? REPLACEMENT : code);
		len = len == 0 ? 1 : len;
		part = (struct str){ part.ptr + len, part.len - len };
	}
}

static void
put_string(struct json *j, struct str s)
{
	(void)putc('"', j->out);
	json_string_part(j, s);
	(void)putc('"', j->out);
}

static void
begin_value(struct json *j, const char *name)
{
	if (j->comma)
		(void)fputs(",", j->out);
	if (name != NULL) {
		put_string(j, str_of(name));
		(void)putc(':', j->out);
	}
	j->comma = true;
}

static void
begin(struct json *j, const char *name, char bracket)
{
	begin_value(j, name);
	(void)putc(bracket, j->out);
	j->comma = false;
}

static void
end(struct json *j, char bracket)
{
	(void)putc(bracket, j->out);
	j->comma = true;
}

void
json_begin_object(struct json *j, const char *name)
{
	begin(j, name, '{');
}

void
json_end_object(struct json *j)
{
	end(j, '}');
}

void
json_begin_array(struct json *j, const char *name)
{
	begin(j, name, '[');
}

void
json_end_array(struct json *j)
{
	end(j, ']');
}

void
json_str(struct json *j, const char *name, struct str value)
{
	begin_value(j, name);
	put_string(j, value);
}

void
json_text(struct json *j, const char *name, const char *value)
{
	json_str(j, name, str_of(value));
}

void
json_u64(struct json *j, const char *name, uint64_t value)
{
	begin_value(j, name);
	(void)fprintf(j->out, "%" PRIu64, value);
}

void
json_bool(struct json *j, const char *name, bool value)
{
	begin_value(j, name);
	(void)fputs(value ? "true" : "false", j->out);
}

void
json_begin_string(struct json *j, const char *name)
{
	begin_value(j, name);
	(void)putc('"', j->out);
}

void
json_end_string(struct json *j)
{
	(void)putc('"', j->out);
}

void
json_end_line(struct json *j)
{
	(void)putc('\n', j->out);
	j->comma = false;
}
