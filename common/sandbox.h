/* SPDX-License-Identifier: ISC */
/*
 * Giving up rights, in the order of DESIGN: what is needed is open; then chroot, uid, limits, Landlock; then threads; then
 * the system-call filter, an allow-list by kind of process (sandbox_calls.h), after which nothing can be widened. One file
 * a back end: sandbox_linux.c (seccomp, Landlock).
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/proto.h"

struct sandbox_place {
	const char *root;    /* chroot to it; NULL: none */
	const char *account; /* become it; NULL: stay */
	const char
	    *beneath; /* the one directory that stays reachable, read and write, where there is no chroot; NULL: none */
	bool read_only_system;  /* Landlock: /etc, /usr, /run, /var/lib may be read (userdb, for NSS) */
	uint64_t file_size_max; /* RLIMIT_FSIZE; 0: writes no file */
	uint64_t files_max;     /* RLIMIT_NOFILE; 0: as it is */
};

/*
 * First half: limits, chroot, account, no_new_privs, non-dumpable, no capabilities, Landlock. Without root (privileged
 * false) chroot and account are left out. Returns false and sets err when something cannot be given up: never goes on
 * with more rights than asked for.
 */
bool sandbox_drop(const struct sandbox_place *place, bool privileged, struct error *err);

/* Second half, after threads were started: the system-call filter of that kind, for all threads. */
bool sandbox_filter(enum proto_kind kind, struct error *err);

/* The filter's default action writes the name of the refused call to this descriptor. Call before sandbox_filter. */
void sandbox_log_to(int fd, const char *process_name);

#endif
