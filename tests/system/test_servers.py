# SPDX-License-Identifier: ISC
"""Servers of other people: smtp-sink with each of its moods, aiosmtpd with each extension it may lack, and Postfix.

What is refused for now stays in the queue, with the reason in sight, and goes out once the server is well; what is
refused for good comes back to its sender; what is taken is taken byte for byte.
"""

import email
import email.policy
import os

import pytest

import house
import postern
import postfix_tools
import smtp

aiosmtpd_controller = pytest.importorskip("aiosmtpd.controller", reason="python3-aiosmtpd is not installed")
aiosmtpd_smtp = pytest.importorskip("aiosmtpd.smtp")

SENDER = "joe@d.example"
RCPTS = ["a@far.example", "b@far.example"]
# An ordinary user sees their own mail in the queue only, which is not what these tests ask for.
pytestmark = pytest.mark.root
RELAY = """\
action "out" relay host "smtp://127.0.0.1:{server}"
match from any for domain "far.example" action "out"
"""


class Relay:
    """A house whose mail for far.example goes to a port, where a server may be or not."""

    def __init__(self, daemons, folder):
        self.server = postern.free_port()
        self.house = house.House(daemons, folder, extra=RELAY, server=self.server).start()
        self.daemon = self.house.daemon

    def send(self, message=house.MESSAGES["dots"], recipients=RCPTS):
        return smtp.deliver(self.daemon.port, SENDER, recipients, message)

    def bounce(self):
        """The notification that came back to the sender, parsed."""
        text, = self.house.take()
        reverse_path, recipient, _, rest = house.split_trace(text)
        assert (reverse_path, recipient) == ("", SENDER)
        return email.message_from_bytes(rest, policy=email.policy.default)

    def waiting(self):
        """{recipient: what the queue says of it}"""
        return {entry["recipient"]: entry for entry in self.daemon.queue_list()}


@pytest.fixture(name="relay")
def fixture_relay(folder, daemons):
    return Relay(daemons, folder)


@pytest.fixture(name="tools")
def fixture_tools():
    tools = postfix_tools.find()
    yield tools
    tools.close()


def sent_part(text):
    """What is below our own Received line: what the client sent."""
    head, _, _ = text.partition(b"for ")
    assert head.startswith(b"Received: from client.example")
    lines = text.split(b"\n")
    end = next(number for number, line in enumerate(lines[1:], 1) if not line.startswith(b"\t"))
    return b"\n".join(lines[end:])


# --- smtp-sink ---

def test_smtp_sink_gets_every_byte(relay, tools):
    tools.sink(relay.server)
    for message in house.MESSAGES.values():
        relay.send(message)
        relay.daemon.wait_queue_empty()
    got = tools.dumped()
    assert all(sorted(recipients) == RCPTS for recipients, _ in got)
    assert sorted(sent_part(text) for _, text in got) == sorted(map(house.as_file, house.MESSAGES.values()))


# What smtp-sink is told to do wrong, and what the queue says of the recipients that wait.
LATER = {
    "disconnects at the start": (["-q", "connect"], r"4\.4\.2"),
    "disconnects at EHLO": (["-q", "ehlo"], r"4\.4\.2"),
    "disconnects at MAIL": (["-q", "mail"], r"4\.4\.2"),
    "disconnects at RCPT": (["-q", "rcpt"], r"4\.4\.2"),
    "disconnects at DATA": (["-q", "data"], r"4\.4\.2"),
    "disconnects at the final dot": (["-q", "."], r"4\.4\.2"),
    "greets with 4xx": (["-r", "connect"], r"450|421"),
    "answers MAIL with 4xx": (["-r", "mail"], r"450 4\.3\.0"),
    "answers RCPT with 4xx": (["-r", "rcpt"], r"450 4\.3\.0"),
    "answers DATA with 4xx": (["-r", "data"], r"450 4\.3\.0"),
    "answers the final dot with 4xx": (["-r", "."], r"450 4\.3\.0"),
    "answers HELO and EHLO with 4xx": (["-r", "ehlo,helo"], r"450 4\.3\.0"),
    "greets with 5xx": (["-f", "connect"], r"500 5\.3\.0"),
}
FOR_GOOD = {
    "answers MAIL with 5xx": ["-f", "mail"],
    "answers RCPT with 5xx": ["-f", "rcpt"],
    "answers DATA with 5xx": ["-f", "data"],
    "answers the final dot with 5xx": ["-f", "."],
}
TAKEN = {
    "hides all extensions": ["-a", "-e", "-8", "-p"],
    "hides ESMTP": ["-e"],
    "hides 8BITMIME": ["-8"],
    "hides PIPELINING": ["-p"],
    "answers EHLO with 5xx": ["-f", "ehlo"],
    "is slow at the final dot": ["-w", "1"],
    "disconnects at QUIT": ["-q", "quit"],
    "answers RSET and NOOP with 4xx": ["-r", "rset,noop"],
}


@pytest.mark.parametrize("what", LATER)
def test_what_is_refused_for_now_waits_and_goes_out(relay, tools, what):
    options, reason = LATER[what]
    process = tools.sink(relay.server, *options)
    relay.send()
    for rcpt in RCPTS:
        relay.daemon.wait_for_log(rf"event=deferred .*to={rcpt} .*reply=\"?[^\"]*({reason})")
    waiting = relay.waiting()
    assert sorted(waiting) == RCPTS and all(entry["last_reply"] for entry in waiting.values()), waiting
    tools.stop(process)
    tools.sink(relay.server)
    relay.daemon.wait_queue_empty()
    (recipients, text), = tools.dumped()
    assert sorted(recipients) == RCPTS
    assert sent_part(text) == house.as_file(house.MESSAGES["dots"])
    assert relay.house.nothing_for("joe")


