/* SPDX-License-Identifier: ISC */
#include "router/alias_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "router/alias.h"
#include "router/limits.h"
#include "router/table_file.h"

struct include {
	char *path;
	struct str text; /* its bytes are owned */
};

struct alias_table {
	const struct entries *entries;
	struct include *includes; /* sorted by path once all are read */
	size_t includes_count;
	size_t warnings;
};

void
alias_table_free(struct alias_table *t)
{
	size_t i;

	if (t == NULL)
		return;
	for (i = 0; i < t->includes_count; i++) {
		free(t->includes[i].path);
		free((void *)(uintptr_t)t->includes[i].text.ptr);
	}
	free(t->includes);
	free(t);
}

static void
warn(struct alias_table *t, const char *file, unsigned line, const char *why)
{
	char text[ERROR_TEXT_MAX + 1];

	if (t->warnings++ >= TABLE_WARNINGS_MAX)
		return;
	(void)snprintf(text, sizeof(text), "%s:%u: %s", file, line, why);
	log_warning("table", log_text(LOG_FIELD_error, text));
}

bool
alias_table_line(struct str *rest, struct str *line, unsigned *number)
{
	while (rest->len > 0) {
		(void)str_cut(*rest, '\n', line, rest);
		(*number)++;
		if (line->len > 0 && line->ptr[line->len - 1] == '\r')
			line->len--;
		*line = str_trim(*line);
		if (line->len > 0 && line->ptr[0] != '#')
			return true;
	}
	return false;
}

/* --- included files --- */

static struct include *
find_unsorted(const struct alias_table *t, struct str path)
{
	size_t i;

	for (i = 0; i < t->includes_count; i++)
		if (str_equal(str_of(t->includes[i].path), path))
			return &t->includes[i];
	return NULL;
}

static void
look_at_include(struct alias_table *t, const struct include *include)
{
	struct str rest = include->text, line;
	struct alias_reader reader;
	struct alias_element element;
	struct error err;
	enum alias_found found;
	unsigned number = 0;

	while (alias_table_line(&rest, &line, &number)) {
		alias_begin(&reader, line);
		while ((found = alias_read(&reader, &element, &err)) == ALIAS_ELEMENT)
			if (element.kind == ALIAS_INCLUDE)
				warn(t, include->path, number, "an included file includes no other: 451");
		if (found == ALIAS_BAD)
			warn(t, include->path, number, err.text);
	}
}

static bool
read_include(struct alias_table *t, size_t entry, struct str path, struct error *err)
{
	struct include include, *grown;
	struct error why;

	if (find_unsorted(t, path) != NULL)
		return true;
	if (t->includes_count == ALIAS_INCLUDES_MAX)
		return entries_error(t->entries, entry, err, "the table includes more than 1000 files");
	include.path = strndup(path.ptr, path.len);
	grown = reallocarray(t->includes, t->includes_count + 1, sizeof(*grown));
	if (grown != NULL)
		t->includes = grown;
	if (include.path == NULL || grown == NULL) {
		free(include.path);
		return entries_error(t->entries, entry, err, "out of memory");
	}
	if (!table_file_read(include.path, ALIAS_INCLUDE_MAX, &include.text, &why)) {
		free(include.path);
		return entries_error(t->entries, entry, err, why.text);
	}
	t->includes[t->includes_count++] = include;
	look_at_include(t, &include);
	return true;
}

static int
compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct include *)a)->path, ((const struct include *)b)->path);
}

/* --- entries --- */

static bool
look_at_element(struct alias_table *t, size_t entry, const struct alias_element *element, struct error *err)
{
	unsigned line = t->entries->list[entry].line;

	switch (element->kind) {
	case ALIAS_INCLUDE: return read_include(t, entry, element->text, err);
	case ALIAS_COMMAND: warn(t, t->entries->file, line, "commands in aliases are not supported yet: 451"); break;
	case ALIAS_FILE: warn(t, t->entries->file, line, "files in aliases are not supported yet: 451"); break;
	case ALIAS_USER:
	case ALIAS_ADDRESS:
	case ALIAS_ERROR: break;
	}
	return true;
}

static bool
look_at_entry(struct alias_table *t, size_t entry, struct error *err)
{
	struct alias_reader reader;
	struct alias_element element;
	struct error why;
	enum alias_found found;
	size_t count = 0;

	alias_begin(&reader, entries_value(t->entries, entry));
	while ((found = alias_read(&reader, &element, &why)) == ALIAS_ELEMENT) {
		if (!look_at_element(t, entry, &element, err))
			return false;
		count++;
	}
	if (found == ALIAS_BAD)
		warn(t, t->entries->file, t->entries->list[entry].line, why.text);
	else if (count == 0)
		warn(t, t->entries->file, t->entries->list[entry].line, "the alias names nobody");
	return true;
}

struct alias_table *
alias_table_new(const struct entries *entries, struct error *err)
{
	struct alias_table *t = calloc(1, sizeof(*t));
	size_t i;

	if (t == NULL) {
		error_set(err, ERROR_TEMPORARY, "%s: out of memory", entries->file);
		return NULL;
	}
	t->entries = entries;
	for (i = 0; i < entries->count; i++) {
		if (!look_at_entry(t, i, err)) {
			alias_table_free(t);
			return NULL;
		}
	}
	if (t->includes_count > 1)
		qsort(t->includes, t->includes_count, sizeof(*t->includes), compare_paths);
	if (t->warnings > TABLE_WARNINGS_MAX)
		log_warning("table", log_text(LOG_FIELD_file, entries->file),
		    log_u64(LOG_FIELD_count, t->warnings - TABLE_WARNINGS_MAX),
		    log_text(LOG_FIELD_reason, "more warnings of this kind"));
	return t;
}

bool
alias_table_find(const struct alias_table *t, struct str key, struct str *value)
{
	size_t i = entries_find(t->entries, key);

	if (i == ENTRIES_NONE)
		return false;
	*value = entries_value(t->entries, i);
	return true;
}

bool
alias_table_include(const struct alias_table *t, struct str path, struct str *text)
{
	char name[ALIAS_ELEMENT_MAX + 1];
	struct include key = { .path = name }, *found;

	if (!str_copy(path, name, sizeof(name)) || t->includes_count == 0)
		return false;
	found = bsearch(&key, t->includes, t->includes_count, sizeof(*t->includes), compare_paths);
	if (found == NULL)
		return false;
	*text = found->text;
	return true;
}
