/* SPDX-License-Identifier: ISC */
#include "common/config_arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

enum { BLOCK_SIZE = 16 * 1024, PRINTF_MAX = 1024 };

struct block {
	struct block *next;
	size_t used;
	size_t size;
	max_align_t bytes[];
};

struct config_arena {
	struct block *blocks; /* the one allocations come from, then the full ones */
};

void *
config_must(void *memory)
{
	if (memory == NULL)
		fatal("config: out of memory");
	return memory;
}

struct config_arena *
config_arena_new(void)
{
	return config_must(calloc(1, sizeof(struct config_arena)));
}

void
config_arena_free(struct config_arena *arena)
{
	struct block *block, *next;

	if (arena == NULL)
		return;
	for (block = arena->blocks; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	free(arena);
}

static struct block *
add_block(struct config_arena *arena, size_t need)
{
	size_t size = need > BLOCK_SIZE ? need : BLOCK_SIZE;
	struct block *block = config_must(calloc(1, sizeof(*block) + size));

	block->size = size;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

void *
config_arena_alloc(struct config_arena *arena, size_t size)
{
	struct block *block = arena->blocks;
	size_t rounded;
	void *memory;

	if (__builtin_add_overflow(size, sizeof(max_align_t) - 1, &rounded))
		fatal("config: out of memory");
	rounded -= rounded % sizeof(max_align_t);
	if (block == NULL || block->size - block->used < rounded)
		block = add_block(arena, rounded);
	memory = (char *)block->bytes + block->used;
	block->used += rounded;
	return memory;
}

char *
config_arena_copy(struct config_arena *arena, struct str s)
{
	char *copy = config_arena_alloc(arena, s.len + 1);

	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	return copy;
}

char *
config_arena_printf(struct config_arena *arena, const char *fmt, ...)
{
	char text[PRINTF_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	return config_arena_copy(arena, str_of(text));
}
