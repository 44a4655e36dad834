/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <string.h>

#include "common/config.h"
#include "common/config_errors.h"
#include "common/config_url.h"

/*
 * What the language can say and is not carried out yet, one line each. A feature that comes takes its line from here; when
 * the lists are empty, so is this file.
 */

static void
refuse(struct config_errors *errors, const struct config_place *place, bool given, const char *what)
{
	if (given)
		config_error(errors, place, "not supported yet: %s", what);
}

static void
check_tables(const struct config *config, struct config_errors *errors)
{
	const struct config_table *table;

	STAILQ_FOREACH (table, &config->tables, next) {
		refuse(errors, &table->place, table->backend == CONFIG_TABLE_DB, "table NAME db:PATH");
		if (table->backend == CONFIG_TABLE_PROGRAM)
			config_error(errors, &table->place, "not supported yet: table NAME %.64s:PATH, a table program",
			    table->program);
	}
}

/* "filter NAME proc-exec" makes a processor of its name: one line about it is enough. */
static bool
is_of_filter(const struct config *config, const struct config_proc *proc)
{
	const struct config_filter *filter;

	STAILQ_FOREACH (filter, &config->filters, next)
		if (filter->proc == proc && filter->place.line == proc->place.line)
			return true;
	return false;
}

static void
check_listener(const struct config_listener *l, struct config_errors *errors)
{
	const struct {
		bool given;
		const char *what;
	} options[] = {
		{ l->tls == CONFIG_TLS_OFFERED, "listen on ... tls" },
		{ l->tls == CONFIG_TLS_REQUIRED, "listen on ... tls-require" },
		{ l->tls == CONFIG_TLS_SMTPS, "listen on ... smtps" },
		{ l->verify, "listen on ... verify" },
		{ l->ciphers != NULL, "listen on ... ciphers" },
		{ l->protocols != NULL, "listen on ... protocols" },
		{ l->ca != NULL, "listen on ... ca" },
		{ !STAILQ_EMPTY(&l->pki), "listen on ... pki" },
		{ l->auth, "listen on ... auth" },
		{ l->auth_optional, "listen on ... auth-optional" },
		{ l->hostnames != NULL, "listen on ... hostnames" },
		{ l->senders != NULL, "listen on ... senders" },
		{ !STAILQ_EMPTY(&l->filters), "listen on ... filter" },
		{ l->received_auth, "listen on ... received-auth" },
		{ l->proxy_v2, "listen on ... proxy-v2" },
	};
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		refuse(errors, &l->place, options[i].given, options[i].what);
}

/* Of a table of relay URLs that stands in the text: schemes, and those that OpenSMTPD takes and never delivers to. */
static void
check_urls(const struct config_table *table, struct config_errors *errors)
{
	const struct config_entry *entry;
	struct config_url url;
	struct error err;

	if (table == NULL)
		return;
	STAILQ_FOREACH (entry, &table->entries, next) {
		if (!config_url_parse(str_of(entry->key), &url, &err))
			config_error(errors, &entry->place, "%s", err.text);
		else if (url.scheme != CONFIG_SMTP && url.scheme != CONFIG_SMTP_NOTLS)
			config_error(errors, &entry->place,
			    "not supported yet: relay host %.128s, a scheme other than smtp and smtp+notls",
			    entry->key);
	}
}

