/* SPDX-License-Identifier: ISC */
/*
 * Promised: real configurations parse, to one tree, from the files as from the bundle, whole and blanked; and what they
 * say that is not carried out yet is found. They stand beside the corpora (POSTERN_CORPORA, default ../shared/corpora).
 */
#include <limits.h>
#include <unistd.h>

#include "tests/unit/common/config_fixture.h"

enum { FILES = 17, PATH_BYTES = 4096 };

/* The folder of the files; skips the test when there is none. */
static void
find_folder(char *out)
{
	const char *corpora = getenv("POSTERN_CORPORA");
	char path[PATH_BYTES];

	(void)snprintf(
	    path, sizeof(path), "%.2000s/../opensmtpd-conf.d", corpora == NULL ? "../shared/corpora" : corpora);
	if (realpath(path, out) != NULL)
		return;
	print_message("# SKIP: no %s, set POSTERN_CORPORA\n", path);
	skip();
}

/* The file with "/FILES/" replaced by the folder's files, in a bundle that is like one read from disk. */
static struct config_text *
read_real(const char *folder, int number)
{
	static const struct str mark = STR("/FILES/");
	char path[PATH_BYTES + 32], *text = NULL, *at, *from;
	struct config_text *bundle;
	size_t size = 0;
	struct buf out;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%02d.conf", folder, number);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(getdelim(&text, &size, '\0', file) > 0);
	assert_int_equal(fclose(file), 0);
	buf_init(&out, CONFIG_TEXT_MAX);
	for (from = text; (at = strstr(from, mark.ptr)) != NULL; from = at + mark.len)
		assert_true(buf_append(&out, from, (size_t)(at - from)) && buf_printf(&out, "%s/files/", folder));
	assert_true(buf_append_text(&out, from));
	bundle = text_of_files(buf_str(&out), NULL, NULL);
	buf_clear(&out);
	free(text);
	return bundle;
}

static void
test_real_configurations_parse(void **state)
{
	struct config_text *text, *seen;
	char folder[PATH_MAX], *dump, *seen_dump;
	struct reports reports;
	int i;

	(void)state;
	find_folder(folder);
	for (i = 1; i <= FILES; i++) {
		text = read_real(folder, i);
		dump = dump_of_text(text, &reports);
		if (dump == NULL || reports.warnings > 0)
			fail_msg("%02d.conf: %s", i, reports.text);
		seen = view_of(text, CONFIG_VIEW_WHOLE);
		seen_dump = dump_of_text(seen, &reports);
		assert_string_equal(seen_dump, dump);
		free(seen_dump);
		config_text_free(seen);
		seen = view_of(text, CONFIG_VIEW_BLANKED);
		seen_dump = dump_of_text(seen, &reports);
		if (seen_dump == NULL)
			fail_msg("%02d.conf, blanked: %s", i, reports.text);
		free(seen_dump);
		free(dump);
		config_text_free(seen);
		config_text_free(text);
	}
}

/* What is in each that is not carried out yet, one of it. */
static const char *const not_yet[FILES] = {
	"not supported yet: pki",
	"not supported yet: table NAME sqlite:PATH",
	"not supported yet: action NAME relay auth",
	"not supported yet: listen on ... tls-require",
	"not supported yet: relay host smtps://user1@smtp.example.net:465",
	"not supported yet: action NAME maildir junk",
	"not supported yet: action NAME mda",
	"not supported yet: filter",
	"not supported yet: action NAME relay helo-src",
	"not supported yet: action NAME ... virtual",
	"not supported yet: action NAME relay tls",
	"relay URL \"tls+auth://noreply@mail.example.org:587\": this scheme is of before 6.4 (2018), write smtp+tls://",
	"not supported yet: action NAME relay filter",
	"not supported yet: match auth",
	"not supported yet: listen on ... filter",
	"relay URL \"tls://backend.example.org:25\": this scheme is of before 6.4 (2018), write smtp+tls://",
	"not supported yet: listen on ... protocols",
};

static void
test_what_is_not_carried_out_in_them_is_found(void **state)
{
	struct config_text *text;
	struct config *config;
	struct reports reports;
	char folder[PATH_MAX];
	int i;

	(void)state;
	find_folder(folder);
	for (i = 1; i <= FILES; i++) {
		text = read_real(folder, i);
		reports = (struct reports){ .errors = 0 };
		config = config_parse(text, keep_report, &reports);
		assert_non_null(config);
		assert_false(config_check_supported(config, keep_report, &reports));
		if (strstr(reports.text, not_yet[i - 1]) == NULL)
			fail_msg("%02d.conf: got %s wanted %s", i, reports.text, not_yet[i - 1]);
		config_free(config);
		config_text_free(text);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_configurations_parse),
		cmocka_unit_test(test_what_is_not_carried_out_in_them_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
