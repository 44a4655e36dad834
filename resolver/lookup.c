/* SPDX-License-Identifier: ISC */
#include "resolver/lookup.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unbound-event.h>
#include <unbound.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/address.h"
#include "common/log.h"
#include "common/loop.h"
#include "resolver/limits.h"

enum { CLASS_IN = 1, FILE_MAX = 65536 };

struct lookup {
	lookup_done_fn *done; /* NULL: cancelled */
	void *arg;
	bool starting; /* lookup_start has not returned */
	bool answered;
};

static struct {
	struct ub_ctx *context;
	size_t count;
} unbound;

/* --- setting up --- */

struct option {
	const char *name;
	const char *value;
};

/* clang-format off */

/*
 * Memory first: one thread, caches in one piece each, no buffers for what a library never does. Then what keeps a name
 * server that was away from being believed dead for a quarter of an hour.
 */
static const struct option options[] = {
	{ "module-config:", "iterator" },
	{ "msg-cache-slabs:", "1" },
	{ "rrset-cache-slabs:", "1" },
	{ "infra-cache-slabs:", "1" },
	{ "key-cache-slabs:", "1" },
	{ "key-cache-size:", "16k" },
	{ "neg-cache-size:", "16k" },
	{ "incoming-num-tcp:", "0" },
	{ "edns-buffer-size:", "1232" },
	{ "cache-max-negative-ttl:", "300" },
	{ "infra-host-ttl:", "60" },
	{ "infra-keep-probing:", "yes" },
	/* Five tries, each twice as long: 15 s in all, where 50 ms would have given up on a slow domain within 2 s. */
	{ "infra-cache-min-rtt:", "500" },
	/* A network with a name server of its own may give meaning to these; the others of RFC 6761 stay as they are. */
	{ "local-zone:", "test. transparent" },
	{ "local-zone:", "home.arpa. transparent" },
};
/* clang-format on */

static bool
set_option(const char *name, const char *value, struct error *err)
{
	int status = ub_ctx_set_option(unbound.context, name, value);

	return status == 0 ||
	    error_set(err, ERROR_PERMANENT, "libunbound: %s %s: %s", name, value, ub_strerror(status));
}

static bool
set_number(const char *name, int number, const char *unit, struct error *err)
{
	char value[32];

	(void)snprintf(value, sizeof(value), "%d%s", number, unit);
	return set_option(name, value, err);
}

static bool
set_options(struct error *err)
{
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (!set_option(options[i].name, options[i].value, err))
			return false;
	return set_number("msg-cache-size:", RESOLVER_MSG_CACHE_KIB, "k", err) &&
	    set_number("rrset-cache-size:", RESOLVER_RRSET_CACHE_KIB, "k", err) &&
	    set_number("infra-cache-numhosts:", RESOLVER_SERVERS_MAX, "", err) &&
	    set_number("outgoing-range:", RESOLVER_QUERIES_MAX, "", err) &&
	    set_number("num-queries-per-thread:", RESOLVER_QUERIES_MAX, "", err) &&
	    set_number("outgoing-num-tcp:", RESOLVER_TCP_MAX, "", err);
}

/* Reads the start of a file, whole lines; empty where there is none. */
static struct str
read_lines(const char *path, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return (struct str){ text, 0 };
	while (len < size && (n = read(fd, text + len, size - len)) > 0)
		len += (size_t)n;
	(void)close(fd);
	while (len == size && size > 0 && text[size - 1] != '\n')
		len = --size;
	return (struct str){ text, len };
}

static struct str
next_word(struct str *line)
{
	struct str word = { line->ptr, 0 };

	while (word.len < line->len && word.ptr[word.len] != ' ' && word.ptr[word.len] != '\t')
		word.len++;
	*line = str_trim((struct str){ line->ptr + word.len, line->len - word.len });
	return word;
}

/*
 * A name of hosts(5) answers questions for its address only: libunbound's own reading of the file would also answer
 * that the name has no MX.
 */
static bool
add_name(struct str name, struct str address, struct error *err)
{
	char value[2 * ADDRESS_DOMAIN_MAX], host[ADDRESS_DOMAIN_MAX + 1], number[INET6_ADDRSTRLEN];

	if (!address_is_domain(name) || str_equal_nocase(name, S("localhost")))
		return true;
	if (!str_copy(name, host, sizeof(host)) || !str_copy(address, number, sizeof(number)))
		return true;
	(void)snprintf(value, sizeof(value), "%s. typetransparent", host);
	if (!set_option("local-zone:", value, err))
		return false;
	(void)snprintf(value, sizeof(value), "%s. IN %s %s", host, strchr(number, ':') != NULL ? "AAAA" : "A", number);
	return set_option("local-data:", value, err);
}

static bool
is_address(struct str s)
{
	char number[INET6_ADDRSTRLEN], bytes[sizeof(struct in6_addr)];

	return str_copy(s, number, sizeof(number)) &&
	    (inet_pton(AF_INET, number, bytes) == 1 || inet_pton(AF_INET6, number, bytes) == 1);
}

