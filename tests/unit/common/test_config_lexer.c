/* SPDX-License-Identifier: ISC */
/*
 * Promised: the lexical rules of smtpd.conf(5). Each row is a text, with a rule behind it so that it is a configuration,
 * and what has to be in its tree, or what is said about it.
 */
#include "tests/unit/common/config_fixture.h"

struct reads {
	const char *sentence;
	const char *text;
	const char *in_tree;
};

static const struct reads reads[] = {
	{ "blank lines and blanks mean nothing", "\n\n  \t\n  admd\tx  \n\n", "admd \"x\"" },
	{ "the last newline may be missing", "\nadmd x", "admd \"x\"" },
	{ "lines may end in CRLF", "admd x\r\nsmtp ciphers y\r\n", "ciphers \"y\"" },
	{ "a backslash at the end joins lines", "admd \\\n x\n", "admd \"x\"" },
	{ "a backslash joins lines that end in CRLF", "admd \\\r\n x\r\n", "admd \"x\"" },
	{ "a backslash joins the two halves of a word", "admd ab\\\ncd\n", "admd \"abcd\"" },
	{ "a backslash before another byte yields it", "admd a\\b\n", "admd \"ab\"" },
	{ "a comment ends with its line", "admd x # smtp ciphers y\n", "admd \"x\"" },
	{ "a comment may stand alone", "# a\nadmd x\n  # b\n", "admd \"x\"" },
	{ "a comment that ends in a backslash swallows the next line", "# a \\\nnonsense\nadmd x\n", "admd \"x\"" },
	{ "# in a word begins a comment", "admd a#b\n", "admd \"a\"" },
	{ "a word may begin with a colon, and hold punctuation", "admd ::1/$*?@~-+%[]^.&;|'\"`\n",
	    "admd \"::1/$*?@~-+%[]^.&;|'\\x22`\"" },
	{ "a word may begin with a digit", "admd 10.0.0.0/8\n", "admd \"10.0.0.0/8\"" },
	{ "what begins like a number and goes on is a word", "admd 35M\n", "admd \"35M\"" },
	{ "both kinds of quotes are the same", "admd 'x\"y'\n", "admd \"x\\x22y\"" },
	{ "a quoted word is no keyword", "admd \"relay\"\n", "admd \"relay\"" },
	{ "a quoted word may be empty", "table a { \"\" }\n", "key \"\"" },
	{ "within quotes a backslash yields the quote", "table a { \"x\\\"y\" }\n", "key \"x\\x22y\"" },
	{ "within quotes a backslash yields a blank", "table a { \"x\\ y\" }\n", "key \"x y\"" },
	{ "within quotes any other backslash stays", "table a { '.*\\.dsl\\..*' }\n", "key \".*\\x5c.dsl\\x5c..*\"" },
	{ "within quotes a newline vanishes", "table a { \"x\ny\" }\n", "key \"xy\"" },
	{ "within quotes a backslash and newline vanish", "table a { \"x\\\ny\" }\n", "key \"xy\"" },
	{ "within quotes no macro is expanded", "y = z\ntable a { \"$y\" }\n", "key \"$y\"" },
	{ "within quotes # is no comment", "table a { \"x # y\" }\n", "key \"x # y\"" },
	{ "a quote within a word is part of it", "table a { x\"y }\n", "key \"x\\x22y\"" },
	{ "a number may be negative, where one may stand", "table a { \"-1\" }\n", "key \"-1\"" },
	{ "a macro is replaced by its text", "y = \"x\"\nadmd $y\n", "admd \"x\"" },
	{ "a macro may hold several words, keywords too", "y = \"tls pki x\"\npki x cert c key k\nlisten on lo $y\n",
	    "tls-offered pki \"x\"" },
	{ "what follows a macro without a blank is glued on", "y = \"a\"\nadmd $y.example.org\n",
	    "admd \"a.example.org\"" },
	{ "$ in the middle of a word is literal", "y = \"a\"\nadmd b$y\n", "admd \"b$y\"" },
	{ "a macro may hold a quoted string", "y = '\"a b\"'\ntable a { $y }\n", "key \"a b\"" },
	{ "a macro may hold a part of a statement's braces", "y = \"{ a\"\ntable a $y, b }\n", "key \"b\"" },
	{ "a macro may be empty", "y = \"\"\nadmd $y x\n", "admd \"x\"" },
	{ "a macro is redefined from there on", "y = a\ny = b\nadmd $y\n", "admd \"b\"" },
	{ "a macro may take the value of another", "y = a\nz = $y\nadmd $z\n", "admd \"a\"" },
	{ "a macro may take its own old value", "y = a\ny = $y.b\nadmd $y\n", "admd \"a.b\"" },
	{ "elements are separated by commas", "table a { x, y }\n", "entries 2" },
	{ "elements are separated by blanks", "table a { x y }\n", "entries 2" },
	{ "elements are separated by newlines", "table a {\n\nx\n\ny\n\n}\n", "entries 2" },
	{ "elements are separated by commas and newlines", "table a {\nx,\ny # c\n}\n", "entries 2" },
	{ "= makes a mapping", "table a { x = y }\n", "mapping entries 1" },
	{ "=> makes a mapping", "table a { x => y, z => u }\n", "mapping entries 2" },
	{ "a mapping may stand over lines", "table a {\nx = y\nz = u,\nv => w\n}\n", "mapping entries 3" },
	{ "! needs no blank", "filter f phase connect match !rdns junk\n", "not filter" },
	{ "! may be followed by blanks", "filter f phase connect match ! rdns junk\n", "not filter" },
	{ "our own words are names elsewhere",
	    "table spool { log = dns }\naction \"m\" mbox alias <spool>\naction log mbox\naction dns mbox\n"
	    "action retry mbox\naction workers mbox\nmatch for any action retry\n",
	    "name \"retry\" mbox" },
	{ "words after history are names elsewhere",
	    "action keep mbox\naction history mbox\naction anonymise mbox\nmatch for any action anonymise\n",
	    "name \"anonymise\" mbox" },
	{ "words after bounce are names elsewhere",
	    "action contact mbox\naction language mbox\naction template mbox\naction postmaster mbox\naction soft-bounce mbox\n"
	    "match for any action template\n",
	    "name \"template\" mbox" },
	{ "our own words are names of macros", "spool = \"a\"\nlog = b\ndns = c\nruntime = d\nadmd $spool\n",
	    "admd \"a\"" },
	{ "our own words are values of macros", "y = spool\nadmd $y\n", "admd \"spool\"" },
	{ "our own words come out of macros", "y = spool\n$y \"/x\"\n", "spool \"/x\"" },
	{ "a quoted spool is no keyword", "\"spool\" = a\nadmd $spool\n", "admd \"a\"" },
	{ "text and json are names after other words", "table json { text }\n", "key \"text\"" },
};

