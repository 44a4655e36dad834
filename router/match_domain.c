/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "router/match.h"

struct matcher {
	const struct entries *entries;
	bool all; /* has "*" */
	struct match_list patterns;
};

static bool
is_domain_byte(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || strchr("-_.*[]:", c) != NULL || (unsigned char)c >= 0x80;
}

static bool
is_domain_pattern(struct str key)
{
	size_t i;

	for (i = 0; i < key.len; i++)
		if (key.ptr[i] == '\0' || !is_domain_byte(key.ptr[i]))
			return false;
	return true;
}

/* "*.name" is found by the index, as it is written. */
static bool
is_indexed(struct str key)
{
	if (key.len > 2 && key.ptr[0] == '*' && key.ptr[1] == '.') {
		key.ptr++;
		key.len--;
	}
	return memchr(key.ptr, '*', key.len) == NULL;
}

static void
domain_free(void *matcher)
{
	struct matcher *m = matcher;

	if (m == NULL)
		return;
	free(m->patterns.entries);
	free(m);
}

static bool
look_at(struct matcher *m, size_t i, struct error *err)
{
	struct str key = entries_key(m->entries, i);

	if (!is_domain_pattern(key))
		return entries_error(m->entries, i, err, "expected a domain, with \"*\" for a part of it");
	if (str_equal(key, S("*")))
		m->all = true;
	else if (!is_indexed(key))
		return match_list_add(&m->patterns, m->entries, i, err);
	return true;
}

static void *
domain_make(const struct entries *entries, struct error *err)
{
	struct matcher *m = calloc(1, sizeof(*m));
	size_t i;

	if (m == NULL) {
		error_set(err, ERROR_TEMPORARY, "%s: out of memory", entries->file);
		return NULL;
	}
	m->entries = entries;
	for (i = 0; i < entries->count; i++) {
		if (!look_at(m, i, err)) {
			domain_free(m);
			return NULL;
		}
	}
	return m;
}

static bool
has_parent(const struct matcher *m, struct str domain)
{
	char name[ADDRESS_DOMAIN_MAX + 2] = "*";
	struct str label, parent;

	if (!str_cut(domain, '.', &label, &parent) || parent.len + 2 > sizeof(name))
		return false;
	memcpy(name + 1, parent.ptr - 1, parent.len + 1);
	return entries_find(m->entries, (struct str){ name, parent.len + 2 }) != ENTRIES_NONE;
}

static bool
domain_has(const void *matcher, const struct table_key *key)
{
	const struct matcher *m = matcher;
	size_t i;

	if (m->all || entries_find(m->entries, key->text) != ENTRIES_NONE || has_parent(m, key->text))
		return true;
	for (i = 0; i < m->patterns.count; i++)
		if (match_wildcard(entries_key(m->entries, m->patterns.entries[i]), key->text))
			return true;
	return false;
}

const struct match_kind match_domain = { domain_make, domain_has, domain_free };
