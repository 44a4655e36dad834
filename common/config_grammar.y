/* SPDX-License-Identifier: ISC */
/*
 * The grammar of the configuration: that of smtpd.conf(5), and our own statements. It says only what may stand where; each
 * action hands the pieces to a function of common/config_build.h, which makes the tree and checks what they mean.
 */
%define api.pure full
%define api.prefix {config_yy}
%define parse.error custom
%define parse.lac full
%param { struct config_build *build }
%expect 0

%code requires {
#include "common/config_build.h"
#include "common/config_lexer.h"
}

%code {
static int config_yylex(CONFIG_YYSTYPE *value, struct config_build *build);
static void config_yyerror(struct config_build *build, const char *text);
}

%union {
	struct config_token token;
	struct config_condition condition;
	struct config_table *table;
}

%token END_OF_TEXT 0 "end of file"
%token <token> NEWLINE "end of line"
%token <token> STRING "a string"
%token <token> NUMBER "a number"
%token LEXICAL_ERROR "an error"
%token <token> '{' "{" '}' "}" '<' "<" '>' ">" ',' "," '!' "!" '=' "="
%token ARROW "=>"

%token <token> ACTION "action"
%token <token> ADMD "admd"
%token <token> ALIAS "alias"
%token <token> ANY "any"
%token <token> AUTH "auth"
%token <token> AUTH_OPTIONAL "auth-optional"
%token <token> BACKUP "backup"
%token <token> BOUNCE "bounce"
%token <token> BYPASS "bypass"
%token <token> CA "ca"
%token <token> CERT "cert"
%token <token> CHAIN "chain"
%token <token> CHROOT "chroot"
%token <token> CIPHERS "ciphers"
%token <token> COMMIT "commit"
%token <token> COMPRESSION "compression"
%token <token> CONNECT "connect"
%token <token> DATA "data"
%token <token> DATA_LINE "data-line"
%token <token> DHE "dhe"
%token <token> DISCONNECT "disconnect"
%token <token> DOMAIN "domain"
%token <token> EHLO "ehlo"
%token <token> ENCRYPTION "encryption"
%token <token> EXPAND_ONLY "expand-only"
%token <token> FCRDNS "fcrdns"
%token <token> FILTER "filter"
%token <token> FOR "for"
%token <token> FORWARD_ONLY "forward-only"
%token <token> FROM "from"
%token <token> GROUP "group"
%token <token> HELO "helo"
%token <token> HELO_SRC "helo-src"
%token <token> HOST "host"
%token <token> HOSTNAME "hostname"
%token <token> HOSTNAMES "hostnames"
%token <token> INCLUDE "include"
%token <token> INET4 "inet4"
%token <token> INET6 "inet6"
%token <token> JUNK "junk"
%token <token> KEY "key"
%token <token> LIMIT "limit"
%token <token> LISTEN "listen"
%token <token> LMTP "lmtp"
%token <token> LOCAL "local"
%token <token> MAIL_FROM "mail-from"
%token <token> MAILDIR "maildir"
%token <token> MASK_SRC "mask-src"
%token <token> MASQUERADE "masquerade"
%token <token> MATCH "match"
%token <token> MAX_DEFERRED "max-deferred"
%token <token> MAX_MESSAGE_SIZE "max-message-size"
%token <token> MBOX "mbox"
%token <token> MDA "mda"
%token <token> MTA "mta"
%token <token> MX "mx"
%token <token> NO_DSN "no-dsn"
%token <token> DSN "dsn"
%token <token> NO_VERIFY "no-verify"
%token <token> NOOP "noop"
%token <token> ON "on"
%token <token> PHASE "phase"
%token <token> PKI "pki"
%token <token> PORT "port"
%token <token> PROC "proc"
%token <token> PROC_EXEC "proc-exec"
%token <token> PROTOCOLS "protocols"
%token <token> PROXY_V2 "proxy-v2"
%token <token> QUEUE "queue"
%token <token> QUIT "quit"
%token <token> RCPT_TO "rcpt-to"
%token <token> RDNS "rdns"
%token <token> RECEIVED_AUTH "received-auth"
%token <token> RECIPIENT "recipient"
%token <token> REGEX "regex"
%token <token> REJECT "reject"
%token <token> RELAY "relay"
%token <token> REPORT "report"
%token <token> REWRITE "rewrite"
%token <token> RSET "rset"
%token <token> SCHEDULER "scheduler"
%token <token> SENDERS "senders"
%token <token> SMTP "smtp"
%token <token> SMTP_IN "smtp-in"
%token <token> SMTP_OUT "smtp-out"
%token <token> SMTPS "smtps"
%token <token> SOCKET "socket"
%token <token> SRC "src"
%token <token> SRS "srs"
%token <token> SUB_ADDR_DELIM "sub-addr-delim"
%token <token> TABLE "table"
%token <token> TAG "tag"
%token <token> TAGGED "tagged"
%token <token> TLS "tls"
%token <token> TLS_REQUIRE "tls-require"
%token <token> TTL "ttl"
%token <token> USER "user"
%token <token> USERBASE "userbase"
%token <token> VERIFY "verify"
%token <token> VIRTUAL "virtual"
%token <token> WARN_INTERVAL "warn-interval"
%token <token> WRAPPER "wrapper"

