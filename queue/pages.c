/* SPDX-License-Identifier: ISC */
#include "queue/pages.h"

#include <sys/stat.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Offsets in pages, in bytes; numbers have the order of the machine, as LMDB writes them. */
enum {
	HEAD_SIZE = 16,
	HEAD_FLAGS = 10,
	HEAD_LOWER = 12,
	HEAD_PAGES = 12, /* of a big value, 32 bits, where others have lower and upper */
	SLOT_SIZE = 2,
	NODE_HEAD = 8,
	NODE_FLAGS = 4,
	NODE_KEY_SIZE = 6,
	NODE_BIG = 0x01,
	NODE_TREE = 0x02,
	TREE_SIZE = 48,
	TREE_DEPTH = 6,
	TREE_BRANCHES = 8,
	TREE_LEAVES = 16,
	TREE_OVERFLOWS = 24,
	TREE_ENTRIES = 32,
	TREE_ROOT = 40,
	META_VERSION = HEAD_SIZE + 4,
	META_FREE = HEAD_SIZE + 24,
	META_MAIN = META_FREE + TREE_SIZE,
	META_LAST = META_MAIN + TREE_SIZE,
	META_TRANSACTION = META_LAST + 8,
	META_SIZE = META_TRANSACTION + 8,
	VERSION = 1,
	PAGE_SIZE_LEAST = 512,
	PAGE_SIZE_MOST = 65536,
	PAGE_SIZE_USUAL = 4096,
	PAGE_KINDS = PAGE_BRANCH | PAGE_LEAF | PAGE_OVERFLOW | PAGE_META
};

#define META_MAGIC UINT32_C(0xbeefc0de)

static uint16_t
get_u16(const char *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint32_t
get_u32(const char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t
get_u64(const char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* --- reading --- */

static bool
read_at(const struct pages *p, uint64_t at, char *out, size_t len)
{
	ssize_t n;

	for (; len > 0; out += n, len -= (size_t)n, at += (uint64_t)n) {
		n = pread(p->fd, out, len, (off_t)at);
		if (n == -1 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return false;
	}
	return true;
}

/* The size that a meta page says, or the usual one where both are damaged. */
static size_t
find_size(const struct pages *p)
{
	char head[META_SIZE];
	size_t at, size;

	if (read_at(p, 0, head, sizeof(head)) && get_u32(head + HEAD_SIZE) == META_MAGIC) {
		size = get_u32(head + META_FREE);
		if (size >= PAGE_SIZE_LEAST && size <= PAGE_SIZE_MOST && (size & (size - 1)) == 0)
			return size;
	}
	for (at = PAGE_SIZE_LEAST; at <= PAGE_SIZE_MOST; at *= 2)
		if (read_at(p, at, head, sizeof(head)) && get_u32(head + HEAD_SIZE) == META_MAGIC)
			return at;
	return PAGE_SIZE_USUAL;
}

bool
pages_open(struct pages *p, int fd, struct error *err)
{
	struct stat st;

	*p = (struct pages){ .fd = fd };
	if (fstat(fd, &st) == -1)
		return error_set(err, ERROR_PERMANENT, "data.mdb: %s", strerror(errno));
	p->size = find_size(p);
	p->count = ((uint64_t)st.st_size + p->size - 1) / p->size;
	return p->count > 0 || error_set(err, ERROR_PERMANENT, "data.mdb: is empty");
}

bool
pages_read(const struct pages *p, uint64_t number, bool strict, char *bytes)
{
	return number < p->count && read_at(p, number * p->size, bytes, p->size) &&
	    (!strict || get_u64(bytes) == number);
}

unsigned
page_kind(const char *page)
{
	return get_u16(page + HEAD_FLAGS) & PAGE_KINDS;
}

/* --- trees --- */

static struct page_tree
get_tree(const char *at)
{
	return (struct page_tree){ .depth = get_u16(at + TREE_DEPTH),
		.branches = get_u64(at + TREE_BRANCHES),
		.leaves = get_u64(at + TREE_LEAVES),
		.overflows = get_u64(at + TREE_OVERFLOWS),
		.entries = get_u64(at + TREE_ENTRIES),
		.root = get_u64(at + TREE_ROOT) };
}

/* The pages take turns, so that its number says which one a transaction writes. */
bool
pages_meta(const struct pages *p, unsigned which, struct page_meta *out)
{
	char meta[META_SIZE];

	if (!read_at(p, which * p->size, meta, sizeof(meta)))
		return false;
	out->free = get_tree(meta + META_FREE);
	out->main = get_tree(meta + META_MAIN);
	out->last = get_u64(meta + META_LAST);
	out->transaction = get_u64(meta + META_TRANSACTION);
	out->sound = get_u64(meta) == which && page_kind(meta) == PAGE_META &&
	    get_u32(meta + HEAD_SIZE) == META_MAGIC && get_u32(meta + META_VERSION) == VERSION &&
	    get_u32(meta + META_FREE) == p->size && (out->transaction & 1) == which && out->last < p->count;
	return true;
}

bool
page_tree(const struct page_node *node, struct page_tree *out)
{
	if (!node->is_tree || node->value.len != TREE_SIZE)
		return false;
	*out = get_tree(node->value.ptr);
	return true;
}

/* --- nodes --- */

size_t
page_nodes(const struct pages *p, const char *page)
{
	size_t lower = get_u16(page + HEAD_LOWER);

	return lower >= HEAD_SIZE && lower <= p->size ? (lower - HEAD_SIZE) / SLOT_SIZE : 0;
}

bool
page_node(const struct pages *p, const char *page, size_t index, bool branch, struct page_node *out)
{
	const size_t at = get_u16(page + HEAD_SIZE + index * SLOT_SIZE);
	size_t flags, key_size, room;
	const char *node = page + at;
	uint64_t size;

	if (at < HEAD_SIZE || at + NODE_HEAD > p->size)
		return false;
	flags = get_u16(node + NODE_FLAGS);
	key_size = get_u16(node + NODE_KEY_SIZE);
	room = p->size - at - NODE_HEAD;
	if (key_size > room)
		return false;
	room -= key_size;
	size = get_u32(node);
	*out = (struct page_node){ .key = { node + NODE_HEAD, key_size } };
	out->below = size | (uint64_t)flags << 32;
	if (branch)
		return true;
	out->size = (size_t)size;
	out->is_tree = (flags & NODE_TREE) != 0;
	out->is_big = (flags & NODE_BIG) != 0;
	if (out->is_big ? room < sizeof(out->page) : room < size)
		return false;
	out->value = (struct str){ node + NODE_HEAD + key_size, out->is_big ? 0 : (size_t)size };
	if (out->is_big)
		out->page = get_u64(node + NODE_HEAD + key_size);
	return true;
}

/* --- big values --- */

uint64_t
pages_of_big(const struct pages *p, size_t size)
{
	return (HEAD_SIZE + (uint64_t)size + p->size - 1) / p->size;
}

bool
pages_big(const struct pages *p, uint64_t number, size_t size, char *out)
{
	char head[HEAD_SIZE];

	return number < p->count && read_at(p, number * p->size, head, sizeof(head)) && get_u64(head) == number &&
	    page_kind(head) == PAGE_OVERFLOW && get_u32(head + HEAD_PAGES) == pages_of_big(p, size) &&
	    read_at(p, number * p->size + HEAD_SIZE, out, size);
}
