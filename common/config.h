/* SPDX-License-Identifier: ISC */
/*
 * The configuration: one text, with the files it includes, becomes one tree. The parent reads the text; every process
 * parses the same text with this module, so no second encoding of the configuration exists. The language is that of
 * OpenSMTPD's smtpd.conf(5), whole, and a few keywords of our own (postern.conf(5)); what it can say and Postern does
 * not carry out yet is refused by config_check_supported, never ignored.
 *
 * Everything in a tree lives until config_free; strings are never NULL unless the field says so.
 */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/str.h"

/* Where a statement stands: the file as it was named, line and column from 1. */
struct config_place {
	const char *file;
	unsigned line;
	unsigned column;
};

/* --- the text --- */

#define CONFIG_INCLUDE_MAX        16                /* files included within each other */
#define CONFIG_FILES_MAX          256               /* files of one configuration */
#define CONFIG_TEXT_MAX           (4 * 1024 * 1024) /* bytes of all files together */
#define CONFIG_ERRORS_MAX         20                /* reported before parsing gives up */
#define CONFIG_LISTENERS_MAX      64
#define CONFIG_ACTIONS_MAX        1024
#define CONFIG_WARN_INTERVALS_MAX 4
#define CONFIG_WORKERS_MAX        16

/* clang-format off */
/* L(code, name): the languages that reports to senders are written in, by their tag (RFC 5646) */
#define CONFIG_LANGUAGES(L) \
	L("en", ENGLISH) \
	L("de", GERMAN) \
	L("fr", FRENCH) \
	L("es", SPANISH)
/* clang-format on */

enum config_language {
#define L(code, name) CONFIG_LANGUAGE_##name,
	CONFIG_LANGUAGES(L)
#undef L
};

struct config_text; /* a bundle of files, the first being the main one, and of -D macros */

/*
 * A bundle that opens files when they are first asked for (the parent's), with no file in it yet. main_path is kept.
 * Returns fresh.
 */
struct config_text *config_text_new(const char *main_path);

/*
 * Adds a macro of the command line, "name=value", cut at the last '='. Returns false and sets err when there is no '='
 * or the name is not one.
 */
bool config_text_define(struct config_text *text, const char *definition, struct error *err);

/* How much of the text a process gets to see. */
enum config_view {
	CONFIG_VIEW_WHOLE,  /* the router's: with the contents of inline tables */
	CONFIG_VIEW_BLANKED /* all others': what stands within the braces of tables is replaced by blanks, places kept */
};

/*
 * Appends the bundle, after it was parsed, in a form for config_text_decode. Returns false only when out does not hold
 * it.
 */
bool config_text_encode(const struct config_text *text, enum config_view view, struct buf *out);

/*
 * The bundle in bytes, which opens no file: an include that is not in it is an error. Returns fresh, NULL with err set
 * when the bytes are not a bundle.
 */
struct config_text *config_text_decode(struct str bytes, struct error *err);

void config_text_free(struct config_text *text);

/* --- the tree --- */

/* One "k = v" or "k" of an inline table; value is NULL in a list. */
struct config_entry {
	STAILQ_ENTRY(config_entry) next;
	const char *key;
	const char *value;
	struct config_place place;
};
STAILQ_HEAD(config_entries, config_entry);

enum config_table_backend {
	CONFIG_TABLE_LIST,    /* inline { a, b } or a single string */
	CONFIG_TABLE_MAPPING, /* inline { a = b } */
	CONFIG_TABLE_BLANKED, /* inline, contents not shown to this process */
	CONFIG_TABLE_FILE,    /* file:/path or "/path" */
	CONFIG_TABLE_DB,      /* db:/path */
	CONFIG_TABLE_BUILTIN, /* <localnames>, <localhost>, <anyhost>, <anydestination>, <getpwnam>: by name */
	CONFIG_TABLE_PROGRAM  /* any other BACKEND:/path: the program table-BACKEND */
};

struct config_table {
	STAILQ_ENTRY(config_table) next;
	struct config_place place;
	const char *name; /* as declared; anonymous ones have a made-up one that cannot be declared: "<anonymous:N>" */
	bool anonymous;
	enum config_table_backend backend;
	const char *program; /* CONFIG_TABLE_PROGRAM: BACKEND, else NULL */
	const char *path;    /* file, db, program; NULL where there is none */
	struct config_entries entries;
	size_t entries_count;
	size_t index; /* in the order of the tree, from 0: the same in every process */
};
STAILQ_HEAD(config_tables, config_table);

