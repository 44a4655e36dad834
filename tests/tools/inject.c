/* SPDX-License-Identifier: ISC */
/*
 * Makes a running process perform a system call, from outside: stops it, points its registers at a system-call instruction
 * of its own libc, and looks at what the kernel does. Needs root for confined processes.
 *
 *	inject PID CALL [ARGUMENT...]
 *
 * An argument is a number, s:TEXT (a terminated string, put below the stack) or h:HEX (bytes likewise). One line is
 * printed: "killed" (by SIGSYS, at once), "trapped killed" (SIGSYS came, and its handler did not save the process),
 * "success N" or "errno N"; after the last two the process goes on as if nothing had been.
 */
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 6, BYTES_MAX = 256, BELOW_STACK = 8192, STEPS_MAX = 64 };

typedef struct user_regs_struct registers;

/* --- the two machines --- */

#if defined(__x86_64__)
static const unsigned char instruction[] = { 0x0f, 0x05 };

static void
prepare(registers *r, uint64_t at, int call, const uint64_t *arguments)
{
	r->rip = at;
	r->rax = (unsigned long long)call;
	r->orig_rax = (unsigned long long)-1; /* no restart of the call that was interrupted */
	r->rdi = arguments[0];
	r->rsi = arguments[1];
	r->rdx = arguments[2];
	r->r10 = arguments[3];
	r->r8 = arguments[4];
	r->r9 = arguments[5];
}

static int64_t
result_of(const registers *r)
{
	return (int64_t)r->rax;
}

static uint64_t
stack_of(const registers *r)
{
	return r->rsp;
}
#elif defined(__aarch64__)
static const unsigned char instruction[] = { 0x01, 0x00, 0x00, 0xd4 };

static void
prepare(registers *r, uint64_t at, int call, const uint64_t *arguments)
{
	size_t i;

	r->pc = at;
	r->regs[8] = (uint64_t)call;
	for (i = 0; i < ARGUMENTS_MAX; i++)
		r->regs[i] = arguments[i];
}

static int64_t
result_of(const registers *r)
{
	return (int64_t)r->regs[0];
}

static uint64_t
stack_of(const registers *r)
{
	return r->sp;
}
#endif

static _Noreturn void
die(const char *what)
{
	(void)fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void
get_registers(pid_t pid, registers *r)
{
	struct iovec piece = { r, sizeof(*r) };

	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &piece) == -1)
		die("PTRACE_GETREGSET");
}

static void
set_registers(pid_t pid, registers *r)
{
	struct iovec piece = { r, sizeof(*r) };

	if (ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &piece) == -1)
		die("PTRACE_SETREGSET");
}

/* --- its memory --- */

static int
open_memory(pid_t pid)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd == -1)
		die(path);
	return fd;
}

/* Looks for the instruction in one mapping. Returns 0 when it is not there. */
static uint64_t
search(int memory, uint64_t start, uint64_t end)
{
	static unsigned char block[1 << 16];
	uint64_t at;

	for (at = start; at < end; at += sizeof(block) - sizeof(instruction)) {
		ssize_t n = pread(memory, block, sizeof(block), (off_t)at);
		const unsigned char *found = n <= 0 ? NULL : memmem(block, (size_t)n, instruction, sizeof(instruction));
		if (found != NULL)
			return at + (uint64_t)(found - block);
	}
	return 0;
}

static uint64_t
find_instruction(pid_t pid, int memory)
{
	char path[64], line[512];
	uint64_t start, end, at = 0;
	FILE *maps;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (maps == NULL)
		die(path);
	while (at == 0 && fgets(line, sizeof(line), maps) != NULL) {
		char *rest;
		start = strtoull(line, &rest, 16);
		end = *rest == '-' ? strtoull(rest + 1, &rest, 16) : 0;
		if (strncmp(rest, " r-xp", 5) == 0 && strstr(line, "libc.so") != NULL)
			at = search(memory, start, end);
	}
	(void)fclose(maps);
	if (at == 0) {
		errno = ENOENT;
		die("no system-call instruction in libc");
	}
	return at;
}

