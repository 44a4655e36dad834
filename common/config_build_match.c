/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/config_build.h"

void
config_build_match(struct config_build *build, const struct config_token *word)
{
	build->match = config_build_alloc(build, sizeof(*build->match));
	build->match->place = word->place;
}

/* Fills in a condition, once. given is NULL for one that takes no table. */
static void
set_condition(struct config_build *build, const struct config_token *word, const struct config_condition *given,
    struct config_condition *out)
{
	if (out->set) {
		config_error(&build->errors, &word->place, "%s already specified for this rule", word->text);
		return;
	}
	if (given != NULL)
		*out = *given;
	out->set = true;
	out->negated = build->negated;
	out->place = word->place;
}

void
config_build_match_for(struct config_build *build, const struct config_token *word, enum config_for for_,
    const struct config_condition *condition)
{
	struct config_match *match = build->match;

	set_condition(build, word, condition, &match->for_condition);
	config_build_check_use(build, match->for_condition.table, CONFIG_USE_LIST, "'for'", &word->place);
	match->for_ = for_;
}

void
config_build_match_for_rcpt_to(
    struct config_build *build, const struct config_token *word, const struct config_condition *condition)
{
	static const struct config_token rcpt_to = { .text = "rcpt-to" };
	struct config_token place = rcpt_to;
	bool negated = build->negated;

	place.place = word->place;
	config_build_match_condition(build, &place, condition);
	build->negated = false;
	set_condition(build, word, NULL, &build->match->for_condition);
	build->negated = negated;
	build->match->for_ = CONFIG_FOR_ANY;
}

void
config_build_match_from(struct config_build *build, const struct config_token *word, enum config_from from,
    const struct config_condition *condition)
{
	struct config_match *match = build->match;

	set_condition(build, word, condition, &match->from_condition);
	config_build_check_use(build, match->from_condition.table, CONFIG_USE_LIST, "'from'", &word->place);
	match->from = from;
}

void
config_build_match_from_any_with(struct config_build *build, const struct config_token *word,
    const struct config_token *kind, const struct config_condition *condition)
{
	bool negated = build->negated;

	config_build_match_condition(build, kind, condition);
	build->negated = false;
	config_build_match_from(build, word, CONFIG_FROM_ANY, NULL);
	build->negated = negated;
}

void
config_build_match_condition(
    struct config_build *build, const struct config_token *word, const struct config_condition *condition)
{
	struct config_match *match = build->match;
	const struct {
		const char *word;
		struct config_condition *condition;
		enum config_use use;
	} kinds[] = {
		{ "tag", &match->tag, CONFIG_USE_LIST },
		{ "helo", &match->helo, CONFIG_USE_LIST },
		{ "tls", &match->tls, CONFIG_USE_LIST },
		{ "auth", &match->auth, CONFIG_USE_ANY },
		{ "mail-from", &match->mail_from, CONFIG_USE_ANY },
		{ "rcpt-to", &match->rcpt_to, CONFIG_USE_ANY },
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].word, word->text) != 0)
			continue;
		set_condition(build, word, condition, kinds[i].condition);
		config_build_check_use(build, kinds[i].condition->table, kinds[i].use, word->text, &word->place);
	}
}

void
config_build_match_action(struct config_build *build, const struct config_token *name)
{
	build->match->action = config_build_find_action(build, name->text);
	if (build->match->action == NULL && !config_build_is_echo(build, CONFIG_NAMES_ACTION, name->text))
		config_error(
		    &build->errors, &name->place, "no such action: %.64s, expected one declared above", name->text);
}

void
config_build_match_end(struct config_build *build)
{
	STAILQ_INSERT_TAIL(&build->config->matches, build->match, next);
}
