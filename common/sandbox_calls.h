/* SPDX-License-Identifier: ISC */
/*
 * The system calls that each kind of process may make once it is confined, each with its reason; a call that is not here is
 * refused, named in the log, and ends the process. A change of this table is a change of what a taken-over process can
 * do, and a test compares it with the filters of the running daemon.
 *
 * C(call, kinds, reason); a call that has rows among the arguments is allowed with those values only. Conditions of another
 * form are in sandbox_linux.c, by name.
 */
#ifndef COMMON_SANDBOX_CALLS_H
#define COMMON_SANDBOX_CALLS_H

/* clang-format off */
#define SANDBOX_CALLS(C) \
	/* the loop, channels and the log: everybody */ \
	C(read,            ALL, "eventfd and signal pipe of the loop; files that are open") \
	C(write,           ALL, "the log; eventfd") \
	C(recvmsg,         ALL, "channels, with descriptors") \
	C(sendmsg,         ALL, "channels, with descriptors") \
	C(close,           ALL, "descriptors") \
	C(epoll_wait,      ALL, "the loop") \
	C(epoll_pwait,     ALL, "the loop, where libc prefers it") \
	C(epoll_ctl,       ALL, "the loop") \
	C(clock_gettime,   ALL, "time, where the vDSO does not serve it") \
	C(gettimeofday,    ALL, "libevent's time, likewise") \
	C(fcntl,           ALL, "non-blocking, copies of descriptors; commands below") \
	C(getsockopt,      ALL, "kind of a descriptor; error of a connection; peer's uid") \
	C(getpid,          ALL, "the log") \
	C(futex,           ALL, "threads, malloc") \
	C(brk,             ALL, "malloc") \
	C(munmap,          ALL, "malloc") \
	C(mremap,          ALL, "realloc") \
	C(madvise,         ALL, "free") \
	C(mmap,            ALL, "malloc; never executable") \
	C(mprotect,        ALL, "malloc's arenas; never executable") \
	C(getrandom,       ALL, "arc4random, hashing keys") \
	C(rt_sigreturn,    ALL, "end of a signal handler") \
	C(rt_sigprocmask,  ALL, "libevent, threads") \
	C(rt_sigaction,    ALL, "libevent; below SIGSYS") \
	C(restart_syscall, ALL, "after a stop of the process") \
	C(exit,            ALL, "end of a thread") \
	C(exit_group,      ALL, "end") \
	/* sockets of the network */ \
	C(accept4,         SMTPD | CONTROL, "connections on the sockets it was given") \
	C(getsockname,     SMTPD | ROUTER | RESOLVER, "the address a client connected to; libunbound's sockets") \
	C(getpeername,     SMTPD | ROUTER, "address of a client, for log and Received; router's own look at it") \
	C(setsockopt,      RELAY | RESOLVER, "TCP_NODELAY, keep-alive; libunbound's buffers") \
	C(recvfrom,        SMTPD | RELAY | RESOLVER | USERDB, "bytes of a connection") \
	C(sendto,          SMTPD | RELAY | RESOLVER | USERDB, "bytes of a connection") \
	C(writev,          QUEUE | RESOLVER, "several pages or pieces in one call") \
	C(shutdown,        SMTPD, "end of what we send") \
	C(socket,          RELAY | RESOLVER | USERDB, "relay: TCP only; resolver: UDP and TCP; userdb: local, for NSS") \
	C(connect,         RELAY | RESOLVER | USERDB, "servers; name service of this machine") \
	C(bind,            RESOLVER, "libunbound's random source ports") \
	C(poll,            USERDB | RESOLVER, "NSS modules; libunbound") \
	C(ioctl,           RESOLVER, "non-blocking sockets of libunbound; that alone") \
	C(getuid,          RESOLVER | USERDB | MAILBOX, "libunbound; NSS") \
	C(geteuid,         USERDB | MAILBOX, "NSS; owner of a mailbox") \
	/* files */ \
	C(pread64,         QUEUE | USERDB | MAILBOX, "pages of the store; files of NSS; mailboxes") \
	C(pwrite64,        QUEUE | MAILBOX, "pages of the store; mailboxes") \
	C(pwritev,         QUEUE, "pages of the store, several in one call") \
	C(fdatasync,       QUEUE | MAILBOX, "250 means on disk") \
	C(fsync,           QUEUE | MAILBOX, "growth of the store; mailboxes and their directories") \
	C(fallocate,       QUEUE, "the store grows in steps") \
	C(ftruncate,       QUEUE | MAILBOX, "a mailbox back to its old length") \
	C(fstatfs,         QUEUE, "room on the disk") \
	C(fstat,           QUEUE | USERDB | MAILBOX, "sizes of open files") \
	C(newfstatat,      QUEUE | USERDB | MAILBOX, "fstat of newer libc") \
	C(lseek,           QUEUE | USERDB | MAILBOX, "places in open files") \
	C(msync,           QUEUE, "LMDB") \
	C(sched_yield,     QUEUE, "LMDB's and libc's locks") \
	C(clock_nanosleep, QUEUE | MAILBOX, "waits of the committer; waits for a lock") \
	C(gettid,          QUEUE, "LMDB's table of readers") \
	C(set_robust_list, QUEUE, "first steps of a thread made before the filter") \
	C(rseq,            QUEUE, "likewise") \
	C(openat,          USERDB | MAILBOX, "files of NSS, mailboxes; Landlock says which") \
	C(openat2,         MAILBOX, "a path that never leaves the mailbox") \
	C(access,          USERDB | MAILBOX, "NSS") \
	C(faccessat,       USERDB, "NSS") \
	C(readlink,        USERDB, "NSS") \
	C(getdents64,      USERDB, "NSS, drop-in directories") \
	C(readlinkat,      USERDB, "NSS, systemd's module: drop-in directories behind links") \
	C(epoll_create1,   USERDB, "NSS, systemd's module: its own loop for an answer") \
	C(timerfd_create,  USERDB, "likewise, its deadline") \
	C(timerfd_settime, USERDB, "likewise") \
	C(uname,           USERDB | MAILBOX, "name of this machine") \
	C(mkdirat,         MAILBOX, "a new Maildir") \
	C(mkdir,           MAILBOX, "a new Maildir") \
	C(unlinkat,        MAILBOX, "an unfinished message, a lock") \
	C(unlink,          MAILBOX, "an unfinished message, a lock") \
	C(linkat,          MAILBOX, "lock of an mbox; tmp to new") \
	C(renameat,        MAILBOX, "tmp to new") \
	C(renameat2,       MAILBOX, "tmp to new") \
	C(rename,          MAILBOX, "tmp to new")