static bool
read_hosts(struct error *err)
{
	char text[FILE_MAX];
	struct str rest = read_lines("/etc/hosts", text, sizeof(text)), line, comment, address;
	size_t names = 0;

	while (rest.len > 0) {
		(void)str_cut(rest, '\n', &line, &rest);
		(void)str_cut(line, '#', &line, &comment);
		line = str_trim(line);
		address = next_word(&line);
		while (line.len > 0 && is_address(address) && names++ < RESOLVER_HOSTS_MAX)
			if (!add_name(next_word(&line), address, err))
				return false;
	}
	if (names > RESOLVER_HOSTS_MAX)
		log_warning("too-many-hosts", log_text(LOG_FIELD_file, "/etc/hosts"),
		    log_u64(LOG_FIELD_count, RESOLVER_HOSTS_MAX));
	return true;
}

/* Where name servers are told, they may be on this machine; a name server that the DNS tells may not. */
static bool
forward_to(const char *server, struct error *err)
{
	int status = ub_ctx_set_fwd(unbound.context, server);

	if (status != 0)
		return error_set(err, ERROR_PERMANENT, "name server \"%s\": %s", server, ub_strerror(status));
	return set_option("do-not-query-localhost:", "no", err);
}

static bool
read_resolv_conf(struct error *err)
{
	char text[FILE_MAX], server[ADDRESS_DOMAIN_MAX + 1];
	struct str rest = read_lines("/etc/resolv.conf", text, sizeof(text)), line;

	while (rest.len > 0) {
		(void)str_cut(rest, '\n', &line, &rest);
		line = str_trim(line);
		if (!str_equal(next_word(&line), S("nameserver")) ||
		    !str_copy(next_word(&line), server, sizeof(server)))
			continue;
		/* A scope ("fe80::1%eth0") or a slip of the pen: the others may do. */
		if (!forward_to(server, err))
			log_warning("name-server", log_text(LOG_FIELD_error, err->text));
	}
	return true;
}

static void
ignore_answer(void *arg, int rcode, void *packet, int packet_len, int security, char *why_bogus, int was_ratelimited)
{
	(void)arg;
	(void)rcode;
	(void)packet;
	(void)packet_len;
	(void)security;
	(void)why_bogus;
	(void)was_ratelimited;
}

/* The first question makes libunbound read and open what it needs: one that it answers itself. */
static bool
warm_up(struct error *err)
{
	int status = ub_resolve_event(unbound.context, "localhost.", PACKET_A, CLASS_IN, NULL, ignore_answer, NULL);

	return status == 0 || error_set(err, ERROR_PERMANENT, "libunbound: %s", ub_strerror(status));
}

bool
lookup_open(const struct config *config, struct error *err)
{
	unbound.context = ub_ctx_create_event(loop_base());
	if (unbound.context == NULL)
		return error_set(err, ERROR_TEMPORARY, "libunbound: cannot make a context");
	/* Its complaints go nowhere: standard error is not ours, and the answers tell what matters. */
	(void)ub_ctx_debugout(unbound.context, NULL);
	(void)ub_ctx_debuglevel(unbound.context, 0);
	if (!set_options(err) || !read_hosts(err))
		return false;
	if (!(config->dns_server != NULL ? forward_to(config->dns_server, err) : read_resolv_conf(err)))
		return false;
	return warm_up(err);
}

/* --- asking --- */

static void
finish(struct lookup *l, const struct lookup_answer *answer)
{
	if (l->done != NULL)
		l->done(l->arg, answer);
	l->answered = true;
}

static const char *
why_failed(int rcode)
{
	switch (rcode) {
	case 1: return "the name server does not understand (FORMERR)";
	case PACKET_SERVFAIL: return "no name server answers (SERVFAIL)";
	case 4: return "the name server cannot (NOTIMP)";
	case 5: return "the name server refuses (REFUSED)";
	default: return "the lookup failed";
	}
}

static void
take_answer(void *arg, int rcode, void *packet, int packet_len, int security, char *why_bogus, int was_ratelimited)
{
	struct lookup *l = arg;
	struct lookup_answer answer = { LOOKUP_FAILED, { "", 0 }, why_failed(rcode) };

	(void)security;
	(void)why_bogus;
	(void)was_ratelimited;
	unbound.count--;
	if ((rcode == PACKET_NOERROR || rcode == PACKET_NXDOMAIN) && packet != NULL && packet_len > 0) {
		answer.status = LOOKUP_ANSWERED;
		answer.packet = (struct str){ packet, (size_t)packet_len };
	}
	finish(l, &answer);
	if (!l->starting)
		free(l);
}

struct lookup *
lookup_start(const char *name, enum packet_type type, lookup_done_fn *done, void *arg)
{
	struct lookup *l = calloc(1, sizeof(*l));
	char absolute[PACKET_NAME_MAX + 2];
	int status;

	if (l == NULL)
		fatal("out of memory");
	l->done = done;
	l->arg = arg;
	l->starting = true;
	unbound.count++;
	(void)snprintf(absolute, sizeof(absolute), "%s.", name);
	status = ub_resolve_event(unbound.context, absolute, (int)type, CLASS_IN, l, take_answer, NULL);
	if (status != 0) {
		unbound.count--;
		finish(l, &(const struct lookup_answer){ LOOKUP_FAILED, { "", 0 }, ub_strerror(status) });
	}
	l->starting = false;
	if (!l->answered)
		return l;
	free(l);
	return NULL;
}

void
lookup_cancel(struct lookup *l)
{
	if (l != NULL)
		l->done = NULL;
}

size_t
lookup_count(void)
{
	return unbound.count;
}
