/* SPDX-License-Identifier: ISC */
#include "queue/offline.h"

#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox.h"
#include "queue/arrival.h"
#include "queue/export.h"
#include "queue/restore.h"
#include "queue/salvage.h"

enum { MS = 1000, NS_PER_MS = 1000000, OUT_SIZE = 65536, MINUTE = 60, HOUR = 3600, DAY = 86400 };

#define ACCOUNT        "_posternq"
#define SIZE_MAX_LEAST ((uint64_t)64 << 30)

bool
offline_is_asked(int argc, char **argv)
{
	return argc > 1 && strcmp(argv[1], "-C") == 0;
}

int
offline_refuse(const struct error *err)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "queue: %s\n", err->text);
	return OFFLINE_REFUSED;
}

/* --- the spool, and what is given up before it is opened --- */

/* The place of a spool that is to be made: as the parent makes it. */
static bool
make_spool(const char *spool, struct error *err)
{
	const struct passwd *account = geteuid() == 0 ? getpwnam(ACCOUNT) : NULL;

	if (mkdir(spool, 0700) == -1)
		return errno == EEXIST ||
		    error_set(err, ERROR_PERMANENT, "%s: cannot be made: %s", spool, strerror(errno));
	if (account != NULL && chown(spool, account->pw_uid, account->pw_gid) == -1)
		return error_set(
		    err, ERROR_PERMANENT, "%s: cannot be given to %s: %s", spool, ACCOUNT, strerror(errno));
	return true;
}

/* Whose the spool is: of its file, or where there is none yet, and may be none, of the directory. */
static bool
look(struct offline *o, bool may_be_new, struct stat *st, struct error *err)
{
	char path[sizeof(o->dir) + sizeof("/data.mdb")];

	if (strlcpy(o->dir, o->spool, sizeof(o->dir)) >= sizeof(o->dir))
		return error_set(err, ERROR_PERMANENT, "%s: too long a path", o->spool);
	(void)snprintf(path, sizeof(path), "%s/data.mdb", o->dir);
	if (stat(path, st) == 0) {
		if (!S_ISREG(st->st_mode))
			return error_set(err, ERROR_PERMANENT, "%s: expected the file of a store", path);
		o->size_max = (uint64_t)st->st_size > SIZE_MAX_LEAST ? (uint64_t)st->st_size : SIZE_MAX_LEAST;
		return true;
	}
	if (!may_be_new || errno != ENOENT)
		return error_set(err, ERROR_PERMANENT, "%s: expected the file of a store: %s", path, strerror(errno));
	o->size_max = SIZE_MAX_LEAST;
	if (!make_spool(o->spool, err))
		return false;
	return stat(o->spool, st) == 0 || error_set(err, ERROR_PERMANENT, "%s: %s", o->spool, strerror(errno));
}

/* Where the spool is not the account's, as in a try-out, root becomes whoever it belongs to. */
static bool
become_owner(const struct stat *st, struct error *err)
{
	if (geteuid() != 0 || st->st_uid == 0)
		return true;
	if (setgroups(0, NULL) == -1 || setresgid(st->st_gid, st->st_gid, st->st_gid) == -1 ||
	    setresuid(st->st_uid, st->st_uid, st->st_uid) == -1)
		return error_set(err, ERROR_PERMANENT, "cannot become uid %u: %s", st->st_uid, strerror(errno));
	return true;
}

static bool
confine(struct offline *o, const struct stat *st, struct error *err)
{
	const struct passwd *account = geteuid() == 0 ? getpwnam(ACCOUNT) : NULL;
	struct sandbox_place place = { .beneath = o->dir, .writes_files = true };

	if (account == NULL || account->pw_uid != st->st_uid)
		return become_owner(st, err) && sandbox_drop(&place, false, err);
	place = (struct sandbox_place){ .root = o->spool, .account = ACCOUNT, .beneath = "/", .writes_files = true };
	if (!sandbox_drop(&place, true, err))
		return false;
	(void)strlcpy(o->dir, "/", sizeof(o->dir));
	return true;
}

struct store *
offline_open(const struct offline *o)
{
	const struct store_options options = { .size_max = o->size_max, .replay = arrival_replay, .name = o->spool };
	struct error err;
	struct store *store = store_open(o->dir, &options, &err);

	if (store != NULL && sandbox_filter(PROTO_KIND_QUEUE, &err))
		return store;
	store_close(store);
	(void)offline_refuse(&err);
	return NULL;
}

/* --- check --- */

static void
report(void *arg, const char *text)
{
	(void)arg;
	(void)printf("%s\n", text);
}

static int
check(const struct offline *o)
{
	struct store *store = offline_open(o);
	struct store_txn *txn;
	struct error err;
	uint64_t wrong;

	if (store == NULL)
		return OFFLINE_REFUSED;
	txn = store_read(store, &err);
	if (txn == NULL) {
		store_close(store);
		return offline_refuse(&err);
	}
	wrong = store_check(txn, report, NULL);
	store_read_end(txn);
	store_close(store);
	(void)printf("%s: %" PRIu64 " %s\n", o->spool, wrong, wrong == 1 ? "finding" : "findings");
	return wrong == 0 ? OFFLINE_OK : OFFLINE_FINDINGS;
}

