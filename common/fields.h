/* SPDX-License-Identifier: ISC */
/*
 * Structs declared once as a table of fields, F(kind, name, limit), and their one encoding: used for messages between
 * processes (proto.h), sealed tickets (seal.h) and records on disk (queue/records.h). The decoder believes nothing: every
 * field there, within its limit and in its one form, and every byte used.
 *
 *	u64      a number up to limit; 8 bytes
 *	str      text without NUL, at most limit bytes; a 32-bit length and the bytes; decoded as a view
 *	blob     any bytes, likewise
 *	boolean  0 or 1; 1 byte
 *	choice   one of an enumeration, limit being its last value; 4 bytes
 *
 * Numbers are little-endian, so that a spool can be moved to another machine.
 */
#ifndef COMMON_FIELDS_H
#define COMMON_FIELDS_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/str.h"

/* clang-format off */
#define FIELDS_STRUCT_u64(name)     uint64_t name;
#define FIELDS_STRUCT_str(name)     struct str name;
#define FIELDS_STRUCT_blob(name)    struct str name;
#define FIELDS_STRUCT_boolean(name) bool name;
#define FIELDS_STRUCT_choice(name)  unsigned name;

/* In a table F: the member of the struct, and the description of the field of struct THIS. */
#define FIELDS_MEMBER(kind, name, limit)   FIELDS_STRUCT_##kind(name)
#define FIELDS_DESCRIBE(kind, name, limit) { #name, FIELD_##kind, (limit), offsetof(THIS, name) },

/* A function that returns the fields of `struct tag`, declared by TABLE. */
#define FIELDS_FUNCTION(function, tag, TABLE) \
	static struct fields function(void) { \
		typedef struct tag THIS; \
		static const struct field fields[] = { TABLE(FIELDS_DESCRIBE) }; \
		return (struct fields){ fields, sizeof(fields) / sizeof(fields[0]), sizeof(THIS) }; \
	}
/* clang-format on */

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
	size_t size; /* of the struct */
};

/*
 * Appends the encoded object to out. Returns false, out as it was, when a field is over its limit, a str holds NUL, or
 * out has no room.
 */
bool fields_encode(struct fields fields, const void *object, struct buf *out);

/* Fills object with views into bytes. Returns false, object undefined, unless bytes are exactly one encoding. */
bool fields_decode(struct fields fields, struct str bytes, void *object);

/* Appends " name=value ..." for people; of blobs only the length, so keys and bodies are never printed. */
void fields_print(struct fields fields, const void *object, struct buf *out);

/* Fills object with a valid sample: each field at its limit, at zero or between, by variant. Texts are static. */
void fields_sample(struct fields fields, unsigned variant, void *object);

#endif
