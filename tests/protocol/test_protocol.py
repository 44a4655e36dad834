# SPDX-License-Identifier: ISC
"""Plays the dialogues of this folder; README has their language."""

import glob
import os
import re

import pytest

import postern
import sink as sink_module
import smtp

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = sorted(glob.glob(os.path.join(HERE, "*.txt")))
STEP = re.compile(r"([A-Z-]+):(?: (.*))?$")
REPLY = re.compile(r"(\d{3})(?: (\d\.\d+\.\d+))?(?: /(.*)/)?$")

CONFIG = """\
table users {{ {user} }}
table aliases {{ "postmaster" = "joe" }}
action "local" maildir userbase <users> alias <aliases>
action "out" relay host "smtp://127.0.0.1:{sink}"
match from any for domain "here.example" action "local"
match from any for local action "local"
match from any for domain "far.example" action "out"
"""


class Bad(Exception):
    """The case itself is wrong."""


def raw_bytes(text):
    """Escapes and repetitions of C-RAW."""
    text = re.sub(r"\{(\d+)\*([^}]*)\}", lambda match: match[2] * int(match[1]), text)
    return re.sub(rb"\\(r|n|t|0|\\|x[0-9a-fA-F]{2})", unescape, text.encode("utf-8"))


def unescape(match):
    word = match[1].decode("ascii")
    simple = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
    return simple.get(word) or bytes([int(word[1:], 16)])


class Place:
    """Daemons by their configuration, and the server that they relay to; shared by all cases."""

    def __init__(self):
        self.sink = sink_module.Sink()
        self.daemons = {}
        self.folder = postern.make_folder()
        self.user, self.home = postern.local_user(self.folder)

    def daemon(self, statements):
        if statements not in self.daemons:
            daemon = postern.Daemon(CONFIG + statements, user=self.user, sink=self.sink.port)
            self.daemons[statements] = daemon
            daemon.start()
        return self.daemons[statements]

    def close(self):
        problems = []
        for daemon in self.daemons.values():
            try:
                daemon.close()
            except AssertionError as error:
                problems.append(str(error))
        self.sink.stop()
        assert not problems, "\n".join(problems)


@pytest.fixture(name="place", scope="module")
def fixture_place():
    place = Place()
    yield place
    place.close()


class Play:
    """One case while it runs."""

    def __init__(self, daemon, sink):
        self.daemon = daemon
        self.sink = sink
        self.start = len(sink.mails)
        self.log_start = daemon.log.mark()
        self.wanted = 0
        self.client = smtp.Client(daemon.port, greet=False)

    def server(self, text):
        match = REPLY.match(text)
        if not match:
            raise Bad(f"not a reply: {text}")
        reply = self.client.reply()
        assert reply.code == int(match[1]) and match[2] in (None, reply.enhanced) and \
            (match[3] is None or re.search(match[3], reply.text)), f"want {text}, got {reply.code} {reply.text}"

    def run(self, kind, text):
        if kind == "S":
            self.server(text)
        elif kind == "C":
            self.client.send(text.encode("utf-8") + b"\r\n")
        elif kind == "C-RAW":
            self.client.send(raw_bytes(text))
        elif kind == "C-SLOW":
            for byte in raw_bytes(text):
                self.client.send(bytes([byte]))
        elif kind == "CLOSED":
            assert self.client.closed(), f"open, or not silent: {self.client.received!r}"
        elif kind == "SILENT":
            assert self.client.silent(), f"got {self.client.received!r}"
        elif kind == "CONNECT":
            self.client.close()
            self.client = smtp.Client(self.daemon.port, greet=False)
        elif kind == "LOG":
            self.daemon.wait_for_log(text, start=self.log_start)
        elif kind == "SINK":
            self.wanted = int(text)
            self.sink.wait(self.start + self.wanted)
        elif kind in ("SINK-HAS", "SINK-LACKS"):
            data = self.sink.mails[-1].data
            found = re.search(text.encode("utf-8"), data, re.DOTALL)
            assert bool(found) == (kind == "SINK-HAS"), f"the message is {data[:2000]!r}"
        else:
            raise Bad(f"no such step: {kind}")

    def finish(self):
        self.client.close()
        self.daemon.wait_queue_empty()
        arrived = len(self.sink.mails) - self.start
        assert arrived == self.wanted, f"{arrived} messages arrived, want {self.wanted}"


def read_case(path):
    """(statements for the configuration, steps as (line number, kind, text))."""
    statements, steps = "", []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            match = STEP.match(line)
            if not match:
                raise Bad(f"{path}:{number}: not a step: {line}")
            if match[1] == "CONFIG":
                statements += match[2] + "\n"
            else:
                steps.append((number, match[1], match[2] or ""))
    return statements, steps


@pytest.mark.parametrize("path", CASES, ids=[os.path.basename(path)[:-4] for path in CASES])
def test_dialogue(place, path):
    statements, steps = read_case(path)
    play = Play(place.daemon(statements), place.sink)
    for number, kind, text in steps:
        try:
            play.run(kind, text)
        except (AssertionError, smtp.Closed, TimeoutError, ConnectionError) as error:
            pytest.fail(f"{os.path.basename(path)}:{number}: {kind}: {text}\n{error}", pytrace=False)
    play.finish()