%token <token> SPOOL "spool"
%token <token> RUNTIME "runtime"
%token <token> DNS "dns"
%token <token> SERVER "server"
%token <token> LOG "log"
%token <token> JSON "json"
%token <token> TEXT "text"
%token <token> WORKERS "workers"
%token <token> PRIVATE_DESTINATIONS "private-destinations"
%token <token> RETRY "retry"
%token <token> SIZE "size"
%token <token> MEMORY "memory"
%token <token> HISTORY "history"
%token <token> KEEP "keep"
%token <token> ANONYMISE "anonymise"
%token <token> CONTACT "contact"
%token <token> LANGUAGE "language"
%token <token> TEMPLATE "template"
%token <token> POSTMASTER "postmaster"
%token <token> SOFT_BOUNCE "soft-bounce"

%type <token> macro_name sized delay port phase_name
%type <table> tbl
%type <condition> matched matched_or_not

%%

config
	: %empty
	| config NEWLINE
	| config statement NEWLINE
	| config error NEWLINE { yyerrok; }
	;

statement
	: include
	| macro
	| table
	| pki
	| ca
	| proc
	| filter
	| listen
	| action
	| match
	| setting
	| own
	;

include
	: INCLUDE STRING { config_build_include(build, &$2); }
	;

/* Our own words are names to everybody who does not use them as ours. */
macro_name
	: STRING
	| SPOOL
	| SOFT_BOUNCE
	| HISTORY
	| RUNTIME
	| DNS
	| LOG
	;

macro
	: macro_name '=' STRING { config_build_macro(build, &$1); }
	;

newlines
	: NEWLINE
	| newlines NEWLINE
	;

nl
	: %empty
	| newlines
	;

/* --- tables --- */

table
	: TABLE STRING STRING { config_build_table_backend(build, &$2, &$3); }
	| TABLE STRING braces { config_build_table_inline(build, &$2); }
	;

tbl
	: '<' STRING '>' { $$ = config_build_table_named(build, &$2); }
	| STRING { $$ = config_build_table_string(build, &$1); }
	| braces { $$ = config_build_table_anonymous(build); }
	;

braces
	: '{' { config_build_entries_begin(build, &$1); } entries '}'
	;

/* Empty is an error of the builder's, for it is what is left of the contents in the blanked text. */
entries
	: nl
	| nl list nl
	| nl map nl
	;

list
	: entry
	| list separator entry
	;

entry
	: STRING { config_build_entry(build, &$1, NULL); }
	;

map
	: pair
	| map separator pair
	;

pair
	: STRING equals STRING { config_build_entry(build, &$1, &$3); }
	;

equals
	: '='
	| ARROW
	;

separator
	: %empty
	| newlines
	| ',' nl
	;

/* --- keys, anchors --- */

pki
	: PKI STRING { config_build_pki(build, &$2); } pki_options
	;

pki_options
	: %empty
	| pki_options CERT STRING { config_build_pki_cert(build, &$3); }
	| pki_options KEY STRING { config_build_pki_key(build, &$3); }
	| pki_options DHE STRING { config_build_pki_dhe(build, &$3); }
	;

ca
	: CA STRING CERT STRING { config_build_ca(build, &$2, &$4); }
	;

/* --- programs and filters --- */

proc
	: PROC STRING STRING { config_build_proc(build, &$2, &$3); } proc_options
	;

