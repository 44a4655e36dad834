/* SPDX-License-Identifier: ISC */
/*
 * Property: every address that a list gives is, written, a list of that one address; there are no more of them than
 * separators allow; a refusal has a reason.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/header_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *promise)
{
	if (condition)
		return;
	(void)fprintf(stderr, "broken: %s\n", promise);
	abort();
}

static bool
keep(void *arg, const struct address *address, struct error *err)
{
	(void)err;
	memcpy(arg, address, sizeof(*address));
	return true;
}

static bool
check(void *arg, const struct address *address, struct error *err)
{
	char text[ADDRESS_MAX + 1];
	struct address again;
	size_t *count = arg;
	size_t len = address_format(address, text);

	(void)err;
	(*count)++;
	memset(&again, 0, sizeof(again));
	require(header_address_list((struct str){ text, len }, ADDRESS_LOCAL_ONLY_ALLOWED, keep, &again, NULL),
	    "what is written is a list");
	require(memcmp(&again, address, sizeof(again)) == 0, "of the same address");
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str value = { (const char *)data, size };
	size_t count = 0, commas = 0, i;
	struct error err = { .text = "" };

	for (i = 0; i < size; i++)
		commas += data[i] == ',';
	if (!header_address_list(value, ADDRESS_LOCAL_ONLY_ALLOWED, check, &count, &err))
		require(err.kind == ERROR_PERMANENT && err.text[0] != '\0', "a refusal has a reason");
	require(count <= commas + 1, "no more addresses than elements");
	return 0;
}
