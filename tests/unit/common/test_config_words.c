/* SPDX-License-Identifier: ISC */
/*
 * Promised: the words of the language, its manual and the sample configuration agree: each word is explained, each that
 * is carried out stands in the sample, each default is the one that is written; and what is written as an example works.
 * Runs at the top of the tree.
 */
#include "common/config_words.h"

#include "common/config_lexer.h"
#include "tests/unit/common/config_fixture.h"

#define MANUAL "common/postern.conf.5"
#define SAMPLE "etc/postern.conf"

#define WORD(word, token)            word,
#define OWN_WORD(word, token, after) word,
static const char *const words[] = { CONFIG_KEYWORDS(WORD) CONFIG_OWN_WORDS(OWN_WORD) };
static const char *const own[] = { CONFIG_OWN_WORDS(OWN_WORD) };

/* Of statements and options that are not carried out yet, and reserved for nothing. */
static const char *const not_in_sample[] = { "admd", "auth", "auth-optional", "backup", "bypass", "ca", "cert", "chain",
	"chroot", "ciphers", "commit", "compression", "connect", "data", "data-line", "dhe", "disconnect", "ehlo",
	"encryption", "expand-only", "fcrdns", "filter", "forward-only", "group", "helo-src", "hostnames", "inet4",
	"junk", "key", "lmtp", "masquerade", "max-deferred", "mda", "mx", "no-verify", "noop", "phase", "pki", "proc",
	"proc-exec", "protocols", "proxy-v2", "quit", "rdns", "received-auth", "recipient", "report", "rewrite", "rset",
	"scheduler", "senders", "smtp-in", "smtp-out", "smtps", "srs", "tagged", "tls", "tls-require", "verify",
	"virtual", "warn-interval", "wrapper" };

/* The file, terminated, which the caller frees. */
static char *
read_whole(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t size = 0;
	char *text = NULL;

	if (file == NULL)
		row_fail(path, "%s", "cannot be opened; the test runs at the top of the tree");
	assert_true(getdelim(&text, &size, '\0', file) > 0);
	assert_int_equal(fclose(file), 0);
	return text;
}

static bool
contains(const char *const *list, size_t count, struct str word)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (str_equal(str_of(list[i]), word))
			return true;
	return false;
}

/* --- the manual --- */

static bool
is_macro(struct str word)
{
	return (word.len == 2 || word.len == 3) && word.ptr[0] >= 'A' && word.ptr[0] <= 'Z' && word.ptr[1] >= 'a' &&
	    word.ptr[1] <= 'z';
}

static bool
is_delimiter(struct str word)
{
	return word.len == 0 || strchr(".,;:|\\\"()", word.ptr[0]) != NULL;
}

/* Calls each for every word that a line of mdoc marks as a command. */
static void
each_command(struct str line, void (*each)(struct str word, struct str line))
{
	struct str rest = line, word;
	bool command = false, more;

	if (line.len == 0 || line.ptr[0] != '.')
		return;
	rest = (struct str){ line.ptr + 1, line.len - 1 };
	do {
		more = str_cut(rest, ' ', &word, &rest);
		if (is_macro(word))
			command = str_equal(word, S("Ic"));
		else if (command && !is_delimiter(word))
			each(word, line);
	} while (more);
}

static bool explained[COUNT(words)];

static void
note_explained(struct str word, struct str line)
{
	size_t i;

	(void)line;
	for (i = 0; i < COUNT(words); i++)
		if (str_equal(str_of(words[i]), word))
			explained[i] = true;
}

static void
require_word(struct str word, struct str line)
{
	if (str_starts_nocase(line, S(".It ")) && !contains(words, COUNT(words), word))
		row_fail("no word of the language", "%.*s in %.*s", STR_ARG(word), STR_ARG(line));
}

static void
each_line(const char *text, void (*each)(struct str word, struct str line))
{
	struct str rest = str_of(text), line;

	while (str_cut(rest, '\n', &line, &rest))
		each_command(line, each);
}

static void
test_every_word_is_explained_and_no_other(void **state)
{
	char *manual = read_whole(MANUAL);
	size_t i;

	(void)state;
	each_line(manual, note_explained);
	for (i = 0; i < COUNT(words); i++)
		if (!explained[i])
			row_fail(words[i], "not in %s", MANUAL);
	each_line(manual, require_word);
	free(manual);
}

