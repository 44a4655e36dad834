/* SPDX-License-Identifier: ISC */
/*
 * Promised: what parses and is not carried out yet is refused with its place, each statement and option; what is carried
 * out is not.
 */
#include "tests/unit/common/config_fixture.h"

#define PKI    "pki p cert \"/c\" key \"/k\"\n"
#define LISTEN PKI "listen on lo tls pki p "

/* clang-format off */
static const struct {
	const char *text;
	const char *said;
} rows[] = {
	{ "table t db:/a.db\n", "a.conf:1:7: not supported yet: table NAME db:PATH\n" },
	{ "table t sqlite:/a\n", "a.conf:1:7: not supported yet: table NAME sqlite:PATH, a table program\n" },
	{ "admd x\n", "a.conf:1:1: not supported yet: admd\n" },
	{ "mda wrapper w x\n", "a.conf:1:13: not supported yet: mda wrapper\n" },
	{ "mda limit max-session 1\n", "a.conf:1:11: not supported yet: mda limit\n" },
	{ "mta max-deferred 100\n", "a.conf:1:18: not supported yet: mta max-deferred\n" },
	{ "scheduler limit max-inflight 1\n", "a.conf:1:17: not supported yet: scheduler limit\n" },
	{ "queue compression\n", "a.conf:1:1: not supported yet: queue compression\n" },
	{ "queue encryption\n", "a.conf:1:1: not supported yet: queue encryption\n" },
	{ "smtp ciphers x\n", "a.conf:1:1: not supported yet: smtp ciphers\n" },
	{ "srs key x\n", "a.conf:1:1: not supported yet: srs\n" },
	{ "srs ttl 1d\n", "a.conf:1:1: not supported yet: srs\n" },
	{ PKI, "a.conf:1:5: not supported yet: pki\n" },
	{ "ca c cert \"/c\"\n", "a.conf:1:4: not supported yet: ca\n" },
	{ "proc p x\n", "a.conf:1:6: not supported yet: proc\n" },
	{ "filter f proc-exec x\n", "a.conf:1:8: not supported yet: filter\n" },
	{ "filter f phase connect match rdns junk\n", "a.conf:1:8: not supported yet: filter\n" },
	{ LISTEN "\n", "a.conf:2:1: not supported yet: listen on ... tls\na.conf:2:1: not supported yet: listen on ... pki\n" },
	{ PKI "listen on lo tls-require pki p\n", "a.conf:2:1: not supported yet: listen on ... tls-require\n" },
	{ PKI "listen on lo smtps verify pki p\n", "not supported yet: listen on ... smtps\na.conf:2:1: not supported yet: listen on ... verify\n" },
	{ LISTEN "ciphers x\n", "not supported yet: listen on ... ciphers\n" },
	{ LISTEN "protocols secure\n", "not supported yet: listen on ... protocols\n" },
	{ "ca c cert \"/c\"\n" LISTEN "ca c\n", "not supported yet: listen on ... ca\n" },
	{ LISTEN "auth\n", "not supported yet: listen on ... auth\n" },
	{ LISTEN "auth-optional\n", "not supported yet: listen on ... auth-optional\n" },
	{ "listen on lo hostnames { a = b }\n", "not supported yet: listen on ... hostnames\n" },
	{ "listen on lo senders { a = b }\n", "not supported yet: listen on ... senders\n" },
	{ "filter f proc-exec x\nlisten on lo filter f\n", "not supported yet: listen on ... filter\n" },
	{ "listen on lo received-auth\n", "not supported yet: listen on ... received-auth\n" },
	{ "listen on lo proxy-v2\n", "not supported yet: listen on ... proxy-v2\n" },
	{ "action a lmtp \"/s\"\n", "a.conf:1:8: not supported yet: action NAME lmtp\n" },
	{ "action a mda x\n", "not supported yet: action NAME mda\n" },
	{ "action a forward-only\n", "not supported yet: action NAME forward-only\n" },
	{ "action a expand-only\n", "not supported yet: action NAME expand-only\n" },
	{ "action a maildir junk\n", "not supported yet: action NAME maildir junk\n" },
	{ "action a mbox virtual { a = b }\n", "not supported yet: action NAME ... virtual\n" },
	{ "mda wrapper w x\naction a mbox wrapper w\n", "not supported yet: action NAME ... wrapper\n" },
	{ "action a relay domain { a = b }\n", "not supported yet: action NAME relay domain\n" },
	{ "action a relay backup\n", "not supported yet: action NAME relay backup\n" },
	{ "action a relay host a auth { a = b }\n", "not supported yet: action NAME relay auth\n" },
	{ "action a relay tls\n", "not supported yet: action NAME relay tls\n" },
	{ "action a relay helo-src { a = b }\n", "not supported yet: action NAME relay helo-src\n" },
	{ "action a relay src 192.0.2.1\n", "not supported yet: action NAME relay src\n" },
	{ "action a relay mail-from a\n", "not supported yet: action NAME relay mail-from\n" },
	{ PKI "action a relay pki p\n", "not supported yet: action NAME relay pki\n" },
	{ "ca c cert \"/c\"\naction a relay ca c\n", "not supported yet: action NAME relay ca\n" },
	{ "action a relay ciphers x\n", "not supported yet: action NAME relay ciphers\n" },
	{ "action a relay protocols secure\n", "not supported yet: action NAME relay protocols\n" },
	{ "srs key x\naction a relay srs\n", "not supported yet: action NAME relay srs\n" },
	{ "filter f proc-exec x\naction a relay filter f\n", "not supported yet: action NAME relay filter\n" },
	{ "action a relay host \"smtps://a\"\n", "a.conf:1:21: not supported yet: relay host smtps://a, a scheme other than smtp and smtp+notls\n" },
	{ "action a relay host { \"smtp://a\",\n \"lmtp://b:24\" }\n", "a.conf:2:2: not supported yet: relay host lmtp://b:24" },
	{ "action a relay host \"tls+auth://l@a\"\n", "a.conf:1:21: relay URL \"tls+auth://l@a\": this scheme is of before 6.4 (2018), write smtp+tls://\n" },
	{ "match from rdns reject\n", "a.conf:1:1: not supported yet: match from rdns\n" },
	{ "match auth reject\n", "not supported yet: match auth\n" },
	{ "match from auth reject\n", "not supported yet: match auth\n" },
	{ "match tls reject\n", "not supported yet: match tls\n" },
};

