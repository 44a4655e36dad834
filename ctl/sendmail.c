/* SPDX-License-Identifier: ISC */
#include "ctl/sendmail.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/dsn.h"
#include "common/hostname.h"
#include "common/log.h"
#include "ctl/format.h"
#include "ctl/limits.h"
#include "ctl/runtime.h"
#include "ctl/show.h"
#include "ctl/submit.h"

enum { NAME_MAX_BYTES = 255, HOST_MAX_BYTES = 255 };

/* Those of -A -B -b -E -e -L -m -o -p -x that say nothing to us are read and forgotten, so that old callers work. */
static const char option_letters[] = "A:B:b:E::e:F:f:hiL:mN:o:p:qr:R:StvV:w:x";

enum mode { MODE_DELIVER, MODE_SMTP, MODE_QUEUE, MODE_ALIASES };

struct settings {
	enum mode mode;
	bool from_header; /* -t */
	bool dot_is_text; /* -i */
	bool plain;       /* -S: no field is added */
	bool verbose;
	bool help;
	const char *sender; /* NULL: the user */
	const char *full_name;
	uint64_t wait_s;
	const char *dsn_notify, *dsn_return, *dsn_id;
	char host[HOST_MAX_BYTES + 1];
	char user[NAME_MAX_BYTES + 1];
	char own_name[NAME_MAX_BYTES + 1];
	char address[NAME_MAX_BYTES + 1 + HOST_MAX_BYTES + 1];
	char socket[RUNTIME_PATH_MAX + 1];
};

static int
fail(int code, const char *text)
{
	(void)fputs("sendmail: ", stderr);
	(void)format_put(stderr, str_of(text));
	(void)fputs("\n", stderr);
	return code;
}

static int
usage(FILE *out, int code)
{
	(void)fputs(
	    "usage: sendmail [-tivS] [-f SENDER] [-F NAME] [-w SECONDS] [-N NOTIFY] [-R full|hdrs] [-V ID] [RECIPIENT ...]\n"
	    "       sendmail -bs | -bp | -bi\n"
	    "A message is read from standard input; see sendmail(8).\n",
	    out);
	return code;
}

/* --- options --- */

static bool
set_mode(struct settings *s, const char *letters)
{
	static const struct {
		const char *letters;
		enum mode mode;
	} modes[] = { { "m", MODE_DELIVER }, { "s", MODE_SMTP }, { "p", MODE_QUEUE }, { "i", MODE_ALIASES } };
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(letters, modes[i].letters) == 0) {
			s->mode = modes[i].mode;
			return true;
		}
	return false;
}

static bool
is_one_of(const char *text, const char *const *words)
{
	while (*words != NULL && strcasecmp(text, *words) != 0)
		words++;
	return *words != NULL;
}

/* RFC 3461 section 4.1: NEVER alone, or a list of the others. */
static bool
is_notify(const char *text)
{
	static const char *const words[] = { "success", "failure", "delay", NULL };
	struct str word, rest = str_of(text);
	char one[16];

	if (strcasecmp(text, "never") == 0)
		return true;
	do {
		(void)str_cut(rest, ',', &word, &rest);
		if (!str_copy(word, one, sizeof(one)) || !is_one_of(one, words))
			return false;
	} while (rest.len > 0);
	return true;
}

/* Takes one option. Returns false when its argument is none. */
static bool
take_option(struct settings *s, int letter, const char *argument)
{
	static const char *const returns[] = { "full", "hdrs", NULL };

	switch (letter) {
	case 'b': return set_mode(s, argument);
	case 'F': s->full_name = argument; return true;
	case 'f':
	case 'r': s->sender = argument; return true;
	case 'h': s->help = true; return true;
	case 'i': s->dot_is_text = true; return true;
	case 'o': s->dot_is_text = s->dot_is_text || strcmp(argument, "i") == 0; return true;
	case 'N': s->dsn_notify = argument; return is_notify(argument);
	case 'R': s->dsn_return = argument; return is_one_of(argument, returns);
	case 'V': s->dsn_id = argument; return dsn_is_envid(str_of(argument));
	case 'S': s->plain = true; return true;
	case 't': s->from_header = true; return true;
	case 'v': s->verbose = true; return true;
	case 'w': return str_to_u64(str_of(argument), SENDMAIL_WAIT_MAX_S, &s->wait_s);
	case 'q':
	case '?': return false;
	default: return true;
	}
}

