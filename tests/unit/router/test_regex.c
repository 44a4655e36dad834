/* SPDX-License-Identifier: ISC */
/*
 * Promised: extended regular expressions of POSIX mean here what they mean in the C library, whatever is no such
 * expression is refused, and no pattern and text make a match expensive. SECURITY rows C17, X10.
 */
#include "router/regex.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "router/limits.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct {
	const char *name;
	const char *pattern;
	const char *text;
	bool want;
} rows[] = {
	{ "a literal is found anywhere", "spam", "my spam here", true },
	{ "a literal that is not there", "spam", "spa m", false },
	{ "the case of letters is ignored", "SpAm", "sPaM", true },
	{ "also in sets", "^[A-C]+$", "abc", true },
	{ "an inverted set leaves out both cases", "^[^a]$", "A", false },
	{ "\\S is no \\s", "^\\S+$", "abc", true },
	{ "\\S is no blank", "^\\S+$", "a c", false },
	{ "\\D is no digit", "^\\D+$", "a1", false },
	{ "\\d is a digit", "^\\d{3}$", "123", true },
	{ "\\w is a letter, digit or underscore", "^\\w+$", "a_1", true },
	{ "\\W is none of them", "^\\W$", "a", false },
	{ "(?i) may stand at the beginning", "(?i)^ABC$", "abc", true },
	{ "the empty pattern matches", "", "x", true },
	{ "the empty text is matched by ^$", "^$", "", true },
	{ "the null reverse-path", "^@$", "@", true },
	{ "an address is not the null reverse-path", "^@$", "a@b", false },
	{ "a pattern from the manual", "^.*\\.dsl\\..*$", "host.dsl.isp.example", true },
	{ "a dot is any byte", "a.c", "a\xffzc a-c", true },
	{ "an escaped dot is a dot", "a\\.c", "abc", false },
	{ "choices", "^(cat|dog)$", "dog", true },
	{ "choices of three", "^(a|b|cc)$", "cc", true },
	{ "an empty choice", "^(a|)b$", "b", true },
	{ "a choice without parentheses binds least", "^a|b$", "ax", true },
	{ "the second choice without parentheses", "^a|b$", "xb", true },
	{ "star is none", "^ab*c$", "ac", true },
	{ "star is many", "^ab*c$", "abbbbc", true },
	{ "plus is at least one", "^ab+c$", "ac", false },
	{ "plus is many", "^ab+c$", "abbc", true },
	{ "a question mark is none", "^ab?c$", "ac", true },
	{ "a question mark is not two", "^ab?c$", "abbc", false },
	{ "exactly two", "^a{2}$", "aa", true },
	{ "not three", "^a{2}$", "aaa", false },
	{ "two or more", "^a{2,}$", "aaaaa", true },
	{ "not one", "^a{2,}$", "a", false },
	{ "two to three", "^a{2,3}$", "aaa", true },
	{ "not four", "^a{2,3}$", "aaaa", false },
	{ "up to two", "^a{,2}$", "aa", true },
	{ "none of it", "^xa{0}y$", "xy", true },
	{ "a group repeated", "^(ab){2}$", "abab", true },
	{ "a group repeated, and not", "^(ab){2}$", "aba", false },
	{ "repetitions within each other", "^((a{2}){2}b)+$", "aaaabaaaab", true },
	{ "a repetition of what may be empty ends", "^(a*)*$", "aaa", true },
	{ "also of what is always empty", "(^)*x", "x", true },
	{ "a set with a bracket", "^[]a]+$", "]a]", true },
	{ "a set with a hyphen at the end", "^[a-]+$", "-a-", true },
	{ "a class of characters", "^[[:digit:]x]+$", "1x2", true },
	{ "a brace that is no number is itself", "^a{b$", "a{b", true },
	{ "a closing parenthesis alone is itself", "^a)$", "a)", true },
	{ "an anchor in the middle", "a^b", "a^b", false },
	{ "the edge of a word", "\\bcat\\b", "a cat.", true },
	{ "not within a word", "\\bcat\\b", "concat", false },
	{ "within a word", "\\Bcat", "concat", true },
	{ "everything from a domain", "@example\\.(org|net)$", "joe@example.net", true },
};