static void
test_what_is_written_is_read(void **state)
{
	struct reports reports;
	char text[1024];
	char *dump;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(reads); i++) {
		(void)snprintf(text, sizeof(text), "%s\nmatch for any reject\n", reads[i].text);
		dump = dump_of(text, &reports);
		if (dump == NULL)
			row_fail(reads[i].sentence, "does not parse: %s", reports.text);
		if (strstr(dump, reads[i].in_tree) == NULL)
			row_fail(reads[i].sentence, "got %s wanted %s", dump, reads[i].in_tree);
		free(dump);
	}
}

struct refused {
	const char *sentence;
	const char *text;
	const char *said;
};

static const struct refused refused[] = {
	{ "a word may not begin with a slash", "include /x\n",
	    "a.conf:1:9: unexpected \"/\": quote a value that begins with it" },
	{ "a word may not begin with @", "table t { @ }\n", "a.conf:1:11: unexpected \"@\"" },
	{ "a keyword is no name", "action relay relay\n",
	    "a.conf:1:8: syntax error: unexpected relay, expected a string: quote a keyword" },
	{ "a number is no string", "table t { 1, 2 }\n", "a.conf:1:11: syntax error: unexpected \"1\"" },
	{ "a number ends before a slash", "table t { 10/8 }\n", "a.conf:1:11: syntax error: unexpected \"10\"" },
	{ "- alone is no number", "admd -\n", "a.conf:1:6: unexpected \"-\"" },
	{ "a number may be too large", "mta max-deferred 9223372036854775808\n",
	    "\"9223372036854775808\" invalid number: too large" },
	{ "a quote that is not closed", "admd \"x\n", "a.conf:1:6: reached end of file while parsing quoted string" },
	{ "a macro that is not defined", "admd $x\n", "a.conf:1:6: macro 'x' not defined" },
	{ "a macro in the value of a macro", "x = a\ny = '$x'\nadmd $y\n",
	    "a.conf:3:6: unexpected \"$\": the value of a macro cannot name another" },
	{ "a keyword as the value of a macro", "x = relay\n", "a.conf:1:5: syntax error: unexpected relay" },
	{ "an empty list", "table t { }\n", "a.conf:1:9: empty braces" },
	{ "a comma at the end of a list", "table t { a, }\n", "a.conf:1:14: syntax error: unexpected }" },
	{ "a list that becomes a mapping", "table t { a, b = c }\n", "a.conf:1:16: syntax error: unexpected =" },
	{ "a mapping that becomes a list", "table t { a = b, c }\n",
	    "a.conf:1:20: syntax error: unexpected }, expected = or =>" },
	{ "a carriage return within a line", "admd x \r y\n", "a.conf:1:8: unexpected byte 0x0d" },
	{ "a byte of UTF-8 outside of quotes", "admd \xc3\xa4\n", "a.conf:1:6: unexpected byte 0xc3" },
	{ "a delay where a bare number stands", "queue ttl 3600\n", "a.conf:1:11: invalid delay: \"3600\"" },
	{ "our own word at the start of a statement only", "admd a spool \"/x\"\n",
	    "a.conf:1:8: syntax error: unexpected \"spool\"" },
	{ "our own word after its keyword only", "smtp retry 1m 2m\n",
	    "a.conf:1:6: syntax error: unexpected \"retry\"" },
};