/* Use of a table as a condition: table is NULL where the condition takes none ("auth", "rdns"). */
struct config_condition {
	bool set; /* the condition was given */
	bool negated;
	bool regex;
	struct config_table *table;
	struct config_place place;
};

enum config_tls { CONFIG_TLS_NONE, CONFIG_TLS_OFFERED, CONFIG_TLS_REQUIRED, CONFIG_TLS_SMTPS };

struct config_name { /* one of a list of names: filters of a chain, pki of a listener */
	STAILQ_ENTRY(config_name) next;
	const char *name;
	struct config_place place;
};
STAILQ_HEAD(config_names, config_name);

enum config_family { CONFIG_FAMILY_ANY, CONFIG_FAMILY_INET4, CONFIG_FAMILY_INET6 };

struct config_listener {
	STAILQ_ENTRY(config_listener) next;
	struct config_place place;
	bool socket;    /* "listen on socket": the local submission path. The tree always has exactly one, the first */
	const char *on; /* interface, group, address or host name; "" for the socket */
	enum config_family family;
	uint16_t port; /* resolved: 25, 465 with smtps */
	enum config_tls tls;
	bool verify;
	const char *ciphers; /* NULL where not given, as all below */
	const char *protocols;
	const char *ca;
	struct config_names pki;
	bool auth;
	bool auth_optional;
	struct config_table *auth_table;
	const char *hostname;
	struct config_table *hostnames;
	struct config_table *senders;
	bool masquerade;
	const char *tag;
	struct config_names filters;
	bool mask_src;
	bool received_auth;
	bool no_dsn;
	bool dsn_any; /* dsn any, our own: to strangers as well */
	bool proxy_v2;
	size_t index; /* in the order of the tree, from 0 */
};
STAILQ_HEAD(config_listeners, config_listener);

enum config_method {
	CONFIG_METHOD_MBOX,
	CONFIG_METHOD_MAILDIR,
	CONFIG_METHOD_LMTP,
	CONFIG_METHOD_MDA,
	CONFIG_METHOD_FORWARD_ONLY,
	CONFIG_METHOD_EXPAND_ONLY,
	CONFIG_METHOD_RELAY
};

struct config_action {
	STAILQ_ENTRY(config_action) next;
	struct config_place place;
	const char *name;
	enum config_method method;
	int64_t ttl_s; /* 0: queue ttl */
	size_t index;  /* in the order of the tree, from 0 */
	/* local methods */
	const char *argument; /* maildir path, lmtp destination, mda command; NULL where none was given */
	bool junk;            /* maildir ... junk */
	bool lmtp_rcpt_to;
	const char *user; /* NULL where not given, as all below */
	struct config_table *alias;
	struct config_table *virtual;
	struct config_table *userbase;
	const char *wrapper;
	/* relay */
	struct config_table *host;
	struct config_table *domain;
	bool backup;
	const char *backup_mx;
	struct config_table *auth;
	bool tls;
	bool tls_no_verify;
	const char *helo;
	struct config_table *helo_src;
	struct config_table *src;
	const char *mail_from;
	const char *pki;
	const char *ca;
	const char *ciphers;
	const char *protocols;
	bool srs;
	struct config_names filters;
};
STAILQ_HEAD(config_actions, config_action);

enum config_from { CONFIG_FROM_LOCAL, CONFIG_FROM_ANY, CONFIG_FROM_SOCKET, CONFIG_FROM_SRC, CONFIG_FROM_RDNS };
enum config_for { CONFIG_FOR_LOCAL, CONFIG_FOR_ANY, CONFIG_FOR_DOMAIN };

/*
 * A match rule. Defaults are filled in: without "from", from is CONFIG_FROM_LOCAL; without "for", for is
 * CONFIG_FOR_LOCAL; "from auth", "from mail-from" set from to any and the condition below; "for rcpt-to" likewise.
 */
struct config_match {
	STAILQ_ENTRY(config_match) next;
	struct config_place place;
	enum config_from from;
	struct config_condition from_condition; /* negation of any kind; table for src and rdns (which may have none) */
	enum config_for for_;
	struct config_condition for_condition; /* negation of any kind; table for domain */
	struct config_condition tag;
	struct config_condition helo;
	struct config_condition tls;
	struct config_condition auth;
	struct config_condition mail_from;
	struct config_condition rcpt_to;
	struct config_action *action; /* NULL: reject */
};
STAILQ_HEAD(config_matches, config_match);