/* Reads s:TEXT or h:HEX into bytes; returns how many, -1 when text is neither. */
static ssize_t
read_bytes(const char *text, unsigned char bytes[BYTES_MAX])
{
	size_t len = strlen(text + 2), i;

	if (len >= BYTES_MAX)
		return -1;
	if (strncmp(text, "s:", 2) == 0) {
		memcpy(bytes, text + 2, len + 1);
		return (ssize_t)len + 1;
	}
	for (i = 0; i + 1 < len; i += 2) {
		char pair[3] = { text[2 + i], text[3 + i], '\0' };
		bytes[i / 2] = (unsigned char)strtoul(pair, NULL, 16);
	}
	return strncmp(text, "h:", 2) == 0 ? (ssize_t)(len / 2) : -1;
}

static uint64_t
read_argument(const char *text, int memory, uint64_t *room)
{
	unsigned char bytes[BYTES_MAX];
	ssize_t n;

	if (strlen(text) < 2 || text[1] != ':')
		return strtoull(text, NULL, 0);
	n = read_bytes(text, bytes);
	if (n == -1 || pwrite(memory, bytes, (size_t)n, (off_t)*room) != n)
		die(text);
	*room += BYTES_MAX;
	return *room - BYTES_MAX;
}

/* --- the call --- */

/* Returns false when the process is gone, how printed. */
static bool
wait_stopped(pid_t pid, int *status)
{
	if (waitpid(pid, status, __WALL) == -1)
		die("waitpid");
	if (WIFSTOPPED(*status))
		return true;
	if (WIFSIGNALED(*status) && WTERMSIG(*status) == SIGSYS)
		(void)printf("killed\n");
	else
		(void)printf("ended with status %d\n", *status);
	return false;
}

/* SIGSYS is let through: the process' own handler gets its chance. */
static void
let_die(pid_t pid)
{
	int status = 0;

	if (ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)SIGSYS) == -1)
		die("PTRACE_CONT");
	(void)printf("trapped ");
	while (wait_stopped(pid, &status)) {
		intptr_t number = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
		if (ptrace(PTRACE_CONT, pid, NULL, (void *)number) == -1)
			die("PTRACE_CONT");
	}
}

static void
report(pid_t pid, registers *saved)
{
	registers now;
	int64_t result;

	get_registers(pid, &now);
	result = result_of(&now);
	if (result < 0 && result > -4096)
		(void)printf("errno %" PRId64 " %s\n", -result, strerrorname_np((int)-result));
	else
		(void)printf("success %" PRId64 "\n", result);
	set_registers(pid, saved);
	if (ptrace(PTRACE_DETACH, pid, NULL, NULL) == -1)
		die("PTRACE_DETACH");
}

static void
perform(pid_t pid, registers *saved)
{
	int status = 0, step;

	for (step = 0; step < STEPS_MAX; step++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == -1)
			die("PTRACE_SINGLESTEP");
		if (!wait_stopped(pid, &status))
			return;
		if (WSTOPSIG(status) == SIGSYS) {
			let_die(pid);
			return;
		}
		if (WSTOPSIG(status) == SIGTRAP && status >> 16 == 0) {
			report(pid, saved);
			return;
		}
	}
	errno = ETIMEDOUT;
	die("the call did not end");
}

int
main(int argc, char **argv)
{
	uint64_t arguments[ARGUMENTS_MAX] = { 0 }, room;
	registers saved, injected;
	int memory, call, status, i;
	pid_t pid;

	if (argc < 3 || argc > 3 + ARGUMENTS_MAX) {
		(void)fprintf(stderr, "usage: inject PID CALL [ARGUMENT...]\n");
		return 2;
	}
	pid = (pid_t)strtoul(argv[1], NULL, 10);
	call = seccomp_syscall_resolve_name(argv[2]);
	if (call < 0) {
		(void)printf("unknown here\n");
		return 0;
	}
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == -1 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == -1)
		die("attach");
	if (!wait_stopped(pid, &status))
		return 2;
	memory = open_memory(pid);
	get_registers(pid, &saved);
	injected = saved;
	room = (stack_of(&saved) - BELOW_STACK) & ~(uint64_t)15;
	for (i = 3; i < argc; i++)
		arguments[i - 3] = read_argument(argv[i], memory, &room);
	prepare(&injected, find_instruction(pid, memory), call, arguments);
	set_registers(pid, &injected);
	perform(pid, &saved);
	return 0;
}
