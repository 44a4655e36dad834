/* SPDX-License-Identifier: ISC */
#include "router/match.h"

#include <stdlib.h>
#include <string.h>

#include "router/limits.h"

bool
match_wildcard(struct str pattern, struct str text)
{
	size_t p = 0, t = 0;

	while (p < pattern.len) {
		char want = ascii_lower(pattern.ptr[p]);
		if (want == '*') {
			if (++p == pattern.len)
				return true;
			want = ascii_lower(pattern.ptr[p]);
			while (want != '*' && t < text.len && ascii_lower(text.ptr[t]) != want)
				t++;
			continue;
		}
		if (t == text.len || ascii_lower(text.ptr[t]) != want)
			return false;
		p++;
		t++;
	}
	return t == text.len;
}

bool
match_list_add(struct match_list *list, const struct entries *entries, size_t i, struct error *err)
{
	size_t *grown;

	if (list->count == TABLE_PATTERNS_MAX)
		return entries_error(entries, i, err, "the table has more than 1000 such patterns");
	grown = reallocarray(list->entries, list->count + 1, sizeof(*grown));
	if (grown == NULL)
		return entries_error(entries, i, err, "out of memory");
	list->entries = grown;
	list->entries[list->count++] = i;
	return true;
}

/* --- strings: the index of the entries is all --- */

static void *
string_make(const struct entries *entries, struct error *err)
{
	const struct entries **m = malloc(sizeof(*m));

	if (m == NULL)
		error_set(err, ERROR_TEMPORARY, "%s: out of memory", entries->file);
	else
		*m = entries;
	return m;
}

static bool
string_has(const void *matcher, const struct table_key *key)
{
	const struct entries *const *m = matcher;

	return entries_find(*m, key->text) != ENTRIES_NONE;
}

const struct match_kind match_string = { string_make, string_has, free };
