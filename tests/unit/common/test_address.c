/* SPDX-License-Identifier: ISC */
/*
 * Promised: what RFC 5321 section 4.1.2 and 4.1.3 allow is read, all else is refused, nothing is repaired; and one address
 * has one form. SECURITY rows C01, C03, C07, C08, C09, C10.
 */
#include "common/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define FORWARD  ADDRESS_POSTMASTER_ALLOWED
#define REVERSE  ADDRESS_NULL_ALLOWED
#define UTF8     ADDRESS_UTF8_ALLOWED
#define LOCAL    ADDRESS_LOCAL_ONLY_ALLOWED
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define REFUSED  NULL
#define TEXT_MAX 2048
#define TEN      "abcdefghij"
#define SIXTY    TEN TEN TEN TEN TEN TEN
#define LABEL63  SIXTY "klm"

struct row {
	const char *name;
	struct str path;
	unsigned rules;
	const char *want; /* what address_format writes, or REFUSED */
};

/* clang-format off */
static const struct row paths[] = {
	/* Dot-string and domain */
	{ "a plain address is read", STR("<a@b.example>"), 0, "a@b.example" },
	{ "a domain may be one label", STR("<a@b>"), 0, "a@b" },
	{ "a domain is lowered", STR("<a@B.Example>"), 0, "a@b.example" },
	{ "a local part keeps its case", STR("<Joe.Smith@b.example>"), 0, "Joe.Smith@b.example" },
	{ "all of atext needs no quotes", STR("<!#$%&'*+-/=?^_`{|}~09azAZ@b.example>"), 0, "!#$%&'*+-/=?^_`{|}~09azAZ@b.example" },
	{ "atoms are joined by dots", STR("<a.b.c@d.example>"), 0, "a.b.c@d.example" },
	{ "a subaddress is only an atom", STR("<a+tag@d.example>"), 0, "a+tag@d.example" },
	{ "a local part may begin with a hyphen", STR("<-f@d.example>"), 0, "-f@d.example" },
	{ "digits are a local part", STR("<123@d.example>"), 0, "123@d.example" },
	{ "labels may be digits", STR("<a@123.456>"), 0, "a@123.456" },
	{ "hyphens stand inside a label", STR("<a@b--c.d-e>"), 0, "a@b--c.d-e" },
	{ "an A-label is a label and is never decoded", STR("<a@xn--bcher-kva.example>"), 0, "a@xn--bcher-kva.example" },
	{ "punycode that would be syntax stays as it is (C09)", STR("<a@xn--0.example>"), 0, "a@xn--0.example" },
	{ "a label of 63 bytes is read", STR("<a@" LABEL63 ".example>"), 0, "a@" LABEL63 ".example" },
	{ "a label of 64 bytes is refused", STR("<a@" LABEL63 "n.example>"), 0, REFUSED },
	{ "a local part of 64 bytes is read", STR("<" LABEL63 "n@d.example>"), 0, LABEL63 "n@d.example" },
	{ "a local part of 65 bytes is refused", STR("<" LABEL63 "no@d.example>"), 0, REFUSED },
	{ "a dot as byte 65 is refused", STR("<" LABEL63 "n.@d.example>"), 0, REFUSED },

	/* what is missing or doubled */
	{ "nothing is refused", STR(""), 0, REFUSED },
	{ "an address needs its brackets", STR("a@b.example"), 0, REFUSED },
	{ "> alone is refused (C07)", STR(">"), 0, REFUSED },
	{ "< alone is refused", STR("<"), 0, REFUSED },
	{ "an end that is missing is refused", STR("<a@b.example"), 0, REFUSED },
	{ "a domain is needed", STR("<a>"), 0, REFUSED },
	{ "a domain is needed behind @", STR("<a@>"), 0, REFUSED },
	{ "a local part is needed", STR("<@b.example>"), 0, REFUSED },
	{ "@ alone is refused", STR("<@>"), 0, REFUSED },
	{ "@@ is refused (C07)", STR("<a@@b>"), 0, REFUSED },
	{ "two @ are refused", STR("<a@b@c>"), 0, REFUSED },
	{ "<< is refused (C07)", STR("<<a@b>>"), 0, REFUSED },
	{ "a bare <@x is refused (C07)", STR("<@x>"), 0, REFUSED },
	{ "a dot at the start is refused", STR("<.a@b>"), 0, REFUSED },
	{ "a dot at the end of the local part is refused", STR("<a.@b>"), 0, REFUSED },
	{ "two dots are refused", STR("<a..b@c>"), 0, REFUSED },
	{ "a dot is no local part", STR("<.@b>"), 0, REFUSED },
	{ "a dot at the start of the domain is refused", STR("<a@.b>"), 0, REFUSED },
	{ "a dot at the end of the domain is refused", STR("<a@b.example.>"), 0, REFUSED },
	{ "two dots in the domain are refused", STR("<a@b..c>"), 0, REFUSED },
	{ "a hyphen begins no label", STR("<a@-b>"), 0, REFUSED },
	{ "a hyphen ends no label", STR("<a@b-.c>"), 0, REFUSED },
	{ "a hyphen is no label", STR("<a@->"), 0, REFUSED },
	{ "an underscore stands in no domain", STR("<a@b_c.example>"), 0, REFUSED },
	{ "a port is no part of a domain", STR("<a@b.example:25>"), 0, REFUSED },
	{ "a slash stands in no domain", STR("<a@b/c.example>"), 0, REFUSED },

	/* blanks, comments, lists: RFC 5322, not RFC 5321 */
	{ "a blank in front is refused", STR(" <a@b>"), 0, REFUSED },
	{ "a blank behind < is refused", STR("< a@b>"), 0, REFUSED },
	{ "a blank before > is refused", STR("<a@b >"), 0, REFUSED },
	{ "a blank before @ is refused", STR("<a @b>"), 0, REFUSED },
	{ "a tab is refused", STR("<a\t@b>"), 0, REFUSED },
	{ "a comment is refused", STR("<(c)a@b>"), 0, REFUSED },
	{ "a comment in the domain is refused", STR("<a@b(c)>"), 0, REFUSED },
	{ "a display name is refused", STR("Joe <a@b>"), 0, REFUSED },
	{ "a second address is refused", STR("<a@b,c@d>"), 0, REFUSED },
	{ "a group is refused", STR("<g:a@b;>"), 0, REFUSED },

	/* Quoted-string */
	{ "quotes that are not needed go", STR("<\"abc\"@d>"), 0, "abc@d" },
	{ "quotes round dots go where a dot-string says the same", STR("<\"a.b\"@d>"), 0, "a.b@d" },
	{ "quotes round a blank stay", STR("<\"a b\"@d>"), 0, "\"a b\"@d" },
	{ "an empty quoted string is a local part", STR("<\"\"@d>"), 0, "\"\"@d" },
	{ "a backslash that is not needed goes", STR("<\"\\a\\b\"@d>"), 0, "ab@d" },
	{ "a quoted quote stays", STR("<\"a\\\"b\"@d>"), 0, "\"a\\\"b\"@d" },
	{ "a quoted backslash stays", STR("<\"a\\\\\"@d>"), 0, "\"a\\\\\"@d" },
	{ "a quoted blank needs no backslash", STR("<\"a\\ b\"@d>"), 0, "\"a b\"@d" },
	{ "two dots may stand in quotes", STR("<\"a..b\"@d>"), 0, "\"a..b\"@d" },
	{ "a dot at the start may stand in quotes", STR("<\".a\"@d>"), 0, "\".a\"@d" },
	{ "an @ may stand in quotes, and does not route (C08)", STR("<\"a@evil.example\"@d>"), 0, "\"a@evil.example\"@d" },
	{ "brackets may stand in quotes", STR("<\"a>b<c\"@d>"), 0, "\"a>b<c\"@d" },
	{ "a comma and colon may stand in quotes", STR("<\"@a,@b:c\"@d>"), 0, "\"@a,@b:c\"@d" },
	{ "a quoted string of 64 bytes is read", STR("<\"" SIXTY " k\"@d>"), 0, "\"" SIXTY " k\"@d" },
	{ "a quoted string of 65 bytes is refused, quotes counted", STR("<\"" SIXTY " kl\"@d>"), 0, REFUSED },
	{ "backslashes count, though they go", STR("<\"" SIXTY "k\\l\"@d>"), 0, REFUSED },
	{ "a quoted string that is not closed is refused (C03)", STR("<\"abc@d>"), 0, REFUSED },
	{ "a backslash at the very end is refused (C03)", STR("<\"abc\\"), 0, REFUSED },
	{ "a quote that is quoted does not close (C03)", STR("<\"abc\\\"@d>"), 0, REFUSED },
	{ "a quote alone is refused", STR("<\""), 0, REFUSED },
	{ "a quote in an atom is refused", STR("<a\"b\"@d>"), 0, REFUSED },
	{ "an atom behind quotes is refused", STR("<\"a\"b@d>"), 0, REFUSED },
	{ "two quoted strings are refused", STR("<\"a\"\"b\"@d>"), 0, REFUSED },
	{ "words joined by dots are refused (RFC 5322 obsolete)", STR("<\"a\".b@d>"), 0, REFUSED },
	{ "a backslash in an atom is refused", STR("<a\\@b@d>"), 0, REFUSED },
	{ "NUL in an atom is refused", STR("<a\0b@d>"), 0, REFUSED },
	{ "NUL in quotes is refused (C07)", STR("<\"a\0b\"@d>"), 0, REFUSED },
	{ "NUL behind a backslash is refused", STR("<\"a\\\0b\"@d>"), 0, REFUSED },
	{ "NUL in the domain is refused", STR("<a@d\0.example>"), 0, REFUSED },
	{ "CR LF in quotes is refused (C07)", STR("<\"a\r\nb\"@d>"), 0, REFUSED },
	{ "LF behind a backslash is refused", STR("<\"a\\\nb\"@d>"), 0, REFUSED },
	{ "a tab in quotes is refused", STR("<\"a\tb\"@d>"), 0, REFUSED },
	{ "DEL in quotes is refused", STR("<\"a\x7f\"@d>"), 0, REFUSED },
	{ "escape in quotes is refused", STR("<\"a\x1b[2J\"@d>"), 0, REFUSED },

	/* commands, expansions and old relay holes are bytes like others, or not in the grammar */
	{ "a command in a local part without domain is refused (C01)", STR("<;id;>"), REVERSE, REFUSED },
	{ "... nor with one", STR("<;id;@d>"), 0, REFUSED },
	{ "... nor where a domain is not needed", STR("<;id;>"), LOCAL | FORWARD, REFUSED },
	{ "in quotes it is only text", STR("<\";id;\"@d>"), 0, "\";id;\"@d" },
	{ "an expansion is not in the grammar", STR("<${run{/bin/id}}@[d]>"), 0, REFUSED },
	{ "... or only text", STR("<${run{id}}@d>"), 0, "${run{id}}@d" },
	{ "a pipe is only text", STR("<|id@d>"), 0, "|id@d" },
	{ "a path is only text", STR("</etc/passwd@d>"), 0, "/etc/passwd@d" },
	{ "a way up is not in the grammar", STR("<../x@d>"), 0, REFUSED },
	{ "% means nothing (C08)", STR("<a%evil@d>"), 0, "a%evil@d" },
	{ "! means nothing (C08)", STR("<evil!a@d>"), 0, "evil!a@d" },
	{ "an encoded word is never decoded (C09)", STR("<=?utf-8?q?=40?=@d>"), 0, "=?utf-8?q?=40?=@d" },
	{ "an encoded word that ends in a domain is never decoded (C09)", STR("<=?x?q?a=40evil=3e=00?=foo@d>"), 0, "=?x?q?a=40evil=3e=00?=foo@d" },

	/* source routes */
	{ "a source route is dropped", STR("<@d:a@evil>"), 0, "a@evil" },
	{ "a long route is dropped", STR("<@one.example,@two,@three.example:a@d>"), 0, "a@d" },
	{ "a route with an empty hop is refused", STR("<@one,:a@d>"), 0, REFUSED },
	{ "a route without @ is refused", STR("<@one,two:a@d>"), 0, REFUSED },
	{ "a route needs a colon", STR("<@one a@d>"), 0, REFUSED },
	{ "a route needs a mailbox", STR("<@one:>"), REVERSE, REFUSED },
	{ "two routes are refused", STR("<@one:@two:a@d>"), 0, REFUSED },
	{ "blanks in a route are refused", STR("<@one, @two:a@d>"), 0, REFUSED },
	{ "a literal is no hop", STR("<@[192.0.2.1]:a@d>"), 0, REFUSED },
	{ "a bad name in a route is refused", STR("<@-one:a@d>"), 0, REFUSED },
	{ "postmaster behind a route needs a domain", STR("<@one:postmaster>"), FORWARD | LOCAL, REFUSED },

	/* the special forms */
	{ "the null path is read where allowed", STR("<>"), REVERSE, "" },
	{ "the null path is refused elsewhere", STR("<>"), FORWARD | LOCAL | UTF8, REFUSED },
	{ "a blank is no null path", STR("< >"), REVERSE, REFUSED },
	{ "postmaster is read where allowed", STR("<postmaster>"), FORWARD, "postmaster" },
	{ "postmaster has no case (4.5.1)", STR("<PostMaster>"), FORWARD, "postmaster" },
	{ "postmaster is refused elsewhere", STR("<postmaster>"), REVERSE, REFUSED },
	{ "no other name goes with postmaster", STR("<postmaste>"), FORWARD, REFUSED },
	{ "nor a longer one", STR("<postmasters>"), FORWARD, REFUSED },
	{ "postmaster in quotes is another form", STR("<\"postmaster\">"), FORWARD, REFUSED },
	{ "postmaster with a domain keeps its case", STR("<Postmaster@d>"), FORWARD, "Postmaster@d" },
	{ "a local user is read where allowed", STR("<root>"), LOCAL, "root" },
	{ "a local user may be quoted", STR("<\"a b\">"), LOCAL, "\"a b\"" },
	{ "a local user in quotes that are not needed", STR("<\"Postmaster\">"), LOCAL, "postmaster" },
	{ "a local user may be empty in quotes", STR("<\"\">"), LOCAL, "\"\"" },
	{ "a local user may not be followed by @", STR("<root@>"), LOCAL, REFUSED },

	/* address literals */
	{ "an IPv4 literal is read", STR("<a@[192.0.2.1]>"), 0, "a@[192.0.2.1]" },
	{ "the greatest one too", STR("<a@[255.255.255.255]>"), 0, "a@[255.255.255.255]" },
	{ "zeros in front are decimal, and go", STR("<a@[192.000.002.010]>"), 0, "a@[192.0.2.10]" },
	{ "four digits are refused", STR("<a@[192.0.2.0001]>"), 0, REFUSED },
	{ "256 is refused", STR("<a@[192.0.2.256]>"), 0, REFUSED },
	{ "three octets are refused", STR("<a@[192.0.2]>"), 0, REFUSED },
	{ "five octets are refused", STR("<a@[192.0.2.1.1]>"), 0, REFUSED },
	{ "an empty octet is refused", STR("<a@[192..2.1]>"), 0, REFUSED },
	{ "a dot behind is refused", STR("<a@[192.0.2.1.]>"), 0, REFUSED },
	{ "hexadecimal is refused", STR("<a@[0xc0.0.2.1]>"), 0, REFUSED },
	{ "a sign is refused", STR("<a@[+1.0.2.1]>"), 0, REFUSED },
	{ "a blank is refused", STR("<a@[192.0.2.1 ]>"), 0, REFUSED },
	{ "a prefix length is refused", STR("<a@[192.0.2.1/24]>"), 0, REFUSED },
	{ "a literal that is not closed is refused (C07)", STR("<a@[1.2.3>"), 0, REFUSED },
	{ "a whole one that is not closed is refused", STR("<a@[1.2.3.4>"), 0, REFUSED },
	{ "an empty literal is refused", STR("<a@[]>"), 0, REFUSED },
	{ "a name in brackets is refused", STR("<a@[d.example]>"), 0, REFUSED },
	{ "a literal ends the address", STR("<a@[192.0.2.1]d>"), 0, REFUSED },
	{ "two brackets are refused", STR("<a@[[192.0.2.1]]>"), 0, REFUSED },
	{ "NUL in a literal is refused", STR("<a@[192.0.2.1\0]>"), 0, REFUSED },
	{ "an IPv6 literal is read", STR("<a@[IPv6:2001:db8::1]>"), 0, "a@[IPv6:2001:db8::1]" },
	{ "its tag has no case", STR("<a@[ipV6:2001:DB8::1]>"), 0, "a@[IPv6:2001:db8::1]" },
	{ "an IPv6 literal has one form", STR("<a@[IPv6:2001:0db8:0:0:0:0:0:0001]>"), 0, "a@[IPv6:2001:db8::1]" },
	{ "eight groups are read", STR("<a@[IPv6:1:2:3:4:5:6:7:8]>"), 0, "a@[IPv6:1:2:3:4:5:6:7:8]" },
	{ "the unspecified address is read", STR("<a@[IPv6:::]>"), 0, "a@[IPv6:::]" },
	{ "a gap at the end is read", STR("<a@[IPv6:1:2::]>"), 0, "a@[IPv6:1:2::]" },
	{ "six groups before a gap are read", STR("<a@[IPv6:1:2:3:4:5:6::]>"), 0, "a@[IPv6:1:2:3:4:5:6::]" },
	{ "six groups behind a gap are read", STR("<a@[IPv6:::3:4:5:6:7:8]>"), 0, "a@[IPv6:::3:4:5:6:7:8]" },
	{ "a gap of one group is refused", STR("<a@[IPv6:1:2:3::5:6:7:8]>"), 0, REFUSED },
	{ "a gap of no group is refused", STR("<a@[IPv6:1:2:3:4::5:6:7:8]>"), 0, REFUSED },
	{ "two gaps are refused", STR("<a@[IPv6:1::2::3]>"), 0, REFUSED },
	{ "three colons are refused", STR("<a@[IPv6:1:::2]>"), 0, REFUSED },
	{ "three colons in front are refused", STR("<a@[IPv6::::2]>"), 0, REFUSED },
	{ "seven groups are refused", STR("<a@[IPv6:1:2:3:4:5:6:7]>"), 0, REFUSED },
	{ "nine groups are refused", STR("<a@[IPv6:1:2:3:4:5:6:7:8:9]>"), 0, REFUSED },
	{ "a colon in front is refused", STR("<a@[IPv6::1:2:3:4:5:6:7]>"), 0, REFUSED },
	{ "a colon behind is refused", STR("<a@[IPv6:1::2:]>"), 0, REFUSED },
	{ "five digits are refused", STR("<a@[IPv6:12345::1]>"), 0, REFUSED },
	{ "g is no digit", STR("<a@[IPv6:2001:db8::g]>"), 0, REFUSED },
	{ "a zone is refused", STR("<a@[IPv6:fe80::1%eth0]>"), 0, REFUSED },
	{ "an IPv4 tail is read", STR("<a@[IPv6:::ffff:192.0.2.1]>"), 0, "a@[IPv6:::ffff:192.0.2.1]" },
	{ "six groups and IPv4 are read", STR("<a@[IPv6:1:2:3:4:5:6:1.2.3.4]>"), 0, "a@[IPv6:1:2:3:4:5:6:102:304]" },
	{ "four groups, a gap and IPv4 are read", STR("<a@[IPv6:1:2:3:4::1.2.3.4]>"), 0, "a@[IPv6:1:2:3:4::102:304]" },
	{ "five groups, a gap and IPv4 are refused", STR("<a@[IPv6:1:2:3:4:5::1.2.3.4]>"), 0, REFUSED },
	{ "seven groups and IPv4 are refused", STR("<a@[IPv6:1:2:3:4:5:6:7:1.2.3.4]>"), 0, REFUSED },
	{ "IPv4 in the middle is refused", STR("<a@[IPv6:::1.2.3.4:5]>"), 0, REFUSED },
	{ "IPv4 alone is no IPv6", STR("<a@[IPv6:1.2.3.4]>"), 0, REFUSED },
	{ "IPv6 needs its tag", STR("<a@[2001:db8::1]>"), 0, REFUSED },
	{ "an empty IPv6 is refused", STR("<a@[IPv6:]>"), 0, REFUSED },
	{ "a tag that nobody registered is refused (4.1.3)", STR("<a@[x400:c=de]>"), 0, REFUSED },

	/* UTF-8: RFC 6531 */
	{ "UTF-8 without SMTPUTF8 is refused (C10)", STR("<b\u00fccher@d>"), 0, REFUSED },
	{ "... in quotes", STR("<\"\u00fc\"@d>"), 0, REFUSED },
	{ "... in the domain", STR("<a@b\u00fccher.example>"), 0, REFUSED },
	{ "... in a route", STR("<@b\u00fccher.example:a@d>"), 0, REFUSED },
	{ "UTF-8 in an atom is read", STR("<b\u00fccher@d>"), UTF8, "b\u00fccher@d" },
	{ "UTF-8 in quotes is read", STR("<\"b\u00fc cher\"@d>"), UTF8, "\"b\u00fc cher\"@d" },
	{ "quotes that UTF-8 does not need go", STR("<\"b\u00fccher\"@d>"), UTF8, "b\u00fccher@d" },
	{ "a U-label is read", STR("<a@b\u00fccher.example>"), UTF8, "a@b\u00fccher.example" },
	{ "letters of a U-label keep their case, ASCII ones do not", STR("<a@\u00dcBER.example>"), UTF8, "a@\u00dcber.example" },
	{ "four bytes are read", STR("<\U0001f41f@d>"), UTF8, "\U0001f41f@d" },
	{ "UTF-8 behind a backslash is refused", STR("<\"\\\u00fc\"@d>"), UTF8, REFUSED },
	{ "UTF-8 in a literal is refused", STR("<a@[IPv6:\u00fc]>"), UTF8, REFUSED },
	{ "a lone byte is refused", STR("<a\xfc@d>"), UTF8, REFUSED },
	{ "a lone continuation is refused", STR("<a\x80@d>"), UTF8, REFUSED },
	{ "an overlong < is refused", STR("<a\xc0\xbc@d>"), UTF8, REFUSED },
	{ "an overlong @ in three bytes is refused", STR("<a\xe0\x81\x80@d>"), UTF8, REFUSED },
	{ "an overlong NUL is refused", STR("<a\xc0\x80@d>"), UTF8, REFUSED },
	{ "an overlong form of four bytes is refused", STR("<a\xf0\x80\x81\x80@d>"), UTF8, REFUSED },
	{ "a surrogate is refused", STR("<a\xed\xa0\x80@d>"), UTF8, REFUSED },
	{ "above U+10FFFF is refused", STR("<a\xf4\x90\x80\x80@d>"), UTF8, REFUSED },
	{ "five bytes are refused", STR("<a\xf8\x88\x80\x80\x80@d>"), UTF8, REFUSED },
	{ "a cut sequence is refused", STR("<a\xe2\x82@d>"), UTF8, REFUSED },
	{ "a cut sequence at the end is refused", STR("<a\xe2\x82"), UTF8, REFUSED },
	{ "U+0140, whose low byte is @, is no @ (C09)", STR("<a\u0140b@d>"), UTF8, "a\u0140b@d" },
	{ "U+013C, whose low byte is <, is no < (C09)", STR("<a\u013c@d>"), UTF8, "a\u013c@d" },
	{ "U+010A, whose low byte is LF, is no LF (C09)", STR("<a\u010a@d>"), UTF8, "a\u010a@d" },
	{ "an ideographic full stop is no dot, and in no domain (C10)", STR("<a@b\u3002example>"), UTF8, REFUSED },
	{ "... in a local part it is a character", STR("<a\u3002b@d>"), UTF8, "a\u3002b@d" },
	{ "a full-width dot is in no domain (C10)", STR("<a@b\uff0eexample>"), UTF8, REFUSED },
	{ "a full-width @ is no @", STR("<a\uff20d>"), UTF8, REFUSED },
	{ "... and in no domain", STR("<a@d\uff20e>"), UTF8, REFUSED },
	{ "a full-width @ in a local part is a character", STR("<a\uff20b@d>"), UTF8, "a\uff20b@d" },
	{ "a one-dot leader is in no domain", STR("<a@b\u2024example>"), UTF8, REFUSED },
	{ "a letter that holds a slash is in no domain", STR("<a@b\u2100d>"), UTF8, REFUSED },
	{ "a change of direction is refused in a local part (C10)", STR("<a\u202e@d>"), UTF8, REFUSED },
	{ "... an isolate too", STR("<a\u2066b@d>"), UTF8, REFUSED },
	{ "... a mark too", STR("<a\u200f@d>"), UTF8, REFUSED },
	{ "... in quotes too", STR("<\"a\u202e\"@d>"), UTF8, REFUSED },
	{ "... in a domain too", STR("<a@b\u200e.example>"), UTF8, REFUSED },
	{ "a zero width space is in no domain (C10)", STR("<a@b\u200bc.example>"), UTF8, REFUSED },
	{ "a zero width non-joiner is spelling in a local part", STR("<a\u200cb@d>"), UTF8, "a\u200cb@d" },
	{ "a soft hyphen is in no domain", STR("<a@b\xc2\xad" "c.example>"), UTF8, REFUSED },
	{ "a C1 control is refused", STR("<a\xc2\x85@d>"), UTF8, REFUSED },
	{ "a line separator is refused", STR("<a\u2028@d>"), UTF8, REFUSED },
};
/* clang-format on */

