/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <string.h>

#include "common/config_build.h"
#include "common/config_text.h"

enum { TAG_BYTES_MAX = 32, PKI_OF_LISTENER_MAX = 32, HOSTNAME_BYTES_MAX = 255, PORT_DEFAULT = 25, PORT_SMTPS = 465 };

/* Options that may be given once, each with the member it sets: the place to look up is the bit, too. */
struct option {
	const char *word;
	size_t offset; /* of a const char * or bool, 0 for those that are set otherwise */
};

#define MEMBER(name) offsetof(struct config_listener, name)

static const struct option options[] = {
	{ "filter", 0 },
	{ "mask-src", MEMBER(mask_src) },
	{ "no-dsn", MEMBER(no_dsn) },
	{ "dsn", MEMBER(dsn_any) },
	{ "tag", MEMBER(tag) },
	{ "inet4", 0 },
	{ "port", 0 },
	{ "tls", 0 },
	{ "ciphers", MEMBER(ciphers) },
	{ "protocols", MEMBER(protocols) },
	{ "ca", MEMBER(ca) },
	{ "auth", 0 },
	{ "hostname", MEMBER(hostname) },
	{ "hostnames", 0 },
	{ "senders", 0 },
	{ "received-auth", MEMBER(received_auth) },
	{ "proxy-v2", MEMBER(proxy_v2) },
};

/* Notes that the option was given. Returns it, NULL after an error was reported because it is there already. */
static const struct option *
take_option(struct config_build *build, const char *name, const struct config_token *word)
{
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(options[i].word, name) == 0)
			break;
	if ((build->listener_given & 1u << i) != 0) {
		config_error(&build->errors, &word->place, "%s: %s already specified", word->text,
		    strcmp(name, "tls") == 0         ? "TLS mode"
			: strcmp(name, "inet4") == 0 ? "address family"
						     : name);
		return NULL;
	}
	build->listener_given |= 1u << i;
	return &options[i];
}

static struct config_listener *
add_listener(struct config_build *build, const struct config_place *place)
{
	struct config_listener *listener = config_build_alloc(build, sizeof(*listener));

	listener->place = *place;
	listener->port = PORT_DEFAULT;
	listener->index = build->listeners_count++;
	STAILQ_INIT(&listener->pki);
	STAILQ_INIT(&listener->filters);
	STAILQ_INSERT_TAIL(&build->config->listeners, listener, next);
	build->listener_given = 0;
	return listener;
}

void
config_build_listen_default(struct config_build *build)
{
	const struct config_place nowhere = { config_text_main_path(build->text), 0, 0 };
	struct config_listener *listener = add_listener(build, &nowhere);

	listener->socket = true;
	listener->on = "";
	listener->port = 0;
}

void
config_build_listen_socket(struct config_build *build, const struct config_token *word)
{
	build->listener = STAILQ_FIRST(&build->config->listeners);
	build->listener_given = 0;
	if (build->listener->place.line != 0)
		config_error(&build->errors, &word->place, "socket listener already configured in %s, line %u",
		    build->listener->place.file, build->listener->place.line);
	build->listener->place = word->place;
}

void
config_build_listen(struct config_build *build, const struct config_token *word, const struct config_token *on)
{
	if (build->listeners_count == CONFIG_LISTENERS_MAX)
		config_error(&build->errors, &word->place, "more than %d listeners", CONFIG_LISTENERS_MAX - 1);
	if (on->text[0] == '\0' || strlen(on->text) > HOSTNAME_BYTES_MAX)
		config_error(&build->errors, &on->place,
		    "listen on \"%.64s\": expected an interface, address or host name", on->text);
	build->listener = add_listener(build, &word->place);
	build->listener->on = on->text;
}

void
config_build_listen_filter(struct config_build *build, const struct config_token *word)
{
	take_option(build, "filter", word);
	build->names = &build->listener->filters;
}

void
config_build_listen_flag(struct config_build *build, const struct config_token *word)
{
	const struct option *option = take_option(build, word->text, word);

	if (option != NULL)
		*(bool *)((char *)build->listener + option->offset) = true;
}

static void
check_text(struct config_build *build, const struct config_token *word, const struct config_token *text)
{
	if (strcmp(word->text, "ca") == 0)
		config_build_check_ca(build, text);
	else if (strcmp(word->text, "protocols") == 0)
		config_build_check_protocols(build, text);
	else if (strcmp(word->text, "tag") == 0 && strlen(text->text) > TAG_BYTES_MAX)
		config_error(&build->errors, &text->place, "tag name too long: \"%.64s\", expected at most %d bytes",
		    text->text, TAG_BYTES_MAX);
	else if (strcmp(word->text, "hostname") == 0 && strlen(text->text) > HOSTNAME_BYTES_MAX)
		config_error(&build->errors, &text->place, "hostname too long: \"%.64s\", expected at most %d bytes",
		    text->text, HOSTNAME_BYTES_MAX);
}

