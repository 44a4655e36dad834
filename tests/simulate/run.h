/* SPDX-License-Identifier: ISC */
/*
 * A run: the whole queue, from its start on what is in a directory until it is broken off, with all other processes played
 * by the seed. smtpd sends letters of all kinds; relay finds servers that accept, defer, refuse, stall or are down, and
 * dies itself; router routes DSNs or refuses them; control removes and reschedules; the disk fills, calls fail, the
 * calendar jumps.
 */
#ifndef TESTS_SIMULATE_RUN_H
#define TESTS_SIMULATE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/simulate/disk.h"

struct run {
	const char *dir;
	uint64_t seed;
	int64_t wall_ms;       /* the calendar at its start */
	uint32_t first_letter; /* number of the next letter */
	bool faults;           /* a call may fail */
	enum disk_mutant mutant;
	bool report_apart; /* a mutant: DSNs get a transaction of their own */
};

/* In a process of its own, which it ends. */
_Noreturn void run_queue(const struct run *run, struct tape *tape);

#endif
