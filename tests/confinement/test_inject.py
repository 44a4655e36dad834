# SPDX-License-Identifier: ISC
"""Forbidden calls, performed inside the running processes, end them; the call is named, the process comes back, mail goes on
(SECURITY 4, item 1). On the production binaries: a tracer points a stopped process at a system-call instruction."""

import os
import re

import pytest

import confined
import postern

AT_FDCWD = "0xffffffffffffff9c"
PASSWD = "s:/etc/passwd"
BACK_SECONDS = 5
# Deaths that a process is restarted from at once: so many calls a daemon.
CALLS_A_DAEMON = 3

# call, arguments. "{parent}" and the like are filled in.
CALLS = [
    ("openat", AT_FDCWD, PASSWD, "0"), ("open", PASSWD, "0"), ("openat2", AT_FDCWD, PASSWD, "h:" + "00" * 24, "24"),
    ("creat", "s:/tmp/x", "0600"), ("newfstatat", AT_FDCWD, PASSWD, "0", "0"), ("stat", PASSWD, "0"),
    ("unlinkat", AT_FDCWD, PASSWD, "0"), ("renameat2", AT_FDCWD, PASSWD, AT_FDCWD, "s:/tmp/x", "0"),
    ("linkat", AT_FDCWD, PASSWD, AT_FDCWD, "s:/tmp/x", "0"), ("symlinkat", PASSWD, AT_FDCWD, "s:/tmp/x"),
    ("mknodat", AT_FDCWD, "s:/tmp/x", "0600", "0"), ("fchmodat", AT_FDCWD, PASSWD, "0666"),
    ("socket", "2", "1", "0"), ("socket", "1", "1", "0"), ("socket", "16", "3", "0"), ("connect", "0", "0", "0"),
    ("bind", "0", "0", "0"), ("listen", "0", "1"), ("execve", "s:/bin/sh", "0", "0"),
    ("execveat", AT_FDCWD, "s:/bin/sh", "0", "0", "0"), ("ptrace", "16", "{parent}", "0", "0"), ("kill", "{parent}", "0"),
    ("tgkill", "{parent}", "{parent}", "0"), ("tkill", "{parent}", "0"), ("mprotect", "0", "4096", "7"),
    ("mmap", "0", "4096", "7", "0x22", "0xffffffff", "0"), ("mmap", "0", "4096", "5", "0x22", "0xffffffff", "0"),
    ("io_uring_setup", "1", "0"), ("bpf", "0", "0", "0"), ("userfaultfd", "0"), ("keyctl", "0", "0"), ("unshare", "0x10000000"),
    ("setns", "0", "0"), ("mount", "s:x", "s:/", "s:tmpfs", "0", "0"), ("umount2", "s:/", "2"), ("pivot_root", "s:/", "s:/"),
    ("chroot", "s:/"), ("process_vm_readv", "{parent}", "0", "0", "0", "0", "0"),
    ("process_vm_writev", "{parent}", "0", "0", "0", "0", "0"), ("open_by_handle_at", "0", "0", "0"),
    ("memfd_create", "s:x", "0"), ("clone", "0x11", "0", "0", "0", "0"), ("fork",), ("vfork",), ("setuid", "0"),
    ("setresuid", "0", "0", "0"), ("setgroups", "0", "0"), ("capset", "0", "0"), ("prctl", "4", "1", "0", "0", "0"),
    ("seccomp", "1", "0", "0"), ("perf_event_open", "0", "0", "0", "0", "0"), ("init_module", "0", "0", "s:x"),
    ("add_key", "0", "0", "0", "0", "0"), ("personality", "0x0400000"), ("pidfd_open", "{parent}", "0"),
    ("pidfd_getfd", "0", "0", "0"), ("shmget", "0", "4096", "01600"), ("rt_sigaction", "31", "0", "0", "8"),
    ("sched_setscheduler", "0", "0", "0"), ("getdents64", "0", "0", "0"), ("chmod", PASSWD, "0666"),
    # F_SETOWN, F_SETSIG, F_SETOWN_EX, FIOSETOWN: signals to others of the same account
    ("fcntl", "0", "8", "{parent}"), ("fcntl", "0", "10", "9"), ("fcntl", "0", "15", "0"), ("ioctl", "0", "0x8901", "0"),
    # multipath TCP, raw ICMP, UDP-Lite, a local datagram by a strange protocol; SIGSYS with bits that are not looked at
    ("socket", "2", "1", "262"), ("socket", "2", "3", "1"), ("socket", "2", "2", "136"), ("socket", "1", "2", "1"),
    ("rt_sigaction", "0x10000001f", "0", "0", "8"),
]
# Allowed to some with other arguments than those above.
CONDITIONAL = ("mmap", "mprotect", "rt_sigaction", "fcntl", "ioctl")
# What may be made of the sockets above.
SOCKETS = {"relay": ("2", "1", "0"), "resolver": ("2", "1", "0"), "userdb": ("1", "1", "0")}


def applies(kind, call):
    """Whether the filter has to refuse it to that kind; what the table allows is for test_filter and Landlock."""
    name, *arguments = call
    if confined.number_of(name) < 0:
        return False
    allowed = confined.table()[0][kind]
    if name == "socket" and name in allowed:
        return tuple(arguments) != SOCKETS[kind]
    return name not in allowed or name in CONDITIONAL


