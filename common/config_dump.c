/* SPDX-License-Identifier: ISC */
#include "common/config_dump.h"

#include <inttypes.h>
#include <stddef.h>

/* One line of the dump; ok turns false once out is full, and stays so. */
struct dump {
	struct buf *out;
	bool ok;
};

static void
put(struct dump *d, const char *text)
{
	d->ok = d->ok && buf_append_text(d->out, text);
}

/* A text in quotes, whatever bytes it holds. */
static void
put_quoted(struct dump *d, const char *text)
{
	put(d, "\"");
	for (; *text != '\0'; text++) {
		if (ascii_is_printable(*text) && *text != '"' && *text != '\\')
			d->ok = d->ok && buf_append_byte(d->out, *text);
		else
			d->ok = d->ok && buf_printf(d->out, "\\x%02x", (unsigned char)*text);
	}
	put(d, "\"");
}

/* " name "text"", nothing where there is none. */
static void
put_text(struct dump *d, const char *name, const char *text)
{
	if (text == NULL)
		return;
	put(d, " ");
	put(d, name);
	put(d, " ");
	put_quoted(d, text);
}

static void
put_flag(struct dump *d, const char *name, bool set)
{
	if (!set)
		return;
	put(d, " ");
	put(d, name);
}

static void
put_number(struct dump *d, const char *name, int64_t number)
{
	d->ok = d->ok && buf_printf(d->out, " %s %" PRId64, name, number);
}

static void
put_table(struct dump *d, const char *name, const struct config_table *table)
{
	put_text(d, name, table == NULL ? NULL : table->name);
}

static void
put_names(struct dump *d, const char *name, const struct config_names *names)
{
	const struct config_name *one;

	STAILQ_FOREACH (one, names, next)
		put_text(d, name, one->name);
}

static void
begin(struct dump *d, const char *what, const struct config_place *place)
{
	put(d, what);
	put(d, " at ");
	put_quoted(d, place->file);
	d->ok = d->ok && buf_printf(d->out, ":%u:%u", place->line, place->column);
}

static void
end(struct dump *d)
{
	put(d, "\n");
}

static const char *
backend_name(enum config_table_backend backend)
{
	switch (backend) {
	case CONFIG_TABLE_LIST: return "list";
	case CONFIG_TABLE_MAPPING: return "mapping";
	case CONFIG_TABLE_BLANKED: return "blanked";
	case CONFIG_TABLE_FILE: return "file";
	case CONFIG_TABLE_DB: return "db";
	case CONFIG_TABLE_BUILTIN: return "builtin";
	case CONFIG_TABLE_PROGRAM: return "program";
	}
	return "?";
}

static void
dump_table(struct dump *d, const struct config_table *table)
{
	const struct config_entry *entry;

	begin(d, "table", &table->place);
	put_text(d, "name", table->name);
	put_flag(d, "anonymous", table->anonymous);
	put_flag(d, backend_name(table->backend), true);
	put_text(d, "program", table->program);
	put_text(d, "path", table->path);
	put_number(d, "entries", (int64_t)table->entries_count);
	put_number(d, "index", (int64_t)table->index);
	end(d);
	STAILQ_FOREACH (entry, &table->entries, next) {
		begin(d, "\tentry", &entry->place);
		put_text(d, "key", entry->key);
		put_text(d, "value", entry->value);
		end(d);
	}
}

static void
dump_listener(struct dump *d, const struct config_listener *l)
{
	static const char *const tls[] = { "tls-none", "tls-offered", "tls-required", "smtps" };

	begin(d, "listener", &l->place);
	put_flag(d, "socket", l->socket);
	put_text(d, "on", l->on);
	put_number(d, "family", l->family);
	put_number(d, "port", l->port);
	put_flag(d, tls[l->tls], true);
	put_flag(d, "verify", l->verify);
	put_text(d, "ciphers", l->ciphers);
	put_text(d, "protocols", l->protocols);
	put_text(d, "ca", l->ca);
	put_names(d, "pki", &l->pki);
	put_flag(d, "auth", l->auth);
	put_flag(d, "auth-optional", l->auth_optional);
	put_table(d, "auth-table", l->auth_table);
	put_text(d, "hostname", l->hostname);
	put_table(d, "hostnames", l->hostnames);
	put_table(d, "senders", l->senders);
	put_flag(d, "masquerade", l->masquerade);
	put_text(d, "tag", l->tag);
	put_names(d, "filter", &l->filters);
	put_flag(d, "mask-src", l->mask_src);
	put_flag(d, "received-auth", l->received_auth);
	put_flag(d, "no-dsn", l->no_dsn);
	put_flag(d, "dsn-any", l->dsn_any);
	put_flag(d, "proxy-v2", l->proxy_v2);
	put_number(d, "index", (int64_t)l->index);
	end(d);
}