static const struct {
	const char *name;
	const char *pattern;
} refused[] = {
	{ "a parenthesis that does not close", "(a" },
	{ "a bracket that does not close", "[a" },
	{ "a bracket with a range that does not end", "[a-" },
	{ "a range the wrong way", "[z-a]" },
	{ "an unknown class", "[[:nothing:]]" },
	{ "a class that does not close", "[[:alpha" },
	{ "a collating element", "[[.a.]]" },
	{ "nothing to repeat", "*a" },
	{ "nothing to repeat in a group", "(+a)" },
	{ "a backslash at the end", "a\\" },
	{ "a back-reference", "(a)\\1" },
	{ "an unknown escape", "\\q" },
	{ "what is not of POSIX", "(?:a)" },
	{ "a brace that does not close", "a{2" },
	{ "numbers in the wrong order", "a{3,2}" },
	{ "a number over the limit", "a{256}" },
	{ "what grows over the limit", "((a{255}){255}){255}" },
	{ "parentheses too deep", "((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))" },
};
/* clang-format on */

static void
test_meanings(void **state)
{
	struct error err;
	struct regex *r;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		r = regex_new(str_of(rows[i].pattern), &err);
		if (r == NULL)
			row_fail(rows[i].name, "refused: %s", err.text);
		if (regex_match(r, str_of(rows[i].text)) != rows[i].want)
			row_fail(rows[i].name, "got %d", !rows[i].want);
		regex_free(r);
	}
}

static void
test_what_is_no_expression_is_refused(void **state)
{
	char text[REGEX_PATTERN_MAX + 2];
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(refused); i++)
		if (regex_new(str_of(refused[i].pattern), &err) != NULL)
			row_fail(refused[i].name, "%s", "taken");
	memset(text, 'a', sizeof(text));
	assert_null(regex_new((struct str){ text, sizeof(text) }, &err));
}

/* The C library as a second opinion, over patterns and texts made by chance from few letters. */
static void
test_the_c_library_agrees(void **state)
{
	static const char *const pieces[] = { "a", "b", ".", "(a|b)", "(ab)*", "a+", "b?", "[ab]", "[^a]", "a{2,3}",
		"^", "$", "(a|bb)+", "(b|)", "a|b" };
	char pattern[128], text[16];
	struct error err;
	struct regex *r;
	regex_t libc;
	unsigned seed = 7, round, i;

	(void)state;
	for (round = 0; round < 20000; round++) {
		pattern[0] = text[0] = '\0';
		for (i = 0; i < 1 + (unsigned)rand_r(&seed) % 4; i++)
			(void)strlcat(pattern, pieces[(unsigned)rand_r(&seed) % COUNT(pieces)], sizeof(pattern));
		for (i = 0; i < (unsigned)rand_r(&seed) % 8; i++)
			(void)strlcat(text, rand_r(&seed) % 2 != 0 ? "a" : "b", sizeof(text));
		r = regex_new(str_of(pattern), &err);
		if (r == NULL)
			row_fail(pattern, "%s", err.text);
		assert_int_equal(regcomp(&libc, pattern, REG_EXTENDED | REG_NOSUB), 0);
		if (regex_match(r, str_of(text)) != (regexec(&libc, text, 0, NULL, 0) == 0))
			row_fail(pattern, "differs for \"%s\"", text);
		regfree(&libc);
		regex_free(r);
	}
}

static void
test_no_text_explodes(void **state)
{
	static const char *const bombs[] = { "^(a+)+$", "^(a|aa)+$", "(.*)(.*)(.*)(.*)(.*)x", "^(a?){100}a{100}$",
		"([a-z]+)*[0-9]", "^(([a-z])+.)+[A-Z]([a-z])+$" };
	char text[4096];
	struct error err;
	struct regex *r;
	struct timespec before, after;
	int64_t ms;
	size_t i;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '!';
	for (i = 0; i < COUNT(bombs); i++) {
		r = regex_new(str_of(bombs[i]), &err);
		assert_non_null(r);
		assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before), 0);
		(void)regex_match(r, (struct str){ text, sizeof(text) });
		assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after), 0);
		ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
		if (ms > 500)
			row_fail(bombs[i], "%lld ms", (long long)ms);
		regex_free(r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meanings),
		cmocka_unit_test(test_what_is_no_expression_is_refused),
		cmocka_unit_test(test_the_c_library_agrees),
		cmocka_unit_test(test_no_text_explodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
