/* SPDX-License-Identifier: ISC */
#include "tests/simulate/tape.h"

#include <sys/mman.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc32c.h"

enum { ENTRIES_MAX = 200000 };
#define BYTES_MAX ((size_t)256 * 1024 * 1024)

const char *const tape_names[TAPE_KINDS] = {
#define T(NAME, name) [TAPE_##NAME] = name,
	TAPE_TABLE(T)
#undef T
};

static void *
share(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("simulate: mmap");
		exit(2);
	}
	return p;
}

struct tape *
tape_share(void)
{
	struct tape *tape = share(sizeof(*tape));

	tape->entries = share(ENTRIES_MAX * sizeof(*tape->entries));
	tape->bytes = share(BYTES_MAX);
	return tape;
}

void
tape_restart(struct tape *tape)
{
	tape->count = 0;
	tape->bytes_used = 0;
}

size_t
tape_add(struct tape *tape, const struct tape_entry *entry, const void *bytes)
{
	struct tape_entry *e;

	if (tape->count == ENTRIES_MAX || tape->bytes_used + entry->len > BYTES_MAX) {
		(void)fprintf(stderr, "simulate: the tape is full\n");
		abort();
	}
	e = &tape->entries[tape->count];
	*e = *entry;
	if (bytes != NULL) {
		e->bytes = tape->bytes_used;
		memcpy(tape->bytes + e->bytes, bytes, e->len);
		tape->bytes_used += e->len;
	}
	return tape->count++;
}

uint32_t
tape_checksum(const struct tape *tape)
{
	return crc32c(0, tape->entries, tape->count * sizeof(*tape->entries));
}
