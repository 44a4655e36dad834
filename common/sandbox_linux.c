/* SPDX-License-Identifier: ISC */
#include "common/sandbox.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/sandbox_calls.h"

/* clang-format off */
enum kind_set {
#define K(NAME, name) NAME = 1 << PROTO_KIND_##NAME,
	PROTO_KINDS(K)
#undef K
	ALL = 0xffff,
};

static const struct {
	const char *name;
	int number;
	unsigned kinds;
} allowed[] = {
#define C(call, kinds, reason) { #call, SCMP_SYS(call), kinds },
	SANDBOX_CALLS(C)
#ifdef POSTERN_SANITIZE
	SANDBOX_CALLS_SANITIZER(C)
#endif
#undef C
};

static const struct {
	int call;
	unsigned argument;
	uint32_t value;
	unsigned kinds;
} arguments[] = {
#define A(call, argument, value, kinds, reason) { SCMP_SYS(call), argument, value, kinds },
	SANDBOX_ARGUMENTS(A)
#ifdef POSTERN_SANITIZE
	SANDBOX_ARGUMENTS_SANITIZER(A)
#endif
#undef A
};

/* Nothing that is not TCP or UDP: multipath TCP would go round the ports that Landlock allows. */
static const struct {
	unsigned kinds;
	uint32_t family;
	uint32_t type;
	uint32_t protocol;
} sockets[] = {
	{ RELAY | RESOLVER, AF_INET,  SOCK_STREAM, 0 },
	{ RELAY | RESOLVER, AF_INET,  SOCK_STREAM, IPPROTO_TCP },
	{ RELAY | RESOLVER, AF_INET6, SOCK_STREAM, 0 },
	{ RELAY | RESOLVER, AF_INET6, SOCK_STREAM, IPPROTO_TCP },
	{ RESOLVER,         AF_INET,  SOCK_DGRAM,  0 },
	{ RESOLVER,         AF_INET,  SOCK_DGRAM,  IPPROTO_UDP },
	{ RESOLVER,         AF_INET6, SOCK_DGRAM,  0 },
	{ RESOLVER,         AF_INET6, SOCK_DGRAM,  IPPROTO_UDP },
	{ USERDB,           AF_UNIX,  SOCK_STREAM, 0 },
	{ USERDB,           AF_UNIX,  SOCK_DGRAM,  0 },
};

static const int killed[] = {
#define C(call) SCMP_SYS(call),
	SANDBOX_KILLED(C)
#undef C
};
/* clang-format on */

enum { CALLS_MAX = 512 };

/* What the kernel looks at of an argument that is an int; the upper half may be anything. */
static const uint64_t INT_BITS = UINT32_MAX;

static int log_descriptor = STDERR_FILENO;
static const char *log_name = "postern";
static char *call_names[CALLS_MAX]; /* by number, made before the filter */

void
sandbox_log_to(int fd, const char *process_name)
{
	log_descriptor = fd;
	log_name = process_name;
}

void
sandbox_allow_port(struct sandbox_place *place, uint16_t port)
{
	size_t i;

	for (i = 0; i < place->connect_count; i++)
		if (place->connect[i] == port)
			return;
	if (place->connect_count == SANDBOX_PORTS_MAX)
		place->connect_any = true;
	else
		place->connect[place->connect_count++] = port;
}

/* --- first half --- */

static bool
limit(int resource, rlim_t value, const char *name, struct error *err)
{
	struct rlimit both = { value, value };

	if (setrlimit((__rlimit_resource_t)resource, &both) == -1)
		return error_set(err, ERROR_PERMANENT, "setrlimit %s: %s", name, strerror(errno));
	return true;
}

