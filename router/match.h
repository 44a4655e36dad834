/* SPDX-License-Identifier: ISC */
/*
 * How the entries of a table are compared with what comes in: one kind for each way. A kind looks at the entries once,
 * when the table is opened, refuses what could never match, and makes what it needs so that a question costs a few steps
 * of an index; what no index can find is tried in the order of the file, behind all that is exact.
 */
#ifndef ROUTER_MATCH_H
#define ROUTER_MATCH_H

#include <stdbool.h>

#include "common/error.h"
#include "common/str.h"
#include "router/entries.h"
#include "router/netaddr.h"

/* What is asked for, in the forms that the kinds need; built once for a question. */
struct table_key {
	struct str text;               /* string, domain, regex */
	struct str local, domain;      /* mailaddr */
	char delimiter;                /* mailaddr: of a sub-address */
	bool null;                     /* mailaddr: the null reverse-path */
	const struct netaddr *address; /* netaddr */
};

struct match_kind {
	/* Returns fresh; NULL with err set: FILE:LINE and what was expected. Keeps a view of the entries. */
	void *(*make)(const struct entries *entries, struct error *err);
	bool (*has)(const void *matcher, const struct table_key *key);
	void (*free)(void *matcher);
};

extern const struct match_kind match_string;   /* equal, but for case */
extern const struct match_kind match_domain;   /* "example.org", "*.example.org" */
extern const struct match_kind match_netaddr;  /* addresses and networks */
extern const struct match_kind match_mailaddr; /* "user@domain", "@domain", "user", "@" */
extern const struct match_kind match_regex;    /* regular expressions */

/*
 * Whether text matches pattern, in which "*" stands for any run of bytes up to the first one that is as the byte behind the
 * "*": it is never tried again further on, so "*.example.org" takes one label.
 */
bool match_wildcard(struct str pattern, struct str text);

/* Entries that have to be tried one after the other. */
struct match_list {
	size_t *entries;
	size_t count;
};

/* Adds entry number i. Returns false and sets err when there are too many, or no memory. */
bool match_list_add(struct match_list *list, const struct entries *entries, size_t i, struct error *err);

#endif
