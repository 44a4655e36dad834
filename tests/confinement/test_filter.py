# SPDX-License-Identifier: ISC
"""The filter that the kernel holds for a running process is the one that common/sandbox_calls.h says, call by call
(SECURITY 4, item 2)."""

import fcntl
import socket
import termios

import confined
import postern
import pytest
from confined import ALLOW, ERRNO, KILL_PROCESS, TRAP

ENOSYS = 38
PROT_EXEC = 4
SIGSYS = 31
# SECURITY 4: how many calls each kind may have at most.
COUNTS_MAX = {"smtpd": 40, "relay": 42, "resolver": 50, "queue": 45, "router": 40, "control": 32, "mailbox": 60}
# Allowed with conditions on their arguments: arguments that fit, and arguments that do not.
HIGH = 1 << 32  # bits that the kernel does not look at where an argument is an int
UDP, TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM
INET, INET6, UNIX, NETLINK = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK
RAW, SEQPACKET, FLAGS = socket.SOCK_RAW, socket.SOCK_SEQPACKET, socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
CONDITIONS = {
    "mmap": [((0, 4096, 3), (0, 4096, 1), (0, 4096, 0)), ((0, 4096, 4), (0, 4096, 7), (0, 4096, 5))],
    "mprotect": [((0, 4096, 3), (0, 4096, 1)), ((0, 4096, PROT_EXEC), (0, 4096, 7))],
    "rt_sigaction": [((11, 0, 0), (2, 0, 0)), ((SIGSYS, 0, 0), (HIGH + SIGSYS, 0, 0))],
}
MPTCP, UDPLITE, ICMP = 262, 136, 1
SOCKETS = {
    "relay": [((INET, TCP), (INET6, TCP), (INET, TCP | FLAGS), (INET, TCP, socket.IPPROTO_TCP)),
              ((INET, UDP), (UNIX, TCP), (INET, RAW), (INET6, UDP | FLAGS), (NETLINK, RAW), (INET, SEQPACKET),
               (INET, TCP, MPTCP), (INET6, TCP | FLAGS, MPTCP), (INET, TCP, socket.IPPROTO_SCTP), (INET, TCP | 1 << 12))],
    "resolver": [((INET, TCP), (INET6, UDP), (INET, UDP | FLAGS), (INET, TCP, socket.IPPROTO_TCP),
                  (INET6, UDP, socket.IPPROTO_UDP)),
                 ((UNIX, TCP), (NETLINK, RAW), (UNIX, UDP), (INET, RAW), (INET, RAW, ICMP), (INET, UDP, ICMP),
                  (INET, TCP, MPTCP), (INET, UDP, UDPLITE), (INET, 0))],
    "userdb": [((UNIX, TCP), (UNIX, UDP | FLAGS)),
               ((INET, TCP), (INET, UDP), (NETLINK, RAW), (UNIX, SEQPACKET), (UNIX, TCP, 1))],
}
# Commands of the table, and those by which the kernel would send signals to others.
COMMANDS = {
    "fcntl": ({name: getattr(fcntl, name) for name in dir(fcntl) if name.startswith("F_")},
              ("F_SETOWN", "F_SETSIG", "F_SETLEASE", "F_NOTIFY", "F_SETLKW")),
    "ioctl": ({name: getattr(termios, name) for name in ("FIONBIO", "FIOASYNC", "TIOCSTI")} | {"FIOSETOWN": 0x8901},
              ("FIOASYNC", "FIOSETOWN", "TIOCSTI")),
}


@pytest.fixture(name="filters")
def fixture_filters(scene):
    """{kind: its one filter}."""
    if postern.is_sanitized():
        pytest.skip("a build with a sanitizer has a longer list")
    scene.start()
    found = {}
    for kind in confined.KINDS:
        programs = confined.read_filters(scene.pid(kind))
        if programs is None:
            pytest.skip("this kernel does not show the filters of a process (CONFIG_CHECKPOINT_RESTORE)")
        assert len(programs) == 1, f"{kind} has {len(programs)} filters"
        found[kind] = programs[0]
    return found


