/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/config_build.h"

/* --- pki and ca --- */

static bool
is_pki_name(const char *name)
{
	const char *c;

	if (strcmp(name, "*") == 0)
		return true;
	for (c = name; *c != '\0'; c++)
		if (!ascii_is_alpha(*c) && !ascii_is_digit(*c) && *c != '-' && *c != '_' && *c != '.')
			return false;
	return c != name;
}

static const char *
copy_lower(struct config_build *build, const char *text)
{
	char *copy = config_arena_copy(build->arena, str_of(text));
	char *c;

	for (c = copy; *c != '\0'; c++)
		*c = ascii_lower(*c);
	return copy;
}

void
config_build_pki(struct config_build *build, const struct config_token *name)
{
	build->pki = config_build_find_pki(build, name->text);
	if (build->pki != NULL)
		return;
	if (!is_pki_name(name->text))
		config_error(&build->errors, &name->place, "pki \"%.64s\": not a valid domain name", name->text);
	config_build_count_declared(build, name);
	build->pki = config_build_alloc(build, sizeof(*build->pki));
	build->pki->place = name->place;
	build->pki->name = copy_lower(build, name->text);
	STAILQ_INSERT_TAIL(&build->config->pkis, build->pki, next);
}

static void
set_pki(struct config_build *build, const char *what, const struct config_token *token, const char **out)
{
	if (*out != NULL)
		config_error(&build->errors, &token->place, "pki %.64s: %s already specified", build->pki->name, what);
	else
		*out = token->text;
}

void
config_build_pki_cert(struct config_build *build, const struct config_token *path)
{
	set_pki(build, "cert", path, &build->pki->cert);
}

void
config_build_pki_key(struct config_build *build, const struct config_token *path)
{
	set_pki(build, "key", path, &build->pki->key);
}

void
config_build_pki_dhe(struct config_build *build, const struct config_token *text)
{
	set_pki(build, "dhe", text, &build->pki->dhe);
	if (strcmp(text->text, "legacy") == 0) {
		config_warning(&build->errors, &text->place,
		    "pki %.64s: dhe legacy (1024 bits) is no longer safe, auto is used", build->pki->name);
		build->pki->dhe = "auto";
	} else if (strcmp(text->text, "none") != 0 && strcmp(text->text, "auto") != 0)
		config_error(&build->errors, &text->place,
		    "pki %.64s: invalid dhe: \"%.64s\", expected none, auto or legacy", build->pki->name, text->text);
}

void
config_build_ca(struct config_build *build, const struct config_token *name, const struct config_token *path)
{
	struct config_ca *ca;

	if (config_build_find_ca(build, name->text) != NULL) {
		config_error(&build->errors, &name->place, "ca already declared with that name: %.64s", name->text);
		return;
	}
	config_build_count_declared(build, name);
	ca = config_build_alloc(build, sizeof(*ca));
	ca->place = name->place;
	ca->name = name->text;
	ca->cert = path->text;
	STAILQ_INSERT_TAIL(&build->config->cas, ca, next);
}

/* --- proc --- */

void
config_build_proc(struct config_build *build, const struct config_token *name, const struct config_token *command)
{
	if (config_build_find_proc(build, name->text) != NULL)
		config_error(
		    &build->errors, &name->place, "processor already exists with that name: %.64s", name->text);
	if (command->text[0] == '\0')
		config_error(&build->errors, &command->place, "proc %.64s: empty command", name->text);
	config_build_count_declared(build, name);
	build->proc = config_build_alloc(build, sizeof(*build->proc));
	build->proc->place = name->place;
	build->proc->name = name->text;
	build->proc->command = command->text;
	STAILQ_INSERT_TAIL(&build->config->procs, build->proc, next);
}

static void
set_proc(struct config_build *build, const char *what, const struct config_token *token, const char **out)
{
	if (*out != NULL)
		config_error(&build->errors, &token->place, "%s already specified for this processor", what);
	*out = token->text;
}

void
config_build_proc_user(struct config_build *build, const struct config_token *text)
{
	set_proc(build, "user", text, &build->proc->user);
}

void
config_build_proc_group(struct config_build *build, const struct config_token *text)
{
	set_proc(build, "group", text, &build->proc->group);
}

void
config_build_proc_chroot(struct config_build *build, const struct config_token *text)
{
	set_proc(build, "chroot", text, &build->proc->chroot);
}

/* --- filter --- */

static struct config_filter *
add_filter(struct config_build *build, const struct config_token *name, enum config_filter_kind kind)
{
	struct config_filter *filter = config_build_alloc(build, sizeof(*filter));

	if (config_build_find_filter(build, name->text) != NULL)
		config_error(&build->errors, &name->place, "filter already exists with that name: %.64s", name->text);
	config_build_count_declared(build, name);
	filter->place = name->place;
	filter->name = name->text;
	filter->kind = kind;
	STAILQ_INIT(&filter->chain);
	build->filter = filter;
	return filter;
}

