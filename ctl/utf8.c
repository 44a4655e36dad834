/* SPDX-License-Identifier: ISC */
#include "ctl/utf8.h"

enum { UTF8_MAX = 4 };

static const struct {
	unsigned char mask, lead;
	uint32_t least;
} forms[] = {
	{ 0x80, 0x00, 0 },
	{ 0xe0, 0xc0, 0x80 },
	{ 0xf0, 0xe0, 0x800 },
	{ 0xf8, 0xf0, 0x10000 },
};

/* The length that the first byte announces; 0: it begins nothing. */
static size_t
announced(unsigned char lead)
{
	size_t i;

	for (i = 0; i < UTF8_MAX; i++)
		if ((lead & forms[i].mask) == forms[i].lead)
			return i + 1;
	return 0;
}

size_t
utf8_take(struct str s, uint32_t *code)
{
	unsigned char lead = (unsigned char)s.ptr[0];
	size_t len = announced(lead), i;
	uint32_t value;

	if (len == 0 || s.len < len)
		return 0;
	value = lead & (unsigned char)~forms[len - 1].mask;
	for (i = 1; i < len; i++) {
		unsigned char next = (unsigned char)s.ptr[i];
		if ((next & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (next & 0x3f);
	}
	if (value < forms[len - 1].least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*code = value;
	return len;
}

size_t
utf8_whole(struct str s)
{
	size_t back;

	for (back = 1; back < UTF8_MAX && back <= s.len; back++) {
		unsigned char byte = (unsigned char)s.ptr[s.len - back];
		if ((byte & 0xc0) == 0x80)
			continue;
		return announced(byte) > back ? s.len - back : s.len;
	}
	return s.len;
}
