# SPDX-License-Identifier: ISC
"""What relay makes of servers that misbehave (SECURITY 2.7): no message is taken for delivered that was not, none is
lost, and what a server says comes into the log as printable words.

Each row has a server and an action of its own; all messages are handed in first, then each row waits for its events.
"""

import re

import pytest

import postern
import sink
import smtp

PLAIN = ("SIZE 0", "8BITMIME")
EVENT = re.compile(r"event=(delivered|deferred|bounced) .*? to=(\w+)@\S+ .*? reply=(\"[^\"]*\"|\S+)")


class Row:
    """A sentence, a server, and for each recipient (a, b) the event and a pattern of the reply."""

    def __init__(self, sentence, want, answers=None, extensions=sink.EXTENSIONS, messages=1, body=None):
        self.sentence = sentence
        self.want = want
        self.answers = answers or {}
        self.extensions = extensions
        self.messages = messages
        self.body = body or smtp.message()
        self.server = None
        self.domain = None


def later(reply):
    """The usual for the first session, then that."""
    return lambda session, _: True if session.number == 0 else reply


def for_b(reply):
    return lambda session, argument: reply if "<b@" in argument else True


DELIVERED = ("delivered", "250 2.0.0 taken")
ALL_DELIVERED = {"a": DELIVERED, "b": DELIVERED}


def both(event, reply):
    return {"a": (event, reply), "b": (event, reply)}


ROWS = [
    Row("a good server", ALL_DELIVERED),
    Row("one without extensions", ALL_DELIVERED, extensions=()),
    Row("one without pipelining", ALL_DELIVERED, extensions=PLAIN),
    Row("one that knows HELO only", ALL_DELIVERED, {"EHLO": "502 5.5.1 what?"}),
    Row("R01 a reply of 100 lines", ALL_DELIVERED, {"MAIL": "250-x\r\n" * 99 + "250 ok"}),
    Row("R01 a reply of 101 lines", both("deferred", "451 4.5.0 "), {"MAIL": "250-x\r\n" * 100 + "250 ok"}),
    Row("R01 a greeting without end", both("deferred", "451 4.5.0 "), {"greeting": b"220-x\r\n" * 100000}),
    Row("R01 a line of 60 KB", ALL_DELIVERED, {"MAIL": "250 " + "x" * 60000}),
    Row("R01 a line of 1 MB", both("deferred", "451 4.5.0 "), {"MAIL": "250 " + "x" * 1000000}),
    Row("R02 escapes and line ends in a reply", both("bounced", r"550 5.1.1 no \\x1b\[31m\\x00\\xff"),
        {"RCPT": b"550 5.1.1 no \x1b[31m\x00\xff\r\n"}),
    Row("R02 a line of another file in a reply", both("deferred", "451 4.5.0 "),
        {"RCPT": b"550-no\r\ntype: mda\r\n550 no\r\n"}),
    Row("R02 a bare LF in a reply", both("deferred", "451 4.5.0 "), {"MAIL": b"250-a\n250 b\r\n"}),
    Row("R03 the code changes inside a reply", both("deferred", "451 4.5.0 "), {"MAIL": b"250-a\r\n550 b\r\n"}),
    Row("R03 code 999", both("deferred", "451 4.5.0 "), {"MAIL": "999 x"}),
    Row("R03 code 25", both("deferred", "451 4.5.0 "), {"MAIL": "25"}),
    Row("R03 354 to MAIL", both("deferred", "451 4.5.0 "), {"MAIL": "354 go"}),
    Row("R03 250 to DATA", both("deferred", "451 4.5.0 "), {"DATA": "250 ok"}),
    Row("R03 250 with the 354", both("deferred", "451 4.5.0 "), {"DATA": b"354 go\r\n250 2.0.0 taken\r\n"}),
    Row("R03 two replies to the message", ALL_DELIVERED, {"message": b"250 2.0.0 taken\r\n250 2.0.0 again\r\n"}),
    Row("R03 leftovers are not seen by the next message", ALL_DELIVERED,
        {"message": b"250 2.0.0 taken\r\n550 5.7.1 not you\r\n"}, messages=3),
    Row("R03 421 to MAIL", both("deferred", "421 4.3.2 bye"), {"MAIL": "421 4.3.2 bye"}),
    Row("R03 421 to the second RCPT keeps nothing back", both("deferred", "421 4.3.2 bye"),
        {"RCPT": for_b("421 4.3.2 bye")}),
    Row("R04 closed at the message", both("deferred", "451 4.4.2 "), {"message": None}),
    Row("R04 closed at MAIL", both("deferred", "451 4.4.2 "), {"MAIL": None}),
    Row("R04 4xx for the message", both("deferred", "451 4.7.1 later"), {"message": "451 4.7.1 later"}),
    Row("R04 5xx for the message", both("bounced", "554 5.7.1 spam"), {"message": "554 5.7.1 spam"}),
    Row("R05 1,000 keywords", both("deferred", "451 4.5.0 "), extensions=[f"X{n}" for n in range(1000)]),
    Row("R05 a SIZE that is too small", both("bounced", "552 5.3.4 "), extensions=("PIPELINING", "SIZE 10")),
    Row("R05 a SIZE that is no number", ALL_DELIVERED, extensions=("PIPELINING", "SIZE x")),
    Row("R05 a SIZE of 30 digits", ALL_DELIVERED, extensions=("PIPELINING", "SIZE " + "9" * 30)),
    Row("R06 one recipient refused", {"a": DELIVERED, "b": ("bounced", "550 5.1.1 no b")},
        {"RCPT": for_b("550 5.1.1 no b")}),
    Row("R06 one recipient later", {"a": DELIVERED, "b": ("deferred", "452 4.5.3 too many")},
        {"RCPT": for_b("452 4.5.3 too many")}),
    Row("R06 none accepted, and yet 354", both("bounced", "550 5.1.1 nobody"),
        {"RCPT": "550 5.1.1 nobody", "DATA": "354 go"}),
    Row("R06 none accepted, without pipelining", both("bounced", "550 5.1.1 nobody"),
        {"RCPT": "550 5.1.1 nobody"}, extensions=PLAIN),
    Row("a sender who is refused", both("bounced", "553 5.1.8 not you"), {"MAIL": "553 5.1.8 not you"}),
    Row("a greeting of 554", both("deferred", "554 5.7.1 go away"), {"greeting": "554 5.7.1 go away"}),
    Row("a greeting of 421", both("deferred", "421 4.3.2 busy"), {"greeting": "421 4.3.2 busy"}),
    Row("more connections are refused", ALL_DELIVERED, {"greeting": later("421 4.7.0 one at a time")}, messages=20),
    Row("another protocol", both("deferred", "451 4.5.0 "), {"greeting": b"HTTP/1.0 400 Bad Request\r\n\r\n"}),
    Row("closed at once", both("deferred", "451 4.4.2 "), {"greeting": None}),
    Row("S14 dots", ALL_DELIVERED, body=smtp.message(body=".\r\n..\r\n.x\r\n\r\n.\r\n")),
    Row("S12 a long line", ALL_DELIVERED, body=smtp.message(body="x" * 50000 + "\r\n.\r\n")),
    Row("a large message", ALL_DELIVERED, body=smtp.message(body="0123456789" * 7 + "\r\n." * 3 + "\r\n") +
        ("." + "y" * 70 + "\r\n") * 30000),
]


