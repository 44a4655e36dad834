/* SPDX-License-Identifier: ISC */
#include "ctl/command.h"

#include <string.h>

#include "common/log.h"
#include "common/str.h"

enum { COMMANDS_MAX = 64, ARGUMENTS_MAX = 4 };

/* The word number index of a row, empty behind its last. */
static struct str
word_of(const char *words, size_t index)
{
	struct str rest = str_of(words), word = { words, 0 };
	size_t i;

	for (i = 0; i <= index; i++)
		if (!str_cut(rest, ' ', &word, &rest) && i < index)
			return (struct str){ words, 0 };
	return word;
}

static size_t
count_words(const char *words)
{
	size_t n = 0;

	while (words[0] != '\0' && word_of(words, n).len > 0)
		n++;
	return n;
}

static size_t
count_needed(const char *arguments)
{
	size_t n = 0;

	while (n < count_words(arguments) && word_of(arguments, n).ptr[0] != '[')
		n++;
	return n;
}

static bool
is_start(struct str word, const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= word.len && strncasecmp(word.ptr, text, len) == 0;
}

/* Which rows are still possible when the words before were taken. */
struct choice {
	const struct command *commands;
	size_t count;
	bool possible[COMMANDS_MAX];
};

/* The first possible row whose word at depth begins with text; *several tells whether there are different words. */
static const struct command *
first_match(const struct choice *c, size_t depth, const char *text, bool *several)
{
	const struct command *first = NULL;
	size_t i;

	*several = false;
	for (i = 0; i < c->count; i++) {
		struct str word = word_of(c->commands[i].words, depth);
		if (!c->possible[i] || !is_start(word, text))
			continue;
		if (word.len == strlen(text)) { /* a whole word is never ambiguous */
			*several = false;
			return &c->commands[i];
		}
		if (first != NULL && !str_equal(word, word_of(first->words, depth)))
			*several = true;
		first = first == NULL ? &c->commands[i] : first;
	}
	return first;
}

static void
list_possibilities(const struct choice *c, size_t depth, FILE *out)
{
	struct str last = { "", 0 };
	size_t i;

	(void)fputs("; possibilities are:", out);
	for (i = 0; i < c->count; i++) {
		struct str word = word_of(c->commands[i].words, depth);
		if (!c->possible[i] || word.len == 0 || str_equal(word, last))
			continue;
		(void)fprintf(out, " %.*s", STR_ARG(word));
		last = word;
	}
	(void)fputs("\n", out);
}

static void
keep(struct choice *c, size_t depth, struct str word)
{
	size_t i;

	for (i = 0; i < c->count; i++)
		c->possible[i] = c->possible[i] && str_equal(word_of(c->commands[i].words, depth), word);
}

const struct command *
command_find(const struct command *commands, size_t count_commands, const char *const *words, size_t count,
    size_t *used, FILE *err_out)
{
	struct choice c = { .commands = commands, .count = count_commands };
	const struct command *match = NULL;
	size_t depth;
	bool several;

	invariant(count_commands <= COMMANDS_MAX);
	memset(c.possible, 1, count_commands);
	for (depth = 0; match == NULL || depth < count_words(match->words); depth++) {
		const char *text = depth < count ? words[depth] : "";
		match = first_match(&c, depth, text, &several);
		if (match == NULL || several) {
			(void)fprintf(err_out, "posternctl: %s%s%s", text[0] == '\0' ? "a word is missing" : "\"", text,
			    text[0] == '\0' ? ""
				: several   ? "\" is ambiguous"
					    : "\" is unknown");
			list_possibilities(&c, depth, err_out);
			return NULL;
		}
		keep(&c, depth, word_of(match->words, depth));
	}
	*used = depth;
	return match;
}

static int
usage(const struct command *command)
{
	(void)fprintf(stderr, "usage: posternctl%s %s%s%s\n",
	    command->takes == TAKES_NONE                  ? ""
		: command->takes == TAKES_FILTERS_DRY_RUN ? " [filters] [--dry-run]"
							  : " [filters]",
	    command->words, command->arguments[0] == '\0' ? "" : " ", command->arguments);
	return COMMAND_USAGE;
}

/* Options of a query that the command would not look at are no harmless mistake. */
static bool
takes_options(const struct command *command, const struct options *options)
{
	if (options->dry_run && command->takes != TAKES_FILTERS_DRY_RUN)
		return false;
	if (options->history.given && command->takes != TAKES_HISTORY)
		return false;
	return options->query.filters == 0 || command->takes != TAKES_NONE;
}

int
command_run(const struct command *commands, size_t count_commands, const struct options *options,
    const char *const *words, size_t count)
{
	const char *args[ARGUMENTS_MAX + 1] = { NULL };
	const struct command *command;
	size_t used, given, wanted, i;

	command = command_find(commands, count_commands, words, count, &used, stderr);
	if (command == NULL)
		return COMMAND_USAGE;
	wanted = count_words(command->arguments);
	invariant(wanted <= ARGUMENTS_MAX);
	given = count - used;
	if ((given != wanted && given != count_needed(command->arguments)) || !takes_options(command, options))
		return usage(command);
	for (i = 0; i < given; i++)
		args[i] = words[used + i];
	return command->run(options, args);
}

void
command_help(const struct command *commands, size_t count_commands, FILE *out)
{
	size_t i;

	for (i = 0; i < count_commands; i++) {
		int width = 28 - (int)strlen(commands[i].words);
		(void)fprintf(out, "  %s %-*s %s\n", commands[i].words, width, commands[i].arguments, commands[i].help);
	}
}
