# SPDX-License-Identifier: ISC
"""The servers that are compared.

A peer is started for one measurement on an empty queue, and stopped and emptied after it. What differs between them
is a class a file; the configuration of each stands beside it as a template in which @NAME@ is filled in.
"""

import contextlib
import os
import shutil
import signal

from cgroup import new_group
from process import Failure, Process, file_tail, free_port, wait_greeting

START_SECONDS = 30
STOP_SECONDS = 15
HOSTNAME = "bench.test"


class Setting:
    """What a workload wants of a server."""

    def __init__(self, sink=None, hold=False, sessions=1):
        # A server that only accepts is given the address of nobody: hold keeps it from trying.
        self.sink = sink
        self.hold = hold
        self.sessions = sessions


class Server:
    """A peer that runs."""

    def __init__(self, port, group, process):
        self.port = port
        self.group = group
        self.process = process


class Peer:
    """What all have in common. The classes below say how each is configured and started."""

    name = None
    title = None
    is_server = True
    warm_relay = True
    remark = None

    def __init__(self, place):
        self.place = place
        self.version = None
        self.root = None
        self.killed = 0

    def prepare(self):
        """Makes the peer ready to be started, sets version and root. A Failure when it cannot be had."""
        # Nothing to do for one that needs neither.

    def configure(self, setting, port):
        """Writes configuration and an empty queue; returns the command that runs the server in the foreground."""
        raise NotImplementedError

    def started(self, setting):
        """What is to be done once it greets."""

    def empty(self):
        """Removes the queue."""

    def log_path(self):
        return self.place.work_file(self.name + ".log")

    def complaints(self):
        """The end of its log, for a Failure."""
        return file_tail(self.log_path())

    @contextlib.contextmanager
    def running(self, setting):
        """A Server for the length of a with statement; what fails in it is told with the server's last words."""
        port = free_port()
        group = new_group(self.name)
        process = None
        try:
            argv = self.configure(setting, port)
            with open(self.log_path(), "wb") as log:
                process = Process(argv, root=self.root, group=group, stdout=log, stderr=log,
                                  death_signal=signal.SIGTERM)
            group.adopt(process.pid)
            wait_greeting(port, START_SECONDS, process)
            self.started(setting)
            yield Server(port, group, process)
            if not process.alive():
                raise Failure(f"the server ended ({process.status()})")
        except Failure as failure:
            words = self.complaints()
            raise Failure(f"{failure}" + (f" [server: {words}]" if words else "")) from failure
        finally:
            self.end(process, group)

    def end(self, process, group):
        # Killed at once after SIGTERM has had its time: a server is never in the way of the next.
        if process is not None and not process.stop(STOP_SECONDS):
            self.killed += 1
        group.remove()
        self.empty()


class Place:
    """Folders of the run: the cache that is kept, the work folder that is not, the build tree, the templates."""

    def __init__(self, cache, build, getting, peer_logs, say):
        self.cache = cache
        self.build = build
        # roots.Getting: whether peers are unpacked anew, or may be fetched at all.
        self.getting = getting
        self.peer_logs = peer_logs
        self.say = say
        self.work = os.path.join(cache, "work")
        self.templates = os.path.dirname(os.path.abspath(__file__))

    def fresh_work(self):
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        os.chmod(self.work, 0o755)

    def work_file(self, *names):
        return os.path.join(self.work, *names)

    def write_filled(self, template, path, values):
        """Writes a template with its @NAME@ filled in."""
        with open(os.path.join(self.templates, template), encoding="ascii") as file:
            text = file.read()
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)


def fresh_folder(path, uid, gid, mode):
    os.makedirs(path)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
