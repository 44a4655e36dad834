/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/config.h"
#include "common/config_arena.h"
#include "common/config_build.h"
#include "common/config_errors.h"
#include "common/config_grammar.h"
#include "common/config_text.h"

/* The tree and the memory it is made of. */
struct config_tree {
	struct config config;
	struct config_arena *arena;
};

static struct config *
tree_new(void)
{
	struct config_arena *arena = config_arena_new();
	struct config_tree *tree = config_arena_alloc(arena, sizeof(*tree));
	struct config *config = &tree->config;

	tree->arena = arena;
	STAILQ_INIT(&config->tables);
	STAILQ_INIT(&config->listeners);
	STAILQ_INIT(&config->actions);
	STAILQ_INIT(&config->matches);
	STAILQ_INIT(&config->pkis);
	STAILQ_INIT(&config->cas);
	STAILQ_INIT(&config->procs);
	STAILQ_INIT(&config->filters);
	STAILQ_INIT(&config->wrappers);
	STAILQ_INIT(&config->limits);
	config_build_defaults(config);
	return config;
}

/* The tree is the first member of what it lives in. */
static struct config_arena *
arena_of(const struct config *config)
{
	return ((const struct config_tree *)(const void *)config)->arena;
}

void
config_free(struct config *config)
{
	if (config != NULL)
		config_arena_free(arena_of(config));
}

/* What can be said only when everything was read. */
static void
check_whole(struct config_build *build)
{
	const struct config_place start = { config_text_main_path(build->text), 1, 1 };
	const struct config_pki *pki;

	STAILQ_FOREACH (pki, &build->config->pkis, next) {
		if (pki->cert == NULL)
			config_error(&build->errors, &pki->place, "pki %.64s: cert is missing", pki->name);
		if (pki->key == NULL)
			config_error(&build->errors, &pki->place, "pki %.64s: key is missing", pki->name);
	}
	/* With a mistake above it, this would be an echo. */
	if (STAILQ_EMPTY(&build->config->matches) && build->errors.count == 0)
		config_error(&build->errors, &start, "no rules, nothing to do: expected at least one match");
}

struct config *
config_parse(struct config_text *text, config_report *report, void *arg)
{
	struct config_build build = { .text = text, .errors = { .report = report, .arg = arg } };

	build.config = tree_new();
	build.arena = arena_of(build.config);
	STAILQ_INIT(&build.broken);
	config_build_listen_default(&build);
	build.lexer = config_lexer_new(text, build.arena, &build.errors);
	if (build.lexer != NULL && config_yyparse(&build) == 0 && build.errors.count == 0)
		check_whole(&build);
	config_lexer_free(build.lexer);
	if (build.errors.count > 0) {
		config_free(build.config);
		return NULL;
	}
	config_text_set_parsed(text);
	return build.config;
}

const struct config_action *
config_action_find(const struct config *config, struct str name)
{
	const struct config_action *action;

	STAILQ_FOREACH (action, &config->actions, next)
		if (str_equal(str_of(action->name), name))
			return action;
	return NULL;
}
