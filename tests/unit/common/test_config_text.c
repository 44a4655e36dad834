/* SPDX-License-Identifier: ISC */
/*
 * Promised: a bundle is read once, with its includes, by who may read; what is encoded from it parses to the same tree
 * elsewhere; and in the blanked view no byte of a secret is left, while every place stays.
 */
#include <sys/stat.h>

#include <unistd.h>

#include "common/config_lexer.h"
#include "common/config_text.h"
#include "tests/unit/common/config_fixture.h"

/* --- files --- */

struct folder {
	char path[64];
	struct reports reports;
};

static int
make_folder(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	assert_non_null(folder);
	(void)snprintf(folder->path, sizeof(folder->path), "/tmp/test_config_text.XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	assert_int_equal(chdir(folder->path), 0);
	*state = folder;
	return 0;
}

static int
remove_folder(void **state)
{
	struct folder *folder = *state;
	char name[32];
	int i;

	for (i = 0; i <= CONFIG_INCLUDE_MAX; i++) {
		(void)snprintf(name, sizeof(name), "%d.conf", i);
		(void)unlink(name);
	}
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(folder->path), 0);
	free(folder);
	return 0;
}

static void
write_file(int number, const char *text)
{
	char name[32];
	FILE *file;

	(void)snprintf(name, sizeof(name), "%d.conf", number);
	file = fopen(name, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(name, 0644), 0);
}

/* Of 0.conf: the tree in words, or NULL. */
static char *
dump_of_files(struct reports *reports)
{
	struct config_text *text = config_text_new("0.conf");
	char *dump = dump_of_text(text, reports);

	config_text_free(text);
	return dump;
}

static void
test_includes_share_macros_and_tables(void **state)
{
	struct folder *folder = *state;
	char *dump;

	write_file(
	    0, "x = \"h\"\ninclude \"1.conf\" # and on\nlisten on $y hostname $x\nmatch for domain <t> reject\n");
	write_file(1, "y = \"lo\"\ninclude \"2.conf\"\nadmd $x");
	write_file(2, "table t { $x }");
	dump = dump_of_files(&folder->reports);
	assert_string_equal(folder->reports.text, "");
	assert_non_null(dump);
	assert_non_null(strstr(dump, "settings admd \"h\""));
	assert_non_null(strstr(dump, "listener at \"0.conf\":3:1 on \"lo\""));
	assert_non_null(strstr(dump, "table at \"2.conf\":1:7 name \"t\""));
	free(dump);
}

static void
test_what_cannot_be_included_is_named_with_its_chain(void **state)
{
	struct folder *folder = *state;
	char text[64];
	int i;

	write_file(0, "include \"1.conf\"\n");
	assert_null(dump_of_files(&folder->reports));
	assert_string_equal(
	    folder->reports.text, "0.conf:1:9: failed to include file 1.conf: No such file or directory\n");
	write_file(1, "\ninclude \"0.conf\"\n");
	assert_null(dump_of_files(&folder->reports));
	assert_string_equal(folder->reports.text, "1.conf:2:9: file includes itself: 0.conf -> 1.conf -> 0.conf\n");
	for (i = 0; i < CONFIG_INCLUDE_MAX; i++) {
		(void)snprintf(text, sizeof(text), "include \"%d.conf\"\n", i + 1);
		write_file(i, text);
	}
	write_file(CONFIG_INCLUDE_MAX, "");
	assert_null(dump_of_files(&folder->reports));
	assert_non_null(strstr(folder->reports.text,
	    "15.conf:1:9: more than 16 files included within each other: 0.conf -> 1.conf -> 2.conf -> 3.conf -> "));
	write_file(CONFIG_INCLUDE_MAX - 1, "match for any reject\n");
	free(dump_of_files(&folder->reports));
	assert_int_equal(folder->reports.errors, 0);
}

static void
test_a_file_that_others_may_write_is_refused(void **state)
{
	struct folder *folder = *state;

	write_file(0, "match for any reject\n");
	assert_int_equal(chmod("0.conf", 0646), 0);
	assert_null(dump_of_files(&folder->reports));
	assert_string_equal(folder->reports.text, "0.conf:1:1: 0.conf: mode 0646 lets others write it\n");
	assert_int_equal(unlink("0.conf"), 0);
	assert_int_equal(mkdir("0.conf", 0755), 0);
	assert_null(dump_of_files(&folder->reports));
	assert_string_equal(folder->reports.text, "0.conf:1:1: 0.conf: not a regular file\n");
	assert_int_equal(rmdir("0.conf"), 0);
	assert_int_equal(mkfifo("0.conf", 0600), 0);
	assert_null(dump_of_files(&folder->reports));
	assert_string_equal(folder->reports.text, "0.conf:1:1: 0.conf: not a regular file\n");
	assert_int_equal(unlink("0.conf"), 0);
	if (geteuid() != 0)
		return;
	write_file(0, "match for any reject\n");
	assert_int_equal(chown("0.conf", 12345, 0), 0);
	assert_null(dump_of_files(&folder->reports));
	assert_string_equal(folder->reports.text, "0.conf:1:1: 0.conf: belongs to uid 12345, expected root or uid 0\n");
}

