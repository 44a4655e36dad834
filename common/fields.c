/* SPDX-License-Identifier: ISC */
#include "common/fields.h"

#include <string.h>

enum { SAMPLE_MAX = 61440 }; /* bytes of the longest text of a sample */

static bool
encode_bytes(const struct field *f, const struct str *s, struct buf *out)
{
	uint32_t len = htole32((uint32_t)s->len);

	if (s->len > f->limit || (f->kind == FIELD_str && s->len > 0 && memchr(s->ptr, '\0', s->len) != NULL))
		return false;
	return buf_append(out, &len, sizeof(len)) && buf_append_str(out, *s);
}

static bool
encode_field(const struct field *f, const char *at, struct buf *out)
{
	switch (f->kind) {
	case FIELD_u64: {
		uint64_t value;
		memcpy(&value, at, sizeof(value));
		return value <= f->limit && buf_append(out, &(uint64_t){ htole64(value) }, sizeof(value));
	}
	case FIELD_str:
	case FIELD_blob: return encode_bytes(f, (const struct str *)(const void *)at, out);
	case FIELD_boolean: return buf_append_byte(out, *(const bool *)at ? 1 : 0);
	case FIELD_choice: {
		uint32_t value;
		memcpy(&value, at, sizeof(value));
		return value <= f->limit && buf_append(out, &(uint32_t){ htole32(value) }, sizeof(value));
	}
	}
	return false;
}

bool
fields_encode(struct fields fields, const void *object, struct buf *out)
{
	size_t before = out->len;
	size_t i;

	for (i = 0; i < fields.count; i++) {
		if (!encode_field(&fields.first[i], (const char *)object + fields.first[i].offset, out)) {
			buf_truncate(out, before);
			return false;
		}
	}
	return true;
}

/* --- decoding --- */

static bool
take(struct str *rest, void *out, size_t len)
{
	if (rest->len < len)
		return false;
	memcpy(out, rest->ptr, len);
	rest->ptr += len;
	rest->len -= len;
	return true;
}

static bool
decode_bytes(const struct field *f, struct str *rest, struct str *out)
{
	uint32_t len;

	if (!take(rest, &len, sizeof(len)))
		return false;
	len = le32toh(len);
	if (len > f->limit || len > rest->len)
		return false;
	*out = (struct str){ rest->ptr, len };
	rest->ptr += len;
	rest->len -= len;
	return f->kind == FIELD_blob || len == 0 || memchr(out->ptr, '\0', len) == NULL;
}

static bool
decode_field(const struct field *f, struct str *rest, char *at)
{
	switch (f->kind) {
	case FIELD_u64: {
		uint64_t value;
		if (!take(rest, &value, sizeof(value)) || (value = le64toh(value)) > f->limit)
			return false;
		memcpy(at, &value, sizeof(value));
		return true;
	}
	case FIELD_str:
	case FIELD_blob: return decode_bytes(f, rest, (struct str *)(void *)at);
	case FIELD_boolean: {
		unsigned char value;
		if (!take(rest, &value, 1) || value > 1)
			return false;
		*(bool *)at = value == 1;
		return true;
	}
	case FIELD_choice: {
		uint32_t value;
		if (!take(rest, &value, sizeof(value)) || (value = le32toh(value)) > f->limit)
			return false;
		memcpy(at, &value, sizeof(value));
		return true;
	}
	}
	return false;
}

bool
fields_decode(struct fields fields, struct str bytes, void *object)
{
	size_t i;

	memset(object, 0, fields.size);
	for (i = 0; i < fields.count; i++)
		if (!decode_field(&fields.first[i], &bytes, (char *)object + fields.first[i].offset))
			return false;
	return bytes.len == 0;
}

/* --- for people --- */

static void
print_text(struct str s, struct buf *out)
{
	size_t i;

	(void)buf_append_byte(out, '"');
	for (i = 0; i < s.len; i++) {
		if (ascii_is_printable(s.ptr[i]) && s.ptr[i] != '"' && s.ptr[i] != '\\')
			(void)buf_append_byte(out, s.ptr[i]);
		else
			(void)buf_printf(out, "\\x%02x", (unsigned char)s.ptr[i]);
	}
	(void)buf_append_byte(out, '"');
}

void
fields_print(struct fields fields, const void *object, struct buf *out)
{
	size_t i;

	for (i = 0; i < fields.count; i++) {
		const struct field *f = &fields.first[i];
		const char *at = (const char *)object + f->offset;
		const struct str *s = (const struct str *)(const void *)at;

		(void)buf_printf(out, " %s=", f->name);
		switch (f->kind) {
		case FIELD_u64:
			(void)buf_printf(out, "%llu", (unsigned long long)*(const uint64_t *)(const void *)at);
			break;
		case FIELD_str: print_text(*s, out); break;
		case FIELD_blob: (void)buf_printf(out, "(%zu bytes)", s->len); break;
		case FIELD_boolean: (void)buf_append_text(out, *(const bool *)at ? "true" : "false"); break;
		case FIELD_choice: (void)buf_printf(out, "%u", *(const unsigned *)(const void *)at); break;
		}
	}
}

/* --- samples: every field at its limit, at zero, or something between, by variant --- */

static void
sample_field(const struct field *f, unsigned variant, char *at)
{
	static char text[SAMPLE_MAX];
	uint64_t number = variant % 3 == 0 ? f->limit : variant % 3 == 1 ? 0 : f->limit / 2;
	unsigned choice = (unsigned)(f->kind == FIELD_choice ? number : 0);
	size_t len = (size_t)number;

	if (text[0] == '\0')
		memset(text, 'x', sizeof(text));
	switch (f->kind) {
	case FIELD_u64: memcpy(at, &number, sizeof(number)); break;
	case FIELD_str:
	case FIELD_blob:
		*(struct str *)(void *)at = (struct str){ text, len < sizeof(text) ? len : sizeof(text) };
		break;
	case FIELD_boolean: *(bool *)at = variant % 2 == 0; break;
	case FIELD_choice: memcpy(at, &choice, sizeof(choice)); break;
	}
}

void
fields_sample(struct fields fields, unsigned variant, void *object)
{
	size_t i;

	memset(object, 0, fields.size);
	for (i = 0; i < fields.count; i++)
		sample_field(&fields.first[i], variant + (unsigned)i, (char *)object + fields.first[i].offset);
}
