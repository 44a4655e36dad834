/* SPDX-License-Identifier: ISC */
#include "common/str.h"

#include <string.h>

struct str
str_of(const char *text)
{
	return (struct str){ text, strlen(text) };
}

char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool
ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
ascii_is_alpha(char c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

bool
ascii_is_printable(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

bool
str_equal(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool
str_equal_nocase(struct str a, struct str b)
{
	return a.len == b.len && str_starts_nocase(a, b);
}

bool
str_starts_nocase(struct str s, struct str prefix)
{
	size_t i;

	if (s.len < prefix.len)
		return false;
	for (i = 0; i < prefix.len; i++)
		if (ascii_lower(s.ptr[i]) != ascii_lower(prefix.ptr[i]))
			return false;
	return true;
}

static bool
cut_at(struct str s, const char *at, struct str *head, struct str *tail)
{
	size_t before = at == NULL ? s.len : (size_t)(at - s.ptr);
	size_t after = at == NULL ? s.len : before + 1;

	*head = (struct str){ s.ptr, before };
	*tail = (struct str){ s.ptr + after, s.len - after };
	return at != NULL;
}

bool
str_cut(struct str s, char c, struct str *head, struct str *tail)
{
	return cut_at(s, s.len == 0 ? NULL : memchr(s.ptr, c, s.len), head, tail);
}

bool
str_cut_last(struct str s, char c, struct str *head, struct str *tail)
{
	return cut_at(s, s.len == 0 ? NULL : memrchr(s.ptr, c, s.len), head, tail);
}

struct str
str_trim(struct str s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

bool
str_to_u64(struct str s, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;
	size_t i;

	if (s.len == 0)
		return false;
	for (i = 0; i < s.len; i++) {
		if (!ascii_is_digit(s.ptr[i]) || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
			return false;
	}
	if (value > max)
		return false;
	*out = value;
	return true;
}

bool
str_copy(struct str s, char *dst, size_t size)
{
	dst[0] = '\0';
	if (s.len >= size || (s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL))
		return false;
	if (s.len > 0)
		memcpy(dst, s.ptr, s.len);
	dst[s.len] = '\0';
	return true;
}

bool
str_copy_lower(struct str s, char *dst, size_t size)
{
	size_t i;

	if (!str_copy(s, dst, size))
		return false;
	for (i = 0; i < s.len; i++)
		dst[i] = ascii_lower(dst[i]);
	return true;
}