static void
test_the_text_has_a_limit(void **state)
{
	struct folder *folder = *state;

	write_file(0, "match for any reject\n");
	assert_int_equal(truncate("0.conf", CONFIG_TEXT_MAX + 1), 0);
	assert_null(dump_of_files(&folder->reports));
	assert_non_null(
	    strstr(folder->reports.text, "0.conf: the files of the configuration are larger than 4194304 bytes"));
}

static void
test_a_decoded_bundle_opens_no_file(void **state)
{
	struct folder *folder = *state;
	struct config_text *text, *seen;
	char *dump, *seen_dump;

	write_file(0, "include \"1.conf\"\nlisten on lo port nntp\nmatch for any reject\n");
	write_file(1, "admd x\n");
	text = config_text_new("0.conf");
	dump = dump_of_text(text, &folder->reports);
	assert_non_null(dump);
	assert_non_null(strstr(dump, "port 119 "));
	seen = view_of(text, CONFIG_VIEW_WHOLE);
	assert_int_equal(unlink("0.conf"), 0);
	assert_int_equal(unlink("1.conf"), 0);
	seen_dump = dump_of_text(seen, &folder->reports);
	assert_non_null(seen_dump);
	assert_string_equal(dump, seen_dump);
	config_text_free(text);
	config_text_free(seen);
	free(dump);
	free(seen_dump);
	seen = text_of("include \"/etc/passwd\"\n");
	assert_null(dump_of_text(seen, &folder->reports));
	assert_string_equal(folder->reports.text,
	    "a.conf:1:9: failed to include file /etc/passwd: not among the files of the configuration\n");
	config_text_free(seen);
}

/* --- macros of the command line --- */

static void
test_macros_of_the_command_line_win(void **state)
{
	struct folder *folder = *state;
	struct config_text *text;
	struct error err;
	char *dump;

	write_file(0, "x = \"file\"\nadmd $x\nsmtp ciphers $y\nmatch for any reject\n");
	text = config_text_new("0.conf");
	assert_true(config_text_define(text, "x=line", &err));
	assert_true(config_text_define(text, "y='a=b'", &err) == false);
	assert_non_null(strstr(err.text, "expected a name of letters, digits and \"_\" before the last \"=\""));
	assert_true(config_text_define(text, "y=c", &err));
	assert_false(config_text_define(text, "y", &err));
	assert_non_null(strstr(err.text, "expected NAME=VALUE"));
	assert_false(config_text_define(text, "=y", &err));
	dump = dump_of_text(text, &folder->reports);
	assert_non_null(dump);
	assert_non_null(strstr(dump, "settings admd \"line\""));
	assert_non_null(strstr(dump, "ciphers \"c\""));
	free(dump);
	config_text_free(text);
}

/* --- the blanked view --- */

/* Wherever "secret" stands, it may not be seen; the rest has to work as before. */
static const struct {
	const char *sentence;
	const char *text;
	const char *seen; /* a part of the blanked text */
} blanked[] = {
	{ "contents of a mapping", "table t { bob = \"secret\", 'secret' => secret }\n",
	    "table t {                                    }\n" },
	{ "contents of a list", "table t { secret secret }\n", "table t {               }\n" },
	{ "contents over lines, newlines kept", "table t {\n secret\r\n \"sec\nret\" # secret\n}\n",
	    "table t {\n       \r\n     \n             \n}\n" },
	{ "a brace in a comment or in quotes ends nothing", "table t { a # } secret\n \"}\" secret '\\'}' }\nadmd x\n",
	    "\n                  }\nadmd x\n" },
	{ "contents of an anonymous table", "action a relay host x auth { a = secret }\n",
	    "action a relay host x auth {            }\n" },
	{ "comments", "# secret\nadmd x # secret\n", "        \nadmd x         \n" },
	{ "comments that go on", "# secret \\\nsecret\nadmd x\n", "         \\\n      \nadmd x\n" },
	{ "a macro for a table", "p = \"secret\"\ntable t { a = $p }\n", "p = \"xxxxxx\"\ntable t {        }\n" },
	{ "a macro that is a word", "p = secret\ntable t { a = $p }\n", "p = xxxxxx\ntable t {        }\n" },
	{ "a macro with backslashes", "p = \"sec\\\"\\ret\"\ntable t { secret $p }\n", "p = \"xxx xxxxx\"\n" },
	{ "a macro nobody uses", "p = 'secret'\n", "p = 'xxxxxx'\n" },
	{ "a macro with the braces in it", "p = \"{ secret secret }\"\ntable t $p\n",
	    "p = \"{               }\"\ntable t $p\n" },
	{ "a macro with the end of a table in it", "p = \"secret }\"\ntable t { a $p\n",
	    "p = \"       }\"\ntable t {   $p\n" },
	{ "a macro with the beginning of a table in it", "p = \"t { secret\"\ntable $p, b }\n",
	    "p = \"t {       \"\ntable $p    }\n" },
	{ "a macro through a macro", "p = \"secret\"\nq = $p\ntable t { $q }\n",
	    "p = \"xxxxxx\"\nq = $p\ntable t {    }\n" },
	{ "a macro for a table and something else, partly", "p = \"x secret\"\ntable t { $p }\n",
	    "p = \"xxxxxxxx\"\n" },
	{ "the key of the queue", "queue encryption secretsecretsecretsecret12345678\n",
	    "queue encryption xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n" },
	{ "the key of the queue from a macro", "p = secretsecretsecretsecret12345678\nqueue encryption $p\n",
	    "p = xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nqueue encryption $p\n" },
	{ "the keys of SRS", "srs key 'secret'\nsrs key backup secret\nsrs ttl 1d\n",
	    "srs key 'xxxxxx'\nsrs key backup xxxxxx\nsrs ttl 1d\n" },
	{ "private networks are no secret", "mta private-destinations { 10.0.0.0/8 }\n",
	    "mta private-destinations { 10.0.0.0/8 }\n" },
	{ "the end of the line where no newline is", "table t { secret }\n#secret", "}\n       " },
};