/* The text of an entry, which begins with head, up to the next. */
static struct str
entry_of(const char *manual, const char *head)
{
	const char *begin = strstr(manual, head), *end;

	if (begin == NULL)
		row_fail(head, "not in %s", MANUAL);
	begin += strlen(head);
	end = strstr(begin, "\n.It ");
	if (end == NULL)
		end = begin + strlen(begin);
	return (struct str){ begin, (size_t)(end - begin) };
}

static const struct {
	const char *entry;
	const char *written; /* in the manual */
	const char *in_tree;
} defaults[] = {
	{ ".It Ic bounce warn-interval", ".Ql 4h", " warn-interval 14400 max" },
	{ ".It Ic mta max-deferred", ".Ql 100", " max-deferred 100 " },
	{ ".It Ic queue ttl", ".Ql 4d", " ttl 345600 " },
	{ ".It Ic smtp limit", ".Ql 1000\nof both", " max-mails 1000 max-rcpt 1000 " },
	{ ".It Ic smtp max-message-size", ".Ql 35M", " max-message-size 36700160 " },
	{ ".It Ic smtp sub-addr-delim", ".Ql +", " sub-addr-delim 43 " },
	{ ".It Ic srs ttl", ".Ql 4d", " srs-ttl 345600\n" },
	{ ".It Ic log text", ".Ic log text", " log-text\n" },
	{ ".It Ic bounce language", ".Ql en", " bounce-language \"en\"" },
	{ ".It Ic bounce ttl", ".Ql 2d", " bounce-ttl 172800" },
	{ ".It Ic history keep", ".Ql 7d", " history-keep 604800" },
	{ ".It Ic history size", ".Ql 1G", " history-size 1073741824" },
	{ ".It Ic queue memory", ".Ql 32M", " queue-memory 33554432" },
	{ ".It Ic queue retry", ".Ql 10m\nand\n.Ql 4h", " retry-min 600 retry-max 14400" },
	{ ".It Ic queue size", ".Ql 64G", " queue-size 68719476736" },
	{ ".It Ic runtime", ".Ql /run/postern", " runtime \"/run/postern\"" },
	{ ".It Ic spool", ".Ql /var/spool/postern", " spool \"/var/spool/postern\"" },
	{ ".It Ic smtp workers", "one for each processor", " smtp-workers 0 " },
	{ ".It Ic mta workers", "one for each processor", " mta-workers 0 " },
	{ ".It Ic port", "Default: 25", " port 25 " },
};

static void
test_defaults_are_those_of_the_manual(void **state)
{
	struct reports reports;
	char *manual = read_whole(MANUAL), *dump = dump_of("listen on lo\nmatch for any reject\n", &reports);
	struct str entry;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(defaults); i++) {
		entry = entry_of(manual, defaults[i].entry);
		if (memmem(entry.ptr, entry.len, defaults[i].written, strlen(defaults[i].written)) == NULL)
			row_fail(defaults[i].entry, "the manual does not say %s", defaults[i].written);
		if (strstr(dump, defaults[i].in_tree) == NULL)
			row_fail(defaults[i].entry, "got %s wanted %s", dump, defaults[i].in_tree);
	}
	free(dump);
	free(manual);
}

static void
require_tree(const char *sentence, const char *text, bool supported)
{
	struct reports reports = { .errors = 0 };
	struct config_text *bundle = text_of(text);
	struct config *config = config_parse(bundle, keep_report, &reports);

	if (config == NULL || reports.warnings > 0)
		row_fail(sentence, "%s", reports.text);
	if (supported != config_check_supported(config, keep_report, &reports))
		row_fail(sentence, "supported: %s", reports.text);
	config_free(config);
	config_text_free(bundle);
}

/* "\e" is how mdoc writes a backslash. */
static void
undo_escapes(char *text)
{
	char *at;

	while ((at = strstr(text, "\\e")) != NULL)
		memmove(at + 1, at + 2, strlen(at + 2) + 1);
}

