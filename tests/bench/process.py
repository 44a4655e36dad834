# SPDX-License-Identifier: ISC
"""Processes of the bench: started with what they need, watched, and ended with certainty.

Every wait has a deadline. Whatever goes wrong with a program under test is a Failure: a text for the report, never the
end of the run. A process dies with the bench, even when that is killed.
"""

import ctypes
import os
import random
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
STOP_SECONDS = 15
POLL_SECONDS = 0.02
LOG_TAIL_BYTES = 600
PORT_TRIES_MAX = 200

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

libc = ctypes.CDLL(None, use_errno=True)
# Pids the bench started itself: any other child of the bench is an orphan that came to it.
started = set()


class Failure(Exception):
    """A program under test did not do what was asked in the time it had."""


class Deadline:
    """A moment after which waiting ends."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def passed(self):
        return time.monotonic() >= self.end

    def left(self):
        return max(0.0, self.end - time.monotonic())


def become_subreaper():
    """Orphans of our children come to us: without cgroups that is how they are found."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Process:
    """One program: optionally in a root of its own, as a user of its own, in a group that counts its CPU."""

    def __init__(self, argv, root=None, ids=None, group=None, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                 death_signal=signal.SIGKILL):
        parent = os.getpid()

        def prepare():
            if group is not None:
                group.enter()
            if root is not None:
                os.chroot(root)
                os.chdir("/")
            if ids is not None:
                os.setgroups([])
                os.setresgid(ids[1], ids[1], ids[1])
                os.setresuid(ids[0], ids[0], ids[0])
            # Last, since a change of ids clears it.
            libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        self.name = os.path.basename(argv[0])
        try:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=ENVIRONMENT,
                                          start_new_session=True, preexec_fn=prepare)
        except (OSError, subprocess.SubprocessError) as error:
            raise Failure(f"{argv[0]}: {error}") from error
        self.pid = self.popen.pid
        started.add(self.pid)

    def alive(self):
        return self.popen.poll() is None

    def status(self):
        """How it ended, in words."""
        code = self.popen.poll()
        if code is None:
            return "running"
        return f"exit {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def wait(self, seconds):
        """True when it ended by itself in time."""
        try:
            self.popen.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def stop(self, seconds=STOP_SECONDS):
        """SIGTERM, then SIGKILL. True when SIGTERM was enough."""
        if self.alive():
            self.popen.terminate()
        if self.wait(seconds):
            return True
        self.popen.kill()
        self.popen.wait()
        return False


def run_command(argv, seconds, root=None):
    """Runs a short command to its end and returns what it printed; a Failure otherwise."""
    def enter():
        if root is not None:
            os.chroot(root)
            os.chdir("/")

    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=ENVIRONMENT, timeout=seconds, preexec_fn=enter, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{argv[0]}: not done after {seconds} s") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise Failure(f"{argv[0]}: {error}") from error
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        raise Failure(f"{' '.join(argv)}: exit {done.returncode}: {text.strip()[-LOG_TAIL_BYTES:]}")
    return text


def file_tail(path):
    """The end of a log in one line, for a Failure."""
    try:
        with open(path, "rb") as log:
            log.seek(max(0, os.path.getsize(path) - LOG_TAIL_BYTES))
            lines = log.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return " | ".join(line.strip() for line in lines if line.strip())


def free_port():
    """A port on 127.0.0.1 that nobody listens on, outside the range that outgoing connections are given."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        low, high = (int(word) for word in file.read().split())
    ports = [port for port in range(10000, 65535) if not low <= port <= high] or range(low, high)
    for _ in range(PORT_TRIES_MAX):
        port = random.choice(ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Failure("no free port on 127.0.0.1")


def read_line(sock, seconds):
    """One line from a socket, without its end; a Failure when it does not come in time."""
    deadline = Deadline(seconds)
    data = b""
    try:
        while not data.endswith(b"\n"):
            sock.settimeout(max(0.01, deadline.left()))
            byte = sock.recv(512)
            if not byte:
                raise Failure(f"connection closed after {data!r}")
            data += byte
            if deadline.passed() and not data.endswith(b"\n"):
                raise Failure("no line in time")
    except OSError as error:
        raise Failure(f"no answer: {error}") from error
    return data.decode("latin-1").rstrip("\r\n")


def wait_greeting(port, seconds, process):
    """Waits until an SMTP server greets on the port."""
    deadline = Deadline(seconds)
    reason = "no connection"
    while not deadline.passed():
        if not process.alive():
            raise Failure(f"{process.name} ended at its start ({process.status()})")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as sock:
                line = read_line(sock, deadline.left())
                if line.startswith("220"):
                    sock.sendall(b"QUIT\r\n")
                    read_line(sock, deadline.left())
                    return
                reason = f"greeted with {line!r}"
        except (OSError, Failure) as error:
            reason = str(error)
        time.sleep(POLL_SECONDS)
    raise Failure(f"{process.name}: no 220 within {seconds} s ({reason})")


def memory(pids):
    """Memory of processes in KiB: anonymous resident, proportional share, and how many were counted."""
    anonymous = share = count = 0
    for pid in pids:
        try:
            anonymous += proc_field(f"/proc/{pid}/status", "RssAnon:")
            share += proc_field(f"/proc/{pid}/smaps_rollup", "Pss:")
            count += 1
        except OSError:
            continue
    return {"rss_anon_kib": anonymous, "pss_kib": share, "processes": count}


def proc_field(path, name):
    with open(path, encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1])
    return 0
