/* SPDX-License-Identifier: ISC */
/*
 * The pages of a store's file (LMDB 0.9), read one by one without LMDB, for when LMDB cannot be let near them. Nothing that
 * stands in a page is believed: every offset and length is checked, and a page says of itself which one it is.
 */
#ifndef QUEUE_PAGES_H
#define QUEUE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/str.h"

#define PAGES_NONE UINT64_MAX /* the root of an empty tree */

enum page_kind { PAGE_BRANCH = 0x01, PAGE_LEAF = 0x02, PAGE_OVERFLOW = 0x04, PAGE_META = 0x08 };

struct pages {
	int fd;
	size_t size;    /* of a page */
	uint64_t count; /* in the file; the last may be cut off */
};

/* A tree, as a meta page or an entry of the main tree describes it. */
struct page_tree {
	uint64_t depth;
	uint64_t branches, leaves, overflows, entries;
	uint64_t root;
};

/* One of the two pages that say where the trees begin; the newer one counts. */
struct page_meta {
	bool sound; /* nothing in it is odd */
	uint64_t transaction;
	uint64_t last; /* page in use */
	struct page_tree free, main;
};

struct page_node {
	struct str key;
	struct str value; /* where it is in the page itself */
	bool is_tree;     /* the value describes one */
	bool is_big;      /* the value is on pages of its own, from `page` on */
	size_t size;      /* of the value */
	uint64_t page;    /* big */
	uint64_t below;   /* of a branch: the page below it */
};

/* fd stays the caller's. False with err set when there is not even a page. */
bool pages_open(struct pages *p, int fd, struct error *err);

/* Reads a page into bytes, p->size of them; false where it cannot be read whole, or, with strict, says that it is another. */
bool pages_read(const struct pages *p, uint64_t number, bool strict, char *bytes);

/* The two meta pages, 0 and 1, however odd: out->sound. False where it cannot be read. */
bool pages_meta(const struct pages *p, unsigned which, struct page_meta *out);

unsigned page_kind(const char *page);

/* How many nodes a branch or leaf has; 0 where that is not sound. */
size_t page_nodes(const struct pages *p, const char *page);

/* The node with that index; false where it leaves the page. Views of page. */
bool page_node(const struct pages *p, const char *page, size_t index, bool branch, struct page_node *out);

/* The tree that the node's value describes. */
bool page_tree(const struct page_node *node, struct page_tree *out);

/* Reads a big value of size bytes into out; false where that is not what stands there. */
bool pages_big(const struct pages *p, uint64_t number, size_t size, char *out);

/* Pages of a big value. */
uint64_t pages_of_big(const struct pages *p, size_t size);

#endif
