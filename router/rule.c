/* SPDX-License-Identifier: ISC */
#include "router/rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/* A question: the facts, the keys that tables are asked with, made once, and the recipient it is about. */
struct question {
	const struct rules *rules;
	const struct rule_facts *facts;
	bool internal;
	struct table_key from, reverse, recipient, domain;
	char reverse_text[ADDRESS_MAX + 2], recipient_text[ADDRESS_MAX + 2];
};

struct condition {
	bool (*holds)(const struct condition *c, const struct question *q);
	bool negated;
	const struct table *table; /* NULL: none is asked */
	enum table_service service;
};

enum { CONDITIONS_MAX = 8 };

struct rule {
	struct condition conditions[CONDITIONS_MAX];
	size_t count;
	const struct config_action *action; /* NULL: reject */
	bool selective;                     /* has a condition about who sends */
};

struct rules {
	char delimiter; /* of sub-addresses */
	const struct table *localnames;
	struct rule *list;
	size_t count;
};

/* --- conditions: each a function over the question --- */

static bool
from_local(const struct condition *c, const struct question *q)
{
	(void)c;
	return q->internal || q->facts->local;
}

static bool
from_socket(const struct condition *c, const struct question *q)
{
	(void)c;
	return !q->internal && q->facts->socket;
}

static bool
from_table(const struct condition *c, const struct question *q)
{
	return table_has(c->table, c->service, &q->from);
}

static bool
for_domain(const struct condition *c, const struct question *q)
{
	return table_has(c->table, c->service, &q->domain);
}

static bool
holds_never(const struct condition *c, const struct question *q)
{
	(void)c;
	(void)q;
	return false;
}

static bool
has_tag(const struct condition *c, const struct question *q)
{
	struct table_key key = { .text = str_of(q->facts->tag == NULL ? "" : q->facts->tag) };

	return q->facts->tag != NULL && table_has(c->table, c->service, &key);
}

static bool
has_helo(const struct condition *c, const struct question *q)
{
	struct table_key key = { .text = str_of(q->facts->helo) };

	return table_has(c->table, c->service, &key);
}

static bool
has_reverse(const struct condition *c, const struct question *q)
{
	return table_has(c->table, c->service, &q->reverse);
}

static bool
has_recipient(const struct condition *c, const struct question *q)
{
	return table_has(c->table, c->service, &q->recipient);
}

/* --- from the configuration --- */

struct maker {
	struct tables *tables;
	const struct names *names;
	struct rule *rule;
	struct error *err;
};

static bool
not_yet(struct maker *m, const struct config_place *place, const char *what)
{
	return error_set(
	    m->err, ERROR_PERMANENT, "%s:%u:%u: not supported yet: %s", place->file, place->line, place->column, what);
}

static void
add(struct maker *m, struct condition condition)
{
	invariant(m->rule->count < CONDITIONS_MAX);
	m->rule->conditions[m->rule->count++] = condition;
}

/* A condition that asks a table, of that service if it has no regex. */
static bool
add_table(struct maker *m, const struct config_condition *from, enum table_service service,
    bool (*holds)(const struct condition *c, const struct question *q))
{
	struct condition c = { .holds = holds, .negated = from->negated };

	c.service = from->regex ? TABLE_REGEX : service;
	c.table = table_open(m->tables, from->table, c.service, &from->place, m->err);
	if (c.table == NULL)
		return false;
	add(m, c);
	return true;
}

static bool
add_from(struct maker *m, const struct config_match *match)
{
	const struct config_condition *from = &match->from_condition;

	switch (match->from) {
	case CONFIG_FROM_LOCAL: add(m, (struct condition){ .holds = from_local, .negated = from->negated }); break;
	case CONFIG_FROM_SOCKET: add(m, (struct condition){ .holds = from_socket, .negated = from->negated }); break;
	case CONFIG_FROM_SRC: m->rule->selective = true; return add_table(m, from, TABLE_NETADDR, from_table);
	case CONFIG_FROM_RDNS: return not_yet(m, &from->place, "match from rdns");
	case CONFIG_FROM_ANY:
		if (from->negated)
			add(m, (struct condition){ .holds = holds_never });
		break;
	}
	return true;
}

static bool
for_local(const struct condition *c, const struct question *q)
{
	(void)c;
	return rules_is_local_domain(q->rules, q->domain.text.ptr);
}

static bool
add_for(struct maker *m, const struct config_match *match)
{
	const struct config_condition *for_ = &match->for_condition;

	switch (match->for_) {
	case CONFIG_FOR_LOCAL: add(m, (struct condition){ .holds = for_local, .negated = for_->negated }); break;
	case CONFIG_FOR_DOMAIN: return add_table(m, for_, TABLE_DOMAIN, for_domain);
	case CONFIG_FOR_ANY:
		if (for_->negated)
			add(m, (struct condition){ .holds = holds_never });
		break;
	}
	return true;
}

