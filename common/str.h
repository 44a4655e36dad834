/* SPDX-License-Identifier: ISC */
/*
 * A view of bytes that somebody else owns. Whatever came from outside stays (pointer, length): it may hold NUL and is
 * not terminated. Nothing here allocates.
 */
#ifndef COMMON_STR_H
#define COMMON_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	const char *ptr;
	size_t len;
};

#define STR(literal)                         \
	{                                    \
		literal, sizeof(literal) - 1 \
	}                                     /* initialiser */
#define S(literal) ((struct str)STR(literal)) /* value */
#define STR_ARG(s) (int)(s).len, (s).ptr      /* for "%.*s", text that was checked before */

/* A view of the terminated string text. */
struct str str_of(const char *text);

bool str_equal(struct str a, struct str b);

/* Compares without regard to the case of ASCII letters; independent of the locale. */
bool str_equal_nocase(struct str a, struct str b);

bool str_starts_nocase(struct str s, struct str prefix);

/*
 * Splits s at its first (last) byte c: *head and *tail are the parts before and behind it. Returns false, with *head the
 * whole and *tail empty, when there is none. head or tail may be &s's own copy.
 */
bool str_cut(struct str s, char c, struct str *head, struct str *tail);
bool str_cut_last(struct str s, char c, struct str *head, struct str *tail);

/* Without the spaces and tabs at both ends. */
struct str str_trim(struct str s);

/*
 * Reads 1*DIGIT. Returns false, *out untouched, when s is empty, has any other byte, or is greater than max.
 */
bool str_to_u64(struct str s, uint64_t max, uint64_t *out);

/*
 * Copies s into the terminated array dst of size bytes. Returns false, dst empty, when it does not fit or holds a NUL.
 */
bool str_copy(struct str s, char *dst, size_t size);

/* Copies like str_copy, ASCII letters in lower case. */
bool str_copy_lower(struct str s, char *dst, size_t size);

char ascii_lower(char c);
bool ascii_is_digit(char c);
bool ascii_is_alpha(char c);
bool ascii_is_printable(char c); /* 0x20 to 0x7e */

#endif