static bool
parse_path(struct str s, unsigned rules, struct address *a, struct str *rest)
{
	struct error err = { .kind = ERROR_TEMPORARY };
	bool ok = address_parse_path(s, rules, a, rest, &err);

	if (!ok)
		assert_true(err.kind == ERROR_PERMANENT && err.text[0] != '\0');
	return ok;
}

static void
check_path(const char *name, struct str path, unsigned rules, const char *want)
{
	char got[ADDRESS_MAX + 1];
	struct address a, again;
	struct str rest, text;
	bool ok = parse_path(path, rules, &a, &rest);

	if (ok != (want != REFUSED))
		row_fail(name, "%s", ok ? "read, should be refused" : "refused, should be read");
	if (!ok)
		return;
	text = (struct str){ got, address_format(&a, got) };
	if (strcmp(got, want) != 0)
		row_fail(name, "got %s, want %s", got, want);
	assert_int_equal(text.len, strlen(got));
	assert_int_equal(rest.len, 0);
	if (!address_parse(text, rules, &again, NULL) || memcmp(&a, &again, sizeof(a)) != 0)
		row_fail(name, "%s does not parse back to the same", got);
}

static void
test_C01_C03_C07_C08_C09_C10_paths(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(paths); i++)
		check_path(paths[i].name, paths[i].path, paths[i].rules, paths[i].want);
}

