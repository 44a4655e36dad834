/* SPDX-License-Identifier: ISC */
#include "common/utf8.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

size_t
utf8_read(struct str s, uint32_t *out)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t first;
	} forms[] = { [1] = { 0x80, 0x00, 0 },
		[2] = { 0xe0, 0xc0, 0x80 },
		[3] = { 0xf0, 0xe0, 0x800 },
		[4] = { 0xf8, 0xf0, 0x10000 } };
	uint32_t point;
	uint8_t lead;
	size_t i, n = 1;

	if (s.len == 0)
		return 0;
	lead = (uint8_t)s.ptr[0];
	while (n < COUNT(forms) && (lead & forms[n].mask) != forms[n].lead)
		n++;
	if (n == COUNT(forms) || s.len < n)
		return 0;
	point = lead & (uint8_t)~forms[n].mask;
	for (i = 1; i < n; i++) {
		if (((uint8_t)s.ptr[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | ((uint8_t)s.ptr[i] & 0x3f);
	}
	if (point < forms[n].first || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*out = point;
	return n;
}

bool
utf8_is_printable(uint32_t point)
{
	static const struct {
		uint32_t first, last;
	} refused[] = { { 0, 0x1f }, { 0x7f, 0x9f }, { 0x61c, 0x61c }, { 0x200e, 0x200f }, { 0x2028, 0x202e },
		{ 0x2066, 0x2069 }, { 0xfdd0, 0xfdef }, { 0xfffe, 0xffff } };
	size_t i;

	for (i = 0; i < COUNT(refused); i++)
		if (point >= refused[i].first && point <= refused[i].last)
			return false;
	return true;
}

bool
utf8_is_valid(struct str s)
{
	uint32_t point;
	size_t n;

	for (; s.len > 0; s.ptr += n, s.len -= n)
		if ((n = utf8_read(s, &point)) == 0)
			return false;
	return true;
}

bool
utf8_is_needed(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] > 0x7f)
			return true;
	return false;
}
