/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/config_build.h"
#include "common/config_text.h"

void
config_build_entries_begin(struct config_build *build, const struct config_token *brace)
{
	STAILQ_INIT(&build->entries);
	build->entries_count = 0;
	build->braces = brace->place;
}

/* "a: b" looks like a mapping and is a list. */
static bool
looks_like_mapping(const struct config_token *key)
{
	const char *colon = strchr(key->text, ':');

	return !key->quoted && colon != NULL && colon[1] == '\0';
}

void
config_build_entry(struct config_build *build, const struct config_token *key, const struct config_token *value)
{
	struct config_entry *entry = config_build_alloc(build, sizeof(*entry));

	if (value == NULL && looks_like_mapping(key))
		config_warning(&build->errors, &key->place,
		    "\"%.64s\" is an element of a list of strings: a mapping is written key = value", key->text);
	entry->key = key->text;
	entry->value = value == NULL ? NULL : value->text;
	entry->place = key->place;
	STAILQ_INSERT_TAIL(&build->entries, entry, next);
	build->entries_count++;
}

static struct config_table *
add_table(struct config_build *build, const char *name, const struct config_place *place)
{
	struct config_table *table = config_build_alloc(build, sizeof(*table));

	if (build->tables_count == CONFIG_TABLES_MAX)
		config_error(&build->errors, place, "more than %d tables, those in rules and actions counted",
		    CONFIG_TABLES_MAX);
	table->name = name;
	table->place = *place;
	table->index = build->tables_count++;
	STAILQ_INIT(&table->entries);
	STAILQ_INSERT_TAIL(&build->config->tables, table, next);
	return table;
}

