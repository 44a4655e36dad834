/* SPDX-License-Identifier: ISC */
/* The utility: posternctl, and by other names sendmail, mailq and newaliases. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/str.h"
#include "common/version.h"
#include "ctl/backup.h"
#include "ctl/change.h"
#include "ctl/command.h"
#include "ctl/destinations.h"
#include "ctl/filter.h"
#include "ctl/format.h"
#include "ctl/history.h"
#include "ctl/monitor.h"
#include "ctl/offline.h"
#include "ctl/runtime.h"
#include "ctl/sendmail.h"
#include "ctl/show.h"

/* clang-format off */
static const struct command commands[] = {
	{ "show status",   "",         "whether mail is taken and delivered, and how much",      show_status,        TAKES_NONE },
	{ "show queue",    "",         "a line for each envelope (--by age, --by destination)",   show_queue,         TAKES_FILTERS },
	{ "show envelope", "ID",       "all about the envelopes of a message, and why they wait", show_envelope,      TAKES_NONE },
	{ "show message",  "ID",       "the text of a message (--raw: its very bytes)",           show_message,       TAKES_NONE },
	{ "show stats",    "",         "all counters",                                            show_stats,         TAKES_NONE },
	{ "show destinations", "",     "what waits for each (--down, --waiting N)",               show_destinations,  TAKES_NONE },
	{ "monitor",       "",         "counters, live (-n COUNT, -i SECONDS)",                   monitor,            TAKES_NONE },
	{ "backup",        "FILE",     "a copy of the running queue; - is standard output",       backup,             TAKES_NONE },
	{ "why",           "ID [RECIPIENT]", "what was tried, and what it waits for; also when it is gone", history_why, TAKES_NONE },
	{ "history",       "[ID]",     "what happened (--event, --since, --host ..., -n COUNT)",  history_show,       TAKES_HISTORY },
	{ "schedule",      "[ID|all]", "try now to deliver",                                      change_schedule,    TAKES_FILTERS_DRY_RUN },
	{ "hold",          "[ID|all]", "do not deliver until it is released",                     change_hold,        TAKES_FILTERS_DRY_RUN },
	{ "release",       "[ID|all]", "deliver what was held",                                   change_release,     TAKES_FILTERS_DRY_RUN },
	{ "requeue",       "[ID|all]", "decide anew where it goes, by the rules of today",        change_requeue,     TAKES_FILTERS_DRY_RUN },
	{ "bounce",        "[ID|all]", "give up now, and tell the sender",                        change_bounce,      TAKES_FILTERS_DRY_RUN },
	{ "remove",        "[ID|all]", "take out of the queue, without a bounce",                 change_remove,      TAKES_FILTERS_DRY_RUN },
	{ "pause mda",     "",         "no deliveries to users of this machine",                  change_pause_mda,   TAKES_NONE },
	{ "pause mta",     "",         "no deliveries to other hosts",                            change_pause_mta,   TAKES_NONE },
	{ "pause smtp",    "",         "accept no connections",                                   change_pause_smtp,  TAKES_NONE },
	{ "resume mda",    "",         "deliver to users again",                                  change_resume_mda,  TAKES_NONE },
	{ "resume mta",    "",         "deliver to other hosts again",                            change_resume_mta,  TAKES_NONE },
	{ "resume smtp",   "",         "accept connections again",                                change_resume_smtp, TAKES_NONE },
	{ "suspend destination", "NAME [for TIME]", "hold back its mail",                        suspend_destination, TAKES_NONE },
	{ "resume destination", "NAME", "deliver it again",                                       resume_destination, TAKES_NONE },
	{ "log brief",     "",         "log what happens to mail",                                change_log_brief,   TAKES_NONE },
	{ "log verbose",   "",         "log everything",                                          change_log_verbose, TAKES_NONE },
	{ "check-spool",   "[DIR]",    "look for what is wrong with a spool that is not in use",  offline_check,      TAKES_NONE },
	{ "export",        "DIR|FILE", "all mail of a spool that is not in use (--spool, --salvage)", offline_export, TAKES_NONE },
	{ "restore",       "FILE",     "mail of a backup into a spool (--spool, --merge)",        offline_restore,    TAKES_NONE },
	{ "stop",          "",         "end the daemon",                                          change_stop,        TAKES_NONE },
};

