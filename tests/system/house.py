# SPDX-License-Identifier: ISC
"""A daemon with users whose Maildirs a test looks into, and what becomes of a message on its way there."""

import os
import re
import subprocess

import postern

FIRST_UID = 54321
SECONDS = 20
TEXT_MAX = 2000
TRACE = re.compile(rb"\AReturn-Path: <([^>\n]*)>\nDelivered-To: (\S+)\n(Received: [^\n]*(?:\n\t[^\n]*)*\n)?")
CONFIG = """\
table users {{ {users} }}
action "local" {action}
match from any for domain "d.example" action "local"
match from any for local action "local"
"""


class House:
    """The users live in folder; `extra` stands before the usual action and rules."""

    def __init__(self, daemons, folder, names=("joe",), extra="", action="maildir userbase <users>", config=CONFIG,
                 **values):
        lines, self.homes = [], {}
        for number, name in enumerate(names):
            line, self.homes[name] = postern.local_user(folder, name, FIRST_UID + number, FIRST_UID + number)
            lines.append(line)
        self.daemon = daemons(extra + config, users=", ".join(lines), action=action, **values)

    def start(self):
        self.daemon.start()
        return self

    @property
    def port(self):
        return self.daemon.port

    def maildir(self, name):
        return os.path.join(self.homes[name], "Maildir")

    def waiting(self, name):
        """The files of new messages, the oldest first."""
        folder = os.path.join(self.maildir(name), "new")
        try:
            paths = [os.path.join(folder, file) for file in os.listdir(folder)]
        except OSError:
            return []
        return sorted(paths, key=lambda path: os.stat(path).st_mtime_ns)

    def take(self, name="joe", count=1, seconds=SECONDS):
        """Waits for so many messages and returns their bytes; the Maildir is empty then."""
        postern.wait_until(lambda: len(self.waiting(name)) >= count, seconds, f"{count} messages for {name}")
        texts = []
        for path in self.waiting(name):
            with open(path, "rb") as file:
                texts.append(file.read())
            os.unlink(path)
        assert len(texts) == count, f"{len(texts)} messages for {name}, want {count}"
        return texts

    def nothing_for(self, name):
        return not self.waiting(name)


def split_trace(text):
    """(reverse-path, recipient, Received or None for our own notices, what was sent) of a file in a Maildir."""
    match = TRACE.match(text)
    assert match, f"no trace at the top: {text[:TEXT_MAX]!r}"
    return match[1].decode(), match[2].decode(), match[3], text[match.end():]


def as_file(message):
    """CRLF lines as a Maildir has them."""
    return message.replace(b"\r\n", b"\n")


def assert_same(got, want, what):
    """For texts too long to be printed."""
    if got == want:
        return
    common = os.path.commonprefix([got, want])
    raise AssertionError(f"{what}: {len(got)} bytes, want {len(want)}; the same up to {len(common)}, then "
                         f"{got[len(common):][:60]!r}, want {want[len(common):][:60]!r}")


def run(argv, **options):
    """Runs a client; returns (exit code, all it said)."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False, **options)
    return done.returncode, done.stdout.decode("utf-8", "replace")


HEADER = (b"From: <ann@client.example>\r\nTo: <joe@d.example>\r\nSubject: test\r\n"
          b"Message-ID: <1@client.example>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n")
EIGHT_BITS = bytes(byte for byte in range(1, 256) if byte not in b"\r\n")

# What has to arrive as it was sent, by what is special about it.
MESSAGES = {
    "plain": HEADER + b"Hello.\r\n",
    "eight bits": HEADER + EIGHT_BITS + b"\r\n" + "Grüße aus Köln\r\n".encode("utf-8"),
    "lines of 998 and of 5000": HEADER + b"x" * 998 + b"\r\n" + b"y" * 5000 + b"\r\n",
    "dots": HEADER + b".\r\n..\r\n...\r\n.x\r\n..x\r\nx.\r\n\r\n.\r\n",
    "blanks at line ends and empty lines": HEADER + b"\r\n\r\na \r\nb\t\r\n \r\n\r\n\r\n",
    "no body": HEADER,
    "no header": b"\r\nonly a body\r\n",
    "a line like that of an mbox": HEADER + b"From here on\r\n>From there\r\n",
}