static struct config_table *
find_table(const struct config_build *build, const char *name)
{
	struct config_table *table;

	STAILQ_FOREACH (table, &build->config->tables, next)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

static bool
is_builtin(const char *name)
{
	static const char *const names[] = { "<localnames>", "<localhost>", "<anyhost>", "<anydestination>",
		"<getpwnam>" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* What stands for a table that was used and not declared: the use was reported. */
static bool
is_missing(const struct config_table *table)
{
	return table->backend == CONFIG_TABLE_BUILTIN && !is_builtin(table->name);
}

/* A declared table; a second one of the name is reported, and is there all the same for the rest of the statement. */
static struct config_table *
declare_table(struct config_build *build, const struct config_token *name)
{
	const struct config_table *old = find_table(build, name->text);

	if (old != NULL && !is_missing(old))
		config_error(&build->errors, &name->place, "table \"%.64s\" already defined in %s, line %u", name->text,
		    old->place.file, old->place.line);
	else if (name->text[0] == '<')
		config_error(&build->errors, &name->place,
		    "table \"%.64s\": names in \"<>\" are those of built-in tables", name->text);
	return add_table(build, name->text, &name->place);
}

/* --- back ends --- */

static bool
is_backend_name(struct str name)
{
	size_t i;

	for (i = 0; i < name.len; i++)
		if (!ascii_is_alpha(name.ptr[i]) && !ascii_is_digit(name.ptr[i]) && name.ptr[i] != '-' &&
		    name.ptr[i] != '_')
			return false;
	return name.len > 0;
}

static bool
set_backend(struct config_build *build, struct config_table *table, struct str backend, const char *path)
{
	table->path = path;
	if (str_equal(backend, S("file")) || str_equal(backend, S("db"))) {
		table->backend = str_equal(backend, S("file")) ? CONFIG_TABLE_FILE : CONFIG_TABLE_DB;
		return path != NULL;
	}
	table->backend = CONFIG_TABLE_PROGRAM;
	table->program = config_arena_copy(build->arena, backend);
	return is_backend_name(backend);
}

void
config_build_table_backend(
    struct config_build *build, const struct config_token *name, const struct config_token *backend)
{
	struct config_table *table = declare_table(build, name);
	struct str kind, path;
	bool ok;

	if (backend->text[0] == '/') {
		set_backend(build, table, S("file"), backend->text);
		return;
	}
	if (str_cut(str_of(backend->text), ':', &kind, &path))
		ok = set_backend(build, table, kind, path.ptr) && path.len > 0 && path.ptr[0] == '/';
	else
		ok = set_backend(build, table, kind, NULL);
	if (!ok)
		config_error(&build->errors, &backend->place,
		    "invalid backend parameter for table: %.64s: \"%.64s\", expected \"/path\", file:/path, db:/path or PROGRAM:/path",
		    name->text, backend->text);
}

/* --- contents in the text --- */

static void
take_entries(struct config_build *build, struct config_table *table)
{
	const struct config_entry *first = STAILQ_FIRST(&build->entries);

	if (first == NULL && config_text_is_blanked(build->text)) {
		table->backend = CONFIG_TABLE_BLANKED;
		return;
	}
	if (first == NULL)
		config_error(&build->errors, &build->braces, "empty braces, expected at least one string");
	table->backend = first != NULL && first->value != NULL ? CONFIG_TABLE_MAPPING : CONFIG_TABLE_LIST;
	table->entries_count = build->entries_count;
	STAILQ_CONCAT(&table->entries, &build->entries);
}

void
config_build_table_inline(struct config_build *build, const struct config_token *name)
{
	take_entries(build, declare_table(build, name));
}

static struct config_table *
add_anonymous(struct config_build *build, const struct config_place *place)
{
	const char *name = config_arena_printf(build->arena, "<anonymous:%zu>", build->tables_count);
	struct config_table *table = add_table(build, name, place);

	table->anonymous = true;
	return table;
}

struct config_table *
config_build_table_anonymous(struct config_build *build)
{
	struct config_table *table = add_anonymous(build, &build->braces);

	take_entries(build, table);
	return table;
}

struct config_table *
config_build_table_string(struct config_build *build, const struct config_token *text)
{
	struct config_table *table = add_anonymous(build, &text->place);
	struct config_entry *entry = config_build_alloc(build, sizeof(*entry));

	entry->key = text->text;
	entry->place = text->place;
	table->backend = CONFIG_TABLE_LIST;
	table->entries_count = 1;
	STAILQ_INSERT_TAIL(&table->entries, entry, next);
	return table;
}

struct config_table *
config_build_table_named(struct config_build *build, const struct config_token *name)
{
	struct config_table *table = find_table(build, name->text);

	if (table != NULL)
		return table;
	table = add_table(build, name->text, &name->place);
	table->backend = CONFIG_TABLE_BUILTIN;
	if (is_missing(table) && !config_build_is_echo(build, CONFIG_NAMES_TABLE, name->text))
		config_error(
		    &build->errors, &name->place, "no such table: %.64s, expected one declared above", name->text);
	return table;
}

/* --- uses --- */

static bool
fits(const struct config_table *table, enum config_use use)
{
	switch (table->backend) {
	case CONFIG_TABLE_LIST: return use != CONFIG_USE_MAPPING;
	case CONFIG_TABLE_MAPPING: return use != CONFIG_USE_LIST;
	case CONFIG_TABLE_BUILTIN: return (strcmp(table->name, "<getpwnam>") == 0) == (use == CONFIG_USE_MAPPING);
	case CONFIG_TABLE_BLANKED:
	case CONFIG_TABLE_FILE:
	case CONFIG_TABLE_DB:
	case CONFIG_TABLE_PROGRAM: return true;
	}
	return true;
}

void
config_build_check_use(struct config_build *build, const struct config_table *table, enum config_use use,
    const char *what, const struct config_place *place)
{
	if (table == NULL || is_missing(table) || fits(table, use))
		return;
	config_error(&build->errors, place, "table \"%.64s\" may not be used for %s lookups: expected a %s",
	    table->name, what, use == CONFIG_USE_MAPPING ? "mapping" : "list");
}