/* The bounding set shrinks only while we are root; without CAP_SETPCAP, as in some containers, it stays, and is moot. */
static void
drop_bounding_set(void)
{
	int capability;

	for (capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		(void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

static bool
become(const struct sandbox_place *place, struct error *err)
{
	const struct passwd *account = place->account == NULL ? NULL : getpwnam(place->account);

	if (place->account != NULL && account == NULL)
		return error_set(
		    err, ERROR_PERMANENT, "account %s: not on this machine (make deps creates it)", place->account);
	drop_bounding_set();
	if (place->root != NULL && (chroot(place->root) == -1 || chdir("/") == -1))
		return error_set(err, ERROR_PERMANENT, "chroot %s: %s", place->root, strerror(errno));
	if (account != NULL &&
	    (setgroups(0, NULL) == -1 || setresgid(account->pw_gid, account->pw_gid, account->pw_gid) == -1 ||
		setresuid(account->pw_uid, account->pw_uid, account->pw_uid) == -1))
		return error_set(err, ERROR_PERMANENT, "cannot become %s: %s", place->account, strerror(errno));
	if (account != NULL && account->pw_uid != 0 && setresuid(0, 0, 0) != -1)
		return error_set(err, ERROR_PERMANENT, "root came back after becoming %s", place->account);
	return true;
}

/* --- Landlock: what this kernel's version knows, of what is wanted --- */

/* Not in the headers of Linux 6.1; numbers of the kernel's interface. */
enum {
	LANDLOCK_NET_BIND_TCP = 1 << 0,
	LANDLOCK_NET_CONNECT_TCP = 1 << 1,
	LANDLOCK_RULE_PORT = 2,
	LANDLOCK_SCOPED_ABSTRACT_SOCKET = 1 << 0,
	LANDLOCK_SCOPED_SIGNAL = 1 << 1,
	LANDLOCK_FILES_1 = (1 << 13) - 1, /* all rights of the first version */
	LANDLOCK_FILES_REFER = 1 << 13,
	LANDLOCK_FILES_TRUNCATE = 1 << 14,
	LANDLOCK_FILES_IOCTL = 1 << 15,
	LANDLOCK_FILES_READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
};

struct landlock_rights {
	uint64_t files;
	uint64_t net;
	uint64_t scoped;
};

struct landlock_port {
	uint64_t allowed;
	uint64_t port;
};

static struct landlock_rights
landlock_known(long version)
{
	struct landlock_rights rights = { LANDLOCK_FILES_1, 0, 0 };

	if (version >= 2)
		rights.files |= LANDLOCK_FILES_REFER;
	if (version >= 3)
		rights.files |= LANDLOCK_FILES_TRUNCATE;
	if (version >= 4)
		rights.net = LANDLOCK_NET_BIND_TCP | LANDLOCK_NET_CONNECT_TCP;
	if (version >= 5)
		rights.files |= LANDLOCK_FILES_IOCTL;
	if (version >= 6)
		rights.scoped = LANDLOCK_SCOPED_ABSTRACT_SOCKET | LANDLOCK_SCOPED_SIGNAL;
	return rights;
}

static bool
allow_path(int ruleset, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights };
	bool ok;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd == -1)
		return errno == ENOENT;
	ok = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	(void)close(rule.parent_fd);
	return ok;
}

static bool
allow_all(int ruleset, const struct sandbox_place *place, struct landlock_rights known)
{
	static const char *const system_paths[] = { "/etc", "/usr", "/lib", "/run", "/var/lib" };
	size_t i;

	if (place->beneath != NULL &&
	    !allow_path(ruleset, place->beneath, known.files & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE))
		return false;
	for (i = 0; place->read_only_system && i < sizeof(system_paths) / sizeof(system_paths[0]); i++)
		if (!allow_path(ruleset, system_paths[i], known.files & LANDLOCK_FILES_READ))
			return false;
	for (i = 0; known.net != 0 && i < place->connect_count; i++) {
		struct landlock_port rule = { LANDLOCK_NET_CONNECT_TCP, place->connect[i] };
		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PORT, &rule, 0) != 0)
			return false;
	}
	return true;
}

static bool
enter_landlock(const struct sandbox_place *place, struct error *err)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_rights rights;
	long ruleset;
	bool ok;

	if (version < 1 || (version < 2 && place->beneath != NULL))
		return true; /* none, or one that forbids every rename to another directory: the other walls remain */
	rights = landlock_known(version);
	if (place->connect_any)
		rights.net &= ~(uint64_t)LANDLOCK_NET_CONNECT_TCP;
	ruleset = syscall(SYS_landlock_create_ruleset, &rights,
	    version >= 6       ? sizeof(rights)
		: version >= 4 ? 2 * sizeof(uint64_t)
			       : sizeof(uint64_t),
	    0);
	if (ruleset == -1)
		return error_set(err, ERROR_PERMANENT, "landlock: %s", strerror(errno));
	ok = allow_all((int)ruleset, place, rights) && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	if (!ok)
		(void)error_set(err, ERROR_PERMANENT, "landlock: %s", strerror(errno));
	(void)close((int)ruleset);
	return ok;
}

bool
sandbox_drop(const struct sandbox_place *place, bool privileged, struct error *err)
{
	if (!limit(RLIMIT_CORE, 0, "core", err) || (!place->writes_files && !limit(RLIMIT_FSIZE, 0, "fsize", err)))
		return false;
	if (privileged && !become(place, err))
		return false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return error_set(err, ERROR_PERMANENT, "prctl: %s", strerror(errno));
	return enter_landlock(place, err);
}

/* --- second half --- */

static char *
put_text(char *at, const char *text)
{
	while (*text != '\0')
		*at++ = *text++;
	return at;
}

/*
 * Names the refused call with nothing but write(2), then makes a call that the filter kills the process for, so that the
 * parent sees SIGSYS. kill(0, 0) would do nothing, were the filter not there.
 */
static void
name_refused_call(int number, siginfo_t *info, void *context)
{
	char line[256];
	char *end = line;
	int call = info->si_syscall;

	(void)number;
	(void)context;
	end = put_text(end, log_name);
	end = put_text(end, ": event=refused-call level=error process=");
	end = put_text(end, log_name);
	end = put_text(end, " syscall=");
	end = put_text(end, call >= 0 && call < CALLS_MAX && call_names[call] != NULL ? call_names[call] : "unknown");
	*end++ = '\n';
	(void)!write(log_descriptor, line, (size_t)(end - line));
	(void)syscall(SYS_kill, 0, 0);
	_exit(70);
}

