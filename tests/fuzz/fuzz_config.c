/* SPDX-License-Identifier: ISC */
/*
 * Property: any text is parsed or refused with a reason, without a leak; what was parsed is parsed to the same tree from
 * its bundle, and from the blanked one to the same but for what is hidden; and blanking once more changes nothing.
 *
 * The input is up to three files, a.conf (the main one), b.conf and c.conf, with a byte 0x01 between them, taken for the
 * whole text and for a blanked one; and, as it is, the bytes of a bundle.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/config_dump.h"

enum { INPUT_MAX = 64 * 1024, FILES_MAX = 3, BUFFER_MAX = 64 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *promise)
{
	if (condition)
		return;
	(void)fprintf(stderr, "broken: %s\n", promise);
	abort();
}

struct count {
	size_t errors;
};

static void
count_report(void *arg, bool warning, const char *text)
{
	struct count *count = arg;

	require(strncmp(text, "", 1) != 0, "a report says something");
	for (; *text != '\0'; text++)
		require(ascii_is_printable(*text), "a report is printable");
	if (!warning)
		count->errors++;
}

static void
put_u32(struct buf *out, size_t value)
{
	uint8_t bytes[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value };

	require(buf_append(out, bytes, sizeof(bytes)), "memory");
}

static void
put_str(struct buf *out, struct str s)
{
	put_u32(out, s.len);
	require(s.len == 0 || buf_append_str(out, s), "memory");
}

/* A bundle of the files in the input, as the whole or as one that was blanked. */
static struct config_text *
make_text(struct str input, bool blanked)
{
	static const char *const names[FILES_MAX] = { "a.conf", "b.conf", "c.conf" };
	struct str files[FILES_MAX], rest = input;
	struct config_text *text;
	size_t count = 0, i;
	struct buf out;
	bool more;

	do
		more = str_cut(rest, '\x01', &files[count++], &rest);
	while (more && count < FILES_MAX);
	buf_init(&out, BUFFER_MAX);
	require(buf_append(&out, "PCT1", 4), "memory");
	put_u32(&out, blanked);
	put_str(&out, S("a.conf"));
	put_u32(&out, count);
	for (i = 0; i < count; i++) {
		put_str(&out, str_of(names[i]));
		put_str(&out, files[i]);
	}
	put_u32(&out, 0);
	put_u32(&out, 0);
	text = config_text_decode(buf_str(&out), NULL);
	require(text != NULL, "a bundle is decoded");
	buf_clear(&out);
	return text;
}

/* Parses, and appends the tree in words. Returns false when the text is refused. */
static bool
parse(struct config_text *text, struct buf *dump)
{
	struct count count = { 0 };
	struct config *config = config_parse(text, count_report, &count);

	require((config == NULL) == (count.errors > 0), "a refusal has a reason");
	require(count.errors <= CONFIG_ERRORS_MAX + 1, "no more reasons than allowed");
	if (config == NULL)
		return false;
	(void)config_check_supported(config, count_report, &count);
	require(config_dump(config, dump), "memory");
	config_free(config);
	return true;
}

/* The bundle as it is sent, and what it is for who receives it. */
static struct config_text *
send(const struct config_text *text, enum config_view view, struct buf *bytes)
{
	struct config_text *received;

	require(config_text_encode(text, view, bytes), "memory");
	received = config_text_decode(buf_str(bytes), NULL);
	require(received != NULL, "what is encoded is decoded");
	return received;
}

static bool
hides_something(struct str line)
{
	return str_starts_nocase(line, S("table")) || str_starts_nocase(line, S("\tentry")) ||
	    str_starts_nocase(line, S("settings"));
}

/* The next line that is the same in every view. */
static struct str
next_line(struct str *rest)
{
	struct str line;

	do
		str_cut(*rest, '\n', &line, rest);
	while (hides_something(line));
	return line;
}

static void
check_blanked(const struct config_text *text, struct str whole)
{
	struct config_text *seen, *again;
	struct buf bytes, bytes_again, dump;
	struct str rest, line;

	buf_init(&bytes, BUFFER_MAX);
	buf_init(&bytes_again, BUFFER_MAX);
	buf_init(&dump, BUFFER_MAX);
	seen = send(text, CONFIG_VIEW_BLANKED, &bytes);
	require(parse(seen, &dump), "what is blanked is parsed");
	rest = buf_str(&dump);
	do {
		line = next_line(&rest);
		require(str_equal(line, next_line(&whole)), "the blanked text means the same");
	} while (rest.len > 0);
	require(whole.len == 0, "the blanked text means no less");
	again = send(seen, CONFIG_VIEW_BLANKED, &bytes_again);
	require(str_equal(buf_str(&bytes), buf_str(&bytes_again)), "what is blanked stays as it is");
	config_text_free(again);
	config_text_free(seen);
	buf_clear(&dump);
	buf_clear(&bytes);
	buf_clear(&bytes_again);
}

static void
check_text(struct config_text *text)
{
	struct buf dump, dump_again, bytes;
	struct config_text *received;

	buf_init(&dump, BUFFER_MAX);
	buf_init(&dump_again, BUFFER_MAX);
	buf_init(&bytes, BUFFER_MAX);
	if (parse(text, &dump)) {
		received = send(text, CONFIG_VIEW_WHOLE, &bytes);
		require(parse(received, &dump_again), "what is sent is parsed");
		require(str_equal(buf_str(&dump), buf_str(&dump_again)), "what is sent is the same");
		config_text_free(received);
		check_blanked(text, buf_str(&dump));
	}
	buf_clear(&dump);
	buf_clear(&dump_again);
	buf_clear(&bytes);
	config_text_free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = { (const char *)data, size };
	struct config_text *text;

	if (size > INPUT_MAX)
		return 0;
	check_text(make_text(input, false));
	check_text(make_text(input, true));
	text = config_text_decode(input, NULL);
	if (text != NULL)
		check_text(text);
	return 0;
}