/* The bytes are copied to a block of just their size, so that AddressSanitizer sees a read behind them. */
static void
test_C03_every_prefix_of_a_path_is_refused(void **state)
{
	struct address a;
	struct str rest;
	size_t i, len;
	char *copy;

	(void)state;
	for (i = 0; i < COUNT(paths); i++) {
		for (len = 0; paths[i].want != REFUSED && len < paths[i].path.len; len++) {
			copy = malloc(len + (len == 0));
			assert_non_null(copy);
			memcpy(copy, paths[i].path.ptr, len);
			if (parse_path((struct str){ copy, len }, paths[i].rules, &a, &rest))
				row_fail(paths[i].name, "its first %zu bytes are read", len);
			free(copy);
		}
	}
}

static void
test_nothing_is_touched_on_failure(void **state)
{
	struct address a, before;
	struct str rest = STR("rest");

	(void)state;
	memset(&a, 0x55, sizeof(a));
	before = a;
	assert_false(address_parse_path(S("<a@b@c>"), 0, &a, &rest, NULL));
	assert_false(address_parse(S("a@b@c"), 0, &a, NULL));
	assert_memory_equal(&a, &before, sizeof(a));
	assert_true(str_equal(rest, S("rest")));
	assert_false(address_parse((struct str){ NULL, 0 }, 0, &a, NULL));
	assert_false(address_parse_path((struct str){ NULL, 0 }, REVERSE, &a, &rest, NULL));
	assert_false(address_is_domain((struct str){ NULL, 0 }));
}

