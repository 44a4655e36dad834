/* SPDX-License-Identifier: ISC */
/* Promised: words may be shortened as long as they are unambiguous, and whoever gets it wrong is told what there is. */
#include "ctl/command.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define WORDS_MAX 4

/* clang-format off */
static const struct command commands[] = {
	{ "show queue",    "",   "", NULL, TAKES_NONE },
	{ "show stats",    "",   "", NULL, TAKES_NONE },
	{ "show status",   "",   "", NULL, TAKES_NONE },
	{ "show envelope", "ID", "", NULL, TAKES_NONE },
	{ "pause mda",     "",   "", NULL, TAKES_NONE },
	{ "pause mta",     "",   "", NULL, TAKES_NONE },
	{ "stop",          "",   "", NULL, TAKES_NONE },
	{ "stopwatch",     "",   "", NULL, TAKES_NONE },
};

static const struct {
	const char *name;
	const char *words[WORDS_MAX];
	const char *want; /* NULL: none */
	size_t used;
	const char *told;
} rows[] = {
	{ "whole words", { "show", "queue" }, "show queue", 2, "" },
	{ "short words", { "sh", "q" }, "show queue", 2, "" },
	{ "any case", { "SHOW", "Queue" }, "show queue", 2, "" },
	{ "arguments stay", { "show", "e", "12" }, "show envelope", 2, "" },
	{ "a word that begins another is itself", { "stop" }, "stop", 1, "" },
	{ "an ambiguous first word", { "s" }, NULL, 0, "posternctl: \"s\" is ambiguous; possibilities are: show pause stop stopwatch\n" },
	{ "an ambiguous second word", { "show", "sta" }, NULL, 0, "posternctl: \"sta\" is ambiguous; possibilities are: queue stats status envelope\n" },
	{ "an unknown word", { "frob" }, NULL, 0, "posternctl: \"frob\" is unknown; possibilities are: show pause stop stopwatch\n" },
	{ "an unknown second word", { "pause", "x" }, NULL, 0, "posternctl: \"x\" is unknown; possibilities are: mda mta\n" },
	{ "a word that is missing", { "pause" }, NULL, 0, "posternctl: a word is missing; possibilities are: mda mta\n" },
	{ "an empty word", { "" }, NULL, 0, "posternctl: a word is missing; possibilities are: show pause stop stopwatch\n" },
	{ "a word that goes on", { "stopper" }, NULL, 0, "posternctl: \"stopper\" is unknown; possibilities are: show pause stop stopwatch\n" },
};
/* clang-format on */

static void
test_words(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		const struct command *got;
		size_t count = 0, used = 0, size;
		char *told = NULL;
		FILE *out = open_memstream(&told, &size);
		assert_non_null(out);
		while (count < WORDS_MAX && rows[i].words[count] != NULL)
			count++;
		got = command_find(commands, COUNT(commands), rows[i].words, count, &used, out);
		assert_int_equal(fclose(out), 0);
		if ((got == NULL) != (rows[i].want == NULL) || (got != NULL && strcmp(got->words, rows[i].want) != 0))
			row_fail(rows[i].name, "got %s", got == NULL ? "nothing" : got->words);
		if (got != NULL && used != rows[i].used)
			row_fail(rows[i].name, "used %zu", used);
		if (strcmp(told, rows[i].told) != 0)
			row_fail(rows[i].name, "told %s", told);
		free(told);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
