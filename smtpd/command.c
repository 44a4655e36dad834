/* SPDX-License-Identifier: ISC */
#include "smtpd/command.h"

#include <stdio.h>
#include <string.h>

#include "common/address.h"
#include "smtpd/limits.h"
#include "smtpd/listener.h"
#include "smtpd/parameter.h"
#include "smtpd/rejection.h"
#include "smtpd/session.h"
#include "smtpd/transaction.h"

#define IN(state) (1U << (state))
#define ANYWHERE  (IN(STATE_START) | IN(STATE_READY) | IN(STATE_MAIL) | IN(STATE_RCPT))
#define GREETED   (IN(STATE_READY) | IN(STATE_MAIL) | IN(STATE_RCPT))

typedef void command_fn(struct session *s, struct str rest);

struct command {
	struct str verb;
	unsigned states;      /* where it may come */
	const char *expected; /* what has to come before it */
	bool idle;            /* does nothing for a message: counted */
	command_fn *run;
};

static command_fn run_ehlo, run_helo, run_mail, run_rcpt, run_data, run_rset, run_noop, run_quit, run_help, run_vrfy,
    run_not_implemented, run_not_smtp;

/* clang-format off */
static const struct command commands[] = {
	{ STR("EHLO"), ANYWHERE,                        NULL,           false, run_ehlo },
	{ STR("HELO"), ANYWHERE,                        NULL,           false, run_helo },
	{ STR("MAIL"), GREETED,                         "EHLO or HELO", false, run_mail },
	{ STR("RCPT"), IN(STATE_MAIL) | IN(STATE_RCPT), "MAIL",         false, run_rcpt },
	{ STR("DATA"), IN(STATE_MAIL) | IN(STATE_RCPT), "MAIL and RCPT", false, run_data },
	{ STR("RSET"), ANYWHERE,                        NULL,           true,  run_rset },
	{ STR("NOOP"), ANYWHERE,                        NULL,           true,  run_noop },
	{ STR("QUIT"), ANYWHERE,                        NULL,           false, run_quit },
	{ STR("HELP"), ANYWHERE,                        NULL,           true,  run_help },
	{ STR("VRFY"), ANYWHERE,                        NULL,           true,  run_vrfy },
};

/* Verbs of RFC 5321 and of history that are known, and not served: 502. */
static const struct str not_implemented[] = {
	STR("EXPN"), STR("TURN"), STR("ATRN"), STR("ETRN"), STR("SEND"), STR("SOML"), STR("SAML"), STR("BDAT"), STR("AUTH"),
	STR("STARTTLS"), STR("XCLIENT"), STR("XFORWARD"), STR("BURL"),
};

/* First words of other protocols that end up here by mistake or by design (cross-protocol attacks): 421 at once. */
static const struct str not_smtp[] = {
	STR("GET"), STR("POST"), STR("PUT"), STR("HEAD"), STR("OPTIONS"), STR("CONNECT"), STR("DELETE"), STR("PATCH"),
	STR("TRACE"), STR("Host:"), STR("User-Agent:"), STR("PROXY"), STR("SSH-2.0"), STR("CONTENT-TYPE:"),
};

static const struct str extensions[] = {
	STR("PIPELINING"), STR("8BITMIME"), STR("ENHANCEDSTATUSCODES"), STR("HELP"),
};
/* clang-format on */

static const struct config *config;

void
command_configure(const struct config *c)
{
	config = c;
}

/* --- the walk over the table --- */

static bool
is_printable(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (!ascii_is_printable(s.ptr[i]) && (unsigned char)s.ptr[i] < 0x80)
			return false;
	return true;
}

static bool
in_list(const struct str *list, size_t count, struct str word)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (str_equal_nocase(list[i], word))
			return true;
	return false;
}

static void
run_unknown(struct session *s, struct str verb)
{
	if (in_list(not_smtp, sizeof(not_smtp) / sizeof(not_smtp[0]), verb) || str_starts_nocase(verb, S("SSH-2.0")))
		run_not_smtp(s, verb);
	else if (in_list(not_implemented, sizeof(not_implemented) / sizeof(not_implemented[0]), verb))
		run_not_implemented(s, verb);
	else
		session_reply(s, REPLY_UNKNOWN_COMMAND, NULL);
}

static bool
too_many_idle(struct session *s)
{
	return !s->local && ++s->idle_commands > SMTPD_IDLE_COMMANDS_MAX;
}