static bool
read_options(struct settings *s, int argc, char **argv)
{
	int letter;

	s->wait_s = SENDMAIL_WAIT_S;
	opterr = 0;
	while ((letter = getopt(argc, argv, option_letters)) != -1) {
		if (take_option(s, letter, optarg))
			continue;
		if (letter == 'q')
			(void)fputs(
			    "sendmail: -q: the daemon runs its queue by itself; see posternctl schedule\n", stderr);
		else if (letter == '?')
			(void)fprintf(stderr, "sendmail: -%c: unknown, or without its argument\n", optopt);
		else
			(void)fprintf(stderr, "sendmail: -%c: the argument is none\n", letter);
		return false;
	}
	return true;
}

/* --- who we are --- */

/* The first part of GECOS, "&" standing for the login name. */
static void
set_own_name(struct settings *s, const char *gecos)
{
	size_t len = 0;

	for (; *gecos != '\0' && *gecos != ',' && len < NAME_MAX_BYTES; gecos++) {
		if (*gecos != '&') {
			s->own_name[len++] = *gecos;
			continue;
		}
		len += strlcpy(s->own_name + len, s->user, sizeof(s->own_name) - len);
		len = len < NAME_MAX_BYTES ? len : NAME_MAX_BYTES;
	}
	s->own_name[len] = '\0';
}

static void
find_out(struct settings *s)
{
	const struct passwd *user = getpwuid(getuid());

	if (!hostname_get(s->host, sizeof(s->host)))
		(void)strlcpy(s->host, "localhost", sizeof(s->host));
	if (user != NULL) {
		(void)strlcpy(s->user, user->pw_name, sizeof(s->user));
		set_own_name(s, user->pw_gecos == NULL ? "" : user->pw_gecos);
	} else {
		(void)snprintf(s->user, sizeof(s->user), "uid-%u", getuid());
	}
	(void)runtime_path("submit.sock", s->socket);
}

/* Control bytes in a name would be lines of the header. */
static void
clean_name(const char *name, char dst[NAME_MAX_BYTES + 1])
{
	size_t len = 0;

	for (; *name != '\0' && len < NAME_MAX_BYTES; name++)
		if ((unsigned char)*name >= ' ' && *name != 0x7f)
			dst[len++] = *name;
	dst[len] = '\0';
}

/* The reverse-path to path; s->address is what From: gets. */
static bool
set_sender(struct settings *s, char path[ADDRESS_MAX + 1], struct error *err)
{
	struct str given = str_of(s->sender == NULL ? s->user : s->sender);
	struct address address = { .null = true };

	path[0] = '\0';
	if (given.len > 1 && given.ptr[0] == '<' && given.ptr[given.len - 1] == '>')
		given = (struct str){ given.ptr + 1, given.len - 2 };
	if (given.len > 0 && !address_parse(given, ADDRESS_LOCAL_ONLY_ALLOWED, &address, err))
		return false;
	if (!address.null && address.domain[0] == '\0')
		(void)strlcpy(address.domain, s->host, sizeof(address.domain));
	if (!address.null)
		(void)address_format(&address, path);
	if (address.null) /* a bounce has an author all the same */
		(void)snprintf(s->address, sizeof(s->address), "MAILER-DAEMON@%s", s->host);
	else
		(void)strlcpy(s->address, path, sizeof(s->address));
	return true;
}

/* --- sending --- */

static int
exit_code(enum submitted result, const struct submit_report *report)
{
	switch (result) {
	case SUBMITTED:
		if (report->refused == 0)
			return EX_OK;
		break;
	case SUBMITTED_NOT_NOW: return EX_TEMPFAIL;
	case SUBMITTED_BROKEN_INPUT: return EX_IOERR;
	case SUBMITTED_REFUSED: break;
	}
	if (report->refused_for_now > 0)
		return EX_TEMPFAIL;
	return report->unknown > 0 && report->unknown == report->refused ? EX_NOUSER : EX_UNAVAILABLE;
}

