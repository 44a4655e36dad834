/* SPDX-License-Identifier: ISC */
/*
 * What the queue has promised, by what was said to the other processes and by them; and the judge of a spool after a crash
 * (SECURITY F-A to F-D): each recipient that was acknowledged waits in the queue or came to one end, none to two, and to no
 * end that nobody gave it; each that failed has one DSN, which waits or came to its end; nothing is there that was refused;
 * the store finds nothing wrong with itself, and its counters agree with its history.
 */
#ifndef TESTS_SIMULATE_MODEL_H
#define TESTS_SIMULATE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/simulate/tape.h"

enum {
	MODEL_RCPTS_MAX = 8,
	MODEL_DESTINATIONS = 5,
	MODEL_STORE_BYTES = 16 * 1024 * 1024,
	MODEL_WHY_MAX = 512,
	MODEL_WARNINGS = 2 /* notices of a delay that a sender gets of a recipient */
};

/* Nothing was sent yet. */
void model_init(void);

/* Takes note of an entry of the tape. */
void model_follow(const struct tape_entry *entry);

/* Letters sent so far, but for reports: the number of the next one. */
uint32_t model_letters(void);

/* Where a recipient's mail goes, its address, and that of the sender, by the number of the letter. */
uint32_t model_destination(uint32_t letter, uint32_t rcpt);
void model_address(char out[64], uint32_t letter, uint32_t rcpt);
void model_sender(char out[64], uint32_t letter);
bool model_parse_address(const char *text, size_t len, uint32_t *letter, uint32_t *rcpt);

/*
 * Opens the spool in dir, and judges it. False: why says what is wrong. settle: what is there is from now on what was
 * there at the beginning.
 */
bool model_judge(const char *dir, bool settle, char why[MODEL_WHY_MAX]);

/* What the recipients have come to. */
enum { MODEL_ENDS = 7 };

struct model_ends {
	uint64_t count[MODEL_ENDS];
};

extern const char *const model_end_names[MODEL_ENDS];
void model_count(struct model_ends *ends); /* adds those of this seed, so far */

#endif
