/* SPDX-License-Identifier: ISC */
#include "common/config_build.h"

#include <string.h>

#include "common/buf.h"
#include "common/config_grammar.h"
#include "common/config_words.h"

enum { EXPECTED_SHOWN_MAX = 16, EXPECTED_TEXT_MAX = 400 };

void *
config_build_alloc(struct config_build *build, size_t size)
{
	return config_arena_alloc(build->arena, size);
}

void
config_build_add_name(struct config_build *build, struct config_names *list, const struct config_token *name)
{
	struct config_name *entry = config_build_alloc(build, sizeof(*entry));

	entry->name = name->text;
	entry->place = name->place;
	STAILQ_INSERT_TAIL(list, entry, next);
}

void
config_build_name(struct config_build *build, const struct config_token *name)
{
	config_build_add_name(build, build->names, name);
}

void
config_build_include(struct config_build *build, const struct config_token *path)
{
	if (!config_lexer_include(build->lexer, path))
		build->include_failed = true;
}

void
config_build_macro(struct config_build *build, const struct config_token *name)
{
	config_lexer_define(build->lexer, name);
}

/* --- names --- */

void
config_build_count_declared(struct config_build *build, const struct config_token *name)
{
	if (build->declared_count++ == CONFIG_DECLARED_MAX)
		config_error(&build->errors, &name->place, "more than %d names of pki, ca, proc, filter and wrapper",
		    CONFIG_DECLARED_MAX);
}

void
config_build_set_broken(struct config_build *build, enum config_names_of kind, const char *name)
{
	struct config_broken *broken = config_build_alloc(build, sizeof(*broken));

	broken->kind = kind;
	broken->name = name;
	STAILQ_INSERT_TAIL(&build->broken, broken, next);
}

bool
config_build_is_echo(const struct config_build *build, enum config_names_of kind, const char *name)
{
	const struct config_broken *broken;

	if (build->include_failed)
		return true;
	STAILQ_FOREACH (broken, &build->broken, next)
		if (broken->kind == kind && strcasecmp(broken->name, name) == 0)
			return true;
	return false;
}

struct config_pki *
config_build_find_pki(const struct config_build *build, const char *name)
{
	struct config_pki *pki;

	STAILQ_FOREACH (pki, &build->config->pkis, next)
		if (strcasecmp(pki->name, name) == 0)
			return pki;
	return NULL;
}

struct config_ca *
config_build_find_ca(const struct config_build *build, const char *name)
{
	struct config_ca *ca;

	STAILQ_FOREACH (ca, &build->config->cas, next)
		if (strcmp(ca->name, name) == 0)
			return ca;
	return NULL;
}

struct config_proc *
config_build_find_proc(const struct config_build *build, const char *name)
{
	struct config_proc *proc;

	STAILQ_FOREACH (proc, &build->config->procs, next)
		if (strcmp(proc->name, name) == 0)
			return proc;
	return NULL;
}

struct config_filter *
config_build_find_filter(const struct config_build *build, const char *name)
{
	struct config_filter *filter;

	STAILQ_FOREACH (filter, &build->config->filters, next)
		if (strcmp(filter->name, name) == 0)
			return filter;
	return NULL;
}

struct config_wrapper *
config_build_find_wrapper(const struct config_build *build, const char *name)
{
	struct config_wrapper *wrapper;

	STAILQ_FOREACH (wrapper, &build->config->wrappers, next)
		if (strcmp(wrapper->name, name) == 0)
			return wrapper;
	return NULL;
}

struct config_action *
config_build_find_action(const struct config_build *build, const char *name)
{
	struct config_action *action;

	STAILQ_FOREACH (action, &build->config->actions, next)
		if (strcmp(action->name, name) == 0)
			return action;
	return NULL;
}

void
config_build_check_pki(struct config_build *build, const struct config_token *name)
{
	if (config_build_find_pki(build, name->text) == NULL &&
	    !config_build_is_echo(build, CONFIG_NAMES_PKI, name->text))
		config_error(
		    &build->errors, &name->place, "pki name not found: %.64s, expected one declared above", name->text);
}

void
config_build_check_ca(struct config_build *build, const struct config_token *name)
{
	if (config_build_find_ca(build, name->text) == NULL &&
	    !config_build_is_echo(build, CONFIG_NAMES_CA, name->text))
		config_error(
		    &build->errors, &name->place, "ca name not found: %.64s, expected one declared above", name->text);
}