void
config_build_listen_text(struct config_build *build, const struct config_token *word, const struct config_token *text)
{
	const struct option *option = take_option(build, word->text, word);

	if (option == NULL)
		return;
	if (text->text[0] == '\0')
		config_error(&build->errors, &text->place, "%s: empty", word->text);
	else
		check_text(build, word, text);
	*(const char **)((char *)build->listener + option->offset) = text->text;
}

void
config_build_listen_family(struct config_build *build, const struct config_token *word, enum config_family family)
{
	if (take_option(build, "inet4", word) != NULL)
		build->listener->family = family;
}

void
config_build_listen_port(struct config_build *build, const struct config_token *word, const struct config_token *port)
{
	bool is_number = port->text[0] == '-' || ascii_is_digit(port->text[0]);

	if (take_option(build, "port", word) == NULL)
		return;
	if (is_number && !port->quoted)
		build->listener->port = port->number > 0 && port->number <= UINT16_MAX ? (uint16_t)port->number : 0;
	else
		build->listener->port = config_text_service(build->text, port->text);
	if (build->listener->port == 0)
		config_error(&build->errors, &port->place,
		    "invalid port: \"%.64s\", expected a number from 1 to 65535 or the name of a TCP service",
		    port->text);
}

void
config_build_listen_tls(struct config_build *build, const struct config_token *word, enum config_tls tls, bool verify)
{
	if (take_option(build, "tls", word) == NULL)
		return;
	build->listener->tls = tls;
	build->listener->verify = verify;
}

void
config_build_listen_pki(struct config_build *build, const struct config_token *word, const struct config_token *name)
{
	const struct config_name *other;
	size_t count = 0;

	config_build_check_pki(build, name);
	STAILQ_FOREACH (other, &build->listener->pki, next) {
		count++;
		if (strcasecmp(other->name, name->text) == 0)
			config_warning(
			    &build->errors, &name->place, "pki %.64s: already specified for this listener", name->text);
	}
	if (count >= PKI_OF_LISTENER_MAX)
		config_error(&build->errors, &word->place, "more than %d pki of one listener", PKI_OF_LISTENER_MAX);
	config_build_add_name(build, &build->listener->pki, name);
}

void
config_build_listen_auth(
    struct config_build *build, const struct config_token *word, bool optional, struct config_table *table)
{
	if (take_option(build, "auth", word) == NULL)
		return;
	config_build_check_use(build, table, CONFIG_USE_MAPPING, "credentials", &word->place);
	build->listener->auth = !optional;
	build->listener->auth_optional = optional;
	build->listener->auth_table = table;
}

void
config_build_listen_hostnames(struct config_build *build, const struct config_token *word, struct config_table *table)
{
	if (take_option(build, "hostnames", word) == NULL)
		return;
	config_build_check_use(build, table, CONFIG_USE_MAPPING, "hostnames", &word->place);
	build->listener->hostnames = table;
}

void
config_build_listen_senders(
    struct config_build *build, const struct config_token *word, struct config_table *table, bool masquerade)
{
	if (take_option(build, "senders", word) == NULL)
		return;
	config_build_check_use(build, table, CONFIG_USE_MAPPING, "senders", &word->place);
	build->listener->senders = table;
	build->listener->masquerade = masquerade;
}

static bool
was_given(const struct config_build *build, const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(options[i].word, word) == 0)
			return (build->listener_given & 1u << i) != 0;
	return false;
}

void
config_build_listen_end(struct config_build *build)
{
	struct config_listener *listener = build->listener;
	const struct config_place *place = &listener->place;
	bool has_tls = listener->tls != CONFIG_TLS_NONE;

	if (listener->no_dsn && listener->dsn_any)
		config_error(&build->errors, place, "no-dsn and dsn any exclude each other");
	if (listener->tls == CONFIG_TLS_SMTPS && !was_given(build, "port"))
		listener->port = PORT_SMTPS;
	if (has_tls && STAILQ_EMPTY(&listener->pki))
		config_error(&build->errors, place, "pki required for tls/smtps");
	if (!has_tls && !STAILQ_EMPTY(&listener->pki))
		config_error(&build->errors, place, "pki requires tls/smtps");
	if (!has_tls && (listener->auth || listener->auth_optional))
		config_error(&build->errors, place, "auth requires tls/smtps");
	if (!has_tls && (listener->ciphers != NULL || listener->protocols != NULL || listener->ca != NULL))
		config_warning(&build->errors, place, "ciphers, protocols and ca have no effect without tls/smtps");
	if (listener->senders != NULL && !listener->auth && !listener->auth_optional)
		config_warning(&build->errors, place, "senders has no effect without auth");
	if (has_tls && listener->ca != NULL && !listener->verify)
		config_warning(&build->errors, place, "ca has no effect without verify");
}
