/* SPDX-License-Identifier: ISC */
#include "queue/live.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32, METAS = 2 };

/* A tree that is gone through. */
struct walk {
	struct live *live;
	const struct pages *pages;
	enum live_mark mark;
	bool sound;
	struct page_tree seen; /* counted */
	void (*leaf)(struct walk *w, const char *page);
};

static void
odd(struct walk *w)
{
	w->sound = false;
}

/* Marks a page; one that is reached twice is wrong in one of the places. */
static bool
reach(struct walk *w, uint64_t page)
{
	if (page < METAS || page >= w->pages->count || (w->live->marks[page] & w->mark) != 0) {
		odd(w);
		return false;
	}
	w->live->marks[page] |= (uint8_t)w->mark;
	return true;
}

static void
reach_big(struct walk *w, const struct page_node *node)
{
	const uint64_t count = pages_of_big(w->pages, node->size);
	uint64_t i;

	w->seen.overflows += count;
	for (i = 0; i < count && reach(w, node->page + i); i++)
		continue;
}

static void
walk_leaf(struct walk *w, const char *page)
{
	size_t i, count = page_nodes(w->pages, page);
	struct page_node node;

	w->seen.leaves++;
	for (i = 0; i < count; i++) {
		w->seen.entries++;
		if (!page_node(w->pages, page, i, false, &node))
			odd(w);
		else if (node.is_big)
			reach_big(w, &node);
	}
	if (count == 0)
		odd(w);
	if (w->leaf != NULL)
		w->leaf(w, page);
}

static void walk_page(struct walk *w, uint64_t number, uint64_t depth);

static void
walk_branch(struct walk *w, const char *page, uint64_t depth)
{
	size_t i, count = page_nodes(w->pages, page);
	struct page_node node;

	w->seen.branches++;
	for (i = 0; i < count; i++)
		if (!page_node(w->pages, page, i, true, &node))
			odd(w);
		else
			walk_page(w, node.below, depth - 1);
}

static void
walk_page(struct walk *w, uint64_t number, uint64_t depth)
{
	char *page;

	if (depth == 0 || !reach(w, number)) {
		odd(w);
		return;
	}
	page = malloc(w->pages->size);
	if (page == NULL || !pages_read(w->pages, number, true, page))
		odd(w);
	else if (depth > 1 && page_kind(page) == PAGE_BRANCH)
		walk_branch(w, page, depth);
	else if (depth == 1 && page_kind(page) == PAGE_LEAF)
		walk_leaf(w, page);
	else
		odd(w);
	free(page);
}

/* Says whether the tree is as it is described. */
static bool
walk_tree(struct live *l, const struct pages *p, const struct page_tree *tree, enum live_mark mark,
    void (*leaf)(struct walk *, const char *))
{
	struct walk w = { .live = l, .pages = p, .mark = mark, .sound = true, .leaf = leaf };

	if (tree->root != PAGES_NONE && tree->depth <= DEPTH_MAX)
		walk_page(&w, tree->root, tree->depth);
	return w.sound && tree->depth <= DEPTH_MAX && w.seen.branches == tree->branches &&
	    w.seen.leaves == tree->leaves && w.seen.overflows == tree->overflows && w.seen.entries == tree->entries;
}

/* --- the trees that the main one lists --- */

static void
walk_listed(struct walk *w, const char *page)
{
	size_t i, count = page_nodes(w->pages, page);
	struct page_node node;
	struct page_tree tree;

	for (i = 0; i < count; i++)
		if (!page_node(w->pages, page, i, false, &node) || !page_tree(&node, &tree) ||
		    !walk_tree(w->live, w->pages, &tree, w->mark, NULL))
			odd(w);
}

/* --- the list of free pages: numbers, falling, behind how many they are --- */

static void
mark_free(struct walk *w, const char *numbers, size_t size)
{
	uint64_t count, number, before = UINT64_MAX, i;

	if (size < sizeof(count)) {
		odd(w);
		return;
	}
	memcpy(&count, numbers, sizeof(count));
	if (count > size / sizeof(count) - 1) {
		odd(w);
		return;
	}
	for (i = 1; i <= count; i++) {
		memcpy(&number, numbers + i * sizeof(number), sizeof(number));
		if (number >= before || number >= w->pages->count || number < METAS ||
		    (w->live->marks[number] & LIVE_FREE) != 0)
			odd(w);
		else
			w->live->marks[number] |= LIVE_FREE;
		before = number;
	}
}

static void
mark_free_node(struct walk *w, const struct page_node *node)
{
	char *big;

	if (!node->is_big) {
		mark_free(w, node->value.ptr, node->value.len);
		return;
	}
	big = node->size / w->pages->size < w->pages->count ? malloc(node->size) : NULL;
	if (big != NULL && pages_big(w->pages, node->page, node->size, big))
		mark_free(w, big, node->size);
	else
		odd(w);
	free(big);
}

static void
walk_free(struct walk *w, const char *page)
{
	size_t i, count = page_nodes(w->pages, page);
	struct page_node node;

	for (i = 0; i < count; i++)
		if (page_node(w->pages, page, i, false, &node))
			mark_free_node(w, &node);
}

/* --- */

/* Every page in use is reached or free, and none is both. */
static bool
all_accounted(const struct live *l, const struct pages *p)
{
	uint64_t i;

	for (i = METAS; i < p->count && i <= l->last; i++)
		if (l->marks[i] != LIVE_REACHED && l->marks[i] != LIVE_FREE)
			return false;
	return l->last < p->count;
}

static bool
find_by(struct live *l, const struct pages *p, const struct page_meta *meta)
{
	const bool trees = walk_tree(l, p, &meta->main, LIVE_REACHED, walk_listed);

	l->last = meta->last;
	l->listed = walk_tree(l, p, &meta->free, LIVE_REACHED, walk_free);
	l->whole = trees && (!l->listed || all_accounted(l, p));
	return trees && l->listed;
}

/* Both of the states count then; and where one is not whole, all pages do. */
static void
add_other(struct live *l, const struct pages *p, const struct page_meta *meta, bool whole)
{
	l->whole = walk_tree(l, p, &meta->main, LIVE_BEFORE, walk_listed) &&
	    walk_tree(l, p, &meta->free, LIVE_BEFORE, NULL) && whole;
	l->listed = false;
}

bool
live_find(struct live *l, const struct pages *p, struct error *err)
{
	struct page_meta metas[METAS];
	bool there[METAS], sound = true, whole;
	unsigned i, newer;

	*l = (struct live){ .marks = calloc(p->count, 1) };
	if (l->marks == NULL)
		return error_set(err, ERROR_TEMPORARY, "out of memory");
	for (i = 0; i < METAS; i++) {
		there[i] = pages_meta(p, i, &metas[i]);
		sound = sound && there[i] && metas[i].sound;
	}
	if (!there[0] || !there[1])
		return true; /* a file of one page, or none */
	newer = metas[1].transaction > metas[0].transaction;
	/* They are one transaction apart, but for a store that was just made. */
	sound = sound && metas[newer].transaction - metas[!newer].transaction <= 1;
	whole = find_by(l, p, &metas[newer]);
	if (!sound)
		add_other(l, p, &metas[!newer], whole);
	return true;
}

void
live_free(struct live *l)
{
	free(l->marks);
	l->marks = NULL;
}

bool
live_is(const struct live *l, uint64_t page)
{
	if ((l->marks[page] & (LIVE_REACHED | LIVE_BEFORE)) != 0)
		return true;
	return !l->whole && !(l->listed && (l->marks[page] & LIVE_FREE) != 0);
}
