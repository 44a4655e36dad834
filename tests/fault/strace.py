# SPDX-License-Identifier: ISC
"""strace on a running process: what it does, in order, and calls that are made to fail."""

import os
import re
import subprocess
import threading

import postern

ATTACH_SECONDS = 10
# "[pid 12] " is there once a second thread is known.
CALL = re.compile(r"(?:\[pid +(\d+)\] )?(\w+)\((.*)\) += (-?\d+|\?)(?: (\w+))?")
UNFINISHED = re.compile(r"(?:\[pid +(\d+)\] )?(\w+)\((.*) <unfinished \.\.\.>")
RESUMED = re.compile(r"(?:\[pid +(\d+)\] )?<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)(?: (\w+))?")


def missing():
    """Why there is no strace here, None when there is."""
    if os.geteuid() != 0:
        return "needs root"
    try:
        subprocess.run(["strace", "-V"], stdout=subprocess.DEVNULL, check=True)
    except OSError:
        return "strace is not installed"
    return None


class Call:
    """One system call: begun and ended are places in the order of what strace saw."""

    def __init__(self, pid, name, arguments, begun):
        self.pid, self.name, self.arguments, self.begun = pid, name, arguments, begun
        self.ended = None
        self.result = None
        self.error = None

    def end(self, at, result, error):
        self.ended = at
        self.result = None if result == "?" else int(result)
        self.error = error

    def fd(self):
        match = re.match(r"\d+", self.arguments)
        return int(match[0]) if match else -1

    def data(self):
        """All bytes of its buffers, where strace was told to print them in hexadecimal."""
        return b"".join(bytes.fromhex(text.replace("\\x", ""))
                        for text in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', self.arguments))


class Strace:
    """Attached to a process and its threads until stop."""

    def __init__(self, pid, *options, trace=()):
        argv = ["strace", "-f", "-qq", "-e", "signal=none", *options]
        if trace:
            argv += ["-e", "trace=" + ",".join(trace)]
        self.process = subprocess.Popen([*argv, "-p", str(pid)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        self.lines = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        postern.wait_until(lambda: traced(pid) or self.process.poll() is not None, ATTACH_SECONDS, "strace attached")

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line.decode("latin-1").rstrip("\n"))

    def stop(self):
        """Detaches; returns the calls in the order they began."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(ATTACH_SECONDS)
        except subprocess.TimeoutExpired:
            # It waits for a stop of a thread that sleeps on; without its tracer the process goes on as well.
            self.process.kill()
            self.process.wait()
        self.thread.join(ATTACH_SECONDS)
        self.process.stderr.close()
        return parse(self.lines)


def traced(pid):
    """Whether all threads have a tracer."""
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status", encoding="ascii", errors="replace") as file:
                if "TracerPid:\t0\n" in file.read():
                    return False
        return True
    except OSError:
        return False


def parse(lines):
    calls, open_calls = [], {}
    for at, line in enumerate(lines):
        resumed, unfinished, whole = RESUMED.search(line), UNFINISHED.search(line), CALL.search(line)
        if resumed:
            call = open_calls.pop((resumed[1], resumed[2]), None)
            if call:
                call.arguments += resumed[3]
                call.end(at, resumed[4], resumed[5])
        elif unfinished:
            call = Call(unfinished[1], unfinished[2], unfinished[3], at)
            calls.append(call)
            open_calls[unfinished[1], unfinished[2]] = call
        elif whole:
            call = Call(whole[1], whole[2], whole[3], at)
            call.end(at, whole[4], whole[5])
            calls.append(call)
    return calls
