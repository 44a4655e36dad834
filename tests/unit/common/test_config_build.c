/* SPDX-License-Identifier: ISC */
/*
 * Promised: what statements mean, and that each mistake is said once, with its place, the value and what was expected,
 * without echoes. Each row is one text; those that should be a configuration get a rule behind them.
 */
#include "tests/unit/common/config_fixture.h"

struct means {
	const char *sentence;
	const char *text;
	const char *in_tree;
};

#define PKI "pki p cert \"/c\" key \"/k\"\n"

/* clang-format off */
static const struct means means[] = {
	/* settings */
	{ "defaults of the settings", "", "settings warn-interval 14400 max-deferred 100 ttl 345600 max-mails 1000 max-rcpt 1000 max-message-size 36700160 sub-addr-delim 43 srs-ttl 345600\n" },
	{ "defaults of our own", "", "own spool \"/var/spool/postern\" runtime \"/run/postern\" smtp-workers 0 mta-workers 0 bounce-ttl 172800 retry-min 600 retry-max 14400 queue-size 68719476736 queue-memory 33554432 bounce-language \"en\" history-keep 604800 history-size 1073741824 log-text\n" },
	{ "seconds, minutes, hours, days", "bounce warn-interval 1s, 2m, 3h, 4d\n", "warn-interval 1 warn-interval 120 warn-interval 10800 warn-interval 345600" },
	{ "warn-intervals rise", "bounce warn-interval 3h, 1h, 2h\n", "warn-interval 3600 warn-interval 7200 warn-interval 10800" },
	{ "warn-interval replaces the whole set", "bounce warn-interval 1h, 2h\nbounce warn-interval 3h\n", "settings warn-interval 10800 max" },
	{ "the longest delay", "queue ttl 2147483647s\n", "ttl 2147483647" },
	{ "a size in bytes", "smtp max-message-size 35\n", "max-message-size 35 " },
	{ "a size with a unit, in either case", "smtp max-message-size 2k\n", "max-message-size 2048 " },
	{ "a size with a fraction", "smtp max-message-size 1.5M\n", "max-message-size 1572864 " },
	{ "a fraction is rounded down", "smtp max-message-size 0.1K\n", "max-message-size 102 " },
	{ "limits of the session", "smtp limit max-mails 5 max-rcpt 6\n", "max-mails 5 max-rcpt 6" },
	{ "limits of the relay for a domain", "mta limit for domain a.example max-conn-per-host 3 inet4\n", "of \"mta\" domain \"a.example\" key \"max-conn-per-host\" value 3" },
	{ "inet4 as a limit stands for itself", "mta limit inet4\n", "of \"mta\" key \"inet4\" value 1" },
	{ "the delimiter of sub-addresses", "smtp sub-addr-delim \"-\"\n", "sub-addr-delim 45" },
	{ "srs ttl is rounded down to days", "srs ttl 47h\n", "srs-ttl 86400" },
	{ "a key of 32 characters", "queue encryption 0123456789abcdef0123456789abcdef\n", "encryption-key \"0123456789abcdef0123456789abcdef\"" },
	{ "a key from standard input", "queue encryption stdin\n", "encryption-key \"stdin\"" },
	{ "a key that is asked for", "queue encryption\n", " encryption max-mails" },
	/* our own */
	{ "spool and runtime", "spool \"/a\"\nruntime \"/b\"\n", "spool \"/a\" runtime \"/b\"" },
	{ "workers", "smtp workers 1\nmta workers 16\n", "smtp-workers 1 mta-workers 16" },
	{ "private destinations, in a list", "mta private-destinations { 10.0.0.0/8 }\n", "private-destinations \"<anonymous:0>\"" },
	{ "queue retry", "queue retry 1m 1h\n", "retry-min 60 retry-max 3600" },
	{ "queue size and memory", "queue size 1G\nqueue memory 1M\n", "queue-size 1073741824 queue-memory 1048576" },
	{ "whom senders may write to", "bounce contact \"help@a.example\"\n", "bounce-contact \"help@a.example\"" },
	{ "the language of reports", "bounce language fr\n", "bounce-language \"fr\"" },
	{ "a template for reports", "bounce template \"/t\"\n", "bounce-template \"/t\"" },
	{ "the life of reports", "bounce ttl 12h\n", "bounce-ttl 43200" },
	{ "soft-bounce", "soft-bounce\n", "soft-bounce" },
	{ "reports for the postmaster", "bounce postmaster\n", "bounce-postmaster" },
	{ "how long history is kept", "history keep 2d\n", "history-keep 172800" },
	{ "how large it grows", "history size 2M\n", "history-size 2097152" },
	{ "history without names", "history anonymise\n", "history-anonymise" },
	{ "a DNS server", "dns server \"127.0.0.1@5353\"\n", "dns-server \"127.0.0.1@5353\"" },
	{ "a DNS server by IPv6", "dns server \"::1\"\n", "dns-server \"::1\"" },
	{ "log json", "log json\n", "log-json" },
	{ "the last log counts", "log json\nlog text\n", "log-text" },
	/* tables */
	{ "a path is a file", "table t \"/a\"\n", "name \"t\" file path \"/a\"" },
	{ "file:", "table t file:/a\n", "name \"t\" file path \"/a\"" },
	{ "db:", "table t db:/a.db\n", "name \"t\" db path \"/a.db\"" },
	{ "any other back end is a program", "table t passwd:/a\n", "name \"t\" program program \"passwd\" path \"/a\"" },
	{ "a program without a path", "table t ldap\n", "program program \"ldap\" entries" },
	{ "entries have their place", "table t { a = b,\n c = d }\n", "entry at \"a.conf\":2:2 key \"c\" value \"d\"" },
	{ "a built-in table by its name with brackets", "match for domain <\"<localnames>\"> reject\n", "name \"<localnames>\" builtin" },
	/* pki, ca, programs */
	{ "pki adds up, its name in lower case", "pki A cert \"/c\"\npki a key \"/k\"\n", "name \"a\" cert \"/c\" key \"/k\"" },
	{ "dhe legacy becomes auto", PKI "pki p dhe legacy\n", "dhe \"auto\"" },
	{ "a program with all options", "proc p \"cmd\" user u group g chroot \"/r\"\n", "command \"cmd\" user \"u\" group \"g\" chroot \"/r\"" },
	{ "proc-exec makes a processor of its name", "filter f proc-exec \"cmd\" user u\n", "proc at \"a.conf\":1:8 name \"f\" command \"cmd\" user \"u\"" },
	{ "several filters of one processor", "proc p \"cmd\"\nfilter f proc p\nfilter g proc p\n", "name \"g\" proc \"p\"" },
	{ "a chain", "filter f proc-exec x\nfilter g phase data match fcrdns bypass\nfilter h chain { f, g }\n", "chain \"f\" chain \"g\"" },
	{ "a built-in filter", "filter f phase rcpt-to match !rcpt-to regex { a } reject \"550 no\"\n", "phase 5 condition-kind 6 verdict 0 text \"550 no\"\n\tcondition at \"a.conf\":1:31 not filter regex table \"<anonymous:0>\"" },
	/* listeners */
	{ "the socket is always there, and first", "listen on lo\n", "listener at \"a.conf\":0:0 socket on \"\" family 0 port 0 tls-none index 0\nlistener at \"a.conf\":1:1 on \"lo\" family 0 port 25 tls-none index 1" },
	{ "the socket may be given options", "listen on lo\nlisten on socket mask-src no-dsn tag x\n", "listener at \"a.conf\":2:1 socket on \"\" family 0 port 0 tls-none tag \"x\" mask-src no-dsn index 0" },
	{ "smtps has its own port", PKI "listen on lo smtps pki p\n", "port 465 smtps" },
	{ "smtps on another port", PKI "listen on lo port 25 smtps pki p\n", "port 25 smtps" },
	{ "a port by name", "listen on lo port submission\n", "port 587" },
	{ "a port by keyword, and a mode", PKI "listen on lo port smtps tls-require pki p\n", "port 465 tls-required" },
	{ "all options of an interface", PKI "ca c cert \"/a\"\ntable t { a = b }\n"
	    "listen on lo inet6 tls-require verify pki P pki \"p\" ca c ciphers C protocols \"tlsv1.2,!tlsv1.3\" auth-optional <t> hostname h hostnames <t> senders <t> masquerade received-auth proxy-v2\n",
	    "family 2 port 25 tls-required verify ciphers \"C\" protocols \"tlsv1.2,!tlsv1.3\" ca \"c\" pki \"P\" pki \"p\" auth-optional auth-table \"t\" hostname \"h\" hostnames \"t\" senders \"t\" masquerade received-auth proxy-v2 index 1" },
	{ "auth without a table", PKI "filter f phase connect match rdns junk\nlisten on lo tls pki p auth filter { f }\n", "pki \"p\" auth filter \"f\" index 1" },
	{ "dsn any, behind an option without a name too", PKI "listen on lo tls pki p auth dsn any\n", "pki \"p\" auth dsn-any index 1" },
	{ "dsn is a name where one is due", "listen on dsn tag dsn hostname dsn dsn any\n", "on \"dsn\" family 0 port 25 tls-none hostname \"dsn\" tag \"dsn\" dsn-any index 1" },
	/* actions */
	{ "mbox", "action a mbox alias { a = b } userbase <\"<getpwnam>\"> ttl 1d\n", "mbox alias \"<anonymous:0>\" userbase \"<getpwnam>\" ttl 86400 index 0" },
	{ "maildir with a path and junk", "action a maildir \"/x/%{dest.user:lowercase|strip}%%{\" junk user u\n", "maildir argument \"/x/%{dest.user:lowercase|strip}%%{\" junk user \"u\"" },
	{ "maildir without a path, with junk", "action a maildir junk\n", "name \"a\" maildir junk ttl" },
	{ "lmtp", "action a lmtp \"/sock\" rcpt-to virtual { a = b }\n", "lmtp argument \"/sock\" rcpt-to virtual" },
	{ "mda with a wrapper", "mda wrapper w \"x %{mda}\"\naction a mda \"cmd %{rcpt[0:-2]} %{SENDER}\" wrapper w\n", "mda argument \"cmd %{rcpt[0:-2]} %{SENDER}\" wrapper \"w\"" },
	{ "forward-only and expand-only", "action a forward-only\naction b expand-only\n", "name \"b\" expand-only" },
	{ "relay with many options", PKI "ca c cert \"/a\"\nsrs key s\ntable s { l = \"u:p\" }\n"
	    "action a relay host { \"smtp+tls://l@a.example:587\", smtps://b.example } auth <s> tls no-verify helo h src 192.0.2.1 mail-from \"@x\" pki P ca c ciphers C protocols secure srs ttl 1h\n",
	    "relay host \"<anonymous:1>\" auth \"s\" tls no-verify helo \"h\" src \"<anonymous:2>\" mail-from \"@x\" pki \"P\" ca \"c\" ciphers \"C\" protocols \"secure\" srs ttl 3600" },
	{ "a label without a scheme, with tls", "action a relay host l@a.example:587 tls auth { l = \"u:p\" }\n", "relay host \"<anonymous:0>\" auth \"<anonymous:1>\" tls" },
	{ "relay by domain", "action a relay domain { a.example = \"lmtp://b:24\" } helo-src { a = b }\n", "relay domain \"<anonymous:0>\" helo-src" },
	{ "backup", "action a relay backup mx a.example\n", "relay backup mx \"a.example\"" },
	/* rules */
	{ "without from and for a rule is local", "match reject\n", "match at \"a.conf\":1:1 from-local for-local reject\n" },
	{ "conditions in any order", "match for any tag x from any reject\n", "from-any for-any reject\n\tcondition at \"a.conf\":1:21 from\n\tcondition at \"a.conf\":1:7 for\n\tcondition at \"a.conf\":1:15 tag table \"<anonymous:0>\"\n" },
	{ "from auth is from any, and auth", "match !from auth <\"<anyhost>\"> for any reject\n", "from-any for-any reject\n\tcondition at \"a.conf\":1:8 from\n\tcondition at \"a.conf\":1:32 for\n\tcondition at \"a.conf\":1:13 not auth table \"<anyhost>\"" },
	{ "from mail-from is from any, and mail-from", "match from mail-from regex { a } reject\n", "from-any for-local reject\n\tcondition at \"a.conf\":1:7 from\n\tcondition at \"a.conf\":1:12 mail-from regex" },
	{ "for rcpt-to is for any, and rcpt-to", "match !for rcpt-to { a } reject\n", "from-local for-any reject\n\tcondition at \"a.conf\":1:8 for\n\tcondition at \"a.conf\":1:8 not rcpt-to table" },
	{ "not local", "match !from local !for local reject\n", "\tcondition at \"a.conf\":1:8 not from\n\tcondition at \"a.conf\":1:20 not for\n" },
	{ "mail-from and rcpt-to take mappings", "match mail-from { a = b } rcpt-to { c = d } reject\n", "mapping" },
	{ "auth takes what follows as its table", "match auth x for any reject\n", "auth table \"<anonymous:0>\"" },
	{ "from rdns with and without a table", "match from rdns reject\nmatch from rdns regex x reject\n", "from-rdns for-local reject\n\tcondition at \"a.conf\":1:7 from\n" },
	{ "the action is found", "action a mbox\nmatch for any action a\n", "for-any action \"a\"" },
};
/* clang-format on */

