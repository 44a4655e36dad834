# SPDX-License-Identifier: ISC
"""Only CR LF . CR LF ends a message, whatever stands around other dots, however the bytes are cut (SECURITY S01, S02).

Each row sends a body that holds a dot between two forms of line end, and behind it a whole second session. Where a
strict reader sees no end, there is one reply, the tail is not obeyed, and the session is still in step.
"""

import itertools
import re

import pytest

import smtp

FORMS = {
    "CRLF": b"\r\n", "LF": b"\n", "CR": b"\r", "CRCRLF": b"\r\r\n", "LFCR": b"\n\r", "LFLF": b"\n\n", "CRCR": b"\r\r",
    "CRLFCR": b"\r\n\r", "LFCRLF": b"\n\r\n", "NULCRLF": b"\0\r\n", "CRNULLF": b"\r\0\n", "CRLFNUL": b"\r\n\0",
    "NUL": b"\0", "SPCRLF": b" \r\n", "CRSPLF": b"\r \n", "VT": b"\x0b", "FF": b"\x0c", "NEL": b"\x85",
    "LS": b"\xe2\x80\xa8", "none": b"",
}
TAIL = (b"MAIL FROM:<evil@c.example>\r\nRCPT TO:<victim@far.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nsmuggled\r\n"
        b".\r\n")
END = b"\r\n.\r\n"
# Its last line is the date; what follows may begin with anything.
RECEIVED = re.compile(rb"\AReceived: .*?;\r\n\t[^\r\n]+\r\n", re.DOTALL)
MAILS_A_SESSION = 500
BUFFERS = (4096, 32768, 65536)
AROUND = 6


def strict_end(stream):
    """Where a strict reader sees the message end, counted behind its last LF; the 354 counts as a CR LF before it."""
    at = (b"\r\n" + stream).find(END)
    return None if at == -1 else at + 3


def has_bare(content):
    return re.search(rb"\r(?!\n)|(?<!\r)\n", content) is not None


class Session:
    """A connection that is opened anew before the server has had enough of it."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.client = None
        self.mails = 0
        self.accepted = []

    def open(self):
        if self.client is None or self.mails >= MAILS_A_SESSION:
            if self.client:
                self.client.quit()
            self.client = smtp.Client(self.daemon.port)
            self.client.ehlo()
            self.mails = 0
        self.mails += 1
        return self.client

    def try_body(self, body, send, what):
        """Sends body and TAIL as one stream and judges the answers."""
        client = self.open()
        client.envelope("a@c.example", ["b@far.example"])
        client.command("DATA", 354)
        stream = body + TAIL
        end = strict_end(stream)
        content, rest = stream[:end - 3], stream[end:]
        send(client, stream)
        reply = client.reply()
        want = 550 if has_bare(content) else 250
        assert reply.code == want, f"{what}: got {reply.code} {reply.text}, want {want}"
        if want == 250:
            self.accepted.append(content)
        if rest == TAIL:
            # A true end stood right before the tail: it is a session of its own, by right.
            self.accepted.append(b"Subject: smuggled\r\n\r\nsmuggled\r\n")
            codes = [client.reply().code for _ in range(4)]
            assert codes == [250, 250, 354, 250], f"{what}: {codes}"
        elif rest:
            # ... with something between them: MAIL is spoilt, and so each line after it is refused.
            codes = [client.reply().code for _ in range(rest.count(b"\n"))]
            assert all(500 <= code < 600 for code in codes), f"{what}: {codes}"
        noop = client.command("NOOP")
        assert noop.code == 250 and client.received == b"", f"{what}: out of step: {noop} {client.received!r}"


def whole(client, stream):
    client.send(stream)


def byte_by_byte(client, stream):
    for at in range(len(stream)):
        client.send(stream[at:at + 1])


def around_the_dot(client, stream):
    """Cuts before, between and behind the bytes that matter, the rest whole."""
    dot = stream.find(b".", 8)
    client.send(stream[:max(0, dot - 3)])
    for at in range(max(0, dot - 3), min(len(stream), dot + 5)):
        client.send(stream[at:at + 1])
    client.send(stream[dot + 5:])


@pytest.fixture(name="session")
def fixture_session(relaying):
    daemon, sink = relaying
    session = Session(daemon)
    yield session
    if session.client:
        session.client.quit()
    mails = sink.wait(len(session.accepted), 60)
    daemon.wait_queue_empty(30)
    assert len(sink.mails) == len(session.accepted), "more messages arrived than were accepted"
    bodies = sorted(re.sub(RECEIVED, b"", mail.data) for mail in mails)
    wanted = sorted(re.sub(rb"(\A|\r\n)\.", rb"\1", content) for content in session.accepted)
    assert bodies == wanted, "what arrived is not what was sent"


PAIRS = list(itertools.product(FORMS, FORMS))


def test_the_matrix_is_large_enough():
    assert len(FORMS) >= 14


@pytest.mark.parametrize("send", [whole, around_the_dot, byte_by_byte])
@pytest.mark.deadline(240)
def test_S01_line_ends_around_a_dot(session, send):
    for before, after in PAIRS:
        body = b"Subject: x\r\n\r\nx" + FORMS[before] + b"." + FORMS[after]
        session.try_body(body, send, f"{before} . {after}")


@pytest.mark.parametrize("send", [whole, byte_by_byte])
@pytest.mark.deadline(240)
def test_S02_as_the_first_bytes(session, send):
    for before, after in PAIRS:
        session.try_body(FORMS[before] + b"." + FORMS[after], send, f"first: {before} . {after}")


@pytest.mark.deadline(120)
def test_S02_inside_the_header(session):
    for before, after in PAIRS:
        session.try_body(b"Subject: x" + FORMS[before] + b"." + FORMS[after], whole, f"header: {before} . {after}")


DANGEROUS = [("LF", "LF"), ("LF", "CRLF"), ("CRLF", "LF"), ("CR", "CR"), ("CR", "CRLF"), ("CRLF", "CR"),
             ("CRLF", "CRCRLF"), ("NULCRLF", "CRNULLF"), ("CRLF", "NULCRLF"), ("LFCRLF", "LF"), ("CRLF", "CRLF"),
             ("CRLF", "SPCRLF")]


@pytest.mark.parametrize("size", BUFFERS)
@pytest.mark.deadline(240)
def test_S01_at_every_offset_round_buffer_sizes(session, size):
    line = b"0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
    for before, after in DANGEROUS:
        for offset in range(size - AROUND, size + AROUND + 1):
            length = offset - len(FORMS[before]) - 1
            filler = (line * (length // len(line) + 1))[:length - 2] + b"yy"
            filler = filler[:-2].rstrip(b"\r\n").ljust(length - 2, b"y") + b"yy"
            session.try_body(filler[:length] + FORMS[before] + b"." + FORMS[after], whole,
                             f"{before} . {after} at {offset} of {size}")
