# SPDX-License-Identifier: ISC
"""What a stranger may take of one worker, at the limit and one over it, by a network that is not loopback; and that clients
of this machine are not strangers (SECURITY 5, X02)."""

import contextlib
import re
import socket

import netns
import postern
import smtp

import pytest

OURS, OURS_6 = "192.0.2.1", "2001:db8::1"
SESSIONS_MAX = 20
NETWORK_MAX = 50
MINUTE_MAX = 60
ERRORS_MAX = 10
IDLE_MAX = 50
# Each test comes from networks of its own: connections count for a minute.
NETWORKS = ["192.0.2.1/24", "198.51.100.1/24", "203.0.113.1/24", "45.0.2.1/24", "45.0.3.1/24", "45.0.4.1/24"]
NETWORKS_6 = [OURS_6 + "/128"] + [f"2001:db8:{network}::{host}/128" for network in (1, 2, 3, 4) for host in (1, 2, 3)]
# A worker counts for itself.
BASE = postern.BASE_CONFIG.replace("smtp workers 2", "smtp workers 1") + """\
listen on 192.0.2.1 port {port}
listen on 2001:db8::1 port {port}
action "out" relay host "smtp://127.0.0.1:1"
match for domain "far.example" action "out"
"""


@pytest.fixture(name="daemon", scope="module")
def fixture_daemon():
    with netns.entered(*NETWORKS, *NETWORKS_6):
        daemon = postern.Daemon(base=BASE).start()
        try:
            yield daemon
        finally:
            daemon.close()


def connect(daemon, source, host=None):
    """A client with that address, its greeting read."""
    client = smtp.Client.__new__(smtp.Client)
    client.socket = socket.create_connection((host or (OURS_6 if ":" in source else OURS), daemon.port), smtp.REPLY_SECONDS,
                                             (source, 0))
    client.received = b""
    client.greeting = client.reply()
    return client


def refused(client):
    """Whether it was sent away with 421 4.7.0; fails when it was neither that nor greeted."""
    if client.greeting.code == 220:
        return False
    assert (client.greeting.code, client.greeting.enhanced) == (421, "4.7.0"), client.greeting.text
    assert client.closed()
    return True


@pytest.mark.parametrize("stranger", ["192.0.2.10", "2001:db8:1::1"])
def test_X02_sessions_of_one_address(daemon, stranger):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(daemon, stranger)) for _ in range(SESSIONS_MAX)]
        assert not any(refused(client) for client in clients)
        with connect(daemon, stranger) as one_more:
            assert refused(one_more)
        # Those that are there go on.
        clients[0].ehlo()
        # A place that becomes free may be taken again.
        clients[-1].quit()
        ended = "event=disconnected .*address=" + re.escape(f"[{stranger}]" if ":" in stranger else stranger) + ":"
        postern.wait_until(lambda: daemon.log.count(ended) == 2, what="the end of two sessions")
        assert not refused(stack.enter_context(connect(daemon, stranger)))
        assert refused(stack.enter_context(connect(daemon, stranger)))


NEIGHBOURS = [
    # addresses of one network, one of another
    (["198.51.100.10", "198.51.100.11", "198.51.100.254"], "203.0.113.10"),
    (["2001:db8:2::1", "2001:db8:2::2", "2001:db8:2::3"], "2001:db8:3::1"),
]


@pytest.mark.parametrize("neighbours, another", NEIGHBOURS, ids=["a /24", "a /64"])
def test_X02_sessions_of_one_network(daemon, neighbours, another):
    with contextlib.ExitStack() as stack:
        for number in range(NETWORK_MAX):
            client = stack.enter_context(connect(daemon, neighbours[number // SESSIONS_MAX]))
            assert not refused(client), number
        # The last of them has room for ten more by itself.
        assert refused(stack.enter_context(connect(daemon, neighbours[-1])))
        assert not refused(stack.enter_context(connect(daemon, another)))
        assert not refused(stack.enter_context(connect(daemon, "127.0.0.1", "127.0.0.1")))


MINUTES = [
    # who connects in turn, who does not count with them
    (["45.0.2.10"], "45.0.2.11"),
    # An address is not all that a client of IPv6 has.
    (["2001:db8:4::1", "2001:db8:4::2", "2001:db8:4::3"], "2001:db8:3::2"),
]


@pytest.mark.parametrize("sources, another", MINUTES, ids=["an address", "a /64"])
def test_X02_connections_in_a_minute(daemon, sources, another):
    for number in range(MINUTE_MAX):
        with connect(daemon, sources[number % len(sources)]) as client:
            assert not refused(client), number
            client.quit()
    for source in sources:
        with connect(daemon, source) as client:
            assert refused(client)
    with connect(daemon, another) as client:
        assert not refused(client)
    for _ in range(2 * MINUTE_MAX):
        with connect(daemon, "127.0.0.1", "127.0.0.1") as client:
            assert not refused(client)
            client.quit()


def test_X02_clients_of_this_machine_have_no_such_limit(daemon):
    with contextlib.ExitStack() as stack:
        for _ in range(3 * SESSIONS_MAX):
            assert not refused(stack.enter_context(connect(daemon, "127.0.0.1", "127.0.0.1")))


def errors(client, count):
    for _ in range(count):
        client.command("XYZZY", 500)


@pytest.mark.deadline(30)
def test_errors_of_a_session(daemon):
    """Ten are answered, from the fourth on a second late; the next ends the session. Not so for a local client."""
    with connect(daemon, "45.0.3.10") as client:
        client.ehlo()
        errors(client, ERRORS_MAX)
        client.send(b"XYZZY\r\n")
        # The reply to the error itself, then the last word.
        replies = [client.reply(), client.reply()]
        assert [reply.code for reply in replies] == [500, 421] and replies[1].enhanced == "4.7.0", replies
        assert client.closed()
    with connect(daemon, "127.0.0.1", "127.0.0.1") as client:
        client.ehlo()
        errors(client, 3 * ERRORS_MAX)
        client.quit()


def test_commands_that_do_nothing(daemon):
    with connect(daemon, "45.0.3.10") as client:
        client.ehlo()
        for _ in range(IDLE_MAX):
            client.command("NOOP", 250)
        reply = client.command("NOOP", 421)
        assert reply.enhanced == "4.7.0" and client.closed()
    with connect(daemon, "127.0.0.1", "127.0.0.1") as client:
        client.ehlo()
        for _ in range(3 * IDLE_MAX):
            client.command("NOOP", 250)
        client.quit()


def test_a_stranger_may_not_relay(daemon):
    """What the same rule gives a client of this machine."""
    with connect(daemon, "45.0.3.10") as client:
        client.ehlo()
        client.command("MAIL FROM:<a@client.example>", 250)
        client.command("RCPT TO:<b@far.example>", 550)
    with connect(daemon, "127.0.0.1", "127.0.0.1") as client:
        client.ehlo()
        client.envelope("a@client.example", ["b@far.example"])
