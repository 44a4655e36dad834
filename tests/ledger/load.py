# SPDX-License-Identifier: ISC
"""A daemon under load with a ledger: clients that note what got 250, a sink that notes what it was given, a user's Maildir.

Every message goes to an address at the sink and to the user, so that relay and mailbox both work.
"""

import os
import signal
import subprocess

import ledger
import postern

HERE = os.path.dirname(os.path.abspath(__file__))
FAR = "a@far.example"
NEAR = "joe@here.example"
CONFIG = """\
table users {{ {user_line} }}
action "local" maildir userbase <users>
action "out" relay host "smtp://127.0.0.1:{sink}"
match from any for domain "here.example" action "local"
match from any for domain {{ "far.example", "ledger.example" }} action "out"
match from any for domain "dead.example" action "dead"
"""
DEAD = 'action "dead" relay host "smtp://127.0.0.1:{dead}"\n'
STOP_SECONDS = 30


class Load:
    """The ledger's files stand in `folder`, which has to survive what is done to the spool."""

    def __init__(self, folder):
        self.folder = folder
        self.user_line, self.home = postern.local_user(folder)
        self.clients = []
        self.runs = 0
        self.sink_file = os.path.join(folder, "ledger-sink")
        self.sink = subprocess.Popen([os.path.join(HERE, "sink"), self.sink_file], stdout=subprocess.PIPE)
        self.sink_port = int(self.sink.stdout.readline())
        self.dead_port = postern.free_port()

    def configuration(self):
        """(statements, values) for a Daemon."""
        return DEAD + CONFIG, {"user_line": self.user_line, "sink": self.sink_port, "dead": self.dead_port}

    def start_client(self, port, to=(FAR, NEAR), sessions=10, count=0, size=1500, per_session=50, patience=30):
        """Begins to send; without a count, until stop_clients."""
        self.runs += 1
        path = os.path.join(self.folder, f"ledger-client-{self.runs}")
        argv = [os.path.join(HERE, "client"), f"127.0.0.1:{port}", path, "--run", f"L{self.runs}", "--count", str(count),
                "--sessions", str(sessions), "--size", str(size), "--per-session", str(per_session),
                "--patience", str(patience)]
        for recipient in to:
            argv += ["--to", recipient]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE)
        self.clients.append((process, path))
        return process

    def finish_clients(self, seconds=300):
        """Waits for clients with a count."""
        for process, _ in self.clients:
            assert process.wait(seconds) == 0, "a client gave up"

    def stop_clients(self):
        for process, _ in self.clients:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process, _ in self.clients:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def acknowledged(self):
        """Messages that got 250 so far."""
        total = 0
        for _, path in self.clients:
            if os.path.exists(path):
                with open(path, "rb") as file:
                    total += sum(line.startswith(b"+") for line in file)
        return total

    def wait_acknowledged(self, more, seconds=30):
        """Waits until so many further messages got 250."""
        before = self.acknowledged()
        postern.wait_until(lambda: self.acknowledged() >= before + more, seconds, f"{more} further messages taken")

    def balance(self, entries=()):
        """What the ledgers say, with the entries of the queue."""
        balance = ledger.Balance()
        for _, path in self.clients:
            balance.add_client(path)
        balance.add_sink(self.sink_file)
        balance.add_maildir(os.path.join(self.home, "Maildir"), NEAR)
        balance.add_queue(entries)
        return balance

    def close(self):
        self.stop_clients()
        for process, _ in self.clients:
            process.stdout.close()
        self.sink.kill()
        self.sink.wait()
        self.sink.stdout.close()