/* The tree in words, without what the view does not have: entries, keys, the kinds of tables that stand in the text. */
static char *
without_contents(const char *dump)
{
	static const char *const cut[] = { " list", " mapping", " blanked" };
	char *out = strdup(dump), *line, *at, *end;
	size_t i;

	assert_non_null(out);
	while ((line = strstr(out, "\tentry ")) != NULL) {
		end = strchr(line, '\n');
		memmove(line, end + 1, strlen(end + 1) + 1);
	}
	for (i = 0; i < COUNT(cut); i++)
		while ((at = strstr(out, cut[i])) != NULL)
			memmove(at, at + strlen(cut[i]), strlen(at + strlen(cut[i])) + 1);
	for (at = out; (at = strstr(at, "entries ")) != NULL; at += strlen("entries "))
		at[strlen("entries ")] = '0';
	for (at = out; (at = strstr(at, "-key")) != NULL; at = end) {
		line = strchr(at, '"');
		end = strchr(line + 1, '"');
		memset(line, 'k', (size_t)(end - line));
	}
	return out;
}

static void
check_blanked(const char *sentence, struct config_text *text, const char *expected)
{
	struct config_text *seen;
	struct reports reports;
	char *dump, *seen_dump, *a, *b;
	struct error err;
	struct buf out;

	dump = dump_of_text(text, &reports);
	if (dump == NULL)
		row_fail(sentence, "does not parse: %s", reports.text);
	buf_init(&out, CONFIG_TEXT_MAX);
	assert_true(config_text_encode(text, CONFIG_VIEW_BLANKED, &out));
	if (memmem(buf_str(&out).ptr, out.len, "secret", 6) != NULL ||
	    memmem(buf_str(&out).ptr, out.len, "sec", 3) != NULL)
		row_fail(sentence, "leaks: %.*s", STR_ARG(buf_str(&out)));
	if (memmem(buf_str(&out).ptr, out.len, expected, strlen(expected)) == NULL)
		row_fail(sentence, "got %.*s wanted %s", (int)(out.len - 36), buf_str(&out).ptr + 36, expected);
	seen = config_text_decode(buf_str(&out), &err);
	assert_non_null(seen);
	seen_dump = dump_of_text(seen, &reports);
	if (seen_dump == NULL)
		row_fail(sentence, "does not parse: %s", reports.text);
	a = without_contents(dump);
	b = without_contents(seen_dump);
	if (strcmp(a, b) != 0)
		row_fail(sentence, "got\n%s\nwanted\n%s", b, a);
	config_text_free(seen);
	buf_clear(&out);
	free(a);
	free(b);
	free(dump);
	free(seen_dump);
}

static void
test_no_byte_of_a_secret_is_in_the_blanked_view(void **state)
{
	struct config_text *text;
	char whole[512];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(blanked); i++) {
		(void)snprintf(whole, sizeof(whole), "match for any reject\n%s", blanked[i].text);
		text = text_of(whole);
		check_blanked(blanked[i].sentence, text, blanked[i].seen);
		config_text_free(text);
	}
}

