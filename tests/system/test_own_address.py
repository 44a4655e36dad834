# SPDX-License-Identifier: ISC
"""Mail for a domain whose mail server is this very machine, by an address that is not loopback (SECURITY D02): it never comes
back in by our own port 25. A network of its own, whose addresses may be any: reserved ones would be refused anyway."""

import asyncio
import contextlib
import re

import dns_server
import netns
import postern
import sink
import smtp

import pytest

OURS, OTHER, OURS_6 = "45.0.2.1", "45.0.2.2", "2606:4700::1"
BASE = postern.BASE_CONFIG.replace('mta private-destinations {{ "127.0.0.0/8", "::1" }}\n', "{private}")
EXTRA = """\
listen on 45.0.2.1 port 25
listen on 2606:4700::1 port 25
dns server "127.0.0.1@{dns}"
action "out" relay
action "ourselves" relay host "smtp://45.0.2.1:25"
match from any for domain "ourselves.example" action "ourselves"
match from any for any action "out"
"""
EVENT = re.compile(r"event=(delivered|deferred|bounced) .*? to=a@(\S+) .*? reply=(\"[^\"]*\"|\S+)")


class Other(sink.Sink):
    """A server on port 25 of the other address."""

    def run(self, started):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, OTHER, 25, limit=sink.LINE_MAX))
        self.port = 25
        started.set()
        self.loop.run_forever()
        self.server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


class Lab:
    def __init__(self, stack, private):
        self.names = dns_server.DnsServer({"us.example": [f"A {OURS}"], "us6.example": [f"AAAA {OURS_6}"],
                                           "other.example": [f"A {OTHER}"], "gone.example": ["A 45.0.2.3"]})
        stack.callback(self.names.stop)
        self.other = Other()
        stack.callback(self.other.stop)
        self.daemon = postern.Daemon(EXTRA, base=BASE, private=private, dns=self.names.port)
        stack.callback(self.daemon.close)
        self.daemon.start()

    def sessions_by_network(self):
        """Those that came to port 25: by an address of the machine that is not loopback."""
        return self.daemon.log.count(r"event=connected .*address=(45\.|\[2606)")

    def events(self, domain):
        return [(match[1], match[3].strip('"')) for line in self.daemon.log.text().splitlines()
                if (match := EVENT.search(line)) and match[2] == domain]

    def send(self, domain, seconds=postern.WAIT_SECONDS):
        """The first event of a message for the domain."""
        smtp.deliver(self.daemon.port, "", [f"a@{domain}"], smtp.message())
        return postern.wait_until(lambda: self.events(domain), seconds, f"an event of {domain}")[0]


@pytest.fixture(name="lab", scope="module", params=["", 'mta private-destinations { "127.0.0.0/8", "45.0.2.0/24" }\n'],
                ids=["as installed", "our network excepted"])
def fixture_lab(request):
    with contextlib.ExitStack() as stack:
        # OTHER can be bound as well, and is no address of an interface.
        stack.enter_context(netns.entered(f"{OURS}/24", f"{OURS_6}/128"))
        yield Lab(stack, request.param)


ROWS = [
    # what, records of the domain, event, reply
    ("the only MX is us", ["MX 10 us.example."], "bounced", "55[04] 5.4.6 "),
    ("the only MX is us, by IPv6", ["MX 10 us6.example."], "bounced", "55[04] 5.4.6 "),
    ("no MX, the address is ours", [f"A {OURS}"], "bounced", "55[04] 5.4.6 "),
    ("a better one takes it", ["MX 10 other.example.", "MX 20 us.example."], "delivered", "250 "),
    ("only a worse one would take it", ["MX 10 us.example.", "MX 20 other.example."], "bounced", "55[04] 5.4.6 "),
    ("an equal one would take it", ["MX 10 us.example.", "MX 10 other.example."], "bounced", "55[04] 5.4.6 "),
    ("a better one is down, a worse one is there", ["MX 10 gone.example.", "MX 20 us.example.", "MX 30 other.example."],
     "deferred", "4"),
]


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: ROWS[number][0])
def test_D02_we_are_never_our_own_server(lab, number):
    _, records, event, reply = ROWS[number]
    domain = f"d{number}.example"
    lab.names.zone[domain] = records
    before = lab.sessions_by_network()
    got = lab.send(domain)
    assert got[0] == event and re.match(reply, got[1]), got
    assert lab.sessions_by_network() == before, "it came back to us"
    if event == "deferred":
        lab.daemon.ctl("remove", "all")


@pytest.mark.parametrize("address", [f"[{OURS}]", f"[IPv6:{OURS_6}]"])
def test_D02_nor_by_a_literal(lab, address):
    before = lab.sessions_by_network()
    event, reply = lab.send(address)
    assert event == "bounced" and re.match("55[04] 5.4.[46] ", reply), (event, reply)
    assert lab.sessions_by_network() == before, "it came back to us"


@pytest.mark.deadline(60)
def test_a_loop_that_the_configuration_makes_ends(lab):
    """A relay host that is ourselves is done as told, until the message has come round a hundred times (RFC 5321 section 6.3)."""
    lab.send("ourselves.example")
    lab.daemon.wait_queue_empty(30)
    events = lab.events("ourselves.example")
    # In any order: a round may hear that it was delivered after the next one is over.
    rounds = [event for event, _ in events if event == "delivered"]
    others = [(event, reply) for event, reply in events if event != "delivered"]
    assert 90 <= len(rounds) <= 100 and len(others) == 1, events
    assert others[0][0] == "bounced" and others[0][1].startswith("554 5.4.6 "), others
