/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <string.h>

#include "common/config_build.h"
#include "common/config_text.h"
#include "common/config_url.h"
#include "common/log.h"

/* --- the declaration --- */

void
config_build_action(struct config_build *build, const struct config_token *word, const struct config_token *name)
{
	struct config_action *action = config_build_alloc(build, sizeof(*action));
	const struct config_action *old = config_build_find_action(build, name->text);

	(void)word;
	if (old != NULL)
		config_error(&build->errors, &name->place,
		    "action already declared with that name: %.64s, in %s, line %u", name->text, old->place.file,
		    old->place.line);
	action->place = name->place;
	action->name = name->text;
	STAILQ_INIT(&action->filters);
	build->action = action;
	build->action_ttl_given = false;
}

void
config_build_method(struct config_build *build, const struct config_token *word, enum config_method method,
    const struct config_token *argument)
{
	build->action->method = method;
	build->action->argument = argument == NULL ? NULL : argument->text;
	if (argument == NULL)
		return;
	if (argument->text[0] == '\0')
		config_error(&build->errors, &argument->place, "%s: empty", word->text);
	else if (method != CONFIG_METHOD_LMTP)
		config_build_check_format(build, argument, false);
}

void
config_build_maildir(struct config_build *build, const struct config_token *path, bool junk)
{
	static const struct config_token word = { .text = "maildir" };

	config_build_method(build, &word, CONFIG_METHOD_MAILDIR, path);
	build->action->junk = junk;
}

void
config_build_maildir_order(struct config_build *build, const struct config_token *junk, const struct config_token *path)
{
	config_error(&build->errors, &junk->place, "junk comes after the path: maildir \"%.64s\" junk", path->text);
	config_build_maildir(build, path, true);
}

/* --- options --- */

/* An option with a string or a table: which member it sets, and what its table must be. */
struct option {
	const char *word;
	size_t offset;
	enum config_use use; /* of a table */
};

#define MEMBER(name) offsetof(struct config_action, name)

static const struct option texts[] = {
	{ "user", MEMBER(user), CONFIG_USE_ANY },
	{ "wrapper", MEMBER(wrapper), CONFIG_USE_ANY },
	{ "helo", MEMBER(helo), CONFIG_USE_ANY },
	{ "mail-from", MEMBER(mail_from), CONFIG_USE_ANY },
	{ "pki", MEMBER(pki), CONFIG_USE_ANY },
	{ "ca", MEMBER(ca), CONFIG_USE_ANY },
	{ "ciphers", MEMBER(ciphers), CONFIG_USE_ANY },
	{ "protocols", MEMBER(protocols), CONFIG_USE_ANY },
};

static const struct option tables[] = {
	{ "alias", MEMBER(alias), CONFIG_USE_MAPPING },
	{ "virtual", MEMBER(virtual), CONFIG_USE_MAPPING },
	{ "userbase", MEMBER(userbase), CONFIG_USE_MAPPING },
	{ "host", MEMBER(host), CONFIG_USE_LIST },
	{ "domain", MEMBER(domain), CONFIG_USE_MAPPING },
	{ "auth", MEMBER(auth), CONFIG_USE_MAPPING },
	{ "helo-src", MEMBER(helo_src), CONFIG_USE_MAPPING },
	{ "src", MEMBER(src), CONFIG_USE_ANY },
};

static const struct option *
find_option(const struct option *options, size_t count, const char *word)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(options[i].word, word) == 0)
			return &options[i];
	fatal("\"%s\" is an option of the grammar and in no table", word);
}

static void
twice(struct config_build *build, const struct config_token *word)
{
	config_error(
	    &build->errors, &word->place, "%s already specified for action \"%.64s\"", word->text, build->action->name);
}

/* The original refuses it as a syntax error, and what is written for it has to go on to be true for us. */
static void
check_ttl_last(struct config_build *build, const struct config_token *word)
{
	if (build->action_ttl_given)
		config_error(
		    &build->errors, &word->place, "%s after ttl: ttl must be the last option of an action", word->text);
}

static void
exclude(struct config_build *build, const struct config_token *word, bool other_given, const char *other)
{
	if (other_given)
		config_error(&build->errors, &word->place, "%s and %s are mutually exclusive", word->text, other);
}

static bool
is_mail_from(const char *text)
{
	const char *at = strchr(text, '@');

	return strchr(text, ' ') == NULL && text[0] != '\0' && strcmp(text, "@") != 0 &&
	    (at == NULL || (at[1] != '\0' && strchr(at + 1, '@') == NULL));
}

static void
check_text(struct config_build *build, const struct config_token *word, const struct config_token *text)
{
	const struct config_action *action = build->action;

	if (strcmp(word->text, "pki") == 0)
		config_build_check_pki(build, text);
	else if (strcmp(word->text, "ca") == 0)
		config_build_check_ca(build, text);
	else if (strcmp(word->text, "protocols") == 0)
		config_build_check_protocols(build, text);
	else if (strcmp(word->text, "helo") == 0)
		exclude(build, word, action->helo_src != NULL, "helo-src");
	else if (strcmp(word->text, "mail-from") == 0 && !is_mail_from(text->text))
		config_error(&build->errors, &text->place, "mail-from \"%.64s\": expected user@domain, user or @domain",
		    text->text);
	else if (strcmp(word->text, "wrapper") == 0 && config_build_find_wrapper(build, text->text) == NULL &&
	    !config_build_is_echo(build, CONFIG_NAMES_WRAPPER, text->text))
		config_error(&build->errors, &text->place, "no such mda wrapper: %.64s, expected one declared above",
		    text->text);
	else if (strcmp(word->text, "user") == 0 && action->method != CONFIG_METHOD_MAILDIR &&
	    action->method != CONFIG_METHOD_LMTP && action->method != CONFIG_METHOD_MDA)
		config_error(&build->errors, &word->place,
		    "user may not be specified for this method, only for maildir, lmtp and mda");
}

