/* SPDX-License-Identifier: ISC */
#include "common/address.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/utf8.h"

#define LABEL_MAX       63 /* bytes, RFC 1035 section 2.3.4 */
#define U_LABEL_MAX     59 /* code points: each takes a digit or more behind the "xn--" of an A-label */
#define TAG_IPV6        "ipv6:"
#define GROUPS_MAX      8 /* of an IPv6 address */
#define GROUPS_COMP_MAX 6 /* beside a "::", which stands for at least two: RFC 5321 section 4.1.3 */

/*
 * The input, how far it is read, and why it was refused. A reason is a constant, never bytes from outside; the first
 * one found stays, since it is the most precise.
 */
struct scan {
	struct str s;
	size_t at;
	unsigned rules;
	bool underscores; /* tolerated in labels */
	size_t local_len; /* bytes of the local part kept so far */
	const char *reason;
};

struct range {
	uint32_t first, last;
};

/*
 * Not in a domain: what the mappings of IDNA turn into dots, blanks, "@" and other syntax, or into nothing. None of it
 * can stand in a U-label (RFC 5892), whose last word is the conversion to an A-label.
 */
static const struct range refused_in_domains[] = { { 0x80, 0xb6 }, { 0xb8, 0xbf }, { 0x37e, 0x37e }, { 0x1fef, 0x1fef },
	{ 0x2000, 0x200b }, { 0x200e, 0x2bff }, { 0x3000, 0x3004 }, { 0x3200, 0x33ff }, { 0xe000, 0xf8ff },
	{ 0xfb00, 0xffff }, { 0x1f100, 0x1f1ff }, { 0xe0000, 0x10ffff } };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool
refuse(struct scan *c, const char *reason)
{
	if (c->reason == NULL)
		c->reason = reason;
	return false;
}

static bool
at_byte(const struct scan *c, char byte)
{
	return c->at < c->s.len && c->s.ptr[c->at] == byte;
}

static bool
take(struct scan *c, char byte)
{
	if (!at_byte(c, byte))
		return false;
	c->at++;
	return true;
}

/* Not to be asked of an empty input, whose pointer may be NULL. */
static struct str
taken_since(const struct scan *c, size_t start)
{
	return (struct str){ c->s.ptr + start, c->at - start };
}

/* --- characters: how many bytes the one at the cursor takes, 0 when it may not stand there --- */

static bool
in_ranges(uint32_t point, const struct range *ranges, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (point >= ranges[i].first && point <= ranges[i].last)
			return true;
	return false;
}

static size_t
utf8_len(struct scan *c, bool domain)
{
	uint32_t point;
	size_t n;

	if ((c->rules & ADDRESS_UTF8_ALLOWED) == 0)
		return refuse(c, "bytes above 0x7f need SMTPUTF8");
	n = utf8_read((struct str){ c->s.ptr + c->at, c->s.len - c->at }, &point);
	if (n == 0)
		return refuse(c, "not UTF-8");
	if (!utf8_is_printable(point))
		return refuse(c, "control character or change of text direction");
	if (domain && in_ranges(point, refused_in_domains, COUNT(refused_in_domains)))
		return refuse(c, "character that cannot stand in a domain");
	return n;
}

static size_t
atext_len(struct scan *c)
{
	static const char specials[] = "!#$%&'*+-/=?^_`{|}~";
	char byte;

	if (c->at == c->s.len)
		return 0;
	byte = c->s.ptr[c->at];
	if ((uint8_t)byte >= 0x80)
		return utf8_len(c, false);
	return ascii_is_alpha(byte) || ascii_is_digit(byte) || memchr(specials, byte, sizeof(specials) - 1) != NULL;
}

/* qtextSMTP or, behind a backslash, the second byte of a quoted-pairSMTP, which RFC 6531 leaves ASCII. */
static size_t
quoted_len(struct scan *c)
{
	bool escaped = take(c, '\\');
	char byte;

	if (c->at == c->s.len)
		return 0;
	byte = c->s.ptr[c->at];
	if ((uint8_t)byte >= 0x80 && !escaped)
		return utf8_len(c, false);
	return ascii_is_printable(byte);
}

static size_t
label_len(struct scan *c)
{
	char byte;

	if (c->at == c->s.len)
		return 0;
	byte = c->s.ptr[c->at];
	if ((uint8_t)byte >= 0x80)
		return utf8_len(c, true);
	return ascii_is_alpha(byte) || ascii_is_digit(byte) || byte == '-' || (byte == '_' && c->underscores);
}

