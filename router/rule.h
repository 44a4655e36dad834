/* SPDX-License-Identifier: ISC */
/*
 * The rules of the configuration, `match`: the first whose conditions all hold decides. Asked once for a recipient as it came,
 * and again for each address that an alias makes of it; those count as coming from this machine, whoever sent the message.
 */
#ifndef ROUTER_RULE_H
#define ROUTER_RULE_H

#include <stdbool.h>

#include "common/address.h"
#include "common/config.h"
#include "common/error.h"
#include "router/names.h"
#include "router/netaddr.h"
#include "router/table.h"

/* What is known of the session; views that outlive the question. */
struct rule_facts {
	const struct netaddr *client;
	const char *client_text; /* as netaddr_format writes it */
	bool local;              /* the client is this machine */
	bool socket;             /* local submission */
	const char *tag;         /* of the listener, NULL: none */
	const char *helo;        /* "" before it was given */
	const struct address *reverse;
};

struct rules;

/*
 * Opens all tables that the rules use. Keeps views of all three. Returns fresh; NULL with err set when a table cannot be
 * opened, or a rule is not carried out yet.
 */
struct rules *rules_new(
    const struct config *config, struct tables *tables, const struct names *names, struct error *err);
void rules_free(struct rules *rules);

enum rule_found {
	RULE_ACTION, /* *action says which */
	RULE_REJECT, /* by a rule that says so of everything that came as far */
	RULE_BLOCK,  /* by a rule that says so of certain clients or senders */
	RULE_NONE
};

/* The rule for recipient; internal: an address that expansion made. */
enum rule_found rules_find(const struct rules *rules, const struct rule_facts *facts, const struct address *recipient,
    bool internal, const struct config_action **action);

/* Whether domain is one of <localnames>. */
bool rules_is_local_domain(const struct rules *rules, const char *domain);

#endif