def test_nobody_listens_and_then_somebody_does(relay, tools):
    relay.send()
    relay.daemon.wait_for_log(r"event=destination-down destination=\S*out/smtp://127\.0\.0\.1")
    tools.sink(relay.server)
    relay.daemon.wait_queue_empty()
    relay.daemon.wait_for_log(r"event=destination-up")
    assert len(tools.dumped()) == 1


@pytest.mark.parametrize("what", FOR_GOOD)
def test_what_is_refused_for_good_comes_back(relay, tools, what):
    tools.sink(relay.server, *FOR_GOOD[what])
    relay.send()
    notice = relay.bounce()
    _, status, header = notice.iter_parts()
    _, *rcpts = status.get_payload()
    assert sorted(rcpt["Final-Recipient"] for rcpt in rcpts) == [f"rfc822; {rcpt}" for rcpt in RCPTS]
    assert all(rcpt["Action"] == "failed" and rcpt["Status"] == "5.3.0" and "500 5.3.0" in rcpt["Diagnostic-Code"]
               for rcpt in rcpts)
    assert "Subject: test" in header.get_content()
    relay.daemon.wait_queue_empty()


@pytest.mark.parametrize("what", TAKEN)
def test_what_is_odd_and_right_is_no_trouble(relay, tools, what):
    tools.sink(relay.server, *TAKEN[what])
    for _ in range(3):
        relay.send(house.MESSAGES["eight bits"])
    relay.daemon.wait_queue_empty()
    got = tools.dumped()
    assert [sent_part(text) for _, text in got] == [house.as_file(house.MESSAGES["eight bits"])] * 3
    assert relay.daemon.log.count(r"event=deferred") == 0


# --- aiosmtpd ---

class Keeper:
    """What aiosmtpd calls: keeps messages, and says of extensions what it is told to."""

    def __init__(self, hidden):
        self.hidden = hidden
        self.messages = []

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        words = {line[4:].split()[0] for line in responses}
        if "PIPELINING" not in self.hidden:
            assert "PIPELINING" not in words
            responses.insert(1, "250-PIPELINING")
        return [line for line in responses if line[4:].split()[0] not in self.hidden]

    async def handle_DATA(self, server, session, envelope):
        self.messages.append(envelope)
        return "250 2.0.0 kept"


class Server(aiosmtpd_smtp.SMTP):
    line_length_limit = 10000


class Controller(aiosmtpd_controller.Controller):
    def factory(self):
        return Server(self.handler, **self.SMTP_kwargs)


@pytest.fixture(name="aiosmtpd")
def fixture_aiosmtpd():
    running = []

    def make(port, hidden=()):
        keeper = Keeper(hidden)
        controller = Controller(keeper, hostname="127.0.0.1", port=port, decode_data=False)
        controller.start()
        running.append(controller)
        return keeper

    yield make
    for controller in running:
        controller.stop()


@pytest.mark.parametrize("hidden", [(), ("PIPELINING",), ("SIZE",), ("8BITMIME",), ("PIPELINING", "SIZE", "8BITMIME")],
                         ids=lambda words: "without " + "+".join(words) if words else "with all")
def test_aiosmtpd_gets_every_byte(relay, aiosmtpd, hidden):
    keeper = aiosmtpd(relay.server, hidden)
    for message in house.MESSAGES.values():
        relay.send(message)
    relay.daemon.wait_queue_empty()
    assert len(keeper.messages) == len(house.MESSAGES)
    got = sorted(sent_part(envelope.content.replace(b"\r\n", b"\n")) for envelope in keeper.messages)
    assert got == sorted(map(house.as_file, house.MESSAGES.values()))
    for envelope in keeper.messages:
        assert envelope.mail_from == SENDER and sorted(envelope.rcpt_tos) == RCPTS
        assert b"\n" not in envelope.content.replace(b"\r\n", b"")
        words = {option.split("=")[0] for option in envelope.mail_options}
        assert ("SIZE" in words) == ("SIZE" not in hidden)


# --- Postfix ---

@pytest.mark.deadline(120)
def test_postfix_gets_every_byte(relay, tools):
    maildir = os.path.join(tools.postfix(relay.server), "new")
    for message in house.MESSAGES.values():
        relay.send(message, RCPTS[:1])
    relay.daemon.wait_queue_empty()

    def files():
        return os.listdir(maildir) if os.path.isdir(maildir) else []

    postern.wait_until(lambda: len(files()) == len(house.MESSAGES), 30, "all messages in Postfix's Maildir")
    got = []
    for name in files():
        with open(os.path.join(maildir, name), "rb") as file:
            text = file.read()
        assert text.startswith(b"Return-Path: <joe@d.example>\n")
        got.append(sent_part(text[text.index(b"Received: from client.example"):]))
    for text, want in zip(sorted(got), sorted(map(house.as_file, house.MESSAGES.values()))):
        house.assert_same(text, want, "a message")
    assert relay.daemon.log.count("event=deferred") == 0