static void
test_macros_of_the_command_line_are_blanked_too(void **state)
{
	struct config_text *text;
	struct error err;

	(void)state;
	write_file(0, "table t { a = $p }\nadmd $q\ntable u $r\nmatch for any reject\n");
	text = config_text_new("0.conf");
	assert_true(config_text_define(text, "p=secret", &err));
	assert_true(config_text_define(text, "q=shown", &err));
	assert_true(config_text_define(text, "r={ secret }", &err));
	check_blanked("macros of the command line", text, "shown");
	config_text_free(text);
}

static void
test_what_is_used_outside_of_tables_is_shown(void **state)
{
	struct config_text *text = text_of("p = \"example\"\ntable t { $p }\nadmd $p\nmatch for any reject\n");

	(void)state;
	check_blanked("a macro for both", text, "p = \"example\"\ntable t {    }\nadmd $p\n");
	config_text_free(text);
}

static void
test_tables_of_the_blanked_view_have_no_kind(void **state)
{
	struct config_text *text, *seen;
	struct reports reports;
	char *dump;

	(void)state;
	text =
	    text_of("table t { a = b }\naction a mbox alias <t> userbase { c = d }\nmatch for domain { x } action a\n");
	free(dump_of_text(text, &reports));
	seen = view_of(text, CONFIG_VIEW_BLANKED);
	dump = dump_of_text(seen, &reports);
	assert_non_null(dump);
	assert_non_null(strstr(dump, "name \"t\" blanked entries 0 index 0"));
	assert_non_null(strstr(dump, "name \"<anonymous:2>\" anonymous blanked entries 0 index 2"));
	free(dump);
	config_text_free(seen);
	config_text_free(text);
}

static void
test_a_blanked_view_that_was_tampered_with_is_refused(void **state)
{
	struct config_text *text = text_of("table t { a = b }\nmatch for any reject\n"), *seen;
	struct reports reports;
	struct error err;
	struct buf out;
	char *brace;

	(void)state;
	free(dump_of_text(text, &reports));
	buf_init(&out, 4096);
	assert_true(config_text_encode(text, CONFIG_VIEW_BLANKED, &out));
	brace = memchr(out.data + out.head, '}', out.len);
	assert_non_null(brace);
	*brace = ' ';
	seen = config_text_decode(buf_str(&out), &err);
	assert_non_null(seen);
	assert_null(dump_of_text(seen, &reports));
	assert_string_equal(
	    reports.text, "a.conf:3:1: syntax error: unexpected end of file, expected end of line, a string or }\n");
	config_text_free(seen);
	config_text_free(text);
	buf_clear(&out);
}

/* --- bundles that are none --- */

static void
test_bytes_that_are_no_bundle_are_refused(void **state)
{
	static const char text[] = "admd x\nlisten on lo port nntp\nmatch for any reject\n";
	struct config_text *bundle = text_of(text), *seen;
	struct reports reports;
	struct error err;
	struct buf out;
	size_t len;

	(void)state;
	assert_null(dump_of_text(bundle, &reports));
	config_text_free(bundle);
	bundle = text_of("admd x\nmatch for any reject\n");
	free(dump_of_text(bundle, &reports));
	buf_init(&out, 4096);
	assert_true(config_text_encode(bundle, CONFIG_VIEW_WHOLE, &out));
	for (len = 0; len < out.len; len++) {
		seen = config_text_decode((struct str){ buf_str(&out).ptr, len }, &err);
		assert_null(seen);
		assert_int_equal(err.kind, ERROR_PEER);
	}
	assert_true(buf_append_byte(&out, '\0'));
	assert_null(config_text_decode(buf_str(&out), &err));
	buf_clear(&out);
	buf_init(&out, 16);
	assert_false(config_text_encode(bundle, CONFIG_VIEW_WHOLE, &out));
	assert_int_equal(out.len, 0);
	buf_clear(&out);
	config_text_free(bundle);
}

int
main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
	static const struct CMUnitTest tests[] = {
		IN_FOLDER(test_includes_share_macros_and_tables),
		IN_FOLDER(test_what_cannot_be_included_is_named_with_its_chain),
		IN_FOLDER(test_a_file_that_others_may_write_is_refused),
		IN_FOLDER(test_the_text_has_a_limit),
		IN_FOLDER(test_a_decoded_bundle_opens_no_file),
		IN_FOLDER(test_macros_of_the_command_line_win),
		cmocka_unit_test(test_no_byte_of_a_secret_is_in_the_blanked_view),
		IN_FOLDER(test_macros_of_the_command_line_are_blanked_too),
		cmocka_unit_test(test_what_is_used_outside_of_tables_is_shown),
		cmocka_unit_test(test_tables_of_the_blanked_view_have_no_kind),
		cmocka_unit_test(test_a_blanked_view_that_was_tampered_with_is_refused),
		cmocka_unit_test(test_bytes_that_are_no_bundle_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