static const struct option long_options[] = {
	{ "by",      required_argument, NULL, 'b' },
	{ "down",    no_argument, NULL, 'd' },
	{ "waiting", required_argument, NULL, 'w' },
	{ "dry-run", no_argument, NULL, 'y' },
	{ "json",    no_argument, NULL, 'j' },
	{ "raw",     no_argument, NULL, 'r' },
	{ "merge",   no_argument, NULL, 'm' },
	{ "salvage", no_argument, NULL, 'S' },
	{ "spool",   required_argument, NULL, 'D' },
	{ "help",    no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
};
/* clang-format on */

enum {
	COMMANDS = sizeof(commands) / sizeof(commands[0]),
	OPTIONS = sizeof(long_options) / sizeof(long_options[0]),
	MAILQ_WORDS_MAX = 32
};

static int
usage(FILE *out, int code)
{
	(void)fputs("usage: posternctl [-s SOCKET] [--json] COMMAND\n\n", out);
	command_help(commands, COMMANDS, out);
	(void)fputs("\nWords may be shortened. An ID is what show queue prints. Instead of, or beside one:", out);
	filter_help(out);
	(void)fputs("; a change takes --dry-run, too. For history:", out);
	history_options_help(out);
	(void)fputs(". See posternctl(8).\n", out);
	return code;
}

static bool
read_number(const char *text, uint64_t max, uint64_t *out)
{
	if (str_to_u64(str_of(text), max, out))
		return true;
	(void)fprintf(stderr, "posternctl: expected a number up to %llu\n", (unsigned long long)max);
	return false;
}

static bool
read_filter(struct options *options, int letter, const char *text)
{
	struct error err;

	if (filter_take(&options->query, letter, text, &err))
		return true;
	(void)fprintf(stderr, "posternctl: %s\n", err.text);
	return false;
}

static int
control(int argc, char **argv)
{
	struct option all[OPTIONS + FILTERS_MAX + HISTORY_OPTIONS_MAX + 1] = { 0 };
	char socket[RUNTIME_PATH_MAX + 1];
	struct options options = {
		.socket = runtime_path("control.sock", socket), .interval_s = 1, .spool = "/var/spool/postern"
	};
	int letter;

	memcpy(all, long_options, sizeof(long_options));
	history_options_put(all + OPTIONS + filter_options(all + OPTIONS));
	while ((letter = getopt_long(argc, argv, "s:n:i:jh", all, NULL)) != -1) {
		if (letter >= HISTORY_OPTION) {
			if (!history_options_take(&options.history, letter, optarg))
				return COMMAND_USAGE;
			continue;
		}
		if (letter >= FILTER_OPTION) {
			if (!read_filter(&options, letter, optarg))
				return COMMAND_USAGE;
			continue;
		}
		switch (letter) {
		case 'y': options.dry_run = true; break;
		case 's': options.socket = optarg; break;
		case 'j': options.json = true; break;
		case 'r': options.raw = true; break;
		case 'm': options.merge = true; break;
		case 'S': options.salvage = true; break;
		case 'D': options.spool = optarg; break;
		case 'b': options.by = optarg; break;
		case 'd': options.down = true; break;
		case 'w':
			if (!read_number(optarg, INT64_MAX, &options.waiting))
				return COMMAND_USAGE;
			break;
		case 'n':
			if (!read_number(optarg, INT32_MAX, &options.count))
				return COMMAND_USAGE;
			break;
		case 'i':
			if (!read_number(optarg, 86400, &options.interval_s))
				return COMMAND_USAGE;
			break;
		case 'h': return usage(stdout, COMMAND_OK);
		case 'V': (void)printf("posternctl %s\n", POSTERN_VERSION); return COMMAND_OK;
		default: return usage(stderr, COMMAND_USAGE);
		}
	}
	if (optind == argc)
		return usage(stderr, COMMAND_USAGE);
	return command_run(commands, COMMANDS, &options, (const char *const *)argv + optind, (size_t)(argc - optind));
}

/* `posternctl show queue` with the options that were given. */
static int
mailq(int argc, char **argv)
{
	static char show[] = "show", queue[] = "queue";
	char *words[MAILQ_WORDS_MAX + 3] = { argv[0], show, queue };
	int i;

	if (argc > MAILQ_WORDS_MAX)
		return usage(stderr, COMMAND_USAGE);
	for (i = 1; i < argc; i++)
		words[i + 2] = argv[i];
	return control(argc + 2, words);
}

int
main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = argc == 0 ? "posternctl" : slash == NULL ? argv[0] : slash + 1;

	runtime_init();
	log_init("posternctl", STDERR_FILENO, LOG_TEXT, LOG_WARNING);
	if (strcmp(name, "sendmail") == 0)
		return sendmail(argc, argv);
	if (strcmp(name, "mailq") == 0)
		return mailq(argc, argv);
	if (strcmp(name, "newaliases") == 0)
		return sendmail_newaliases();
	return control(argc, argv);
}