static void
test_what_follows_a_path_is_the_rest(void **state)
{
	static const struct {
		struct str s;
		const char *rest;
	} rows[] = {
		{ STR("<a@b> SIZE=1"), " SIZE=1" },
		{ STR("<> BODY=8BITMIME"), " BODY=8BITMIME" },
		{ STR("<a@b>c"), "c" },
		{ STR("<\">\"@b>>"), ">" },
		{ STR("<postmaster><a@b>"), "<a@b>" },
	};
	struct address a;
	struct str rest;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		assert_true(parse_path(rows[i].s, REVERSE | FORWARD, &a, &rest));
		assert_true(str_equal(rest, str_of(rows[i].rest)));
	}
}

static void
test_fields_are_decoded(void **state)
{
	struct address a;
	struct str rest;

	(void)state;
	assert_true(parse_path(S("<\"A \\\"b\\\\\"@D.Example>"), 0, &a, &rest));
	assert_string_equal(a.local, "A \"b\\");
	assert_string_equal(a.domain, "d.example");
	assert_false(a.null || a.utf8);
	assert_true(parse_path(S("<>"), REVERSE, &a, &rest));
	assert_true(a.null && a.local[0] == '\0' && a.domain[0] == '\0');
	assert_true(parse_path(S("<\"\"@d>"), REVERSE, &a, &rest));
	assert_false(a.null);
	assert_true(parse_path(S("<a@[IPV6:2001:DB8::1]>"), 0, &a, &rest));
	assert_string_equal(a.domain, "[ipv6:2001:db8::1]");
	assert_true(parse_path(S("<\u00fc@d>"), UTF8, &a, &rest) && a.utf8);
	assert_true(parse_path(S("<a@\u00fc>"), UTF8, &a, &rest) && a.utf8);
	assert_true(parse_path(S("<@\u00fc:a@d>"), UTF8, &a, &rest) && !a.utf8);
}