static void
dump_action(struct dump *d, const struct config_action *a)
{
	static const char *const methods[] = { "mbox", "maildir", "lmtp", "mda", "forward-only", "expand-only",
		"relay" };

	begin(d, "action", &a->place);
	put_text(d, "name", a->name);
	put_flag(d, methods[a->method], true);
	put_text(d, "argument", a->argument);
	put_flag(d, "junk", a->junk);
	put_flag(d, "rcpt-to", a->lmtp_rcpt_to);
	put_text(d, "user", a->user);
	put_table(d, "alias", a->alias);
	put_table(d, "virtual", a->virtual);
	put_table(d, "userbase", a->userbase);
	put_text(d, "wrapper", a->wrapper);
	put_table(d, "host", a->host);
	put_table(d, "domain", a->domain);
	put_flag(d, "backup", a->backup);
	put_text(d, "mx", a->backup_mx);
	put_table(d, "auth", a->auth);
	put_flag(d, "tls", a->tls);
	put_flag(d, "no-verify", a->tls_no_verify);
	put_text(d, "helo", a->helo);
	put_table(d, "helo-src", a->helo_src);
	put_table(d, "src", a->src);
	put_text(d, "mail-from", a->mail_from);
	put_text(d, "pki", a->pki);
	put_text(d, "ca", a->ca);
	put_text(d, "ciphers", a->ciphers);
	put_text(d, "protocols", a->protocols);
	put_flag(d, "srs", a->srs);
	put_names(d, "filter", &a->filters);
	put_number(d, "ttl", a->ttl_s);
	put_number(d, "index", (int64_t)a->index);
	end(d);
}

static void
put_condition(struct dump *d, const char *name, const struct config_condition *c)
{
	if (!c->set)
		return;
	put(d, "\n");
	begin(d, "\tcondition", &c->place);
	put_flag(d, "not", c->negated);
	put_flag(d, name, true);
	put_flag(d, "regex", c->regex);
	put_table(d, "table", c->table);
}

static void
dump_match(struct dump *d, const struct config_match *m)
{
	static const char *const from[] = { "from-local", "from-any", "from-socket", "from-src", "from-rdns" };
	static const char *const for_[] = { "for-local", "for-any", "for-domain" };

	begin(d, "match", &m->place);
	put_flag(d, from[m->from], true);
	put_flag(d, for_[m->for_], true);
	put_text(d, "action", m->action == NULL ? NULL : m->action->name);
	put_flag(d, "reject", m->action == NULL);
	put_condition(d, "from", &m->from_condition);
	put_condition(d, "for", &m->for_condition);
	put_condition(d, "tag", &m->tag);
	put_condition(d, "helo", &m->helo);
	put_condition(d, "tls", &m->tls);
	put_condition(d, "auth", &m->auth);
	put_condition(d, "mail-from", &m->mail_from);
	put_condition(d, "rcpt-to", &m->rcpt_to);
	end(d);
}

static void
dump_filter(struct dump *d, const struct config_filter *f)
{
	begin(d, "filter", &f->place);
	put_text(d, "name", f->name);
	put_text(d, "proc", f->proc == NULL ? NULL : f->proc->name);
	put_names(d, "chain", &f->chain);
	if (f->kind == CONFIG_FILTER_BUILTIN) {
		put_number(d, "phase", f->phase);
		put_number(d, "condition-kind", f->condition_kind);
		put_number(d, "verdict", f->verdict);
		put_text(d, "text", f->text);
		put_condition(d, "filter", &f->condition);
	}
	end(d);
}

