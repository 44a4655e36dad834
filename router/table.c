/* SPDX-License-Identifier: ISC */
#include "router/table.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "router/limits.h"
#include "router/names.h"
#include "router/table_file.h"
#include "router/table_value.h"

struct table {
	const struct config_table *config;
	bool loaded;
	struct str text;              /* of a file, or of the entries of the configuration; its bytes are owned */
	struct entries list, mapping; /* the contents in either form; slots NULL: not made */
	void *matchers[TABLE_SERVICE_COUNT];
	bool ready[TABLE_SERVICE_COUNT];
	const struct entries *used[TABLE_SERVICE_COUNT];
};

struct tables {
	const struct config *config;
	const struct names *names;
	struct table *list; /* by index of the configuration, then <localnames> */
	size_t count;
	struct config_table localnames;
};

static void *
aliases_make(const struct entries *entries, struct error *err)
{
	return alias_table_new(entries, err);
}

static void
aliases_free(void *aliases)
{
	alias_table_free(aliases);
}

static const struct match_kind aliases = { aliases_make, NULL, aliases_free };

static const struct {
	const char *name;
	enum table_form form; /* in which a file is read */
	bool list, mapping;   /* of the configuration: what is taken */
	const struct match_kind *kind;
	bool (*check)(const struct entries *entries, struct error *err); /* where there is no kind */
} services[] = {
	[TABLE_STRING] = { "string", TABLE_FORM_LIST, true, false, &match_string, NULL },
	[TABLE_DOMAIN] = { "domain", TABLE_FORM_LIST, true, false, &match_domain, NULL },
	[TABLE_NETADDR] = { "address", TABLE_FORM_LIST, true, false, &match_netaddr, NULL },
	[TABLE_MAILADDR] = { "mail address", TABLE_FORM_EITHER, true, true, &match_mailaddr, NULL },
	[TABLE_REGEX] = { "regex", TABLE_FORM_LIST, true, true, &match_regex, NULL },
	[TABLE_ALIAS] = { "alias", TABLE_FORM_MAPPING, false, true, &aliases, NULL },
	[TABLE_USERINFO] = { "userbase", TABLE_FORM_MAPPING, false, true, NULL, table_value_check_users },
	[TABLE_HOSTS] = { "host", TABLE_FORM_LIST, true, false, NULL, table_value_check_hosts },
};

struct tables *
tables_new(const struct config *config, const struct names *names)
{
	struct tables *tables = calloc(1, sizeof(*tables));
	const struct config_table *t;

	if (tables == NULL)
		fatal("out of memory");
	tables->config = config;
	tables->names = names;
	STAILQ_FOREACH (t, &config->tables, next)
		if (t->index >= tables->count)
			tables->count = t->index + 1;
	tables->localnames = (struct config_table){ .name = "<localnames>",
		.backend = CONFIG_TABLE_BUILTIN,
		.index = tables->count++,
		.place.file = "built in" };
	tables->list = calloc(tables->count, sizeof(*tables->list));
	if (tables->list == NULL)
		fatal("out of memory");
	return tables;
}

void
tables_free(struct tables *tables)
{
	size_t i, service;

	if (tables == NULL)
		return;
	for (i = 0; i < tables->count; i++) {
		struct table *t = &tables->list[i];
		for (service = 0; service < TABLE_SERVICE_COUNT; service++)
			if (t->matchers[service] != NULL)
				services[service].kind->free(t->matchers[service]);
		entries_clear(&t->list);
		entries_clear(&t->mapping);
		free((void *)(uintptr_t)t->text.ptr);
	}
	free(tables->list);
	free(tables);
}

/* --- the contents --- */

static void
warn_of_repetition(const struct entries *e)
{
	if (e->replaced > 0)
		log_warning("table", log_text(LOG_FIELD_file, e->file), log_u64(LOG_FIELD_count, e->replaced),
		    log_text(LOG_FIELD_reason, "keys stand there more than once: the last one counts"));
}

/* A list of repeated elements loses nothing; a mapping that has two values for a key does. */
static bool
finish(struct entries *e, bool mapping, struct error *err)
{
	if (!entries_index(e, err))
		return false;
	if (mapping)
		warn_of_repetition(e);
	return true;
}

/* The entries of the configuration, copied into one text: the form that entries are in. */
static bool
load_inline(struct table *t, bool mapping, struct error *err)
{
	struct entries *e = mapping ? &t->mapping : &t->list;
	const struct config_entry *entry;
	size_t len = 0, at = 0;
	char *text;

	STAILQ_FOREACH (entry, &t->config->entries, next)
		len += strlen(entry->key) + (entry->value != NULL ? strlen(entry->value) : 0);
	text = calloc(1, len + 1);
	if (text == NULL)
		return error_set(err, ERROR_TEMPORARY, "out of memory");
	t->text = (struct str){ text, len };
	entries_init(e, t->config->place.file, text);
	STAILQ_FOREACH (entry, &t->config->entries, next) {
		struct str key = { text + at, strlen(entry->key) }, value = { NULL, 0 };
		memcpy(text + at, entry->key, key.len);
		at += key.len;
		if (entry->value != NULL) {
			value = (struct str){ text + at, strlen(entry->value) };
			memcpy(text + at, entry->value, value.len);
			at += value.len;
		}
		if (!entries_add(e, key, value, entry->place.line, err))
			return false;
	}
	return finish(e, mapping, err);
}