static void
test_mailbox_without_brackets(void **state)
{
	static const struct row rows[] = {
		{ "a plain one", STR("a@b"), 0, "a@b" },
		{ "the null path is nothing", STR(""), REVERSE, "" },
		{ "nothing is refused elsewhere", STR(""), FORWARD | LOCAL, REFUSED },
		{ "brackets are refused", STR("<a@b>"), REVERSE, REFUSED },
		{ "the null path in brackets is refused", STR("<>"), REVERSE, REFUSED },
		{ "a source route is refused", STR("@d:a@b"), 0, REFUSED },
		{ "something behind is refused", STR("a@b "), 0, REFUSED },
		{ "a line end behind is refused", STR("a@b\r\n"), 0, REFUSED },
		{ "NUL behind is refused", STR("a@b\0"), 0, REFUSED },
		{ "something behind a literal is refused", STR("a@[192.0.2.1]x"), 0, REFUSED },
		{ "postmaster", STR("POSTMASTER"), FORWARD, "postmaster" },
		{ "a local user", STR("root"), LOCAL, "root" },
		{ "a local user, where a domain is needed", STR("root"), FORWARD, REFUSED },
	};
	char got[ADDRESS_MAX + 1];
	struct address a;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		bool ok = address_parse(rows[i].path, rows[i].rules, &a, NULL);

		if (ok != (rows[i].want != REFUSED))
			row_fail(rows[i].name, "%s", ok ? "read" : "refused");
		if (!ok)
			continue;
		(void)address_format(&a, got);
		if (strcmp(got, rows[i].want) != 0)
			row_fail(rows[i].name, "got %s", got);
	}
}