/*
 * A(call, argument, value, kinds, reason). Not among them: F_SETOWN, FIOSETOWN and F_SETSIG, by which the kernel sends any
 * signal to any process of the same account when bytes come.
 */
#define SANDBOX_ARGUMENTS(A) \
	A(fcntl, 1, F_GETFL,         ALL, "before F_SETFL; directories that are read") \
	A(fcntl, 1, F_SETFL,         ALL, "non-blocking") \
	A(fcntl, 1, F_DUPFD_CLOEXEC, ALL, "copies of descriptors to be sent") \
	A(fcntl, 1, F_DUPFD,         USERDB, "NSS modules: sockets away from 0, 1 and 2") \
	A(fcntl, 1, F_GETFD,         USERDB, "NSS modules: close on exec") \
	A(fcntl, 1, F_SETFD,         USERDB, "likewise") \
	A(fcntl, 1, F_GETLK,         QUEUE, "LMDB: whether a reader is alive") \
	A(fcntl, 1, F_SETLK,         QUEUE | MAILBOX, "LMDB: a reader lives, before its first; lock of an mbox") \
	A(ioctl, 1, FIONBIO,         RESOLVER, "non-blocking sockets of libunbound")

/* What the sanitizers' run-time needs on top, in builds with them only. */
#define SANDBOX_CALLS_SANITIZER(C) \
	C(sigaltstack,     ALL, "stack of a report") \
	C(gettid,          ALL, "name of a thread") \
	C(sched_yield,     ALL, "locks") \
	C(openat,          ALL, "/proc/self/maps for a report") \
	C(newfstatat,      ALL, "files of a report") \
	C(readlink,        ALL, "/proc/self/exe") \
	C(prctl,           ALL, "name of a thread") \
	C(getrlimit,       ALL, "limits of the stack") \
	C(prlimit64,       ALL, "limits of the stack") \
	C(sched_getaffinity, ALL, "stack of a thread") \
	C(set_robust_list, ALL, "threads") \
	C(ioctl,           ALL, "is the report's descriptor a terminal?")

#define SANDBOX_ARGUMENTS_SANITIZER(A) \
	A(ioctl, 1, TCGETS,          ALL, "is the report's descriptor a terminal?")

/* Nobody makes these by mistake: they end the process at once, without the courtesy of a line in the log. */
#define SANDBOX_KILLED(C) \
	C(execve) C(execveat) C(ptrace) C(kill) C(tkill) C(process_vm_readv) C(process_vm_writev) C(mount) C(umount2) \
	C(pivot_root) C(chroot) C(unshare) C(setns) C(init_module) C(finit_module) C(delete_module) C(bpf) \
	C(perf_event_open) C(userfaultfd) C(keyctl) C(add_key) C(request_key) C(io_uring_setup) C(open_by_handle_at) \
	C(kexec_load) C(reboot) C(swapon) C(setuid) C(setresuid) C(setgid) C(setresgid) C(setgroups) C(capset)
/* clang-format on */

#endif
