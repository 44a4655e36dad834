/* SPDX-License-Identifier: ISC */
/*
 * The lexer of the configuration: the text of a bundle, with files included and macros expanded, becomes tokens with
 * their place. The place of what a macro brings in is that of the "$". The lexer also decides what of the text other
 * processes may see (common/config_text.h), since it alone knows every byte's way.
 */
#ifndef COMMON_CONFIG_LEXER_H
#define COMMON_CONFIG_LEXER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/config_arena.h"
#include "common/config_errors.h"

#define CONFIG_STRING_MAX 8095 /* bytes of a word or quoted string */

struct config_token {
	const char *text; /* the value of a string, else the token as written */
	int64_t number;   /* of a NUMBER */
	bool quoted;
	struct config_place place;
};

struct config_lexer;

/*
 * A lexer at the beginning of the bundle's main file. Borrows all three until it is freed; strings of tokens are the
 * arena's. Returns fresh, NULL after an error was reported.
 */
struct config_lexer *config_lexer_new(
    struct config_text *text, struct config_arena *arena, struct config_errors *errors);

void config_lexer_free(struct config_lexer *lexer);

/* The next token: its number of config_grammar.h, 0 at the end, or LEXICAL_ERROR after an error was reported. */
int config_lexer_next(struct config_lexer *lexer, struct config_token *out);

/* Goes on with the file named, and then with the rest. Returns false after an error was reported. */
bool config_lexer_include(struct config_lexer *lexer, const struct config_token *path);

/* Gives the value that was read last, that of "name = value", to the macro of that name. */
void config_lexer_define(struct config_lexer *lexer, const struct config_token *name);

/*
 * After a syntax error: keeps silent until the end of the statement, and takes care that the rest of a list over several
 * lines is not read as statements.
 */
void config_lexer_skip_statement(struct config_lexer *lexer);

/* How the current statement begins. */
#define CONFIG_STATEMENT_WORDS 3

struct config_statement {
	int first;                                 /* token, 0 where there is none yet */
	const char *words[CONFIG_STATEMENT_WORDS]; /* the text of its first tokens, "" likewise */
	size_t count;                              /* tokens read of it */
};
const struct config_statement *config_lexer_statement(const struct config_lexer *lexer);

/* Whether the word is a reserved keyword. */
bool config_lexer_is_keyword(const char *word);

#endif
