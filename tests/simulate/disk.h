/* SPDX-License-Identifier: ISC */
/*
 * The file layer. LMDB has none that could be exchanged, so the calls themselves are: this program defines pwrite, writev,
 * fdatasync, open and so on, which the linker then prefers to libc's, for liblmdb too. In a run they are logged, on a disk
 * of a size of ours, and can be made to fail; while an image is looked at, they note which bytes are no longer the image's.
 * What they do to the files they really do, in a directory in memory.
 */
#ifndef TESTS_SIMULATE_DISK_H
#define TESTS_SIMULATE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/simulate/tape.h"

#define DISK_BYTES ((uint64_t)24 * 1024 * 1024)

extern const char *const disk_names[DISK_FILES];

/* What is made wrong, to see that it is found. */
enum disk_mutant {
	DISK_AS_IT_IS,
	DISK_STORE_UNSYNCED,   /* fdatasync of data.mdb does nothing */
	DISK_JOURNAL_UNSYNCED, /* of the journal */
	DISK_WRITES_SWAPPED    /* the last page of a commit is written behind the page that makes it count */
};

/* From now on all is logged, as a run of that mutant. */
void disk_record(struct tape *tape, enum disk_mutant mutant);

/* So many bytes of the disk are taken by others. */
void disk_fill(uint64_t bytes);

/* The call of a file of the spool that is so many calls ahead fails with EIO; 0: none. */
void disk_fail_after(uint64_t calls);
bool disk_has_failed(void);

/*
 * Where data.mdb is mapped, readable, in this process: when LMDB maps it again to look at an image, it gets that. (An image is
 * mapped and unmapped thousands of times a second, and that took most of the time.)
 */
void disk_lend_map(void *map, uint64_t len);

/* From now on no longer logged; touched(file, offset, len) is told of what changes. NULL: nobody. */
void disk_watch(void (*touched)(enum disk_file file, uint64_t offset, uint64_t len));

#endif
