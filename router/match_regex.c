/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "router/limits.h"
#include "router/match.h"
#include "router/regex.h"

struct matcher {
	struct regex **list; /* in the order of the file */
	size_t count;
};

static void
regex_table_free(void *matcher)
{
	struct matcher *m = matcher;
	size_t i;

	if (m == NULL)
		return;
	for (i = 0; i < m->count; i++)
		regex_free(m->list[i]);
	free(m->list);
	free(m);
}

static bool
add(struct matcher *m, const struct entries *entries, size_t i, size_t *steps, struct error *err)
{
	struct error why;
	struct regex *r = regex_new(entries_key(entries, i), &why);

	if (r == NULL)
		return entries_error(entries, i, err, why.text);
	m->list[m->count++] = r;
	*steps += regex_steps(r);
	return *steps <= REGEX_TABLE_STEPS_MAX ||
	    entries_error(entries, i, err, "the regular expressions of the table are too large together");
}

static void *
regex_table_make(const struct entries *entries, struct error *err)
{
	struct matcher *m;
	size_t i, steps = 0;

	if (entries->count > TABLE_PATTERNS_MAX) {
		entries_error(entries, TABLE_PATTERNS_MAX, err, "the table has more than 1000 regular expressions");
		return NULL;
	}
	m = calloc(1, sizeof(*m));
	if (m != NULL)
		m->list = calloc(entries->count + 1, sizeof(*m->list));
	if (m == NULL || m->list == NULL) {
		error_set(err, ERROR_TEMPORARY, "%s: out of memory", entries->file);
		regex_table_free(m);
		return NULL;
	}
	for (i = 0; i < entries->count; i++) {
		if (!add(m, entries, i, &steps, err)) {
			regex_table_free(m);
			return NULL;
		}
	}
	return m;
}

static bool
regex_table_has(const void *matcher, const struct table_key *key)
{
	const struct matcher *m = matcher;
	size_t i;

	for (i = 0; i < m->count; i++)
		if (regex_match(m->list[i], key->text))
			return true;
	return false;
}

const struct match_kind match_regex = { regex_table_make, regex_table_has, regex_table_free };