static const char *const supported[] = {
	"table a { x, y }\ntable b { x = y }\ntable c file:/c\ntable d \"/d\"\n",
	"listen on socket mask-src tag x\nlisten on lo port 2525 inet4 tag x hostname h mask-src\n",
	"listen on 127.0.0.1\nlisten on \"::1\" inet6\nlisten on localhost port submission\n",
	"action a mbox alias { a = b } ttl 1d\n",
	"action a maildir \"~/x/%{dest.user:lowercase}\" user u userbase <\"<getpwnam>\"> alias { a = b }\n",
	"action a relay\naction b relay host { \"smtp://a\", \"smtp+notls://b:26\", c } helo h ttl 1h\n",
	"match from any for any reject\nmatch from local for local reject\nmatch from socket reject\n",
	"match !from src regex { a } !for domain regex { b } reject\n",
	"match tag x helo y mail-from z !for rcpt-to regex u reject\nmatch rcpt-to v reject\n",
	"mta limit inet4\nmta limit for domain a.example max-conn-per-host 3 messages-per-minute 10\n",
	"smtp max-message-size 5M\nsmtp limit max-mails 1 max-rcpt 2\nsmtp sub-addr-delim \"-\"\nqueue ttl 1d\n",
	"spool \"/a\"\nruntime \"/b\"\nsmtp workers 1\nmta workers 2\nmta private-destinations { 10.0.0.0/8 }\n",
	"queue retry 1m 1h\nqueue size 1G\nqueue memory 1M\ndns server \"127.0.0.1\"\nlog json\n",
	"bounce contact a@b.example\nbounce language de\nbounce template \"/a\"\nbounce postmaster\nbounce ttl 1d\nsoft-bounce\n",
	"history keep 1d\nhistory size 1M\nhistory anonymise\n",
};
/* clang-format on */

/* What is said about the text, which has to parse. */
static bool
check(const char *text, struct reports *reports)
{
	char whole[512];
	struct config_text *bundle;
	struct config *config;
	bool ok;

	(void)snprintf(whole, sizeof(whole), "%smatch for any reject\n", text);
	*reports = (struct reports){ .errors = 0 };
	bundle = text_of(whole);
	config = config_parse(bundle, keep_report, reports);
	if (config == NULL)
		row_fail(text, "does not parse: %s", reports->text);
	*reports = (struct reports){ .errors = 0 };
	ok = config_check_supported(config, keep_report, reports);
	config_free(config);
	config_text_free(bundle);
	return ok;
}

static void
test_what_is_not_carried_out_is_refused(void **state)
{
	struct reports reports;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		if (check(rows[i].text, &reports))
			row_fail(rows[i].text, "not refused, wanted %s", rows[i].said);
		if (strstr(reports.text, rows[i].said) == NULL)
			row_fail(rows[i].text, "got %s wanted %s", reports.text, rows[i].said);
	}
}

static void
test_what_is_carried_out_is_not_refused(void **state)
{
	struct reports reports;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(supported); i++)
		if (!check(supported[i], &reports))
			row_fail(supported[i], "got %s", reports.text);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_not_carried_out_is_refused),
		cmocka_unit_test(test_what_is_carried_out_is_not_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