/* A domain of len bytes: labels of at most 50. */
static size_t
put_domain(char *dst, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		dst[i] = i % 51 == 50 && i + 1 < len ? '.' : 'd';
	return len;
}

static void
test_lengths_have_their_limits(void **state)
{
	char text[TEXT_MAX];
	struct address a;
	struct str rest, s;
	size_t n, len;

	(void)state;
	for (n = 1; n < 1100; n++) {
		s = (struct str){ text, put_domain(text, n) };
		assert_int_equal(address_is_domain(s), n <= ADDRESS_DOMAIN_MAX);
		assert_int_equal(address_is_helo(s), n <= ADDRESS_DOMAIN_MAX);

		memcpy(text, "<a@", 3);
		len = 3 + put_domain(text + 3, n);
		text[len++] = '>';
		assert_int_equal(parse_path((struct str){ text, len }, 0, &a, &rest), len <= ADDRESS_PATH_MAX);
		s = (struct str){ text + 1, len - 2 };
		assert_int_equal(address_parse(s, 0, &a, NULL), len <= ADDRESS_PATH_MAX);

		memcpy(text, "<@", 2);
		len = 2 + put_domain(text + 2, n);
		memcpy(text + len, ":a@b>", 5);
		len += 5;
		assert_int_equal(parse_path((struct str){ text, len }, 0, &a, &rest), len <= ADDRESS_PATH_MAX);

		memset(text, 'a', n);
		memcpy(text + n, "@d", 2);
		assert_int_equal(address_parse((struct str){ text, n + 2 }, 0, &a, NULL), n <= ADDRESS_LOCAL_MAX);
	}
}