static void
test_examples_of_the_manual_work(void **state)
{
	char *manual = read_whole(MANUAL), *begin, *end, *before;
	size_t count = 0;

	(void)state;
	begin = strstr(manual, ".Sh EXAMPLES");
	assert_non_null(begin);
	while ((begin = strstr(before = begin, ".Bd -literal -offset indent\n")) != NULL) {
		*begin = '\0';
		begin = strchr(begin + 1, '\n') + 1;
		end = strstr(begin, ".Ed\n");
		assert_non_null(end);
		*end = '\0';
		undo_escapes(begin);
		require_tree("example", begin, strstr(before, "not supported yet") == NULL);
		count++;
		begin = end + 1;
	}
	assert_true(count >= 4);
	free(manual);
}

/* --- the sample --- */

/* The sample with its examples: "#" goes from lines where no blank follows it. Other files are not there. */
static char *
with_examples(const char *sample)
{
	struct str rest = str_of(sample), line;
	char *out = calloc(1, strlen(sample) + 1);

	assert_non_null(out);
	while (str_cut(rest, '\n', &line, &rest)) {
		if (line.len > 1 && line.ptr[0] == '#' && line.ptr[1] != ' ')
			line = (struct str){ line.ptr + 1, line.len - 1 };
		if (line.len > 0 && line.ptr[0] != '#' && !str_starts_nocase(line, S("include")))
			(void)strncat(out, line.ptr, line.len + 1);
	}
	return out;
}

/* Whether the word stands in the sample, apart from its comments, on its own. */
static bool
is_in(const char *sample, const char *word)
{
	struct str rest = str_of(sample), line, one;
	bool more, comment;

	while (str_cut(rest, '\n', &line, &rest)) {
		comment = line.len > 1 && line.ptr[0] == '#' && line.ptr[1] == ' ';
		do {
			more = str_cut(line, ' ', &one, &line);
			if (one.len > 0 && one.ptr[0] == '#')
				one = (struct str){ one.ptr + 1, one.len - 1 };
			if (!comment && str_equal(one, str_of(word)))
				return true;
		} while (more);
	}
	return false;
}

static void
test_the_sample_works_with_its_examples_too(void **state)
{
	char *sample = read_whole(SAMPLE), *whole = with_examples(sample);

	(void)state;
	require_tree(SAMPLE, sample, true);
	require_tree(SAMPLE " with its examples", whole, true);
	free(whole);
	free(sample);
}

static void
test_every_word_is_in_the_sample_or_not_yet(void **state)
{
	char *sample = read_whole(SAMPLE);
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(words); i++)
		if (is_in(sample, words[i]) == contains(not_in_sample, COUNT(not_in_sample), str_of(words[i])))
			row_fail(words[i], "%s", "either in the sample, or in the list of those that are not");
	free(sample);
}

/* --- the words --- */

static void
test_our_own_words_are_not_reserved(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(own); i++)
		assert_false(config_lexer_is_keyword(own[i]));
	for (i = 0; i < COUNT(words) - COUNT(own); i++)
		assert_true(config_lexer_is_keyword(words[i]));
}

static void
test_our_own_words_are_names_everywhere(void **state)
{
	struct reports reports;
	char text[512], *dump;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(own); i++) {
		(void)snprintf(text, sizeof(text),
		    "%s = x\ntable %s { %s = %s }\naction %s mbox alias <%s>\nlisten on %s tag %s hostname %s\n"
		    "admd %s\nmatch tag %s for domain { %s,\n%s } action %s\n",
		    own[i], own[i], own[i], own[i], own[i], own[i], own[i], own[i], own[i], own[i], own[i], own[i],
		    own[i], own[i]);
		dump = dump_of(text, &reports);
		if (dump == NULL)
			row_fail(own[i], "%s", reports.text);
		free(dump);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_word_is_explained_and_no_other),
		cmocka_unit_test(test_defaults_are_those_of_the_manual),
		cmocka_unit_test(test_examples_of_the_manual_work),
		cmocka_unit_test(test_the_sample_works_with_its_examples_too),
		cmocka_unit_test(test_every_word_is_in_the_sample_or_not_yet),
		cmocka_unit_test(test_our_own_words_are_not_reserved),
		cmocka_unit_test(test_our_own_words_are_names_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
