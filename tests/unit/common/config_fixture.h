/* SPDX-License-Identifier: ISC */
/*
 * For tests of the configuration: parses texts that are in memory, as a process does that was given the bundle, and keeps
 * what is reported.
 */
#ifndef TESTS_UNIT_COMMON_CONFIG_FIXTURE_H
#define TESTS_UNIT_COMMON_CONFIG_FIXTURE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/config_dump.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What was reported: one line each, warnings behind "warning: ". */
struct reports {
	char text[16384];
	size_t errors;
	size_t warnings;
};

static inline void
keep_report(void *arg, bool warning, const char *text)
{
	struct reports *reports = arg;
	size_t used = strlen(reports->text);

	(void)snprintf(reports->text + used, sizeof(reports->text) - used, "%s%s\n", warning ? "warning: " : "", text);
	if (warning)
		reports->warnings++;
	else
		reports->errors++;
}

static inline void
put_counted(struct buf *out, struct str s)
{
	unsigned char length[4] = { (unsigned char)(s.len >> 24), (unsigned char)(s.len >> 16),
		(unsigned char)(s.len >> 8), (unsigned char)s.len };

	assert_true(buf_append(out, length, sizeof(length)));
	assert_true(s.len == 0 || buf_append_str(out, s));
}

static inline void
put_count(struct buf *out, unsigned count)
{
	unsigned char bytes[4] = { 0, 0, (unsigned char)(count >> 8), (unsigned char)count };

	assert_true(buf_append(out, bytes, sizeof(bytes)));
}

/* A bundle of the files a.conf (the main one), b.conf, c.conf, as far as they are given, and of no macros. */
static inline struct config_text *
text_of_files(struct str a, const struct str *b, const struct str *c)
{
	struct config_text *text;
	struct error err;
	struct buf out;

	buf_init(&out, 2 * CONFIG_TEXT_MAX);
	assert_true(buf_append(&out, "PCT1", 4));
	put_count(&out, 0);
	put_counted(&out, S("a.conf"));
	put_count(&out, 1u + (b != NULL) + (c != NULL));
	put_counted(&out, S("a.conf"));
	put_counted(&out, a);
	if (b != NULL) {
		put_counted(&out, S("b.conf"));
		put_counted(&out, *b);
	}
	if (c != NULL) {
		put_counted(&out, S("c.conf"));
		put_counted(&out, *c);
	}
	put_count(&out, 0);
	put_count(&out, 0);
	text = config_text_decode(buf_str(&out), &err);
	buf_clear(&out);
	assert_non_null(text);
	return text;
}

static inline struct config_text *
text_of(const char *a)
{
	return text_of_files(str_of(a), NULL, NULL);
}

/* The tree in words, which the caller frees; NULL when the text does not parse. */
static inline char *
dump_of_text(struct config_text *text, struct reports *reports)
{
	struct config *config;
	struct buf out;
	char *dump;

	*reports = (struct reports){ .errors = 0 };
	config = config_parse(text, keep_report, reports);
	if (config == NULL)
		return NULL;
	buf_init(&out, 4 * CONFIG_TEXT_MAX);
	assert_true(config_dump(config, &out));
	config_free(config);
	assert_true(buf_append_byte(&out, '\0'));
	dump = strdup(buf_str(&out).ptr);
	buf_clear(&out);
	assert_non_null(dump);
	return dump;
}

static inline char *
dump_of(const char *a, struct reports *reports)
{
	struct config_text *text = text_of(a);
	char *dump = dump_of_text(text, reports);

	config_text_free(text);
	return dump;
}

/* The bundle as the process that has this view gets it. */
static inline struct config_text *
view_of(const struct config_text *text, enum config_view view)
{
	struct config_text *seen;
	struct error err;
	struct buf out;

	buf_init(&out, 2 * CONFIG_TEXT_MAX);
	assert_true(config_text_encode(text, view, &out));
	seen = config_text_decode(buf_str(&out), &err);
	buf_clear(&out);
	assert_non_null(seen);
	return seen;
}

#endif
