# SPDX-License-Identifier: ISC
"""Clients of other people send what users send, and it arrives in a Maildir byte for byte below our own lines."""

import os
import shutil
import smtplib

import pytest

import house
import postfix_tools
import smtp

SENDER = "ann@client.example"
LIMIT = "smtp max-message-size 1M\n"
MIB = 1 << 20


class Client:
    """How a client is run. What differs between them stands in the classes below."""

    # A file of no bytes: what arrives. The final dot needs a line end before it, which some count and some do not.
    empty = b""
    # Whether good recipients get the message when another is refused.
    partly = True
    partly_code = 0

    def __init__(self, port, folder):
        self.port = port
        self.folder = folder

    @classmethod
    def find(cls):
        if shutil.which(cls.__name__.lower()) is None:
            pytest.skip(f"{cls.__name__.lower()} is not installed")

    def file(self, message):
        path = os.path.join(self.folder, "message")
        with open(path, "wb") as file:
            file.write(message)
        return path

    def send(self, message, *recipients):
        """(0 for success, what it said)"""
        raise NotImplementedError


class Swaks(Client):
    # As it is told to: with its final dot, without which it adds an empty line.
    def send(self, message, *recipients):
        return house.run(["swaks", "--server", "127.0.0.1", "--port", str(self.port), "--helo", "client.example",
                          "--from", SENDER, "--to", ",".join(recipients), "--suppress-data",
                          "--no-data-fixup", "--data", "@" + self.file(smtp.stuffed(message) + b".\r\n")])


class Curl(Client):
    def send(self, message, *recipients):
        return house.run(["curl", "--silent", "--show-error", "--verbose",
                          f"smtp://127.0.0.1:{self.port}/client.example",
                          "--mail-from", SENDER, "--mail-rcpt-allowfails",
                          *(word for recipient in recipients for word in ("--mail-rcpt", recipient)),
                          "--upload-file", self.file(message)])


class Msmtp(Client):
    # All or nothing.
    partly = False
    partly_code = 65

    def send(self, message, *recipients):
        with open(self.file(house.as_file(message)), "rb") as file:
            return house.run(["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={self.port}",
                              "--domain=client.example", f"--from={SENDER}", "--auth=off", "--tls=off",
                              "--set-from-header=off", "--set-date-header=off", "--set-msgid-header=off", *recipients],
                             stdin=file)


class Smtplib(Client):
    empty = b"\n"

    @classmethod
    def find(cls):
        pass

    def send(self, message, *recipients):
        try:
            with smtplib.SMTP("127.0.0.1", self.port, "client.example", timeout=30) as client:
                refused = client.sendmail(SENDER, recipients, message, ["BODY=8BITMIME"])
                return 0, str(refused)
        except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as error:
            return 1, str(error)


CLIENTS = [Swaks, Curl, Msmtp, Smtplib]


@pytest.fixture(name="make_place", params=CLIENTS, ids=lambda client: client.__name__.lower())
def fixture_make_place(request, folder, daemons):
    def make(extra=""):
        request.param.find()
        rooms = house.House(daemons, folder, ("joe", "ann", "bob"), extra=extra).start()
        return rooms, request.param(rooms.port, folder)
    return make


@pytest.fixture(name="place")
def fixture_place(make_place):
    """(a running house, a client that knows its port)"""
    return make_place()


def test_everything_arrives_as_it_was_sent(place):
    rooms, client = place
    for what, message in house.MESSAGES.items():
        code, said = client.send(message, "joe@d.example")
        assert code == 0, f"{what}: {said}"
        text, = rooms.take()
        sender, recipient, received, rest = house.split_trace(text)
        assert (sender, recipient) == (SENDER, "joe@d.example")
        assert b"for <joe@d.example>" in received and b"with ESMTP" in received
        house.assert_same(rest, house.as_file(message), what)


def test_an_empty_message(place):
    rooms, client = place
    code, said = client.send(b"", "joe@d.example")
    assert code == 0, said
    text, = rooms.take()
    assert house.split_trace(text)[3] == client.empty


def test_several_recipients(place):
    rooms, client = place
    message = house.MESSAGES["dots"]
    code, said = client.send(message, "joe@d.example", "ann@d.example", "bob@d.example")
    assert code == 0, said
    for name in ("joe", "ann", "bob"):
        text, = rooms.take(name)
        _, recipient, received, rest = house.split_trace(text)
        assert recipient == f"{name}@d.example"
        # None of them learns of the others.
        assert b" for <" not in received.replace(b"\n\t", b" ")
        assert rest == house.as_file(message)


@pytest.mark.root
def test_one_refused_among_good_ones(place):
    rooms, client = place
    code, said = client.send(house.MESSAGES["plain"], "joe@d.example", "nobody@d.example", "bob@d.example")
    assert "550" in said and "5.1.1" in said and code == client.partly_code, said
    if client.partly:
        for name in ("joe", "bob"):
            text, = rooms.take(name)
            assert house.split_trace(text)[3] == house.as_file(house.MESSAGES["plain"])
    rooms.daemon.wait_queue_empty()
    assert all(rooms.nothing_for(name) for name in ("joe", "ann", "bob"))


def big(size):
    line = b"0123456789abcdef" * 4 + b"\r\n"
    return (house.HEADER + line * (size // len(line)))[:size - 2] + b"\r\n"


def test_ten_mebibytes(place):
    rooms, client = place
    message = big(10 * MIB)
    code, said = client.send(message, "joe@d.example")
    assert code == 0, said
    text, = rooms.take()
    house.assert_same(house.split_trace(text)[3], house.as_file(message), "10 MiB")


def test_more_than_the_limit_is_552(make_place):
    rooms, client = make_place(LIMIT)
    code, said = client.send(big(2 * MIB), "joe@d.example")
    assert code != 0 and "552" in said, said
    # The service goes on.
    code, said = client.send(house.MESSAGES["plain"], "joe@d.example")
    assert code == 0, said
    rooms.take()


# --- smtp-source ---

@pytest.fixture(name="tools")
def fixture_tools():
    tools = postfix_tools.find()
    yield tools
    tools.close()


def test_smtp_source_sends_files(folder, daemons, tools):
    rooms = house.House(daemons, folder).start()
    for number, (what, message) in enumerate(house.MESSAGES.items()):
        path = tools.write(f"message{number}", house.as_file(message))
        code, said = house.run(tools.source(rooms.port, "-F", path, "-f", SENDER, "-t", "joe@d.example"))
        assert code == 0, f"{what}: {said}"
        text, = rooms.take()
        # It puts an empty line before the final dot.
        house.assert_same(house.split_trace(text)[3], house.as_file(message) + b"\n", what)


@pytest.mark.root
def test_smtp_source_in_many_sessions(folder, daemons, tools):
    """300 messages to three users each over 20 sessions at once, which it counts, and we do."""
    names = ["joe", "2joe", "3joe"]
    rooms = house.House(daemons, folder, names).start()
    code, said = house.run(tools.source(rooms.port, "-s", "20", "-m", "300", "-l", "4096", "-r", "3", "-d", "-f",
                                        SENDER, "-t", "joe@d.example"))
    assert code == 0, said
    for name in names:
        texts = rooms.take(name, 300)
        bodies = {house.split_trace(text)[3].partition(b"\n\n")[2] for text in texts}
        assert len(bodies) == 1, "all have one body"
    rooms.daemon.wait_queue_empty()