static void
learn_names(void)
{
	int call;

	for (call = 0; call < CALLS_MAX; call++)
		call_names[call] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
}

/* One condition on an argument of a call: (argument & mask) == value, or != value where the operator says so. */
static int
allow_if(scmp_filter_ctx filter, int call, unsigned argument, enum scmp_compare operator, uint64_t a, uint64_t b)
{
	struct scmp_arg_cmp condition = { argument, operator, a, b };

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition);
}

static int
allow_sockets(scmp_filter_ctx filter, enum proto_kind kind)
{
	int result = 0;
	size_t i;

	for (i = 0; i < sizeof(sockets) / sizeof(sockets[0]) && result == 0; i++) {
		struct scmp_arg_cmp all[] = { { 0, SCMP_CMP_MASKED_EQ, INT_BITS, sockets[i].family },
			{ 1, SCMP_CMP_MASKED_EQ, INT_BITS & ~(uint64_t)(SOCK_CLOEXEC | SOCK_NONBLOCK),
			    sockets[i].type },
			{ 2, SCMP_CMP_MASKED_EQ, INT_BITS, sockets[i].protocol } };
		if ((sockets[i].kinds & (1U << kind)) != 0)
			result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, all);
	}
	return result;
}

/* Allows the values that the table names for that kind. Returns 1 when it has none of that call. */
static int
allow_values(scmp_filter_ctx filter, enum proto_kind kind, int call)
{
	int result = 1;
	size_t i;

	for (i = 0; i < sizeof(arguments) / sizeof(arguments[0]) && result >= 0; i++)
		if (arguments[i].call == call && (arguments[i].kinds & (1U << kind)) != 0)
			result = allow_if(
			    filter, call, arguments[i].argument, SCMP_CMP_MASKED_EQ, INT_BITS, arguments[i].value);
	return result;
}

/* Adds an allowed call, with the condition on its arguments where it has one. Returns 0, or a negative errno. */
static int
allow_call(scmp_filter_ctx filter, enum proto_kind kind, int call)
{
	int result = allow_values(filter, kind, call);

	if (result != 1)
		return result;
	if (call == SCMP_SYS(mmap) || call == SCMP_SYS(mprotect))
		return allow_if(filter, call, 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	if (call == SCMP_SYS(rt_sigaction)) /* less and not unequal: 2^32 + SIGSYS is SIGSYS to the kernel */
		return allow_if(filter, call, 0, SCMP_CMP_LT, SIGSYS, 0);
	if (call == SCMP_SYS(socket))
		return allow_sockets(filter, kind);
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
}

static int
fill(scmp_filter_ctx filter, enum proto_kind kind)
{
	int result;
	size_t i;

	for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if ((allowed[i].kinds & (1U << kind)) == 0 || allowed[i].number < 0)
			continue; /* negative: a call that this architecture does not have */
		result = allow_call(filter, kind, allowed[i].number);
		if (result != 0 && result != -EEXIST)
			return result;
	}
	for (i = 0; i < sizeof(killed) / sizeof(killed[0]); i++) {
		result = killed[i] < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, killed[i], 0);
		if (result != 0)
			return result;
	}
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/*
 * As a list, without priorities: what is always allowed the kernel knows from a map (since 5.11) and runs no filter for; for
 * the rest a binary tree (SCMP_FLTATR_CTL_OPTIMIZE) made no difference that could be measured.
 */
static int
load(enum proto_kind kind)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int result = -ENOMEM;

	if (filter == NULL)
		return result;
	result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (result == 0)
		result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (result == 0)
		result = fill(filter, kind);
	if (result == 0)
		result = seccomp_load(filter);
	seccomp_release(filter);
	return result;
}

bool
sandbox_filter(enum proto_kind kind, struct error *err)
{
	struct sigaction action = { .sa_sigaction = name_refused_call, .sa_flags = SA_SIGINFO };
	int result;

	learn_names();
	if (sigaction(SIGSYS, &action, NULL) == -1)
		return error_set(err, ERROR_PERMANENT, "sigaction: %s", strerror(errno));
	if (!limit(RLIMIT_NPROC, 0, "nproc", err))
		return false;
	result = load(kind);
	if (result != 0)
		return error_set(err, ERROR_PERMANENT, "seccomp: %s", strerror(-result));
	return true;
}

bool
sandbox_copy_only(int from, int to)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	bool ok = filter != NULL && allow_if(filter, SCMP_SYS(read), 0, SCMP_CMP_EQ, (uint64_t)from, 0) == 0 &&
	    allow_if(filter, SCMP_SYS(write), 0, SCMP_CMP_EQ, (uint64_t)to, 0) == 0 &&
	    seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(exit_group), 0) == 0 && seccomp_load(filter) == 0;

	seccomp_release(filter);
	return ok;
}
