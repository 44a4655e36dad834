/* SPDX-License-Identifier: ISC */
/*
 * Property: what is read as a path is written so that it is read back to the same address; what is written holds only
 * bytes that may stand on the wire; a prefix of a path is refused, or is a path itself and has the property too.
 * The first byte of the input are the rules.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"

#define INPUT_MAX 1024 /* bytes; prefixes make the work its square */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *promise)
{
	if (condition)
		return;
	(void)fprintf(stderr, "broken: %s\n", promise);
	abort();
}

static void
check_bytes(struct str s, const struct address *a)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		require(ascii_is_printable(s.ptr[i]) || (a->utf8 && (uint8_t)s.ptr[i] >= 0x80), "only printable bytes");
	require(strlen(s.ptr) == s.len && s.len <= ADDRESS_MAX, "the length returned is that of the text");
}

static void
check_address(const struct address *a, unsigned rules)
{
	char text[ADDRESS_MAX + 1], bracketed[ADDRESS_MAX + 3];
	struct address again;
	struct str s, rest;

	s = (struct str){ text, address_format(a, text) };
	check_bytes(s, a);
	require(address_parse(s, rules, &again, NULL), "what is written is read");
	require(memcmp(a, &again, sizeof(again)) == 0 && address_equal(a, &again), "what is read back is the same");
	(void)snprintf(bracketed, sizeof(bracketed), "<%s>", text);
	require(address_parse_path(str_of(bracketed), rules, &again, &rest, NULL), "also in brackets");
	require(memcmp(a, &again, sizeof(again)) == 0 && rest.len == 0, "also in brackets the same");
	require(a->domain[0] == '[' || a->domain[0] == '\0' || a->utf8 || address_is_domain(str_of(a->domain)),
	    "a domain is one");
	require(a->domain[0] != '[' || address_is_literal(str_of(a->domain)), "a literal is one");
}

/* Returns how many bytes of s are a path, 0 when it begins with none. */
static size_t
check_path(struct str s, unsigned rules)
{
	struct address a;
	struct str rest;
	struct error err;

	memset(&a, 0xaa, sizeof(a));
	if (!address_parse_path(s, rules, &a, &rest, &err)) {
		require(err.kind == ERROR_PERMANENT && err.text[0] != '\0', "a refusal has a reason");
		return 0;
	}
	require(rest.len < s.len && rest.ptr + rest.len == s.ptr + s.len, "the rest is the tail of the input");
	check_address(&a, rules);
	return s.len - rest.len;
}

static void
check_prefixes(struct str s, unsigned rules)
{
	size_t whole = check_path(s, rules), len;
	char *copy;

	for (len = 0; len < s.len; len++) {
		copy = malloc(len + (len == 0)); /* of just that size: a read behind it is seen */
		require(copy != NULL, "memory");
		memcpy(copy, s.ptr, len);
		require(
		    check_path((struct str){ copy, len }, rules) == (len < whole ? 0 : whole), "a path ends at its >");
		free(copy);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address a;
	struct str s;
	unsigned rules;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	rules = data[0] & 0x0f;
	s = (struct str){ (const char *)data + 1, size - 1 };
	check_prefixes(s, rules);
	if (address_parse(s, rules, &a, NULL))
		check_address(&a, rules);
	require(!address_is_domain(s) || address_is_helo(s), "a domain greets");
	require(!address_is_literal(s) || address_is_helo(s), "a literal greets");
	return 0;
}