@pytest.fixture(scope="module")
def zoo():
    """All servers, and a daemon that has taken all messages."""
    extra = []
    for number, row in enumerate(ROWS):
        row.server = sink.Sink(row.answers, row.extensions)
        row.domain = f"row{number}.example"
        extra.append(f'action "a{number}" relay host "smtp://127.0.0.1:{row.server.port}"')
        extra.append(f'match from any for domain "{row.domain}" action "a{number}"')
    daemon = postern.Daemon("\n".join(extra) + "\n", base=postern.BASE_CONFIG.replace("1s 2s", "1h 2h"))
    try:
        daemon.start()
        for row in ROWS:
            for _ in range(row.messages):
                smtp.deliver(daemon.port, "", [f"a@{row.domain}", f"b@{row.domain}"], row.body)
        yield daemon
        daemon.close()
    finally:
        if daemon.process is not None:
            daemon.kill()
        for row in ROWS:
            row.server.stop()


def events(daemon, domain):
    """What became of the recipients of domain: {local part: [(event, reply)]}."""
    found = {}
    for line in daemon.log.text().splitlines():
        match = EVENT.search(line)
        if match and f"@{domain} " in line:
            found.setdefault(match[2], []).append((match[1], match[3].strip('"')))
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.sentence)
def test_zoo(zoo, row):
    postern.wait_until(
        lambda: sum(map(len, events(zoo, row.domain).values())) >= len(row.want) * row.messages, 20, "all results")
    got = events(zoo, row.domain)
    for recipient, (event, reply) in row.want.items():
        assert len(got[recipient]) == row.messages
        for got_event, got_reply in got[recipient]:
            assert got_event == event and re.match(reply.replace("\\\\", r"\\+"), got_reply), \
                f"{recipient}: got {got_event} {got_reply!r}, want {event} {reply!r}"


def test_S14_out_is_in(zoo):
    """What a good server got ends with the body, byte for byte."""
    for row in ROWS:
        if row.want == ALL_DELIVERED:
            for mail in row.server.mails:
                assert mail.data.endswith(b"\r\n" + row.body.encode("ascii")), row.sentence
                assert mail.data.startswith(b"Received: ")


def test_only_delivered_mail_is_taken(zoo):
    """A server that took a message was believed, and no other: R04 is where the two may differ."""
    for row in ROWS:
        taken = len(row.server.mails)
        told = sum(event == "delivered" for event, _ in events(zoo, row.domain).get("a", []))
        assert taken >= told or "message" in row.answers, row.sentence


def test_connections_are_used_again(zoo):
    """20 messages of a row over the one connection the server allows."""
    row = next(row for row in ROWS if row.sentence == "more connections are refused")
    assert sum(session.mails > 0 for session in row.server.sessions) == 1