/* --- restore --- */

static const struct {
	uint64_t seconds;
	const char *name;
} units[] = { { DAY, "day" }, { HOUR, "hour" }, { MINUTE, "minute" }, { 1, "second" } };

/* "2 days 5 hours", in the two largest units. */
static void
print_age(uint64_t seconds)
{
	size_t i, shown = 0;

	for (i = 0; i < sizeof(units) / sizeof(units[0]) && shown < 2; i++) {
		const uint64_t n = seconds / units[i].seconds;
		if (n == 0 && (shown == 0 && units[i].seconds > 1))
			continue;
		(void)printf("%s%" PRIu64 " %s%s", shown++ > 0 ? " " : "", n, units[i].name, n == 1 ? "" : "s");
		seconds %= units[i].seconds;
	}
}

static void
print_restored(const struct restored *r, uint64_t now_ms)
{
	const struct {
		uint64_t count;
		const char *text;
	} rows[] = {
		{ r->again, "messages were restored before: passed over" },
		{ r->queued, "messages are still in the queue: passed over" },
		{ r->ended, "recipients have left the queue since: passed over" },
		{ r->damaged, "messages are not whole in the backup: not restored" },
	};
	size_t i;

	(void)printf("the backup is ");
	print_age(now_ms > r->created_ms ? (now_ms - r->created_ms) / MS : 0);
	(void)printf(" old; what was delivered since, by the machine it was taken from, is delivered again\n");
	(void)printf("restored: %" PRIu64 " messages, %" PRIu64 " recipients%s\n", r->messages, r->recipients,
	    r->as_it_was ? ", and the history" : "");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].count > 0)
			(void)printf("%" PRIu64 " %s\n", rows[i].count, rows[i].text);
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * MS + (uint64_t)now.tv_nsec / NS_PER_MS;
}

static int
restore(const struct offline *o)
{
	const struct restore_options options = { .merge = o->merge, .now_ms = now_ms() };
	struct store *store = offline_open(o);
	struct restored done;
	struct error err;
	bool ok;

	if (store == NULL)
		return OFFLINE_REFUSED;
	ok = restore_run(store, STDIN_FILENO, &options, &done, &err);
	store_close(store);
	if (ok || done.messages > 0)
		print_restored(&done, options.now_ms);
	if (ok)
		return done.damaged > 0 ? OFFLINE_FINDINGS : OFFLINE_OK;
	(void)offline_refuse(&err);
	return done.messages > 0 ? OFFLINE_FINDINGS : OFFLINE_REFUSED;
}

/* --- export --- */

static int
export_mail_of(const struct offline *o)
{
	return o->salvage ? salvage_run(o) : export_run(o);
}

/* --- the command line --- */

static const struct {
	const char *name;
	int (*run)(const struct offline *o);
	bool may_be_new; /* the spool is made where there is none */
} works[] = {
	{ "check", check, false },
	{ "export", export_mail_of, false },
	{ "restore", restore, true },
};

enum { WORKS = sizeof(works) / sizeof(works[0]) };

static int
usage(void)
{
	(void)fputs("usage: queue -C check|export|restore [-dmS] [-s spool]\n", stderr);
	return OFFLINE_REFUSED;
}

/* What is written is not asked whether it is a terminal: that call is not on the list. */
static void
prepare(const char *spool)
{
	static char out[OUT_SIZE];

	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)setvbuf(stdout, out, _IOFBF, sizeof(out));
	(void)sigaction(SIGPIPE, &ignore, NULL);
	tzset();
	log_init("queue", STDERR_FILENO, LOG_TEXT, LOG_WARNING);
	sandbox_log_to(STDERR_FILENO, "queue");
	store_sigbus_install(STDERR_FILENO, "queue", spool);
}

int
offline_run(int argc, char **argv)
{
	struct offline o = { .spool = "/var/spool/postern" };
	const char *name = "";
	struct error err;
	struct stat st;
	size_t i;
	int option, code;

	while ((option = getopt(argc, argv, "C:dms:S")) != -1) {
		switch (option) {
		case 'C': name = optarg; break;
		case 'd': o.files = true; break;
		case 'm': o.merge = true; break;
		case 's': o.spool = optarg; break;
		case 'S': o.salvage = true; break;
		default: return usage();
		}
	}
	for (i = 0; i < WORKS && strcmp(works[i].name, name) != 0; i++)
		continue;
	if (i == WORKS || optind != argc)
		return usage();
	prepare(o.spool);
	if (!look(&o, works[i].may_be_new, &st, &err) || !confine(&o, &st, &err))
		return offline_refuse(&err);
	code = works[i].run(&o);
	return fflush(stdout) == 0 ? code : OFFLINE_FINDINGS;
}