void
config_build_action_text(struct config_build *build, const struct config_token *word, const struct config_token *text)
{
	const struct option *option = find_option(texts, sizeof(texts) / sizeof(texts[0]), word->text);
	const char **member = (const char **)((char *)build->action + option->offset);

	check_ttl_last(build, word);
	if (*member != NULL) {
		twice(build, word);
		return;
	}
	if (text->text[0] == '\0')
		config_error(&build->errors, &text->place, "%s: empty", word->text);
	else
		check_text(build, word, text);
	*member = text->text;
}

static void
check_table(struct config_build *build, const struct config_token *word)
{
	const struct config_action *action = build->action;

	if (strcmp(word->text, "alias") == 0)
		exclude(build, word, action->virtual != NULL, "virtual");
	else if (strcmp(word->text, "virtual") == 0)
		exclude(build, word, action->alias != NULL, "alias");
	else if (strcmp(word->text, "helo-src") == 0)
		exclude(build, word, action->helo != NULL, "helo");
	else if (strcmp(word->text, "host") == 0) {
		exclude(build, word, action->domain != NULL, "domain");
		exclude(build, word, action->backup, "backup");
	} else if (strcmp(word->text, "domain") == 0) {
		exclude(build, word, action->host != NULL, "host");
		exclude(build, word, action->backup, "backup");
	} else if (strcmp(word->text, "auth") == 0 && action->host == NULL && action->domain == NULL)
		config_error(
		    &build->errors, &word->place, "auth may not be specified without host or domain before it");
}

void
config_build_action_table(struct config_build *build, const struct config_token *word, struct config_table *table)
{
	const struct option *option = find_option(tables, sizeof(tables) / sizeof(tables[0]), word->text);
	struct config_table **member = (struct config_table **)((char *)build->action + option->offset);

	check_ttl_last(build, word);
	if (*member != NULL) {
		twice(build, word);
		return;
	}
	check_table(build, word);
	config_build_check_use(build, table, option->use, word->text, &word->place);
	*member = table;
}

void
config_build_action_ttl(struct config_build *build, const struct config_token *word, const struct config_token *delay)
{
	if (build->action_ttl_given)
		twice(build, word);
	build->action_ttl_given = true;
	config_build_delay(build, delay, &build->action->ttl_s);
}

void
config_build_action_backup(struct config_build *build, const struct config_token *word, const struct config_token *mx)
{
	struct config_action *action = build->action;

	check_ttl_last(build, word);
	if (action->backup)
		twice(build, word);
	exclude(build, word, action->host != NULL, "host");
	exclude(build, word, action->domain != NULL, "domain");
	action->backup = true;
	action->backup_mx = mx == NULL ? NULL : mx->text;
}

void
config_build_action_tls(struct config_build *build, const struct config_token *word, bool no_verify)
{
	check_ttl_last(build, word);
	if (build->action->tls)
		twice(build, word);
	build->action->tls = true;
	build->action->tls_no_verify = no_verify;
}

void
config_build_action_srs(struct config_build *build, const struct config_token *word)
{
	check_ttl_last(build, word);
	if (build->action->srs)
		twice(build, word);
	if (build->config->srs_key == NULL && !build->include_failed)
		config_error(&build->errors, &word->place,
		    "an srs key is required for srs to be specified in an action, above it");
	build->action->srs = true;
}

void
config_build_action_filter(struct config_build *build, const struct config_token *word)
{
	check_ttl_last(build, word);
	if (!STAILQ_EMPTY(&build->action->filters))
		twice(build, word);
	build->names = &build->action->filters;
}

/* --- relay URLs that stand in the text --- */

static void
check_url(struct config_build *build, const char *text, const struct config_place *place)
{
	const struct config_action *action = build->action;
	struct config_url url;
	struct error err;

	/* Loads in the original and is never delivered; refused by config_check_supported. */
	if (config_url_current_spelling(str_of(text)) != NULL)
		return;
	if (!config_url_parse(str_of(text), &url, &err)) {
		config_error(&build->errors, place, "%s", err.text);
		return;
	}
	if (action->tls && (url.scheme == CONFIG_SMTP_NOTLS || url.scheme == CONFIG_LMTP))
		config_error(
		    &build->errors, place, "TLS required for relaying, but not possible with \"%.128s\"", text);
	if (url.label[0] != '\0' && url.scheme == CONFIG_SMTP && !action->tls)
		config_error(&build->errors, place, "\"%.128s\": a label needs TLS, write smtp+tls://%.128s", text,
		    config_url_without_scheme(text));
	if (url.label[0] != '\0' && action->auth == NULL)
		config_error(&build->errors, place, "\"%.128s\": a label needs auth, the table to look it up in", text);
}

static void
check_urls(struct config_build *build, const struct config_table *table)
{
	const struct config_entry *entry;

	if (table == NULL)
		return;
	STAILQ_FOREACH (entry, &table->entries, next)
		check_url(build, entry->value == NULL ? entry->key : entry->value, &entry->place);
}

void
config_build_action_end(struct config_build *build)
{
	struct config_action *action = build->action;

	check_urls(build, action->host);
	check_urls(build, action->domain);
	if (build->actions_count == CONFIG_ACTIONS_MAX)
		config_error(&build->errors, &action->place, "more than %d actions", CONFIG_ACTIONS_MAX);
	action->index = build->actions_count++;
	STAILQ_INSERT_TAIL(&build->config->actions, action, next);
}