def groups():
    return [CALLS[at:at + CALLS_A_DAEMON] for at in range(0, len(CALLS), CALLS_A_DAEMON)]


def has_filter(daemon, pid):
    """Whether it has come so far in its start: a filter more than the parent."""
    try:
        return int(confined.status(pid)["Seccomp_filters"]) > int(confined.status(daemon.pid)["Seccomp_filters"])
    except FileNotFoundError:
        return False


def wait_back(daemon, kind, pid, count):
    """The process is gone, and another of its kind is confined; a mailbox comes back with the next message."""
    postern.wait_until(lambda: not postern.alive(pid), BACK_SECONDS, f"the end of {kind}")
    if kind != "mailbox":
        postern.wait_until(lambda: len(daemon.pids(kind)) >= count and pid not in daemon.pids(kind), BACK_SECONDS,
                           f"a new {kind}")
        postern.wait_until(lambda: all(has_filter(daemon, each) for each in daemon.pids(kind)), BACK_SECONDS,
                           f"the filter of a new {kind}")


def try_call(scene, kind, call):
    """Performs it in one process of the kind; returns what was wrong, None when nothing was."""
    daemon = scene.daemon
    name, *arguments = [word.replace("{parent}", str(daemon.pid)) for word in call]
    mark = daemon.log.mark()
    for _ in range(3):
        pid, count = scene.pid(kind), len(daemon.pids(kind))
        try:
            outcome = confined.inject(pid, name, *arguments)
            break
        except confined.Gone:
            continue  # a mailbox that had nothing more to do
    killed = name in confined.table()[1]
    if outcome != ("killed" if killed else "trapped killed"):
        return f"{kind}: {' '.join(call)}: {outcome}"
    if not killed:
        daemon.wait_for_log(rf"event=refused-call .*process={kind} syscall={name}\b", start=mark)
    daemon.wait_for_log(rf"event=process-died .*process={kind} .*pid={pid} signal=31", start=mark)
    wait_back(daemon, kind, pid, count)
    return None


@pytest.mark.deadline(180)
@pytest.mark.parametrize("calls", groups(), ids=["-".join(call[0] for call in group) for group in groups()])
def test_refused_calls_end_the_process_and_nothing_else(scene, calls):
    if postern.is_sanitized():
        pytest.skip("a build with a sanitizer has a longer list")
    scene.daemon.allow("event=refused-call", "event=process-died .*signal=31", "event=mailbox-failed")
    scene.start()
    wrong, tried = [], 0
    for call in calls:
        for kind in confined.KINDS:
            if applies(kind, call):
                tried += 1
                problem = try_call(scene, kind, call)
                if problem:
                    wrong.append(problem)
    assert not wrong, "\n".join(wrong)
    assert tried > 0
    scene.send()


LANDLOCK = [
    # kind, call, why it is refused
    ("userdb", ("openat", AT_FDCWD, "s:/etc/passwd", "1"), "writing to what it may read"),
    ("userdb", ("openat", AT_FDCWD, "s:/root", "0"), "a directory beside /etc, /usr and the like"),
    ("userdb", ("openat", AT_FDCWD, "s:{folder}/postern.conf", "0"), "the configuration"),
    ("mailbox", ("openat", AT_FDCWD, PASSWD, "0"), "a file outside that home"),
    ("mailbox", ("openat", AT_FDCWD, "s:{folder}/postern.conf", "0"), "the configuration"),
    ("mailbox", ("openat", AT_FDCWD, "s:/tmp/postern-should-not-be", "0101", "0600"), "a new file where all may write"),
    ("mailbox", ("unlinkat", AT_FDCWD, PASSWD, "0"), "removing a file"),
]


@pytest.mark.parametrize("kind, call, why", LANDLOCK, ids=[row[2].replace(" ", "-") + "-" + row[0] for row in LANDLOCK])
def test_landlock_refuses_what_the_filter_lets_through(scene, kind, call, why):
    scene.start()
    name, *arguments = [word.replace("{folder}", scene.daemon.folder) for word in call]
    outcome = confined.inject(scene.pid(kind), name, *arguments)
    assert re.match(r"errno (13|1) ", outcome), f"{why}: {outcome}"
    assert not os.path.exists("/tmp/postern-should-not-be")
    scene.send()


def test_landlock_holds_the_ports_of_relay(scene):
    """A socket may be made; a port that is not in the configuration cannot be reached."""
    scene.start()
    strange = scene.load.dead_port + 1
    pid = scene.pid("relay")
    outcome = confined.inject(pid, "socket", "2", "1", "0")
    match = re.match(r"success (\d+)", outcome)
    assert match, outcome
    outcome = confined.inject(pid, "connect", match[1], confined.address(strange), "16")
    if outcome.startswith("errno 111"):
        pytest.skip("this kernel's Landlock knows no ports (before 6.7)")
    assert outcome.startswith("errno 13"), outcome
    assert confined.inject(pid, "close", match[1]) == "success 0"


def test_a_call_that_is_allowed_leaves_the_process_as_it_was(scene):
    """The tool itself: a process that was stopped and made to ask for its id goes on."""
    scene.start()
    for kind in confined.KINDS:
        pid = scene.pid(kind)
        assert confined.inject(pid, "getpid") == f"success {pid}"
    scene.send()
