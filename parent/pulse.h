/* SPDX-License-Identifier: ISC */
/*
 * Whether a process lives: it is asked now and then, and given up when a question stays without an answer for too long.
 * Who was not asked owes nothing: time in which the one who asks stood still itself is nobody's silence.
 */
#ifndef PARENT_PULSE_H
#define PARENT_PULSE_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: nothing was asked. */
struct pulse {
	int64_t asked_ms; /* the oldest question without an answer; 0: none */
};

void pulse_asked(struct pulse *p, int64_t now_ms);

/* Any message of the process is an answer. */
void pulse_heard(struct pulse *p);

/* Whether it has not answered for longer than patience_ms. late: we come late ourselves, and the waiting begins anew. */
bool pulse_lost(struct pulse *p, int64_t now_ms, int64_t patience_ms, bool late);

#endif
