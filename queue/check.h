/* SPDX-License-Identifier: ISC */
/*
 * queue -C check -s SPOOL: verifies a spool that no daemon uses, by every invariant that the store knows, and says on
 * standard output what is wrong. Exit status 0: nothing; 1: something; 64 and above: it could not be looked at.
 */
#ifndef QUEUE_CHECK_H
#define QUEUE_CHECK_H

#include <stdbool.h>

/* Whether the command line asks for work on a spool rather than for the process of the daemon. */
bool check_is_asked(int argc, char **argv);

int check_run(int argc, char **argv);

#endif