void
config_build_check_filters(struct config_build *build, const struct config_names *names)
{
	const struct config_name *name;

	STAILQ_FOREACH (name, names, next)
		if (config_build_find_filter(build, name->name) == NULL &&
		    !config_build_is_echo(build, CONFIG_NAMES_FILTER, name->name))
			config_error(&build->errors, &name->place, "no such filter: %.64s, expected one declared above",
			    name->name);
}

/* --- syntax errors --- */

void
config_build_stopped(struct config_build *build, const char *reason)
{
	config_error(&build->errors, &build->ahead.place, "%s", reason);
}

#define OLD_WORD(word, only_first, now) { word, only_first, now },

/* What stands today for a word of the old syntax, NULL for any other. */
static const char *
new_spelling(const char *word, bool first)
{
	static const struct {
		const char *word;
		bool only_first;
		const char *now;
	} old[] = { CONFIG_OLD_WORDS(OLD_WORD) };
	size_t i;

	for (i = 0; i < sizeof(old) / sizeof(old[0]); i++)
		if ((first || !old[i].only_first) && strcmp(old[i].word, word) == 0)
			return old[i].now;
	return NULL;
}

static bool
is_expected(const char *token, const char *const *expected, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(expected[i], token) == 0)
			return true;
	return false;
}

/* "a, b or c": the terminated text in out, cut where out is full. */
static const char *
list_expected(const char *const *expected, size_t count, struct buf *out)
{
	size_t i;

	for (i = 0; i < count && i < EXPECTED_SHOWN_MAX; i++)
		if (!buf_printf(out, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", expected[i]))
			break;
	if (i < count)
		buf_append_text(out, " and others");
	return buf_append_byte(out, '\0') ? buf_str(out).ptr : "something else";
}

/* What helps more than the list of what might stand here; "" for nothing. */
static const char *
hint(const struct config_build *build, const char *token, bool string_expected)
{
	if (!string_expected)
		return "";
	if (strcmp(token, "a number") == 0)
		return ": a number is no string, quote it";
	if (!build->ahead.quoted && config_lexer_is_keyword(build->ahead.text))
		return ": quote a keyword to use it as a string";
	return "";
}

/* A statement that declares something keeps its name, so that uses of it are not reported too. */
static void
break_declared_name(struct config_build *build, const struct config_statement *statement)
{
	static const struct {
		int first;
		enum config_names_of kind;
	} kinds[] = {
		{ TABLE, CONFIG_NAMES_TABLE },
		{ PKI, CONFIG_NAMES_PKI },
		{ CA, CONFIG_NAMES_CA },
		{ PROC, CONFIG_NAMES_PROC },
		{ FILTER, CONFIG_NAMES_FILTER },
		{ ACTION, CONFIG_NAMES_ACTION },
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].first == statement->first)
			config_build_set_broken(build, kinds[i].kind, statement->words[1]);
	if (statement->first == MDA)
		config_build_set_broken(build, CONFIG_NAMES_WRAPPER, statement->words[2]);
}

static bool
report_old_syntax(struct config_build *build, const struct config_statement *statement)
{
	const char *word = statement->words[0], *now;

	if (statement->first == QUEUE && strcmp(build->ahead.text, "key") == 0) {
		config_error(&build->errors, &build->ahead.place,
		    "queue encryption key: this is the syntax of before 6.4 (2018), write: queue encryption KEY");
		return true;
	}
	now = new_spelling(word, true);
	if (now == NULL && !build->ahead.quoted) {
		word = build->ahead.text;
		now = new_spelling(word, false);
	}
	if (now == NULL)
		return false;
	config_error(&build->errors, &build->ahead.place,
	    "\"%s\": this is the syntax of before 6.4 (2018), write instead: %s", word, now);
	return true;
}

void
config_build_syntax_error(
    struct config_build *build, const char *token, const char *const *expected, size_t expected_count)
{
	const struct config_statement *statement = config_lexer_statement(build->lexer);
	bool is_value = strcmp(token, "a string") == 0 || strcmp(token, "a number") == 0;
	const char *mark = is_value ? "\"" : "";
	struct buf names;

	config_lexer_skip_statement(build->lexer);
	break_declared_name(build, statement);
	if (report_old_syntax(build, statement))
		return;
	buf_init(&names, EXPECTED_TEXT_MAX);
	config_error(&build->errors, &build->ahead.place, "syntax error: unexpected %s%.64s%s, expected %s%s", mark,
	    build->ahead.text, mark, list_expected(expected, expected_count, &names),
	    hint(build, token, is_expected("a string", expected, expected_count)));
	buf_clear(&names);
}
