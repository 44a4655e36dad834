# SPDX-License-Identifier: ISC
"""The servers that torture is done to: Postern, and its peers from roots of their own (tests/bench/roots.py), never installed.

An adapter knows how to start one on a given file system, which processes it has, and how many messages wait.
"""

import os
import shutil
import subprocess
import sys

import postern

# Behind all others: both have a load.py.
sys.path.append(os.path.join(postern.TOP, "tests", "bench"))

# pylint: disable=wrong-import-position
import peers
import peers.opensmtpd
import peers.postfix
import process
import roots

CACHE = os.environ.get("POSTERN_BENCH", "/var/tmp/postern-bench")
STOP_SECONDS = 20


class PeerServer:
    """A peer of the bench whose queue stands on a file system that can be cut off."""

    def __init__(self, name, work, sink_port, mounted):
        self.name = name
        place = peers.Place(CACHE, postern.BUILD, roots.Getting.MISSING, False, lambda text: print(text, file=sys.stderr))
        place.work = work
        self.peer = {"postfix": peers.postfix.Postfix, "opensmtpd": peers.opensmtpd.OpenSMTPD}[name](place)
        self.peer.prepare()
        self.mounted = mounted
        self.setting = peers.Setting(sink=sink_port, sessions=20)
        self.queue = self.peer.path({"postfix": peers.postfix.QUEUE, "opensmtpd": peers.opensmtpd.QUEUE}[name])
        self.port = postern.free_port()
        self.process = None
        self.argv = None
        self.bound = False

    # --- life ---

    def prepare(self):
        """An empty queue, made by the peer's own adapter, moved to the file system and mounted where it was."""
        self.argv = self.peer.configure(self.setting, self.port)
        store = os.path.join(self.mounted, "queue")
        if os.path.isdir(self.queue):
            subprocess.run(["cp", "-a", self.queue, store], check=True)
        else:
            os.mkdir(store, 0o711)
        os.makedirs(self.queue, exist_ok=True)
        self.bind()

    def bind(self):
        subprocess.run(["mount", "--bind", os.path.join(self.mounted, "queue"), self.queue], check=True)
        self.bound = True

    def unbind(self):
        if self.bound:
            postern.wait_until(lambda: subprocess.run(["umount", self.queue], stderr=subprocess.DEVNULL,
                                                      check=False).returncode == 0, 20, f"umount {self.queue}")
        self.bound = False

    def start(self):
        if self.argv is None:
            self.prepare()
        elif not self.bound:
            self.bind()
        self.process = process.Process(self.argv, root=self.peer.root)
        process.wait_greeting(self.port, peers.START_SECONDS, self.process)

    def family(self):
        """(pid, name) of all its processes: they keep the root, whatever else they change."""
        found = []
        for word in os.listdir("/proc"):
            try:
                if word.isdigit() and os.readlink(f"/proc/{word}/root").startswith(self.peer.root):
                    found.append((int(word), postern.name_of(word)))
            except OSError:
                pass
        return [(pid, name) for pid, name in found if postern.alive(pid)]

    def kill(self):
        """All at once, as a power cut would."""
        def gone():
            left = [pid for pid, _ in self.family()]
            for pid in left:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
            return not left
        postern.wait_until(gone, STOP_SECONDS, "the end of all processes")
        if self.process is not None:
            self.process.wait(STOP_SECONDS)
        self.process = None

    def stop(self):
        self.process.stop(STOP_SECONDS)
        self.kill()

    def waiting(self):
        """How many messages wait; what the peer itself would call its queue."""
        folders = ("incoming", "active", "deferred", "maildrop") if self.name == "postfix" else ("queue", "incoming")
        total = 0
        for folder in folders:
            for path, _, files in os.walk(os.path.join(self.queue, folder)):
                total += sum(bool(self.is_message(os.path.join(path, file))) for file in files)
        return total

    def is_message(self, path):
        """Postfix marks a file that is whole by its mode; others are what a crash left, and no mail."""
        try:
            return os.stat(path).st_mode & 0o100 if self.name == "postfix" else os.path.basename(path) == "message"
        except FileNotFoundError:
            return False

    def hurry(self):
        """What was deferred meanwhile is tried now."""
        argv = {"postfix": ["/usr/sbin/postqueue", "-c", "/etc/postfix", "-f"],
                "opensmtpd": ["/usr/sbin/smtpctl", "schedule", "all"]}[self.name]
        subprocess.run(["chroot", self.peer.root, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30,
                       check=False)

    def close(self):
        self.kill()
        self.unbind()
        if not os.path.ismount(self.queue):
            self.peer.empty()


class PosternServer:
    """Postern in the same clothes: all its mail goes to the smarthost, as the peers' does."""

    CONFIG = 'action "out" relay host "smtp://127.0.0.1:{sink}"\nmatch from any for any action "out"\n'

    def __init__(self, name, work, sink_port, mounted):
        self.name = name
        base = postern.BASE_CONFIG.replace("{folder}/spool", "{spool}")
        self.daemon = postern.Daemon(self.CONFIG, base=base, folder=work, sink=sink_port,
                                     spool=os.path.join(mounted, "spool"))

    @property
    def port(self):
        return self.daemon.port

    def start(self):
        self.daemon.start()

    def family(self):
        return [(self.daemon.pid, "posternd"), *self.daemon.family()]

    def kill(self):
        self.daemon.kill()

    def unbind(self):
        """Nothing but the spool is on that file system."""

    def stop(self):
        self.daemon.stop()

    def waiting(self):
        return len(self.daemon.queue_list())

    def hurry(self):
        """Its tries are a second or two apart here."""

    def close(self):
        if self.daemon.process is not None:
            self.daemon.kill()


def make(name, work, sink_port, mounted):
    """A server by its name."""
    shutil.rmtree(os.path.join(work, "run"), ignore_errors=True)
    kind = PosternServer if name == "postern" else PeerServer
    return kind(name, work, sink_port, mounted)
