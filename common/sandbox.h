/* SPDX-License-Identifier: ISC */
/*
 * Giving up rights, in the order of DESIGN: what is needed is open; then chroot, uid, limits, Landlock; then threads; then
 * the system-call filter, an allow-list by kind of process (sandbox_calls.h), after which nothing can be widened. One file
 * a back end: sandbox_linux.c (seccomp, Landlock).
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/proto.h"

#define SANDBOX_PORTS_MAX 64

/* Zeroed: nothing is reachable. */
struct sandbox_place {
	const char *root;                    /* chroot to it; NULL: none */
	const char *account;                 /* become it; NULL: stay */
	const char *beneath;                 /* a directory that stays reachable, read and write; NULL: none */
	bool read_only_system;               /* /etc, /usr, /lib, /run and /var/lib may be read (userdb, for NSS) */
	bool writes_files;                   /* else RLIMIT_FSIZE is 0 */
	uint16_t connect[SANDBOX_PORTS_MAX]; /* TCP ports it may connect to; kernel 6.7 and later hold it */
	size_t connect_count;
	bool connect_any; /* the configuration names more ports than the list takes */
};

/* Adds a port to the list, once; sets connect_any when there is no more place. */
void sandbox_allow_port(struct sandbox_place *place, uint16_t port);

/*
 * First half: limits, chroot, account, no_new_privs, non-dumpable, no capabilities, Landlock. Without root (privileged
 * false) chroot and account are left out. Returns false and sets err when something cannot be given up: never goes on
 * with more rights than asked for.
 */
bool sandbox_drop(const struct sandbox_place *place, bool privileged, struct error *err);

/* Second half, after threads were started: the system-call filter of that kind, for all threads. */
bool sandbox_filter(enum proto_kind kind, struct error *err);

/*
 * For a process that is none of those kinds and only copies: it may read from, write to, and end; anything else kills it.
 * Filters that are there already hold besides. Returns false when it cannot be had.
 */
bool sandbox_copy_only(int from, int to);

/* Where the name of a refused call is written, and the name of this process in that line. Before sandbox_filter; again
 * when the descriptor changes. */
void sandbox_log_to(int fd, const char *process_name);

#endif
