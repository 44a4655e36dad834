/* SPDX-License-Identifier: ISC */
/*
 * What a disk may hold after a crash. It follows a tape: what was synced is there for certain; of what was written since,
 * each block of 512 bytes may be there or not, whatever the order it was written in. An image is made of that in a
 * directory, is looked at, and is taken back, so that the next costs only the blocks in which they differ.
 */
#ifndef TESTS_SIMULATE_IMAGE_H
#define TESTS_SIMULATE_IMAGE_H

#include "tests/simulate/tape.h"

enum image_kind {
	IMAGE_KILLED,  /* only the process ended: all that was written is there */
	IMAGE_NOTHING, /* the power went: nothing of what was not synced */
	IMAGE_SOME,    /* a subset, some writes torn */
	IMAGE_KINDS
};

extern const char *const image_names[IMAGE_KINDS];

/* Images are made in that directory, which exists, from the files that are in it. */
void image_open(const char *dir);

/* The tape begins: what stands in the directory now is on disk. */
void image_begin(const struct tape *tape);

/* Follows the tape behind its next entry. */
void image_follow(void);

/* How many writes may be there or not. */
size_t image_pending(void);

/* Makes an image; randomness decides which blocks there are. */
void image_make(enum image_kind kind, uint64_t randomness);

/* Takes back what was made, and what was written to it since. */
void image_take_back(void);

#endif