static void
test_what_statements_mean(void **state)
{
	struct reports reports;
	char text[2048];
	char *dump;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(means); i++) {
		(void)snprintf(text, sizeof(text), "%smatch for any reject\n", means[i].text);
		dump = dump_of(text, &reports);
		if (dump == NULL)
			row_fail(means[i].sentence, "does not parse: %s", reports.text);
		if (strstr(dump, means[i].in_tree) == NULL)
			row_fail(means[i].sentence, "got\n%s\nwanted\n%s", dump, means[i].in_tree);
		free(dump);
	}
}

struct mistake {
	const char *text;
	const char *said; /* the only thing that is said, in its beginning */
};

/* clang-format off */
static const struct mistake mistakes[] = {
	{ "", "a.conf:1:1: no rules, nothing to do" },
	/* settings */
	{ "queue ttl 1w\n", "a.conf:1:11: invalid delay: \"1w\", expected" },
	{ "queue ttl 0d\n", "a.conf:1:11: invalid delay: \"0d\"" },
	{ "queue ttl 1h30m\n", "a.conf:1:11: invalid delay: \"1h30m\"" },
	{ "queue ttl 2147483648s\n", "a.conf:1:11: invalid delay" },
	{ "queue ttl 24856d\n", "a.conf:1:11: invalid delay" },
	{ "smtp max-message-size 35MB\n", "a.conf:1:23: invalid size: \"35MB\"" },
	{ "smtp max-message-size -1\n", "a.conf:1:23: invalid size: \"-1\"" },
	{ "smtp max-message-size 8E\n", "a.conf:1:23: invalid size: \"8E\"" },
	{ "smtp max-message-size 1.M\n", "a.conf:1:23: invalid size" },
	{ "smtp max-message-size M\n", "a.conf:1:23: invalid size" },
	{ "smtp limit max-mail 1\n", "a.conf:1:12: invalid smtp limit keyword: \"max-mail\"" },
	{ "smtp limit max-mails 0\n", "a.conf:1:22: smtp limit max-mails: 0, expected a number from 1" },
	{ "mda limit x 1\n", "a.conf:1:11: invalid mda limit keyword: \"x\"" },
	{ "mta limit max-inflight 1\n", "a.conf:1:11: invalid mta limit keyword: \"max-inflight\"" },
	{ "scheduler limit max-inflight -1\n", "a.conf:1:30: scheduler limit max-inflight: -1, expected" },
	{ "mta max-deferred -1\n", "a.conf:1:18: mta max-deferred: -1" },
	{ "smtp sub-addr-delim \"@\"\n", "a.conf:1:21: subaddressing-delimiter must be one character" },
	{ "smtp sub-addr-delim xx\n", "a.conf:1:21: subaddressing-delimiter must be one character" },
	{ "queue encryption abc\n", "a.conf:1:18: invalid key for queue encryption: 3 characters, expected 32" },
	{ "queue encryption key abc\n", "a.conf:1:18: queue encryption key: this is the syntax of before 6.4" },
	{ "srs ttl 12h\n", "a.conf:1:9: ttl delay \"12h\" is too short, expected at least 1d" },
	{ "admd \"a b\"\n", "a.conf:1:6: not a valid admd: \"a b\"" },
	{ "mda wrapper w x\nmda wrapper w y\n", "a.conf:2:13: mda wrapper already declared with that name: w" },
	/* our own */
	{ "spool x\n", "a.conf:1:7: spool: \"x\", expected an absolute path" },
	{ "runtime \"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n", "a.conf:1:9: runtime: " },
	{ "smtp workers 17\n", "a.conf:1:14: smtp workers: 17, expected a number from 1 to 16" },
	{ "mta workers 0\n", "a.conf:1:13: mta workers: 0, expected a number from 1 to 16" },
	{ "queue retry 2h 1h\n", "a.conf:1:13: queue retry: the first delay, 2h, is longer than the last, 1h" },
	{ "queue size 1M\n", "a.conf:1:12: queue size: 1M, expected at least 16384K" },
	{ "bounce contact example.org\n", "a.conf:1:16: bounce contact: \"example.org\", expected an address: " },
	{ "bounce language tlh\n", "a.conf:1:17: bounce language: \"tlh\", expected one of en de fr es" },
	{ "bounce template t\n", "a.conf:1:17: bounce template: \"t\", expected an absolute path" },
	{ "dns server example.org\n", "a.conf:1:12: dns server: \"example.org\", expected \"ADDRESS\"" },
	{ "dns server \"127.0.0.1@0\"\n", "a.conf:1:12: dns server: \"127.0.0.1@0\", expected a port" },
	{ "log xml\n", "a.conf:1:5: syntax error: unexpected \"xml\", expected" },
	{ "mta private-destinations { a = b }\n", "a.conf:1:5: table \"<anonymous:0>\" may not be used for private-destinations lookups: expected a list" },
	{ "table t { a }\nmta private-destinations <t>\n", "a.conf:2:5: private-destinations <t>: expected the networks in braces" },
	/* tables */
	{ "table t x:y\n", "a.conf:1:9: invalid backend parameter for table: t: \"x:y\", expected" },
	{ "table t file:\n", "a.conf:1:9: invalid backend parameter" },
	{ "table t \"x/y:/z\"\n", "a.conf:1:9: invalid backend parameter" },
	{ "table t { a }\ntable t { b }\n", "a.conf:2:7: table \"t\" already defined in a.conf, line 1" },
	{ "table \"<x>\" { a }\n", "a.conf:1:7: table \"<x>\": names in \"<>\"" },
	{ "match for domain <t> reject\ntable t { a }\n", "a.conf:1:19: no such table: t, expected one declared above" },
	{ "match for domain <localnames> reject\n", "a.conf:1:19: no such table: localnames" },
	{ "match for domain <t> reject\nmatch from src <t> reject\n", "a.conf:1:19: no such table: t" },
	/* kinds */
	{ "match for domain { a = b } reject\n", "a.conf:1:7: table \"<anonymous:0>\" may not be used for 'for' lookups: expected a list" },
	{ "match from src { a = b } reject\n", "a.conf:1:7: table \"<anonymous:0>\" may not be used for 'from' lookups" },
	{ "match tag { a = b } reject\n", "a.conf:1:7: table \"<anonymous:0>\" may not be used for tag lookups" },
	{ "match helo { a = b } reject\n", "a.conf:1:7: table \"<anonymous:0>\" may not be used for helo lookups" },
	{ "action a mbox alias { a }\n", "a.conf:1:15: table \"<anonymous:0>\" may not be used for alias lookups: expected a mapping" },
	{ "action a mbox virtual x\n", "a.conf:1:15: table \"<anonymous:0>\" may not be used for virtual lookups" },
	{ "action a mbox userbase <\"<localnames>\">\n", "a.conf:1:15: table \"<localnames>\" may not be used for userbase lookups" },
	{ "action a relay host { a = b }\n", "a.conf:1:16: table \"<anonymous:0>\" may not be used for host lookups" },
	{ "action a relay domain { a }\n", "a.conf:1:16: table \"<anonymous:0>\" may not be used for domain lookups" },
	{ "action a relay host a auth { a }\n", "a.conf:1:23: table \"<anonymous:1>\" may not be used for auth lookups" },
	{ PKI "listen on lo tls pki p auth { a }\n", "a.conf:2:24: table \"<anonymous:0>\" may not be used for credentials lookups" },
	/* pki, ca, programs */
	{ "pki \"a b\" cert x key y\n", "a.conf:1:5: pki \"a b\": not a valid domain name" },
	{ "pki a cert x\nmatch reject\n", "a.conf:1:5: pki a: key is missing" },
	{ "pki a cert x cert y\n", "a.conf:1:19: pki a: cert already specified" },
	{ "pki a dhe x\n", "a.conf:1:11: pki a: invalid dhe: \"x\", expected none, auto or legacy" },
	{ "ca a cert x\nca a cert y\n", "a.conf:2:4: ca already declared with that name: a" },
	{ "proc a x\nproc a y\n", "a.conf:2:6: processor already exists with that name: a" },
	{ "filter a proc b\n", "a.conf:1:15: no such processor: b" },
	{ "filter a chain { b }\n", "a.conf:1:18: no such filter: b" },
	{ "filter a chain { a }\n", "a.conf:1:18: no such filter: a" },
	{ "proc p x\nfilter a proc p\nfilter a proc p\n", "a.conf:3:8: filter already exists with that name: a" },
	{ "filter a phase connect match helo x junk\n", "a.conf:1:30: filter a: \"helo\" may not be tested in this phase" },
	{ "filter a phase data match rcpt-to x junk\n", "a.conf:1:27: filter a: \"rcpt-to\" may not be tested in this phase" },
	{ "filter a phase commit match rdns junk\n", "a.conf:1:34: filter a: \"junk\" may not be used in phase commit" },
	{ "filter a phase noop match rdns junk\n", "a.conf:1:16: syntax error: unexpected noop, expected auth, commit" },
	{ "filter a phase connect match rdns reject \"no\"\n", "a.conf:1:42: reject \"no\": expected 4xx or 5xx, a blank and a text" },
	{ "filter a phase connect match rdns disconnect \"250 ok\"\n", "a.conf:1:46: disconnect \"250 ok\"" },
	/* listeners */
	{ "listen on socket\nlisten on socket\n", "a.conf:2:1: socket listener already configured in a.conf, line 1" },
	{ "listen on socket tls\n", "a.conf:1:18: syntax error: unexpected tls, expected" },
	{ "listen on lo port 65536\n", "a.conf:1:19: invalid port: \"65536\"" },
	{ "listen on lo port 0\n", "a.conf:1:19: invalid port: \"0\"" },
	{ "listen on lo port no-such-service\n", "a.conf:1:19: invalid port: \"no-such-service\"" },
	{ "listen on lo port \"25\"\n", "a.conf:1:19: invalid port: \"25\"" },
	{ "listen on lo port 25 port 26\n", "a.conf:1:22: port: port already specified" },
	{ "listen on lo tls\n", "a.conf:1:1: pki required for tls/smtps" },
	{ PKI "listen on lo pki p\n", "a.conf:2:1: pki requires tls/smtps" },
	{ "listen on lo auth\n", "a.conf:1:1: auth requires tls/smtps" },
	{ PKI "listen on lo tls smtps pki p\n", "a.conf:2:18: smtps: TLS mode already specified" },
	{ PKI "listen on lo tls pki q pki p\n", "a.conf:2:22: pki name not found: q" },
	{ PKI "listen on lo smtps verify ca c pki p\n", "a.conf:2:30: ca name not found: c" },
	{ PKI "listen on lo tls pki p protocols x\n", "a.conf:2:34: protocols \"x\": expected a list" },
	{ "listen on lo inet4 inet6\n", "a.conf:1:20: inet6: address family already specified" },
	{ "listen on lo tag aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "a.conf:1:18: tag name too long: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", expected at most 32 bytes" },
	{ "listen on lo filter f\n", "a.conf:1:21: no such filter: f" },
	{ "listen on lo no-dsn dsn any\n", "a.conf:1:1: no-dsn and dsn any exclude each other" },
	{ "listen on lo dsn any dsn any\n", "a.conf:1:22: dsn: dsn already specified" },
	{ "listen on lo dsn\n", "a.conf:1:17: syntax error" },
	{ "listen on socket dsn any\n", "a.conf:1:18: syntax error" },
	{ "listen on lo mask-src mask-src\n", "a.conf:1:23: mask-src: mask-src already specified" },
	/* actions */
	{ "action a mbox\naction a mbox\n", "a.conf:2:8: action already declared with that name: a, in a.conf, line 1" },
	{ "action a mbox user u\n", "a.conf:1:15: user may not be specified for this method" },
	{ "action a mbox alias { a = b } virtual { a = b }\n", "a.conf:1:31: virtual and alias are mutually exclusive" },
	{ "action a mbox wrapper w\n", "a.conf:1:23: no such mda wrapper: w" },
	{ "action a mbox ttl 1d alias { a = b }\n", "a.conf:1:22: alias after ttl: ttl must be the last option of an action" },
	{ "action a relay ttl 1d helo x\n", "a.conf:1:23: helo after ttl" },
	{ "action a maildir junk \"/x\"\n", "a.conf:1:18: junk comes after the path: maildir \"/x\" junk" },
	{ "action a maildir \"%{x}\"\n", "a.conf:1:18: %{x}: unknown format specifier" },
	{ "action a maildir \"%{mda}\"\n", "a.conf:1:18: %{mda}: unknown format specifier" },
	{ "action a maildir \"%{rcpt\"\n", "a.conf:1:18: \"%{\" without \"}\" in \"%{rcpt\"" },
	{ "action a maildir \"%{rcpt:up}\"\n", "a.conf:1:18: %{rcpt:up}: unknown modifier" },
	{ "action a maildir \"%{rcpt[0]:raw}\"\n", "a.conf:1:18: %{rcpt[0]:raw}: invalid substring" },
	{ "action a relay auth { a = b } host x\n", "a.conf:1:16: auth may not be specified without host or domain before it" },
	{ "action a relay host x domain { a = b }\n", "a.conf:1:23: domain and host are mutually exclusive" },
	{ "action a relay backup host x\n", "a.conf:1:23: host and backup are mutually exclusive" },
	{ "action a relay host x backup\n", "a.conf:1:23: backup and host are mutually exclusive" },
	{ "action a relay helo x helo-src { a = b }\n", "a.conf:1:23: helo-src and helo are mutually exclusive" },
	{ "action a relay helo x helo y\n", "a.conf:1:23: helo already specified for action \"a\"" },
	{ "action a relay pki x\n", "a.conf:1:20: pki name not found: x" },
	{ "action a relay ca x\n", "a.conf:1:19: ca name not found: x" },
	{ "action a relay srs\n", "a.conf:1:16: an srs key is required for srs to be specified in an action, above it" },
	{ "action a relay mail-from \"a@\"\n", "a.conf:1:26: mail-from \"a@\": expected user@domain, user or @domain" },
	{ "action a relay filter f\n", "a.conf:1:23: no such filter: f" },
	{ "action a relay host \"foo://x\"\n", "a.conf:1:21: relay URL \"foo://x\": unknown scheme" },
	{ "action a relay host { \"x\",\n\"lmtp://y\" }\n", "a.conf:2:1: relay URL \"lmtp://y\": the port is missing" },
	{ "action a relay host \"smtp+notls://x\" tls\n", "a.conf:1:21: TLS required for relaying, but not possible with \"smtp+notls://x\"" },
	{ "action a relay host l@x auth { l = \"u:p\" }\n", "a.conf:1:21: \"l@x\": a label needs TLS, write smtp+tls://l@x" },
	{ "action a relay host smtps://l@x\n", "a.conf:1:21: \"smtps://l@x\": a label needs auth" },
	/* rules */
	{ "match for any action a\n", "a.conf:1:22: no such action: a" },
	{ "match from any from local reject\n", "a.conf:1:16: from already specified for this rule" },
	{ "match from auth from any reject\n", "a.conf:1:17: from already specified for this rule" },
	{ "match for rcpt-to x for any reject\n", "a.conf:1:21: for already specified for this rule" },
	{ "match auth from auth reject\n", "a.conf:1:17: auth already specified for this rule" },
	{ "match for any\n", "a.conf:1:14: syntax error: unexpected end of line, expected" },
	/* before 6.4 */
	{ "accept from any for any deliver to maildir\n", "a.conf:1:8: \"accept\": this is the syntax of before 6.4 (2018), write instead: action and match" },
	{ "reject from any\n", "a.conf:1:1: \"reject\": this is the syntax of before 6.4" },
	{ "limit mta inet4\n", "a.conf:1:1: \"limit\": this is the syntax of before 6.4" },
	{ "expire 4d\n", "a.conf:1:8: \"expire\": this is the syntax of before 6.4 (2018), write instead: queue ttl" },
	{ "max-message-size 5M\n", "a.conf:1:1: \"max-message-size\": this is the syntax of before 6.4" },
	{ "bounce-warn 1d\n", "a.conf:1:13: \"bounce-warn\": this is the syntax of before 6.4" },
	{ "pki x certificate \"/c\"\n", "a.conf:1:7: \"certificate\": this is the syntax of before 6.4 (2018), write instead: cert" },
	{ "listen on lo mask-source\n", "a.conf:1:14: \"mask-source\": this is the syntax of before 6.4" },
	{ "match tagged x reject\n", "a.conf:1:7: \"tagged\": this is the syntax of before 6.4" },
	/* echoes */
	{ "table t { a, }\nmatch for domain <t> reject\n", "a.conf:1:14: syntax error" },
	{ "table t {\n a\n b = c\n d e\n}\nmatch for domain <t> reject\n", "a.conf:3:4: syntax error" },
	{ "table t { a =\n b }\nmatch mail-from <t> reject\n", "a.conf:1:14: syntax error: unexpected end of line" },
	{ "table t\nmatch for domain <t> reject\n", "a.conf:1:8: syntax error" },
	{ "action a mbox nonsense\nmatch for any action a\n", "a.conf:1:15: syntax error" },
	{ "filter f phase nowhere\nlisten on lo filter f\n", "a.conf:1:16: syntax error" },
	{ "pki p cert\nlisten on lo tls pki p\n", "a.conf:1:11: syntax error" },
	{ "mda wrapper w\naction a mda x wrapper w\n", "a.conf:1:14: syntax error" },
	{ "table t x:y\nmatch for domain <t> reject\n", "a.conf:1:9: invalid backend" },
	{ "include \"none.conf\"\nmatch for domain <t> action a\n", "a.conf:1:9: failed to include file none.conf" },
	{ "admd / \x01 $x /\n", "a.conf:1:6: unexpected \"/\"" },
};
/* clang-format on */