static void
test_a_u_label_is_limited_by_its_a_label(void **state)
{
	char text[TEXT_MAX] = "a@";
	struct address a;
	size_t n;

	(void)state;
	for (n = 1; n < 100; n++) {
		memcpy(text + 2 * n, "\u00fc", 2);
		assert_int_equal(address_parse((struct str){ text, 2 + 2 * n }, UTF8, &a, NULL), n <= 59);
	}
}

/* Every value of a byte at one place of a path, against the bytes that the grammar allows there. */
static void
test_every_byte_at_every_place(void **state)
{
#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define ATEXT ALNUM "!#$%&'*+-/=?^_`{|}~"
#define QTEXT ATEXT " (),.:;<>@[]"
	static const struct {
		const char *name, *before, *after, *allowed;
	} places[] = {
		{ "in an atom", "<a", "a@d>", ATEXT "." },
		{ "as an atom", "<", "@d>", ATEXT },
		{ "in quotes", "<\"a", "a\"@d>", QTEXT "\\" }, /* \a is a quoted pair */
		{ "behind a backslash", "<\"\\", "\"@d>", QTEXT "\"\\" },
		{ "behind quotes", "<\"a\"", "@d>", "" },
		{ "at the start of a label", "<a@", "d>", ALNUM },
		{ "in a label", "<a@d", "d>", ALNUM "-." },
		{ "at the end of a label", "<a@d", ">", ALNUM },
		{ "for the bracket", "<a@d", "", ">" },
		{ "in an octet", "<a@[1", ".2.3.4]>", "0123456789" },
		{ "in a group", "<a@[IPv6:1::1", "]>", "0123456789abcdefABCDEF" },
		{ "behind a literal", "<a@[1.2.3.4]", ">", "" },
		{ "in a route", "<@d", ":a@d>", ALNUM },
	};
	char text[TEXT_MAX];
	struct address a;
	struct str rest;
	size_t i, len;
	bool ok;
	int byte;

	(void)state;
	for (i = 0; i < COUNT(places); i++) {
		for (byte = 0; byte < 256; byte++) {
			bool want = byte != 0 && strchr(places[i].allowed, byte) != NULL;

			len = strlen(places[i].before);
			memcpy(text, places[i].before, len);
			text[len] = (char)byte;
			memcpy(text + len + 1, places[i].after, strlen(places[i].after));
			len += 1 + strlen(places[i].after);
			ok = parse_path((struct str){ text, len }, 0, &a, &rest) && rest.len == 0;
			if (ok != want)
				row_fail(places[i].name, "byte 0x%02x is %s", (unsigned)byte, ok ? "read" : "refused");
		}
	}
}

