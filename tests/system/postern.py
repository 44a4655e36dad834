# SPDX-License-Identifier: ISC
"""A daemon of its own for a test: started from the build tree on a free port, watched, stopped, and judged.

Its log is read as it is written; a line that tells of an error fails the test, unless the test expected it. No process
of a daemon outlives it.
"""

import collections
import ctypes
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get("POSTERN_BUILD", "build"))
START_SECONDS = 20
STOP_SECONDS = 25
WAIT_SECONDS = 10
POLL_SECONDS = 0.01
PORT_TRIES_MAX = 5
PR_SET_CHILD_SUBREAPER = 36
BASE_PLACE = "/var/tmp"

# Lines that say something went wrong which no client caused.
BAD_LINE = re.compile(r"level=error|event=(fatal|refused-call|process-died|peer-broke|parent-broke)\b|"
                      r"ERROR: \w+Sanitizer|runtime error:|Assertion .* failed")
BASE_CONFIG = """\
spool "{folder}/spool"
runtime "{folder}/run"
smtp workers 2
mta workers 2
queue retry 1s 2s
mta private-destinations {{ "127.0.0.0/8", "::1" }}
listen on 127.0.0.1 port {port}
"""

# Process ids of daemons that are running: some are shared by several tests.
RUNNING = set()

libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper():
    """What loses its parent comes to us, so that it can be found."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def built(name):
    return os.path.join(BUILD, name)


def is_sanitized(name="posternd"):
    """Whether that program was built with a sanitizer, which has memory and calls of its own."""
    with open(built(name), "rb") as file:
        code = file.read()
    return b"__asan_init" in code or b"__tsan_init" in code


def free_port():
    """A port on 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_folder():
    """A fresh directory that every user can reach."""
    path = tempfile.mkdtemp(prefix="postern-test-", dir=BASE_PLACE)
    os.chmod(path, 0o755)
    return path


def wait_until(condition, seconds=WAIT_SECONDS, what="the condition"):
    """Returns what condition returned once it is true; an AssertionError after seconds."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"{what} did not hold within {seconds} s"
        time.sleep(POLL_SECONDS)


def children_of(pid):
    """All descendants of a process, (pid, name of the program)."""
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children", encoding="ascii") as file:
                    todo += [int(word) for word in file.read().split()]
        except OSError:
            pass
        if parent != pid:
            found.append((parent, name_of(parent)))
    return found


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def alive(pid):
    """Whether it runs: a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class StartFailed(Exception):
    """The daemon did not come up; holds its log."""


class Log:
    """What a process writes to a pipe, line by line, as it comes."""

    def __init__(self, stream):
        self.lines = []
        self.ended = False
        self.changed = threading.Condition()
        self.stream = stream
        self.waker, self.wake = os.pipe()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def blocks(self):
        """What comes, until the stream ends or is given up."""
        while self.waker not in select.select([self.stream, self.waker], [], [])[0]:
            block = os.read(self.stream.fileno(), 65536)
            if not block:
                break
            yield block
        self.stream.close()
        os.close(self.waker)

    def read(self):
        rest = b""
        for block in self.blocks():
            *lines, rest = (rest + block).split(b"\n")
            with self.changed:
                self.lines += [line.decode("utf-8", "backslashreplace") for line in lines]
                self.changed.notify_all()
        with self.changed:
            self.lines += [rest.decode("utf-8", "backslashreplace")] if rest else []
            self.ended = True
            self.changed.notify_all()

    def give_up(self):
        """Reads no more: the writer finds nobody at the other end. Closing a stream under its reader would hang."""
        os.close(self.wake)
        self.thread.join()

    def wait(self, pattern, seconds=WAIT_SECONDS, start=0):
        """The first match of pattern in a line from number start on."""
        regex = re.compile(pattern)
        deadline = time.monotonic() + seconds
        at = start
        with self.changed:
            while True:
                for line in self.lines[at:]:
                    match = regex.search(line)
                    if match:
                        return match
                at = len(self.lines)
                left = deadline - time.monotonic()
                assert left > 0 and not (self.ended and at == len(self.lines)), \
                    f"no line with {pattern!r} within {seconds} s; the log:\n" + "\n".join(self.lines[-40:])
                self.changed.wait(left)

    def count(self, pattern):
        regex = re.compile(pattern)
        with self.changed:
            return sum(bool(regex.search(line)) for line in self.lines)

    def text(self):
        with self.changed:
            return "\n".join(self.lines)

    def mark(self):
        """The number of the next line."""
        with self.changed:
            return len(self.lines)


