# SPDX-License-Identifier: ISC
"""What the source says a process may do, and how to look at a running one from outside."""

import ctypes
import functools
import os
import platform
import re
import socket
import struct
import subprocess

import load as load_module
import postern
import smtp

KINDS = ("smtpd", "router", "userdb", "queue", "relay", "resolver", "mailbox", "control")
ACCOUNTS = {"smtpd": "_postern", "relay": "_postern", "resolver": "_postern", "control": "_postern",
            "queue": "_posternq", "router": "_posternr", "userdb": "_posternr"}
# Not chrooted: Landlock instead.
LANDLOCKED = ("userdb", "mailbox")

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL_PROCESS, TRAP, ERRNO = 0x7FFF0000, 0x80000000, 0x00030000, 0x00050000
CALL_NUMBERS = range(0, 501)
TOOL_SECONDS = 30


@functools.lru_cache(None)
def libseccomp():
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    library.seccomp_syscall_resolve_num_arch.restype = ctypes.c_char_p
    return library


@functools.lru_cache(None)
def number_of(call):
    """Of a system call on this machine; negative when it does not exist here."""
    return libseccomp().seccomp_syscall_resolve_name(call.encode("ascii"))


def source(name):
    with open(os.path.join(postern.TOP, name), encoding="ascii") as file:
        return file.read()


@functools.lru_cache(None)
def table():
    """(calls of each kind, killed calls, reasons) of common/sandbox_calls.h."""
    text = source("common/sandbox_calls.h").replace("\\\n", " ")
    rows = re.findall(r'C\((\w+),\s*([\w |]+),\s*"([^"]*)"\)', re.search(r"#define SANDBOX_CALLS\(C\)(.*)", text)[1])
    killed = re.findall(r"C\((\w+)\)", re.search(r"#define SANDBOX_KILLED\(C\)(.*)", text)[1])
    allowed = {kind: set() for kind in KINDS}
    for call, kinds, _ in rows:
        names = {name.strip().lower() for name in kinds.split("|")}
        for kind in KINDS:
            if "all" in names or kind in names:
                allowed[kind].add(call)
    return allowed, set(killed), {call: reason for call, _, reason in rows}


@functools.lru_cache(None)
def arguments():
    """{kind: {call: names of the values that it may have}} of common/sandbox_calls.h."""
    text = source("common/sandbox_calls.h").replace("\\\n", " ")
    rows = re.findall(r'A\((\w+), \d, (\w+), +([\w |]+), "[^"]*"\)',
                      re.search(r"#define SANDBOX_ARGUMENTS\(A\)(.*)", text)[1])
    found = {kind: {} for kind in KINDS}
    for call, value, kinds in rows:
        names = {name.strip().lower() for name in kinds.split("|")}
        for kind in KINDS:
            if "all" in names or kind in names:
                found[kind].setdefault(call, set()).add(value)
    return found


# --- the filter of a running process ---

def read_filters(pid):
    """The filters of a process as lists of (code, jt, jf, k); None where the kernel does not show them."""
    done = subprocess.run([postern.built("tests/tools/seccomp_filter"), str(pid)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=TOOL_SECONDS, check=False)
    if done.returncode == 77:
        return None
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    filters = []
    for line in done.stdout.decode("ascii").splitlines():
        if line.startswith("filter"):
            filters.append([])
        else:
            filters[-1].append(tuple(int(word) for word in line.split()))
    return filters


def run_filter(program, number, arguments=(), architecture=None):
    """What a classic BPF program returns for a system call."""
    architecture = architecture or ARCHITECTURES[platform.machine()]
    data = struct.pack("<iIQ6Q", number, architecture, 0, *(list(arguments) + [0] * (6 - len(arguments))))
    accumulator, at = 0, 0
    while True:
        code, jump_true, jump_false, k = program[at]
        at += 1
        if code == 0x06:
            return k
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, k)[0]
        elif code == 0x54:
            accumulator &= k
        elif code == 0x05:
            at += k
        elif code in (0x15, 0x25, 0x35, 0x45):
            taken = {0x15: accumulator == k, 0x25: accumulator > k, 0x35: accumulator >= k,
                     0x45: accumulator & k != 0}[code]
            at += jump_true if taken else jump_false
        else:
            raise AssertionError(f"an instruction that no seccomp filter has here: {code:#x}")


