/* SPDX-License-Identifier: ISC */
/* What "mta limit" of the configuration allows a destination: jobs at a time, and rates. */
#ifndef QUEUE_ALLOWANCE_H
#define QUEUE_ALLOWANCE_H

#include "queue/destination.h"

/* Sets window_max and rates of a new destination. */
void allowance_set(struct destination *d);

#endif
