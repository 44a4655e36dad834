/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "router/match.h"

struct matcher {
	const struct entries *entries;
	bool all; /* has "@", which takes every address */
	struct match_list patterns;
};

#define PROBE_MAX (ADDRESS_LOCAL_MAX + ADDRESS_DOMAIN_MAX + 4)

static void
mailaddr_free(void *matcher)
{
	struct matcher *m = matcher;

	if (m == NULL)
		return;
	free(m->patterns.entries);
	free(m);
}

/* A domain that the probes of mailaddr_has find: without "*", "*.name", or "*". */
static bool
is_indexed(struct str domain)
{
	if (str_equal(domain, S("*")))
		return true;
	if (domain.len > 2 && domain.ptr[0] == '*' && domain.ptr[1] == '.') {
		domain.ptr++;
		domain.len--;
	}
	return domain.len == 0 || memchr(domain.ptr, '*', domain.len) == NULL;
}

static bool
look_at(struct matcher *m, size_t i, struct error *err)
{
	struct str key = entries_key(m->entries, i), local, domain;

	if (memchr(key.ptr, ' ', key.len) != NULL || memchr(key.ptr, '\t', key.len) != NULL)
		return entries_error(
		    m->entries, i, err, "expected user@domain, @domain or user, and nothing behind it");
	if (!str_cut_last(key, '@', &local, &domain))
		return true;
	if (key.len == 1)
		m->all = true;
	else if (domain.len == 0)
		return entries_error(m->entries, i, err, "expected a domain behind the \"@\"");
	else if (!is_indexed(domain))
		return match_list_add(&m->patterns, m->entries, i, err);
	return true;
}

static void *
mailaddr_make(const struct entries *entries, struct error *err)
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
			mailaddr_free(m);
			return NULL;
		}
	}
	return m;
}

/* Is there an entry local "@" mark domain? mark is "", or "*" for the domain's parent, whose dot domain begins with. */
static bool
probe(const struct matcher *m, struct str local, struct str mark, struct str domain)
{
	char text[PROBE_MAX];
	size_t len = 0;

	if (local.len + 1 + mark.len + domain.len > sizeof(text))
		return false;
	memcpy(text, local.ptr, local.len);
	len += local.len;
	text[len++] = '@';
	memcpy(text + len, mark.ptr, mark.len);
	len += mark.len;
	memcpy(text + len, domain.ptr, domain.len);
	return entries_find(m->entries, (struct str){ text, len + domain.len }) != ENTRIES_NONE;
}

/* With one form of the local part: "" for the entries without one. */
static bool
has_local(const struct matcher *m, struct str local, struct str domain)
{
	struct str parent = { NULL, 0 }, none = STR(""), star = STR("*");
	const char *dot = domain.len == 0 ? NULL : memchr(domain.ptr, '.', domain.len);

	if (dot != NULL)
		parent = (struct str){ dot, domain.len - (size_t)(dot - domain.ptr) };
	return probe(m, local, none, domain) || probe(m, local, star, none) ||
	    (dot != NULL && probe(m, local, star, parent));
}

static bool
has_pattern(const struct matcher *m, struct str local, struct str base, struct str domain)
{
	struct str want_local, want_domain;
	size_t i;

	for (i = 0; i < m->patterns.count; i++) {
		(void)str_cut_last(entries_key(m->entries, m->patterns.entries[i]), '@', &want_local, &want_domain);
		if (want_local.len > 0 && !str_equal_nocase(want_local, local) && !str_equal_nocase(want_local, base))
			continue;
		if (match_wildcard(want_domain, domain))
			return true;
	}
	return false;
}

/* An entry "user". A quoted local part may hold an "@": it must not be taken for an entry "user@domain". */
static bool
has_user(const struct matcher *m, struct str local)
{
	return memchr(local.ptr, '@', local.len) == NULL && entries_find(m->entries, local) != ENTRIES_NONE;
}

/* An entry with a sub-address takes that one only; one without takes them all. */
static bool
mailaddr_has(const void *matcher, const struct table_key *key)
{
	const struct matcher *m = matcher;
	struct str base = key->local, tag, none = STR("");

	if (key->null)
		return false;
	if (m->all)
		return true;
	(void)str_cut(key->local, key->delimiter, &base, &tag);
	if (has_local(m, key->local, key->domain) || has_user(m, key->local))
		return true;
	if (base.len > 0 && base.len != key->local.len && (has_local(m, base, key->domain) || has_user(m, base)))
		return true;
	return has_local(m, none, key->domain) || has_pattern(m, key->local, base, key->domain);
}

const struct match_kind match_mailaddr = { mailaddr_make, mailaddr_has, mailaddr_free };