static void
dump_names(struct dump *d, const struct config *c)
{
	const struct config_pki *pki;
	const struct config_ca *ca;
	const struct config_proc *proc;
	const struct config_wrapper *wrapper;

	STAILQ_FOREACH (pki, &c->pkis, next) {
		begin(d, "pki", &pki->place);
		put_text(d, "name", pki->name);
		put_text(d, "cert", pki->cert);
		put_text(d, "key", pki->key);
		put_text(d, "dhe", pki->dhe);
		end(d);
	}
	STAILQ_FOREACH (ca, &c->cas, next) {
		begin(d, "ca", &ca->place);
		put_text(d, "name", ca->name);
		put_text(d, "cert", ca->cert);
		end(d);
	}
	STAILQ_FOREACH (proc, &c->procs, next) {
		begin(d, "proc", &proc->place);
		put_text(d, "name", proc->name);
		put_text(d, "command", proc->command);
		put_text(d, "user", proc->user);
		put_text(d, "group", proc->group);
		put_text(d, "chroot", proc->chroot);
		end(d);
	}
	STAILQ_FOREACH (wrapper, &c->wrappers, next) {
		begin(d, "wrapper", &wrapper->place);
		put_text(d, "name", wrapper->name);
		put_text(d, "command", wrapper->command);
		end(d);
	}
}

static void
dump_limits(struct dump *d, const struct config *c)
{
	const struct config_limit *limit;

	STAILQ_FOREACH (limit, &c->limits, next) {
		begin(d, "limit", &limit->place);
		put_text(d, "of", limit->of);
		put_text(d, "domain", limit->domain);
		put_text(d, "key", limit->key);
		put_number(d, "value", limit->value);
		end(d);
	}
}

static void
dump_settings(struct dump *d, const struct config *c)
{
	size_t i;

	put(d, "settings");
	put_text(d, "admd", c->admd);
	for (i = 0; i < c->bounce_warn_count; i++)
		put_number(d, "warn-interval", c->bounce_warn_s[i]);
	put_number(d, "max-deferred", c->mta_max_deferred);
	put_number(d, "ttl", c->queue_ttl_s);
	put_flag(d, "compression", c->queue_compression);
	put_flag(d, "encryption", c->queue_encryption);
	put_text(d, "encryption-key", c->queue_encryption_key);
	put_text(d, "ciphers", c->smtp_ciphers);
	put_number(d, "max-mails", (int64_t)c->smtp_max_mails);
	put_number(d, "max-rcpt", (int64_t)c->smtp_max_rcpt);
	put_number(d, "max-message-size", (int64_t)c->smtp_max_message_size);
	put_number(d, "sub-addr-delim", c->smtp_sub_addr_delim);
	put_text(d, "srs-key", c->srs_key);
	put_text(d, "srs-key-backup", c->srs_key_backup);
	put_number(d, "srs-ttl", c->srs_ttl_s);
	end(d);
	put(d, "own");
	put_text(d, "spool", c->spool);
	put_text(d, "runtime", c->runtime);
	put_number(d, "smtp-workers", c->smtp_workers);
	put_number(d, "mta-workers", c->mta_workers);
	put_table(d, "private-destinations", c->mta_private);
	put_number(d, "bounce-ttl", c->bounce_ttl_s);
	put_flag(d, "soft-bounce", c->soft_bounce);
	put_number(d, "retry-min", c->queue_retry_min_s);
	put_number(d, "retry-max", c->queue_retry_max_s);
	put_number(d, "queue-size", (int64_t)c->queue_size);
	put_number(d, "queue-memory", (int64_t)c->queue_memory);
	put_text(d, "bounce-contact", c->bounce_contact);
	put_text(d, "bounce-language", config_language_code(c->bounce_language));
	put_text(d, "bounce-template", c->bounce_template);
	put_flag(d, "bounce-postmaster", c->bounce_postmaster);
	put_number(d, "history-keep", c->history_keep_s);
	put_number(d, "history-size", (int64_t)c->history_size);
	put_flag(d, "history-anonymise", c->history_anonymise);
	put_text(d, "dns-server", c->dns_server);
	put_flag(d, c->log_json ? "log-json" : "log-text", true);
	end(d);
}

bool
config_dump(const struct config *config, struct buf *out)
{
	struct dump d = { out, true };
	const struct config_table *table;
	const struct config_filter *filter;
	const struct config_listener *listener;
	const struct config_action *action;
	const struct config_match *match;

	dump_settings(&d, config);
	dump_limits(&d, config);
	STAILQ_FOREACH (table, &config->tables, next)
		dump_table(&d, table);
	dump_names(&d, config);
	STAILQ_FOREACH (filter, &config->filters, next)
		dump_filter(&d, filter);
	STAILQ_FOREACH (listener, &config->listeners, next)
		dump_listener(&d, listener);
	STAILQ_FOREACH (action, &config->actions, next)
		dump_action(&d, action);
	STAILQ_FOREACH (match, &config->matches, next)
		dump_match(&d, match);
	return d.ok;
}
