# SPDX-License-Identifier: ISC
"""The two ends of every measurement: smtp-source and smtp-sink of Postfix, and connections that only wait.

Both programs print a running counter, which is read through a pipe. The pipe is emptied every few milliseconds instead
of at each byte: client, server and sink share the machine's cores, and the watcher must not be one more load.
"""

import os
import re
import resource
import socket
import time

from process import Deadline, Failure, Process, file_tail, free_port, read_line, wait_greeting

MESSAGE_BYTES = 4096
SENDER = "sender@client.test"
RECIPIENT = "recipient@rcpt.test"
ENDLESS = 100_000_000
COUNTER_POLL_SECONDS = 0.01
COUNTER_TAIL_BYTES = 128
SINK_START_SECONDS = 15
SINK_BACKLOG = 1024
SINK_SESSIONS_MAX = 1024
IDLE_CONNECT_SECONDS = 20
SPARE_DESCRIPTORS = 200


class Counted:
    """A program that prints a counter on its standard output; its standard error is kept in a file."""

    # Matches a number that is complete, since the carriage return behind it was read too.
    pattern = None

    def __init__(self, argv, root, log, ids=None):
        self.log = log
        self.buffer = b""
        self.count = 0
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        try:
            with open(log, "wb") as stderr:
                self.process = Process(argv, root=root, ids=ids, stdout=write_end, stderr=stderr)
        except Failure:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self.pipe = read_end

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stop()
        os.close(self.pipe)

    def poll(self):
        """Reads what there is and returns the counter."""
        while True:
            try:
                data = os.read(self.pipe, 1 << 16)
            except BlockingIOError:
                break
            if not data:
                break
            self.buffer += data
            found = self.pattern.findall(self.buffer)
            if found:
                self.count = int(found[-1])
            self.buffer = self.buffer[-COUNTER_TAIL_BYTES:]
        return self.count

    def watch(self, until, seconds):
        """Polls until the condition holds (True) or the time is over (False)."""
        deadline = Deadline(seconds)
        while True:
            self.poll()
            if until():
                return True
            if deadline.passed():
                return False
            time.sleep(COUNTER_POLL_SECONDS)

    def complaint(self):
        return file_tail(self.log) or self.process.status()


class Source(Counted):
    """smtp-source: sessions in parallel, each sending one message after the other."""

    pattern = re.compile(rb"(\d+)\r")

    def __init__(self, tools, port, sessions, reuse, messages=ENDLESS):
        argv = ["/usr/sbin/smtp-source", "-c", "-s", str(sessions), "-m", str(messages), "-l", str(MESSAGE_BYTES),
                "-f", SENDER, "-t", RECIPIENT]
        super().__init__(argv + (["-d"] if reuse else []) + [f"inet:127.0.0.1:{port}"], tools.root, tools.log("source"),
                         tools.ids)

    def run_for(self, seconds):
        """Lets it send for a time. A Failure when it ends before."""
        if self.watch(lambda: not self.process.alive(), seconds):
            raise Failure(f"the client stopped after {self.count} messages: {self.complaint()}")

    def finish(self, seconds, sink):
        """Waits until it has sent all its messages, polling the sink. A Failure when it does not, or is refused."""
        def ended():
            sink.poll()
            return not self.process.alive()

        if not self.watch(ended, seconds):
            raise Failure(f"the client had sent {self.count} messages after {seconds} s")
        if self.process.popen.returncode != 0:
            raise Failure(f"the client stopped after {self.count} messages: {self.complaint()}")


class Sink(Counted):
    """smtp-sink: the smarthost that takes everything and counts it.

    A sink that counts has to be polled: it stops when nobody empties its pipe.
    """

    pattern = re.compile(rb"mesg=(\d+)\r")

    def __init__(self, tools, counting=True):
        self.port = free_port()
        argv = ["/usr/sbin/smtp-sink", "-m", str(SINK_SESSIONS_MAX)] + (["-c"] if counting else [])
        super().__init__(argv + [f"127.0.0.1:{self.port}", str(SINK_BACKLOG)], tools.root, tools.log("sink"), tools.ids)
        try:
            wait_greeting(self.port, SINK_START_SECONDS, self.process)
        except Failure as failure:
            self.__exit__()
            raise Failure(f"{failure}: {self.complaint()}") from failure

    def wait_count(self, wanted, seconds, stall_seconds):
        """Waits until it has taken so many messages. A Failure at the deadline, or when it takes none for a while."""
        deadline = Deadline(seconds)
        stall = Deadline(stall_seconds)
        seen = self.poll()
        while seen < wanted:
            if not self.process.alive():
                raise Failure(f"the sink ended: {self.complaint()}")
            if deadline.passed() or stall.passed():
                raise Failure(f"the sink has {seen} of {wanted} messages"
                              + (f", none for {stall_seconds} s" if stall.passed() else f" after {seconds} s"))
            time.sleep(COUNTER_POLL_SECONDS)
            if self.poll() != seen:
                seen = self.count
                stall = Deadline(stall_seconds)


class Tools:
    """Where the two programs are and what they run as."""

    def __init__(self, root, work, ids):
        self.root = root
        self.work = work
        self.ids = ids

    def log(self, name):
        return os.path.join(self.work, name + ".log")


class IdleSessions:
    """Connections that have said EHLO and then nothing."""

    def __init__(self, port, count, seconds):
        self.sockets = []
        raise_descriptor_limit(count + SPARE_DESCRIPTORS)
        deadline = Deadline(seconds)
        try:
            for number in range(count):
                if deadline.passed():
                    raise Failure(f"only {number} of {count} idle sessions after {seconds} s")
                self.sockets.append(self.open_one(port, number))
        except Failure:
            self.close()
            raise

    @staticmethod
    def open_one(port, number):
        try:
            sock = socket.create_connection(("127.0.0.1", port), timeout=IDLE_CONNECT_SECONDS)
        except OSError as error:
            raise Failure(f"idle session {number}: {error}") from error
        try:
            expect(sock, "220")
            sock.sendall(b"EHLO client.test\r\n")
            expect(sock, "250")
        except (Failure, OSError) as error:
            sock.close()
            raise Failure(f"idle session {number}: {error}") from error
        return sock

    def open_count(self):
        """How many the server has not closed meanwhile."""
        count = 0
        for sock in self.sockets:
            sock.setblocking(False)
            try:
                count += bool(sock.recv(1, socket.MSG_PEEK))
            except BlockingIOError:
                count += 1
            except OSError:
                pass
        return count

    def close(self):
        for sock in self.sockets:
            sock.close()
        self.sockets = []

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def expect(sock, code):
    """Reads a reply, of several lines or of one."""
    text = read_line(sock, IDLE_CONNECT_SECONDS)
    line = text.split("\r\n")[-1]
    while line[3:4] == "-":
        text = read_line(sock, IDLE_CONNECT_SECONDS)
        line = text.split("\r\n")[-1]
    if not line.startswith(code):
        raise Failure(f"got {line!r}, wanted {code}")


def raise_descriptor_limit(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Failure(f"the limit of open files is {hard}, {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
