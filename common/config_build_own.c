/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <string.h>

#include "common/address.h"
#include "common/config_build.h"

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

enum {
	RUNTIME_BYTES_MAX = 90, /* a socket in it has to fit into sun_path */
	PATH_BYTES_MAX = 1023,
	DAY_S = 86400
};

static const uint64_t queue_size_min = 16 * MIB;
static const uint64_t queue_memory_min = 64 * KIB;
static const uint64_t history_size_min = 64 * KIB;

void
config_build_defaults(struct config *config)
{
	config->bounce_warn_s[0] = 4 * 3600;
	config->bounce_warn_count = 1;
	config->mta_max_deferred = 100;
	config->queue_ttl_s = 4 * DAY_S;
	config->smtp_max_mails = 1000;
	config->smtp_max_rcpt = 1000;
	config->smtp_max_message_size = 35 * MIB;
	config->smtp_sub_addr_delim = '+';
	config->srs_ttl_s = 4 * DAY_S;
	config->spool = "/var/spool/postern";
	config->runtime = "/run/postern";
	config->bounce_ttl_s = 2 * DAY_S;
	config->queue_retry_min_s = 10 * 60;
	config->queue_retry_max_s = 4 * 3600;
	config->queue_size = 64 * GIB;
	config->queue_memory = 32 * MIB;
	config->history_keep_s = 7 * DAY_S;
	config->history_size = 1 * GIB;
}

static void
set_path(struct config_build *build, const char *what, const struct config_token *path, size_t max, const char **out)
{
	if (path->text[0] != '/' || strlen(path->text) > max)
		config_error(&build->errors, &path->place,
		    "%s: \"%.128s\", expected an absolute path of at most %zu bytes", what, path->text, max);
	else
		*out = path->text;
}

void
config_build_spool(struct config_build *build, const struct config_token *path)
{
	set_path(build, "spool", path, PATH_BYTES_MAX, &build->config->spool);
}

void
config_build_runtime(struct config_build *build, const struct config_token *path)
{
	set_path(build, "runtime", path, RUNTIME_BYTES_MAX, &build->config->runtime);
}

static void
set_workers(struct config_build *build, const char *what, const struct config_token *number, unsigned *out)
{
	if (number->number < 1 || number->number > CONFIG_WORKERS_MAX)
		config_error(&build->errors, &number->place, "%s: %s, expected a number from 1 to %d", what,
		    number->text, CONFIG_WORKERS_MAX);
	else
		*out = (unsigned)number->number;
}

void
config_build_smtp_workers(struct config_build *build, const struct config_token *number)
{
	set_workers(build, "smtp workers", number, &build->config->smtp_workers);
}

void
config_build_mta_workers(struct config_build *build, const struct config_token *number)
{
	set_workers(build, "mta workers", number, &build->config->mta_workers);
}

void
config_build_private_destinations(
    struct config_build *build, const struct config_token *word, struct config_table *table)
{
	config_build_check_use(build, table, CONFIG_USE_LIST, "private-destinations", &word->place);
	if (!table->anonymous)
		config_error(&build->errors, &word->place,
		    "private-destinations <%.64s>: expected the networks in braces, for other tables are not seen by the processes that send mail",
		    table->name);
	build->config->mta_private = table;
}

void
config_build_bounce_ttl(struct config_build *build, const struct config_token *ttl)
{
	(void)config_build_delay(build, ttl, &build->config->bounce_ttl_s);
}

void
config_build_queue_retry(struct config_build *build, const struct config_token *min, const struct config_token *max)
{
	int64_t min_s, max_s;

	if (!config_build_delay(build, min, &min_s) || !config_build_delay(build, max, &max_s))
		return;
	if (min_s > max_s) {
		config_error(&build->errors, &min->place,
		    "queue retry: the first delay, %.64s, is longer than the last, %.64s", min->text, max->text);
		return;
	}
	build->config->queue_retry_min_s = min_s;
	build->config->queue_retry_max_s = max_s;
}

static void
set_size(struct config_build *build, const char *what, const struct config_token *token, uint64_t min, uint64_t *out)
{
	uint64_t size;

	if (!config_build_size(build, token, &size))
		return;
	if (size < min)
		config_error(&build->errors, &token->place, "%s: %.64s, expected at least %lluK", what, token->text,
		    (unsigned long long)(min / KIB));
	else
		*out = size;
}

void
config_build_queue_size(struct config_build *build, const struct config_token *size)
{
	set_size(build, "queue size", size, queue_size_min, &build->config->queue_size);
}

void
config_build_queue_memory(struct config_build *build, const struct config_token *size)
{
	set_size(build, "queue memory", size, queue_memory_min, &build->config->queue_memory);
}

void
config_build_bounce_contact(struct config_build *build, const struct config_token *token)
{
	struct address address;
	struct error err;

	if (!address_parse(str_of(token->text), ADDRESS_UTF8_ALLOWED, &address, &err))
		config_error(&build->errors, &token->place, "bounce contact: \"%.128s\", expected an address: %s",
		    token->text, err.text);
	else
		build->config->bounce_contact = token->text;
}

static const char *const languages[] = {
#define L(code, name) [CONFIG_LANGUAGE_##name] = code,
	CONFIG_LANGUAGES(L)
#undef L
};

const char *
config_language_code(enum config_language language)
{
	return languages[language];
}

void
config_build_bounce_language(struct config_build *build, const struct config_token *code)
{
	size_t i;

	for (i = 0; i < sizeof(languages) / sizeof(languages[0]); i++) {
		if (strcmp(code->text, languages[i]) == 0) {
			build->config->bounce_language = (enum config_language)i;
			return;
		}
	}
#define L(tag, name) " " tag
	config_error(&build->errors, &code->place, "bounce language: \"%.64s\", expected one of" CONFIG_LANGUAGES(L),
	    code->text);
#undef L
}

void
config_build_bounce_template(struct config_build *build, const struct config_token *path)
{
	set_path(build, "bounce template", path, PATH_BYTES_MAX, &build->config->bounce_template);
}

void
config_build_history_keep(struct config_build *build, const struct config_token *delay)
{
	(void)config_build_delay(build, delay, &build->config->history_keep_s);
}

void
config_build_history_size(struct config_build *build, const struct config_token *size)
{
	set_size(build, "history size", size, history_size_min, &build->config->history_size);
}

static bool
is_address(struct str text)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	char address[INET6_ADDRSTRLEN];

	return str_copy(text, address, sizeof(address)) &&
	    (inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1);
}

void
config_build_dns_server(struct config_build *build, const struct config_token *server)
{
	struct str address, port;
	uint64_t number;

	if (str_cut(str_of(server->text), '@', &address, &port) &&
	    (!str_to_u64(port, UINT16_MAX, &number) || number == 0)) {
		config_error(&build->errors, &server->place,
		    "dns server: \"%.64s\", expected a port from 1 to 65535 after \"@\"", server->text);
		return;
	}
	if (!is_address(address)) {
		config_error(&build->errors, &server->place,
		    "dns server: \"%.64s\", expected \"ADDRESS\" or \"ADDRESS@PORT\"", server->text);
		return;
	}
	build->config->dns_server = server->text;
}