struct config_pki {
	STAILQ_ENTRY(config_pki) next;
	struct config_place place;
	const char *name; /* lower case */
	const char *cert; /* NULL where not given */
	const char *key;
	const char *dhe;
};
STAILQ_HEAD(config_pkis, config_pki);

struct config_ca {
	STAILQ_ENTRY(config_ca) next;
	struct config_place place;
	const char *name;
	const char *cert;
};
STAILQ_HEAD(config_cas, config_ca);

struct config_proc {
	STAILQ_ENTRY(config_proc) next;
	struct config_place place;
	const char *name;
	const char *command;
	const char *user; /* NULL where not given */
	const char *group;
	const char *chroot;
};
STAILQ_HEAD(config_procs, config_proc);

enum config_filter_kind { CONFIG_FILTER_PROC, CONFIG_FILTER_CHAIN, CONFIG_FILTER_BUILTIN };
enum config_phase {
	CONFIG_PHASE_CONNECT,
	CONFIG_PHASE_HELO,
	CONFIG_PHASE_EHLO,
	CONFIG_PHASE_AUTH,
	CONFIG_PHASE_MAIL_FROM,
	CONFIG_PHASE_RCPT_TO,
	CONFIG_PHASE_DATA,
	CONFIG_PHASE_COMMIT
};
enum config_filter_condition {
	CONFIG_FILTER_FCRDNS,
	CONFIG_FILTER_RDNS,
	CONFIG_FILTER_SRC,
	CONFIG_FILTER_HELO,
	CONFIG_FILTER_AUTH,
	CONFIG_FILTER_MAIL_FROM,
	CONFIG_FILTER_RCPT_TO
};
enum config_verdict {
	CONFIG_VERDICT_REJECT,
	CONFIG_VERDICT_DISCONNECT,
	CONFIG_VERDICT_REWRITE,
	CONFIG_VERDICT_REPORT,
	CONFIG_VERDICT_JUNK,
	CONFIG_VERDICT_BYPASS
};

struct config_filter {
	STAILQ_ENTRY(config_filter) next;
	struct config_place place;
	const char *name;
	enum config_filter_kind kind;
	struct config_proc *proc; /* CONFIG_FILTER_PROC; proc-exec makes one of the filter's name */
	struct config_names chain;
	enum config_phase phase; /* CONFIG_FILTER_BUILTIN, as below */
	enum config_filter_condition condition_kind;
	struct config_condition condition;
	enum config_verdict verdict;
	const char *text; /* of the verdict, NULL for junk and bypass */
};
STAILQ_HEAD(config_filters, config_filter);

struct config_wrapper {
	STAILQ_ENTRY(config_wrapper) next;
	struct config_place place;
	const char *name;
	const char *command;
};
STAILQ_HEAD(config_wrappers, config_wrapper);

/* "mda limit", "mta limit", "scheduler limit": a key and a number, checked to be a known key. */
struct config_limit {
	STAILQ_ENTRY(config_limit) next;
	struct config_place place;
	const char *of;     /* "mda", "mta", "scheduler" */
	const char *domain; /* "mta limit for domain D"; NULL: the default */
	const char *key;    /* "inet4" and "inet6" stand for themselves, with value 1 */
	int64_t value;
};
STAILQ_HEAD(config_limits, config_limit);

struct config {
	struct config_tables tables;
	struct config_listeners listeners;
	struct config_actions actions;
	struct config_matches matches;
	struct config_pkis pkis;
	struct config_cas cas;
	struct config_procs procs;
	struct config_filters filters;
	struct config_wrappers wrappers;
	struct config_limits limits;

	/* settings of smtpd.conf(5); *_place.line is 0 where the statement was not given */
	const char *admd; /* NULL where not given */
	struct config_place admd_place;
	int64_t bounce_warn_s[CONFIG_WARN_INTERVALS_MAX]; /* default 4h */
	size_t bounce_warn_count;
	struct config_place bounce_warn_place;
	int64_t mta_max_deferred; /* default 100 */
	struct config_place mta_max_deferred_place;
	int64_t queue_ttl_s; /* default 4d */
	bool queue_compression;
	struct config_place queue_compression_place;
	bool queue_encryption;
	const char *queue_encryption_key; /* NULL where none was given */
	struct config_place queue_encryption_place;
	const char *smtp_ciphers; /* NULL where not given */
	struct config_place smtp_ciphers_place;
	uint64_t smtp_max_mails;        /* a session; default 1,000 (100 in OpenSMTPD) */
	uint64_t smtp_max_rcpt;         /* a message; default 1,000 */
	uint64_t smtp_max_message_size; /* bytes; default 35 MiB */
	char smtp_sub_addr_delim;       /* default '+' */
	const char *srs_key;            /* NULL where not given */
	const char *srs_key_backup;
	int64_t srs_ttl_s;
	struct config_place srs_place;

