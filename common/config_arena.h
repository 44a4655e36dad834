/* SPDX-License-Identifier: ISC */
/*
 * Memory of one configuration tree: what is allocated here is never freed by itself, but all at once. So a tree cannot
 * leak, and none of its parts can dangle while the tree lives. Running out of memory is fatal: the size of the text,
 * which is limited, bounds the size of the tree.
 */
#ifndef COMMON_CONFIG_ARENA_H
#define COMMON_CONFIG_ARENA_H

#include <stddef.h>

#include "common/str.h"

struct config_arena;

/* Returns memory, as malloc gave it; none is fatal. */
void *config_must(void *memory);

/* Returns fresh. */
struct config_arena *config_arena_new(void);

void config_arena_free(struct config_arena *arena);

/* Zeroed memory for any type, which lives as long as the arena. */
void *config_arena_alloc(struct config_arena *arena, size_t size);

/* A terminated copy of s. */
char *config_arena_copy(struct config_arena *arena, struct str s);

/* A terminated text, formatted; at most 1,023 bytes of it. */
char *config_arena_printf(struct config_arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
