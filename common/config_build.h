/* SPDX-License-Identifier: ISC */
/*
 * Makes the tree from what the grammar found, statement by statement, and checks what each means: names are declared
 * above, options fit together, values have their form. A mistake is reported with its place and the statement goes on, so
 * that one run shows as many as possible; what would only be an echo of a mistake is kept back.
 *
 * Only for the grammar and the parts of the builder (config_build_*.c): everybody else wants common/config.h.
 */
#ifndef COMMON_CONFIG_BUILD_H
#define COMMON_CONFIG_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/config.h"
#include "common/config_arena.h"
#include "common/config_errors.h"
#include "common/config_lexer.h"

#define CONFIG_TABLES_MAX   16384 /* anonymous ones counted */
#define CONFIG_DECLARED_MAX 4096  /* names of pki, ca, proc, filter and wrapper together */

/* Kinds of names that are declared once and referred to below. */
enum config_names_of {
	CONFIG_NAMES_TABLE,
	CONFIG_NAMES_PKI,
	CONFIG_NAMES_CA,
	CONFIG_NAMES_PROC,
	CONFIG_NAMES_FILTER,
	CONFIG_NAMES_WRAPPER,
	CONFIG_NAMES_ACTION
};

/* A name whose declaration was a mistake that has been reported: it counts as declared. */
struct config_broken {
	STAILQ_ENTRY(config_broken) next;
	enum config_names_of kind;
	const char *name;
};
STAILQ_HEAD(config_brokens, config_broken);

struct config_build {
	struct config *config;
	struct config_arena *arena;
	struct config_text *text;
	struct config_errors errors;
	struct config_lexer *lexer;
	struct config_token ahead; /* the token read last */
	bool include_failed;       /* what is undeclared may have been in it */
	struct config_brokens broken;

	size_t tables_count;
	size_t listeners_count;
	size_t actions_count;
	size_t declared_count;

	/* of the statement being read */
	struct config_entries entries;
	size_t entries_count;
	struct config_place braces;
	struct config_names *names; /* where the next name of a list goes */
	size_t names_max;
	bool negated;
	struct config_pki *pki;
	struct config_proc *proc;
	struct config_filter *filter;
	struct config_listener *listener;
	unsigned listener_given; /* options that have no other mark */
	struct config_action *action;
	bool action_ttl_given;
	struct config_match *match;
	const char *limits_of;
	const char *limits_domain;
	struct config_place warn_place;
};

/* --- common to the parts --- */

/* Memory of the tree, zeroed. */
void *config_build_alloc(struct config_build *build, size_t size);

/* Appends to list a copy of the name, with its place. */
void config_build_add_name(struct config_build *build, struct config_names *list, const struct config_token *name);

/* Counts a name that is declared, and reports an error when there are too many. */
void config_build_count_declared(struct config_build *build, const struct config_token *name);

/* The name was declared by a statement with a mistake: no more about it. */
void config_build_set_broken(struct config_build *build, enum config_names_of kind, const char *name);

/* Whether "no such ..." would only be an echo: the declaration of the name had a mistake, or a file could not be read. */
bool config_build_is_echo(const struct config_build *build, enum config_names_of kind, const char *name);

struct config_pki *config_build_find_pki(const struct config_build *build, const char *name);
struct config_ca *config_build_find_ca(const struct config_build *build, const char *name);
struct config_proc *config_build_find_proc(const struct config_build *build, const char *name);
struct config_filter *config_build_find_filter(const struct config_build *build, const char *name);
struct config_wrapper *config_build_find_wrapper(const struct config_build *build, const char *name);
struct config_action *config_build_find_action(const struct config_build *build, const char *name);

/* Each reports an error when there is no such pki, ca, filters. */
void config_build_check_pki(struct config_build *build, const struct config_token *name);
void config_build_check_ca(struct config_build *build, const struct config_token *name);
void config_build_check_filters(struct config_build *build, const struct config_names *names);

/* What may be in a table for a use. Files and programs are checked when they are opened. */
enum config_use { CONFIG_USE_LIST, CONFIG_USE_MAPPING, CONFIG_USE_ANY };

/* Reports an error when the table, which may be NULL, is of the wrong kind for what. */
void config_build_check_use(struct config_build *build, const struct config_table *table, enum config_use use,
    const char *what, const struct config_place *place);