proc_options
	: %empty
	| proc_options USER STRING { config_build_proc_user(build, &$3); }
	| proc_options GROUP STRING { config_build_proc_group(build, &$3); }
	| proc_options CHROOT STRING { config_build_proc_chroot(build, &$3); }
	;

filter
	: filter_declaration { config_build_filter_end(build); }
	;

filter_declaration
	: FILTER STRING PROC STRING { config_build_filter_proc(build, &$2, &$4); }
	| FILTER STRING PROC_EXEC STRING { config_build_filter_exec(build, &$2, &$4); } proc_options
	| FILTER STRING CHAIN { config_build_filter_chain(build, &$2); } names
	| FILTER STRING PHASE phase_name MATCH { config_build_filter_phase(build, &$2, &$4); }
	  negation filter_condition verdict
	;

names
	: '{' nl name_list nl '}'
	;

name_list
	: name
	| name_list separator name
	;

name
	: STRING { config_build_name(build, &$1); }
	;

phase_name
	: CONNECT
	| HELO
	| EHLO
	| AUTH
	| MAIL_FROM
	| RCPT_TO
	| DATA
	| COMMIT
	;

negation
	: %empty { build->negated = false; }
	| '!' { build->negated = true; }
	;

filter_condition
	: FCRDNS { config_build_filter_condition(build, CONFIG_FILTER_FCRDNS, &$1, NULL); }
	| RDNS matched_or_not { config_build_filter_condition(build, CONFIG_FILTER_RDNS, &$1, &$2); }
	| SRC matched { config_build_filter_condition(build, CONFIG_FILTER_SRC, &$1, &$2); }
	| HELO matched { config_build_filter_condition(build, CONFIG_FILTER_HELO, &$1, &$2); }
	| AUTH matched_or_not { config_build_filter_condition(build, CONFIG_FILTER_AUTH, &$1, &$2); }
	| MAIL_FROM matched { config_build_filter_condition(build, CONFIG_FILTER_MAIL_FROM, &$1, &$2); }
	| RCPT_TO matched { config_build_filter_condition(build, CONFIG_FILTER_RCPT_TO, &$1, &$2); }
	;

verdict
	: REJECT STRING { config_build_filter_verdict(build, CONFIG_VERDICT_REJECT, &$1, &$2); }
	| DISCONNECT STRING { config_build_filter_verdict(build, CONFIG_VERDICT_DISCONNECT, &$1, &$2); }
	| REWRITE STRING { config_build_filter_verdict(build, CONFIG_VERDICT_REWRITE, &$1, &$2); }
	| REPORT STRING { config_build_filter_verdict(build, CONFIG_VERDICT_REPORT, &$1, &$2); }
	| JUNK { config_build_filter_verdict(build, CONFIG_VERDICT_JUNK, &$1, NULL); }
	| BYPASS { config_build_filter_verdict(build, CONFIG_VERDICT_BYPASS, &$1, NULL); }
	;

/* --- listeners --- */

listen
	: LISTEN ON SOCKET { config_build_listen_socket(build, &$1); } socket_options
	| LISTEN ON STRING { config_build_listen(build, &$1, &$3); } listen_options { config_build_listen_end(build); }
	;

socket_options
	: %empty
	| socket_options socket_option
	;

socket_option
	: FILTER { config_build_listen_filter(build, &$1); } filter_names { config_build_check_filters(build, build->names); }
	| MASK_SRC { config_build_listen_flag(build, &$1); }
	| NO_DSN { config_build_listen_flag(build, &$1); }
	| TAG STRING { config_build_listen_text(build, &$1, &$2); }
	;

filter_names
	: name
	| names
	;

listen_options
	: %empty
	| listen_options listen_option
	;