/* --- local part --- */

static bool
keep(struct scan *c, struct address *a, size_t n)
{
	if (c->local_len + n > ADDRESS_LOCAL_MAX)
		return refuse(c, "local part is longer than 64 bytes");
	memcpy(a->local + c->local_len, c->s.ptr + c->at, n);
	c->local_len += n;
	c->at += n;
	return true;
}

static bool
scan_atom(struct scan *c, struct address *a)
{
	size_t n, start = c->at;

	while ((n = atext_len(c)) > 0)
		if (!keep(c, a, n))
			return false;
	return c->at > start || refuse(c, "local part has an empty atom or a byte that needs quotes");
}

static bool
scan_dot_string(struct scan *c, struct address *a)
{
	for (;;) {
		if (!scan_atom(c, a))
			return false;
		if (!at_byte(c, '.'))
			return true;
		if (!keep(c, a, 1))
			return false;
	}
}

static bool
scan_quoted_string(struct scan *c, struct address *a)
{
	size_t n;

	c->at++;
	while (!at_byte(c, '"')) {
		if (c->at == c->s.len)
			return refuse(c, "quoted string is not closed");
		n = quoted_len(c);
		if (n == 0)
			return refuse(c, "byte that may not stand in a quoted string");
		if (!keep(c, a, n))
			return false;
	}
	c->at++;
	return true;
}

static bool
scan_local(struct scan *c, struct address *a)
{
	size_t start = c->at;

	if (!(at_byte(c, '"') ? scan_quoted_string(c, a) : scan_dot_string(c, a)))
		return false;
	/* Decoding only shortens, and what address_format writes is the shortest form: it passes this again. */
	return c->at - start <= ADDRESS_LOCAL_MAX || refuse(c, "local part is longer than 64 bytes");
}

/* --- domain --- */

static bool
scan_label(struct scan *c)
{
	size_t n, points = 0, start = c->at;

	for (; (n = label_len(c)) > 0; c->at += n)
		points++;
	if (points == 0)
		return refuse(c, "domain has an empty label or a byte that may not stand in it");
	if (c->s.ptr[start] == '-' || c->s.ptr[c->at - 1] == '-')
		return refuse(c, "label begins or ends with a hyphen");
	return points <= (c->at - start == points ? LABEL_MAX : U_LABEL_MAX) ||
	    refuse(c, "label is longer than 63 bytes");
}

static bool
scan_domain(struct scan *c)
{
	size_t start = c->at;

	do {
		if (!scan_label(c))
			return false;
	} while (take(c, '.'));
	return c->at - start <= ADDRESS_DOMAIN_MAX || refuse(c, "domain is longer than 255 bytes");
}

/* --- address literals, RFC 5321 section 4.1.3 --- */

static bool
read_ipv4(struct str s, uint8_t out[4])
{
	struct str octet;
	uint64_t value;
	bool more = true;
	size_t i;

	for (i = 0; i < 4; i++) {
		if (!more)
			return false;
		more = str_cut(s, '.', &octet, &s);
		if (octet.len > 3 || !str_to_u64(octet, UINT8_MAX, &value))
			return false;
		out[i] = (uint8_t)value;
	}
	return !more;
}

static bool
read_group(struct str s, uint8_t out[2])
{
	unsigned value = 0;
	size_t i;
	char c;

	if (s.len < 1 || s.len > 4)
		return false;
	for (i = 0; i < s.len; i++) {
		c = ascii_lower(s.ptr[i]);
		if (!ascii_is_digit(c) && (c < 'a' || c > 'f'))
			return false;
		value = value << 4 | (unsigned)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
	}
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
	return true;
}

static bool
starts(struct str s, char byte)
{
	return s.len > 0 && s.ptr[0] == byte;
}

static struct str
behind(struct str s, size_t n)
{
	return (struct str){ s.ptr + n, s.len - n };
}

