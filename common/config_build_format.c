/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/config_build.h"

/*
 * Format specifiers: "%{" NAME [ "[" BEGIN [ ":" END ] "]" ] [ ":" MODIFIER { "|" MODIFIER } ] "}", and "%%". In OpenSMTPD
 * a modifier beside a substring makes every delivery fail, so it is refused here.
 */

static const struct str names[] = {
	STR("sender"),
	STR("sender.user"),
	STR("sender.domain"),
	STR("rcpt"),
	STR("rcpt.user"),
	STR("rcpt.domain"),
	STR("dest"),
	STR("dest.user"),
	STR("dest.domain"),
	STR("user.username"),
	STR("user.directory"),
	STR("mbox.from"),
};
static const struct str modifiers[] = { STR("lowercase"), STR("uppercase"), STR("strip"), STR("raw") };

static bool
is_name(struct str name, bool wrapper)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_equal_nocase(names[i], name))
			return true;
	return wrapper && str_equal_nocase(S("mda"), name);
}

static bool
is_modifiers(struct str list)
{
	struct str one;
	bool more, known;
	size_t i;

	do {
		more = str_cut(list, '|', &one, &list);
		known = false;
		for (i = 0; i < sizeof(modifiers) / sizeof(modifiers[0]); i++)
			known = known || str_equal(modifiers[i], one);
		if (!known)
			return false;
	} while (more);
	return true;
}

static bool
is_integer(struct str text)
{
	enum { INDEX_MAX = 32767 };
	uint64_t value;

	if (text.len > 0 && text.ptr[0] == '-')
		text = (struct str){ text.ptr + 1, text.len - 1 };
	return str_to_u64(text, INDEX_MAX, &value);
}

/* "n]", "n:]", ":m]", "n:m]". */
static bool
is_substring(struct str text)
{
	struct str begin, end, after;
	bool range;

	if (!str_cut(text, ']', &text, &after) || after.len > 0)
		return false;
	range = str_cut(text, ':', &begin, &end);
	if (!range)
		return is_integer(begin);
	return (begin.len > 0 || end.len > 0) && (begin.len == 0 || is_integer(begin)) &&
	    (end.len == 0 || is_integer(end));
}

/* Of what stands between the braces. Returns NULL when it is right, else what is wrong. */
static const char *
check_specifier(struct str text, bool wrapper)
{
	struct str name, substring, modifier;

	if (str_cut(text, '[', &name, &substring)) {
		if (!is_name(name, wrapper))
			return "unknown format specifier";
		return is_substring(substring)
		    ? NULL
		    : "invalid substring, expected [n], [n:], [:m] or [n:m] and nothing after it";
	}
	if (str_cut(text, ':', &name, &modifier) && !is_modifiers(modifier))
		return "unknown modifier, expected lowercase, uppercase, strip or raw";
	return is_name(name, wrapper) ? NULL : "unknown format specifier";
}

void
config_build_check_format(struct config_build *build, const struct config_token *text, bool wrapper)
{
	struct str rest = str_of(text->text), before, specifier;
	const char *wrong;

	while (str_cut(rest, '%', &before, &rest)) {
		if (rest.len > 0 && rest.ptr[0] == '%') {
			rest = (struct str){ rest.ptr + 1, rest.len - 1 };
			continue;
		}
		if (rest.len == 0 || rest.ptr[0] != '{')
			continue;
		rest = (struct str){ rest.ptr + 1, rest.len - 1 };
		if (!str_cut(rest, '}', &specifier, &rest)) {
			config_error(&build->errors, &text->place, "\"%%{\" without \"}\" in \"%.128s\"", text->text);
			return;
		}
		wrong = check_specifier(specifier, wrapper);
		if (wrong != NULL)
			config_error(&build->errors, &text->place, "%%{%.*s}: %s",
			    (int)(specifier.len > 64 ? 64 : specifier.len), specifier.ptr, wrong);
	}
}

void
config_build_check_protocols(struct config_build *build, const struct config_token *text)
{
	static const struct str known[] = { STR("all"), STR("legacy"), STR("default"), STR("secure"), STR("compat"),
		STR("tlsv1"), STR("tlsv1.0"), STR("tlsv1.1"), STR("tlsv1.2"), STR("tlsv1.3") };
	struct str rest = str_of(text->text), one;
	bool more, found;
	size_t i;

	do {
		more = str_cut(rest, strchr(text->text, ':') != NULL ? ':' : ',', &one, &rest);
		one = str_trim(one);
		if (one.len > 0 && one.ptr[0] == '!')
			one = (struct str){ one.ptr + 1, one.len - 1 };
		found = false;
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found = found || str_equal_nocase(known[i], one);
		if (!found) {
			config_error(&build->errors, &text->place,
			    "protocols \"%.64s\": expected a list of secure, all, tlsv1.2, tlsv1.3, with \"!\" before what is excluded",
			    text->text);
			return;
		}
	} while (more);
}
