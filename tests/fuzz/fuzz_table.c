/* SPDX-License-Identifier: ISC */
/*
 * Property: whatever stands in the file of a table, it is read or refused with a place; what is read is found by its own
 * key, in any case; and a question costs no memory and ends, with every kind of match. The first two bytes choose form and kind, the rest is the text of the
 * file, and behind a NUL what is asked for.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/match.h"
#include "router/table_file.h"
#include "router/table_value.h"

#define INPUT_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct match_kind *const kinds[] = { &match_string, &match_domain, &match_netaddr, &match_mailaddr,
	&match_regex };

static void
require(bool condition, const char *promise)
{
	if (condition)
		return;
	(void)fprintf(stderr, "broken: %s\n", promise);
	abort();
}

static struct table_key
key_of(struct str text, struct netaddr *room)
{
	struct table_key key = { .text = text, .delimiter = '+' };

	(void)str_cut_last(text, '@', &key.local, &key.domain);
	key.null = str_equal(text, S("@"));
	if (text.len > 0 && netaddr_parse(text, room))
		key.address = room;
	return key;
}

static void
check_keys(const struct entries *e)
{
	size_t i, found;

	for (i = 0; i < e->count; i++) {
		found = entries_find(e, entries_key(e, i));
		require(found != ENTRIES_NONE && found >= i, "a key is found, the last of equal ones");
		require(str_equal_nocase(entries_key(e, found), entries_key(e, i)), "by what is equal to it");
	}
}

static void
check_kind(const struct entries *e, const struct match_kind *kind, struct str asked)
{
	struct error err;
	struct netaddr room;
	struct table_key key;
	void *matcher = kind->make(e, &err);
	size_t i;

	if (matcher == NULL) {
		require(strncmp(err.text, "t:", 2) == 0, "a refusal has a place");
		return;
	}
	key = key_of(asked, &room);
	(void)kind->has(matcher, &key);
	for (i = 0; i < e->count; i++) {
		key = key_of(entries_key(e, i), &room);
		if (kind == &match_netaddr && key.address != NULL)
			require(kind->has(matcher, &key), "a network has itself");
		if (kind == &match_string || kind == &match_domain)
			require(kind->has(matcher, &key), "what is in a table is found in it");
	}
	kind->free(matcher);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text, asked;
	struct entries e;
	struct error err;
	enum table_form found;
	char *copy;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	(void)str_cut((struct str){ (const char *)data + 2, size - 2 }, '\0', &text, &asked);
	copy = malloc(text.len + 1); /* of just that size: a read behind it is seen */
	require(copy != NULL, "memory");
	memcpy(copy, text.ptr, text.len);
	text.ptr = copy;
	entries_init(&e, "t", copy);
	if (!table_file_entries(text, data[0] % 3, &e, &found, &err))
		require(strncmp(err.text, "t:", 2) == 0, "a refusal has a place");
	else if (entries_index(&e, &err)) {
		check_keys(&e);
		check_kind(&e, kinds[data[1] % 5], asked);
		(void)table_value_check_users(&e, &err);
		(void)table_value_check_hosts(&e, &err);
	}
	entries_clear(&e);
	free(copy);
	return 0;
}