static bool
load_builtin(struct tables *tables, struct table *t, struct error *err)
{
	char *text = names_table(tables->names, t->config->name);
	enum table_form form;

	if (text == NULL)
		return error_set(err, ERROR_PERMANENT, "table \"%s\" cannot be used here", t->config->name);
	t->text = str_of(text);
	entries_init(&t->list, t->config->name, text);
	return table_file_entries(t->text, TABLE_FORM_LIST, &t->list, &form, err) && finish(&t->list, false, err);
}

/* A file may be used as a list in one place and as a mapping in another: it is read once, and taken apart for each. */
static bool
load_file(struct table *t, enum table_form form, struct entries **out, struct error *err)
{
	struct entries e;
	enum table_form found;

	if (t->text.ptr == NULL && !table_file_read(t->config->path, TABLE_FILE_MAX, &t->text, err))
		return false;
	if (form == TABLE_FORM_LIST && t->list.slots != NULL)
		return true;
	if (form == TABLE_FORM_MAPPING && t->mapping.slots != NULL)
		return true;
	entries_init(&e, t->config->path, t->text.ptr);
	if (!table_file_entries(t->text, form, &e, &found, err)) {
		entries_clear(&e);
		return false;
	}
	if (form == TABLE_FORM_EITHER)
		form = found == TABLE_FORM_MAPPING ? TABLE_FORM_MAPPING : TABLE_FORM_LIST;
	*out = form == TABLE_FORM_MAPPING ? &t->mapping : &t->list;
	if ((*out)->slots != NULL) {
		entries_clear(&e);
		return true;
	}
	**out = e;
	return finish(*out, form == TABLE_FORM_MAPPING, err);
}

static bool
refuse_form(const struct table *t, enum table_service service, struct error *err)
{
	return error_set(err, ERROR_PERMANENT, "table \"%s\" is a %s, and may not be used for %s lookups",
	    t->config->name, t->config->backend == CONFIG_TABLE_LIST ? "list" : "mapping", services[service].name);
}

/* Sets *out to the contents in the form that the service needs. */
static bool
load(struct tables *tables, struct table *t, enum table_service service, struct entries **out, struct error *err)
{
	bool list = services[service].list, mapping = services[service].mapping;

	*out = services[service].form == TABLE_FORM_MAPPING ? &t->mapping : &t->list;
	switch (t->config->backend) {
	case CONFIG_TABLE_LIST:
		if (!list && t->config->entries_count > 0)
			return refuse_form(t, service, err);
		return t->text.ptr != NULL || load_inline(t, false, err);
	case CONFIG_TABLE_MAPPING:
		if (!mapping)
			return refuse_form(t, service, err);
		*out = &t->mapping;
		return t->text.ptr != NULL || load_inline(t, true, err);
	case CONFIG_TABLE_FILE: return load_file(t, services[service].form, out, err);
	case CONFIG_TABLE_BUILTIN:
		if (!list)
			return refuse_form(t, service, err);
		*out = &t->list;
		return t->text.ptr != NULL || load_builtin(tables, t, err);
	case CONFIG_TABLE_BLANKED: return error_set(err, ERROR_TEMPORARY, "its contents are not there");
	case CONFIG_TABLE_DB: return error_set(err, ERROR_PERMANENT, "not supported yet: db tables");
	case CONFIG_TABLE_PROGRAM: return error_set(err, ERROR_PERMANENT, "not supported yet: table programs");
	}
	return false;
}

static bool
prepare(struct tables *tables, struct table *t, enum table_service service, struct error *err)
{
	struct entries *entries;

	if (!load(tables, t, service, &entries, err))
		return false;
	t->used[service] = entries;
	if (services[service].check != NULL)
		return services[service].check(entries, err);
	t->matchers[service] = services[service].kind->make(entries, err);
	return t->matchers[service] != NULL;
}

const struct table *
table_open(struct tables *tables, const struct config_table *config, enum table_service service,
    const struct config_place *place, struct error *err)
{
	struct error why;
	struct table *t;

	invariant(config->index < tables->count);
	t = &tables->list[config->index];
	t->config = config;
	if (!t->ready[service] && !prepare(tables, t, service, &why)) {
		error_set(err, why.kind, "%s:%u:%u: table \"%s\": %s", place->file, place->line, place->column,
		    config->name, why.text);
		return NULL;
	}
	t->ready[service] = true;
	return t;
}

const struct table *
tables_localnames(struct tables *tables, struct error *err)
{
	return table_open(tables, &tables->localnames, TABLE_DOMAIN, &tables->localnames.place, err);
}

bool
table_is_system_users(const struct config_table *config)
{
	return config->backend == CONFIG_TABLE_BUILTIN && strcmp(config->name, "<getpwnam>") == 0;
}

/* --- questions --- */

bool
table_has(const struct table *table, enum table_service service, const struct table_key *key)
{
	return services[service].kind->has(table->matchers[service], key);
}

bool
table_find(const struct table *table, struct str key, struct str *value)
{
	size_t i = entries_find(&table->mapping, key);

	if (i == ENTRIES_NONE)
		return false;
	*value = entries_value(&table->mapping, i);
	return true;
}

const struct alias_table *
table_aliases(const struct table *table)
{
	return table->matchers[TABLE_ALIAS];
}

const struct entries *
table_list(const struct table *table)
{
	return table->used[TABLE_HOSTS];
}