def conditions(kind, call):
    """(arguments that fit, arguments that do not)."""
    if call == "socket":
        return SOCKETS[kind]
    if call in COMMANDS:
        numbers, never = COMMANDS[call]
        fitting = confined.arguments()[kind][call]
        assert fitting and not fitting & set(never)
        return ([(0, numbers[name]) for name in fitting] + [(0, HIGH + numbers[name]) for name in fitting],
                [(0, number) for name, number in numbers.items()
                 if number not in {numbers[name] for name in fitting}] + [(0, HIGH + numbers[name]) for name in never])
    return CONDITIONS.get(call, [((),), ()])


def judge(kind, program):
    allowed, killed, _ = confined.table()
    wanted = {confined.number_of(call): call for call in allowed[kind] if confined.number_of(call) >= 0}
    ended = {confined.number_of(call) for call in killed}
    wrong = []

    def check(number, arguments, want):
        got = confined.run_filter(program, number, arguments)
        if got & 0xFFFF0000 != want & 0xFFFF0000 or (want & 0xFFFF0000 == ERRNO and got != want):
            wrong.append(f"{kind}: call {number} ({wanted.get(number)}) {arguments}: {got:#x}, want {want:#x}")

    for number in confined.CALL_NUMBERS:
        if number == confined.number_of("clone3"):
            check(number, (), ERRNO | ENOSYS)
        elif number in wanted:
            fitting, others = conditions(kind, wanted[number])
            for arguments in fitting:
                check(number, arguments, ALLOW)
            for arguments in others:
                check(number, arguments, TRAP)
        else:
            check(number, (), KILL_PROCESS if number in ended else TRAP)
    return wrong, len(wanted)


def test_every_call_is_answered_as_the_table_says(filters):
    wrong = []
    for kind, program in filters.items():
        found, count = judge(kind, program)
        print(f"{kind}: {count} calls allowed")
        wrong += found
    assert not wrong, "\n".join(wrong)


def test_another_abi_ends_the_process(filters):
    """i386 calls and x32 calls have numbers of their own: none of them is answered."""
    for kind, program in filters.items():
        for architecture in (0x40000003, 0x40000028, 0xC0000015):
            got = confined.run_filter(program, 1, architecture=architecture)
            assert got == KILL_PROCESS, f"{kind}: ABI {architecture:#x}: {got:#x}"
        x32 = confined.run_filter(program, 0x40000000 | 1)
        assert x32 != ALLOW, f"{kind}: x32 is answered"


def test_the_list_is_no_longer_than_it_may_be():
    allowed, _, _ = confined.table()
    counts = {kind: len([call for call in allowed[kind] if confined.number_of(call) >= 0]) for kind in allowed}
    over = {kind: f"{counts[kind]} calls, {most} may be" for kind, most in COUNTS_MAX.items() if counts[kind] > most}
    assert not over, over


def test_every_call_has_a_reason():
    _, _, reasons = confined.table()
    assert len(reasons) > 40
    assert all(len(reason) > 2 for reason in reasons.values())


def test_nobody_may_make_what_is_never_needed():
    allowed, killed, _ = confined.table()
    never = killed | {"fork", "vfork", "clone", "prctl", "seccomp", "memfd_create", "mknodat", "symlinkat", "fchmodat",
                      "shmget", "personality", "pidfd_open", "pidfd_getfd", "process_madvise", "io_uring_enter"}
    for kind, calls in allowed.items():
        assert not calls & never, f"{kind}: {calls & never}"
    for kind in ("smtpd", "router", "queue", "control"):
        assert not allowed[kind] & {"socket", "connect", "bind", "listen"}, kind
    for kind in ("smtpd", "router", "relay", "resolver", "control", "queue"):
        assert not allowed[kind] & {"open", "openat", "openat2", "creat", "unlink", "rename"}, kind