void
command_run(struct session *s, struct str line)
{
	struct str verb, rest;
	size_t i;

	if (line.len > 0 && (unsigned char)line.ptr[0] == 0x16) {
		run_not_smtp(s, line); /* a TLS ClientHello */
		return;
	}
	if (!is_printable(line)) {
		session_reply(s, REPLY_BAD_BYTES, NULL);
		return;
	}
	(void)str_cut(line, ' ', &verb, &rest);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];
		if (!str_equal_nocase(c->verb, verb))
			continue;
		if ((c->states & IN(s->state)) == 0)
			session_reply(s, REPLY_OUT_OF_ORDER, c->expected);
		else if (c->idle && too_many_idle(s))
			session_end(s, REPLY_TOO_MANY_IDLE);
		else
			c->run(s, str_trim(rest));
		return;
	}
	run_unknown(s, verb);
}

/* --- greeting --- */

/* Takes the name that the client calls itself; an open transaction ends (section 4.1.4). */
static bool
take_helo(struct session *s, struct str name)
{
	if (!address_is_helo(name) || !str_copy(name, s->helo, sizeof(s->helo))) {
		session_reply(s, REPLY_BAD_HELO, NULL);
		return false;
	}
	transaction_drop(s);
	session_enter(s, STATE_READY);
	return true;
}

static void
run_ehlo(struct session *s, struct str rest)
{
	char line[64];
	size_t i;
	int n;

	if (!take_helo(s, rest))
		return;
	s->extended = true;
	session_write(s, S("250-"));
	session_write(s, str_of(session_hostname(s)));
	session_write(s, S("\r\n"));
	n = snprintf(line, sizeof(line), "250-SIZE %llu\r\n", (unsigned long long)config->smtp_max_message_size);
	session_write(s, (struct str){ line, (size_t)n });
	if (s->dsn)
		session_write(s, S("250-DSN\r\n"));
	for (i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		bool last = i + 1 == sizeof(extensions) / sizeof(extensions[0]);
		session_write(s, last ? S("250 ") : S("250-"));
		session_write(s, extensions[i]);
		session_write(s, S("\r\n"));
	}
}

static void
run_helo(struct session *s, struct str rest)
{
	if (!take_helo(s, rest))
		return;
	s->extended = false;
	session_reply(s, REPLY_HELO, session_hostname(s));
}

/* --- a transaction --- */

/* "FROM:" or "TO:", and the path behind it; RFC 5321 allows no space there, many clients write one. */
static bool
cut_path(struct str rest, struct str word, struct str *path)
{
	if (!str_starts_nocase(rest, word))
		return false;
	*path = str_trim((struct str){ rest.ptr + word.len, rest.len - word.len });
	return true;
}

/* Parses the path; says what is wrong with it, by bad or as an address that needs SMTPUTF8. */
static bool
take_path(
    struct session *s, struct str path, unsigned rules, enum reply bad, struct address *address, struct str *parameters)
{
	struct error err;

	if (s->local && s->listener->config->socket)
		rules |= ADDRESS_LOCAL_ONLY_ALLOWED;
	if (!address_parse_path(path, rules | ADDRESS_UTF8_ALLOWED, address, parameters, &err)) {
		session_reply(s, bad, err.text);
		return false;
	}
	if (parameters->len > 0 && parameters->ptr[0] != ' ') {
		session_reply(s, bad, "expected a space or nothing behind >");
		return false;
	}
	if (address->utf8) {
		session_reply(s, REPLY_NEEDS_UTF8, NULL);
		return false;
	}
	return true;
}

/* Its sender is known, and there is no transaction yet. */
static void
refuse_mail(struct session *s, const struct address *reverse_path, enum reply reply, const char *detail)
{
	char text[ADDRESS_MAX + 1];

	(void)address_format(reverse_path, text);
	rejection_tell_reply(s, text, NULL, reply, detail);
	session_say(s, reply, detail);
}

