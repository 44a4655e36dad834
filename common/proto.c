/* SPDX-License-Identifier: ISC */
#include "common/proto.h"

#include <stddef.h>
#include <string.h>

#include "common/log.h"

/* clang-format off */
enum kind_set {
	NOBODY = 0,
#define K(NAME, name) NAME = 1 << PROTO_KIND_##NAME,
	PROTO_KINDS(K)
#undef K
	CHILD = PROTO_CHILD,
};

enum field_kind { FIELD_u64, FIELD_str, FIELD_blob, FIELD_boolean, FIELD_choice };

struct field {
	const char *name;
	enum field_kind kind;
	uint64_t limit;
	size_t offset; /* in the struct */
};

struct fields {
	const struct field *first;
	size_t count;
};

/* The fields of each message. A function each, so that THIS can name the struct the table does not. */
#define F(kind, name, limit) { #name, FIELD_##kind, (limit), offsetof(THIS, name) },
#define T(NAME, lname, from, to, fd) \
	static struct fields fields_of_##lname(void) { \
		typedef struct msg_##lname THIS; \
		static const struct field fields[] = { PROTO_##NAME(F) }; \
		return (struct fields){ fields, sizeof(fields) / sizeof(fields[0]) }; \
	}
PROTO_TABLE(T)
#undef T
#undef F

static const struct {
	const char *name;
	struct fields (*fields)(void);
	size_t size;
	unsigned from;
	unsigned to;
	bool descriptor;
} types[] = {
#define T(NAME, lname, from_set, to_set, fd) { #NAME, fields_of_##lname, sizeof(struct msg_##lname), from_set, to_set, fd },
	PROTO_TABLE(T)
#undef T
};

static const char *const kinds[] = {
#define K(NAME, name) #name,
	PROTO_KINDS(K)
#undef K
};

static const struct {
	enum proto_kind a;
	enum proto_kind b;
} edges[] = {
#define E(A, B) { PROTO_KIND_##A, PROTO_KIND_##B },
	PROTO_EDGES(E)
#undef E
};
/* clang-format on */

const char *
proto_kind_name(enum proto_kind kind)
{
	return kind < PROTO_KIND_COUNT ? kinds[kind] : "unknown";
}

const char *
proto_type_name(enum proto_type type)
{
	return type < PROTO_TYPE_COUNT ? types[type].name : "unknown";
}

bool
proto_edge(enum proto_kind a, enum proto_kind b)
{
	size_t i;

	for (i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		if ((edges[i].a == a && edges[i].b == b) || (edges[i].a == b && edges[i].b == a))
			return true;
	return false;
}

bool
proto_allowed(unsigned type, enum proto_kind from, enum proto_kind to)
{
	if (type >= PROTO_TYPE_COUNT || from >= PROTO_KIND_COUNT || to >= PROTO_KIND_COUNT)
		return false;
	if ((types[type].from & (1U << from)) == 0 || (types[type].to & (1U << to)) == 0)
		return false;
	return from == PROTO_KIND_PARENT || to == PROTO_KIND_PARENT ? from != to && from != PROTO_KIND_CLIENT
	                                                            : proto_edge(from, to);
}

bool
proto_has_descriptor(enum proto_type type)
{
	return types[type].descriptor;
}

/* --- encoding: u64 in 8 bytes, str and blob as a 32-bit length and the bytes, boolean in 1, choice in 4 --- */

static bool
encode_bytes(const struct field *f, const struct str *s, struct buf *out)
{
	uint32_t len = (uint32_t)s->len;

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
		return value <= f->limit && buf_append(out, &value, sizeof(value));
	}
	case FIELD_str:
	case FIELD_blob: return encode_bytes(f, (const struct str *)(const void *)at, out);
	case FIELD_boolean: return buf_append_byte(out, *(const bool *)at ? 1 : 0);
	case FIELD_choice: {
		uint32_t value;
		memcpy(&value, at, sizeof(value));
		return value <= f->limit && buf_append(out, &value, sizeof(value));
	}
	}
	return false;
}

bool
proto_encode(enum proto_type type, const void *msg, struct buf *out)
{
	struct fields fields = types[type].fields();
	size_t before = out->len;
	size_t i;

	for (i = 0; i < fields.count; i++) {
		if (!encode_field(&fields.first[i], (const char *)msg + fields.first[i].offset, out) ||
		    out->len - before > PROTO_PAYLOAD_MAX) {
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

	if (!take(rest, &len, sizeof(len)) || len > f->limit || len > rest->len)
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
		if (!take(rest, &value, sizeof(value)) || value > f->limit)
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
		if (!take(rest, &value, sizeof(value)) || value > f->limit)
			return false;
		memcpy(at, &value, sizeof(value));
		return true;
	}
	}
	return false;
}

bool
proto_decode(enum proto_type type, struct str payload, void *msg)
{
	struct fields fields = types[type].fields();
	size_t i;

	memset(msg, 0, types[type].size);
	for (i = 0; i < fields.count; i++)
		if (!decode_field(&fields.first[i], &payload, (char *)msg + fields.first[i].offset))
			return false;
	return payload.len == 0;
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
proto_print(enum proto_type type, const void *msg, struct buf *out)
{
	struct fields fields = types[type].fields();
	size_t i;

	(void)buf_append_text(out, proto_type_name(type));
	for (i = 0; i < fields.count; i++) {
		const struct field *f = &fields.first[i];
		const char *at = (const char *)msg + f->offset;
		const struct str *s = (const struct str *)(const void *)at;

		(void)buf_printf(out, " %s=", f->name);
		switch (f->kind) {
		case FIELD_u64: (void)buf_printf(out, "%llu", (unsigned long long)*(const uint64_t *)(const void *)at); break;
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
	static char text[PROTO_CHUNK_MAX];
	uint64_t number = variant % 3 == 0 ? f->limit : variant % 3 == 1 ? 0 : f->limit / 2;
	unsigned choice = (unsigned)(f->kind == FIELD_choice ? number : 0);
	size_t len = (size_t)number;

	if (text[0] == '\0')
		memset(text, 'x', sizeof(text));
	switch (f->kind) {
	case FIELD_u64: memcpy(at, &number, sizeof(number)); break;
	case FIELD_str:
	case FIELD_blob: *(struct str *)(void *)at = (struct str){ text, len < sizeof(text) ? len : sizeof(text) }; break;
	case FIELD_boolean: *(bool *)at = variant % 2 == 0; break;
	case FIELD_choice: memcpy(at, &choice, sizeof(choice)); break;
	}
}

void
proto_sample(enum proto_type type, unsigned variant, void *msg)
{
	struct fields fields = types[type].fields();
	size_t i;

	memset(msg, 0, types[type].size);
	for (i = 0; i < fields.count; i++)
		sample_field(&fields.first[i], variant + (unsigned)i, (char *)msg + fields.first[i].offset);
}
