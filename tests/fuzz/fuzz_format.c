/* SPDX-License-Identifier: ISC */
/*
 * Property: whatever the format, the addresses and the user's name hold, what is expanded and normalised lies below the
 * expanded fixed front, and has no component that climbs or is too long (SECURITY L02). The input is four lines: format,
 * sender, rcpt, dest; what follows is the user's name.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailbox/format.h"
#include "mailbox/limits.h"
#include "mailbox/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *promise)
{
	if (condition)
		return;
	(void)fprintf(stderr, "broken: %s\n", promise);
	abort();
}

static struct address
take_address(struct str *rest)
{
	struct address address = { .null = true };
	struct str line;

	(void)str_cut(*rest, '\n', &line, rest);
	(void)address_parse(line, ADDRESS_UTF8_ALLOWED | ADDRESS_LOCAL_ONLY_ALLOWED, &address, NULL);
	return address;
}

static void
check_components(const char *path)
{
	struct str rest = str_of(path), component;

	while (rest.len > 0) {
		(void)str_cut(rest, '/', &component, &rest);
		require(!str_equal(component, S("..")) && !str_equal(component, S(".")), "no component climbs");
		require(component.len <= MAILBOX_NAME_MAX, "no component is too long");
	}
}

/* Expands format, to the last slash where cut is set, and normalises it. */
static bool
expand(struct str format, const struct format_values *values, bool cut, char *path)
{
	struct error err = { .text = "" };
	struct str text, name;
	struct buf out;
	bool ok;

	buf_init(&out, 2 * MAILBOX_PATH_MAX);
	ok = format_expand(format, values, &out, &err);
	require(ok || (err.kind == ERROR_PERMANENT && err.text[0] != '\0'), "a refusal has a reason");
	text = buf_str(&out);
	if (ok && cut) {
		require(str_cut_last(text, '/', &text, &name), "a path has a slash");
		text = text.len == 0 ? S("/") : text;
	}
	ok = ok && path_normalize(text, path, MAILBOX_PATH_MAX + 1);
	buf_clear(&out);
	return ok;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[MAILBOX_PATH_MAX + 1], front[MAILBOX_PATH_MAX + 1];
	struct str rest = { (const char *)data, size }, format;
	struct format_values values = { .directory = STR("/home/joe") };

	if (size > 4096)
		return 0;
	(void)str_cut(rest, '\n', &format, &rest);
	values.sender = take_address(&rest);
	values.rcpt = take_address(&rest);
	values.dest = take_address(&rest);
	values.username = rest;
	if (!expand(format, &values, false, path))
		return 0;
	check_components(path);
	require(path[0] == '/', "a path is absolute");
	require(expand(format_fixed(format), &values, true, front), "the front of what expands does, too");
	require(path_below(front, path) != NULL, "a path is below its front");
	return 0;
}