# --- a call from inside ---

class Gone(Exception):
    """The process ended before it could be stopped."""


def inject(pid, call, *arguments):
    """Makes a process perform a call; what happened, in words, as tests/tools/inject.c says."""
    done = subprocess.run([postern.built("tests/tools/inject"), str(pid), call, *(str(word) for word in arguments)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TOOL_SECONDS, check=False)
    problem = done.stderr.decode("utf-8", "replace")
    if "No such process" in problem:
        raise Gone(problem)
    assert done.returncode == 0, problem
    return done.stdout.decode("ascii").strip()


def address(port, host="127.0.0.1"):
    """A sockaddr_in for inject."""
    return "h:" + (struct.pack("<H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)).hex()


# --- /proc ---

def status(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}


def limits(pid):
    """{name: (soft, hard)}, both texts."""
    found = {}
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        for line in file:
            match = re.match(r"(Max [a-z ]+?)  +(\S+) +(\S+)", line)
            if match:
                found[match[1]] = (match[2], match[3])
    return found


def descriptors(pid):
    """{number: what it is}: a path, "unix", "tcp listen", "tcp", "udp", "pipe", or the kernel's word for it."""
    sockets = socket_inodes()
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        inode = re.match(r"socket:\[(\d+)\]", target)
        if inode:
            target = sockets.get(inode[1], "unknown socket")
        elif target.startswith("pipe:"):
            target = "pipe"
        found[int(name)] = target
    return found


def socket_inodes():
    found = {}
    for name, words in (("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp")):
        with open(f"/proc/net/{name}", encoding="ascii") as file:
            for line in list(file)[1:]:
                fields = line.split()
                found[fields[9]] = words + (" listen" if words == "tcp" and fields[3] == "0A" else "")
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        for line in list(file)[1:]:
            fields = line.split()
            listens = int(fields[3], 16) & 0x10000
            found[fields[6]] = ("unix listen" if listens else "unix") + ("" if fields[4] == "0001" else " datagram")
    return found


# --- a daemon with all kinds of process ---

class Scene:
    """A daemon that delivers to a user and to a sink."""

    def __init__(self, daemons, folder, sinks):
        self.sink = sinks()
        self.load = load_module.Load(folder)
        statements, values = self.load.configuration()
        values["sink"] = self.sink.port
        self.daemon = daemons("listen on socket\n" + statements, folder=folder, **values)
        self.sent = 0

    def start(self):
        self.daemon.start()
        self.send()
        return self

    def send(self):
        """One message to the user and to the sink; both have it when this returns. A mailbox process runs then."""
        self.sent += 1
        daemon, mark = self.daemon, self.daemon.log.mark()
        postern.wait_until(lambda: self.try_to_send() == 250, what="a message taken")
        self.sink.wait(self.sent)
        daemon.wait_for_log("event=delivered .*to=joe@here.example", start=mark)

    def try_to_send(self):
        """The last reply; 4xx while a process that is needed is being restarted."""
        with smtp.Client(self.daemon.port) as client:
            client.ehlo()
            for command in ("MAIL FROM:<a@c.example>", f"RCPT TO:<{load_module.NEAR}>", f"RCPT TO:<{load_module.FAR}>"):
                reply = client.command(command)
                if reply.code in (421, 451):
                    return reply.code
                assert reply.code == 250, reply
            reply = client.data(smtp.message(f"m{self.sent}"), want=None)
            assert reply.code in (250, 421, 451), reply
            return reply.code

    def pid(self, kind):
        pids = self.daemon.pids(kind)
        if not pids and kind == "mailbox":
            self.send()
            pids = self.daemon.pids(kind)
        assert pids, f"no {kind} runs"
        return pids[0]

    def close(self):
        self.load.close()