static void
test_each_mistake_is_said_once(void **state)
{
	struct reports reports;
	char *dump;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(mistakes); i++) {
		dump = dump_of(mistakes[i].text, &reports);
		if (dump != NULL)
			row_fail(mistakes[i].text, "was taken for %s", dump);
		if (strncmp(reports.text, mistakes[i].said, strlen(mistakes[i].said)) != 0 || reports.errors != 1)
			row_fail(mistakes[i].text, "got %s wanted %s", reports.text, mistakes[i].said);
	}
}

/* clang-format off */
static const struct mistake warnings[] = {
	{ "table t { \"a\" : \"b\" }\n", "warning: a.conf:1:15: \":\" is an element of a list of strings: a mapping is written key = value" },
	{ "table t { a: b }\n", "warning: a.conf:1:11: \"a:\" is an element" },
	{ "pki p cert c key k dhe legacy\n", "warning: a.conf:1:24: pki p: dhe legacy (1024 bits) is no longer safe" },
	{ "bounce warn-interval 1h, 2h, 3h, 4h, 5h\n", "warning: a.conf:1:38: bounce warn-interval: only the first 4" },
	{ "listen on lo ciphers x\n", "warning: a.conf:1:1: ciphers, protocols and ca have no effect without tls/smtps" },
	{ "listen on lo senders { a = b }\n", "warning: a.conf:1:1: senders has no effect without auth" },
	{ "table t { 2001:db8:: }\n", "" },
};
/* clang-format on */