static void
test_names(void **state)
{
	static const struct {
		struct str s;
		bool domain, literal, helo;
	} rows[] = {
		{ STR("a"), true, false, true },
		{ STR("a.example"), true, false, true },
		{ STR("A-1.EXAMPLE"), true, false, true },
		{ STR("192.0.2.1"), true, false, true },
		{ STR("[192.0.2.1]"), false, true, true },
		{ STR("[IPv6:::1]"), false, true, true },
		{ STR("[192.0.2.1"), false, false, false },
		{ STR("192.0.2.1]"), false, false, false },
		{ STR("[192.0.2.1]a"), false, false, false },
		{ STR("["), false, false, false },
		{ STR("[x-tag:whatever]"), false, false, false },
		{ STR("my_pc"), false, false, true },
		{ STR("_pc.lan_"), false, false, true },
		{ STR("my pc"), false, false, false },
		{ STR(""), false, false, false },
		{ STR("."), false, false, false },
		{ STR("a."), false, false, false },
		{ STR(".a"), false, false, false },
		{ STR("a..b"), false, false, false },
		{ STR("-a"), false, false, false },
		{ STR("a-"), false, false, false },
		{ STR("a\0"), false, false, false },
		{ STR("a\n"), false, false, false },
		{ STR("b\u00fccher"), false, false, false },
		{ STR("a@b"), false, false, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++)
		if (address_is_domain(rows[i].s) != rows[i].domain ||
		    address_is_literal(rows[i].s) != rows[i].literal || address_is_helo(rows[i].s) != rows[i].helo)
			fail_msg("row %zu, %.*s", i, STR_ARG(rows[i].s));
}

static void
test_equal_addresses(void **state)
{
	static const struct {
		struct str a, b;
		bool equal;
	} rows[] = {
		{ STR("a@b.example"), STR("a@B.EXAMPLE"), true },
		{ STR("a@b"), STR("A@b"), false },
		{ STR("a@b"), STR("\"\\a\"@b"), true },
		{ STR("a@b"), STR("a"), false },
		{ STR("a@[192.0.2.1]"), STR("a@[192.0.2.001]"), true },
		{ STR("a@[IPv6:::1]"), STR("a@[ipv6:0:0:0:0:0:0:0:1]"), true },
		{ STR(""), STR(""), true },
		{ STR(""), STR("\"\""), false },
		{ STR("Postmaster"), STR("postMASTER"), true },
	};
	struct address a, b;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		assert_true(address_parse(rows[i].a, REVERSE | LOCAL, &a, NULL));
		assert_true(address_parse(rows[i].b, REVERSE | LOCAL, &b, NULL));
		if (address_equal(&a, &b) != rows[i].equal)
			fail_msg("row %zu: %.*s and %.*s", i, STR_ARG(rows[i].a), STR_ARG(rows[i].b));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_C01_C03_C07_C08_C09_C10_paths),
		cmocka_unit_test(test_C03_every_prefix_of_a_path_is_refused),
		cmocka_unit_test(test_nothing_is_touched_on_failure),
		cmocka_unit_test(test_what_follows_a_path_is_the_rest),
		cmocka_unit_test(test_fields_are_decoded),
		cmocka_unit_test(test_mailbox_without_brackets),
		cmocka_unit_test(test_lengths_have_their_limits),
		cmocka_unit_test(test_a_u_label_is_limited_by_its_a_label),
		cmocka_unit_test(test_every_byte_at_every_place),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_equal_addresses),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
