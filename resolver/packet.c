/* SPDX-License-Identifier: ISC */
#include "resolver/packet.h"

#include <string.h>

#include "common/address.h"

enum { HEADER = 12, CLASS_IN = 1, LABEL_MAX = 63, POINTER = 0xc0 };

struct reader {
	struct str packet;
	size_t at;
};

static bool
read_u16(struct reader *r, unsigned *out)
{
	const unsigned char *p = (const unsigned char *)r->packet.ptr + r->at;

	if (r->packet.len - r->at < 2)
		return false;
	*out = (unsigned)p[0] << 8 | p[1];
	r->at += 2;
	return true;
}

static bool
skip(struct reader *r, size_t len)
{
	if (r->packet.len - r->at < len)
		return false;
	r->at += len;
	return true;
}

/* A label as text: what could be taken for another label's end, or is nothing for a host, spoils the name. */
static bool
is_host_label(const char *label, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!ascii_is_alpha(label[i]) && !ascii_is_digit(label[i]) && label[i] != '-' && label[i] != '_')
			return false;
	return true;
}

struct name {
	char text[PACKET_NAME_MAX + 2]; /* with the dot behind the last label */
	size_t len;
	bool host_name;
};

static bool
add_label(struct name *name, const char *label, size_t len)
{
	size_t i;

	if (name->len + len + 1 > PACKET_NAME_MAX + 1)
		return false;
	name->host_name = name->host_name && is_host_label(label, len);
	for (i = 0; i < len; i++)
		name->text[name->len++] = ascii_lower(label[i]);
	name->text[name->len++] = '.';
	return true;
}

/*
 * Reads a name and leaves r behind it. A pointer leads strictly backward from where the piece that holds it begins
 * (RFC 1035 section 4.1.4 knows only prior occurrences), so that there is no loop.
 */
static bool
read_name(struct reader *r, struct name *out)
{
	size_t at = r->at, begin = r->at, end = 0;
	const unsigned char *p = (const unsigned char *)r->packet.ptr;

	out->len = 0;
	out->host_name = true;
	for (;;) {
		size_t len, target;

		if (at >= r->packet.len)
			return false;
		len = p[at++];
		if (len == 0)
			break;
		if ((len & POINTER) == POINTER) {
			if (at >= r->packet.len)
				return false;
			target = (len & ~(size_t)POINTER) << 8 | p[at++];
			if (end == 0)
				end = at;
			if (target >= begin)
				return false;
			at = begin = target;
			continue;
		}
		if (len > LABEL_MAX || len > r->packet.len - at || !add_label(out, r->packet.ptr + at, len))
			return false;
		at += len;
	}
	r->at = end == 0 ? at : end;
	return true;
}

/* The name in record data that ends where the name ends. */
static bool
take_name(struct reader *r, size_t data_end, struct packet_record *record)
{
	struct name name;

	if (!read_name(r, &name) || r->at != data_end)
		return false;
	record->root = name.len == 0;
	record->host_name = name.host_name && name.len > 0;
	record->name[0] = '\0';
	if (record->host_name)
		(void)str_copy((struct str){ name.text, name.len - 1 }, record->name, sizeof(record->name));
	/* Labels are fine each for itself; hyphens at their ends are not, nor is a number where a domain stands. */
	if (record->host_name && !address_is_helo(str_of(record->name)))
		record->host_name = false;
	if (!record->host_name)
		record->name[0] = '\0';
	return true;
}

static bool
take_data(struct reader *r, size_t len, struct packet_record *record)
{
	size_t end = r->at + len;

	record->address = (struct str){ r->packet.ptr + r->at, len };
	switch (record->type) {
	case PACKET_A: return len == 4 && skip(r, len);
	case PACKET_AAAA: return len == 16 && skip(r, len);
	case PACKET_MX: return len > 2 && read_u16(r, &record->preference) && take_name(r, end, record);
	case PACKET_CNAME: return take_name(r, end, record);
	}
	return false;
}

static bool
is_known(unsigned type)
{
	return type == PACKET_A || type == PACKET_AAAA || type == PACKET_MX || type == PACKET_CNAME;
}

static bool
read_record(struct reader *r, packet_record_fn *fn, void *arg)
{
	struct packet_record record = { .type = PACKET_A };
	struct name owner;
	unsigned type, class, len;

	if (!read_name(r, &owner) || !read_u16(r, &type) || !read_u16(r, &class) || !skip(r, 4) || !read_u16(r, &len) ||
	    r->packet.len - r->at < len)
		return false;
	if (class != CLASS_IN || !is_known(type))
		return skip(r, len);
	record.type = (enum packet_type)type;
	if (!take_data(r, len, &record))
		return false;
	fn(arg, &record);
	return true;
}

bool
packet_read(struct str packet, unsigned *rcode, packet_record_fn *fn, void *arg)
{
	struct reader r = { packet, 2 };
	unsigned flags, questions, answers;
	struct name name;

	if (packet.len < HEADER || !read_u16(&r, &flags) || !read_u16(&r, &questions) || !read_u16(&r, &answers))
		return false;
	r.at = HEADER;
	while (questions-- > 0)
		if (!read_name(&r, &name) || !skip(&r, 4))
			return false;
	while (answers-- > 0)
		if (!read_record(&r, fn, arg))
			return false;
	*rcode = flags & 0x0f;
	return true;
}
