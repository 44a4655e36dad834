/* SPDX-License-Identifier: ISC */
/*
 * Property: every element of an alias value is exactly one of its kinds, and holds only what that kind may hold; written
 * again in quotes it is read as the same. A value ends after at most as many elements as it has bytes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "router/alias.h"

#define INPUT_MAX 4096

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
check_contents(const struct alias_element *e)
{
	size_t i;

	require(e->text.len <= ALIAS_ELEMENT_MAX, "an element is not over its limit");
	switch (e->kind) {
	case ALIAS_USER:
		require(alias_is_user(e->text), "a user has the name of one");
		for (i = 0; i < e->text.len; i++)
			require(ascii_lower(e->text.ptr[i]) == e->text.ptr[i], "a user is in lower case");
		break;
	case ALIAS_ADDRESS: require(e->address.domain[0] != '\0' && !e->address.null, "an address is whole"); break;
	case ALIAS_ERROR:
		require(e->code >= 400 && e->code <= 599, "an error refuses");
		for (i = 0; i < e->text.len; i++)
			require(ascii_is_printable(e->text.ptr[i]), "a reply is printable");
		break;
	case ALIAS_INCLUDE:
	case ALIAS_FILE: require(e->text.ptr[0] == '/', "a path is absolute"); break;
	case ALIAS_COMMAND: require(e->text.len > 0, "a command is not empty"); break;
	}
}

static void
quote(const struct alias_element *e, struct buf *out)
{
	static const char *const prefixes[] = { [ALIAS_USER] = "",
		[ALIAS_ADDRESS] = "",
		[ALIAS_ERROR] = "error:",
		[ALIAS_INCLUDE] = "include:",
		[ALIAS_COMMAND] = "|",
		[ALIAS_FILE] = "" };
	char address[ADDRESS_MAX + 1];
	struct str text = e->text;
	size_t i;

	if (e->kind == ALIAS_ADDRESS)
		text = (struct str){ address, address_format(&e->address, address) };
	(void)buf_printf(out, "\"%s", prefixes[e->kind]);
	if (e->kind == ALIAS_ERROR)
		(void)buf_printf(out, "%u ", e->code);
	for (i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\')
			(void)buf_append_byte(out, '\\');
		(void)buf_append_byte(out, text.ptr[i]);
	}
	(void)buf_append_byte(out, '"');
}

static void
check_again(const struct alias_element *e)
{
	struct alias_reader reader;
	struct alias_element again;
	struct buf text;

	buf_init(&text, 8 * ALIAS_ELEMENT_MAX);
	quote(e, &text);
	alias_begin(&reader, buf_str(&text));
	require(alias_read(&reader, &again, NULL) == ALIAS_ELEMENT, "what is written again is read");
	require(again.kind == e->kind && again.code == e->code, "as the same kind");
	if (e->kind == ALIAS_ADDRESS)
		require(address_equal(&again.address, &e->address), "as the same address");
	else
		require(str_equal(again.text, e->text), "as the same text");
	require(alias_read(&reader, &again, NULL) == ALIAS_END, "and nothing else");
	buf_clear(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct alias_reader reader;
	struct alias_element e;
	struct error err;
	enum alias_found found;
	size_t count = 0;

	if (size > INPUT_MAX)
		return 0;
	alias_begin(&reader, (struct str){ (const char *)data, size });
	memset(&e, 0, sizeof(e));
	while ((found = alias_read(&reader, &e, &err)) == ALIAS_ELEMENT) {
		require(++count <= size, "a value ends");
		check_contents(&e);
		/* Such an address has no other form than the one it had, quotes within quotes. */
		if (e.kind != ALIAS_ADDRESS || strchr("/|", e.address.local[0]) == NULL)
			check_again(&e);
		memset(&e, 0, sizeof(e));
	}
	require(found == ALIAS_END || err.text[0] != '\0', "a refusal has a reason");
	return 0;
}