static void
test_warnings_do_not_stop(void **state)
{
	struct reports reports;
	char text[256];
	char *dump;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(warnings); i++) {
		(void)snprintf(text, sizeof(text), "%smatch for any reject\n", warnings[i].text);
		dump = dump_of(text, &reports);
		if (dump == NULL || reports.errors != 0 || reports.warnings != (warnings[i].said[0] != '\0'))
			row_fail(warnings[i].text, "got %s", reports.text);
		if (strncmp(reports.text, warnings[i].said, strlen(warnings[i].said)) != 0)
			row_fail(warnings[i].text, "got %s wanted %s", reports.text, warnings[i].said);
		free(dump);
	}
}

static void
test_parsing_goes_on_after_a_mistake(void **state)
{
	struct reports reports;

	(void)state;
	assert_null(dump_of(
	    "queue ttl x\nlisten lo\ntable t {\n a,\n b c = d\nlisten on lo tls\nmatch for any action z\n", &reports));
	assert_int_equal(reports.errors, 5);
	assert_non_null(strstr(reports.text, "a.conf:1:11: invalid delay"));
	assert_non_null(strstr(reports.text, "a.conf:2:8: syntax error"));
	assert_non_null(strstr(reports.text, "a.conf:5:6: syntax error"));
	assert_non_null(strstr(reports.text, "a.conf:6:1: pki required"));
	assert_non_null(strstr(reports.text, "a.conf:7:22: no such action"));
}