static void
test_what_is_no_language_is_refused_with_its_place(void **state)
{
	struct reports reports;
	char *dump;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(refused); i++) {
		dump = dump_of(refused[i].text, &reports);
		if (dump != NULL)
			row_fail(refused[i].sentence, "was taken for %s", dump);
		if (strstr(reports.text, refused[i].said) == NULL || reports.errors != 1)
			row_fail(refused[i].sentence, "got %s wanted %s", reports.text, refused[i].said);
	}
}

/* Whether "smtp ciphers" takes a value of length bytes, with quote at both ends. */
static bool
takes(size_t length, const char *quote, struct reports *reports)
{
	struct config_text *text;
	struct buf out;
	char *dump;
	size_t i;

	buf_init(&out, 65536);
	assert_true(buf_printf(&out, "smtp ciphers %s", quote));
	for (i = 0; i < length; i++)
		assert_true(buf_append_byte(&out, 'v'));
	assert_true(buf_printf(&out, "%s\nmatch for any reject\n", quote));
	text = text_of_files(buf_str(&out), NULL, NULL);
	dump = dump_of_text(text, reports);
	config_text_free(text);
	buf_clear(&out);
	free(dump);
	return dump != NULL;
}

static void
test_strings_have_a_limit(void **state)
{
	struct reports reports;

	(void)state;
	assert_true(takes(8095, "\"", &reports));
	assert_true(takes(8095, "", &reports));
	assert_false(takes(8096, "\"", &reports));
	assert_string_equal(reports.text, "a.conf:1:14: string too long, expected at most 8095 bytes\n");
	assert_false(takes(8096, "", &reports));
	assert_string_equal(reports.text, "a.conf:1:14: word too long, expected at most 8095 bytes\n");
}

static void
test_a_NUL_byte_is_refused(void **state)
{
	static const char quoted[] = "admd \"a\0b\"\nmatch for any reject\n";
	static const char bare[] = "admd a\0b\nmatch for any reject\n";
	struct reports reports;
	struct config_text *text;

	(void)state;
	text = text_of_files((struct str)STR(quoted), NULL, NULL);
	assert_null(dump_of_text(text, &reports));
	assert_string_equal(reports.text, "a.conf:1:8: NUL byte in quoted string\n");
	config_text_free(text);
	text = text_of_files((struct str)STR(bare), NULL, NULL);
	assert_null(dump_of_text(text, &reports));
	assert_string_equal(reports.text, "a.conf:1:7: unexpected byte 0x00\n");
	config_text_free(text);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_what_is_no_language_is_refused_with_its_place),
		cmocka_unit_test(test_strings_have_a_limit),
		cmocka_unit_test(test_a_NUL_byte_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