/* Reads a delay ("4d"), a size ("35M"). Each returns false after an error was reported. */
bool config_build_delay(struct config_build *build, const struct config_token *token, int64_t *out_s);
bool config_build_size(struct config_build *build, const struct config_token *token, uint64_t *out);

/* Reports an error where text has a format specifier that is unknown; %{mda} is known in a wrapper only. */
void config_build_check_format(struct config_build *build, const struct config_token *text, bool wrapper);

/* Reports an error unless text is a list of TLS protocols. */
void config_build_check_protocols(struct config_build *build, const struct config_token *text);

/* --- what the grammar calls --- */

void config_build_stopped(struct config_build *build, const char *reason);
void config_build_syntax_error(
    struct config_build *build, const char *token, const char *const *expected, size_t expected_count);

void config_build_include(struct config_build *build, const struct config_token *path);
void config_build_macro(struct config_build *build, const struct config_token *name);
void config_build_name(struct config_build *build, const struct config_token *name);

/* config_build_table.c */
void config_build_entries_begin(struct config_build *build, const struct config_token *brace);
void config_build_entry(struct config_build *build, const struct config_token *key, const struct config_token *value);
void config_build_table_backend(
    struct config_build *build, const struct config_token *name, const struct config_token *backend);
void config_build_table_inline(struct config_build *build, const struct config_token *name);
struct config_table *config_build_table_named(struct config_build *build, const struct config_token *name);
struct config_table *config_build_table_string(struct config_build *build, const struct config_token *text);
struct config_table *config_build_table_anonymous(struct config_build *build);

/* config_build_filter.c */
void config_build_pki(struct config_build *build, const struct config_token *name);
void config_build_pki_cert(struct config_build *build, const struct config_token *path);
void config_build_pki_key(struct config_build *build, const struct config_token *path);
void config_build_pki_dhe(struct config_build *build, const struct config_token *text);
void config_build_ca(struct config_build *build, const struct config_token *name, const struct config_token *path);
void config_build_proc(struct config_build *build, const struct config_token *name, const struct config_token *command);
void config_build_proc_user(struct config_build *build, const struct config_token *text);
void config_build_proc_group(struct config_build *build, const struct config_token *text);
void config_build_proc_chroot(struct config_build *build, const struct config_token *text);
void config_build_filter_proc(
    struct config_build *build, const struct config_token *name, const struct config_token *proc);
void config_build_filter_exec(
    struct config_build *build, const struct config_token *name, const struct config_token *command);
void config_build_filter_chain(struct config_build *build, const struct config_token *name);
void config_build_filter_phase(
    struct config_build *build, const struct config_token *name, const struct config_token *phase);
void config_build_filter_condition(struct config_build *build, enum config_filter_condition kind,
    const struct config_token *word, const struct config_condition *condition);
void config_build_filter_verdict(struct config_build *build, enum config_verdict verdict,
    const struct config_token *word, const struct config_token *text);
void config_build_filter_end(struct config_build *build);

/* config_build_listen.c; word is the option's keyword */
void config_build_listen_default(struct config_build *build); /* the socket's, which is always there */
void config_build_listen_socket(struct config_build *build, const struct config_token *word);
void config_build_listen(struct config_build *build, const struct config_token *word, const struct config_token *on);
void config_build_listen_filter(struct config_build *build, const struct config_token *word);
void config_build_listen_flag(struct config_build *build, const struct config_token *word);
void config_build_listen_text(
    struct config_build *build, const struct config_token *word, const struct config_token *text);
void config_build_listen_family(struct config_build *build, const struct config_token *word, enum config_family family);
void config_build_listen_port(
    struct config_build *build, const struct config_token *word, const struct config_token *port);
void config_build_listen_tls(
    struct config_build *build, const struct config_token *word, enum config_tls tls, bool verify);
void config_build_listen_pki(
    struct config_build *build, const struct config_token *word, const struct config_token *name);
void config_build_listen_auth(
    struct config_build *build, const struct config_token *word, bool optional, struct config_table *table);
void config_build_listen_hostnames(
    struct config_build *build, const struct config_token *word, struct config_table *table);
void config_build_listen_senders(
    struct config_build *build, const struct config_token *word, struct config_table *table, bool masquerade);
void config_build_listen_end(struct config_build *build);