/* The parts between colons, of which the last may be an IPv4 address and one, the gap, may be missing. */
static bool
read_ipv6(struct str s, uint8_t out[2 * GROUPS_MAX])
{
	uint8_t bytes[2 * GROUPS_MAX] = { 0 };
	size_t count = 0, gap = 0;
	bool more = true, has_gap = s.len >= 2 && s.ptr[0] == ':' && s.ptr[1] == ':';
	struct str part;

	if (has_gap) {
		s = behind(s, 2);
		more = s.len > 0;
	}
	while (more) {
		more = str_cut(s, ':', &part, &s);
		if (!more && count <= GROUPS_MAX - 2 && read_ipv4(part, bytes + 2 * count))
			count += 2;
		else if (count < GROUPS_MAX && read_group(part, bytes + 2 * count))
			count++;
		else
			return false;
		if (!more || !starts(s, ':'))
			continue;
		if (has_gap)
			return false;
		has_gap = true;
		gap = count;
		s = behind(s, 1);
		more = s.len > 0;
	}
	if (has_gap ? count > GROUPS_COMP_MAX : count != GROUPS_MAX)
		return false;
	if (!has_gap)
		gap = count;
	memset(out, 0, 2 * GROUPS_MAX);
	memcpy(out, bytes, 2 * gap);
	memcpy(out + 2 * (GROUPS_MAX - (count - gap)), bytes + 2 * gap, 2 * (count - gap));
	return true;
}

/*
 * Writes the content of a literal in its one canonical form, so that [192.0.2.001] cannot pass by a rule for
 * [192.0.2.1]. Section 4.1.3 asks for a tag that IANA has registered: there is none but IPv6, and an unknown kind of
 * address could be neither reached nor compared.
 */
static bool
literal_write(struct str content, char *dst, size_t size)
{
	static const struct str tag = STR(TAG_IPV6);
	char text[INET6_ADDRSTRLEN];
	uint8_t ip[2 * GROUPS_MAX];

	if (str_starts_nocase(content, tag)) {
		if (!read_ipv6(behind(content, tag.len), ip) || inet_ntop(AF_INET6, ip, text, sizeof(text)) == NULL)
			return false;
		return (size_t)snprintf(dst, size, "[" TAG_IPV6 "%s]", text) < size;
	}
	if (!read_ipv4(content, ip) || inet_ntop(AF_INET, ip, text, sizeof(text)) == NULL)
		return false;
	return (size_t)snprintf(dst, size, "[%s]", text) < size;
}

static bool
scan_literal(struct scan *c, char *dst, size_t size)
{
	size_t start = ++c->at;
	struct str content;

	while (c->at < c->s.len && !at_byte(c, ']'))
		c->at++;
	content = taken_since(c, start);
	if (!take(c, ']'))
		return refuse(c, "address literal is not closed");
	return literal_write(content, dst, size) || refuse(c, "address literal is neither IPv4 nor IPv6");
}

/* --- mailbox and path --- */

static bool
scan_domain_part(struct scan *c, struct address *a)
{
	size_t start = c->at;

	if (at_byte(c, '['))
		return scan_literal(c, a->domain, sizeof(a->domain));
	if (!scan_domain(c))
		return false;
	return str_copy_lower(taken_since(c, start), a->domain, sizeof(a->domain));
}

/* RFC 5321 section 4.5.1: postmaster without a domain is one address, in whatever case it comes. */
static bool
accept_without_domain(struct scan *c, struct address *a, bool quoted)
{
	struct str local = { a->local, c->local_len };
	bool postmaster = str_equal_nocase(local, S("postmaster"));

	if ((c->rules & ADDRESS_LOCAL_ONLY_ALLOWED) == 0 &&
	    !(postmaster && !quoted && (c->rules & ADDRESS_POSTMASTER_ALLOWED) != 0))
		return refuse(c, "local part is not followed by @ and a domain");
	if (postmaster)
		memcpy(a->local, "postmaster", local.len);
	return true;
}

static bool
scan_mailbox(struct scan *c, struct address *a)
{
	bool quoted = at_byte(c, '"');

	if (!scan_local(c, a))
		return false;
	return take(c, '@') ? scan_domain_part(c, a) : accept_without_domain(c, a, quoted);
}

/* A-d-l of section 4.1.2. What follows a route needs a domain. */
static bool
scan_route(struct scan *c)
{
	do {
		if (!take(c, '@'))
			return refuse(c, "source route needs @ before each domain");
		if (!scan_domain(c))
			return false;
	} while (take(c, ','));
	c->rules &= ~(unsigned)(ADDRESS_POSTMASTER_ALLOWED | ADDRESS_LOCAL_ONLY_ALLOWED);
	return take(c, ':') || refuse(c, "source route does not end with a colon");
}