listen_option
	: socket_option
	| INET4 { config_build_listen_family(build, &$1, CONFIG_FAMILY_INET4); }
	| INET6 { config_build_listen_family(build, &$1, CONFIG_FAMILY_INET6); }
	| PORT port { config_build_listen_port(build, &$1, &$2); }
	| TLS { config_build_listen_tls(build, &$1, CONFIG_TLS_OFFERED, false); }
	| TLS_REQUIRE { config_build_listen_tls(build, &$1, CONFIG_TLS_REQUIRED, false); }
	| TLS_REQUIRE VERIFY { config_build_listen_tls(build, &$1, CONFIG_TLS_REQUIRED, true); }
	| SMTPS { config_build_listen_tls(build, &$1, CONFIG_TLS_SMTPS, false); }
	| SMTPS VERIFY { config_build_listen_tls(build, &$1, CONFIG_TLS_SMTPS, true); }
	| CIPHERS STRING { config_build_listen_text(build, &$1, &$2); }
	| PROTOCOLS STRING { config_build_listen_text(build, &$1, &$2); }
	| PKI STRING { config_build_listen_pki(build, &$1, &$2); }
	| CA STRING { config_build_listen_text(build, &$1, &$2); }
	| AUTH { config_build_listen_auth(build, &$1, false, NULL); }
	| AUTH tbl { config_build_listen_auth(build, &$1, false, $2); }
	| AUTH_OPTIONAL { config_build_listen_auth(build, &$1, true, NULL); }
	| AUTH_OPTIONAL tbl { config_build_listen_auth(build, &$1, true, $2); }
	| HOSTNAME STRING { config_build_listen_text(build, &$1, &$2); }
	| HOSTNAMES tbl { config_build_listen_hostnames(build, &$1, $2); }
	| SENDERS tbl { config_build_listen_senders(build, &$1, $2, false); }
	| SENDERS tbl MASQUERADE { config_build_listen_senders(build, &$1, $2, true); }
	| RECEIVED_AUTH { config_build_listen_flag(build, &$1); }
	| DSN ANY { config_build_listen_flag(build, &$1); }
	| PROXY_V2 { config_build_listen_flag(build, &$1); }
	;

port
	: NUMBER
	| STRING
	| SMTP
	| SMTPS
	;

/* --- actions --- */

action
	: ACTION STRING { config_build_action(build, &$1, &$2); } method { config_build_action_end(build); }
	;

method
	: MBOX { config_build_method(build, &$1, CONFIG_METHOD_MBOX, NULL); } local_options
	| MAILDIR maildir_arguments local_options
	| LMTP STRING { config_build_method(build, &$1, CONFIG_METHOD_LMTP, &$2); } lmtp_rcpt_to local_options
	| MDA STRING { config_build_method(build, &$1, CONFIG_METHOD_MDA, &$2); } local_options
	| FORWARD_ONLY { config_build_method(build, &$1, CONFIG_METHOD_FORWARD_ONLY, NULL); } local_options
	| EXPAND_ONLY { config_build_method(build, &$1, CONFIG_METHOD_EXPAND_ONLY, NULL); } local_options
	| RELAY { config_build_method(build, &$1, CONFIG_METHOD_RELAY, NULL); } relay_options
	;

maildir_arguments
	: %empty { config_build_maildir(build, NULL, false); }
	| JUNK { config_build_maildir(build, NULL, true); }
	| STRING { config_build_maildir(build, &$1, false); }
	| STRING JUNK { config_build_maildir(build, &$1, true); }
	| JUNK STRING { config_build_maildir_order(build, &$1, &$2); }
	;

lmtp_rcpt_to
	: %empty
	| RCPT_TO { build->action->lmtp_rcpt_to = true; }
	;

local_options
	: %empty
	| local_options local_option
	;

local_option
	: USER STRING { config_build_action_text(build, &$1, &$2); }
	| ALIAS tbl { config_build_action_table(build, &$1, $2); }
	| VIRTUAL tbl { config_build_action_table(build, &$1, $2); }
	| USERBASE tbl { config_build_action_table(build, &$1, $2); }
	| WRAPPER STRING { config_build_action_text(build, &$1, &$2); }
	| TTL delay { config_build_action_ttl(build, &$1, &$2); }
	;

relay_options
	: %empty
	| relay_options relay_option
	;