static void
test_it_gives_up_after_the_limit(void **state)
{
	struct reports reports;
	char line[] = "queue ttl x\n";
	char text[100 * sizeof(line)] = "";
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		memcpy(text + i * (sizeof(line) - 1), line, sizeof(line));
	assert_null(dump_of(text, &reports));
	assert_int_equal(reports.errors, CONFIG_ERRORS_MAX + 1);
	assert_non_null(strstr(reports.text, "a.conf:20:11: 20 errors, giving up\n"));
}

static void
test_what_is_reported_is_printable(void **state)
{
	struct reports reports;

	(void)state;
	assert_null(dump_of("spool \"\x1b[2J\xff\"\n", &reports));
	assert_non_null(strstr(reports.text, "spool: \"?[2J?\""));
}

/* Many of a kind, one line each, by number. */
static size_t
errors_of_many(const char *before, const char *head, const char *tail, int count, struct reports *reports)
{
	struct config_text *text;
	struct buf out;
	int i;

	buf_init(&out, CONFIG_TEXT_MAX);
	assert_true(buf_append_text(&out, before));
	for (i = 0; i < count; i++)
		assert_true(buf_printf(&out, "%s%d%s\n", head, i, tail));
	assert_true(buf_append_text(&out, "match for any reject\n"));
	text = text_of_files(buf_str(&out), NULL, NULL);
	free(dump_of_text(text, reports));
	config_text_free(text);
	buf_clear(&out);
	return reports->errors;
}