/* Only now the name can be used: a chain is not part of itself. */
void
config_build_filter_end(struct config_build *build)
{
	struct config_filter *filter = build->filter;

	config_build_check_filters(build, &filter->chain);
	STAILQ_INSERT_TAIL(&build->config->filters, filter, next);
}

void
config_build_filter_proc(struct config_build *build, const struct config_token *name, const struct config_token *proc)
{
	struct config_filter *filter = add_filter(build, name, CONFIG_FILTER_PROC);

	filter->proc = config_build_find_proc(build, proc->text);
	if (filter->proc == NULL && !config_build_is_echo(build, CONFIG_NAMES_PROC, proc->text))
		config_error(
		    &build->errors, &proc->place, "no such processor: %.64s, expected one declared above", proc->text);
}

void
config_build_filter_exec(
    struct config_build *build, const struct config_token *name, const struct config_token *command)
{
	struct config_filter *filter = add_filter(build, name, CONFIG_FILTER_PROC);

	config_build_proc(build, name, command);
	filter->proc = build->proc;
}

void
config_build_filter_chain(struct config_build *build, const struct config_token *name)
{
	build->names = &add_filter(build, name, CONFIG_FILTER_CHAIN)->chain;
}

/* --- built-in filters --- */

#define PHASE(phase) (1u << (phase))
#define SINCE(phase) (~0u << (phase))

void
config_build_filter_phase(struct config_build *build, const struct config_token *name, const struct config_token *phase)
{
	static const struct {
		const char *word;
		enum config_phase phase;
	} phases[] = {
		{ "connect", CONFIG_PHASE_CONNECT },
		{ "helo", CONFIG_PHASE_HELO },
		{ "ehlo", CONFIG_PHASE_EHLO },
		{ "auth", CONFIG_PHASE_AUTH },
		{ "mail-from", CONFIG_PHASE_MAIL_FROM },
		{ "rcpt-to", CONFIG_PHASE_RCPT_TO },
		{ "data", CONFIG_PHASE_DATA },
		{ "commit", CONFIG_PHASE_COMMIT },
	};
	struct config_filter *filter = add_filter(build, name, CONFIG_FILTER_BUILTIN);
	size_t i;

	for (i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		if (strcmp(phases[i].word, phase->text) == 0)
			filter->phase = phases[i].phase;
}

/* In which phases a condition is known. */
static unsigned
known_in(enum config_filter_condition kind)
{
	switch (kind) {
	case CONFIG_FILTER_FCRDNS:
	case CONFIG_FILTER_RDNS:
	case CONFIG_FILTER_SRC: return SINCE(CONFIG_PHASE_CONNECT);
	case CONFIG_FILTER_HELO: return SINCE(CONFIG_PHASE_HELO);
	case CONFIG_FILTER_AUTH: return SINCE(CONFIG_PHASE_AUTH);
	case CONFIG_FILTER_MAIL_FROM: return SINCE(CONFIG_PHASE_MAIL_FROM);
	case CONFIG_FILTER_RCPT_TO: return PHASE(CONFIG_PHASE_RCPT_TO);
	}
	return 0;
}

void
config_build_filter_condition(struct config_build *build, enum config_filter_condition kind,
    const struct config_token *word, const struct config_condition *condition)
{
	struct config_filter *filter = build->filter;

	if (condition != NULL)
		filter->condition = *condition;
	filter->condition.set = true;
	filter->condition.negated = build->negated;
	filter->condition.place = word->place;
	filter->condition_kind = kind;
	if ((known_in(kind) & PHASE(filter->phase)) == 0)
		config_error(&build->errors, &word->place, "filter %.64s: \"%s\" may not be tested in this phase",
		    filter->name, word->text);
}

/* "550 text" or "421 text", as a server says it. */
static bool
is_refusal(const char *text)
{
	const char *c;

	if ((text[0] != '4' && text[0] != '5') || !ascii_is_digit(text[1]) || !ascii_is_digit(text[2]) ||
	    text[3] != ' ')
		return false;
	for (c = text + 4; *c != '\0'; c++)
		if (!ascii_is_printable(*c))
			return false;
	return c != text + 4;
}

void
config_build_filter_verdict(struct config_build *build, enum config_verdict verdict, const struct config_token *word,
    const struct config_token *text)
{
	struct config_filter *filter = build->filter;

	filter->verdict = verdict;
	filter->text = text == NULL ? NULL : text->text;
	if ((verdict == CONFIG_VERDICT_REJECT || verdict == CONFIG_VERDICT_DISCONNECT) && !is_refusal(text->text))
		config_error(&build->errors, &text->place, "%s \"%.64s\": expected 4xx or 5xx, a blank and a text",
		    word->text, text->text);
	if (filter->phase == CONFIG_PHASE_COMMIT &&
	    (verdict == CONFIG_VERDICT_JUNK || verdict == CONFIG_VERDICT_BYPASS))
		config_error(&build->errors, &word->place, "filter %.64s: \"%s\" may not be used in phase commit",
		    filter->name, word->text);
}