class Daemon:
    """posternd with a configuration of its own. `extra` are the statements behind the usual ones, with {port}, {folder}."""

    def __init__(self, extra="", base=BASE_CONFIG, options=(), folder=None, environment=None, prefix=(), run_as=None,
                 **values):
        self.own_folder = folder is None
        self.folder = folder or make_folder()
        self.template = base + extra
        self.values = values
        self.options = list(options)
        self.prefix = list(prefix)
        self.environment = environment
        self.run_as = run_as
        self.allowed = []
        self.port = None
        self.process = None
        self.log = None
        self.logs = []

    # --- life ---

    def start(self, greet=True):
        """Starts on a free port and waits for its greeting. A port that somebody was quicker to take is tried anew."""
        for attempt in range(PORT_TRIES_MAX):
            self.port = self.port or free_port()
            self.write_config()
            self.launch()
            try:
                if greet:
                    self.wait_greeting()
                return self
            except StartFailed:
                if "in use" not in self.log.text() or attempt == PORT_TRIES_MAX - 1:
                    raise
                self.logs.pop()
                self.port = None
        raise StartFailed("no free port")

    def write_config(self):
        text = self.template.format(folder=self.folder, port=self.port, **self.values)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)

    def launch(self):
        self.process = subprocess.Popen([*self.prefix, built("posternd"), "-d", "-f", self.config, *self.options],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        env=self.environment, start_new_session=True, user=self.run_as,
                                        **({"group": self.run_as, "extra_groups": []} if self.run_as else {}))
        RUNNING.add(self.process.pid)
        self.log = Log(self.process.stderr)
        self.logs.append(self.log)

    def wait_greeting(self, seconds=START_SECONDS):
        deadline = time.monotonic() + seconds
        while True:
            if self.process.poll() is not None:
                self.log.thread.join(2)
                raise StartFailed(f"posternd ended with {self.process.returncode}:\n{self.log.text()}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock:
                    if sock.recv(512).startswith(b"220"):
                        sock.sendall(b"QUIT\r\n")
                        return
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise StartFailed(f"no 220 within {seconds} s:\n{self.log.text()}")
            time.sleep(POLL_SECONDS)

    def stop(self):
        """SIGTERM, and waits for the end; the exit code, 0 when all is well. A process left behind is an error."""
        if self.process is None:
            return 0
        family = {self.process.pid, *(pid for pid, _ in children_of(self.process.pid))}
        RUNNING.discard(self.process.pid)
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill_family(family)
            raise AssertionError(f"posternd did not stop within {STOP_SECONDS} s:\n{self.log.text()}") from None
        self.process = None
        left = self.left_behind(family)
        assert not left, f"processes outlived the daemon: {left}\n{self.log.text()}"
        self.log.thread.join(WAIT_SECONDS)
        return code

    def left_behind(self, family, seconds=3):
        """What of the family still runs; it is killed then."""
        deadline = time.monotonic() + seconds
        while True:
            left = [(pid, name_of(pid)) for pid in family if self.reap(pid)]
            if not left or time.monotonic() > deadline:
                self.kill_family(pid for pid, _ in left)
                return left
            time.sleep(POLL_SECONDS)

    @staticmethod
    def reap(pid):
        """Whether it is alive; an orphan that came to us is waited for."""
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass
        return alive(pid)

    def kill_family(self, family):
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def kill(self):
        """SIGKILL to the parent and all others at once, as a power cut would; nothing is left."""
        family = [self.process.pid, *(pid for pid, _ in children_of(self.process.pid))]
        RUNNING.discard(self.process.pid)
        self.kill_family(family)
        self.process.wait()
        self.process = None
        self.left_behind(family)
        self.log.thread.join(WAIT_SECONDS)

    def restart(self):
        self.stop()
        return self.start()

    def close(self):
        """Ends the daemon, judges its log, removes its folder."""
        try:
            self.stop()
            self.judge()
        finally:
            if self.process is not None:
                self.kill()
            if self.own_folder:
                shutil.rmtree(self.folder, ignore_errors=True)

    # --- the log ---

    def allow(self, *patterns):
        """Lines that would be errors and are expected."""
        self.allowed += [re.compile(pattern) for pattern in patterns]

    def judge(self):
        bad = [line for log in self.logs for line in log.lines
               if BAD_LINE.search(line) and not any(pattern.search(line) for pattern in self.allowed)]
        assert not bad, "unexpected in the log:\n" + "\n".join(bad)

    def wait_for_log(self, pattern, seconds=WAIT_SECONDS, start=0):
        return self.log.wait(pattern, seconds, start)

    # --- processes and places ---

    @property
    def config(self):
        return os.path.join(self.folder, "postern.conf")

    @property
    def pid(self):
        return self.process.pid

    def family(self):
        return children_of(self.process.pid)

    def pids(self, kind):
        """Process ids of one kind, posternd for the parent."""
        if kind == "posternd":
            return [self.process.pid]
        return sorted(pid for pid, name in self.family() if name == kind)

    def kinds(self):
        return collections.Counter(name for _, name in self.family())

    @property
    def spool(self):
        return self.values.get("spool") or os.path.join(self.folder, "spool")

    @property
    def socket(self):
        return os.path.join(self.folder, "run", "control.sock")

    def ctl(self, *arguments, check=True, user=None):
        """Runs posternctl; returns what it printed."""
        done = subprocess.run([built("posternctl"), "-s", self.socket, *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False, user=user)
        text = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0 or not check, f"posternctl {' '.join(arguments)}: {done.returncode}: {text}"
        return text

    def ctl_json(self, *arguments):
        """What posternctl prints with --json."""
        return json.loads(self.ctl(*arguments, "--json"))

    def queue_list(self):
        """The entries of the queue, a dictionary each."""
        return self.ctl_json("show", "queue")

    def wait_queue_empty(self, seconds=WAIT_SECONDS):
        wait_until(lambda: not self.queue_list(), seconds, "an empty queue")

    def check_spool(self):
        """Looks through the spool while no daemon runs."""
        assert self.process is None, "the spool is in use"
        done = subprocess.run([built("queue"), "-C", "check", "-s", self.spool], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)
        assert done.returncode == 0, f"queue -C check: {done.returncode}: {done.stdout.decode('utf-8', 'replace')}"


def local_user(folder, name="joe", uid=65534, gid=65534):
    """A home for a user of a userbase table; returns (line of the table, home)."""
    home = os.path.join(folder, "home-" + name)
    os.makedirs(home, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(home, uid, gid)
    else:
        uid, gid = os.geteuid(), os.getegid()
    return f'"{name}" = "{uid}:{gid}:{home}"', home
