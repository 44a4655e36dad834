/* SPDX-License-Identifier: ISC */
/* Promised: a relay URL is taken apart as smtpd.conf(5) says, and what is none is refused with the right spelling. */
#include "common/config_url.h"

#include "tests/unit/common/config_fixture.h"

struct url {
	const char *text;
	enum config_scheme scheme;
	const char *label;
	const char *host;
	uint16_t port;
};

static const struct url urls[] = {
	{ "a.example", CONFIG_SMTP, "", "a.example", 25 },
	{ "A.Example:587", CONFIG_SMTP, "", "a.example", 587 },
	{ "smtp://127.0.0.1:2525", CONFIG_SMTP, "", "127.0.0.1", 2525 },
	{ "smtp+tls://a", CONFIG_SMTP_TLS, "", "a", 25 },
	{ "smtp+tls://bob@a:587", CONFIG_SMTP_TLS, "bob", "a", 587 },
	{ "smtp+tls://bob@b.example@a:587", CONFIG_SMTP_TLS, "bob@b.example", "a", 587 },
	{ "smtp+notls://a", CONFIG_SMTP_NOTLS, "", "a", 25 },
	{ "smtps://Bob@a", CONFIG_SMTPS, "Bob", "a", 465 },
	{ "smtps://label1@mail.example.net/", CONFIG_SMTPS, "label1", "mail.example.net", 465 },
	{ "smtps://a:465/path@x:y", CONFIG_SMTPS, "", "a", 465 },
	{ "lmtp://a:24", CONFIG_LMTP, "", "a", 24 },
	{ "bob@a", CONFIG_SMTP, "bob", "a", 25 },
	{ "[2001:db8::1]", CONFIG_SMTP, "", "2001:db8::1", 25 },
	{ "smtp://[2001:DB8::1]:26", CONFIG_SMTP, "", "2001:db8::1", 26 },
	{ "smtp://under_score.example", CONFIG_SMTP, "", "under_score.example", 25 },
};

static void
test_a_url_is_taken_apart(void **state)
{
	struct config_url url;
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(urls); i++) {
		if (!config_url_parse(str_of(urls[i].text), &url, &err))
			row_fail(urls[i].text, "refused: %s", err.text);
		if (url.scheme != urls[i].scheme || url.port != urls[i].port || strcmp(url.label, urls[i].label) != 0 ||
		    strcmp(url.host, urls[i].host) != 0)
			row_fail(urls[i].text, "got scheme %d label %s host %s port %u", (int)url.scheme, url.label,
			    url.host, url.port);
	}
}

static const struct {
	const char *text;
	const char *said;
} refused[] = {
	{ "", "invalid host or port" },
	{ "smtp://", "invalid host or port" },
	{ "a:", "invalid host or port" },
	{ "a:0", "invalid host or port" },
	{ "a:65536", "invalid host or port" },
	{ "a:b", "invalid host or port" },
	{ "a b", "invalid host or port" },
	{ ".a", "invalid host or port" },
	{ "a..b", "invalid host or port" },
	{ "2001:db8::1", "invalid host or port" },
	{ "[a]", "invalid host or port" },
	{ "[::1", "invalid host or port" },
	{ "[::1]x", "invalid host or port" },
	{ "[::1]:", "invalid host or port" },
	{ "foo://a", "unknown scheme" },
	{ "SMTP://a", "unknown scheme" },
	{ "lmtp://a", "the port is missing" },
	{ "smtp+notls://x@a", "a label needs smtp+tls or smtps" },
	{ "lmtp://x@a:24", "a label needs smtp+tls or smtps" },
	{ "smtps://@a", "invalid label" },
	{ "smtps://x y@a", "invalid label" },
	{ "tls://a", "this scheme is of before 6.4 (2018), write smtp+tls://" },
	{ "tls+auth://x@a", "write smtp+tls://" },
	{ "secure://a", "write smtp+tls://" },
	{ "ssl://a", "write smtps://" },
};

static void
test_what_is_no_url_is_refused(void **state)
{
	struct config_url url = { .port = 1 };
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(refused); i++) {
		if (config_url_parse(str_of(refused[i].text), &url, &err))
			row_fail(refused[i].text, "taken, host %s", url.host);
		if (strstr(err.text, refused[i].said) == NULL)
			row_fail(refused[i].text, "got %s wanted %s", err.text, refused[i].said);
		assert_int_equal(url.port, 1);
	}
}

static void
test_long_parts_are_refused(void **state)
{
	char text[600] = "smtps://";
	struct config_url url;
	struct error err;

	(void)state;
	memset(text + 8, 'l', 64);
	memcpy(text + 8 + 64, "@a", sizeof("@a"));
	assert_false(config_url_parse(str_of(text), &url, &err));
	assert_true(config_url_parse(S("smtps://a"), &url, &err));
	memset(text, 'h', 256);
	text[256] = '\0';
	assert_false(config_url_parse(str_of(text), &url, &err));
	text[255] = '\0';
	assert_true(config_url_parse(str_of(text), &url, &err));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_url_is_taken_apart),
		cmocka_unit_test(test_what_is_no_url_is_refused),
		cmocka_unit_test(test_long_parts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
