/* SPDX-License-Identifier: ISC */
/*
 * The commands of posternctl: one table of words, arguments, help and function. Words may be shortened as long as they stay
 * unambiguous; whoever gets it wrong is shown what is possible.
 */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/proto.h"
#include "ctl/history_options.h"

enum {
	COMMAND_OK = 0,
	COMMAND_FAILED = 1,     /* refused, or not there */
	COMMAND_USAGE = 2,      /* the command line is wrong */
	COMMAND_NOT_RUNNING = 3 /* nobody answers at the control socket */
};

struct options {
	const char *socket;
	bool json;
	bool raw;                 /* show message: the very bytes */
	uint64_t count;           /* monitor: samples; 0: without end */
	uint64_t interval_s;      /* monitor */
	const char *by;           /* show queue: "age" or "destination"; NULL: by message */
	bool down;                /* show destinations: those that are not served */
	uint64_t waiting;         /* show destinations: those that so many recipients wait for */
	const char *spool;        /* export, restore */
	bool merge;               /* restore: also into a spool that has mail */
	bool salvage;             /* export: from a damaged spool */
	struct proto_query query; /* which recipients: what --sender and the like say */
	bool dry_run;
	struct history_options history;
};

/* args end with NULL; there are as many as the command has names for, or as it cannot do without. Returns the exit code. */
typedef int command_fn(const struct options *options, const char *const *args);

/* Which of the options of a query it takes. */
enum command_takes { TAKES_NONE, TAKES_FILTERS, TAKES_FILTERS_DRY_RUN, TAKES_HISTORY };

struct command {
	const char *words;     /* separated by single spaces */
	const char *arguments; /* their names, likewise; "" for none. From a "[" on they may all be left out */
	const char *help;
	command_fn *run;
	enum command_takes takes;
};

/*
 * The command that words (count of them) mean among commands, count_commands of them; *used is how many of the words it
 * took. NULL when there is none or several; why is told on err_out.
 */
const struct command *command_find(const struct command *commands, size_t count_commands, const char *const *words,
    size_t count, size_t *used, FILE *err_out);

/* Finds and runs. Returns the exit code. */
int command_run(const struct command *commands, size_t count_commands, const struct options *options,
    const char *const *words, size_t count);

/* A line for each command. */
void command_help(const struct command *commands, size_t count_commands, FILE *out);

#endif
