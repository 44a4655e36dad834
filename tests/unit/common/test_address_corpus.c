/* SPDX-License-Identifier: ISC */
/*
 * Promised: of the addresses of is_email's tests, which are as they may stand in RFC 5322, the parser reads those that
 * RFC 5321 allows in a path. Each has a category and a diagnosis.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEXT_MAX 2048

/*
 * What its categories are in SMTP. Where RFC 5321 knows less than RFC 5322 the address is good mail of another time or
 * place, and no path:
 *	CFWS, DEPREC	comments, folding and blanks, words joined by dots, control bytes in quotes: the header of a
 *			message has them, section 4.1.2 does not; "::" for one group is filed there too
 *	RFC5322		lengths beyond section 4.5.3.1, and domain literals of any text, which section 4.1.3 forbids
 * DNSWARN is about DNS alone. RFC5321 is what SMTP allows and few expect: quoted strings, literals, a top-level domain.
 */
static const struct {
	struct str category;
	bool allowed;
} categories[] = {
	{ STR("ISEMAIL_VALID_CATEGORY"), true },
	{ STR("ISEMAIL_DNSWARN"), true },
	{ STR("ISEMAIL_RFC5321"), true },
	{ STR("ISEMAIL_CFWS"), false },
	{ STR("ISEMAIL_DEPREC"), false },
	{ STR("ISEMAIL_RFC5322"), false },
	{ STR("ISEMAIL_ERR"), false },
};

static bool
cut_at(struct str s, struct str separator, struct str *head, struct str *tail)
{
	const char *at = s.len == 0 ? NULL : memmem(s.ptr, s.len, separator.ptr, separator.len);

	if (at == NULL)
		return false;
	*head = (struct str){ s.ptr, (size_t)(at - s.ptr) };
	*tail = (struct str){ at + separator.len, s.len - head->len - separator.len };
	return true;
}

/* The text between <tag> and </tag>; empty when the element is written <tag/>. */
static struct str
element(struct str test, const char *open, const char *close)
{
	struct str head, text, tail;

	if (!cut_at(test, str_of(open), &head, &tail) || !cut_at(tail, str_of(close), &text, &tail))
		return (struct str)STR("");
	return text;
}

/* Writes the code point of a reference: below U+0100 in this corpus, or U+2400 and a control byte. */
static size_t
decode_reference(struct str name, char *dst)
{
	static const struct {
		struct str name;
		char byte;
	} entities[] = { { STR("amp"), '&' }, { STR("lt"), '<' }, { STR("gt"), '>' }, { STR("quot"), '"' } };
	unsigned long point;
	char digits[16];
	size_t i;

	for (i = 0; i < COUNT(entities); i++)
		if (str_equal(name, entities[i].name))
			return (size_t)snprintf(dst, 2, "%c", entities[i].byte);
	assert_true(str_starts_nocase(name, S("#x")) && str_copy(name, digits, sizeof(digits)));
	point = strtoul(digits + 2, NULL, 16);
	if (point >= 0x2400 && point <= 0x2420)
		point -= 0x2400;
	assert_true(point <= 0xff);
	dst[0] = (char)point;
	if (point < 0x80)
		return 1;
	dst[0] = (char)(0xc0 | point >> 6);
	dst[1] = (char)(0x80 | (point & 0x3f));
	return 2;
}

static struct str
decode_text(struct str text, char *dst, size_t size)
{
	struct str plain, name;
	size_t len = 0;

	while (text.len > 0) {
		(void)str_cut(text, '&', &plain, &text);
		assert_true(len + plain.len + 2 < size);
		memcpy(dst + len, plain.ptr, plain.len);
		len += plain.len;
		if (text.ptr[-1] == '&') {
			assert_true(str_cut(text, ';', &name, &text));
			len += decode_reference(name, dst + len);
		}
	}
	return (struct str){ dst, len };
}

static void
check_corpus_row(struct str test)
{
	struct str category = element(test, "<category>", "</category>");
	char decoded[TEXT_MAX], bracketed[TEXT_MAX + 2];
	struct str address = decode_text(element(test, "<address>", "</address>"), decoded, sizeof(decoded)), rest;
	struct address a;
	size_t i = 0;
	bool path;

	while (i < COUNT(categories) && !str_equal(category, categories[i].category))
		i++;
	assert_in_range(i, 0, COUNT(categories) - 1);
	bracketed[0] = '<';
	memcpy(bracketed + 1, address.ptr, address.len);
	bracketed[address.len + 1] = '>';
	path = address_parse_path((struct str){ bracketed, address.len + 2 }, ADDRESS_UTF8_ALLOWED, &a, &rest, NULL);
	if (path != categories[i].allowed || address_parse(address, ADDRESS_UTF8_ALLOWED, &a, NULL) != path)
		fail_msg("%.*s is %s: %.*s", STR_ARG(address), path ? "read" : "refused", STR_ARG(test));
}

static void
test_corpus(void **state)
{
	const char *corpora = getenv("POSTERN_CORPORA");
	char name[4096], *text = NULL;
	struct str head, test, tail;
	size_t size = 0, count = 0;
	FILE *file;

	(void)state;
	(void)snprintf(name, sizeof(name), "%s/addresses/tests.xml", corpora != NULL ? corpora : "../shared/corpora");
	file = fopen(name, "r");
	if (file == NULL) {
		print_message("# the corpus of addresses is not there: %s (POSTERN_CORPORA names its folder)\n", name);
		skip();
	}
	assert_true(getdelim(&text, &size, '\0', file) > 0);
	(void)fclose(file);
	tail = str_of(text);
	while (cut_at(tail, S("<test id="), &head, &tail)) {
		assert_true(cut_at(tail, S("</test>"), &test, &tail));
		check_corpus_row(test);
		count++;
	}
	free(text);
	print_message("# %zu addresses of the corpus\n", count);
	assert_true(count > 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests_name("address_corpus", tests, NULL, NULL);
}
