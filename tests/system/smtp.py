# SPDX-License-Identifier: ISC
"""An SMTP client that does exactly what it is told: bytes out, replies in."""

import collections
import re
import socket

REPLY_SECONDS = 15
REPLY_LINE = re.compile(rb"(\d{3})([ -])([\x20-\x7e]*)\r\n\Z")

# code, enhanced status code or "", all lines of text.
Reply = collections.namedtuple("Reply", "code enhanced text lines")


class Closed(Exception):
    """The server ended the connection."""


class Client:
    """One connection. Every reply is checked against the grammar of RFC 5321 section 4.2."""

    def __init__(self, port, greet=True, host="127.0.0.1", seconds=REPLY_SECONDS):
        self.socket = socket.create_connection((host, port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        while b"\n" not in self.received:
            data = self.receive()
            if not data:
                raise Closed(f"closed after {self.received!r}")
            self.received += data
        line, _, self.received = self.received.partition(b"\n")
        return line + b"\n"

    def receive(self):
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""

    def reply(self):
        """The next reply, all its lines."""
        lines, code = [], None
        while True:
            line = self.line()
            match = REPLY_LINE.match(line)
            assert match and len(line) <= 512, f"not a reply line: {line!r}"
            assert code in (None, match[1]), f"the code changes inside a reply: {line!r}"
            code = match[1]
            lines.append(match[3].decode("ascii"))
            if match[2] == b" ":
                break
        first = lines[0].split(" ", 1)[0]
        enhanced = first if re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", first) else ""
        return Reply(int(code), enhanced, "\n".join(lines), lines)

    def command(self, line, want=None):
        """Sends one command, str or bytes, and returns its reply."""
        self.send((line.encode("latin-1") if isinstance(line, str) else line) + b"\r\n")
        reply = self.reply()
        assert want in (None, reply.code), f"{line!r}: got {reply.code} {reply.text}, want {want}"
        return reply

    def silent(self, seconds=0.3):
        """Whether nothing comes for that long."""
        if self.received:
            return False
        self.socket.settimeout(seconds)
        try:
            data = self.receive()
            self.received += data
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(REPLY_SECONDS)

    def closed(self):
        """Waits for the server's end of the connection; whether it came, with nothing before it."""
        return not self.received and self.receive() == b""

    def drain(self):
        """Everything until the server's end of the connection."""
        while True:
            data = self.receive()
            if not data:
                return self.received
            self.received += data

    def ehlo(self, name="client.example"):
        reply = self.command("EHLO " + name, 250)
        return {line.split(" ")[0].upper(): line.partition(" ")[2] for line in reply.lines[1:]}

    def envelope(self, sender, recipients, parameters=""):
        self.command(f"MAIL FROM:<{sender}>{parameters}", 250)
        for recipient in recipients:
            self.command(f"RCPT TO:<{recipient}>", 250)

    def data(self, body, want=250):
        """A message of CRLF lines, dots doubled here; returns the reply to its end."""
        self.command("DATA", 354)
        self.send(stuffed(body) + b".\r\n")
        reply = self.reply()
        assert want in (None, reply.code), f"end of data: {reply.code} {reply.text}, want {want}"
        return reply

    def quit(self):
        reply = self.command("QUIT", 221)
        assert self.closed(), "QUIT did not close the connection"
        self.close()
        return reply


def stuffed(body):
    """The body with dots at the start of lines doubled, ending in CRLF (RFC 5321 section 4.5.2)."""
    body = body.encode("utf-8") if isinstance(body, str) else body
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"
    return re.sub(rb"(^|\r\n)\.", rb"\1..", body)


def message(subject="test", body="Hello.\r\n", extra=""):
    return (f"From: <a@client.example>\r\nTo: <b@server.example>\r\nSubject: {subject}\r\n"
            f"Message-ID: <{subject}@client.example>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n{extra}\r\n{body}")


def deliver(port, sender, recipients, body):
    """One message in one session; the reply to its end."""
    with Client(port) as client:
        client.ehlo()
        client.envelope(sender, recipients)
        reply = client.data(body)
        client.quit()
        return reply
