/* SPDX-License-Identifier: ISC */
/* posternd(8): reads the configuration, binds, starts the family, and stays as the one process with root's rights. */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/bounce_template.h"
#include "common/loop.h"
#include "common/version.h"
#include "parent/daemon.h"
#include "parent/family.h"
#include "parent/listen.h"
#include "parent/logging.h"
#include "parent/oom.h"
#include "parent/place.h"

struct daemon postern;

struct options {
	const char *file;
	bool check;
	bool foreground;
	bool trace;
	unsigned verbose;
	struct config_text *text;
};

static _Noreturn void
usage(void)
{
	(void)fprintf(stderr, "usage: posternd [-dnvV] [-D name=value] [-f file] [-T proto]\n");
	exit(EX_USAGE);
}

/* -f has to be known before the first -D can be kept, so the options are read twice. */
static struct options
read_options(int argc, char **argv)
{
	static const char letters[] = "D:dnf:T:vV";
	struct options o = { .file = "/etc/postern/postern.conf" };
	struct error error;
	int c;

	while ((c = getopt(argc, argv, letters)) != -1) {
		switch (c) {
		case 'D': break;
		case 'd': o.foreground = true; break;
		case 'f': o.file = optarg; break;
		case 'n': o.check = true; break;
		case 'T':
			if (strcmp(optarg, "proto") != 0)
				errx(EX_USAGE, "-T %s: expected proto", optarg);
			o.trace = true;
			break;
		case 'v': o.verbose++; break;
		case 'V': (void)printf("postern %s\n", POSTERN_VERSION); exit(EX_OK);
		default: usage();
		}
	}
	if (optind != argc)
		usage();
	o.text = config_text_new(o.file);
	optind = 1;
	while ((c = getopt(argc, argv, letters)) != -1)
		if (c == 'D' && !config_text_define(o.text, optarg, &error))
			errx(EX_USAGE, "-D %s: %s", optarg, error.text);
	return o;
}

static void
print_report(void *arg, bool warning, const char *text)
{
	(void)arg;
	(void)fprintf(stderr, "%s%s\n", text, warning ? " (warning)" : "");
}

/* The queue reads it for itself; here a mistake in it is told before anything is started. */
static void
check_template(const char *path)
{
	struct bounce_template template;
	struct error error;

	if (path == NULL)
		return;
	if (!bounce_template_read(path, &template, &error)) {
		print_report(NULL, false, error.text);
		exit(EX_CONFIG);
	}
	bounce_template_clear(&template);
}

/* Reads, parses, checks; explains what is wrong on stderr and exits. */
static void
read_configuration(struct options *o)
{
	struct config *config = config_parse(o->text, print_report, NULL);

	if (config == NULL || !config_check_supported(config, print_report, NULL))
		exit(EX_CONFIG);
	check_template(config->bounce_template);
	buf_init(&postern.config_whole, (size_t)2 * CONFIG_TEXT_MAX);
	buf_init(&postern.config_blanked, (size_t)2 * CONFIG_TEXT_MAX);
	if (!config_text_encode(o->text, CONFIG_VIEW_WHOLE, &postern.config_whole) ||
	    !config_text_encode(o->text, CONFIG_VIEW_BLANKED, &postern.config_blanked))
		errx(EX_CONFIG, "%s: larger than %d bytes", o->file, CONFIG_TEXT_MAX);
	config_text_free(o->text);
	postern.config = config;
	if (!o->check)
		return;
	(void)fprintf(stderr, "configuration OK\n");
	exit(EX_OK);
}

/* Nothing of who started us reaches the processes: no environment, no descriptor, no mask; and as many files as allowed. */
static void
leave_surroundings(void)
{
	struct rlimit files;
	int fd;

	(void)umask(077);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	while ((fd = open("/dev/null", O_RDWR)) != -1 && fd < 3)
		continue; /* 0, 1 and 2 exist from here on */
	if (fd == -1)
		err(EX_OSERR, "/dev/null");
	(void)close(fd);
	if (chdir("/") == -1)
		err(EX_OSERR, "/");
	/* Before the next line takes the file away from an ordinary user. */
	oom_take_rank(PROTO_KIND_PARENT);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Who is woken waits until who woke it is done: several messages are then taken in one turn (HACKING). */
	(void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ 0 });
}

/* After the listeners took what systemd passed. */
static void
clear_environment(void)
{
	if (clearenv() != 0 || setenv("TZ", ":/etc/localtime", 1) == -1)
		errx(EX_OSERR, "out of memory");
	tzset();
}

static void
make_keys(void)
{
	arc4random_buf(postern.ticket_key, sizeof(postern.ticket_key));
	arc4random_buf(postern.statement_key, sizeof(postern.statement_key));
	postern.statements = seal_new((struct str){ postern.statement_key, sizeof(postern.statement_key) });
}

static void
on_terminate(void *arg)
{
	log_notice("stopping", log_text(LOG_FIELD_reason, arg));
	family_stop();
}

static void
on_child(void *arg)
{
	(void)arg;
	family_reap();
}

static void
watch_signals(void)
{
	static char term[] = "SIGTERM", interrupt[] = "SIGINT";
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	loop_signal(SIGTERM, on_terminate, term);
	loop_signal(SIGINT, on_terminate, interrupt);
	loop_signal(SIGCHLD, on_child, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGHUP, &ignore, NULL);
}

static void
announce(void)
{
	size_t count, i;
	const struct listen_socket *sockets = listen_sockets(&count);

	for (i = 0; i < count; i++)
		log_notice("listening", log_text(LOG_FIELD_listener, sockets[i].name));
	log_notice("started", log_text(LOG_FIELD_version, POSTERN_VERSION));
	if (!postern.privileged)
		log_warning("not-root",
		    log_text(LOG_FIELD_reason, "uid and chroot confinement are off; seccomp and Landlock are on"));
}

static void
start(const struct options *o)
{
	struct error error;

	postern.privileged = geteuid() == 0;
	postern.foreground = o->foreground;
	postern.trace_proto = o->trace;
	postern.level = o->verbose > 0 || o->trace ? LOG_TRACE : LOG_INFO;
	leave_surroundings();
	if (!spawn_prepare(&error) ||
	    !place_prepare(postern.config->spool, postern.config->runtime, postern.privileged, &error) ||
	    !listen_open(postern.config, &error))
		errx(EX_CONFIG, "%s", error.text);
	clear_environment();
	if (!o->foreground && daemon(1, 0) == -1)
		err(EX_OSERR, "daemon");
	place_note_pid();
	if (!logging_open(o->foreground, postern.privileged ? "_postern" : NULL, &error))
		errx(EX_UNAVAILABLE, "%s", error.text);
	make_keys();
	loop_init();
	watch_signals();
	if (!family_start(announce, &error)) {
		log_error("cannot-start", log_text(LOG_FIELD_error, error.text));
		family_kill_all();
		exit(EX_OSERR);
	}
}

int
main(int argc, char **argv)
{
	struct options options = read_options(argc, argv);

	read_configuration(&options);
	start(&options);
	loop_run();
	family_kill_all();
	listen_close();
	log_notice("stopped", log_text(LOG_FIELD_version, POSTERN_VERSION));
	logging_close();
	return family_failed() ? EX_CONFIG : EX_OK;
}