static void
run_mail(struct session *s, struct str rest)
{
	struct parameters parameters = { .body = PROTO_BODY_7BIT };
	struct address reverse_path;
	struct str path;

	if (s->state != STATE_READY)
		session_reply(s, REPLY_NESTED_MAIL, NULL);
	else if (!cut_path(rest, S("FROM:"), &path))
		session_reply(s, REPLY_SYNTAX, "MAIL FROM:<reverse-path> [parameters]");
	else if (!take_path(s, path, ADDRESS_NULL_ALLOWED, REPLY_BAD_SENDER, &reverse_path, &path) ||
	    !parameter_read_mail(s, path, &parameters))
		return;
	else if (s->mails >= config->smtp_max_mails)
		refuse_mail(s, &reverse_path, REPLY_TOO_MANY_MAILS, NULL);
	else if (parameters.size > config->smtp_max_message_size) {
		char limit[24];
		(void)snprintf(limit, sizeof(limit), "%llu", (unsigned long long)config->smtp_max_message_size);
		refuse_mail(s, &reverse_path, REPLY_TOO_BIG, limit);
	} else if (transaction_room() < parameters.size || transaction_room() == 0)
		refuse_mail(s, &reverse_path, transaction_has_queue() ? REPLY_NO_ROOM : REPLY_TEMPORARY, NULL);
	else if (!transaction_begin(s, &reverse_path, &parameters))
		refuse_mail(s, &reverse_path, REPLY_TEMPORARY, NULL);
	else {
		session_enter(s, STATE_MAIL);
		session_reply(s, REPLY_SENDER_OK, NULL);
	}
}

static void
run_rcpt(struct session *s, struct str rest)
{
	struct parameters parameters = { .notify = 0 };
	struct address forward_path;
	struct str path;

	if (!s->local && s->unknown_rcpts >= SMTPD_UNKNOWN_RCPTS_MAX)
		session_end(s, REPLY_TOO_MANY_UNKNOWN);
	else if (!cut_path(rest, S("TO:"), &path))
		session_reply(s, REPLY_SYNTAX, "RCPT TO:<forward-path> [parameters]");
	else if (!take_path(s, path, ADDRESS_POSTMASTER_ALLOWED, REPLY_BAD_RCPT, &forward_path, &path) ||
	    !parameter_read_rcpt(s, path, &parameters))
		return;
	else if (s->transaction->rcpts + s->transaction->pending >= config->smtp_max_rcpt)
		session_reply(s, REPLY_TOO_MANY_RCPTS, NULL);
	else if (!transaction_ask(s, &forward_path, &parameters))
		session_reply(s, REPLY_TEMPORARY, NULL);
}

static void
run_data(struct session *s, struct str rest)
{
	if (rest.len > 0)
		session_reply(s, REPLY_SYNTAX, "DATA");
	else if (s->transaction->rcpts == 0)
		session_reply(s, REPLY_NO_VALID_RCPT, NULL);
	else {
		transaction_start_data(s, config->smtp_max_message_size);
		session_enter(s, STATE_DATA);
		session_reply(s, REPLY_GO_AHEAD, NULL);
	}
}

/* --- the rest --- */

static void
run_rset(struct session *s, struct str rest)
{
	if (rest.len > 0) {
		session_reply(s, REPLY_SYNTAX, "RSET");
		return;
	}
	transaction_drop(s);
	if (s->state != STATE_START)
		session_enter(s, STATE_READY);
	session_reply(s, REPLY_OK, NULL);
}

static void
run_noop(struct session *s, struct str rest)
{
	(void)rest; /* an argument is allowed, and means nothing (section 4.1.1.9) */
	session_reply(s, REPLY_OK, NULL);
}

static void
run_quit(struct session *s, struct str rest)
{
	if (rest.len > 0)
		session_reply(s, REPLY_SYNTAX, "QUIT");
	else
		session_end(s, REPLY_BYE);
}

static void
run_help(struct session *s, struct str rest)
{
	char verbs[128] = "Commands:";
	size_t i;

	(void)rest;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		(void)strlcat(verbs, " ", sizeof(verbs));
		(void)strlcat(verbs, commands[i].verb.ptr, sizeof(verbs));
	}
	session_reply(s, REPLY_HELP, verbs);
}

static void
run_vrfy(struct session *s, struct str rest)
{
	session_reply(s, rest.len > 0 ? REPLY_VRFY : REPLY_SYNTAX, "VRFY address");
}

static void
run_not_implemented(struct session *s, struct str rest)
{
	(void)rest;
	session_reply(s, REPLY_NOT_IMPLEMENTED, NULL);
}

static void
run_not_smtp(struct session *s, struct str rest)
{
	(void)rest;
	session_end(s, REPLY_NOT_SMTP);
}