static void
check_action(const struct config_action *a, struct config_errors *errors)
{
	const struct {
		bool given;
		const char *what;
	} options[] = {
		{ a->method == CONFIG_METHOD_LMTP, "action NAME lmtp" },
		{ a->method == CONFIG_METHOD_MDA, "action NAME mda" },
		{ a->method == CONFIG_METHOD_FORWARD_ONLY, "action NAME forward-only" },
		{ a->method == CONFIG_METHOD_EXPAND_ONLY, "action NAME expand-only" },
		{ a->junk, "action NAME maildir junk" },
		{ a->virtual != NULL, "action NAME ... virtual" },
		{ a->wrapper != NULL, "action NAME ... wrapper" },
		{ a->domain != NULL, "action NAME relay domain" },
		{ a->backup, "action NAME relay backup" },
		{ a->auth != NULL, "action NAME relay auth" },
		{ a->tls, "action NAME relay tls" },
		{ a->helo_src != NULL, "action NAME relay helo-src" },
		{ a->src != NULL, "action NAME relay src" },
		{ a->mail_from != NULL, "action NAME relay mail-from" },
		{ a->pki != NULL, "action NAME relay pki" },
		{ a->ca != NULL, "action NAME relay ca" },
		{ a->ciphers != NULL, "action NAME relay ciphers" },
		{ a->protocols != NULL, "action NAME relay protocols" },
		{ a->srs, "action NAME relay srs" },
		{ !STAILQ_EMPTY(&a->filters), "action NAME relay filter" },
	};
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		refuse(errors, &a->place, options[i].given, options[i].what);
	check_urls(a->host, errors);
}

static void
check_match(const struct config_match *m, struct config_errors *errors)
{
	refuse(errors, &m->place, m->from == CONFIG_FROM_RDNS, "match from rdns");
	refuse(errors, &m->place, m->auth.set, "match auth");
	refuse(errors, &m->place, m->tls.set, "match tls");
}

static void
check_limit(const struct config_limit *limit, struct config_errors *errors)
{
	if (strcmp(limit->of, "mta") != 0)
		config_error(errors, &limit->place, "not supported yet: %s limit", limit->of);
}

static void
check_settings(const struct config *c, struct config_errors *errors)
{
	refuse(errors, &c->admd_place, c->admd_place.line != 0, "admd");
	refuse(errors, &c->mta_max_deferred_place, c->mta_max_deferred_place.line != 0, "mta max-deferred");
	refuse(errors, &c->queue_compression_place, c->queue_compression_place.line != 0, "queue compression");
	refuse(errors, &c->queue_encryption_place, c->queue_encryption_place.line != 0, "queue encryption");
	refuse(errors, &c->smtp_ciphers_place, c->smtp_ciphers_place.line != 0, "smtp ciphers");
	refuse(errors, &c->srs_place, c->srs_place.line != 0, "srs");
}

bool
config_check_supported(const struct config *config, config_report *report, void *arg)
{
	struct config_errors errors = { .report = report, .arg = arg };
	const struct config_listener *listener;
	const struct config_action *action;
	const struct config_match *match;
	const struct config_pki *pki;
	const struct config_ca *ca;
	const struct config_proc *proc;
	const struct config_filter *filter;
	const struct config_wrapper *wrapper;
	const struct config_limit *limit;

	check_settings(config, &errors);
	check_tables(config, &errors);
	STAILQ_FOREACH (pki, &config->pkis, next)
		refuse(&errors, &pki->place, true, "pki");
	STAILQ_FOREACH (ca, &config->cas, next)
		refuse(&errors, &ca->place, true, "ca");
	STAILQ_FOREACH (proc, &config->procs, next)
		refuse(&errors, &proc->place, !is_of_filter(config, proc), "proc");
	STAILQ_FOREACH (filter, &config->filters, next)
		refuse(&errors, &filter->place, true, "filter");
	STAILQ_FOREACH (wrapper, &config->wrappers, next)
		refuse(&errors, &wrapper->place, true, "mda wrapper");
	STAILQ_FOREACH (limit, &config->limits, next)
		check_limit(limit, &errors);
	STAILQ_FOREACH (listener, &config->listeners, next)
		check_listener(listener, &errors);
	STAILQ_FOREACH (action, &config->actions, next)
		check_action(action, &errors);
	STAILQ_FOREACH (match, &config->matches, next)
		check_match(match, &errors);
	return errors.count == 0;
}