static int
send_it(struct settings *s, const struct recipients *to, struct header *header, struct source *input)
{
	char sender[ADDRESS_MAX + 1], name[NAME_MAX_BYTES + 1];
	struct submit_report report = { 0 };
	struct header_origin origin = { .address = s->address, .full_name = name, .host = s->host };
	struct error err = { .text = "" };
	enum submitted result;

	if (!set_sender(s, sender, &err)) {
		(void)fprintf(stderr, "sendmail: sender: ");
		return fail(EX_DATAERR, err.text);
	}
	clean_name(s->full_name != NULL ? s->full_name : s->sender == NULL ? s->own_name : "", name);
	origin.now_s = time(NULL);
	arc4random_buf(&origin.random, sizeof(origin.random));
	if (!s->plain)
		header_complete(header, &origin);
	result = submit(&(const struct submission){ .socket = s->socket,
			    .helo = s->host,
			    .sender = sender,
			    .to = to,
			    .header = header,
			    .body = input,
			    .dot_ends = !s->dot_is_text,
			    .verbose = s->verbose,
			    .wait_ms = (int64_t)s->wait_s * 1000,
			    .dsn_notify = s->dsn_notify,
			    .dsn_return = s->dsn_return,
			    .dsn_id = s->dsn_id },
	    &report, &err);
	if (result == SUBMITTED_NOT_NOW)
		(void)fprintf(stderr, "sendmail: the message was not taken, and is not kept; try again later\n");
	return result == SUBMITTED ? exit_code(result, &report) : fail(exit_code(result, &report), err.text);
}

/* Reads the input and its header; then recipients are known, and the daemon is spoken to. */
static int
deliver(struct settings *s, struct recipients *to, struct source *input)
{
	struct header header;
	struct error err;
	int code;

	if (!source_fill(input, &err))
		return fail(EX_IOERR, err.text);
	if (!header_read(&header, source_ahead(input), s->from_header ? to : NULL, &err))
		return fail(EX_DATAERR, err.text);
	source_skip(input, header.length);
	if (to->count == 0)
		code = fail(EX_USAGE, s->from_header ? "no recipients in the header" : "no recipients");
	else
		code = send_it(s, to, &header, input);
	header_clear(&header);
	return code;
}

static bool
take_arguments(struct recipients *to, int argc, char **argv, struct error *err)
{
	int i;

	for (i = optind; i < argc; i++) {
		struct error why;
		if (!recipients_add(to, str_of(argv[i]), &why))
			return error_set(err, ERROR_PERMANENT, "%.100s: %s", argv[i], why.text);
	}
	return true;
}

static int
deliver_to(struct settings *s, int argc, char **argv)
{
	struct recipients to = { 0 };
	struct source input;
	struct error err;
	int code;

	if (optind == argc && !s->from_header)
		return usage(stderr, fail(EX_USAGE, "no recipients: neither -t nor an address"));
	source_init(&input, STDIN_FILENO);
	if (take_arguments(&to, argc, argv, &err))
		code = deliver(s, &to, &input);
	else
		code = fail(EX_DATAERR, err.text);
	recipients_clear(&to);
	source_clear(&input);
	return code;
}

static int
show_mailq(void)
{
	char socket[RUNTIME_PATH_MAX + 1];
	struct options options = { .socket = runtime_path("control.sock", socket) };

	return show_queue(&options, NULL);
}

int
sendmail(int argc, char **argv)
{
	struct settings s = { .mode = MODE_DELIVER };
	struct error err;

	tzset();
	if (!read_options(&s, argc, argv))
		return usage(stderr, EX_USAGE);
	if (s.help)
		return usage(stdout, EX_OK);
	find_out(&s);
	switch (s.mode) {
	case MODE_QUEUE: return show_mailq();
	case MODE_ALIASES: return sendmail_newaliases();
	case MODE_DELIVER: return deliver_to(&s, argc, argv);
	case MODE_SMTP: break;
	}
	if (!submit_pass_through(s.socket, (int64_t)s.wait_s * 1000, STDIN_FILENO, STDOUT_FILENO, &err))
		return fail(EX_TEMPFAIL, err.text);
	return EX_OK;
}

int
sendmail_newaliases(void)
{
	(void)puts("Nothing to build: postern reads its aliases itself, at its start. After a change restart it;\n"
		   "posternd -n checks the configuration.");
	return EX_OK;
}