relay_option
	: HOST tbl { config_build_action_table(build, &$1, $2); }
	| DOMAIN tbl { config_build_action_table(build, &$1, $2); }
	| BACKUP { config_build_action_backup(build, &$1, NULL); }
	| BACKUP MX STRING { config_build_action_backup(build, &$1, &$3); }
	| AUTH tbl { config_build_action_table(build, &$1, $2); }
	| TLS { config_build_action_tls(build, &$1, false); }
	| TLS NO_VERIFY { config_build_action_tls(build, &$1, true); }
	| HELO STRING { config_build_action_text(build, &$1, &$2); }
	| HELO_SRC tbl { config_build_action_table(build, &$1, $2); }
	| SRC tbl { config_build_action_table(build, &$1, $2); }
	| MAIL_FROM STRING { config_build_action_text(build, &$1, &$2); }
	| PKI STRING { config_build_action_text(build, &$1, &$2); }
	| CA STRING { config_build_action_text(build, &$1, &$2); }
	| CIPHERS STRING { config_build_action_text(build, &$1, &$2); }
	| PROTOCOLS STRING { config_build_action_text(build, &$1, &$2); }
	| SRS { config_build_action_srs(build, &$1); }
	| FILTER { config_build_action_filter(build, &$1); } filter_names { config_build_check_filters(build, build->names); }
	| TTL delay { config_build_action_ttl(build, &$1, &$2); }
	;

/* --- rules --- */

match
	: MATCH { config_build_match(build, &$1); } match_conditions outcome { config_build_match_end(build); }
	;

match_conditions
	: %empty
	| match_conditions negation match_condition
	;

outcome
	: ACTION STRING { config_build_match_action(build, &$2); }
	| REJECT
	;

match_condition
	: FOR ANY { config_build_match_for(build, &$1, CONFIG_FOR_ANY, NULL); }
	| FOR LOCAL { config_build_match_for(build, &$1, CONFIG_FOR_LOCAL, NULL); }
	| FOR DOMAIN matched { config_build_match_for(build, &$1, CONFIG_FOR_DOMAIN, &$3); }
	| FOR RCPT_TO matched { config_build_match_for_rcpt_to(build, &$1, &$3); }
	| FROM ANY { config_build_match_from(build, &$1, CONFIG_FROM_ANY, NULL); }
	| FROM LOCAL { config_build_match_from(build, &$1, CONFIG_FROM_LOCAL, NULL); }
	| FROM SOCKET { config_build_match_from(build, &$1, CONFIG_FROM_SOCKET, NULL); }
	| FROM SRC matched { config_build_match_from(build, &$1, CONFIG_FROM_SRC, &$3); }
	| FROM RDNS matched_or_not { config_build_match_from(build, &$1, CONFIG_FROM_RDNS, &$3); }
	| FROM AUTH matched_or_not { config_build_match_from_any_with(build, &$1, &$2, &$3); }
	| FROM MAIL_FROM matched { config_build_match_from_any_with(build, &$1, &$2, &$3); }
	| TAG matched { config_build_match_condition(build, &$1, &$2); }
	| HELO matched { config_build_match_condition(build, &$1, &$2); }
	| TLS { config_build_match_condition(build, &$1, NULL); }
	| AUTH matched_or_not { config_build_match_condition(build, &$1, &$2); }
	| MAIL_FROM matched { config_build_match_condition(build, &$1, &$2); }
	| RCPT_TO matched { config_build_match_condition(build, &$1, &$2); }
	;

matched
	: tbl { $$ = (struct config_condition){ .table = $1 }; }
	| REGEX tbl { $$ = (struct config_condition){ .table = $2, .regex = true }; }
	;

matched_or_not
	: %empty { $$ = (struct config_condition){ .table = NULL }; }
	| matched
	;

/* --- settings --- */

setting
	: ADMD STRING { config_build_admd(build, &$1, &$2); }
	| BOUNCE WARN_INTERVAL { config_build_warn_intervals(build, &$1); } warn_intervals
	| MDA WRAPPER STRING STRING { config_build_wrapper(build, &$3, &$4); }
	| MDA LIMIT { config_build_limits(build, "mda"); } limits
	| MTA MAX_DEFERRED NUMBER { config_build_max_deferred(build, &$3); }
	| MTA LIMIT { config_build_limits(build, "mta"); } mta_limits
	| MTA LIMIT FOR DOMAIN STRING { config_build_limits(build, "mta"); build->limits_domain = $5.text; } mta_limits
	| QUEUE COMPRESSION { config_build_queue_compression(build, &$1); }
	| QUEUE ENCRYPTION { config_build_queue_encryption(build, &$1, NULL); }
	| QUEUE ENCRYPTION STRING { config_build_queue_encryption(build, &$1, &$3); }
	| QUEUE TTL delay { config_build_queue_ttl(build, &$3); }
	| SCHEDULER LIMIT { config_build_limits(build, "scheduler"); } limits
	| SMTP LIMIT { config_build_limits(build, "smtp"); } limits
	| SMTP CIPHERS STRING { config_build_smtp_ciphers(build, &$1, &$3); }
	| SMTP MAX_MESSAGE_SIZE sized { config_build_max_message_size(build, &$3); }
	| SMTP SUB_ADDR_DELIM STRING { config_build_sub_addr_delim(build, &$3); }
	| SRS KEY STRING { config_build_srs_key(build, &$1, &$3, false); }
	| SRS KEY BACKUP STRING { config_build_srs_key(build, &$1, &$4, true); }
	| SRS TTL delay { config_build_srs_ttl(build, &$1, &$3); }
	;

