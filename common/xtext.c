/* SPDX-License-Identifier: ISC */
#include "common/xtext.h"

static const char hex_digits[] = "0123456789ABCDEF";

/* The value of an upper case hexadecimal digit, -1 of any other byte. */
static int
hex_value(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
is_plain(char c)
{
	return c > ' ' && c <= '~' && c != '+' && c != '=';
}

/* Takes what stands for one byte from *in, which is not empty. Returns false when it is not xtext. */
static bool
take_byte(struct str *in, char *byte)
{
	size_t len = is_plain(in->ptr[0]) ? 1 : 3;

	*byte = in->ptr[0];
	if (len == 3) {
		int high, low;
		if (in->ptr[0] != '+' || in->len < len)
			return false;
		high = hex_value(in->ptr[1]);
		low = hex_value(in->ptr[2]);
		if (high == -1 || low == -1)
			return false;
		*byte = (char)(high << 4 | low);
	}
	in->ptr += len;
	in->len -= len;
	return true;
}

bool
xtext_is_valid(struct str s)
{
	char byte;

	while (s.len > 0)
		if (!take_byte(&s, &byte))
			return false;
	return true;
}

size_t
xtext_decode(struct str in, char *out, size_t max)
{
	size_t n = 0;
	char byte;

	while (in.len > 0) {
		if (n == max || !take_byte(&in, &byte))
			return 0;
		out[n++] = byte;
	}
	return n;
}

size_t
xtext_encode(struct str in, char *out, size_t max)
{
	size_t i, n = 0;

	for (i = 0; i < in.len; i++) {
		char c = in.ptr[i];
		size_t len = is_plain(c) ? 1 : 3;
		if (max - n < len)
			return 0;
		if (len == 3) {
			out[n] = '+';
			out[n + 1] = hex_digits[(unsigned char)c >> 4];
			out[n + 2] = hex_digits[(unsigned char)c & 0x0f];
		} else {
			out[n] = c;
		}
		n += len;
	}
	return n;
}