/* config_build_action.c */
void config_build_action(struct config_build *build, const struct config_token *word, const struct config_token *name);
void config_build_method(struct config_build *build, const struct config_token *word, enum config_method method,
    const struct config_token *argument);
void config_build_maildir(struct config_build *build, const struct config_token *path, bool junk);
void config_build_maildir_order(
    struct config_build *build, const struct config_token *junk, const struct config_token *path);
void config_build_action_text(
    struct config_build *build, const struct config_token *word, const struct config_token *text);
void config_build_action_table(struct config_build *build, const struct config_token *word, struct config_table *table);
void config_build_action_ttl(
    struct config_build *build, const struct config_token *word, const struct config_token *delay);
void config_build_action_backup(
    struct config_build *build, const struct config_token *word, const struct config_token *mx);
void config_build_action_tls(struct config_build *build, const struct config_token *word, bool no_verify);
void config_build_action_srs(struct config_build *build, const struct config_token *word);
void config_build_action_filter(struct config_build *build, const struct config_token *word);
void config_build_action_end(struct config_build *build);

/* config_build_match.c */
void config_build_match(struct config_build *build, const struct config_token *word);
void config_build_match_for(struct config_build *build, const struct config_token *word, enum config_for for_,
    const struct config_condition *condition);
void config_build_match_for_rcpt_to(
    struct config_build *build, const struct config_token *word, const struct config_condition *condition);
void config_build_match_from(struct config_build *build, const struct config_token *word, enum config_from from,
    const struct config_condition *condition);
void config_build_match_from_any_with(struct config_build *build, const struct config_token *word,
    const struct config_token *kind, const struct config_condition *condition);
void config_build_match_condition(
    struct config_build *build, const struct config_token *word, const struct config_condition *condition);
void config_build_match_action(struct config_build *build, const struct config_token *name);
void config_build_match_end(struct config_build *build);

/* config_build_settings.c */
void config_build_admd(struct config_build *build, const struct config_token *word, const struct config_token *name);
void config_build_warn_intervals(struct config_build *build, const struct config_token *word);
void config_build_warn_interval(struct config_build *build, const struct config_token *delay);
void config_build_wrapper(
    struct config_build *build, const struct config_token *name, const struct config_token *command);
void config_build_limits(struct config_build *build, const char *of);
void config_build_limit(struct config_build *build, const struct config_token *key, const struct config_token *value);
void config_build_max_deferred(struct config_build *build, const struct config_token *number);
void config_build_queue_compression(struct config_build *build, const struct config_token *word);
void config_build_queue_encryption(
    struct config_build *build, const struct config_token *word, const struct config_token *key);
void config_build_queue_ttl(struct config_build *build, const struct config_token *delay);
void config_build_smtp_ciphers(
    struct config_build *build, const struct config_token *word, const struct config_token *ciphers);
void config_build_max_message_size(struct config_build *build, const struct config_token *size);
void config_build_sub_addr_delim(struct config_build *build, const struct config_token *text);
void config_build_srs_key(
    struct config_build *build, const struct config_token *word, const struct config_token *key, bool backup);
void config_build_srs_ttl(
    struct config_build *build, const struct config_token *word, const struct config_token *delay);

/* config_build_own.c */
void config_build_defaults(struct config *config);
void config_build_spool(struct config_build *build, const struct config_token *path);
void config_build_runtime(struct config_build *build, const struct config_token *path);
void config_build_smtp_workers(struct config_build *build, const struct config_token *number);
void config_build_mta_workers(struct config_build *build, const struct config_token *number);
void config_build_private_destinations(
    struct config_build *build, const struct config_token *word, struct config_table *table);
void config_build_bounce_ttl(struct config_build *build, const struct config_token *ttl);
void config_build_queue_retry(
    struct config_build *build, const struct config_token *min, const struct config_token *max);
void config_build_queue_size(struct config_build *build, const struct config_token *size);
void config_build_queue_memory(struct config_build *build, const struct config_token *size);
void config_build_bounce_contact(struct config_build *build, const struct config_token *address);
void config_build_bounce_language(struct config_build *build, const struct config_token *code);
void config_build_bounce_template(struct config_build *build, const struct config_token *path);
void config_build_history_keep(struct config_build *build, const struct config_token *delay);
void config_build_history_size(struct config_build *build, const struct config_token *size);
void config_build_dns_server(struct config_build *build, const struct config_token *server);

#endif