static bool
scan_null(struct scan *c, struct address *a)
{
	a->null = true;
	return (c->rules & ADDRESS_NULL_ALLOWED) != 0 || refuse(c, "empty address");
}

static bool
scan_path(struct scan *c, struct address *a)
{
	if (!take(c, '<'))
		return refuse(c, "path does not begin with <");
	if (take(c, '>'))
		return scan_null(c, a);
	if (at_byte(c, '@') && !scan_route(c))
		return false;
	if (!scan_mailbox(c, a))
		return false;
	if (!take(c, '>'))
		return refuse(c, "address is not followed by >");
	return c->at <= ADDRESS_PATH_MAX || refuse(c, "path is longer than 256 bytes");
}

static bool
has_utf8(const char *text)
{
	for (; *text != '\0'; text++)
		if ((uint8_t)*text >= 0x80)
			return true;
	return false;
}

static void
finish(const struct address *a, struct address *out)
{
	*out = *a;
	out->utf8 = has_utf8(a->local) || has_utf8(a->domain);
}

bool
address_parse_path(struct str s, unsigned rules, struct address *out, struct str *rest, struct error *err)
{
	struct scan c = { .s = s, .rules = rules };
	struct address a = { 0 };

	if (!scan_path(&c, &a))
		return error_set(err, ERROR_PERMANENT, "%s", c.reason);
	finish(&a, out);
	*rest = behind(s, c.at);
	return true;
}

bool
address_parse(struct str s, unsigned rules, struct address *out, struct error *err)
{
	struct scan c = { .s = s, .rules = rules };
	struct address a = { 0 };
	bool ok;

	ok = s.len == 0 ? scan_null(&c, &a) : scan_mailbox(&c, &a);
	if (ok && c.at != s.len)
		ok = refuse(&c, "something follows the address");
	if (ok && s.len > ADDRESS_PATH_MAX - 2)
		ok = refuse(&c, "address is longer than 254 bytes");
	if (!ok)
		return error_set(err, ERROR_PERMANENT, "%s", c.reason);
	finish(&a, out);
	return true;
}

/* --- writing --- */

static bool
needs_quotes(const struct address *address)
{
	struct scan c = { .s = str_of(address->local), .rules = ADDRESS_UTF8_ALLOWED };
	struct address copy;

	return !scan_dot_string(&c, &copy) || c.at != c.s.len;
}

static char *
write_quoted(const char *local, char *dst)
{
	*dst++ = '"';
	for (; *local != '\0'; local++) {
		if (*local == '"' || *local == '\\')
			*dst++ = '\\';
		*dst++ = *local;
	}
	*dst++ = '"';
	return dst;
}

size_t
address_format(const struct address *address, char *dst)
{
	static const struct str ipv6 = STR("[" TAG_IPV6);
	size_t local_len = strlen(address->local), domain_len = strlen(address->domain);
	char *end = dst;

	if (!address->null) {
		if (needs_quotes(address))
			end = write_quoted(address->local, end);
		else
			end = (char *)memcpy(end, address->local, local_len) + local_len;
		if (domain_len > 0) {
			*end++ = '@';
			memcpy(end, address->domain, domain_len);
			/* In the spelling of the RFC: not every server knows that the tag has no case. */
			if (str_starts_nocase((struct str){ address->domain, domain_len }, ipv6))
				memcpy(end, "[IPv6:", ipv6.len);
			end += domain_len;
		}
	}
	*end = '\0';
	return (size_t)(end - dst);
}

bool
address_equal(const struct address *a, const struct address *b)
{
	return a->null == b->null && str_equal(str_of(a->local), str_of(b->local)) &&
	    str_equal_nocase(str_of(a->domain), str_of(b->domain));
}

/* --- names --- */

bool
address_is_domain(struct str s)
{
	struct scan c = { .s = s };

	return scan_domain(&c) && c.at == s.len;
}

bool
address_is_literal(struct str s)
{
	char canonical[ADDRESS_DOMAIN_MAX + 1];
	struct scan c = { .s = s };

	return s.len <= ADDRESS_DOMAIN_MAX && at_byte(&c, '[') && scan_literal(&c, canonical, sizeof(canonical)) &&
	    c.at == s.len;
}

bool
address_is_helo(struct str s)
{
	struct scan c = { .s = s, .underscores = true };

	return address_is_literal(s) || (scan_domain(&c) && c.at == s.len);
}