warn_intervals
	: delay { config_build_warn_interval(build, &$1); }
	| warn_intervals ',' delay { config_build_warn_interval(build, &$3); }
	;

limits
	: %empty
	| limits STRING NUMBER { config_build_limit(build, &$2, &$3); }
	;

mta_limits
	: %empty
	| mta_limits STRING NUMBER { config_build_limit(build, &$2, &$3); }
	| mta_limits INET4 { config_build_limit(build, &$2, NULL); }
	| mta_limits INET6 { config_build_limit(build, &$2, NULL); }
	;

/* A bare number parses, to be refused with words that help. */
delay
	: STRING
	| NUMBER
	;

sized
	: STRING
	| NUMBER
	;

/* --- statements of our own --- */

own
	: SPOOL STRING { config_build_spool(build, &$2); }
	| RUNTIME STRING { config_build_runtime(build, &$2); }
	| SMTP WORKERS NUMBER { config_build_smtp_workers(build, &$3); }
	| MTA WORKERS NUMBER { config_build_mta_workers(build, &$3); }
	| MTA PRIVATE_DESTINATIONS tbl { config_build_private_destinations(build, &$2, $3); }
	| QUEUE RETRY delay delay { config_build_queue_retry(build, &$3, &$4); }
	| QUEUE SIZE sized { config_build_queue_size(build, &$3); }
	| QUEUE MEMORY sized { config_build_queue_memory(build, &$3); }
	| BOUNCE CONTACT STRING { config_build_bounce_contact(build, &$3); }
	| BOUNCE LANGUAGE STRING { config_build_bounce_language(build, &$3); }
	| BOUNCE TEMPLATE STRING { config_build_bounce_template(build, &$3); }
	| BOUNCE TTL delay { config_build_bounce_ttl(build, &$3); }
	| SOFT_BOUNCE { build->config->soft_bounce = true; }
	| BOUNCE POSTMASTER { build->config->bounce_postmaster = true; }
	| HISTORY KEEP delay { config_build_history_keep(build, &$3); }
	| HISTORY SIZE sized { config_build_history_size(build, &$3); }
	| HISTORY ANONYMISE { build->config->history_anonymise = true; }
	| DNS SERVER STRING { config_build_dns_server(build, &$3); }
	| LOG JSON { build->config->log_json = true; }
	| LOG TEXT { build->config->log_json = false; }
	;

%%

static int
config_yylex(CONFIG_YYSTYPE *value, struct config_build *build)
{
	int token = config_lexer_next(build->lexer, &value->token);

	build->ahead = value->token;
	return token;
}

/* Only for what is no syntax error: the parser's stack has run out. */
static void
config_yyerror(struct config_build *build, const char *text)
{
	config_build_stopped(build, text);
}

static int
yyreport_syntax_error(const yypcontext_t *context, struct config_build *build)
{
	yysymbol_kind_t expected[YYNTOKENS];
	const char *names[YYNTOKENS];
	yysymbol_kind_t token = yypcontext_token(context);
	int i, count;
	size_t names_count = 0;

	count = yypcontext_expected_tokens(context, expected, YYNTOKENS);
	for (i = 0; i < count; i++)
		if (expected[i] != YYSYMBOL_YYEOF)
			names[names_count++] = yysymbol_name(expected[i]);
	if (token == YYSYMBOL_LEXICAL_ERROR)
		config_lexer_skip_statement(build->lexer);
	else
		config_build_syntax_error(build, yysymbol_name(token), names, names_count);
	return 0;
}