static void
test_numbers_of_things_have_limits(void **state)
{
	struct reports reports;

	(void)state;
	assert_int_equal(errors_of_many("", "listen on lo port 1", "", CONFIG_LISTENERS_MAX - 1, &reports), 0);
	assert_int_equal(errors_of_many("", "listen on lo port 1", "", CONFIG_LISTENERS_MAX, &reports), 1);
	assert_non_null(strstr(reports.text, "more than 63 listeners"));
	assert_int_equal(errors_of_many("", "action a", " mbox", CONFIG_ACTIONS_MAX, &reports), 0);
	assert_int_equal(errors_of_many("", "action a", " mbox", CONFIG_ACTIONS_MAX + 1, &reports), 1);
	assert_non_null(strstr(reports.text, "more than 1024 actions"));
	assert_int_equal(errors_of_many("", "table t", " { a }", 16384, &reports), 0);
	assert_int_equal(errors_of_many("", "table t", " { a }", 16385, &reports), 1);
	assert_non_null(strstr(reports.text, "more than 16384 tables"));
	assert_int_equal(errors_of_many("proc p x\n", "filter f", " proc p", 4095, &reports), 0);
	assert_int_equal(errors_of_many("proc p x\n", "filter f", " proc p", 4096, &reports), 1);
	assert_non_null(strstr(reports.text, "more than 4096 names"));
}

static void
test_an_action_is_found_by_name(void **state)
{
	struct reports reports = { .errors = 0 };
	struct config_text *text = text_of("action a mbox\naction b relay\nmatch for any action a\n");
	struct config *config = config_parse(text, keep_report, &reports);

	(void)state;
	assert_non_null(config);
	assert_int_equal(config_action_find(config, S("b"))->method, CONFIG_METHOD_RELAY);
	assert_null(config_action_find(config, S("c")));
	config_free(config);
	config_text_free(text);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_statements_mean),
		cmocka_unit_test(test_each_mistake_is_said_once),
		cmocka_unit_test(test_warnings_do_not_stop),
		cmocka_unit_test(test_parsing_goes_on_after_a_mistake),
		cmocka_unit_test(test_it_gives_up_after_the_limit),
		cmocka_unit_test(test_what_is_reported_is_printable),
		cmocka_unit_test(test_numbers_of_things_have_limits),
		cmocka_unit_test(test_an_action_is_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
