/* SPDX-License-Identifier: ISC */
#include "parent/logging.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/sandbox.h"
#include "parent/backoff.h"
#include "parent/daemon.h"
#include "parent/limits.h"

static const char syslog_path[] = "/dev/log";

static struct {
	bool foreground;
	const char *account;
	int fd;
	pid_t pump; /* -1: it has died */
	int64_t started_ms;
	struct backoff backoff;
	struct loop_timer restart;
	void (*changed)(void);
	dev_t syslog_device; /* of the socket connected to */
	ino_t syslog_inode;
} logging = { .fd = -1, .pump = -1 };

/* What is for the daemon is not for its pump, which writes the last lines of the others and ends when they have. */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGINT, SIGTERM, SIGHUP };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)sigaction(ignored[i], &ignore, NULL);
}

/* The pump has its pipe on 0 and stderr on 2, and may read the one, write the other and exit: nothing else. */
static _Noreturn void
pump(int from)
{
	static char block[65536];
	const struct passwd *account = logging.account == NULL ? NULL : getpwnam(logging.account);
	ssize_t n;

	(void)prctl(PR_SET_NAME, "log", 0, 0, 0);
	(void)setpgid(0, 0);
	ignore_signals();
	if (dup2(from, STDIN_FILENO) == -1)
		_exit(71);
	closefrom(3);
	if (account != NULL &&
	    (setgroups(0, NULL) == -1 || setresgid(account->pw_gid, account->pw_gid, account->pw_gid) == -1 ||
		setresuid(account->pw_uid, account->pw_uid, account->pw_uid) == -1))
		_exit(71);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 || !sandbox_copy_only(STDIN_FILENO, STDERR_FILENO))
		_exit(71);
	while ((n = read(STDIN_FILENO, block, sizeof(block))) > 0) {
		ssize_t done = 0;
		while (done < n) {
			ssize_t written = write(STDERR_FILENO, block + done, (size_t)(n - done));
			if (written <= 0)
				break; /* nobody reads: the lines are lost, the mail goes on */
			done += written;
		}
	}
	_exit(0);
}

static bool
start_pump(struct error *err)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return error_set(err, ERROR_TEMPORARY, "log: pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		pump(ends[0]);
	(void)close(ends[0]);
	if (pid == -1 || fcntl(ends[1], F_SETFL, O_NONBLOCK) == -1) {
		(void)close(ends[1]);
		return error_set(err, ERROR_TEMPORARY, "log: fork: %s", strerror(errno));
	}
	logging.fd = ends[1];
	logging.pump = pid;
	return true;
}

static bool
connect_syslog(struct error *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)strlcpy(to.sun_path, syslog_path, sizeof(to.sun_path));
	if (fd == -1 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) == -1 || stat(syslog_path, &st) == -1) {
		(void)error_set(err, ERROR_TEMPORARY, "log: %s: %s", syslog_path, strerror(errno));
		if (fd != -1)
			(void)close(fd);
		return false;
	}
	logging.fd = fd;
	logging.syslog_device = st.st_dev;
	logging.syslog_inode = st.st_ino;
	return true;
}

bool
logging_open(bool foreground, const char *pump_account, struct error *err)
{
	logging.foreground = foreground;
	logging.account = pump_account;
	if (!(foreground ? start_pump(err) : connect_syslog(err)))
		return false;
	log_init("posternd", logging.fd, postern.config->log_json ? LOG_JSON : LOG_TEXT, postern.level);
	return true;
}

int
logging_fd(void)
{
	return logging.fd;
}

static void
replaced(int old)
{
	log_set_fd(logging.fd);
	(void)close(old);
	logging.changed();
}

void
logging_check(void)
{
	struct stat st;
	int old = logging.fd;

	if (logging.foreground || stat(syslog_path, &st) == -1 ||
	    (st.st_dev == logging.syslog_device && st.st_ino == logging.syslog_inode))
		return;
	if (connect_syslog(NULL))
		replaced(old);
}

static void
restart(void *arg)
{
	int old = logging.fd;

	(void)arg;
	if (start_pump(NULL)) {
		logging.started_ms = loop_now_ms();
		replaced(old);
	} else {
		loop_timer_start(&logging.restart, PARENT_BACKOFF_MAX_MS);
	}
}

void
logging_watch(void (*changed)(void))
{
	logging.changed = changed;
	logging.started_ms = loop_now_ms();
	loop_timer_init(&logging.restart, restart, NULL);
}

/* Until there is another, all lines are lost, and counted: each process tells how many. */
void
logging_died(pid_t pid)
{
	if (pid != logging.pump)
		return;
	logging.pump = -1;
	loop_timer_start(&logging.restart, backoff_after_death(&logging.backoff, loop_now_ms() - logging.started_ms));
}

void
logging_close(void)
{
	log_flush();
	log_set_fd(STDERR_FILENO);
	(void)close(logging.fd);
	if (logging.pump != -1)
		while (waitpid(logging.pump, NULL, 0) == -1 && errno == EINTR)
			continue;
}