static bool
add_rest(struct maker *m, const struct config_match *match)
{
	const struct {
		const struct config_condition *given;
		enum table_service service;
		bool (*holds)(const struct condition *c, const struct question *q);
		bool selective;
	} kinds[] = {
		{ &match->tag, TABLE_STRING, has_tag, false },
		{ &match->helo, TABLE_DOMAIN, has_helo, true },
		{ &match->mail_from, TABLE_MAILADDR, has_reverse, true },
		{ &match->rcpt_to, TABLE_MAILADDR, has_recipient, true },
	};
	size_t i;

	if (match->auth.set)
		return not_yet(m, &match->auth.place, "match auth");
	if (match->tls.set)
		return not_yet(m, &match->tls.place, "match tls");
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!kinds[i].given->set)
			continue;
		m->rule->selective = m->rule->selective || kinds[i].selective;
		if (!add_table(m, kinds[i].given, kinds[i].service, kinds[i].holds))
			return false;
	}
	return true;
}

static bool
add_rule(struct maker *m, const struct config_match *match)
{
	m->rule->action = match->action;
	return add_from(m, match) && add_for(m, match) && add_rest(m, match);
}

static struct rules *
make_empty(const struct config *config)
{
	const struct config_match *match;
	struct rules *rules = calloc(1, sizeof(*rules));
	size_t count = 0;

	STAILQ_FOREACH (match, &config->matches, next)
		count++;
	if (rules != NULL)
		rules->list = calloc(count + 1, sizeof(*rules->list));
	if (rules == NULL || rules->list == NULL)
		fatal("out of memory");
	rules->delimiter = config->smtp_sub_addr_delim;
	return rules;
}

struct rules *
rules_new(const struct config *config, struct tables *tables, const struct names *names, struct error *err)
{
	const struct config_match *match;
	struct rules *rules = make_empty(config);
	struct maker m = { .tables = tables, .names = names, .err = err };

	rules->localnames = tables_localnames(tables, err);
	if (rules->localnames == NULL) {
		rules_free(rules);
		return NULL;
	}
	STAILQ_FOREACH (match, &config->matches, next) {
		m.rule = &rules->list[rules->count++];
		if (!add_rule(&m, match)) {
			rules_free(rules);
			return NULL;
		}
	}
	return rules;
}

void
rules_free(struct rules *rules)
{
	if (rules == NULL)
		return;
	free(rules->list);
	free(rules);
}

/* --- questions --- */

bool
rules_is_local_domain(const struct rules *rules, const char *domain)
{
	struct table_key key = { .text = str_of(domain) };

	return table_has(rules->localnames, TABLE_DOMAIN, &key);
}

/* The key of an address: "user@domain", "@" for the null reverse-path. text takes the written form. */
static struct table_key
key_of(const struct address *a, char delimiter, char *text, size_t size)
{
	struct table_key key = { .delimiter = delimiter, .null = a->null };
	int len = snprintf(text, size, "%s@%s", a->local, a->domain);

	key.local = str_of(a->local);
	key.domain = str_of(a->domain);
	key.text = (struct str){ text, len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1 };
	return key;
}

static bool
all_hold(const struct rule *rule, const struct question *q)
{
	size_t i;

	for (i = 0; i < rule->count; i++)
		if (rule->conditions[i].holds(&rule->conditions[i], q) == rule->conditions[i].negated)
			return false;
	return true;
}

enum rule_found
rules_find(const struct rules *rules, const struct rule_facts *facts, const struct address *recipient, bool internal,
    const struct config_action **action)
{
	static const struct netaddr local = { .family = NETADDR_LOCAL };
	struct question q = { .rules = rules, .facts = facts, .internal = internal };
	size_t i;

	q.from.address = internal ? &local : facts->client;
	q.from.text = str_of(internal ? "local" : facts->client_text);
	q.domain.text = str_of(recipient->domain);
	q.reverse = key_of(facts->reverse, rules->delimiter, q.reverse_text, sizeof(q.reverse_text));
	q.recipient = key_of(recipient, rules->delimiter, q.recipient_text, sizeof(q.recipient_text));
	for (i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->list[i];
		if (!all_hold(rule, &q))
			continue;
		*action = rule->action;
		return rule->action != NULL ? RULE_ACTION : rule->selective ? RULE_BLOCK : RULE_REJECT;
	}
	return RULE_NONE;
}