	/* keywords of our own */
	const char *spool;     /* spool "/path"; default /var/spool/postern */
	const char *runtime;   /* runtime "/path"; default /run/postern */
	unsigned smtp_workers; /* smtp workers N; 0, the default: one for each processor, up to 4 */
	unsigned mta_workers;  /* mta workers N; likewise, up to 4 */
	/* mta private-destinations { }: private networks that MX hosts may be in; a list, in every view; NULL: none */
	struct config_table *mta_private;
	bool soft_bounce;          /* soft-bounce: what another server refuses for good is tried again */
	int64_t bounce_ttl_s;      /* bounce ttl DELAY: how long a report is tried; default 2d */
	int64_t queue_retry_min_s; /* queue retry DELAY DELAY; default 10m and 4h */
	int64_t queue_retry_max_s;
	uint64_t queue_size;                  /* queue size SIZE: bytes the store may grow to; default 64 GiB */
	uint64_t queue_memory;                /* queue memory SIZE: bytes of bodies kept in memory; default 32 MiB */
	const char *bounce_contact;           /* bounce contact ADDRESS; NULL: postmaster of this host */
	const char *bounce_template;          /* bounce template "/path"; NULL: none */
	enum config_language bounce_language; /* bounce language CODE; default en */
	bool bounce_postmaster; /* bounce postmaster: reports that cannot be delivered go there; default: nowhere */
	int64_t history_keep_s; /* history keep DELAY; default 7d */
	uint64_t history_size;  /* history size SIZE: bytes of its entries; default 1 GiB */
	bool history_anonymise; /* history anonymise */
	const char *dns_server; /* dns server "ADDRESS[@PORT]"; NULL: those of /etc/resolv.conf */
	bool log_json;          /* log json; default log text */
};

/*
 * Called once for every error, and warning, in the order found: text is "FILE:LINE:COLUMN: message" without newline.
 */
typedef void config_report(void *arg, bool warning, const char *text);

/*
 * Parses the bundle, reading further files into it where it may. Returns fresh; NULL after at least one error was
 * reported. Checks all that can be known without opening tables, keys or sockets.
 */
struct config *config_parse(struct config_text *text, config_report *report, void *arg);

/*
 * Reports "not supported yet: WHAT" for every statement and option of the tree that is not carried out yet. Returns true
 * when there was none.
 */
bool config_check_supported(const struct config *config, config_report *report, void *arg);

void config_free(struct config *config);

/* The tag of a language, as it is in CONFIG_LANGUAGES. */
const char *config_language_code(enum config_language language);

/* The action of that name, NULL where there is none. */
const struct config_action *config_action_find(const struct config *config, struct str name);

/*
 * What "mta limit" says of a domain: the last value of key, "for domain" over the others as they stood where it first came.
 * For "family" 4 or 6. 0 where nothing is said.
 */
int64_t config_mta_limit(const struct config *config, struct str domain, const char *key);

/* The least of all limits of connections that count what goes to a domain; 0 where nothing is said. */
int64_t config_mta_connections(const struct config *config, struct str domain);

/*
 * The domain that limits are looked up by, of a destination's name without action: itself, or the first host of relay URLs.
 * out has CONFIG_DOMAIN_MAX bytes. False where there is none.
 */
#define CONFIG_DOMAIN_MAX 256
bool config_limits_domain(struct str place, char *out);

/* A relay URL, [scheme://][label@]host[:port], taken apart (opensmtpd smtpd.conf(5), "relay host"). */
enum config_scheme { CONFIG_SMTP, CONFIG_SMTP_TLS, CONFIG_SMTP_NOTLS, CONFIG_SMTPS, CONFIG_LMTP };

struct config_url {
	enum config_scheme scheme;
	char label[64]; /* "" where none is given */
	char host[256]; /* host name in lower case, or address without brackets */
	uint16_t port;
};

/* Returns false and sets err (without place) when text is no relay URL; the right spelling is named for old schemes. */
bool config_url_parse(struct str text, struct config_url *out, struct error *err);

#endif
